//! What the wire costs: reading a request, splicing it, watching a stream go by:
//! `cargo bench --bench wire`. The bar for a streamed event is 5 µs.

#![allow(missing_docs)]

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use pointsman::dialect::openai_chat::{Request, stream};
use pointsman::dialect::{Edits, Quirks};

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

criterion_group!(benches, requests, streams);
criterion_main!(benches);
