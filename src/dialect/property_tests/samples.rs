//! Requests, answers and streams with a bit of everything, to be mutilated.

use serde_json::{Value, json};

use crate::dialect::Dialect;

/// A request of each dialect that clients speak.
pub(super) fn requests() -> Vec<(Dialect, Value)> {
    let mark = json!({"type": "ephemeral"});
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let chat = json!({
        "model": "m", "stream": true, "max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "n": 1,
        "seed": 7, "stop": ["a"], "logit_bias": {"1": 2}, "reasoning_effort": "low",
        "messages": [
            {"role": "system", "content": "brief", "name": "s"},
            {"role": "user", "content": [{"type": "text", "text": "x", "cache_control": mark},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "BB", "format": "mp3"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,CC"}},
                {"type": "file", "file": {"file_id": "f"}}, {"type": "odd"}]},
            {"role": "assistant", "content": "y", "reasoning_content": "t", "refusal": "no",
                "reasoning_details": [{"type": "reasoning.text", "text": "t", "signature": "s"},
                    {"type": "reasoning.encrypted", "data": "pointsman:anthropic.messages:s"}],
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"},
                    "extra_content": {"google": {"thought_signature": "g"}}},
                    {"id": "d", "type": "custom", "custom": {"name": "g", "input": "raw"}}]},
            {"role": "tool", "tool_call_id": "c", "content": "r"},
            {"role": "tool", "tool_call_id": "d", "content": [{"type": "text", "text": "r"}]},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": schema, "strict": true}},
            {"type": "custom", "custom": {"name": "g", "format": {"type": "text"}}}, {"type": "odd"}],
        "tool_choice": {"type": "function", "function": {"name": "f"}}, "parallel_tool_calls": false,
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}},
        "user": "u", "metadata": {"k": "v"}, "store": true, "service_tier": "flex", "audio": {"voice": "v"},
    });
    let messages = json!({
        "model": "claude-sonnet-4-5", "max_tokens": 5000, "stream": true, "top_k": 4, "stop_sequences": ["a", " "],
        "system": [{"type": "text", "text": "brief", "cache_control": mark}],
        "thinking": {"type": "enabled", "budget_tokens": 2000}, "output_config": {"effort": "low"},
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "x"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                {"type": "document", "title": "t", "context": "c", "citations": {"enabled": true},
                    "source": {"type": "content", "content": [{"type": "text", "text": "d"}]}}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "a", "signature": "s"},
                {"type": "thinking", "thinking": "b", "signature": ""},
                {"type": "redacted_thinking", "data": "pointsman.call:c:pointsman:gemini.generate:x"},
                {"type": "text", "text": "y", "citations": [{"type": "char_location", "cited_text": "q"}]},
                {"type": "server_tool_use", "id": "w", "name": "web_search", "input": {}},
                {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "is_error": true,
                "content": [{"type": "text", "text": "r", "cache_control": mark},
                    {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}}]}]},
        ],
        "tools": [{"name": "f", "input_schema": schema, "cache_control": mark, "defer_loading": true},
            {"type": "web_search_20250305", "name": "web_search"}],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": true}, "metadata": {"user_id": "u"},
    });
    let gemini = json!({
        "systemInstruction": {"parts": [{"text": "brief"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "x"}, {"inlineData": {"mimeType": "image/png", "data": "AA-_"}},
                {"fileData": {"fileUri": "gs://a/b.mp4"}, "videoMetadata": {"fps": 1}}]},
            {"role": "model", "parts": [{"text": "t", "thought": true}, {"text": "", "thoughtSignature": "s"},
                {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "cG9pbnRzbWFu"},
                {"executableCode": {"code": "1"}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"result": "r"}}}]},
        ],
        "tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT", "nullable": true,
            "properties": {"a": {"type": "STRING", "enum": ["x"]}}}}]}, {"googleSearch": {}}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f", "g"]}},
        "generationConfig": {"temperature": 1, "topK": 3.0, "seed": 1, "maxOutputTokens": 9, "candidateCount": 2,
            "stopSequences": ["a"], "responseMimeType": "application/json", "responseSchema": {"type": "STRING"},
            "thinkingConfig": {"thinkingBudget": 100, "includeThoughts": true}},
        "safetySettings": [], "cachedContent": "cachedContents/x",
    });
    let responses = json!({
        "model": "m", "stream": true, "instructions": "brief", "max_output_tokens": 9,
        "reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"],
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "x"},
                {"type": "input_image", "image_url": "https://x.test/a.png", "detail": "low"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,CC"}]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "t"}], "encrypted_content": "e"},
            {"type": "message", "role": "assistant", "id": "msg_1", "content": [{"type": "output_text", "text": "y", "annotations": []}]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "custom_tool_call", "call_id": "d", "name": "g", "input": "raw"},
            {"type": "function_call_output", "call_id": "c", "output": "r"},
            {"type": "custom_tool_call_output", "call_id": "d", "output": [{"type": "input_text", "text": "r"}]},
            {"type": "web_search_call", "id": "ws_1", "status": "completed"},
        ],
        "tools": [{"type": "function", "name": "f", "parameters": schema, "strict": false},
            {"type": "custom", "name": "g"}, {"type": "web_search"}],
        "tool_choice": {"type": "function", "name": "f"}, "text": {"format": {"type": "json_schema", "name": "s", "schema": schema}},
    });
    let completions = json!({"model": "m", "prompt": ["x"], "suffix": "z", "logprobs": 2, "echo": false, "stop": "a"});
    vec![
        (Dialect::OpenAiChat, chat),
        (Dialect::AnthropicMessages, messages),
        (Dialect::GeminiGenerate, gemini),
        (Dialect::OpenAiResponses, responses),
        (Dialect::OpenAiCompletions, completions),
    ]
}

