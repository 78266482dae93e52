// An answer as it is written, and the usage in the last chunk.
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: `${process.env.POINTSMAN_URL ?? "http://127.0.0.1:8080"}/v1`,
  apiKey: process.env.POINTSMAN_KEY ?? "unused",
});

const stream = await client.chat.completions.create({
  model: "auto",
  messages: [{ role: "user", content: "Explain how a lighthouse works." }],
  stream: true,
  stream_options: { include_usage: true },
});
try {
  for await (const chunk of stream) {
    process.stdout.write(chunk.choices[0]?.delta.content ?? "");
    if (chunk.usage) console.log(`\n(${chunk.usage.total_tokens} tokens)`);
  }
} catch (error) {
  // A provider that breaks off in the middle is told as an error; a stream never just stops.
  console.error(`\nbroke off: ${error.message}`);
  process.exitCode = 1;
}
