//! The admin listener: policies from stage to roll back while requests go on, and who may do that.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Door, Reply, Setup, read, start, until};

const OLD: &str = "pool small = [sim/small]\ndefault -> small\n";
const NEW: &str = "pool large = [sim/large]\ndefault -> large\n";

fn setup() -> Setup {
    Setup::policy(OLD).tail("admin: { listen: \"127.0.0.1:0\" }")
}

async fn ask(door: &Door, method: Method, path: &str, body: impl Into<String>) -> Reply {
    let url = format!("{}{path}", door.admin.as_ref().expect("an admin listener"));
    read(door.client.request(method, url).body(body.into()).send().await.unwrap()).await
}

async fn get(door: &Door, path: &str) -> Value {
    let reply = ask(door, Method::GET, path, "").await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.json()
}

async fn stage(door: &Door, text: &str) -> String {
    let reply = ask(door, Method::PUT, "/policies/main/staged", text).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["generation"].as_str().unwrap().to_owned()
}

async fn post(door: &Door, verb: &str, order: Value) -> Reply {
    ask(door, Method::POST, &format!("/policies/main/{verb}"), order.to_string()).await
}

/// Model and policy of an answer.
async fn decided(door: &Door) -> (String, String) {
    let reply = door.ask("auto", "Hello").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    (reply.own("model").to_owned(), reply.own("policy").to_owned())
}

