//! The program: its commands, what they print, and how they end.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
    command.current_dir(folder).env_remove("POINTSMAN_CONFIG").env("NO_COLOR", "1");
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    program(folder).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn with_input(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = program(folder)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn complained(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {}", said(output)))
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("an exit code")
}

const GOOD: &str = "pool small = [sim/small] pick first\n\ndefault -> small\n";
const BAD: &str = "route a when input.token < 2k -> sim/small\ndefault -> sim/nobody\n";

/// A folder with `good.policy` and `bad.policy`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("good.policy"), GOOD).unwrap();
    std::fs::write(folder.path().join("bad.policy"), BAD).unwrap();
    folder
}

#[test]
fn check_says_what_is_wrong_and_ends_accordingly() {
    let folder = folder();
    let good = run(folder.path(), &["check", "good.policy"]);
    assert_eq!(code(&good), 0, "{}", complained(&good));
    assert!(said(&good).contains("good.policy: good"), "{}", said(&good));
    let bad = run(folder.path(), &["check", "bad.policy"]);
    assert_eq!(code(&bad), 1);
    assert!(
        said(&bad).contains("input.tokens") && said(&bad).contains("bad.policy"),
        "{}",
        said(&bad)
    );
    let both = run(folder.path(), &["check", "--json", "."]);
    assert_eq!(code(&both), 1);
    let told = json(&both);
    let findings = told["findings"].as_array().unwrap();
    assert!(findings.len() >= 2 && told["errors"].as_u64().unwrap() >= 2, "{told}");
    assert_eq!(json(&run(folder.path(), &["check", "--json", "good.policy"]))["errors"], 0);
    let missing = run(folder.path(), &["check", "none.policy"]);
    assert_eq!(code(&missing), 2);
    assert!(complained(&missing).contains("none.policy"));
    assert_eq!(code(&run(folder.path(), &["check"])), 2, "there is nothing to check");
    std::fs::write(folder.path().join("odd.policy"), b"\xff\xfe\x00").unwrap();
    assert_eq!(code(&run(folder.path(), &["check", "odd.policy"])), 2);
}

#[test]
fn check_reads_the_configuration_too() {
    let folder = folder();
    let config = folder.path().join("pointsman.yaml");
    std::fs::write(&config, "policy: good.policy\n").unwrap();
    assert_eq!(code(&run(folder.path(), &["check"])), 0);
    std::fs::write(&config, "policy: good.policy\nlisten_on: 1\n").unwrap();
    let wrong = run(folder.path(), &["check"]);
    assert_eq!(code(&wrong), 2);
    assert!(
        complained(&wrong).contains("listen") && complained(&wrong).contains("2:"),
        "{}",
        complained(&wrong)
    );
    let unset = "policy: good.policy\npepper: ${POINTSMAN_TEST_UNSET_VARIABLE}\n";
    std::fs::write(&config, unset).unwrap();
    let unset = run(folder.path(), &["check"]);
    assert_eq!(code(&unset), 2);
    assert!(complained(&unset).contains("POINTSMAN_TEST_UNSET_VARIABLE"));
}

#[test]
fn fmt_lays_out_once_and_for_all() {
    let folder = folder();
    let ugly = folder.path().join("ugly.policy");
    std::fs::write(&ugly, "pool   small=[ sim/small ]pick first # why\n\n\n\ndefault->small")
        .unwrap();
    let check = run(folder.path(), &["fmt", "--check", "ugly.policy"]);
    assert_eq!(code(&check), 1);
    assert!(said(&check).contains("ugly.policy"));
    assert_eq!(code(&run(folder.path(), &["fmt", "ugly.policy"])), 0);
    let text = std::fs::read_to_string(&ugly).unwrap();
    assert!(text.contains("# why") && text.contains("default -> small"), "{text}");
    assert_eq!(code(&run(folder.path(), &["fmt", "--check", "ugly.policy"])), 0);
    let again = json(&run(folder.path(), &["fmt", "--json", "ugly.policy"]));
    assert_eq!(again["changed"].as_array().unwrap().len(), 0);
    let piped = with_input(folder.path(), &["fmt", "-"], "default->sim/small");
    assert_eq!((code(&piped), said(&piped).as_str()), (0, "default -> sim/small\n"));
    let broken = with_input(folder.path(), &["fmt", "-"], "default ->");
    assert_eq!((code(&broken), said(&broken).as_str()), (1, ""));
    assert_eq!(code(&run(folder.path(), &["fmt", "none.policy"])), 2);
    assert_eq!(code(&run(folder.path(), &["fmt"])), 2);
}

