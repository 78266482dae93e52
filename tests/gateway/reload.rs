//! New policies and configurations while requests come in.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::support::{COUNT, Door, Setup, body, until};

/// Replaces a file in one step, as editors and deployments do.
fn put(path: &Path, text: &str) {
    let aside = path.with_extension("aside");
    std::fs::write(&aside, text).unwrap();
    std::fs::rename(&aside, path).unwrap();
}

async fn model_of(door: &Door) -> String {
    door.ask("auto", "Hello").await.own("model").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_policy_is_swapped_in_under_load_as_a_whole() {
    let policy = |model: &str, name: &str| {
        format!("route {name} when request.n >= 1 -> sim/{model}\ndefault -> sim/{model}\n")
    };
    let pairs = [("tiny", "one"), ("small", "two"), ("medium", "three"), ("large", "four")];
    let door = &Setup::policy(policy("tiny", "one")).open().await;
    let file = door.file("main.policy");
    let over = &AtomicBool::new(false);
    let load = (0..4).map(|_| async move {
        let mut seen = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let reply = door.ask("auto", "Hello").await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            let names = ["policy", "model", "route"].map(|name| reply.own(name).to_owned());
            seen.push(names);
        }
        seen
    });
    let change = async {
        for round in 0..8 {
            let (model, name) = pairs[(round + 1) % pairs.len()];
            put(&file, &policy(model, name));
            until("the new policy decides", || async {
                model_of(door).await == format!("sim/{model}")
            })
            .await;
        }
        over.store(true, Ordering::Relaxed);
    };
    let (seen, ()) = futures_util::future::join(futures_util::future::join_all(load), change).await;
    let seen: Vec<_> = seen.into_iter().flatten().collect();
    // Each generation goes with one model and one route: no answer mixes two.
    let generations: HashSet<&String> = seen.iter().map(|[policy, ..]| policy).collect();
    let combined: HashSet<_> = seen.iter().collect();
    assert_eq!(combined.len(), generations.len(), "{combined:?}");
    assert!(generations.len() >= 3 && seen.len() > 50, "{} answers", seen.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_broken_policy_replaces_a_good_one() {
    let door = Setup::policy("default -> sim/small").open().await;
    let good = door.ask("auto", "Hello").await.own("policy").to_owned();
    let file = door.file("main.policy");
    let broken = [
        "",
        "default",
        "default ->",
        "default -> sim/nobody",
        "default -> nowhere",
        "route a when -> sim/small\ndefault -> sim/small",
        "route a when input.token < 2k -> sim/small\ndefault -> sim/small",
        "route a when request.n == \"x\" -> sim/small\ndefault -> sim/small",
        "pool p = [] pick first\ndefault -> p",
        "pool p = [sim/small] pick nicest\ndefault -> p",
        "language 99\ndefault -> sim/small",
        "pool p = [sim/small]\npool p = [sim/large]\ndefault -> p",
        "ladder l {\nstep a -> sim/small\n}\nladder l {\nstep a -> sim/small\n}\ndefault -> l",
        "default -> sim/small { timeout total 5m }",
        "default -> sim/small { set temperature = cold }",
        "default -> sim/small\ndefault -> sim/large",
        "default -> sim/small {",
        "\u{0}\u{1}\u{2}",
        "import \"nothing.policy\" as x\ndefault -> x.p",
        "{{{{{{{{{{{{{{{{",
    ];
    for (index, text) in broken.iter().enumerate() {
        put(&file, text);
        // A good configuration behind it would be taken; so a marker of it shows that the broken
        // one was looked at and refused.
        for _ in 0..3 {
            let reply = door.ask("auto", "Hello").await;
            assert_eq!((reply.status, reply.own("policy")), (200, &*good), "{index}: {text}");
        }
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    }
    let reply = door.ask("auto", "Hello").await;
    assert_eq!((reply.status, reply.own("policy")), (200, &*good));
    put(&file, "default -> sim/large");
    until("a good one is taken again", || async { model_of(&door).await == "sim/large" }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_policy_does_not_start() {
    let why = Setup::policy("default -> sim/nobody").try_open().await.err().unwrap();
    assert!(why.contains("sim/nobody") && why.contains("main.policy"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_is_reloaded_too() {
    let door = Setup::policy("default -> sim/m").model("m", "small").open().await;
    let file = door.file("pointsman.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(door.ask("sim/new", "Hello").await.status, 404);
    let more = text.replace("models:\n", "models:\n      - { name: new, upstream: \"medium\", context: 32000, max_output: 4000, can: [tools], price: { input: 1, output: 0.25 } }\n");
    put(&file, &more);
    until("the new model is there", || async { door.ask("sim/new", "Hello").await.status == 200 })
        .await;

    // Each of these is wrong, and nothing of it is taken: not the unset variable, not the rest.
    for broken in [
        more.replace("name: new", "name: newer") + "pepper: ${POINTSMAN_TEST_UNSET_VARIABLE}\n",
        more.replace("name: new", "name: newer") + "unknown_key: 1\n",
        more.replace("name: new", "name: newer") + "  : [\n",
        more.replace("name: new", "name: newer") + "listen: 127.0.0.1:0\n",
    ] {
        put(&file, &broken);
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        assert_eq!(door.ask("sim/newer", "Hello").await.status, 404, "{broken}");
        assert_eq!(door.ask("sim/new", "Hello").await.status, 200);
    }
    put(&file, &(more + "keys:\n  - { id: a, key: a-new-key-for-all }\n"));
    until("keys are asked for", || async { door.ask("auto", "Hello").await.status == 401 }).await;
    let asked = body("auto", COUNT, json!({}));
    assert_eq!(door.ask_with(&asked, &[("x-api-key", "a-new-key-for-all")]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unset_variable_does_not_start() {
    let setup =
        Setup::policy("default -> sim/small").more("pepper: ${POINTSMAN_TEST_UNSET_VARIABLE}");
    let why = setup.try_open().await.err().unwrap();
    assert!(why.contains("POINTSMAN_TEST_UNSET_VARIABLE"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_under_way_keep_their_world() {
    let door = &Setup::policy("default -> sim/slow")
        .model("slow", "small!slow-headers=1500ms")
        .open()
        .await;
    let file = door.file("main.policy");
    let change = async {
        until("the provider works on it", || async { door.count("small", "in_flight").await == 1 })
            .await;
        put(&file, "default -> sim/large");
        until("the new policy decides", || async { model_of(door).await == "sim/large" }).await;
    };
    let (old, ()) = futures_util::future::join(door.ask("auto", COUNT), change).await;
    assert_eq!((old.status, old.own("model")), (200, "sim/slow"), "{}", old.text());
}

const TESTED: &str = "pool p = [sim/small] pick first\ndefault -> p\n\
test \"short questions stay small\" {\n  expect model == \"sim/small\"\n}\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_whose_test_fails_does_not_start() {
    let failing = TESTED.replace("[sim/small]", "[sim/large]");
    let why = Setup::policy(failing).try_open().await.err().unwrap();
    for hint in ["P6001", "main.policy:4", "short questions stay small", "it was `sim/large`"] {
        assert!(why.contains(hint), "{hint}: {why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_whose_test_fails_replaces_none() {
    let setup = Setup::policy(TESTED).tail("admin: { listen: \"127.0.0.1:0\" }");
    let door = setup.open().await;
    let file = door.file("main.policy");
    assert_eq!(model_of(&door).await, "sim/small");
    put(&file, &TESTED.replace("[sim/small]", "[sim/large]"));
    let figures = format!("{}/metrics", door.admin.as_ref().expect("an admin listener"));
    until("the failing one is refused", || async {
        let text = door.client.get(&figures).send().await.unwrap().text().await.unwrap();
        text.contains("last_reload_successful 0")
    })
    .await;
    assert_eq!(model_of(&door).await, "sim/small");
    let next = TESTED.replace("sim/small", "sim/medium");
    put(&file, &next);
    until("the good one is taken", || async { model_of(&door).await == "sim/medium" }).await;
}
