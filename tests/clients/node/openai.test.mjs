// The official Node SDK, with nothing changed but the base URL.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { EASY, HARD, WEATHER, gateway, user } from "./harness.mjs";

let running, client;
before(async () => {
  running = await gateway();
  client = new OpenAI({ baseURL: running.base, apiKey: "unused", maxRetries: 0 });
});
after(() => running.stop());

test("a plain answer", async () => {
  const answer = await client.chat.completions.create({ model: "auto", messages: user(EASY) });
  assert.match(answer.choices[0].message.content, /391/);
  assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
});

test("a named model is the one that answers, and the headers say so", async () => {
  const { response } = await client.chat.completions
    .create({ model: "sim/large", messages: user(EASY) })
    .withResponse();
  assert.equal(response.headers.get("x-pointsman-model"), "sim/large");
  assert.equal(response.headers.get("x-pointsman-reason"), "requested");
  assert.match(response.headers.get("x-pointsman-id"), /^req_/);
});

test("a stream, its end and its usage", async () => {
  const stream = await client.chat.completions.create({
    model: "auto/plain", messages: user(EASY), stream: true, stream_options: { include_usage: true },
  });
  let text = "", usage, finish;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    finish = chunk.choices[0]?.finish_reason ?? finish;
    usage = chunk.usage ?? usage;
  }
  assert.match(text, /391/);
  assert.equal(finish, "stop");
  assert.ok(usage.total_tokens > 0);
});

test("no usage where it was not asked for", async () => {
  const stream = await client.chat.completions.create({ model: "auto/plain", messages: user(EASY), stream: true });
  for await (const chunk of stream) {
    assert.ok(!chunk.usage);
    assert.equal(chunk.choices.length, 1);
  }
});

test("the ladder climbs", async () => {
  const { response } = await client.chat.completions.create({ model: "auto", messages: user(HARD) }).withResponse();
  assert.equal(response.headers.get("x-pointsman-model"), "sim/large");
  assert.equal(response.headers.get("x-pointsman-reason"), "escalated");
});

test("tools, parallel and streamed", async () => {
  const stream = client.chat.completions.stream({
    model: "sim/large", messages: user("Compare the weather in Paris and Rome."), tools: [WEATHER],
  });
  const calls = (await stream.finalChatCompletion()).choices[0].message.tool_calls;
  assert.deepEqual(calls.map((call) => JSON.parse(call.function.arguments).city), ["Paris", "Rome"]);
});

test("an agent's whole loop, run by the SDK", async () => {
  const asked = [];
  const runner = client.chat.completions.runTools({
    model: "sim/large",
    messages: user("What is the weather in Oslo?"),
    tools: [{
      type: "function",
      function: {
        ...WEATHER.function,
        parse: JSON.parse,
        function: ({ city }) => {
          asked.push(city);
          return JSON.stringify({ city, temperature: -3 });
        },
      },
    }],
  });
  assert.match(await runner.finalContent(), /-3/);
  assert.deepEqual(asked, ["Oslo"]);
});

test("a parsed schema", async () => {
  const Person = z.object({ name: z.string(), age: z.number(), city: z.string() });
  const answer = await client.chat.completions.parse({
    model: "sim/large",
    messages: user("Extract: Anna is 34 years old and lives in Rome."),
    response_format: zodResponseFormat(Person, "person"),
  });
  assert.equal(answer.choices[0].message.parsed.city, "Rome");
});

test("the SDK's own errors", async () => {
  const fails = (kind, fields) => assert.rejects(client.chat.completions.create({ messages: user(EASY), ...fields }), kind);
  await fails(OpenAI.NotFoundError, { model: "sim/larg" });
  await fails(OpenAI.BadRequestError, { model: "sim/large", messages: "no list" });
  await fails(OpenAI.PermissionDeniedError, {
    model: "auto/guarded",
    messages: user([{ type: "image_url", image_url: { url: "https://example.com/a.png" } }]),
  });
  const fault = (text) => client.chat.completions.create(
    { model: "sim/large", messages: user(EASY) }, { headers: { "x-sim-fault": text } });
  await assert.rejects(fault("429=3"), (error) =>
    error instanceof OpenAI.RateLimitError && error.headers.get("retry-after") === "3");
  await assert.rejects(fault("500"), OpenAI.InternalServerError);
});

test("the client's own timeout", async () => {
  await assert.rejects(
    client.chat.completions.create(
      { model: "sim/medium", messages: user(EASY) }, { timeout: 300, headers: { "x-sim-latency": "20s" } }),
    OpenAI.APIConnectionTimeoutError,
  );
});

test("a stream that breaks raises", async () => {
  const stream = await client.chat.completions.create(
    { model: "sim/medium", messages: user("Explain how a lighthouse works."), stream: true },
    { headers: { "x-sim-fault": "cut=3" } },
  );
  await assert.rejects(async () => {
    for await (const _ of stream);
  }, OpenAI.APIError);
});

test("a key is asked for where keys are configured", async () => {
  const keyed = await gateway({ keys: [{ id: "one", key: "pm-key-number-one" }] });
  try {
    const wrong = new OpenAI({ baseURL: keyed.base, apiKey: "wrong-key", maxRetries: 0 });
    await assert.rejects(wrong.chat.completions.create({ model: "auto", messages: user(EASY) }), OpenAI.AuthenticationError);
    const right = new OpenAI({ baseURL: keyed.base, apiKey: "pm-key-number-one", maxRetries: 0 });
    assert.ok((await right.chat.completions.create({ model: "auto", messages: user(EASY) })).id);
  } finally {
    await keyed.stop();
  }
});

test("the list of models", async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  for (const id of ["auto", "auto/plain", "sim/small"]) assert.ok(ids.includes(id), id);
  assert.equal((await client.models.retrieve("sim/small")).id, "sim/small");
});