#[test]
fn explain_tells_why_and_what_a_code_means() {
    let folder = folder();
    let page = run(folder.path(), &["explain", "P2003"]);
    assert_eq!(code(&page), 0);
    assert!(said(&page).contains("P2003") && said(&page).contains("wrong:"), "{}", said(&page));
    assert_eq!(json(&run(folder.path(), &["explain", "p2003", "--json"]))["code"], "P2003");
    assert_eq!(code(&run(folder.path(), &["explain", "P9999"])), 2);
    let request = "{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";
    std::fs::write(folder.path().join("r.json"), request).unwrap();
    let told = run(folder.path(), &["explain", "good.policy", "--request", "r.json"]);
    assert_eq!(code(&told), 0, "{}", complained(&told));
    assert!(said(&told).contains("sim/small"), "{}", said(&told));
    std::fs::write(
        folder.path().join("beside.policy"),
        "default -> sim/small { hedge after p95 to sim/medium; shadow 100% to sim/large; sticky by \
         key.id for 30min }\n",
    )
    .unwrap();
    let beside = said(&run(folder.path(), &["explain", "beside.policy", "--request", "r.json"]));
    for line in [
        "hedge of sim/small       sim/medium after p95",
        "shadow 100%              sim/large",
        "sticky in sim/small      whoever answers stays first for 1800 s",
    ] {
        assert!(beside.contains(line), "{line}\n{beside}");
    }
    let told =
        with_input(folder.path(), &["explain", "good.policy", "--request", "-", "--json"], request);
    assert_eq!(json(&told)["decision"]["outcome"], "plan", "{}", said(&told));
    for (api, body) in [
        ("responses", r#"{"model":"auto","input":"Hi"}"#),
        (
            "messages",
            r#"{"model":"auto","max_tokens":5,"messages":[{"role":"user","content":"Hi"}]}"#,
        ),
        ("completions", r#"{"model":"auto","prompt":"Hi"}"#),
        ("embeddings", r#"{"model":"auto","input":"Hi"}"#),
        ("gemini", r#"{"contents":[{"parts":[{"text":"Hi"}]}]}"#),
    ] {
        let arguments = ["explain", "good.policy", "--request", "-", "--json", "--api", api];
        let told = with_input(folder.path(), &arguments, body);
        assert!(json(&told)["decision"]["outcome"].is_string(), "{api}: {}", complained(&told));
    }
    let arguments = ["explain", "good.policy", "--request", "-", "--json", "--api", "gemini"];
    let arguments = [&arguments[..], &["--model", "sim/small"]].concat();
    let body = r#"{"contents":[{"parts":[{"text":"Hi"}]}]}"#;
    let told = json(&with_input(folder.path(), &arguments, body));
    assert_eq!(told["decision"]["reason"], "requested", "{told}");
    std::fs::write(
        folder.path().join("deny.policy"),
        "deny all when request.n >= 1 because \"closed\"\ndefault -> sim/small\n",
    )
    .unwrap();
    let denied = run(folder.path(), &["explain", "deny.policy", "--request", "r.json"]);
    assert_eq!(code(&denied), 1);
    assert!(said(&denied).contains("closed"), "{}", said(&denied));
    for arguments in [
        &["explain", "good.policy"][..],
        &["explain", "good.policy", "--request", "none.json"],
        &["explain", "bad.policy", "--request", "r.json"],
        &["explain", "good.policy", "--request", "good.policy"],
        &["explain", "good.policy", "--request", "r.json", "--header", "no header"],
    ] {
        let failed = run(folder.path(), arguments);
        assert_eq!(code(&failed), 2, "{arguments:?}: {}", said(&failed));
        assert!(!complained(&failed).is_empty() && !complained(&failed).contains("panicked"));
    }
}

#[test]
fn models_and_schema_list_what_there_is() {
    let folder = folder();
    let models = run(folder.path(), &["models", "sim/"]);
    assert_eq!(code(&models), 0);
    assert!(said(&models).contains("sim/small"), "{}", said(&models));
    let rows = json(&run(folder.path(), &["models", "sim/small", "--json"]));
    assert_eq!(rows.as_array().unwrap().len(), 1, "{rows}");
    assert_eq!(rows[0]["id"], "sim/small");
    let none = json(&run(folder.path(), &["models", "nobody-has-this", "--json"]));
    assert_eq!(none.as_array().unwrap().len(), 0);
    let schema = run(folder.path(), &["schema"]);
    assert_eq!(code(&schema), 0);
    assert!(said(&schema).contains("input.tokens"));
    let rows = json(&run(folder.path(), &["schema", "--json", "input.tokens"]));
    assert_eq!(rows[0]["name"], "input.tokens", "{rows}");
}

#[test]
fn the_demo_s_policy_can_be_taken_along() {
    let folder = folder();
    let demo = run(folder.path(), &["demo", "--print-policy"]);
    assert_eq!(code(&demo), 0);
    std::fs::write(folder.path().join("demo.policy"), &demo.stdout).unwrap();
    let check = run(folder.path(), &["check", "demo.policy"]);
    assert_eq!(code(&check), 0, "{}", said(&check));
    assert_eq!(code(&run(folder.path(), &["fmt", "demo.policy"])), 0);
    assert_eq!(code(&run(folder.path(), &["check", "demo.policy"])), 0);
}

#[test]
fn the_command_line_explains_itself() {
    let folder = folder();
    for arguments in [&["--help"][..], &["--version"], &["serve", "--help"], &["check", "--help"]] {
        let help = run(folder.path(), arguments);
        assert_eq!(code(&help), 0, "{arguments:?}");
        assert!(said(&help).contains("pointsman"), "{arguments:?}");
    }
    for arguments in
        [&[][..], &["nonsense"], &["check", "--nonsense"], &["serve", "--listen", "nowhere"]]
    {
        let wrong = run(folder.path(), arguments);
        assert_eq!(code(&wrong), 2, "{arguments:?}");
        assert!(!complained(&wrong).is_empty(), "{arguments:?}");
    }
}

#[test]
fn serve_does_not_start_on_what_is_wrong() {
    let folder = folder();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let holder = std::net::TcpListener::bind(&taken);
    for (arguments, hint) in [
        (&["serve", "--config", "none.yaml"][..], "none.yaml"),
        (&["serve", "--listen", "127.0.0.1:0", "--policy", "bad.policy"], "sim/nobody"),
        (&["serve", "--listen", "127.0.0.1:0", "--policy", "none.policy"], "none.policy"),
        (&["serve", "--listen", "0.0.0.0:0"], "keys"),
        (&["serve", "--listen", &taken], "--listen"),
    ] {
        let failed = run(folder.path(), arguments);
        assert_eq!(code(&failed), 2, "{arguments:?}: {}", said(&failed));
        assert!(complained(&failed).contains(hint), "{arguments:?}: {}", complained(&failed));
    }
    drop(holder);
}

const TESTED: &str = "\
pool small = [sim/small] pick first
pool large = [sim/large] pick first
route hard when difficulty > 0.6 -> large
default -> small { fallback large on transient }

test \"hard\" {
  given difficulty = 0.9
  expect route == hard
}
test \"<easy> & 'cheap'\" {
  expect answered by small
}
";

#[test]
fn test_runs_what_policies_say_of_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.policy");
    std::fs::write(&file, TESTED).unwrap();
    let good = run(folder.path(), &["test", "a.policy"]);
    assert_eq!(code(&good), 0, "{}{}", said(&good), complained(&good));
    for hint in ["test hard ... ok", "2 passed; 0 failed", "coverage: 80% (rules 2/2"] {
        assert!(said(&good).contains(hint), "{hint}: {}", said(&good));
    }
    let gaps = said(&run(folder.path(), &["test", ".", "--coverage"]));
    assert!(gaps.contains("a.policy:4: the fallback is never asked"), "{gaps}");

    std::fs::write(&file, TESTED.replace("0.9", "0.5")).unwrap();
    let check = run(folder.path(), &["check", "a.policy"]);
    assert_eq!((code(&check), said(&check).contains("P6001")), (1, true), "{}", said(&check));
    let bad = run(folder.path(), &["test", "a.policy", "--junit", "out.xml"]);
    assert_eq!(code(&bad), 1);
    for hint in ["test hard ... FAILED", "P6001", "it was `default`", "1 passed; 1 failed"] {
        assert!(said(&bad).contains(hint), "{hint}: {}", said(&bad));
    }
    let xml = std::fs::read_to_string(folder.path().join("out.xml")).unwrap();
    assert!(xml.contains("name=\"&lt;easy&gt; &amp; &apos;cheap&apos;\""), "{xml}");
    assert!(xml.contains("tests=\"2\" failures=\"1\" errors=\"0\""), "{xml}");
    assert!(xml.contains("<failure type=\"P6001\"") && !xml.contains("\u{1b}"), "{xml}");
    assert_eq!(xml.matches("<testcase").count(), 2);

    let told = json(&run(folder.path(), &["test", "--json", "."]));
    assert_eq!((&told["passed"], &told["failed"]), (&1.into(), &1.into()), "{told}");
    let first = &told["policies"][0]["tests"][0];
    assert_eq!((&first["ok"], &first["failures"][0]["code"]), (&false.into(), &"P6001".into()));
    assert_eq!(told["policies"][0]["coverage"]["rules"]["of"], 2);

    let some = run(folder.path(), &["test", "a.policy", "--filter", "easy"]);
    assert_eq!(code(&some), 0, "{}", said(&some));
    assert!(said(&some).contains("1 passed; 0 failed; 1 filtered out"), "{}", said(&some));
}

#[test]
fn test_tells_what_it_cannot_test() {
    let folder = folder();
    let broken = run(folder.path(), &["test", "bad.policy", "--junit", "out.xml"]);
    assert_eq!(code(&broken), 1);
    assert!(said(&broken).contains("sim/nobody"), "{}", said(&broken));
    let xml = std::fs::read_to_string(folder.path().join("out.xml")).unwrap();
    assert!(xml.contains("<error type=\"P") && xml.contains("errors=\"1\""), "{xml}");
    let none = run(folder.path(), &["test", "good.policy"]);
    assert_eq!((code(&none), said(&none).contains("0 passed; 0 failed")), (0, true));
    for wrong in
        [&["test"][..], &["test", "none.policy"], &["test", "good.policy", "--junit", "no/f"]]
    {
        let wrong = run(folder.path(), wrong);
        assert_eq!(code(&wrong), 2);
        assert!(!complained(&wrong).is_empty());
    }
}

#[test]
fn test_runs_again_when_an_imported_file_changes() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("shared")).unwrap();
    std::fs::write(at("shared/pools.policy"), "pool p = [sim/small] pick first\n").unwrap();
    let policy = "import \"shared/pools.policy\" as shared\ndefault -> shared.p\n\
                  test \"t\" {\n  expect model == \"sim/small\"\n}\n";
    std::fs::write(at("a.policy"), policy).unwrap();
    let mut child = program(folder.path())
        .args(["test", "a.policy", "--watch"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    for stream in [
        Box::new(child.stdout.take().unwrap()) as Box<dyn Read + Send>,
        Box::new(child.stderr.take().unwrap()),
    ] {
        let tell = tell.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
    }
    let until = |wanted: &str| loop {
        let line = told.recv_timeout(Duration::from_secs(30)).expect(wanted);
        if line.contains(wanted) {
            return;
        }
    };
    until("1 passed; 0 failed");
    until("waiting for changes");
    std::fs::write(at("shared/pools.policy"), "pool p = [sim/large] pick first\n").unwrap();
    until("0 passed; 1 failed");
    until("waiting for changes");
    std::fs::write(at("a.policy"), policy.replace("sim/small", "sim/large")).unwrap();
    until("1 passed; 0 failed");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A gateway in a process of its own.
struct Process {
    child: Child,
    address: String,
    rest: Option<std::thread::JoinHandle<String>>,
}

impl Process {
    /// Starts it and waits until it says where it listens.
    fn start(folder: &Path, more: &[&str]) -> Process {
        let mut child = program(folder)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut address = String::new();
        let mut line = String::new();
        while address.is_empty() {
            line.clear();
            assert!(lines.read_line(&mut line).unwrap() > 0, "it ended before it listened");
            if let Some((_, behind)) = line.split_once("listening on http://") {
                let end = behind.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':');
                address = behind[..end.unwrap_or(behind.len())].to_owned();
            }
        }
        let rest = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = lines.read_to_string(&mut text);
            text
        });
        Process { child, address, rest: Some(rest) }
    }

    fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end; its exit code and what it logged.
    fn end(mut self) -> (Option<i32>, String) {
        let patience = Instant::now() + Duration::from_secs(20);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < patience, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        };
        (status.code(), self.rest.take().unwrap().join().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn body(text: &str, stream: bool) -> String {
    let message = serde_json::json!({"role": "user", "content": text});
    serde_json::json!({"model": "auto", "stream": stream, "messages": [message]}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sigterm_what_is_under_way_is_finished() {
    let folder = folder();
    let process = Process::start(folder.path(), &["--policy", "good.policy", "--sim-speed", "0"]);
    let url = format!("http://{}", process.address);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let chat = format!("{url}/v1/chat/completions");
    let sent = client.post(&chat).header("x-sim-rate", "40").body(body("Count from 1 to 20", true));
    let mut response = sent.send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.chunk().await.unwrap();
    process.signal("-TERM");
    crate::support::until("no new connections are taken", || async {
        let fresh = reqwest::Client::builder().no_proxy().build().unwrap();
        fresh.get(format!("{url}/healthz")).send().await.is_err()
    })
    .await;
    let rest = crate::support::read(response).await;
    assert!(rest.is_done() && !rest.broken, "{}", rest.text());
    let (code, log) = process.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("draining") && !log.contains("were cut"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let folder = folder();
    let process = Process::start(folder.path(), &["--policy", "good.policy", "--sim-speed", "0"]);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let chat = format!("http://{}/v1/chat/completions", process.address);
    let sent =
        client.post(&chat).header("x-sim-rate", "0.1").body(body("Count from 1 to 20", true));
    let mut response = sent.send().await.unwrap();
    process.signal("-TERM");
    std::thread::sleep(Duration::from_millis(200));
    process.signal("-INT");
    let started = Instant::now();
    let (code, log) = process.end();
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(code, Some(0), "{log}");
    // The stream is cut, and does not look complete.
    let mut all = Vec::new();
    while let Ok(Some(bytes)) = response.chunk().await {
        all.extend_from_slice(&bytes);
    }
    assert!(!String::from_utf8_lossy(&all).contains("[DONE]"));
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_and_prompts_stay_out_of_the_log() {
    let folder = folder();
    let config = "policy: good.policy\nkeys:\n  - { id: web, key: a-very-secret-client-key }\n\
        providers:\n  sim: { kind: sim, api_key: a-very-secret-provider-key }\n";
    std::fs::write(folder.path().join("pointsman.yaml"), config).unwrap();
    let process =
        Process::start(folder.path(), &["--config", "pointsman.yaml", "--sim-speed", "0"]);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let chat = format!("http://{}/v1/chat/completions", process.address);
    for key in ["a-very-secret-client-key", "a-very-secret-wrong-key"] {
        let sent = client.post(&chat).bearer_auth(key).body(body("a-very-secret-prompt", false));
        sent.send().await.unwrap();
    }
    process.signal("-TERM");
    let (code, log) = process.end();
    assert_eq!(code, Some(0));
    assert!(log.contains("key=web") && log.contains("status=200"), "{log}");
    assert!(!log.contains("a-very-secret"), "{log}");
}
