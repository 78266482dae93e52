//! Answers that come piece by piece, as clients of every dialect read them: the same as if they had
//! come at once.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value;

use super::{CLIENTS, check_events, context};
use crate::dialect::Dialect;
use crate::dialect::answer::{Answer, Finish, TokenLogprob};
use crate::dialect::part::{Body, Part, Signature};
use crate::dialect::passage::{client_side, provider_side};
use crate::dialect::quirks::Quirks;
use crate::dialect::sink::Sink;
use crate::dialect::usage::Usage;
use crate::units::Tokens;

/// One thing that a provider tells.
#[derive(Debug, Clone)]
enum Step {
    Thinks(String),
    Says(String),
    Calls,
    /// More of one of the calls.
    Argues(usize),
    /// A signature for the last thought.
    Signs,
    Counts,
    /// Why it ends; some go on.
    Ends,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let words = "[a-zé\"\\\\\n ]{1,6}";
    let step = prop_oneof![
        2 => words.prop_map(Step::Thinks),
        3 => words.prop_map(Step::Says),
        2 => Just(Step::Calls),
        3 => (0usize..3).prop_map(Step::Argues),
        1 => Just(Step::Signs),
        1 => Just(Step::Counts),
        1 => Just(Step::Ends),
    ];
    prop::collection::vec(step, 0..14)
}

const ARGUMENTS: [&str; 3] = ["{\"a\":", "\"x\\n\"", "}"];

/// Tells an answer; `signer` signs its thoughts.
fn tell(steps: &[Step], refusal: &str, signer: Dialect, sink: &mut Sink<'_>) {
    sink.id("i");
    sink.model("m");
    // Where each call is, and how much of its arguments is told.
    let mut calls: Vec<(usize, usize)> = Vec::new();
    let (mut signed, mut thinking) = (true, None);
    for (number, step) in steps.iter().enumerate() {
        match step {
            // A thought that is signed is over.
            Step::Thinks(text) => match thinking.filter(|_| !signed) {
                Some(at) => sink.more(0, at, text),
                None => {
                    thinking = Some(sink.part(0, Part::thinking(text.clone())).unwrap());
                    signed = false;
                }
            },
            Step::Says(text) => {
                let parts = &sink.choice(0).unwrap().parts;
                match parts.iter().rposition(|part| matches!(part.body, Body::Text { .. })) {
                    Some(at) => sink.more(0, at, text),
                    None => drop(sink.part(0, Part::text(text.clone())).unwrap()),
                }
            }
            Step::Calls => {
                let call = Part::call(format!("c{}", calls.len()), "f", ARGUMENTS[0]);
                calls.push((sink.part(0, call).unwrap(), 1));
            }
            Step::Argues(which) => {
                if let Some((at, told)) = calls.get_mut(*which)
                    && let Some(piece) = ARGUMENTS.get(*told)
                {
                    sink.more(0, *at, piece);
                    *told += 1;
                }
            }
            // Behind the thought, before anything else is said.
            Step::Signs if matches!(steps.get(number.wrapping_sub(1)), Some(Step::Thinks(_))) => {
                if let Some(at) = thinking.filter(|_| !std::mem::replace(&mut signed, true)) {
                    sink.sign(0, at, Signature { dialect: signer, value: format!("s{at}").into() });
                }
            }
            Step::Signs => {}
            Step::Counts => {
                let token = TokenLogprob { token: "t".into(), logprob: -0.5, ..Default::default() };
                sink.logprobs(0, vec![token]).unwrap();
            }
            // Nobody ends amid a call.
            Step::Ends if calls.iter().all(|(_, told)| *told == ARGUMENTS.len()) => {
                sink.finish(0, Finish::Stop).unwrap();
            }
            Step::Ends => {}
        }
    }
    for (at, told) in calls {
        ARGUMENTS[told..].iter().for_each(|piece| sink.more(0, at, piece));
    }
    if !refusal.is_empty() {
        sink.part(0, Part::new(Body::Refusal(refusal.to_owned().into()))).unwrap();
    }
    sink.finish(0, Finish::Stop).unwrap();
    sink.usage(Usage { input: Tokens(3), output: Tokens(4), ..Usage::default() });
}

