//! Huge and contorted policies through the front door: each is handled, or refused with the limit's name,
//! in little time and memory.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Far above what a debug build takes on a busy machine; an endless search takes longer all the same.
const LONGEST: Duration = Duration::from_secs(60);

const POOL: &str = "pool p = [sim/small] pick first\n";
const DEFAULT: &str = "default -> p\n";

/// What comes of it.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// It is a policy.
    Good,
    /// It is refused with this code.
    Refused(&'static str),
}
use Fate::{Good, Refused};

/// Runs a command of the program on a file with this text: exit code and everything it said.
fn run(command: &str, file: &str, text: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(file), text).unwrap();
    let said = folder.path().join("said");
    let out = std::fs::File::create(&said).unwrap();
    let begun = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_pointsman"))
        .args([command, file])
        .current_dir(folder.path())
        .env_remove("POINTSMAN_CONFIG")
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stderr(out.try_clone().unwrap())
        .stdout(out)
        .spawn()
        .unwrap();
    let status = child.wait().unwrap();
    assert!(begun.elapsed() < LONGEST, "{command} took {:?}", begun.elapsed());
    (status.code(), std::fs::read_to_string(said).unwrap())
}

fn comes_to(file: &str, text: &str, fate: Fate) {
    let (code, said) = run("check", file, text);
    let start = || said.chars().take(2_000).collect::<String>();
    match fate {
        Good => assert_eq!(code, Some(0), "{}", start()),
        Refused(limit) => {
            assert_eq!(code, Some(1), "{}", start());
            assert!(said.contains(&format!("error[{limit}]")), "{}", start());
        }
    }
    // Other commands end, too, with whatever they have to say.
    let (code, said) = run("fmt", file, text);
    assert!(code.is_some(), "fmt was killed: {said}");
}

fn policy(text: &str, fate: Fate) {
    comes_to("p.policy", &format!("{POOL}{text}{DEFAULT}"), fate);
}

/// Lines that are made by number.
fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut text, index| {
        let _ = writeln!(text, "{}", line(index));
        text
    })
}

#[test]
fn files_and_lines_have_a_size() {
    comes_to("p.policy", &"# line\n".repeat(1_000_000), Refused("P0001"));
    comes_to("p.policy", &"\n".repeat(1_000_000), Refused("P4004"));
    let names = (0..150_000).map(|i| format!("\"{i}\"")).collect::<Vec<_>>().join(",");
    policy(&format!("route a when key.team in [{names}] -> p\n"), Refused("P0001"));
    comes_to("p.yaml", &format!("routes: [{names}]\n"), Refused("P0001"));
}

#[test]
fn nesting_has_a_depth() {
    let deep = |open: &str, close: &str| {
        let (open, close) = (open.repeat(5_000), close.repeat(5_000));
        format!("route a when {open}request.stream{close} -> p\n")
    };
    policy(&deep("(", ")"), Refused("P0002"));
    policy(&deep("not ", ""), Refused("P0002"));
    policy(&deep("not (", ")"), Refused("P0002"));
    let nots = format!("({}", "not ".repeat(60)).repeat(60);
    let text = format!("route a when {nots}request.stream{} -> p\n", ")".repeat(60));
    policy(&text, Refused("P0002"));
    comes_to(
        "p.yaml",
        &format!("routes: {}{}\n", "[".repeat(9_999), "]".repeat(9_999)),
        Refused("P0002"),
    );
    let maps = lines(1_000, |depth| format!("{}a:", " ".repeat(depth)));
    comes_to("p.yaml", &maps, Refused("P0002"));
    let nots = "not ".repeat(5_000);
    comes_to(
        "p.yaml",
        &format!("routes:\n  - name: a\n    when: {nots}request.stream\n    to: sim/small\n"),
        Refused("P0002"),
    );
}

#[test]
fn lets_stand_for_conditions_of_bounded_size() {
    let chain = |from: usize, step: &dyn Fn(usize) -> String| {
        let lets = lines(from - 1, |index| format!("let a{} = {}", index + 1, step(index)));
        format!("let a0 = request.stream\n{lets}route a when a{} -> p\n", from - 1)
    };
    policy(&chain(10_000, &|last| format!("a{last}")), Refused("P0002"));
    policy(&chain(10_000, &|last| format!("not a{last}")), Refused("P0002"));
    policy(&chain(64, &|last| format!("a{last}")), Good);
    policy(&chain(40, &|last| format!("a{last} and a{last}")), Refused("P3017"));
    policy(&chain(40, &|last| format!("a{last} or not a{last}")), Refused("P3017"));
    let unused = lines(40, |index| format!("let a{} = a{index} and a{index}", index + 1));
    policy(&format!("let a0 = request.stream\n{unused}"), Refused("P3017"));
    let names = lines(60_000, |index| format!("\"{index}\","));
    let routes = lines(100, |index| {
        format!("route r{index} when key.team in l and request.n == {index} -> p")
    });
    policy(&format!("let l = [\n{names}]\n{routes}"), Refused("P3017"));
}

