//! What the wire costs: reading a request, splicing it, translating it, watching a stream go by:
//! `cargo bench --bench wire`. The bars: 10 µs for translating a request of 2 KB, 5 µs for a streamed
//! event, translated or not.

#![allow(missing_docs)]

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use pointsman::dialect::openai_chat::{Request, stream};
use pointsman::dialect::passage::{Context, Passage};
use pointsman::dialect::{Dialect, Edits, Quirks};

/// The dialects that clients and providers have in common.
const DIALECTS: [Dialect; 4] = [
    Dialect::OpenAiChat,
    Dialect::OpenAiResponses,
    Dialect::AnthropicMessages,
    Dialect::GeminiGenerate,
];

fn request(bytes: usize) -> Bytes {
    let text = "The quick brown fox jumps over the lazy dog.\\n".repeat(bytes / 46 + 1);
    Bytes::from(format!(
        r#"{{"model":"auto","temperature":0.2,"stream":true,"messages":[{{"role":"system","content":"Be brief."}},{{"role":"user","content":"{text}"}}]}}"#
    ))
}

fn requests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request");
    for (name, size) in [("2 KB", 2_000), ("200 KB", 200_000)] {
        let body = request(size);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(format!("read {name}"), |bencher| {
            bencher.iter(|| Request::read(black_box(body.clone())));
        });
        let Ok(read) = Request::read(body) else { panic!("a good request") };
        let edits =
            Edits { model: Some(Arc::from("gpt-5-nano")), include_usage: true, ..Edits::default() };
        group.bench_function(format!("splice {name}"), |bencher| {
            bencher.iter(|| read.encode(black_box(&edits), &Quirks::NONE));
        });
    }
    group.finish();
}

fn streams(criterion: &mut Criterion) {
    let event = r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}]}"#;
    let events: Vec<Bytes> = (0..100).map(|_| Bytes::from(format!("{event}\n\n"))).collect();
    let mut group = criterion.benchmark_group("stream");
    group.throughput(Throughput::Elements(events.len() as u64));
    group.bench_function("events", |bencher| {
        bencher.iter_batched(
            || stream(Quirks::NONE),
            |mut stream| {
                for event in &events {
                    black_box(stream.push(event.clone()));
                }
                stream
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

/// A request of about 2 KB in each dialect: instructions, a few turns, one tool.
fn asked(dialect: Dialect) -> pointsman::dialect::Request {
    let turn = "The quick brown fox jumps over the lazy dog, and what came of it? ".repeat(6);
    let schema = r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}"#;
    let text = match dialect {
        Dialect::AnthropicMessages => format!(
            r#"{{"model":"auto","max_tokens":500,"temperature":0.2,"stream":true,"system":"Be brief.","tools":[{{"name":"weather","description":"d","input_schema":{schema}}}],"messages":[{{"role":"user","content":"{turn}"}},{{"role":"assistant","content":"{turn}"}},{{"role":"user","content":"{turn}"}}]}}"#
        ),
        Dialect::GeminiGenerate => format!(
            r#"{{"systemInstruction":{{"parts":[{{"text":"Be brief."}}]}},"generationConfig":{{"temperature":0.2,"maxOutputTokens":500}},"tools":[{{"functionDeclarations":[{{"name":"weather","description":"d","parametersJsonSchema":{schema}}}]}}],"contents":[{{"role":"user","parts":[{{"text":"{turn}"}}]}},{{"role":"model","parts":[{{"text":"{turn}"}}]}},{{"role":"user","parts":[{{"text":"{turn}"}}]}}]}}"#
        ),
        Dialect::OpenAiResponses => format!(
            r#"{{"model":"auto","max_output_tokens":500,"temperature":0.2,"stream":true,"instructions":"Be brief.","tools":[{{"type":"function","name":"weather","description":"d","parameters":{schema}}}],"input":[{{"role":"user","content":"{turn}"}},{{"role":"assistant","content":"{turn}"}},{{"role":"user","content":"{turn}"}}]}}"#
        ),
        _ => format!(
            r#"{{"model":"auto","max_tokens":500,"temperature":0.2,"stream":true,"tools":[{{"type":"function","function":{{"name":"weather","description":"d","parameters":{schema}}}}}],"messages":[{{"role":"system","content":"Be brief."}},{{"role":"user","content":"{turn}"}},{{"role":"assistant","content":"{turn}"}},{{"role":"user","content":"{turn}"}}]}}"#
        ),
    };
    match pointsman::dialect::Request::read(dialect, Bytes::from(text), Some(("auto", true))) {
        Ok(request) => request,
        Err(error) => panic!("{dialect}: {error}"),
    }
}

fn translations(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("translate 2 KB");
    for client in DIALECTS {
        let request = asked(client);
        for provider in DIALECTS.into_iter().filter(|provider| *provider != client) {
            let Some(passage) = Passage::of(client, &[provider]) else { panic!("a way") };
            let edits = Edits { model: Some(Arc::from("a-model")), ..Edits::default() };
            group.bench_function(format!("{client} to {provider}"), |bencher| {
                bencher.iter(|| passage.encode(black_box(&request), &edits, &Quirks::NONE, |_| {}));
            });
        }
    }
    group.finish();
}

/// One event of a provider's stream, in the middle of a text.
fn event_of(provider: Dialect) -> (&'static str, &'static str) {
    match provider {
        Dialect::AnthropicMessages => (
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" word\"}}\n\n",
        ),
        Dialect::GeminiGenerate => (
            "",
            "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\" word\"}],\"role\":\"model\"},\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":3,\"candidatesTokenCount\":1,\"totalTokenCount\":4},\"modelVersion\":\"m\",\"responseId\":\"r\"}\r\n\r\n",
        ),
        Dialect::OpenAiResponses => (
            "event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{\"type\":\"message\",\"id\":\"i\",\"role\":\"assistant\",\"content\":[]}}\n\nevent: response.content_part.added\ndata: {\"type\":\"response.content_part.added\",\"item_id\":\"i\",\"output_index\":0,\"content_index\":0,\"part\":{\"type\":\"output_text\",\"text\":\"\"}}\n\n",
            "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"item_id\":\"i\",\"output_index\":0,\"content_index\":0,\"delta\":\" word\",\"sequence_number\":9}\n\n",
        ),
        _ => (
            "",
            "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n",
        ),
    }
}

/// A thousand events: what an event costs must not grow with what came before it.
fn translated_streams(criterion: &mut Criterion) {
    const EVENTS: u64 = 1_000;
    let mut group = criterion.benchmark_group("translate 1000 events");
    group.throughput(Throughput::Elements(EVENTS));
    for client in DIALECTS {
        let context = Context {
            id: "req_1".into(),
            model: "m".into(),
            created: 1,
            request: Arc::new(asked(client)),
        };
        for provider in DIALECTS {
            let Some(passage) = Passage::of(client, &[provider]) else { panic!("a way") };
            let (before, event) = event_of(provider);
            let (before, event) =
                (Bytes::from_static(before.as_bytes()), Bytes::from_static(event.as_bytes()));
            group.bench_function(format!("{provider} to {client}"), |bencher| {
                bencher.iter(|| {
                    let Ok(mut stream) = passage.stream(&Quirks::NONE, &context) else { return };
                    black_box(stream.push(before.clone()));
                    for _ in 0..EVENTS {
                        black_box(stream.push(event.clone()));
                    }
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, requests, translations, streams, translated_streams);
criterion_main!(benches);
