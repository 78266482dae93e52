//! `ollama.chat`: answers, streams of lines, errors.

use pointsman::dialect::answer::Finish;
use pointsman::dialect::{Dialect, Quirks};
use pointsman::error_class::ErrorClass;
use serde_json::Value;

use crate::corpus::{self, Body};
use crate::harness::{self, Plain, Reader};

const READER: Reader = Reader { whole, stream };

#[test]
fn every_recorded_answer_is_understood() {
    let Some(exchanges) = corpus::load(&["ollama.chat"]) else { return };
    let (mut answers, mut streams, mut errors) = (0, 0, 0);
    harness::each(&exchanges, |exchange| {
        if exchange.status >= 400 {
            harness::check_error(exchange, |error, body| {
                assert_eq!((error.class, exchange.status), (ErrorClass::BadRequest, 404));
                assert_eq!(error.message, body["error"].as_str().unwrap());
            });
            errors += 1;
            return;
        }
        let complete = harness::check_answer(exchange, Dialect::OllamaChat, &Quirks::NONE, &READER);
        assert!(complete, "{} is not complete", exchange.id);
        match exchange.body {
            Body::Lines(_) => streams += 1,
            _ => answers += 1,
        }
    });
    println!("ollama.chat: {answers} answers, {streams} streams, {errors} errors");
    assert!(answers >= 12 && streams >= 9 && errors >= 1);
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn whole(body: &Value) -> Plain {
    Plain { complete: false, ..stream(&[(String::new(), body.clone())]) }
}

fn stream(lines: &[(String, Value)]) -> Plain {
    let mut plain = Plain::default();
    for (_, line) in lines {
        let message = &line["message"];
        plain.text.push_str(text(&message["content"]));
        plain.thinking.push_str(text(&message["thinking"]));
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            let (id, function) = (text(&call["id"]), &call["function"]);
            let name = text(&function["name"]).to_owned();
            plain.calls.push((id.to_owned(), name, function["arguments"].clone()));
        }
        if line["done"] == true {
            plain.finish = Some(match text(&line["done_reason"]) {
                "stop" => Finish::Stop,
                "length" => Finish::Length,
                other => panic!("{other}"),
            });
            let count = |name: &str| line[name].as_u64().unwrap_or(0);
            plain.usage = Some([count("prompt_eval_count"), count("eval_count"), 0, 0]);
            plain.complete = true;
        }
        plain.error |= !line["error"].is_null();
    }
    plain
}
