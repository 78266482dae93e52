// Cheap first: the small model answers what it can, and the response says what happened and what it cost.
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: `${process.env.POINTSMAN_URL ?? "http://127.0.0.1:8080"}/v1`,
  apiKey: process.env.POINTSMAN_KEY ?? "unused",
});

for (const content of ["What is 17 * 23?", "Prove step by step that the square root of 2 is irrational."]) {
  const { data, response } = await client.chat.completions
    .create({ model: "auto", messages: [{ role: "user", content }] })
    .withResponse();
  const told = (name) => response.headers.get(`x-pointsman-${name}`);
  console.log(content);
  console.log(`  answered by ${told("model")} (${told("reason")}, attempts: ${told("attempts")}), $${told("cost")}`);
  console.log(`  ${data.choices[0].message.content.split("\n")[0]}`);
}