/// What a client makes of an answer, whatever parts it is cut into.
#[derive(Debug, PartialEq)]
struct Heard {
    said: String,
    thought: String,
    calls: Vec<(String, String, Value)>,
    signatures: Vec<String>,
    finish: Option<Finish>,
    tokens: (u64, u64),
    id: String,
}

fn heard(answer: &Answer, client: Dialect) -> Heard {
    let choice = answer.primary().unwrap();
    let calls = choice.tool_calls().map(|call| {
        let arguments = serde_json::from_str(&call.arguments).unwrap_or_default();
        (call.id.to_string(), call.name.to_string(), arguments)
    });
    // A client's own signatures are whole items or details, which differ in their ids.
    let signed = choice.parts.iter().filter_map(|part| part.signature.as_ref());
    let signed = signed.filter(|signature| signature.dialect != client);
    let mut signatures: Vec<String> = signed.map(|it| format!("{it:?}")).collect();
    signatures.sort();
    Heard {
        said: format!("{}{}", choice.text(), choice.refusal()),
        thought: choice.reasoning().into_owned(),
        calls: calls.collect(),
        signatures,
        finish: choice.finish,
        tokens: (answer.usage.prompt().0, answer.usage.completion().0),
        id: answer.id.clone(),
    }
}

fn read_whole(client: Dialect, bytes: &[u8]) -> Answer {
    provider_side(client).unwrap().read(bytes, &Quirks::NONE).unwrap()
}

fn read_stream(client: Dialect, bytes: Vec<u8>) -> Answer {
    let mut machine = provider_side(client).unwrap().stream(&Quirks::NONE);
    machine.push(Bytes::from(bytes));
    machine.finish().unwrap()
}

/// The clients that are told the answers of a provider: OpenAI's own signatures are items and details
/// in full, which those here are not, and its own clients get them as they come.
fn clients_of(signer: Dialect) -> impl Iterator<Item = Dialect> {
    let openai = |client: Dialect| client.name().starts_with("openai.");
    CLIENTS.into_iter().filter(move |client| *client != signer || !openai(signer))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn an_answer_in_pieces_is_read_like_a_whole_one(
        steps in steps(),
        refusal in "[a-z]{0,3}",
        signer in prop::sample::select(CLIENTS.to_vec()),
    ) {
        let mut answer = Answer::default();
        tell(&steps, &refusal, signer, &mut Sink::new(&mut answer));
        for client in clients_of(signer) {
            let side = client_side(client);
            let whole = read_whole(client, &side.write(&answer, &context()));
            let (mut told, mut out) = (Answer::default(), Vec::new());
            let mut writer = side.writer(&context());
            tell(&steps, &refusal, signer, &mut Sink::writing(&mut told, &mut *writer, &mut out));
            prop_assert_eq!(&told, &answer);
            writer.end(&told, &mut out);
            prop_assert_eq!(check_events(&out), Ok(()));
            let shown = String::from_utf8_lossy(&out).into_owned();
            let streamed = read_stream(client, out);
            prop_assert_eq!(
                heard(&streamed, client), heard(&whole, client), "{}: {}", client, shown
            );
            // And it says what was told.
            let plain = heard(&answer, Dialect::OpenAiChat);
            let read = heard(&whole, Dialect::OpenAiChat);
            prop_assert_eq!((&read.said, &read.calls), (&plain.said, &plain.calls), "{}", client);
            prop_assert_eq!((&read.thought, read.tokens), (&plain.thought, plain.tokens));
        }
    }

    #[test]
    fn an_answer_in_a_clients_dialect_stays_as_it_is(
        steps in steps(),
        refusal in "[a-z]{0,3}",
        signer in prop::sample::select(CLIENTS.to_vec()),
    ) {
        let mut answer = Answer::default();
        tell(&steps, &refusal, signer, &mut Sink::new(&mut answer));
        for client in clients_of(signer) {
            let side = client_side(client);
            let once = read_whole(client, &side.write(&answer, &context()));
            let twice = read_whole(client, &side.write(&once, &context()));
            prop_assert_eq!(&twice, &once, "{} whole", client);
            let mut out = Vec::new();
            once.replay(&mut *side.writer(&context()), &mut out);
            let streamed = read_stream(client, out);
            prop_assert_eq!(heard(&streamed, client), heard(&once, client), "{} streamed", client);
        }
    }
}
