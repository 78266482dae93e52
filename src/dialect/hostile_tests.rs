//! Whatever comes over the wire, no codec panics, and what is written is JSON.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::passage::{Context, client_side, embedding_side, provider_side};
use super::*;
use crate::dialect::aws_frames::tests::frame;
use crate::dialect::framing::{Frame, Framing, Wire};

/// Words that the dialects give a meaning to, as keys and as values.
const WORDS: &str = "type role content text thinking signature data id name index delta message \
    messages model input output arguments tool_calls function tool_use tool_result usage \
    input_tokens output_tokens prompt_tokens completion_tokens cache_read_input_tokens choices \
    finish_reason stop_reason error code status candidates parts functionCall functionResponse \
    thoughtSignature inlineData mimeType usageMetadata promptTokenCount candidatesTokenCount item \
    item_id output_index content_index summary_index annotations logprobs encrypted_content \
    summary reasoning contentBlockIndex start toolUse toolUseId reasoningContent citation image \
    source bytes stopReason cacheDetails inputTokens ttl done done_reason citations end sources \
    embeddings float values tools tool_choice response_format reasoning_effort max_tokens stop \
    system contents generationConfig instructions prompt user assistant tool message_start \
    content_block_start content_block_delta content_block_stop message_delta message_stop \
    text_delta input_json_delta thinking_delta signature_delta response.created \
    response.output_item.added response.output_item.done response.output_text.delta \
    response.completed response.failed function_call custom_tool_call output_text refusal \
    url_citation message-start content-start content-delta tool-call-start tool-call-delta \
    tool-call-end citation-start message-end input_text input_image image_url file_data dimensions";

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => proptest::sample::select(WORDS.split_whitespace().collect::<Vec<_>>())
            .prop_map(str::to_owned),
        1 => ".{0,6}",
        1 => Just("data:image/png;base64,AA==".to_owned()),
        1 => Just("{\"a\":1}".to_owned()),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        prop_oneof![Just(u64::MAX), Just(1 << 32), 0..4u64].prop_map(Value::from),
        prop_oneof![Just(f64::MAX), Just(-0.5)].prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::hash_map(word(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Puts `new` in the place of one of the values that `old` is made of.
fn changed(old: &Value, at: &mut usize, new: &Value) -> Value {
    if *at == 0 {
        *at = usize::MAX;
        return new.clone();
    }
    *at -= 1;
    match old {
        Value::Array(items) => items.iter().map(|item| changed(item, at, new)).collect(),
        Value::Object(fields) => {
            let fields = fields.iter();
            Value::Object(fields.map(|(key, it)| (key.clone(), changed(it, at, new))).collect())
        }
        other => other.clone(),
    }
}

/// Events as the providers of a dialect send them; a whole answer is the first.
fn events(dialect: Dialect) -> Vec<(&'static str, Value)> {
    match dialect {
        Dialect::AnthropicMessages => vec![
            (
                "",
                json!({"type": "message", "id": "m", "role": "assistant", "model": "m", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "a"},
                {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}],
                "stop_reason": "tool_use", "usage": {"input_tokens": 1, "output_tokens": 2,
                "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 1}}}),
            ),
            (
                "message_start",
                json!({"type": "message_start", "message": {"id": "m", "content": [], "usage": {"input_tokens": 1}}}),
            ),
            (
                "content_block_start",
                json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}}),
            ),
            (
                "content_block_delta",
                json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}}),
            ),
            (
                "content_block_delta",
                json!({"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}}),
            ),
            ("content_block_stop", json!({"type": "content_block_stop", "index": 0})),
            (
                "content_block_start",
                json!({"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}}}),
            ),
            (
                "content_block_delta",
                json!({"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "{"}}),
            ),
            (
                "message_delta",
                json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}),
            ),
            ("message_stop", json!({"type": "message_stop"})),
        ],
        Dialect::OpenAiResponses => vec![
            (
                "",
                json!({"id": "r", "status": "completed", "model": "m", "output": [
                {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "a"}], "encrypted_content": "E"},
                {"type": "message", "id": "msg", "content": [{"type": "output_text", "text": "hi", "annotations":
                    [{"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1}], "logprobs": []}]},
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}],
                "usage": {"input_tokens": 3, "input_tokens_details": {"cached_tokens": 1}, "output_tokens": 3, "output_tokens_details": {"reasoning_tokens": 1}}}),
            ),
            ("response.created", json!({"type": "response.created", "response": {"id": "r"}})),
            (
                "response.output_item.added",
                json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "function_call", "id": "i", "call_id": "c", "name": "f", "arguments": ""}}),
            ),
            (
                "response.function_call_arguments.delta",
                json!({"type": "response.function_call_arguments.delta", "output_index": 0, "item_id": "i", "delta": "{"}),
            ),
            (
                "response.output_text.delta",
                json!({"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "item_id": "j", "delta": "hi"}),
            ),
            (
                "response.reasoning_summary_text.delta",
                json!({"type": "response.reasoning_summary_text.delta", "output_index": 2, "summary_index": 0, "delta": "hm"}),
            ),
            (
                "response.output_item.done",
                json!({"type": "response.output_item.done", "output_index": 2, "item": {"type": "reasoning", "id": "k", "summary": [{"type": "summary_text", "text": "hm"}]}}),
            ),
            (
                "response.completed",
                json!({"type": "response.completed", "response": {"id": "r", "status": "completed", "output": [{"type": "message", "id": "j", "content": [{"type": "output_text", "text": "hi"}]}], "usage": {"input_tokens": 1, "output_tokens": 1}}}),
            ),
        ],
        Dialect::GeminiGenerate => vec![(
            "",
            json!({"candidates": [{"index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": [
                {"text": "hm", "thought": true}, {"text": "a", "thoughtSignature": "s"}, {"functionCall": {"name": "f", "args": {}}},
                {"inlineData": {"mimeType": "image/png", "data": "AA=="}}, {"executableCode": {"code": "1"}}]},
                "groundingMetadata": {"groundingChunks": [{"web": {"uri": "u", "title": "t"}}], "groundingSupports":
                    [{"segment": {"startIndex": 0, "endIndex": 1}, "groundingChunkIndices": [0]}]}}],
                "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "thoughtsTokenCount": 1, "cachedContentTokenCount": 1, "totalTokenCount": 6}}),
        )],
        Dialect::BedrockConverse => vec![
            (
                "",
                json!({"output": {"message": {"role": "assistant", "content": [{"text": "a"},
                {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
                {"toolUse": {"toolUseId": "t", "name": "f", "input": {}}}]}}, "stopReason": "tool_use",
                "usage": {"inputTokens": 1, "outputTokens": 2, "cacheWriteInputTokens": 3, "cacheDetails": [
                    {"inputTokens": 1, "ttl": "1h"}, {"inputTokens": 2, "ttl": "1h"}]}}),
            ),
            ("messageStart", json!({"role": "assistant"})),
            (
                "contentBlockStart",
                json!({"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "t", "name": "f", "type": "server_tool_use"}}}),
            ),
            (
                "contentBlockDelta",
                json!({"contentBlockIndex": 0, "delta": {"toolUse": {"input": "{}"}}}),
            ),
            ("contentBlockStop", json!({"contentBlockIndex": 0})),
            (
                "contentBlockStart",
                json!({"contentBlockIndex": 1, "start": {"toolResult": {"toolUseId": "t"}}}),
            ),
            (
                "contentBlockDelta",
                json!({"contentBlockIndex": 1, "delta": {"toolResult": [{"text": "x"}]}}),
            ),
            ("contentBlockDelta", json!({"contentBlockIndex": 2, "delta": {"text": "a"}})),
            ("messageStop", json!({"stopReason": "end_turn"})),
            ("metadata", json!({"usage": {"inputTokens": 1, "outputTokens": 1}})),
        ],
        Dialect::CohereChat => vec![
            (
                "",
                json!({"id": "c", "finish_reason": "TOOL_CALL", "message": {"role": "assistant", "tool_plan": "p", "content": [
                {"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}],
                "tool_calls": [{"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
                "citations": [{"start": 0, "end": 1, "text": "a", "sources": [{"type": "document", "document": {"url": "u"}}]}]},
                "usage": {"tokens": {"input_tokens": 1, "output_tokens": 2, "reasoning_tokens": 1}, "cached_tokens": 1}}),
            ),
            (
                "message-start",
                json!({"type": "message-start", "id": "c", "delta": {"message": {"role": "assistant"}}}),
            ),
            (
                "content-delta",
                json!({"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "a"}}}}),
            ),
            (
                "tool-call-start",
                json!({"type": "tool-call-start", "index": 0, "delta": {"message": {"tool_calls": {"id": "t", "function": {"name": "f", "arguments": ""}}}}}),
            ),
            ("tool-call-end", json!({"type": "tool-call-end", "index": 0})),
            (
                "message-end",
                json!({"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": {"tokens": {"input_tokens": 1, "output_tokens": 1}}}}),
            ),
        ],
        Dialect::OllamaChat => vec![(
            "",
            json!({"model": "m", "message": {"role": "assistant", "content": "a", "thinking": "hm", "tool_calls":
                [{"function": {"name": "f", "arguments": {}}}]}, "done": true, "done_reason": "stop", "prompt_eval_count": 1, "eval_count": 2}),
        )],
        Dialect::OpenAiCompletions => vec![(
            "",
            json!({"id": "c", "choices": [{"index": 0, "text": "a", "finish_reason": "stop", "logprobs": {"tokens": ["a"],
                "token_logprobs": [-0.5], "top_logprobs": [{"a": -0.5}], "text_offset": [0]}}], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}),
        )],
        _ => vec![(
            "",
            json!({"id": "c", "choices": [{"index": 0, "finish_reason": "stop",
                "message": {"role": "assistant", "content": "a", "reasoning_content": "hm", "tool_calls":
                    [{"index": 0, "id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
                "delta": {"content": "a", "tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}, "logprobs": {"content": [{"token": "a", "logprob": -0.5, "top_logprobs": []}]}}],
                "usage": {"prompt_tokens": 1, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}, "completion_tokens_details": {"reasoning_tokens": 1}}}),
        )],
    }
}

fn request(dialect: Dialect) -> Value {
    match dialect {
        Dialect::OpenAiResponses => {
            json!({"model": "gpt-5", "instructions": "a", "input": [{"role": "user", "content": [
                {"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": "data:image/png;base64,AA=="}]},
                {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "E"},
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "1"}],
                "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}], "tool_choice": "auto",
                "text": {"format": {"type": "json_schema", "name": "s", "schema": {}}}, "reasoning": {"effort": "low"},
                "max_output_tokens": 5, "metadata": {"session_id": "s"}})
        }
        Dialect::OpenAiCompletions => {
            json!({"model": "m", "prompt": ["a", "b"], "suffix": "c", "max_tokens": 5, "n": 2, "logprobs": 1, "stop": ["x"], "logit_bias": {"1": 2}})
        }
        Dialect::OpenAiEmbeddings => {
            json!({"model": "m", "input": ["a", "b"], "dimensions": 5, "encoding_format": "base64", "user": "u"})
        }
        Dialect::AnthropicMessages => {
            json!({"model": "claude-sonnet-4-5", "max_tokens": 5000, "system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}],
                "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}]},
                    {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
                    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "is_error": true, "content": [{"type": "text", "text": "x"}]}]}],
                "tools": [{"name": "f", "input_schema": {"type": "object"}}], "tool_choice": {"type": "any"}, "thinking": {"type": "enabled", "budget_tokens": 2000},
                "stop_sequences": ["x"], "temperature": 0.5, "top_k": 3, "metadata": {"user_id": "u"}})
        }
        Dialect::GeminiGenerate => {
            json!({"systemInstruction": {"parts": [{"text": "a"}]}, "contents": [{"role": "user", "parts": [{"text": "a"},
                {"inlineData": {"mimeType": "image/png", "data": "AA=="}}]}, {"role": "model", "parts": [{"text": "hm", "thought": true},
                {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "s"}]}, {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"a": 1}}}]}],
                "tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT"}}]}], "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
                "generationConfig": {"maxOutputTokens": 5, "temperature": 0.5, "responseMimeType": "application/json", "responseSchema": {"type": "OBJECT"},
                    "thinkingConfig": {"thinkingBudget": 100, "includeThoughts": true}, "stopSequences": ["x"]}, "safetySettings": []})
        }
        _ => {
            json!({"model": "m", "max_tokens": 5, "messages": [{"role": "system", "content": "a"}, {"role": "user", "content": [{"type": "text", "text": "a"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}, {"role": "assistant", "content": "a", "reasoning_content": "hm", "tool_calls": [
                {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}, {"role": "tool", "tool_call_id": "t", "content": "1"}],
                "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}], "tool_choice": "required",
                "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}}, "reasoning_effort": "low", "stop": "x", "seed": 1,
                "logprobs": true, "top_logprobs": 2, "logit_bias": {"1": 2}, "stream_options": {"include_usage": true}, "metadata": {}})
        }
    }
}

const CLIENTS: [Dialect; 6] = [
    Dialect::OpenAiChat,
    Dialect::OpenAiResponses,
    Dialect::OpenAiCompletions,
    Dialect::OpenAiEmbeddings,
    Dialect::AnthropicMessages,
    Dialect::GeminiGenerate,
];

fn read(dialect: Dialect, body: Bytes) -> Result<Request, ReadError> {
    Request::read(dialect, body, Some(("m", false)))
}

static CONTEXTS: LazyLock<[Context; 6]> = LazyLock::new(|| {
    CLIENTS.map(|dialect| {
        let request = read(dialect, Bytes::from(request(dialect).to_string())).unwrap();
        Context { id: "r".into(), model: "m".into(), created: 0, request: Arc::new(request) }
    })
});

/// The bytes of a stream of these events.
fn framed(wire: Wire, events: &[(&str, Value)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, data) in events {
        let data = data.to_string();
        match wire {
            Wire::Aws => out.extend(frame(&[(":event-type", name)], data.as_bytes())),
            Wire::Lines => out.extend(format!("{data}\n").into_bytes()),
            _ => out.extend(format!("event: {name}\ndata: {data}\n\n").into_bytes()),
        }
    }
    out
}

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

/// Reads these bytes as everything that comes from a provider, for one of the clients.
fn take(dialect: Dialect, bytes: &[u8], size: usize, client: usize) {
    if let Some(side) = embedding_side(dialect) {
        let context = &CONTEXTS[3];
        let Request::Embeddings(request) = &*context.request else { unreachable!() };
        let _ = side.read(Bytes::copy_from_slice(bytes), request, &Quirks::NONE, context);
        return;
    }
    let Some(side) = provider_side(dialect) else { return };
    let context = &CONTEXTS[client];
    let client = client_side(context.request.dialect());
    if let Ok(answer) = side.read(bytes, &Quirks::NONE) {
        assert!(is_json(&client.write(&answer, context)), "{answer:?}");
        answer.replay(&mut *client.writer(context), &mut Vec::new());
        let _ = answer.usage.total();
    }
    let mut stream = side.stream(&Quirks::NONE).translated(client.writer(context));
    for chunk in bytes.chunks(size) {
        stream.push(Bytes::copy_from_slice(chunk));
    }
    stream.last_event();
    stream.translated_end();
    let _ = stream.finish();
}

fn frames(wire: Wire, bytes: &[u8], sizes: &[usize]) -> (Vec<Frame>, bool) {
    let (mut framing, mut frames, mut failed) =
        (Framing::new(wire, crate::dialect::sse::MAX_EVENT), Vec::new(), false);
    let (mut rest, mut sizes) = (bytes, sizes.iter().cycle());
    while !rest.is_empty() {
        let size = sizes.next().map_or(1, |size| (*size).clamp(1, rest.len()));
        let (chunk, after) = rest.split_at(size);
        failed |= framing.push(&Bytes::copy_from_slice(chunk)).is_err();
        frames.extend(std::iter::from_fn(|| framing.next()));
        rest = after;
    }
    frames.extend(framing.finish());
    (frames, failed)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_provider_can_make_a_decoder_panic(new in value(), at in 0..40usize, which in 0..12usize, size in 1..200usize, client in 0..6usize) {
        for &dialect in Dialect::ALL {
            let mut events = events(dialect);
            let which = which % events.len();
            events[which].1 = changed(&events[which].1, &mut at.clone(), &new);
            take(dialect, events[0].1.to_string().as_bytes(), size, client);
            let wire = provider_side(dialect).map_or(Wire::Sse, |side| side.wire());
            take(dialect, &framed(wire, &events), size, client);
            // The same without an order, and twice.
            events.rotate_left(which);
            events.extend_from_within(..);
            take(dialect, &framed(wire, &events), size, client);
        }
    }

    #[test]
    fn no_bytes_can_make_a_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), size in 1..50usize, client in 0..6usize) {
        for &dialect in Dialect::ALL {
            take(dialect, &bytes, size, client);
        }
    }

    #[test]
    fn no_client_can_make_a_codec_panic(new in value(), at in 0..60usize) {
        for dialect in CLIENTS {
            let body = changed(&request(dialect), &mut at.clone(), &new);
            let Ok(request) = read(dialect, Bytes::from(body.to_string())) else { continue };
            let _ = request.answer_schema();
            let edits = Edits { model: Some("n".into()), ..Edits::default() };
            for &other in Dialect::ALL {
                let Some(passage) = Passage::of(dialect, &[other]) else { continue };
                if let Ok(encoded) = passage.encode(&request, &edits, &Quirks::NONE, |_| ()) {
                    prop_assert!(is_json(&encoded.body), "{dialect} to {other}: {body}");
                }
            }
        }
    }

    #[test]
    fn frames_are_the_same_in_any_chunks(
        sizes in proptest::collection::vec(1..90usize, 1..8),
        flip in proptest::option::of((0..400usize, 0..8u8)),
    ) {
        let mut bytes = framed(Wire::Aws, &events(Dialect::BedrockConverse)[1..]);
        bytes.extend(frame(&[(":message-type", "error"), (":error-code", "C"), (":error-message", "m")], b""));
        if let Some((at, bit)) = flip {
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
        }
        let whole = frames(Wire::Aws, &bytes, &[bytes.len()]);
        prop_assert_eq!(&frames(Wire::Aws, &bytes, &sizes), &whole);
        if flip.is_none() {
            prop_assert_eq!(whole.0.len(), 10);
            prop_assert_eq!(&*whole.0[9].event, b"error");
            prop_assert_eq!(&*whole.0[9].data, br#"{"code":"C","message":"m"}"#);
        }
    }

    #[test]
    fn no_bytes_can_make_a_framing_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), size in 1..50usize) {
        for wire in [Wire::Sse, Wire::Lines, Wire::Array, Wire::Aws] {
            let whole = frames(wire, &bytes, &[300]);
            prop_assert_eq!(frames(wire, &bytes, &[size]), whole);
        }
    }
}
