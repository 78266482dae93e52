//! `pointsman convert`, from the outside.

use std::path::Path;
use std::process::{Command, Output};

fn pointsman(args: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
    command.args(args).current_dir(folder).env_clear();
    for variable in ["OPENAI_API_KEY", "GEMINI_API_KEY", "ANTHROPIC_API_KEY"] {
        command.env(variable, "a-key-of-some-length");
    }
    command.output().unwrap()
}

fn example(inside: &str) -> String {
    format!("{}/tests/convert/{inside}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn what_was_converted_passes_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let source = example("litellm/fallback-chains.yaml");
    let args = ["convert", &source, "-o", "main.policy", "--config-out", "pointsman.yaml"];
    let done = pointsman(&args, folder.path());
    let report = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(0), "{report}");
    assert!(done.stdout.is_empty());
    for part in ["left out (", "changed (", "taken over (", "litellm_settings.success_callback"] {
        assert!(report.contains(part), "{part} is not in:\n{report}");
    }
    let checked = pointsman(&["check", "--config", "pointsman.yaml", "main.policy"], folder.path());
    let text = String::from_utf8(checked.stdout).unwrap();
    assert_eq!(checked.status.code(), Some(0), "{text}");

    let again = pointsman(&args, folder.path());
    assert_eq!(again.status.code(), Some(2), "a configuration that is there is kept");
}

#[test]
fn a_wrong_kind_and_a_missing_file_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let source = example("litellm/wildcards.yaml");
    let wrong = pointsman(&["convert", "--from", "portkey", &source], folder.path());
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("use --from litellm"));
    let missing = pointsman(&["convert", "nowhere.yaml"], folder.path());
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8(missing.stderr).unwrap().starts_with("nowhere.yaml: "));
}

#[test]
fn tools_get_json() {
    let folder = tempfile::tempdir().unwrap();
    let source = example("portkey/fallback.json");
    let done = pointsman(&["convert", "--from", "portkey", &source, "--json"], folder.path());
    let told: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(told["from"], "portkey");
    assert!(told["policy"].as_str().unwrap().contains("default -> openai/gpt-4o"));
    assert!(told["config"].as_str().unwrap().contains("azure"));
    let notes = told["report"].as_array().unwrap();
    let left = notes.iter().filter(|note| note["severity"] == "left_out").count();
    assert_eq!(left, 1, "{notes:#?}");
}
