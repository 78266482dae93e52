//! Bodies and streams that are almost right.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{CLIENTS, PROVIDERS, check_events, check_json, context, samples};
use crate::dialect::answer::Answer;
use crate::dialect::aws_frames::tests::frame;
use crate::dialect::framing::Wire;
use crate::dialect::passage::{client_side, provider_side};
use crate::dialect::quirks::Quirks;
use crate::dialect::stream::{Event, StreamEnd};
use crate::dialect::{Dialect, Edits, Request};

/// A provider with as many quirks as possible.
const ODD: Quirks = Quirks {
    thinking_goes_back: true,
    google_signatures: true,
    cache_marks: true,
    model_in_path: true,
    random_seed: true,
    max_temperature: Some(10),
    ..Quirks::NONE
};

/// Any JSON, with the words and numbers that readers stumble over.
fn any_json() -> impl Strategy<Value = Value> {
    let odd = vec![
        json!(null),
        json!(true),
        json!(""),
        json!("x"),
        json!("é\u{0}\"\n"),
        json!([]),
        json!({}),
        json!(-1),
        json!(0),
        json!(1e300),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(0.5),
        json!([[]]),
        json!([{}]),
        json!("pointsman:gemini.generate:x"),
        json!("pointsman.call:c:pointsman:openai.chat:["),
        json!("data:image/png;base64,AA"),
        json!("stop"),
        json!("{\"a\":"),
        json!({"type": "text", "text": "z"}),
        json!({"type": "thinking"}),
        json!({"functionCall": {"name": "h"}}),
    ];
    let deep = (1usize..200).prop_map(|depth| (0..depth).fold(json!(1), |inner, _| json!([inner])));
    prop_oneof![8 => prop::sample::select(odd), 1 => deep, 1 => ".{0,8}".prop_map(Value::from)]
}

/// What is done to one value of a sample.
#[derive(Debug, Clone)]
enum Harm {
    Replace(Value),
    Remove,
    Double,
    Wrap,
}

fn harms() -> impl Strategy<Value = Vec<(usize, Harm)>> {
    let harm = prop_oneof![
        4 => any_json().prop_map(Harm::Replace),
        1 => Just(Harm::Remove),
        1 => Just(Harm::Double),
        1 => Just(Harm::Wrap),
    ];
    prop::collection::vec((0usize..400, harm), 0..4)
}