#[test]
fn targets_are_nested_to_a_depth() {
    let last = |text: String, name: &str| format!("{text}default -> {name}\n");
    let file = |text: String, fate| comes_to("p.policy", &text, fate);
    // In reverse, so that each is looked for before it is known.
    let pools = lines(5_000, |i| format!("pool p{} = p{} pick first", 5_000 - i, 4_999 - i));
    file(last(format!("{pools}pool p0 = [sim/small] pick first\n"), "p5000"), Refused("P0002"));
    let doubled = lines(40, |i| format!("pool p{} = p{i} plus p{i}", i + 1));
    let live = "pool p0 = models where ttft.p95 < 1s\n";
    let (code, _) = run("check", "p.policy", &last(format!("{live}{doubled}"), "p40"));
    assert!(code.is_some());
    let ladders = lines(5_000, |i| format!("ladder l{} {{ step a -> l{i} }}", i + 1));
    file(
        last(format!("ladder l0 {{ step a -> sim/small }}\n{ladders}"), "l5000"),
        Refused("P0002"),
    );
    let splits =
        lines(5_000, |i| format!("split s{} by key.id {{ 50% -> s{i}\n 50% -> sim/tiny }}", i + 1));
    file(
        last(format!("split s0 by key.id {{ 100% -> sim/small }}\n{splits}"), "s5000"),
        Refused("P0002"),
    );
}

#[test]
fn rules_have_a_number_of_cases() {
    let either = |k: usize| {
        let tests: Vec<String> =
            (0..4).map(|j| format!("key.meta[\"a{k}{j}\"] == \"x\"")).collect();
        format!("({})", tests.join(" or "))
    };
    let cases = |count| (0..count).map(either).collect::<Vec<_>>().join(" and ");
    policy(&format!("route a when {} -> p\n", cases(60)), Refused("P3015"));
    let rules = |count, cond: &str| {
        lines(count, |i| format!("route r{i} when {cond} and key.team == \"{i}\" -> p"))
    };
    policy(&format!("let c = {}\n{}", cases(4), rules(1_000, "c")), Refused("P3018"));
    let globs = |op: &str| {
        lines(2_000, |i| format!("route r{i} when key.team {op} -> p").replace('%', &i.to_string()))
    };
    policy(&globs("like \"*a%*\""), Refused("P3018"));
    policy(&globs("matches /a%+b/"), Refused("P3018"));
    policy(
        &lines(2_000, |i| {
            format!("tune t{i} when key.tags has \"t{i}\" {{ set temperature = 0.{} }}", i % 10)
        }),
        Refused("P3018"),
    );
    let schedules = lines(1_000, |i| {
        format!(
            "schedule s{i} = mon..fri {:02}:{:02}..23:30 UTC\nroute r{i} when time in s{i} -> p",
            i % 23,
            i % 60
        )
    });
    policy(&schedules, Refused("P3018"));
}

#[test]
fn what_is_merely_long_is_handled() {
    policy(&lines(2_000, |i| format!("route r{i} when key.team == \"team-{i}\" -> p")), Good);
    let names = lines(50_000, |index| format!("\"{index}\","));
    policy(&format!("route a when key.team in [\n{names}] -> p\n"), Good);
    let tests = lines(10_000, |i| {
        format!("test \"t{i}\" {{\n  given input.tokens = {i}\n  expect route == default\n}}")
    });
    policy(&tests, Good);
}

#[test]
fn findings_are_told_to_a_number() {
    let text = lines(10_000, |i| format!("route a when inputt.tokns{i} > 1 -> nobody{i}"));
    let (code, said) = run("check", "p.policy", &format!("{POOL}{text}{DEFAULT}"));
    assert_eq!(code, Some(1));
    assert!(said.contains("more findings are not shown"));
    comes_to("p.policy", &"} ] ) route when \n".repeat(20_000), Refused("P0005"));
    comes_to("p.policy", &"route a when request.stream -> p {\n".repeat(10_000), Refused("P0004"));
}
