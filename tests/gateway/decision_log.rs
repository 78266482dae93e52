//! The decision log, and what another policy would have done with the requests in it.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Door, HARD, Setup, body, until};

const POLICY: &str = r#"
pool small = [sim/cheap]
pool large = [sim/dear]
ladder climb {
  step cheap -> small escalate when refused or empty
  step dear -> large
}
deny frozen when header["x-frozen"] == "yes" because "frozen" status 403
route team when header["x-team"] == "search" -> large
route hard when tag["kind"] == "hard" -> climb
default -> small
"#;

fn setup() -> Setup {
    Setup::policy(POLICY)
        .priced("cheap", "small", 1.0, 2.0)
        .priced("dear", "large", 10.0, 20.0)
        .tail("decision_log: decisions.jsonl")
}

async fn ask(door: &Door, prompt: &str, extra: Value, headers: &[(&str, &str)]) -> u16 {
    door.ask_with(&body("auto", prompt, extra), headers).await.status
}

/// The lines, once there are so many.
async fn lines(door: &Door, count: usize) -> Vec<Value> {
    let read = || std::fs::read_to_string(door.file("decisions.jsonl")).unwrap();
    until("the lines are written", || async { read().lines().count() >= count }).await;
    read().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn simulate(door: &Door, draft: &str, more: &[&str]) -> (i32, String, String) {
    std::fs::write(door.file("draft.policy"), draft).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
    command.current_dir(door.folder.path()).env_remove("POINTSMAN_CONFIG").env("NO_COLOR", "1");
    command.args(["simulate", "draft.policy", "--config", "pointsman.yaml"]);
    if !more.contains(&"--log") {
        command.args(["--log", "decisions.jsonl"]);
    }
    let output = command.args(more).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn report(door: &Door, draft: &str, more: &[&str]) -> Value {
    let (code, said, why) = simulate(door, draft, &[more, &["--json"]].concat());
    assert_eq!(code, 0, "{said}{why}");
    serde_json::from_str(&said).unwrap()
}

/// Seven requests of all kinds, in a log.
async fn traffic() -> Door {
    let door = setup().open().await;
    for _ in 0..3 {
        assert_eq!(ask(&door, "Hello", json!({}), &[]).await, 200);
    }
    let team =
        [("x-team", "search"), ("x-secret-sauce", "do-not-tell"), ("cookie", "canary-cookie")];
    assert_eq!(ask(&door, "Hello", json!({ "stream": true }), &team).await, 200);
    assert_eq!(ask(&door, HARD, json!({}), &[("x-pointsman-tags", "kind=hard")]).await, 200);
    assert_eq!(ask(&door, "Hello", json!({}), &[("x-frozen", "yes")]).await, 403);
    let named = door.ask_with(&body("sim/dear", "canary-prompt", json!({})), &[]).await;
    assert_eq!(named.status, 200);
    lines(&door, 7).await;
    door
}

#[tokio::test(flavor = "multi_thread")]
async fn every_decided_request_has_a_line_without_its_secrets() {
    let door = traffic().await;
    let all = lines(&door, 7).await;
    assert_eq!(all.len(), 7);
    let text = std::fs::read_to_string(door.file("decisions.jsonl")).unwrap();
    for secret in ["canary", "do-not-tell", "Hello", "square root"] {
        assert!(!text.contains(secret), "{secret}");
    }
    let plain = all.iter().find(|line| line["decision"]["route"] == "default").unwrap();
    assert_eq!(plain["decision"]["steps"], json!([{ "name": "small", "models": ["sim/cheap"] }]));
    assert_eq!(
        (&plain["result"]["status"], &plain["result"]["model"]),
        (&json!(200), &json!("sim/cheap"))
    );
    assert!(
        plain["result"]["cost_nano"].as_u64().unwrap() > 0 && plain["providers"] == json!(["sim"])
    );
    assert_eq!(plain["result"]["attempts"][0]["verdict"], "accepted");
    // Also what this policy does not ask for, so that another one can.
    assert_eq!(plain["facts"]["request.stream"], false);
    assert!(
        plain["facts"]["input.tokens"].as_u64().unwrap() > 0 && plain["facts"]["task"].is_string()
    );
    let team = all.iter().find(|line| line["decision"]["route"] == "team").unwrap();
    assert_eq!(team["facts"]["header[]"], json!({ "x-team": "search" }));
    let hard = all.iter().find(|line| line["decision"]["route"] == "hard").unwrap();
    assert_eq!(hard["facts"]["tag[]"], json!({ "kind": "hard" }));
    assert_eq!(hard["result"]["attempts"].as_array().unwrap().len(), 2, "{hard}");
    assert_eq!(hard["result"]["attempts"][0]["verdict"], "rejected");
    let frozen = all.iter().find(|line| line["decision"]["outcome"] == "denied").unwrap();
    assert_eq!(
        (&frozen["decision"]["route"], &frozen["result"]["status"]),
        (&json!("frozen"), &json!(403))
    );
    let ids: BTreeSet<_> = all.iter().map(|line| line["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_policy_changes_nothing_and_another_what_it_should() {
    let door = traffic().await;
    let same = report(&door, POLICY, &[]);
    assert_eq!((&same["requests"], &same["changes"]), (&json!(7), &json!([])), "{same}");
    assert_eq!((&same["route_changes"], &same["model_changes"]), (&json!(0), &json!(0)));
    let money = &same["money"];
    let (billed, before) = (money["billed"].as_u64().unwrap(), money["before"].as_u64().unwrap());
    assert_eq!(money["before"], money["after"]);
    assert!(billed > 0 && before.abs_diff(billed) * 2 < billed, "{money}");
    assert_eq!(same["escalated"].as_array().unwrap().len(), 3);
    assert!(same["escalated"][1].as_f64().unwrap() > 0.0, "{same}");

    // The default goes to the dear model, and nobody is frozen any more.
    let draft = POLICY.replace("default -> small", "default -> large");
    let draft: String = draft
        .lines()
        .filter(|line| !line.starts_with("deny"))
        .fold(String::new(), |text, line| text + line + "\n");
    let other = report(&door, &draft, &[]);
    assert_eq!(
        (&other["route_changes"], &other["model_changes"]),
        (&json!(1), &json!(4)),
        "{other}"
    );
    assert_eq!((&other["newly_answered"], &other["newly_refused"]), (&json!(1), &json!(0)));
    let top = &other["changes"][0];
    assert_eq!((&top["requests"], &top["line"]), (&json!(3), &json!(1)));
    assert_eq!(
        (&top["before"], &top["after"]),
        (&json!("default → sim/cheap"), &json!("default → sim/dear"))
    );
    assert!(top["id"].as_str().unwrap().starts_with("req_"));
    assert!(other["money"]["after"].as_u64() > other["money"]["before"].as_u64());
    let cheap = other["models"].as_array().unwrap().iter().find(|row| row["model"] == "sim/cheap");
    assert_eq!((&cheap.unwrap()["before"], &cheap.unwrap()["after"]), (&json!(4), &json!(1)));

    // Facts that no policy asked for at the time.
    let streams = "route streams when request.stream -> sim/cheap\ndefault -> sim/dear\n";
    let other = report(&door, streams, &["--baseline", "main.policy"]);
    assert_eq!(other["routes"]["streams"], json!([0, 1]));
    let streamed = other["changes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["after"].as_str().unwrap().starts_with("streams"));
    assert_eq!(streamed.unwrap()["facts"], json!({ "request.stream": true }));
    assert!(other["before"].as_str().unwrap().starts_with("main@"));

    let (code, said, _) = simulate(&door, &draft, &[]);
    assert!(
        code == 0
            && said.contains("7 requests: 1 would take another route")
            && said.contains("sim/dear"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_log_cannot_say_is_said() {
    let door = traffic().await;
    let log = door.file("decisions.jsonl");
    let first = std::fs::read_to_string(&log).unwrap().lines().next().unwrap().to_owned();
    let mut file = std::fs::OpenOptions::new().append(true).open(&log).unwrap();
    let odd = first.replace("\"request.stream\":", "\"request.mood\":\"good\",\"request.stream\":");
    writeln!(file, "{odd}").unwrap();
    write!(file, "{}", &first[..40]).unwrap();
    let told = report(
        &door,
        "route b when header[\"x-other\"] == \"a\" -> sim/dear\ndefault -> sim/cheap",
        &[],
    );
    assert_eq!((&told["requests"], &told["broken_lines"]), (&json!(8), &json!(1)));
    assert_eq!(told["first_broken_line"][0], 9);
    let notes = told["notes"].to_string();
    assert!(notes.contains("request.mood") && notes.contains("x-other"), "{notes}");

    let (code, _, why) = simulate(&door, "default -> sim/nobody", &[]);
    assert!(code == 1 && why.contains("sim/nobody"), "{why}");
    let (code, _, why) = simulate(&door, POLICY, &["--log", "none.jsonl"]);
    assert!(code == 2 && why.contains("none.jsonl"), "{why}");
    let (code, _, why) = simulate(&door, POLICY, &["--log", "pointsman.yaml"]);
    assert!(code == 2 && why.contains("line 1"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_opened_does_not_start() {
    let why = Setup::policy("default -> sim/small").tail("decision_log: no/such/folder").try_open();
    let why = why.await.err().unwrap();
    assert!(why.contains("decision log") && why.contains("no/such/folder"), "{why}");
}
