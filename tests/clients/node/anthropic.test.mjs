// Anthropic's official Node SDK, with nothing changed but the base URL.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { EASY, WEATHER, gateway, user } from "./harness.mjs";

let running, client;
before(async () => {
  running = await gateway();
  client = new Anthropic({ baseURL: running.url, apiKey: "unused", maxRetries: 0 });
});
after(() => running.stop());

const tools = [{ name: "get_weather", description: WEATHER.function.description, input_schema: WEATHER.function.parameters }];
const ask = (model, content, more = {}) => ({ model, max_tokens: 500, messages: user(content), ...more });
const textOf = (message) => message.content.filter((block) => block.type === "text").map((block) => block.text).join("");

test("a plain answer", async () => {
  const answer = await client.messages.create(ask("auto", EASY));
  assert.match(textOf(answer), /391/);
  assert.equal(answer.stop_reason, "end_turn");
  assert.ok(answer.usage.input_tokens > 0 && answer.usage.output_tokens > 0);
});

test("a stream", async () => {
  const stream = client.messages.stream(ask("auto/plain", EASY));
  let text = "";
  stream.on("text", (piece) => { text += piece; });
  const answer = await stream.finalMessage();
  assert.match(text, /391/);
  assert.equal(textOf(answer), text);
  assert.ok(answer.usage.output_tokens > 0);
});

test("tools, and the turn after them", async () => {
  const question = "Compare the weather in Paris and Rome.";
  const said = await client.messages.stream(ask("sim/large", question, { tools })).finalMessage();
  const calls = said.content.filter((block) => block.type === "tool_use");
  assert.equal(said.stop_reason, "tool_use");
  assert.deepEqual(calls.map((call) => call.input.city), ["Paris", "Rome"]);
  const results = calls.map((call) => ({
    type: "tool_result", tool_use_id: call.id, content: JSON.stringify({ city: call.input.city, temperature: 18 }),
  }));
  const messages = [...user(question), { role: "assistant", content: said.content }, { role: "user", content: results }];
  assert.match(textOf(await client.messages.create({ model: "sim/large", max_tokens: 500, messages, tools })), /18/);
});

test("tokens are counted", async () => {
  const { input_tokens } = await client.messages.countTokens({ model: "sim/large", messages: user(EASY) });
  assert.ok(input_tokens > 0);
});

test("the SDK's own errors", async () => {
  await assert.rejects(client.messages.create(ask("sim/larg", EASY)), Anthropic.NotFoundError);
  await assert.rejects(client.messages.create({ ...ask("sim/large", EASY), messages: "no list" }), Anthropic.BadRequestError);
  const fault = (text) => client.messages.create(ask("sim/large", EASY), { headers: { "x-sim-fault": text } });
  await assert.rejects(fault("429=3"), (error) =>
    error instanceof Anthropic.RateLimitError && error.headers.get("retry-after") === "3");
  await assert.rejects(fault("500"), Anthropic.InternalServerError);
});

test("a stream that breaks raises", async () => {
  const stream = await client.messages.create(
    ask("sim/medium", "Explain how a lighthouse works.", { stream: true }), { headers: { "x-sim-fault": "cut=3" } });
  await assert.rejects(async () => {
    for await (const _ of stream);
  }, Anthropic.APIError);
});

test("a key is asked for where keys are configured", async () => {
  const keyed = await gateway({ keys: [{ id: "one", key: "pm-key-number-one" }] });
  try {
    const wrong = new Anthropic({ baseURL: keyed.url, apiKey: "wrong-key", maxRetries: 0 });
    await assert.rejects(wrong.messages.create(ask("auto", EASY)), Anthropic.AuthenticationError);
    const right = new Anthropic({ baseURL: keyed.url, apiKey: "pm-key-number-one", maxRetries: 0 });
    assert.ok((await right.messages.create(ask("auto", EASY))).id);
  } finally {
    await keyed.stop();
  }
});
