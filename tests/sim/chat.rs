//! Requests that are answered.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use pointsman::sim::Settings;
use serde_json::{Value, json};

use crate::support::{Sim, body};

#[tokio::test]
async fn a_stream_says_what_the_whole_answer_says() {
    let sim = Sim::start().await;
    let prompt = "What is (17 * 23 + 4) / 5 - 3 * 8?";
    let whole = sim.ask("large", prompt, json!({})).await;
    let streamed = sim.stream("large", prompt).await;
    assert!(whole.content().ends_with("= 55"), "{}", whole.content());
    assert_eq!(whole.content(), streamed.content());
    assert_eq!(streamed.header("content-type"), Some("text/event-stream; charset=utf-8"));
    let events = streamed.events();
    assert_eq!(events.last().map(String::as_str), Some("[DONE]"));
    let first: Value = serde_json::from_str(&events[0]).unwrap();
    assert_eq!(first["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(first["id"], whole.json()["id"]);
    assert_eq!(sim.ask("large", prompt, json!({})).await.content(), whole.content());
}

#[tokio::test]
async fn usage_comes_last_and_only_if_asked_for() {
    let sim = Sim::start().await;
    let extra = json!({"stream": true, "stream_options": {"include_usage": true}});
    let events = sim.ask("small", "Say pong", extra).await.events();
    let usage: Value = serde_json::from_str(&events[events.len() - 2]).unwrap();
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"]["completion_tokens"], 1);
    assert!(!sim.stream("small", "Say pong").await.text().contains("usage"));
}

#[tokio::test]
async fn the_second_long_prompt_is_cached() {
    let sim = Sim::start().await;
    let long = "word ".repeat(2_000);
    let cached = |answer: &crate::support::Answer| {
        answer.json()["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap()
    };
    assert_eq!(cached(&sim.ask("large", &long, json!({})).await), 0);
    assert!(cached(&sim.ask("large", &long, json!({})).await) >= 1_024);
}

#[tokio::test]
async fn tokens_come_one_after_the_other_at_the_asked_pace() {
    let sim = Sim::start().await;
    let asked = body("small", "Count from 1 to 20", json!({"stream": true})).to_string();
    let began = Instant::now();
    let answer =
        sim.send(asked.clone(), &[("x-sim-latency", "200ms"), ("x-sim-rate", "100")]).await;
    let mut pieces = answer.bytes_stream();
    pieces.next().await.unwrap().unwrap();
    assert!(began.elapsed() >= Duration::from_millis(200));
    let mut later = 0;
    while let Some(piece) = pieces.next().await {
        piece.unwrap();
        later += 1;
    }
    assert!(later > 3, "one piece after the other, not all at once");
    // Twenty numbers and nineteen commas at 100 tokens a second.
    assert!(began.elapsed() >= Duration::from_millis(590));
    let bad = sim.ask_raw(asked, &[("x-sim-rate", "fast")]).await;
    assert_eq!((bad.status, bad.json()["error"]["param"].as_str()), (400, Some("x-sim-rate")));
}

#[tokio::test]
async fn a_client_that_hangs_up_stops_the_answer_and_is_counted() {
    let sim = Sim::start_with(Settings { speed: 1.0, ..Settings::default() }).await;
    let asked = body("large", "Count from 1 to 5000", json!({"stream": true})).to_string();
    let answer = sim.send(asked, &[("x-sim-rate", "20")]).await;
    let mut pieces = answer.bytes_stream();
    pieces.next().await.unwrap().unwrap();
    assert_eq!(sim.stats("large").await["in_flight"], 1);
    drop(pieces);
    // At 20 tokens a second the answer would take minutes.
    let row = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let row = sim.stats("large").await;
            if row["in_flight"] == 0 {
                return row;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let row = row.await.unwrap();
    assert_eq!((&row["hung_up"], &row["completed"]), (&json!(1), &json!(0)));
}

#[tokio::test]
async fn what_was_sent_can_be_looked_at() {
    let sim = Sim::start().await;
    let asked = body("small", "Say pong", json!({"metadata": {"a": "b"}}));
    sim.ask_raw(
        asked.to_string(),
        &[("authorization", "Bearer one"), ("x-tag", "1"), ("x-tag", "2")],
    )
    .await;
    let seen = sim.get("/_sim/requests").await.json();
    assert_eq!(seen.as_array().unwrap().len(), 1);
    assert_eq!(seen[0]["body"], asked);
    assert_eq!(seen[0]["headers"]["authorization"], "Bearer one");
    assert_eq!(seen[0]["headers"]["x-tag"], "1, 2");
    assert_eq!(sim.stats("small").await["completed"], 1);
    assert_eq!(sim.post("/_sim/reset").await.status, 204);
    assert_eq!(sim.get("/_sim/requests").await.json(), json!([]));
    assert_eq!(sim.stats("small").await["completed"], 0);
}

#[tokio::test]
async fn tools_are_called_and_their_results_told() {
    let sim = Sim::start().await;
    let tools = json!([{"type": "function", "function": {"name": "get_weather", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
        "additionalProperties": false}}}]);
    let prompt = "What's the weather in Oslo and Madrid?";
    let answer = sim.ask("large", prompt, json!({"tools": tools})).await.json();
    assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");
    let message = answer["choices"][0]["message"].clone();
    let mut messages = vec![json!({"role": "user", "content": prompt}), message.clone()];
    let mut cities = Vec::new();
    for call in message["tool_calls"].as_array().unwrap() {
        let arguments: Value =
            serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
        cities.push(arguments["city"].as_str().unwrap().to_owned());
        messages.push(
            json!({"role": "tool", "tool_call_id": call["id"], "content": "{\"sky\":\"clear\"}"}),
        );
    }
    assert_eq!(cities, ["Oslo", "Madrid"]);
    let told = sim.ask("large", "", json!({"messages": messages, "tools": tools})).await.content();
    assert!(told.contains("Oslo: sky clear") && told.contains("Madrid: sky clear"), "{told}");
    let forgot = sim
        .ask("tiny", prompt, json!({"tools": tools, "response_format": {"type": "json_object"}}))
        .await;
    assert_eq!(forgot.status, 200);
}

#[tokio::test]
async fn json_holds_to_its_schema() {
    let sim = Sim::start().await;
    let schema = json!({
        "type": "object",
        "properties": {
            "title": {"type": "string", "maxLength": 20},
            "when": {"type": "string", "format": "date-time"},
            "people": {"type": "array", "minItems": 2, "items": {"$ref": "#/$defs/person"}},
            "mood": {"anyOf": [{"enum": ["good", "bad"]}, {"type": "null"}]},
        },
        "required": ["title", "when", "people", "mood"],
        "additionalProperties": false,
        "$defs": {"person": {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0, "maximum": 130}}, "required": ["name", "age"], "additionalProperties": false}},
    });
    let format = json!({"response_format": {"type": "json_schema", "json_schema": {"name": "meeting", "strict": true, "schema": schema}}});
    for model in ["medium", "large", "reasoner"] {
        let text =
            sim.ask(model, "Anna (34) meets Bert (29); a good day", format.clone()).await.content();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert!(jsonschema::is_valid(&schema, &value), "{model}: {value}");
        assert_eq!(value["people"][0], json!({"name": "Anna", "age": 34}));
    }
}

#[tokio::test]
async fn the_thinker_shows_its_thoughts() {
    let sim = Sim::start().await;
    let whole = sim.ask("thinker", "What is 2 + 2?", json!({})).await.json();
    let shown = whole["choices"][0]["message"]["reasoning_content"].as_str().unwrap().to_owned();
    let streamed = sim.stream("thinker", "What is 2 + 2?").await;
    let pieces: String = streamed
        .events()
        .iter()
        .filter_map(|data| serde_json::from_str::<Value>(data).ok())
        .filter_map(|e| e["choices"][0]["delta"]["reasoning_content"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(shown, pieces);
    assert!(whole["usage"]["completion_tokens_details"]["reasoning_tokens"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn models_health_and_what_there_is_not() {
    let sim = Sim::start().await;
    assert_eq!(sim.get("/healthz").await.text(), "ok\n");
    let list = sim.get("/v1/models").await.json();
    assert_eq!(list["data"].as_array().unwrap().len(), pointsman::sim::models().len());
    assert_eq!(sim.get("/v1/models/tiny").await.json()["owned_by"], "sim");
    for (answer, status) in [
        (sim.get("/v1/models/huge").await, 404),
        (sim.get("/v1/nothing").await, 404),
        (sim.get("/v1/chat/completions").await, 405),
    ] {
        assert_eq!(answer.status, status);
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
    }
}

#[tokio::test]
async fn bad_requests_get_openais_complaints() {
    let sim = Sim::start().await;
    let user = json!([{"role": "user", "content": "x"}]);
    let image = json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.com/x.png"}}]}]);
    let cases = [
        (json!(null), 400, None),
        (json!({}), 400, None),
        (json!({"model": "smal", "messages": user}), 404, Some("model_not_found")),
        (json!({"model": "small"}), 400, Some("missing_required_parameter")),
        (json!({"model": "small", "messages": []}), 400, Some("empty_array")),
        (json!({"model": "small", "messages": "x"}), 400, Some("invalid_type")),
        (
            json!({"model": "small", "messages": [{"role": "king", "content": "x"}]}),
            400,
            Some("invalid_value"),
        ),
        (
            json!({"model": "small", "messages": [{"role": "tool", "tool_call_id": "a", "content": "x"}]}),
            400,
            None,
        ),
        (json!({"model": "small", "messages": image}), 400, None),
        (
            json!({"model": "small", "messages": user, "temperature": 3}),
            400,
            Some("decimal_above_max_value"),
        ),
        (json!({"model": "small", "messages": user, "n": 0}), 400, Some("integer_below_min_value")),
        (json!({"model": "small", "messages": user, "stream": "yes"}), 400, Some("invalid_type")),
        (
            json!({"model": "small", "messages": user, "stop": ["a", "b", "c", "d", "e"]}),
            400,
            Some("array_above_max_length"),
        ),
        (json!({"model": "small", "messages": user, "top_logprobs": 2}), 400, None),
        (
            json!({"model": "reasoner", "messages": user, "logprobs": true}),
            400,
            Some("unsupported_parameter"),
        ),
        (json!({"model": "small", "messages": user, "tool_choice": "auto"}), 400, None),
        (
            json!({"model": "small", "messages": user, "tools": [{"type": "function", "function": {"name": "a b"}}]}),
            400,
            Some("invalid_value"),
        ),
        (
            json!({"model": "small", "messages": user, "tools": [{"type": "function", "function": {"name": "a", "parameters": {"type": "thing"}}}]}),
            400,
            Some("invalid_function_parameters"),
        ),
        (
            json!({"model": "small", "messages": user, "response_format": {"type": "xml"}}),
            400,
            Some("invalid_value"),
        ),
        (
            json!({"model": "small", "messages": user, "max_tokens": 1_000_000}),
            400,
            Some("invalid_value"),
        ),
        (
            json!({"model": "tiny", "messages": [{"role": "user", "content": "word ".repeat(9_000)}]}),
            400,
            Some("context_length_exceeded"),
        ),
        (json!({"model": "small!nonsense", "messages": user}), 400, Some("invalid_fault")),
    ];
    for (body, status, code) in cases {
        let answer = sim.ask_raw(body.to_string(), &[]).await;
        let shown: String = body.to_string().chars().take(200).collect();
        assert_eq!(answer.status, status, "{shown}");
        let error = &answer.json()["error"];
        assert_eq!(error["code"].as_str(), code, "{shown}: {error}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()));
    }
    for raw in ["", "{", "[1]", "\"x\""] {
        assert_eq!(sim.ask_raw(raw.to_owned(), &[]).await.status, 400, "{raw}");
    }
    let near = sim.ask("smal", "x", json!({})).await.text();
    assert!(near.contains("Did you mean `small`?"), "{near}");
    assert_eq!(sim.ask_raw("[".repeat(1 << 20), &[]).await.status, 400);
}
