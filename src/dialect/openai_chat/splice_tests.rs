use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::{Value, json};

use bytes::Bytes;

use super::*;

const PLAIN: &str = r#"{ "model": "auto", "messages": [{"role":"user","content":"hi"}] }"#;

fn read(body: &str) -> Request {
    Request::read(Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

fn encode(body: &str, edits: Edits) -> String {
    encode_for(body, edits, &Quirks::NONE).0
}

fn encode_for(body: &str, edits: Edits, quirks: &Quirks) -> (String, String) {
    let encoded = read(body).encode(&edits, quirks);
    let losses: Vec<String> = encoded
        .losses
        .iter()
        .map(|loss| format!("{} {:?}: {}", loss.param, loss.how, loss.note))
        .collect();
    (String::from_utf8(encoded.body.to_vec()).unwrap(), losses.join("; "))
}

fn set(param: Param, change: Change) -> Edits {
    Edits { params: vec![(param, change)], ..Edits::default() }
}

fn prompt(edits: &[PromptEdit]) -> Edits {
    Edits { prompt: edits.to_vec(), ..Edits::default() }
}

#[test]
fn without_edits_the_bytes_are_the_same_ones() {
    let request = read(PLAIN);
    let encoded =
        request.encode(&Edits { model: Some("auto".into()), ..Edits::default() }, &Quirks::NONE);
    assert_eq!(encoded.body.as_ptr(), request.object().body().as_ptr());
    assert_eq!(encoded.losses, []);
}

#[test]
fn the_model_changes_and_nothing_else() {
    let edits = Edits { model: Some("gpt \"5\"".into()), ..Edits::default() };
    assert_snapshot!(encode(PLAIN, edits), @r#"{ "model": "gpt \"5\"", "messages": [{"role":"user","content":"hi"}] }"#);
}

#[test]
fn usage_is_asked_for_inside_what_is_there() {
    let ask = || Edits { include_usage: true, ..Edits::default() };
    let with = |options: &str| {
        let body = format!(r#"{{"stream":true{options},"model":"m","messages":[]}}"#);
        encode(&body, ask())
    };
    assert_snapshot!(with(""), @r#"{"stream":true,"model":"m","messages":[],"stream_options":{"include_usage":true}}"#);
    assert_snapshot!(with(r#","stream_options":null"#), @r#"{"stream":true,"stream_options":{"include_usage":true},"model":"m","messages":[]}"#);
    assert_snapshot!(with(r#","stream_options":{ }"#), @r#"{"stream":true,"stream_options":{"include_usage":true},"model":"m","messages":[]}"#);
    assert_snapshot!(with(r#","stream_options":{"x":1}"#), @r#"{"stream":true,"stream_options":{"include_usage":true,"x":1},"model":"m","messages":[]}"#);
    assert_snapshot!(with(r#","stream_options":{"x":1,"include_usage":false}"#), @r#"{"stream":true,"stream_options":{"x":1,"include_usage":true},"model":"m","messages":[]}"#);
    assert_snapshot!(with(r#","stream_options":{"include_usage":true}"#), @r#"{"stream":true,"stream_options":{"include_usage":true},"model":"m","messages":[]}"#);
    assert_eq!(encode(PLAIN, ask()), PLAIN, "only streams");
}

#[test]
fn streaming_is_forced_on_and_off() {
    let on = Edits { stream: Some(true), include_usage: true, ..Edits::default() };
    assert_snapshot!(encode(r#"{"model":"m","messages":[]}"#, on), @r#"{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}}"#);
    let off = Edits { stream: Some(false), include_usage: true, ..Edits::default() };
    assert_snapshot!(encode(r#"{"stream_options":{}, "model":"m", "stream":true, "messages":[]}"#, off), @r#"{"model":"m", "stream":false, "messages":[]}"#);
}

#[test]
fn clamps_touch_only_what_is_beyond_them() {
    use Change::*;
    let body = |field: &str| format!(r#"{{"model":"m","messages":[]{field}}}"#);
    let cut = |field: &str, param, change| {
        let whole = encode(&body(field), set(param, change));
        let inside = whole.strip_prefix(r#"{"model":"m","messages":[]"#).unwrap();
        inside.strip_suffix('}').unwrap().to_owned()
    };
    let int = ParamValue::Int;
    let word = |word: &str| ParamValue::Text(word.into());
    assert_eq!(
        cut(r#","temperature":0.2"#, Param::Temperature, AtMost(ParamValue::Float(0.5))),
        r#","temperature":0.2"#
    );
    assert_eq!(
        cut(r#","temperature":0.9"#, Param::Temperature, AtMost(ParamValue::Float(0.5))),
        r#","temperature":0.5"#
    );
    assert_eq!(
        cut("", Param::Temperature, AtMost(ParamValue::Float(0.5))),
        r#","temperature":0.5"#
    );
    assert_eq!(cut("", Param::Temperature, AtMost(ParamValue::Float(1.5))), "");
    assert_eq!(cut("", Param::MaxOutput, AtMost(int(9))), r#","max_tokens":9"#);
    assert_eq!(cut("", Param::MaxOutput, AtLeast(int(9))), "");
    assert_eq!(cut(r#","max_tokens":5"#, Param::MaxOutput, AtLeast(int(9))), r#","max_tokens":9"#);
    assert_eq!(
        cut(r#","max_tokens":null"#, Param::MaxOutput, AtMost(int(9))),
        r#","max_tokens":9"#
    );
    assert_eq!(
        cut(r#","max_completion_tokens":50"#, Param::MaxOutput, AtMost(int(9))),
        r#","max_completion_tokens":9"#
    );
    assert_eq!(cut(r#","n":3"#, Param::N, AtMost(int(1))), r#","n":1"#);
    assert_eq!(cut("", Param::N, AtMost(int(1))), "");
    assert_eq!(
        cut(r#","reasoning_effort":"low""#, Param::Reasoning, AtMost(word("medium"))),
        r#","reasoning_effort":"low""#
    );
    assert_eq!(
        cut(r#","reasoning_effort":"xhigh""#, Param::Reasoning, AtMost(word("high"))),
        r#","reasoning_effort":"high""#
    );
    assert_eq!(cut("", Param::Reasoning, AtMost(word("low"))), r#","reasoning_effort":"low""#);
    assert_eq!(
        cut(
            r#","reasoning":{"effort":"high","exclude":true}"#,
            Param::Reasoning,
            AtMost(word("low"))
        ),
        r#","reasoning":{"effort":"low","exclude":true}"#
    );
    assert_eq!(
        cut(r#","stop":"a""#, Param::Stop, Replace(ParamValue::Texts(vec!["b".into()]))),
        r#","stop":["b"]"#
    );
    assert_eq!(cut(r#","seed":1,"x":2"#, Param::Seed, Remove), r#","x":2"#);
    assert_eq!(cut("", Param::Temperature, Replace(ParamValue::Float(f64::NAN))), "");
}

#[test]
fn later_changes_see_earlier_ones() {
    let params = vec![
        (Param::MaxOutput, Change::Replace(ParamValue::Int(100))),
        (Param::MaxOutput, Change::AtMost(ParamValue::Int(10))),
        (Param::TopP, Change::Replace(ParamValue::Float(0.5))),
        (Param::TopP, Change::Remove),
    ];
    let edits = Edits { params, logprobs: true, ..Edits::default() };
    assert_snapshot!(encode(r#"{"top_p":1,"model":"m","messages":[]}"#, edits), @r#"{"model":"m","messages":[],"logprobs":true,"max_tokens":10}"#);
}

#[test]
fn the_system_prompt_is_edited_where_it_stands() {
    use PromptEdit::*;
    let both = || prompt(&[Prepend("A\"".into()), Append("Z".into())]);
    let with = |message: &str, edits| {
        encode(&format!(r#"{{"model":"m","messages":[{message}]}}"#), edits)
            .trim_start_matches(r#"{"model":"m","messages":["#)
            .trim_end_matches("]}")
            .to_owned()
    };
    assert_snapshot!(with("", both()), @r#"{"role":"system","content":"A\"\n\nZ"}"#);
    assert_snapshot!(with(r#"{"role":"user","content":"u"}"#, both()), @r#"{"role":"system","content":"A\"\n\nZ"},{"role":"user","content":"u"}"#);
    assert_snapshot!(with(r#"{"role":"system","content":"s"}"#, both()), @r#"{"role":"system","content":"A\"\n\ns\n\nZ"}"#);
    assert_snapshot!(with(r#"{"role":"developer","content":""}"#, both()), @r#"{"role":"developer","content":"A\"\n\nZ"}"#);
    assert_snapshot!(with(r#"{"role":"system","content":null}"#, both()), @r#"{"role":"system","content":"A\"\n\nZ"}"#);
    assert_snapshot!(with(r#"{"content":[{"type":"text","text":"s"}],"role":"system"}"#, both()), @r#"{"content":[{"type":"text","text":"A\"\n\n"},{"type":"text","text":"s"},{"type":"text","text":"\n\nZ"}],"role":"system"}"#);
    let several = r#"{"role":"system","content":"s"},{"role":"user","content":"u"}, {"role":"developer","content":"t"},{"role":"user","content":"v"}"#;
    let replace = || prompt(&[Prepend("gone".into()), Replace("R".into()), Append("Z".into())]);
    assert_snapshot!(with(several, replace()), @r#"{"role":"system","content":"R\n\nZ"},{"role":"user","content":"u"},{"role":"user","content":"v"}"#);
}

#[test]
fn quirks_are_met_and_their_losses_listed() {
    let quirks = Quirks {
        max_output_field: MaxOutputField::Legacy,
        usage_unasked: true,
        random_seed: true,
        no_developer_role: true,
        max_temperature: Some(100),
        unsupported: &[Param::Logprobs, Param::N],
        ..Quirks::NONE
    };
    let body = r#"{"model":"m","messages":[{"role":"developer","content":"s"}],"stream":true,"stream_options":{"include_usage":true},"max_completion_tokens":5,"seed":7,"temperature":1.5,"logprobs":true,"n":1}"#;
    let (body, losses) =
        encode_for(body, Edits { include_usage: true, ..Edits::default() }, &quirks);
    assert_snapshot!(body, @r#"{"model":"m","messages":[{"role":"system","content":"s"}],"stream":true,"max_tokens":5,"random_seed":7,"temperature":1}"#);
    assert_snapshot!(losses, @"stream_options Emulated: usage comes without being asked for, and the field is unknown there; logprobs Dropped: true is not supported there; max_output Renamed: `max_completion_tokens` is sent as `max_tokens`; seed Renamed: `seed` is sent as `random_seed`; temperature Clamped: 1.5 to 1; role Renamed: `developer` is sent as `system`");
    let completion = Quirks { max_output_field: MaxOutputField::Completion, ..Quirks::NONE };
    let ours = set(Param::MaxOutput, Change::Replace(ParamValue::Int(5)));
    let (body, losses) = encode_for(r#"{"model":"m","messages":[]}"#, ours, &completion);
    assert_snapshot!(body + losses.as_str(), @r#"{"model":"m","messages":[],"max_completion_tokens":5}"#);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a\"\\\\\n é😀]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c\"]{1,2}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

prop_compose! {
    fn any_request()(
        model in "[a-z/\"]{1,8}",
        messages in prop::collection::vec((prop::sample::select(vec!["system", "user", "developer", "tool"]), any::<String>()), 0..4),
        stream in any::<Option<bool>>(),
        options in prop::option::of(any::<Option<bool>>()),
        temperature in prop::option::of(0u8..20),
        limit in prop::option::of(any::<u16>()),
        unknown in prop::collection::btree_map("x[a-z]{1,3}", any_json(), 0..4),
    ) -> Value {
        let messages: Vec<Value> = messages.iter().map(|(role, text)| json!({"role": role, "content": text})).collect();
        let mut body = json!({"model": model, "messages": messages});
        let mut put = |name: &str, value: Option<Value>| if let Some(value) = value { body[name] = value };
        put("stream", stream.map(Value::from));
        put("stream_options", options.map(|usage| usage.map_or(json!({}), |usage| json!({"include_usage": usage}))));
        put("temperature", temperature.map(|tenths| json!(f64::from(tenths) / 10.0)));
        put("max_tokens", limit.map(Value::from));
        unknown.into_iter().for_each(|(name, value)| body[name] = value);
        body
    }
}

proptest! {
    #[test]
    fn no_edit_is_no_change(body in any_request(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&body) } else { serde_json::to_string(&body) }.unwrap();
        prop_assert_eq!(encode(&text, Edits::default()), text);
    }

    #[test]
    fn edits_change_their_paths_and_no_other(
        body in any_request(), pretty in any::<bool>(), model in any::<String>(), stream in any::<Option<bool>>(),
        text in any::<String>(),
    ) {
        let source = if pretty { serde_json::to_string_pretty(&body) } else { serde_json::to_string(&body) }.unwrap();
        let edits = Edits {
            model: Some(model.as_str().into()),
            stream,
            include_usage: true,
            params: vec![
                (Param::Temperature, Change::Replace(ParamValue::Float(0.25))),
                (Param::MaxOutput, Change::Remove),
            ],
            prompt: vec![PromptEdit::Replace(text.as_str().into())],
            ..Edits::default()
        };
        let encoded = encode(&source, edits);
        let mut is: Value = serde_json::from_str(&encoded).unwrap();
        prop_assert_eq!(&is["model"], &json!(model));
        prop_assert_eq!(&is["temperature"], &json!(0.25));
        prop_assert!(is.get("max_tokens").is_none());
        let streams = stream.unwrap_or(body["stream"] == json!(true));
        prop_assert_eq!(is["stream"] == json!(true), streams);
        prop_assert_eq!(is["stream_options"]["include_usage"] == json!(true), streams || body["stream"] != json!(true) && body["stream_options"]["include_usage"] == json!(true));
        let system = |message: &&Value| message["role"] == "system" || message["role"] == "developer";
        let messages = is["messages"].as_array().unwrap().clone();
        prop_assert_eq!(messages.iter().filter(system).map(|message| message["content"].clone()).collect::<Vec<_>>(), vec![json!(text)]);
        let others = |value: &Value| value["messages"].as_array().unwrap().iter().filter(|message| !system(message)).cloned().collect::<Vec<_>>();
        prop_assert_eq!(others(&is), others(&body));
        let mut was = body;
        for name in ["model", "temperature", "max_tokens", "stream", "stream_options", "messages"] {
            was.as_object_mut().unwrap().remove(name);
            is.as_object_mut().unwrap().remove(name);
        }
        prop_assert_eq!(is, was);
    }
}
