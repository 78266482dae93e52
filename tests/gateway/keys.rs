//! Who is let in, and to what.

use serde_json::json;

use crate::support::{COUNT, Setup, body};

const KEYS: &str = "keys:\n  - { id: web, key: the-key-of-the-web, tenant: acme }\n  \
    - { id: narrow, key: the-narrow-key-here, models: [\"sim/small\", \"*/tiny\"] }";

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_in_without_a_good_key() {
    let door = Setup::policy("default -> sim/small").more(KEYS).open().await;
    let asked = body("auto", COUNT, json!({}));
    let refused: &[(&[(&str, &str)], &str)] = &[
        (&[], "missing_api_key"),
        (&[("authorization", "Bearer wrong-key")], "unknown_api_key"),
        (&[("authorization", "Bearer the-key-of-the-we")], "unknown_api_key"),
        (&[("authorization", "Bearer THE-KEY-OF-THE-WEB")], "unknown_api_key"),
        (&[("authorization", "the-key-of-the-web")], "malformed_api_key"),
        (&[("authorization", "Basic dGhlLWtleQ==")], "malformed_api_key"),
        (&[("authorization", "Bearer ")], "malformed_api_key"),
        (&[("x-api-key", "wrong-key")], "unknown_api_key"),
        (&[("cookie", "key=the-key-of-the-web")], "missing_api_key"),
    ];
    for (headers, code) in refused {
        let reply = door.ask_with(&asked, headers).await;
        assert_eq!((reply.status, reply.code().as_str()), (401, *code), "{headers:?}");
        assert_eq!(reply.json()["error"]["type"], "authentication_error");
        assert!(!reply.own("id").is_empty());
        assert!(!reply.text().contains("the-key-of"), "{}", reply.text());
    }
    let long = "x".repeat(4_000);
    assert_eq!(door.ask_with(&asked, &[("x-api-key", &long)]).await.status, 401);
    assert_eq!(door.received().await, 0);
    for headers in [
        [("authorization", "Bearer the-key-of-the-web")],
        [("authorization", "bearer the-key-of-the-web")],
        [("x-api-key", "the-key-of-the-web")],
        [("api-key", "the-key-of-the-web")],
    ] {
        assert_eq!(door.ask_with(&asked, &headers).await.status, 200, "{headers:?}");
    }
    for path in ["/v1/models", "/v1/models/sim/small", "/v1/decisions/x"] {
        assert_eq!(door.get(path).await.status, 401, "{path}");
    }
    assert_eq!(door.get("/healthz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_reaches_only_the_models_it_may_use() {
    let policy = "pool all = [sim/large, sim/medium, sim/small] pick first\ndefault -> all";
    let door = Setup::policy(policy).more(KEYS).open().await;
    let narrow = [("x-api-key", "the-narrow-key-here")];
    let reply = door.ask_with(&body("sim/large", COUNT, json!({})), &narrow).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (403, "model_not_allowed"),
        "{}",
        reply.text()
    );
    assert_eq!(reply.json()["error"]["param"], "model");
    assert_eq!(door.received().await, 0);
    for model in ["sim/small", "sim/tiny", "auto"] {
        let reply = door.ask_with(&body(model, COUNT, json!({})), &narrow).await;
        assert_eq!(reply.status, 200, "{model}: {}", reply.text());
        assert!(["sim/small", "sim/tiny"].contains(&reply.own("model")), "{model}");
    }
    assert_eq!(door.count("large", "requests").await + door.count("medium", "requests").await, 0);
    let wide = [("x-api-key", "the-key-of-the-web")];
    let reply = door.ask_with(&body("auto", COUNT, json!({})), &wide).await;
    assert_eq!(reply.own("model"), "sim/large");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_shown_to_its_own_tenant_only() {
    let door = Setup::policy("default -> sim/small").more(KEYS).open().await;
    let web = [("x-api-key", "the-key-of-the-web")];
    let reply = door.ask_with(&body("auto", COUNT, json!({})), &web).await;
    let look = |key: &'static str| {
        let url = format!("{}/v1/decisions/{}", door.url, reply.own("id"));
        door.client.get(url).header("x-api-key", key).send()
    };
    assert_eq!(look("the-key-of-the-web").await.unwrap().status(), 200);
    assert_eq!(look("the-narrow-key-here").await.unwrap().status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_door_to_the_world_is_refused() {
    let open = Setup::policy("default -> sim/small").more("listen: 0.0.0.0:0").try_open().await;
    let why = open.err().expect("no keys on a public address");
    assert!(why.contains("keys") && why.contains("0.0.0.0"), "{why}");
    let mixed = Setup::policy("default -> sim/small").more("listen: [127.0.0.1:0, \"[::]:0\"]");
    assert!(mixed.try_open().await.is_err());
    let keyed = Setup::policy("default -> sim/small").more("listen: 0.0.0.0:0").more(KEYS);
    assert!(keyed.try_open().await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_cannot_be_told_apart_are_refused() {
    let twice =
        "keys:\n  - { id: a, key: one-and-the-same-key }\n  - { id: b, key: one-and-the-same-key }";
    let why = Setup::policy("default -> sim/small").more(twice).try_open().await.err().unwrap();
    assert!(why.contains("same key") && !why.contains("one-and"), "{why}");
}
