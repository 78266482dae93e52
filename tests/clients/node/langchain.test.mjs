// LangChain for JavaScript, as its documentation says.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import { z } from "zod";
import { EASY, gateway } from "./harness.mjs";

let running;
before(async () => {
  running = await gateway();
});
after(() => running.stop());

const chat = (model) =>
  new ChatOpenAI({ model, apiKey: "unused", maxRetries: 0, configuration: { baseURL: running.base } });

test("it answers", async () => {
  const answer = await chat("auto").invoke(EASY);
  assert.match(answer.content, /391/);
  assert.ok(answer.usage_metadata.total_tokens > 0);
});

test("it streams", async () => {
  let text = "";
  for await (const chunk of await chat("auto/plain").stream(EASY)) text += chunk.content;
  assert.match(text, /391/);
});

test("it calls tools", async () => {
  const weather = tool(({ city }) => `clear in ${city}`, {
    name: "get_weather", description: "The weather in a city.", schema: z.object({ city: z.string() }),
  });
  const answer = await chat("sim/large").bindTools([weather]).invoke("Compare the weather in Paris and Rome.");
  assert.deepEqual(answer.tool_calls.map((call) => call.args.city), ["Paris", "Rome"]);
});

test("it gets structured answers", async () => {
  const Person = z.object({ name: z.string(), age: z.number(), city: z.string() });
  const person = await chat("sim/large").withStructuredOutput(Person).invoke("Extract: Anna is 34 years old and lives in Rome.");
  assert.equal(person.city, "Rome");
});