/// Does harm to the value of this number, counted from the outside in.
fn harmed(value: &Value, left: &mut usize, harm: &Harm) -> Vec<Value> {
    if *left == 0 {
        *left = usize::MAX;
        return match harm {
            Harm::Replace(other) => vec![other.clone()],
            Harm::Remove => Vec::new(),
            Harm::Double => vec![value.clone(), value.clone()],
            Harm::Wrap => vec![json!([value])],
        };
    }
    *left -= 1;
    vec![match value {
        Value::Array(items) => items.iter().flat_map(|item| harmed(item, left, harm)).collect(),
        Value::Object(members) => {
            let members = members.iter().filter_map(|(name, member)| {
                Some((name.clone(), harmed(member, left, harm).pop()?))
            });
            Value::Object(members.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }]
}

fn mutilated(mut value: Value, harms: &[(usize, Harm)]) -> Value {
    for (at, harm) in harms {
        if let Some(other) = harmed(&value, &mut at.clone(), harm).pop() {
            value = other;
        }
    }
    value
}

/// Writes an answer for every client, and reads it again.
fn check_told(answer: &Answer) -> Result<(), TestCaseError> {
    let mut answer = answer.clone();
    answer.name_calls("req_1");
    for client in CLIENTS {
        let side = client_side(client);
        let written = side.write(&answer, &context());
        let text = String::from_utf8(written.clone()).map_err(|_| TestCaseError::fail("UTF-8"))?;
        prop_assert_eq!(check_json(&text), Ok(()), "{}: {}", client, text);
        let again = provider_side(client).unwrap().read(&written, &Quirks::NONE);
        let empty = answer.choices.is_empty() || client == Dialect::OpenAiResponses;
        prop_assert!(again.is_ok() || empty, "{}: {:?} {}", client, again, text);
        let mut out = Vec::new();
        answer.replay(&mut *side.writer(&context()), &mut out);
        prop_assert_eq!(check_events(&out), Ok(()), "{}", client);
    }
    Ok(())
}

fn wire_bytes(wire: Wire, events: &[(&str, Value)]) -> Vec<u8> {
    let bytes = events.iter().map(|(name, data)| match wire {
        Wire::Lines => format!("{data}\n").into_bytes(),
        Wire::Aws => frame(&[(":event-type", name)], data.to_string().as_bytes()),
        _ => format!("event: {name}\ndata: {data}\n\n").into_bytes(),
    });
    bytes.collect::<Vec<_>>().concat()
}

fn run(
    dialect: Dialect,
    client: Option<Dialect>,
    bytes: &[u8],
    sizes: &[usize],
) -> (Vec<Event>, Option<Bytes>, Result<Answer, StreamEnd>) {
    let mut machine = provider_side(dialect).unwrap().stream(&Quirks::NONE);
    if let Some(client) = client {
        machine = machine.translated(client_side(client).writer(&context())).naming("req_1");
    }
    let (mut rest, mut events) = (bytes, Vec::new());
    let mut sizes = sizes.iter().copied().cycle();
    while !rest.is_empty() {
        let (chunk, left) = rest.split_at(sizes.next().unwrap_or(rest.len()).clamp(1, rest.len()));
        events.extend(machine.push(Bytes::copy_from_slice(chunk)));
        rest = left;
    }
    events.extend(machine.last_event());
    let end = machine.translated_end();
    (events, end, machine.finish())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_request_makes_anything_panic(which in 0usize..5, harms in harms()) {
        let (dialect, sample) = samples::requests().swap_remove(which);
        let body = Bytes::from(mutilated(sample, &harms).to_string());
        let Ok(request) = Request::read(dialect, body.clone(), Some(("m", true))) else {
            return Ok(());
        };
        let _ = (request.answer_schema(), request.functions());
        let edits = Edits { model: Some("claude-sonnet-5".into()), ..Edits::default() };
        for quirks in [Quirks::NONE, ODD] {
            let spliced = request.encode(&edits, &quirks).body;
            let text = std::str::from_utf8(&spliced).unwrap();
            prop_assert_eq!(check_json(text).map_err(|error| error.what).err(), None, "{}", text);
            for provider in PROVIDERS {
                let Ok(mut conversation) = request.decode() else { continue };
                conversation.apply(&edits);
                let Ok(encoded) = provider_side(provider).unwrap().encode(&conversation, &quirks)
                else {
                    continue;
                };
                let text = std::str::from_utf8(&encoded.body).unwrap();
                prop_assert_eq!(check_json(text), Ok(()), "{}: {}", provider, text);
            }
        }
    }

    #[test]
    fn no_answer_makes_anything_panic(which in 0usize..8, harms in harms()) {
        let (dialect, sample) = samples::answers().swap_remove(which);
        let body = mutilated(sample, &harms).to_string();
        let read = provider_side(dialect).unwrap().read(body.as_bytes(), &Quirks::NONE);
        if let Ok(answer) = read {
            check_told(&answer)?;
        }
    }

    #[test]
    fn no_stream_makes_anything_panic_and_its_cuts_change_nothing(
        which in 0usize..8,
        harms in prop::collection::vec((0usize..20, harms()), 0..3),
        sizes in prop::collection::vec(1usize..60, 1..8),
        cut in prop::option::of(0usize..4000),
    ) {
        let (dialect, mut events) = samples::streams().swap_remove(which);
        for (at, harms) in &harms {
            let at = at % events.len();
            events[at].1 = mutilated(events[at].1.take(), harms);
        }
        let mut bytes = wire_bytes(provider_side(dialect).unwrap().wire(), &events);
        bytes.truncate(cut.unwrap_or(usize::MAX));
        let all = [bytes.len().max(1)];
        let (whole, _, end) = run(dialect, None, &bytes, &all);
        let (pieces, _, end_of_pieces) = run(dialect, None, &bytes, &sizes);
        prop_assert_eq!(&pieces, &whole);
        prop_assert_eq!(&end_of_pieces, &end);
        let failed = matches!(end, Err(StreamEnd::Failed(..)));
        for client in CLIENTS {
            let (told, told_end, _) = run(dialect, Some(client), &bytes, &all);
            let (again, again_end, _) = run(dialect, Some(client), &bytes, &sizes);
            prop_assert_eq!(&again, &told);
            prop_assert_eq!(&again_end, &told_end);
            let mut out: Vec<u8> = told.iter().flat_map(|event| event.raw.to_vec()).collect();
            out.extend(told_end.into_iter().flatten());
            prop_assert!(failed || check_events(&out).is_ok(), "{}: {:?}", client, check_events(&out));
        }
        if let Ok(answer) = &end {
            check_told(answer)?;
        }
    }

    #[test]
    fn no_bytes_make_a_stream_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for dialect in PROVIDERS {
            let (whole, _, end) = run(dialect, None, &bytes, &[usize::MAX]);
            let (pieces, _, again) = run(dialect, None, &bytes, &[1, 3]);
            prop_assert_eq!(pieces, whole);
            prop_assert_eq!(again, end);
            let _ = provider_side(dialect).unwrap().read(&bytes, &Quirks::NONE);
        }
    }
}
