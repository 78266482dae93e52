use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::dialect::Dialect;
use crate::dialect::answer::{Finish, TokenLogprob};
use crate::dialect::edits::{Change, Edits, Param, ParamValue, PromptEdit};
use crate::dialect::part::Part;
use crate::dialect::passage::Passage;
use crate::dialect::sink::{Run, Sink};

fn read(body: &Value) -> Request {
    Request::read(Bytes::from(body.to_string())).unwrap()
}

#[test]
fn it_becomes_a_conversation_of_one_message() {
    let body = json!({"model": "m", "prompt": ["Once"], "max_tokens": 5, "n": 1, "stop": ".",
        "logprobs": 2, "temperature": 0.5, "best_of": 1, "echo": false, "suffix": null, "user": "u"});
    let request = read(&body);
    let encoded = openai_chat::Chat.encode(&request.decode().unwrap(), &Quirks::NONE).unwrap();
    let chat: Value = serde_json::from_slice(&encoded.body).unwrap();
    assert_eq!(
        chat,
        json!({"model": "m", "messages": [{"role": "user", "content": "Once"}], "max_tokens": 5,
            "stop": ["."], "logprobs": true, "top_logprobs": 2, "temperature": 0.5, "user": "u"})
    );
    for (extra, what) in [
        (json!({"prompt": ["a", "b"]}), "several"),
        (json!({"prompt": [1, 2]}), "tokens"),
        (json!({"prompt": [[1, 2]]}), "tokens"),
        (json!({"suffix": "end"}), "suffix"),
        (json!({"echo": true}), "echo"),
        (json!({"best_of": 3}), "best_of"),
    ] {
        let mut body = json!({"model": "m", "prompt": "x"});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        assert!(read(&body).decode().unwrap_err().what.contains(what), "{body}");
    }
}

#[test]
fn edits_are_spliced_in() {
    let request = read(&json!({"model": "m", "prompt": "x", "max_tokens": 50, "stream": true}));
    let edits = Edits {
        model: Some("n".into()),
        include_usage: true,
        params: vec![
            (Param::MaxOutput, Change::AtMost(ParamValue::Int(20))),
            (Param::Temperature, Change::AtLeast(ParamValue::Float(0.5))),
            (Param::TopK, Change::Replace(ParamValue::Int(1))),
        ],
        prompt: vec![PromptEdit::Prepend("p".into())],
        ..Edits::default()
    };
    let encoded = request.encode(&edits, &Quirks::NONE);
    assert_eq!(
        serde_json::from_slice::<Value>(&encoded.body).unwrap(),
        json!({"model": "n", "prompt": "x", "max_tokens": 20, "stream": true,
            "stream_options": {"include_usage": true}})
    );
    let lost: Vec<_> = encoded.losses.iter().map(|loss| &*loss.param).collect();
    assert_eq!(lost, ["top_k", "role"]);
}

#[test]
fn it_is_never_what_another_dialect_is_translated_into() {
    let spoken = [Dialect::OpenAiCompletions, Dialect::OpenAiChat];
    let passage = Passage::of(Dialect::OpenAiResponses, &spoken).unwrap();
    assert_eq!(passage.dialect(), Dialect::OpenAiChat);
    assert_eq!(Passage::of(Dialect::OpenAiChat, &spoken[..1]), None);
    assert!(Passage::of(Dialect::OpenAiCompletions, &spoken).unwrap().is_direct());
}

#[test]
fn answers_are_written_and_read_again() {
    let context = Context {
        id: "req_1".into(),
        model: "m".into(),
        created: 1,
        request: Arc::new(
            read(&json!({"model": "m", "prompt": "x", "stream": true,
                "stream_options": {"include_usage": true}}))
            .into(),
        ),
    };
    let (mut answer, mut out) = (Answer::default(), Vec::new());
    let mut writer = Completions.writer(&context);
    let mut sink = Sink::writing(&mut answer, &mut *writer, &mut out);
    sink.run_on(0, Run::Thinking, "hm").unwrap();
    sink.run_on(0, Run::Text, "a").unwrap();
    sink.run_on(0, Run::Text, "b").unwrap();
    sink.part(0, Part::call("c", "f", "{}")).unwrap();
    let top = vec![("ab".to_owned(), -0.5)];
    sink.logprobs(0, vec![TokenLogprob { token: "ab".into(), logprob: -0.5, bytes: None, top }])
        .unwrap();
    sink.finish(0, Finish::Length).unwrap();
    writer.end(&answer, &mut out);
    let mut stream = Completions.stream(&Quirks::NONE);
    stream.push(Bytes::from(out));
    let whole = Completions.write(&answer, &context);
    for again in [stream.finish().unwrap(), Completions.read(&whole, &Quirks::NONE).unwrap()] {
        let choice = &again.choices[0];
        assert_eq!((&*choice.text(), choice.finish), ("ab", Some(Finish::Length)));
        assert_eq!(choice.logprobs.tokens, answer.choices[0].logprobs.tokens);
        assert!(!choice.calls_tools());
    }
}
