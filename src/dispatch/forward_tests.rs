//! Streams on their way to clients of other dialects.

use std::sync::Arc;

use super::*;
use crate::dialect::answer::Finish;
use crate::dialect::passage::{client_side, provider_side};
use crate::dialect::{Quirks, Request};

fn context(client: Dialect) -> Context {
    let body = match client {
        Dialect::GeminiGenerate => r#"{"contents":[{"parts":[{"text":"x"}]}]}"#,
        Dialect::OpenAiResponses => r#"{"model":"m","input":"x","stream":true}"#,
        _ => r#"{"model":"m","max_tokens":5,"messages":[],"stream":true}"#,
    };
    let request = Request::read(client, Bytes::from(body), Some(("m", true))).unwrap();
    Context { id: "req_1".into(), model: "m".into(), created: 1, request: Arc::new(request) }
}

/// What a client is sent of what a provider sends.
async fn sent(client: Dialect, provider: Dialect, text: &str, epilogue: bool) -> Vec<u8> {
    let context = context(client);
    let stream = provider_side(provider).unwrap().stream(&Quirks::NONE);
    let mut machine = stream.translated(client_side(client).writer(&context)).naming("req_1");
    let mut held = machine.push(Bytes::from(text.to_owned()));
    held.extend(machine.last_event());
    let mut forward = Forward::new(held, machine, None, false, context);
    if epilogue {
        forward.with_epilogue(|_| Bytes::from_static(b": epilogue\n\n"));
    }
    let mut out = Vec::new();
    while let Some(bytes) = forward.next("req_1").await {
        out.extend_from_slice(&bytes);
    }
    out
}

fn read(client: Dialect, bytes: Vec<u8>) -> Answer {
    let mut machine = provider_side(client).unwrap().stream(&Quirks::NONE);
    machine.push(Bytes::from(bytes));
    machine.finish().unwrap()
}

const CLIENTS: [Dialect; 4] = [
    Dialect::OpenAiChat,
    Dialect::OpenAiResponses,
    Dialect::AnthropicMessages,
    Dialect::GeminiGenerate,
];

#[tokio::test]
async fn what_the_last_event_brings_is_sent_before_the_end() {
    // The line that ends the stream has words, and a call, in it.
    let lines = concat!(
        r#"{"model":"m","message":{"role":"assistant","content":"a"},"done":false}"#,
        "\n",
        r#"{"model":"m","message":{"role":"assistant","content":"b","tool_calls":[{"function":{"name":"f","arguments":{"x":1}}}]},"#,
        r#""done":true,"done_reason":"stop","prompt_eval_count":1,"eval_count":2}"#,
        "\n",
    );
    for client in CLIENTS {
        for epilogue in [false, true] {
            let bytes = sent(client, Dialect::OllamaChat, lines, epilogue).await;
            let text = String::from_utf8(bytes.clone()).unwrap();
            assert_eq!(text.contains("epilogue"), epilogue);
            let answer = read(client, bytes);
            let choice = answer.primary().unwrap();
            assert_eq!(choice.text(), "ab", "{client}: {text}");
            let call = choice.tool_calls().next().unwrap();
            assert_eq!((&*call.name, &*call.arguments), ("f", "{\"x\":1}"), "{client}: {text}");
            assert_eq!(call.id, "call_made_req_1_0_1", "{client}: {text}");
        }
    }
}

#[tokio::test]
async fn an_answer_may_go_on_behind_its_end() {
    // As Gemini does where it runs code: every step has a finish reason.
    let steps = [
        r#"{"text":"a"}"#,
        r#"{"functionCall":{"name":"f","args":{"x":1}}}"#,
        r#"{"text":"b"},{"functionCall":{"name":"g","args":{}}}"#,
    ];
    let text = steps.map(|parts| {
        let content = format!(r#"{{"content":{{"parts":[{parts}]}},"finishReason":"STOP"}}"#);
        format!("data: {{\"candidates\":[{content}]}}\n\n")
    });
    let text = text.concat();
    for client in CLIENTS {
        let bytes = sent(client, Dialect::GeminiGenerate, &text, false).await;
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        let answer = read(client, bytes);
        let choice = answer.primary().unwrap();
        assert_eq!(choice.text(), "ab", "{client}: {shown}");
        let names: Vec<&str> = choice.tool_calls().map(|call| &*call.name).collect();
        assert_eq!(names, ["f", "g"], "{client}: {shown}");
        let finish = match client {
            Dialect::GeminiGenerate | Dialect::OpenAiResponses => choice.finish,
            _ => Some(Finish::ToolCalls),
        };
        assert_eq!(choice.finish, finish, "{client}: {shown}");
    }
}