async fn active(door: &Door) -> String {
    let told = get(door, "/policies").await;
    told["policies"][0]["active"]["generation"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_stage_to_roll_back_and_over_a_restart() {
    let door = setup().open().await;
    let first = active(&door).await;
    assert_eq!(decided(&door).await, ("sim/small".into(), format!("main@{first}")));

    let second = stage(&door, NEW).await;
    assert_eq!(decided(&door).await.0, "sim/small", "what is staged decides nothing");
    let waiting = get(&door, "/policies").await["policies"][0].clone();
    assert_eq!(
        (&waiting["staged"]["generation"], &waiting["versions"]),
        (&json!(second), &json!(1))
    );
    assert_eq!(get(&door, "/policies/main/staged").await["text"], NEW);
    let diff = get(&door, "/policies/main/diff").await;
    assert_eq!(diff["changes"]["added"], json!(["pool large"]));
    assert_eq!(diff["changes"]["removed"], json!(["pool small"]));
    assert_eq!(diff["changes"]["changed"], json!(["default"]));
    assert!(diff["changes"]["lines"].as_str().unwrap().contains("+default -> large"), "{diff}");

    let reply =
        post(&door, "activate", json!({ "expect": first, "by": "ada", "note": "try" })).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(
        (&reply.json()["generation"], &reply.json()["before"]),
        (&json!(second), &json!(first))
    );
    // At once, and not only when the change of the file is noticed.
    assert_eq!(decided(&door).await, ("sim/large".into(), format!("main@{second}")));
    assert_eq!(std::fs::read_to_string(door.file("main.policy")).unwrap(), NEW);
    assert_eq!(ask(&door, Method::GET, "/policies/main/staged", "").await.code(), "nothing_staged");

    let again = start(door.file("pointsman.yaml")).await.unwrap();
    let world = again.gateway.world.load();
    assert_eq!(world.policies["main"].generation.to_string(), second, "a restart agrees");
    drop(world);
    drop(again);

    let reply = post(&door, "rollback", json!({})).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(decided(&door).await, ("sim/small".into(), format!("main@{first}")));
    assert_eq!(std::fs::read_to_string(door.file("main.policy")).unwrap(), OLD);
    let reply = post(&door, "rollback", json!({ "to": second })).await;
    assert_eq!((reply.status, decided(&door).await.0.as_str()), (200, "sim/large"));

    let versions = get(&door, "/policies/main/versions").await;
    let told = versions["versions"].as_array().unwrap();
    let whys: Vec<_> = told.iter().map(|entry| entry["why"].as_str().unwrap()).collect();
    assert_eq!(whys, ["rolled_back", "rolled_back", "activated", "loaded"]);
    assert_eq!((&told[2]["by"], &told[2]["note"]), (&json!("ada"), &json!("try")));
    let version = get(&door, &format!("/policies/main/versions/{first}")).await;
    assert_eq!(version["text"], OLD);
    assert_eq!(version["active_at"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_answered_while_versions_change() {
    let door = &setup().open().await;
    let over = &AtomicBool::new(false);
    let load = (0..4).map(|_| async move {
        let mut seen = Vec::new();
        while !over.load(Ordering::Relaxed) {
            seen.push(decided(door).await);
        }
        seen
    });
    let change = async {
        let mut pairs = vec![(decided(door).await.1, "sim/small")];
        for (text, model) in [(NEW, "sim/large"), ("default -> sim/tiny", "sim/tiny")] {
            let generation = stage(door, text).await;
            assert_eq!(post(door, "activate", json!({})).await.status, 200);
            assert_eq!(decided(door).await.0, model);
            pairs.push((format!("main@{generation}"), model));
        }
        assert_eq!(post(door, "rollback", json!({})).await.status, 200);
        assert_eq!(decided(door).await.0, "sim/large");
        over.store(true, Ordering::Relaxed);
        pairs
    };
    let (seen, pairs) =
        futures_util::future::join(futures_util::future::join_all(load), change).await;
    for (model, policy) in seen.into_iter().flatten() {
        assert!(pairs.contains(&(policy.clone(), &*model)), "{policy} {model}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_and_changes_nothing() {
    let door = setup().open().await;
    let first = active(&door).await;
    let reply = ask(
        &door,
        Method::PUT,
        "/policies/main/staged",
        "route a when input.token < 2k -> sim/small\ndefault -> sim/nobody\n",
    )
    .await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (422, "policy_has_errors"),
        "{}",
        reply.text()
    );
    let findings = reply.json()["findings"].clone();
    assert_eq!(findings.as_array().unwrap().len(), 2, "{findings}");
    assert_eq!((&findings[0]["line"], &findings[0]["severity"]), (&json!(1), &json!("error")));
    // What its own test refutes is no better.
    let refuted = format!("{OLD}test \"t\" {{\n  expect model == \"sim/large\"\n}}\n");
    let reply = ask(&door, Method::PUT, "/policies/main/staged", refuted).await;
    assert_eq!((reply.status, reply.code().as_str()), (422, "policy_has_errors"));
    assert_eq!(reply.json()["findings"][0]["code"], "P6001");
    assert_eq!(ask(&door, Method::GET, "/policies/main/staged", "").await.status, 404);

    assert_eq!(post(&door, "activate", json!({})).await.code(), "nothing_staged");
    assert_eq!(post(&door, "rollback", json!({})).await.code(), "no_earlier_version");
    stage(&door, NEW).await;
    let reply = post(&door, "activate", json!({ "expect": "000000000000" })).await;
    assert_eq!((reply.status, reply.code().as_str()), (409, "not_as_expected"));
    assert!(reply.text().contains(&first));
    assert_eq!(post(&door, "activate", json!({ "expected": first })).await.status, 400);
    for (path, code) in [
        ("/policies/mian/versions", "unknown_policy"),
        ("/policies/main/versions/0123456789ab", "unknown_version"),
        ("/policies/main/versions/..%2Findex", "unknown_version"),
        ("/policies/..%2F..%2Fmain/staged", "unknown_policy"),
        ("/keys", "unknown_endpoint"),
    ] {
        let reply = ask(&door, Method::GET, path, "").await;
        assert_eq!((reply.status, reply.code().as_str()), (404, code), "{path}");
    }
    assert_eq!(ask(&door, Method::DELETE, "/policies/main/staged", "").await.status, 204);
    assert_eq!(ask(&door, Method::DELETE, "/policies/main/staged", "").await.status, 404);
    assert_eq!(active(&door).await, first);
    stage(&door, OLD).await;
    assert_eq!(post(&door, "activate", json!({})).await.code(), "already_active");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_written_keeps_the_old_version() {
    use std::os::unix::fs::PermissionsExt;
    let door = setup().open().await;
    let first = active(&door).await;
    stage(&door, NEW).await;
    let file = door.file("main.policy");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o444)).unwrap();
    let reply = post(&door, "activate", json!({})).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (409, "file_not_writable"),
        "{}",
        reply.text()
    );
    assert!(reply.text().contains("main.policy"));
    assert_eq!(decided(&door).await, ("sim/small".into(), format!("main@{first}")));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), OLD);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_others_change_becomes_a_version_too() {
    let door = setup().open().await;
    let first = active(&door).await;
    std::fs::write(door.file("main.policy"), NEW).unwrap();
    until("the file is noticed", || async { active(&door).await != first }).await;
    assert_eq!(post(&door, "rollback", json!({ "to": first })).await.status, 200);
    assert_eq!(decided(&door).await, ("sim/small".into(), format!("main@{first}")));
    // A file that is no policy is refused, and the figures say so.
    std::fs::write(door.file("main.policy"), "nonsense").unwrap();
    until("the refusal is counted", || async {
        let text = ask(&door, Method::GET, "/metrics", "").await.text();
        text.contains("pointsman_last_reload_successful 0\n")
            && text.contains("pointsman_reloads_total{result=\"failure\"} 1\n")
    })
    .await;
    assert_eq!(decided(&door).await.1, format!("main@{first}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_wants_the_token_and_no_other_key() {
    let door = Setup::policy(OLD)
        .more("keys:\n  - { id: client, key: a-key-of-a-client }")
        .tail("admin: { listen: \"127.0.0.1:0\", token: the-token-of-operators }")
        .open()
        .await;
    let url = door.admin.clone().unwrap();
    let paths = [
        (Method::GET, "/policies"),
        (Method::GET, "/policies/main/versions"),
        (Method::GET, "/policies/main/versions/0123456789ab"),
        (Method::PUT, "/policies/main/staged"),
        (Method::GET, "/policies/main/staged"),
        (Method::DELETE, "/policies/main/staged"),
        (Method::GET, "/policies/main/diff"),
        (Method::POST, "/policies/main/activate"),
        (Method::POST, "/policies/main/rollback"),
        (Method::GET, "/metrics"),
        (Method::GET, "/anything"),
    ];
    for (method, path) in &paths {
        let request = || door.client.request(method.clone(), format!("{url}{path}"));
        for request in [
            request(),
            request().bearer_auth("a-key-of-a-client"),
            request().header("x-api-key", "the-token-of-operators"),
        ] {
            let reply = read(request.send().await.unwrap()).await;
            assert_eq!((reply.status, reply.code().as_str()), (401, "unauthorized"), "{path}");
        }
        let reply =
            read(request().bearer_auth("the-token-of-operators").send().await.unwrap()).await;
        assert_ne!(reply.status, 401, "{path}");
    }
    // And the token is no key.
    let asked = crate::support::body("auto", "Hello", json!({}));
    let bearer = [("authorization", "Bearer the-token-of-operators")];
    assert_eq!(door.ask_with(&asked, &bearer).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_only_this_machine_is_listened_to() {
    let open = Setup::policy(OLD).tail("admin: { listen: \"0.0.0.0:0\" }");
    let why = open.try_open().await.err().unwrap();
    assert!(why.contains("`admin` has no `token`") && why.contains("127.0.0.1"), "{why}");
    assert!(Setup::policy(OLD).open().await.admin.is_none(), "nobody asked for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_counted_by_what_became_of_them() {
    let door = Setup::policy(
        "deny no when request.stream because \"no streams\" status 403\ndefault -> sim/small",
    )
    .tail("admin: { listen: \"127.0.0.1:0\" }")
    .open()
    .await;
    assert_eq!(door.ask("auto", "Hello").await.status, 200);
    assert_eq!(door.ask("auto", "Hello").await.status, 200);
    assert_eq!(door.stream("auto", "Hello").await.status, 403);
    assert_eq!(door.ask("auto/nothing", "Hello").await.status, 404);
    let text = ask(&door, Method::GET, "/metrics", "").await.text();
    let generation = active(&door).await;
    for line in [
        r#"pointsman_requests_total{policy="main",route="default",outcome="answered"} 2"#,
        r#"pointsman_requests_total{policy="main",route="no",outcome="denied"} 1"#,
        r#"pointsman_requests_refused_total{code="unknown_policy"} 1"#,
        &format!(r#"pointsman_policy_info{{policy="main",generation="{generation}"}} 1"#),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_policy_is_put_into_the_folder() {
    let door = Setup::policy(OLD).tail("admin: { listen: \"127.0.0.1:0\" }").open().await;
    let folder = door.file("policies");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(door.file("main.policy"), folder.join("main.policy")).unwrap();
    let config = std::fs::read_to_string(door.file("pointsman.yaml")).unwrap();
    let single = format!("policy: {}\n", door.file("main.policy").display());
    assert!(config.contains(&single));
    assert_eq!(
        ask(&door, Method::PUT, "/policies/more/staged", NEW).await.code(),
        "unknown_policy"
    );
    std::fs::write(door.file("pointsman.yaml"), config.replace(&single, "policies: policies\n"))
        .unwrap();
    until("the folder is taken", || async {
        ask(&door, Method::PUT, "/policies/more/staged", NEW).await.status == 200
    })
    .await;
    assert_eq!(door.ask("auto/more", "Hello").await.status, 404);
    let reply = ask(&door, Method::POST, "/policies/more/activate", "").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let reply = door.ask("auto/more", "Hello").await;
    assert_eq!((reply.status, reply.own("model")), (200, "sim/large"));
    assert_eq!(std::fs::read_to_string(folder.join("more.policy")).unwrap(), NEW);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_has_the_file_among_its_own_changes_with_it_or_keeps_it() {
    let door = Setup::policy(OLD).tail("admin: { listen: \"127.0.0.1:0\" }").open().await;
    let folder = door.file("policies");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(
        folder.join("main.policy"),
        "import \"shared.policy\" as shared\ndefault -> shared.few\n",
    )
    .unwrap();
    std::fs::write(folder.join("shared.policy"), "pool few = [sim/small]\ndefault -> few\n")
        .unwrap();
    let config = std::fs::read_to_string(door.file("pointsman.yaml")).unwrap();
    let single = format!("policy: {}\n", door.file("main.policy").display());
    std::fs::write(door.file("pointsman.yaml"), config.replace(&single, "policies: policies\n"))
        .unwrap();
    until("the folder is taken", || async { door.ask("auto/shared", "Hello").await.status == 200 })
        .await;
    let put = |text: &'static str| ask(&door, Method::PUT, "/policies/shared/staged", text);
    let activate = || ask(&door, Method::POST, "/policies/shared/activate", "");

    assert_eq!(put("pool other = [sim/small]\ndefault -> other\n").await.status, 200);
    let reply = activate().await;
    assert_eq!((reply.status, reply.code().as_str()), (409, "breaks_another"), "{}", reply.text());
    assert!(reply.text().contains("`main`") && reply.json()["findings"][0]["file"].is_string());
    assert_eq!(decided(&door).await.0, "sim/small");

    assert_eq!(put("pool few = [sim/large]\ndefault -> few\n").await.status, 200);
    assert_eq!(activate().await.status, 200);
    assert_eq!(
        decided(&door).await.0,
        "sim/large",
        "at once, and not only when the file is noticed"
    );
    let version = get(&door, "/policies/main/versions").await["versions"][0].clone();
    let file = version["files"].as_object().unwrap().keys().next().unwrap().clone();
    assert!(version["why"] == "loaded" && file.ends_with("shared.policy"), "{version}");
}

async fn run(door: &Door, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
    command.current_dir(door.folder.path()).env_remove("POINTSMAN_ADMIN_TOKEN").env("USER", "ada");
    command.arg("policy").args(arguments).arg("--admin").arg(door.admin.as_ref().unwrap());
    let output: Output =
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_does_it_all() {
    let door = setup().open().await;
    let first = active(&door).await;
    std::fs::write(door.file("draft.policy"), NEW).unwrap();
    std::fs::write(door.file("broken.policy"), "default -> sim/nobody").unwrap();
    let (code, said, why) = run(&door, &["stage", "broken.policy", "--name", "main"]).await;
    assert_eq!(code, 1, "{said}{why}");
    assert!(said.contains("main.policy:1:12: ") && why.contains("1 error"), "{said}{why}");
    let (code, said, why) = run(&door, &["stage", "draft.policy", "--name", "main"]).await;
    assert_eq!(code, 0, "{said}{why}");
    let (code, said, _) = run(&door, &["diff"]).await;
    assert!(
        code == 0 && said.contains("+ pool large") && said.contains("-default -> small"),
        "{said}"
    );
    let (code, _, why) = run(&door, &["activate", "--expect", "000000000000"]).await;
    assert!(code == 1 && why.contains(&first), "{why}");
    let (code, said, _) = run(&door, &["activate", "--expect", &first, "--note", "why not"]).await;
    assert!(code == 0 && said.contains(&first), "{said}");
    assert_eq!(decided(&door).await.0, "sim/large");
    let (code, said, _) = run(&door, &["rollback", "--to", &first, "--json"]).await;
    let told: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &told["generation"]), (0, &json!(first)));
    let (_, said, _) = run(&door, &["versions"]).await;
    assert!(
        said.contains("rolled back") && said.contains("why not") && said.contains("ada"),
        "{said}"
    );
    let (_, said, _) = run(&door, &["versions", "--show", &first]).await;
    assert_eq!(said, OLD);
    let (_, said, _) = run(&door, &["list"]).await;
    assert!(said.contains("main (default)") && said.contains(&first), "{said}");
    let mut nowhere = Command::new(env!("CARGO_BIN_EXE_pointsman"));
    nowhere.args(["policy", "list", "--admin", "http://127.0.0.1:1"]);
    let output = tokio::task::spawn_blocking(move || nowhere.output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("serve --admin"));
}
