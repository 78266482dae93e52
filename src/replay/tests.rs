use super::*;
use crate::ids::PolicyName;
use crate::policy::{Surroundings, compile};

const POLICY: &str = "route long when input.tokens > 100 -> sim/large\ndefault -> sim/small\n";

fn program(text: &str) -> Arc<Program> {
    let files = |_: &str| Err("no files here".to_owned());
    let catalog = Arc::new(Catalog::embedded());
    let surroundings = Surroundings::new(&catalog, &files);
    let compiled = compile(&PolicyName::new("p"), "p.policy", text, &surroundings);
    compiled.program.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics))
}

/// A line whose request has so many tokens and was answered by this model.
fn line(tokens: u64, model: &str, more: &str) -> String {
    format!(
        r#"{{"id":"req_01a21dc4aa0271bd8d76c509df6bbcef","at":"2026-11-27T16:09:17Z","policy":"p@0","facts":{{"request.auto":true,"request.model":"auto","request.api":"chat","input.tokens":{tokens}}},"turn":1{more},"decision":{{"outcome":"plan","route":"default","steps":[{{"name":"s","models":["{model}"]}}]}},"result":{{"status":200,"model":"{model}","cost_nano":7,"attempts":[{{"model":"{model}","step":"s","verdict":"accepted","ms":2.5}}]}}}}"#
    )
}

fn report(lines: &[String]) -> Report {
    let mut worker = Worker::new(Replay { draft: program(POLICY), baseline: None });
    lines.iter().zip(1..).for_each(|(line, number)| worker.line(number, line));
    worker.report()
}

#[test]
fn threads_count_what_one_would() {
    let mut lines: Vec<String> =
        (0..40).map(|n| line(n * 10, ["sim/small", "sim/tiny"][n as usize % 2], "")).collect();
    lines[7] = "{".into();
    lines[30] = "nonsense".into();
    let whole = serde_json::to_value(report(&lines)).unwrap();
    assert_eq!((&whole["requests"], &whole["broken_lines"]), (&38.into(), &2.into()));
    let replay = Replay { draft: program(POLICY), baseline: None };
    let mut workers = [Worker::new(replay.clone()), Worker::new(replay)];
    for (line, number) in lines.iter().zip(1..) {
        workers[(number / 5 % 2) as usize].line(number, line);
    }
    let [one, other] = workers;
    assert_eq!(serde_json::to_value(other.with(one).report()).unwrap(), whole);
}

#[test]
fn a_request_is_decided_in_the_surroundings_of_its_time() {
    let of = |more: &str| report(&[line(200, "sim/large", more)]);
    assert_eq!((of("").model_changes, of("").route_changes), (0, 1));
    let elsewhere = of(r#","providers":["openai"]"#);
    assert_eq!(elsewhere.outcomes[&Kind::NoCandidate], (0, 1));
    let barred = of(r#","key_models":["openai/*"]"#);
    assert_eq!((barred.newly_refused, &*barred.changes[0].after), (1, "long → no model left"));
    // What holds for one line does not hold for the next.
    let both = [line(200, "sim/large", r#","providers":["openai"]"#), line(200, "sim/large", "")];
    assert_eq!(report(&both).outcomes[&Kind::Plan], (2, 1));
}

#[test]
fn whoever_was_out_is_asked_last() {
    let draft = program("pool two = [sim/small, sim/large]\ndefault -> two\n");
    let firsts = |more: &str| {
        let mut worker = Worker::new(Replay { draft: draft.clone(), baseline: None });
        worker.line(1, &line(5, "sim/small", more));
        worker.line(2, &line(5, "sim/small", ""));
        let rows = worker.report().models;
        rows.into_iter().map(|row| (row.model, row.after)).collect::<Vec<_>>()
    };
    assert_eq!(firsts(""), [("sim/small".to_owned(), 2)]);
    let out = firsts(r#","live":{"models":[{"id":"sim/small","out":true}]}"#);
    assert_eq!(out, [("sim/small".to_owned(), 1), ("sim/large".to_owned(), 1)]);
}

#[test]
fn a_session_stays_where_it_was() {
    let text =
        "pool two = [sim/small, sim/large]\ndefault -> two { sticky by session.id for 1h }\n";
    let draft = program(text);
    let asked = |key: &str| {
        let text = line(5, "sim/large", "")
            .replace(r#""input.tokens":5}"#, r#""input.tokens":5,"session.id":"s"}"#);
        let step =
            format!(r#""name":"two","remembered":{{"key":"{key}","model":"sim/large"}},"models":"#);
        text.replace(r#""name":"s","models":"#, &step)
    };
    let mut worker = Worker::new(Replay { draft: draft.clone(), baseline: None });
    let elsewhere = asked("00000000000000000000000000000000");
    let parsed: Line<'_> = serde_json::from_str(&elsewhere).unwrap();
    let (facts, keys) = (parsed.facts.at(parsed.at), Key::of(&parsed.key_models));
    let Decision::Plan(plan) = worker.decision(&draft, &parsed.id, 1, &facts, &keys) else {
        panic!("a plan")
    };
    let key = plan.steps[0].sticky.as_ref().unwrap().key.to_string();
    worker.line(1, &elsewhere);
    assert_eq!(worker.tally.model_changes, 1, "another policy went by another key");
    worker.line(2, &asked(&key));
    assert_eq!(worker.tally.model_changes, 1);
}