/// An answer of each dialect.
pub(super) fn answers() -> Vec<(Dialect, Value)> {
    vec![
        (
            Dialect::OpenAiChat,
            json!({"id": "i", "model": "m", "choices": [{"index": 0, "finish_reason": "tool_calls",
                "message": {"role": "assistant", "content": "y", "reasoning_content": "t", "refusal": "no",
                    "reasoning_details": [{"type": "reasoning.text", "text": "t", "signature": "s"}],
                    "annotations": [{"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 1}}],
                    "audio": {"id": "a", "data": "AA", "transcript": "w"},
                    "images": [{"image_url": {"url": "data:image/png;base64,AA"}}],
                    "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}]},
                "logprobs": {"content": [{"token": "y", "logprob": -0.5, "bytes": [121], "top_logprobs": [{"token": "y", "logprob": -0.5}]}]}}],
                "usage": {"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 1}}}),
        ),
        (
            Dialect::OpenAiResponses,
            json!({"id": "resp_i", "object": "response", "model": "m", "status": "completed", "output": [
                {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "t"}], "encrypted_content": "e"},
                {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [
                    {"type": "output_text", "text": "y", "annotations": [{"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1}]},
                    {"type": "refusal", "refusal": "no"}]},
                {"type": "web_search_call", "id": "ws_1", "status": "completed"},
                {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}", "status": "completed"}],
                "usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}}),
        ),
        (
            Dialect::OpenAiCompletions,
            json!({"id": "i", "model": "m", "choices": [{"index": 0, "text": "y", "finish_reason": "stop",
                "logprobs": {"tokens": ["y"], "token_logprobs": [-0.5], "top_logprobs": [{"y": -0.5}], "text_offset": [0]}}],
                "usage": {"prompt_tokens": 3, "completion_tokens": 4}}),
        ),
        (
            Dialect::AnthropicMessages,
            json!({"id": "i", "type": "message", "role": "assistant", "model": "m", "content": [
                {"type": "thinking", "thinking": "t", "signature": "s"},
                {"type": "redacted_thinking", "data": "d"},
                {"type": "text", "text": "y", "citations": [{"type": "web_search_result_location", "url": "u", "title": "t", "cited_text": "q"}]},
                {"type": "server_tool_use", "id": "w", "name": "web_search", "input": {"query": "q"}},
                {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}}],
                "stop_reason": "tool_use", "stop_sequence": null,
                "usage": {"input_tokens": 3, "output_tokens": 4, "cache_read_input_tokens": 1}}),
        ),
        (
            Dialect::GeminiGenerate,
            json!({"responseId": "i", "modelVersion": "m", "candidates": [{"index": 0, "finishReason": "STOP",
                "content": {"role": "model", "parts": [{"text": "t", "thought": true}, {"text": "yé", "thoughtSignature": "s"},
                    {"inlineData": {"mimeType": "image/png", "data": "AA"}}, {"executableCode": {"code": "1"}},
                    {"functionCall": {"name": "f", "args": {"a": 1}}}]},
                "groundingMetadata": {"groundingChunks": [{"web": {"uri": "u", "title": "t"}}],
                    "groundingSupports": [{"segment": {"startIndex": 0, "endIndex": 1, "text": "y"}, "groundingChunkIndices": [0]}]},
                "logprobsResult": {"chosenCandidates": [{"token": "y", "logProbability": -0.5}]}}],
                "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4, "thoughtsTokenCount": 2}}),
        ),
        (
            Dialect::BedrockConverse,
            json!({"output": {"message": {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "t", "signature": "s"}}}, {"text": "y"},
                {"toolUse": {"toolUseId": "c", "name": "f", "input": {"a": 1}}}]}},
                "stopReason": "tool_use", "usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}}),
        ),
        (
            Dialect::CohereChat,
            json!({"id": "i", "finish_reason": "COMPLETE", "message": {"role": "assistant",
                "content": [{"type": "thinking", "thinking": "t"}, {"type": "text", "text": "y"}],
                "tool_plan": "p", "citations": [{"start": 0, "end": 1, "text": "y", "sources": [{"type": "document", "id": "d"}]}],
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
                "usage": {"tokens": {"input_tokens": 3, "output_tokens": 4}}}),
        ),
        (
            Dialect::OllamaChat,
            json!({"model": "m", "message": {"role": "assistant", "content": "y", "thinking": "t",
                "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]},
                "done": true, "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 4}),
        ),
    ]
}

/// A stream of each dialect: names and payloads.
pub(super) fn streams() -> Vec<(Dialect, Vec<(&'static str, Value)>)> {
    let plain = |events: Vec<Value>| events.into_iter().map(|event| ("", event)).collect();
    let whole = |dialect: Dialect| {
        let answers = answers();
        answers
            .into_iter()
            .find(|(known, _)| *known == dialect)
            .map(|(_, it)| it)
            .unwrap_or_default()
    };
    let typed = |events: Vec<Value>| {
        let named = events.into_iter().map(|event| {
            let name = event["type"].as_str().unwrap_or_default().to_owned();
            (&*name.leak(), event)
        });
        named.collect::<Vec<_>>()
    };
    let chat = plain(vec![
        json!({"id": "i", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "", "reasoning_content": "t"}}]}),
        json!({"choices": [{"index": 0, "delta": {"reasoning_details": [{"type": "reasoning.text", "text": "t", "index": 0}]}}]}),
        json!({"choices": [{"index": 0, "delta": {"content": "y"}, "logprobs": {"content": [{"token": "y", "logprob": -1}]}}]}),
        json!({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}]}}]}),
        json!({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": "{\"a\":"}}]}}]}),
        json!({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 1, "function": {"name": "g", "arguments": "{}"}}]}}]}),
        json!({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]}}]}),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}),
        json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}),
    ]);
    let anthropic = typed(vec![
        json!({"type": "message_start", "message": {"id": "i", "model": "m", "usage": {"input_tokens": 3, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "t"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "server_tool_use", "id": "w", "name": "n", "input": {}}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "{\"a\":1}"}}),
        json!({"type": "content_block_stop", "index": 1}),
        json!({"type": "content_block_start", "index": 2, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 2, "delta": {"type": "text_delta", "text": "y"}}),
        json!({"type": "content_block_delta", "index": 2, "delta": {"type": "citations_delta", "citation": {"url": "u"}}}),
        json!({"type": "content_block_stop", "index": 2}),
        json!({"type": "content_block_start", "index": 3, "content_block": {"type": "tool_use", "id": "c", "name": "f", "input": {}}}),
        json!({"type": "content_block_delta", "index": 3, "delta": {"type": "input_json_delta", "partial_json": "{\"a\":1}"}}),
        json!({"type": "content_block_stop", "index": 3}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 4}}),
        json!({"type": "message_stop"}),
    ]);
    let gemini = plain(vec![
        json!({"candidates": [{"content": {"parts": [{"text": "t", "thought": true}]}}], "usageMetadata": {"promptTokenCount": 3}}),
        json!({"candidates": [{"content": {"parts": [{"text": "y"}, {"text": "", "thoughtSignature": "s"}]}}]}),
        json!({"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "willContinue": true}}]}}]}),
        json!({"candidates": [{"content": {"parts": [{"functionCall": {"willContinue": true,
            "partialArgs": [{"jsonPath": "$.a[0].b", "stringValue": "x", "willContinue": true}]}}]}}]}),
        json!({"candidates": [{"content": {"parts": [{"functionCall": {}}]}, "finishReason": "STOP"}]}),
        whole(Dialect::GeminiGenerate),
    ]);
    let responses = typed(vec![
        json!({"type": "response.created", "response": {"id": "resp_i", "model": "m", "status": "in_progress", "output": []}}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "id": "msg_1", "role": "assistant", "content": []}}),
        json!({"type": "response.content_part.added", "item_id": "msg_1", "output_index": 0, "content_index": 0, "part": {"type": "output_text", "text": ""}}),
        json!({"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": "y"}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "y"}]}}),
        json!({"type": "response.output_item.added", "output_index": 1, "item": {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": ""}}),
        json!({"type": "response.function_call_arguments.delta", "item_id": "fc_1", "output_index": 1, "delta": "{}"}),
        json!({"type": "response.completed", "response": whole(Dialect::OpenAiResponses)}),
    ]);
    let bedrock = vec![
        ("messageStart", json!({"role": "assistant"})),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "t"}}}),
        ),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "s"}}}),
        ),
        ("contentBlockDelta", json!({"contentBlockIndex": 1, "delta": {"text": "y"}})),
        (
            "contentBlockStart",
            json!({"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "c", "name": "f"}}}),
        ),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 2, "delta": {"toolUse": {"input": "{}"}}}),
        ),
        ("contentBlockStop", json!({"contentBlockIndex": 2})),
        ("messageStop", json!({"stopReason": "tool_use"})),
        ("metadata", json!({"usage": {"inputTokens": 3, "outputTokens": 4}})),
    ];
    let cohere = typed(vec![
        json!({"type": "message-start", "id": "i", "delta": {"message": {"role": "assistant"}}}),
        json!({"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}}),
        json!({"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "y"}}}}),
        json!({"type": "tool-call-start", "index": 0, "delta": {"message": {"tool_calls": {"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}}}}),
        json!({"type": "tool-call-delta", "index": 0, "delta": {"message": {"tool_calls": {"function": {"arguments": "{}"}}}}}),
        json!({"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": {"tokens": {"input_tokens": 3, "output_tokens": 4}}}}),
    ]);
    let ollama = plain(vec![
        json!({"model": "m", "message": {"role": "assistant", "content": "", "thinking": "t"}, "done": false}),
        whole(Dialect::OllamaChat),
    ]);
    vec![
        (Dialect::OpenAiChat, chat),
        (Dialect::AnthropicMessages, anthropic),
        (Dialect::GeminiGenerate, gemini),
        (Dialect::OpenAiResponses, responses),
        (Dialect::BedrockConverse, bedrock),
        (Dialect::CohereChat, cohere),
        (Dialect::OllamaChat, ollama),
        (Dialect::OpenAiCompletions, plain(vec![whole(Dialect::OpenAiCompletions)])),
    ]
}
