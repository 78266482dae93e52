// An agent's loop: the model asks for a tool, we call it, the model answers with what it brought.
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: `${process.env.POINTSMAN_URL ?? "http://127.0.0.1:8080"}/v1`,
  apiKey: process.env.POINTSMAN_KEY ?? "unused",
});

const getWeather = ({ city }) => ({ city, sky: "clear", temperature: 18 });
const tools = [
  {
    type: "function",
    function: {
      name: "get_weather",
      description: "The weather in a city.",
      parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
    },
  },
];
const messages = [{ role: "user", content: "What is the weather in Paris?" }];
let message;
do {
  message = (await client.chat.completions.create({ model: "auto", messages, tools })).choices[0].message;
  messages.push(message);
  for (const call of message.tool_calls ?? []) {
    console.log(`called ${call.function.name}(${call.function.arguments})`);
    const result = getWeather(JSON.parse(call.function.arguments));
    messages.push({ role: "tool", tool_call_id: call.id, content: JSON.stringify(result) });
  }
} while (message.tool_calls?.length);
console.log(message.content);
