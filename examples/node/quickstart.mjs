// The OpenAI SDK with another base URL, and nothing else changed.
//
//     pointsman demo &                    # or: pointsman serve
//     npm install openai && node examples/node/quickstart.mjs
//
// POINTSMAN_URL says where the gateway is, POINTSMAN_KEY holds a key if it asks for one.
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: `${process.env.POINTSMAN_URL ?? "http://127.0.0.1:8080"}/v1`,
  apiKey: process.env.POINTSMAN_KEY ?? "unused",
});

// `auto` leaves the choice of the model to the policy. A model that is named, such as `sim/large`, is the
// one that answers, or there is an error: it is never replaced by another.
const answer = await client.chat.completions.create({
  model: "auto",
  messages: [{ role: "user", content: "What is 17 * 23?" }],
});
console.log(answer.choices[0].message.content);
