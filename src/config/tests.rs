//! Good and broken configurations.

use super::*;
use crate::dialect::Dialect;
use secrecy::ExposeSecret;

fn env(name: &str) -> Option<String> {
    let value = match name {
        "OPENAI_API_KEY" => "sk-from-the-environment",
        "CLIENT_KEY" => "pm-client-key-0001",
        "HOST" => "llm.example",
        "COUNT" => "42",
        "EMPTY" => "",
        _ => return None,
    };
    Some(value.to_owned())
}

fn file(path: &Path) -> io::Result<String> {
    match path.to_str() {
        Some("/run/secrets/openai") => Ok("sk-from-a-file\n".into()),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

fn read(text: &str) -> Result<Config, ConfigErrors> {
    parse(Path::new("pointsman.yaml"), text.to_owned(), &Outside { env: &env, file: &file })
}

/// The messages about a broken configuration.
fn broken(text: &str) -> String {
    read(text).expect_err("this configuration is broken").to_string()
}

#[test]
fn nothing_means_the_defaults() {
    for text in ["", "\n# only a comment\n", "limits:\nproviders:\nkeys:\n", "{}"] {
        let config = read(text).expect("defaults");
        assert_eq!(config.listen, Listen::default());
        assert_eq!(config.limits.body_bytes, ByteSize(20_000_000));
        assert_eq!(config.cache.max_bytes, ByteSize(268_435_456));
        assert_eq!(config.timeouts.total.as_secs(), 600);
        assert!(config.keys.is_empty() && config.providers.is_empty());
    }
}

#[test]
fn a_full_configuration_is_read() {
    let config = read(
        r#"
listen: [127.0.0.1:9000, "[::1]:9000"]
policies: routing
default: prod
pepper: ${CLIENT_KEY}
providers:
  openai:
    api_key: ${OPENAI_API_KEY}
  local:
    kind: ollama
    base_url: http://${HOST}:11434/v1/
    headers: { x-team: search, x-auth: "Token ${CLIENT_KEY}" }
    models: [llama3, { name: qwen, context: 32000 }]
    connect_timeout: 250ms
  azure:
    api_keys: ["${OPENAI_API_KEY}", "file:/run/secrets/openai"]
    region: eu
    api_version: "2024-10-21"
    enabled: false
models:
  openai/gpt-5: { tags: [house] }
keys:
  - id: web
    key: ${CLIENT_KEY}
    team: search
    env: staging
    tags: [a, b]
    meta: { plan: pro, literal: "$${HOST}" }
    models: [openai/*]
    created: 2026-01-31
  - id: hashed
    key: hash:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262
limits: { body_bytes: 1MiB, max_connections: "${COUNT}", drain: 0s }
log: { level: "warn,pointsman=debug", format: json, file: /var/log/pointsman.log }
cache: { enabled: false }
"#,
    )
    .expect("a good configuration");
    assert_eq!(config.listen.0.len(), 2);
    assert_eq!(config.policies.as_ref().map(|p| p.to_path_buf()), Some("routing".into()));
    let local = &config.providers["local"];
    assert_eq!(local.base_url.as_ref().map(BaseUrl::as_str), Some("http://llm.example:11434/v1"));
    assert_eq!(local.headers.0[1].1.expose_secret(), "Token pm-client-key-0001");
    assert!(
        matches!(&local.models[..], [ServedModel::Name(n), ServedModel::Row(_)] if **n == "llama3")
    );
    assert_eq!(config.providers["openai"].kind.as_ref().map(|k| k.as_str()), Some("openai"));
    let keys: Vec<_> = config.providers["azure"].credentials().map(|k| k.expose_secret()).collect();
    assert_eq!(keys, ["sk-from-the-environment", "sk-from-a-file"]);
    assert_eq!(config.keys[0].meta["literal"], "${HOST}");
    assert_eq!(config.limits.max_connections, 42);
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.secret_files, [PathBuf::from("/run/secrets/openai")]);
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let debug = format!("{config:?}");
    for secret in &config.secrets {
        assert!(!debug.contains(secret.expose_secret()), "Debug shows a secret");
    }
    assert_eq!(config.secrets.len(), 6);
}

#[test]
fn a_later_module_can_complain_at_the_right_place() {
    let config = read("providers:\n  opnai:\n    enabled: true\n").expect("good so far");
    let kind = config.providers["opnai"].kind.as_ref().expect("filled in");
    let error = kind.error("no such kind of provider", Some("did you mean `openai`?".into()));
    insta::assert_snapshot!(error, @r"
    pointsman.yaml:2:3: no such kind of provider
        help: did you mean `openai`?
    ");
}

#[test]
fn a_secret_in_plain_text_is_a_warning() {
    let config = read("providers:\n  openai:\n    api_key: sk-plain-text\n").expect("works");
    insta::assert_snapshot!(config.warnings[0], @r"
    pointsman.yaml:3:14: a secret stands here in plain text
        help: write `${NAME}` or `file:PATH` instead
    ");
}

#[test]
fn unknown_keys() {
    insta::assert_snapshot!(broken("lisen: 127.0.0.1:1\n"), @r"
    pointsman.yaml:1:1: unknown key `lisen`
        help: did you mean `listen`?
    ");
    insta::assert_snapshot!(broken("cache:\n  max_byte: 1MB\n  colour: red\n"), @r"
    pointsman.yaml:2:3: unknown key `max_byte`
        help: did you mean `max_bytes`?
    pointsman.yaml:3:3: unknown key `colour`
        help: keys here: max_bytes, enabled
    ");
    insta::assert_snapshot!(broken("providers:\n  openai:\n    apikey: x\n"), @r"
    pointsman.yaml:3:5: unknown key `apikey`
        help: did you mean `api_key`?
    ");
    insta::assert_snapshot!(broken("keys:\n- id: a\n  key: ${CLIENT_KEY}\n  tema: x\n"), @r"
    pointsman.yaml:4:3: unknown key `tema`
        help: did you mean `team`?
    ");
    insta::assert_snapshot!(broken("<<: {a: b}\n"), @r"
    pointsman.yaml:1:1: unknown key `<<`
        help: keys here: listen, policy, policies, default, providers, models, keys, pepper, cache, limits, log, timeouts, admin, state_dir, decision_log
    ");
}

#[test]
fn duplicate_keys() {
    insta::assert_snapshot!(broken("policy: a\n\npolicy: b\n"), @r"
    pointsman.yaml:3:1: `policy` is given twice; the first is on line 1
        help: keep one of them
    ");
    insta::assert_snapshot!(broken("providers:\n  a: {}\n  b: {}\n  a: {}\n"), @r"
    pointsman.yaml:4:3: `a` is given twice; the first is on line 2
        help: keep one of them
    ");
    insta::assert_snapshot!(
        broken("keys:\n- {id: a, key: \"${CLIENT_KEY}\"}\n- {id: a, key: \"${OPENAI_API_KEY}\"}\n"),
        @r"
    pointsman.yaml:3:8: two keys have the id `a`
        help: ids tell keys apart in logs and budgets
    "
    );
}

#[test]
fn variables() {
    insta::assert_snapshot!(
        broken("providers:\n  a: { api_key: \"${NOPE_A}\" }\n  b: { api_keys: [\"${NOPE_B}\", \"x${NOPE_C}y${NOPE_D}\"] }\n"),
        @r"
    pointsman.yaml:2:17: the environment variable `NOPE_A` is not set
        help: set it (`export NOPE_A=…`) or remove this entry
    pointsman.yaml:3:19: the environment variable `NOPE_B` is not set
        help: set it (`export NOPE_B=…`) or remove this entry
    pointsman.yaml:3:32: the environment variable `NOPE_C` is not set
        help: set it (`export NOPE_C=…`) or remove this entry
    pointsman.yaml:3:32: the environment variable `NOPE_D` is not set
        help: set it (`export NOPE_D=…`) or remove this entry
    "
    );
    insta::assert_snapshot!(broken("policy: ${HOME-x}/p\n"), @r"
    pointsman.yaml:1:9: `${HOME-x}` does not name an environment variable
        help: a name has letters, digits and `_`; defaults are not supported
    ");
    insta::assert_snapshot!(broken("policy: ${HOST\n"), @r"
    pointsman.yaml:1:9: a `${` without its `}`
        help: write `${NAME}`, or `$${` for a plain `${`
    ");
    insta::assert_snapshot!(broken("pepper: ${EMPTY}\n"), @r"
    pointsman.yaml:1:9: this secret is empty
        help: check the variable or file it comes from, or remove the key
    ");
    insta::assert_snapshot!(broken("pepper: file:/nowhere\n"), @"pointsman.yaml:1:9: cannot read /nowhere: entity not found");
    insta::assert_snapshot!(broken("providers:\n  a:\n    api_keys: [${OPENAI_API_KEY}]\n"), @r#"
    pointsman.yaml:3:17: did not find expected ',' or ']'
        help: inside [ ] and { } a variable needs quotes: ["${NAME}"]
    "#);
}

#[test]
fn units() {
    insta::assert_snapshot!(
        broken("timeouts:\n  connect: 10\n  headers: 3 parsecs\n  ttft: soon\n  idle: 0s\n  total: [1s]\n"),
        @r"
    pointsman.yaml:2:12: a span of time needs a unit: `10s`, `250ms`, `5m`, `1h`
    pointsman.yaml:3:12: `parsecs` is not a known unit; a span of time is written `10s`, `250ms`, `5m`, `1h`
    pointsman.yaml:4:9: `soon` is not a span of time; it is written `10s`, `250ms`, `5m`, `1h`
    pointsman.yaml:5:9: a time limit of zero would stop everything
    pointsman.yaml:6:10: expected a span of time such as `10s`, found a list
    "
    );
    insta::assert_snapshot!(broken("limits:\n  body_bytes: 20mb\n  max_connections: 0\n"), @r"
    pointsman.yaml:2:15: `mb` is not a unit here; did you mean `MB`?
    pointsman.yaml:3:20: with 0 connections nobody can connect
    ");
    insta::assert_snapshot!(broken("limits:\n  body_bytes: -1\n  max_connections: many\n"), @r"
    pointsman.yaml:2:15: `-1` is not a size; it is written `20MB`, `256MiB`
    pointsman.yaml:3:20: expected a whole number, found `many`
    ");
}

#[test]
fn types() {
    insta::assert_snapshot!(broken("- listen\n"), @"pointsman.yaml:1:1: expected a map (`name: value` lines), found a list");
    insta::assert_snapshot!(broken("listen: 8080\n"), @"pointsman.yaml:1:9: expected an address such as `127.0.0.1:8080`, found the number 8080");
    insta::assert_snapshot!(broken("listen: [\":8080\"]\n"), @"pointsman.yaml:1:10: `:8080` is not an address and a port, such as `127.0.0.1:8080`");
    insta::assert_snapshot!(broken("listen: []\n"), @"pointsman.yaml:1:9: an empty list: nobody could connect");
    insta::assert_snapshot!(broken("cache:\n  enabled: yes\n"), @"pointsman.yaml:2:12: expected `true` or `false`, found `yes`");
    insta::assert_snapshot!(broken("cache: 256MiB\n"), @"pointsman.yaml:1:8: expected a map (`name: value` lines), found text");
    insta::assert_snapshot!(broken("keys:\n  web: {}\n"), @"pointsman.yaml:2:3: expected a list, found a map");
    insta::assert_snapshot!(broken("keys:\n- name: a\n  team: 7\n  env: production\n  created: 31.1.2026\n"), @r"
    pointsman.yaml:2:3: `id` is missing here
    pointsman.yaml:2:3: `key` is missing here
    pointsman.yaml:3:9: expected text, found the number 7
        help: put it in quotes to make it text
    pointsman.yaml:4:8: `production` is none of prod, staging, dev
    pointsman.yaml:5:12: `31.1.2026` is not a date; it is written 2026-01-31
    ");
    insta::assert_snapshot!(broken("keys:\n- {id: \"\", key: hash:abc}\n- {id: b, key: \"a b c d e f\"}\n"), @r"
    pointsman.yaml:2:8: a name cannot be empty
    pointsman.yaml:2:17: behind `hash:` come 64 hexadecimal digits
    pointsman.yaml:3:16: a client's key must be printable ASCII without spaces
    ");
    insta::assert_snapshot!(broken("log:\n  level: a=b=c\n  format: jsn\n"), @r#"
    pointsman.yaml:2:10: `a=b=c` is not a level (error, warn, info, debug, trace): error parsing level filter: expected one of "off", "error", "warn", "info", "debug", "trace", or a number 0-5
    pointsman.yaml:3:11: `jsn` is none of text, json
        help: did you mean `json`?
    "#);
    insta::assert_snapshot!(broken("1: a\n"), @"pointsman.yaml:1:1: a key must be text, but here is the number 1: put it in quotes");
}

#[test]
fn providers() {
    insta::assert_snapshot!(
        broken("providers:\n  Open/AI:\n    base_url: ftp://x\n  b:\n    base_url: https://u:p@x/v1\n  c:\n    base_url: https://x/?k=1\n"),
        @r"
    pointsman.yaml:2:3: `Open/AI` cannot be the name of a provider
        help: it is the part before the slash in `provider/model`: use a-z, 0-9, `-`, `_`
    pointsman.yaml:3:15: an address begins with `https://` or `http://` and a host
    pointsman.yaml:5:15: no credentials in addresses; use `api_key` or `headers`
    pointsman.yaml:7:15: an address here ends with its path, without `?` or `#`
    "
    );
    insta::assert_snapshot!(
        broken("providers:\n  a:\n    api_key: ${CLIENT_KEY}\n    api_keys: [\"${CLIENT_KEY}\"]\n    headers: {host: x, \"b d\": y, ok: \"a\\nb\"}\n"),
        @r"
    pointsman.yaml:5:15: `host` is set by the connection itself
    pointsman.yaml:5:24: `b d` is not a header
    pointsman.yaml:5:38: a header's value must be one line of printable text
    "
    );
}

#[test]
fn accounts_of_clouds() {
    let config = read(
        r#"
providers:
  bedrock:
    region: eu-west-1
    access_key_id: AKIDEXAMPLE
    secret_access_key: ${CLIENT_KEY}
    session_token: ${OPENAI_API_KEY}
  vertex:
    project: my-project
    location: global
    credentials_file: keys/google.json
  mine:
    kind: openai-compatible
    base_url: http://${HOST}/v1
    dialect: anthropic.messages
"#,
    )
    .expect("a good configuration");
    let bedrock = &config.providers["bedrock"];
    assert_eq!(bedrock.access_key_id.as_deref(), Some("AKIDEXAMPLE"));
    let secret = bedrock.secret_access_key.as_ref().map(ExposeSecret::expose_secret);
    assert_eq!(secret, Some("pm-client-key-0001"));
    assert_eq!(config.providers["mine"].dialect, Some(Dialect::AnthropicMessages));
    assert!(config.watched().contains(&PathBuf::from("keys/google.json")));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    for secret in &config.secrets {
        assert!(!format!("{config:?}").contains(secret.expose_secret()), "Debug shows a secret");
    }
    insta::assert_snapshot!(
        broken("providers:\n  a:\n    dialect: openai.chats\n    projekt: x\n    secret_key: y\n"),
        @r"
        pointsman.yaml:3:14: `openai.chats` is none of openai.chat, openai.responses, openai.completions, openai.embeddings, anthropic.messages, gemini.generate, gemini.embed, bedrock.converse, cohere.chat, cohere.embed, ollama.chat
            help: did you mean `openai.chat`?
        pointsman.yaml:4:5: unknown key `projekt`
            help: did you mean `project`?
        pointsman.yaml:5:5: unknown key `secret_key`
            help: keys here: kind, dialect, base_url, api_key, api_keys, headers, models, connect_timeout, region, api_version, profile, access_key_id, secret_access_key, session_token, project, location, credentials_file, enabled
        "
    );
}

#[test]
fn keys_that_do_not_go_together() {
    insta::assert_snapshot!(broken("policy: a\ndefault: b\n"), @r"
    pointsman.yaml:2:10: `policy` and `default` are both given
        help: `policy` already says what answers `auto`; remove one of them
    ");
    insta::assert_snapshot!(broken("default: b\n"), @r"
    pointsman.yaml:1:10: `default` names a policy of the folder `policies`, which is not given
        help: add `policies: FOLDER`, or use `policy: FILE`
    ");
}

#[test]
fn what_is_not_yaml() {
    insta::assert_snapshot!(broken("listen: [a\n"), @"pointsman.yaml:2:1: did not find expected ',' or ']'");
    insta::assert_snapshot!(broken("cache:\n\tenabled: true\n"), @r"
    pointsman.yaml:2:1: found character that cannot start any token
        help: indent with spaces; YAML knows no tabs
    ");
    insta::assert_snapshot!(broken("policy: a: b\n"), @r"
    pointsman.yaml:1:10: mapping values are not allowed in this context
        help: a text with `: ` in it needs quotes
    ");
    insta::assert_snapshot!(broken("policy: !file a\n"), @"pointsman.yaml:1:9: policy: YAML tags (`!name`) have no meaning here; write the value alone");
    insta::assert_snapshot!(broken("policy: a\n---\npolicy: b\n"), @"pointsman.yaml: deserializing from YAML containing more than one document is not supported");
}

#[test]
fn files_are_found_in_their_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("other.yaml");
    std::fs::write(&path, "policy: here.policy\n").expect("written");
    let named = |name: &str| (name == "POINTSMAN_CONFIG").then(|| path.display().to_string());
    let config = Config::load(None, &named).expect("found by the variable");
    assert_eq!(config.watched(), [path.clone(), folder.path().join("here.policy")]);
    let error = Config::load(Some(Path::new("/nowhere.yaml")), &named).expect_err("named first");
    assert!(error.to_string().starts_with("/nowhere.yaml: cannot be read"), "{error}");

    std::fs::write(&path, b"policy: x\nlog: \xff\n").expect("written");
    let error = Config::load(Some(&path), &|_| None).expect_err("not text");
    assert_eq!(error.0[0].at, Some((2, 6)));
}

#[test]
fn the_pepper_may_come_from_the_environment() {
    let path = Path::new("/dev/null");
    let pepper = |value: &'static str| {
        move |name: &str| (name == "POINTSMAN_PEPPER").then(|| value.to_owned())
    };
    let config = Config::load(Some(path), &pepper("0123456789abcdef")).expect("good");
    assert!(config.pepper.is_some() && config.secrets.len() == 1);
    assert!(Config::load(Some(path), &pepper("short")).is_err());
}

#[test]
fn operators_come_in_where_the_configuration_says() {
    assert!(read("").unwrap().admin.is_none());
    let config = read("admin: {}\n").unwrap();
    let admin = config.admin.clone().unwrap();
    assert_eq!(admin.listen.0, ["127.0.0.1:8081".parse().unwrap()]);
    assert_eq!(config.state_dir(), Path::new(".pointsman"));
    let config =
        read("state_dir: kept\nadmin: { listen: \"0.0.0.0:8081\", token: \"${CLIENT_KEY}\" }\n");
    let config = config.unwrap();
    assert_eq!(config.admin.clone().unwrap().token.unwrap().expose_secret(), "pm-client-key-0001");
    assert_eq!(config.state_dir(), Path::new("kept"));
    let open = broken("admin: { listen: \"0.0.0.0:8081\" }\n");
    assert!(open.contains("`admin` has no `token`") && open.contains("0.0.0.0:8081"), "{open}");
    assert!(broken("admin: { token: short }\n").contains("16"));
}
