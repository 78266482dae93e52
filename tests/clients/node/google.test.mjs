// Google's official Node SDK, with nothing changed but the base URL.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ApiError, GoogleGenAI } from "@google/genai";
import { EASY, WEATHER, gateway } from "./harness.mjs";

let running, models, chats;
const connect = (url, apiKey = "unused", headers = {}) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: url, headers } });
before(async () => {
  running = await gateway();
  ({ models, chats } = connect(running.url));
});
after(() => running.stop());

const tools = [{
  functionDeclarations: [{
    name: "get_weather", description: WEATHER.function.description, parametersJsonSchema: WEATHER.function.parameters,
  }],
}];

test("a plain answer", async () => {
  const answer = await models.generateContent({ model: "auto", contents: EASY });
  assert.match(answer.text, /391/);
  assert.equal(answer.candidates[0].finishReason, "STOP");
  assert.ok(answer.usageMetadata.totalTokenCount > 0);
});

test("a stream", async () => {
  let text = "", last;
  for await (const chunk of await models.generateContentStream({ model: "auto/plain", contents: EASY })) {
    text += chunk.text ?? "";
    last = chunk;
  }
  assert.match(text, /391/);
  assert.equal(last.candidates[0].finishReason, "STOP");
  assert.ok(last.usageMetadata.totalTokenCount > 0);
});

test("tools, and the turn after them", async () => {
  const chat = chats.create({ model: "sim/large", config: { tools } });
  const { functionCalls } = await chat.sendMessage({ message: "Compare the weather in Paris and Rome." });
  assert.deepEqual(functionCalls.map((call) => call.args.city), ["Paris", "Rome"]);
  const message = functionCalls.map(({ id, name, args }) =>
    ({ functionResponse: { id, name, response: { city: args.city, temperature: 18 } } }));
  assert.match((await chat.sendMessage({ message })).text, /18/);
});

test("tokens are counted", async () => {
  assert.ok((await models.countTokens({ model: "sim/large", contents: EASY })).totalTokens > 0);
});

test("the SDK's own errors", async () => {
  const fails = (asked, status, headers) =>
    assert.rejects(connect(running.url, "unused", headers).models.generateContent({ contents: EASY, ...asked }), (error) =>
      error instanceof ApiError && error.status === status);
  await fails({ model: "sim/larg" }, 404);
  await fails({ model: "sim/large" }, 429, { "x-sim-fault": "429=3" });
  await fails({ model: "sim/large" }, 500, { "x-sim-fault": "500" });
});

test("a stream that breaks raises", async () => {
  const broken = connect(running.url, "unused", { "x-sim-fault": "cut=3" });
  const stream = await broken.models.generateContentStream({ model: "sim/medium", contents: "Explain how a lighthouse works." });
  await assert.rejects(async () => {
    for await (const _ of stream);
  });
});

test("a key is asked for where keys are configured", async () => {
  const keyed = await gateway({ keys: [{ id: "one", key: "pm-key-number-one" }] });
  try {
    const asked = { model: "auto", contents: EASY };
    await assert.rejects(connect(keyed.url, "wrong-key").models.generateContent(asked), (error) => error.status === 401);
    assert.match((await connect(keyed.url, "pm-key-number-one").models.generateContent(asked)).text, /391/);
  } finally {
    await keyed.stop();
  }
});
