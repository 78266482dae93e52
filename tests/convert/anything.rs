//! Input that nobody wrote on purpose: no panic, a sound policy, and nothing lost unseen.

use pointsman::convert::{Kind, convert};
use proptest::prelude::*;
use serde_yaml::{Mapping, Value};

use crate::{CATALOG, examples, sound};

/// A key that no gateway knows.
const NOVEL: &str = "zz-novelty";

/// The value with an unknown key in its `at`-th map, and the path of that key; `None` past the last.
fn with_novelty(value: &Value, at: &mut usize, path: &str) -> Option<(Value, String)> {
    match value {
        Value::Mapping(map) => {
            if *at == 0 {
                let mut map = map.clone();
                map.insert(
                    NOVEL.into(),
                    Value::Mapping([("a".into(), 1.into())].into_iter().collect()),
                );
                let dot = if path.is_empty() { "" } else { "." };
                return Some((Value::Mapping(map), format!("{path}{dot}{NOVEL}")));
            }
            *at -= 1;
            for (key, inner) in map {
                let Some(word) = key.as_str() else { continue };
                let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
                let below = if word.is_empty() || !word.bytes().all(plain) {
                    format!("{path}[{word:?}]")
                } else if path.is_empty() {
                    word.to_owned()
                } else {
                    format!("{path}.{word}")
                };
                if let Some((changed, found)) = with_novelty(inner, at, &below) {
                    let mut map = map.clone();
                    map.insert(key.clone(), changed);
                    return Some((Value::Mapping(map), found));
                }
            }
            None
        }
        Value::Sequence(items) => {
            for (index, inner) in items.iter().enumerate() {
                if let Some((changed, found)) = with_novelty(inner, at, &format!("{path}[{index}]"))
                {
                    let mut items = items.clone();
                    items[index] = changed;
                    return Some((Value::Sequence(items), found));
                }
            }
            None
        }
        _ => None,
    }
}

/// Whether a note speaks of the path, or of a part of the source that holds it.
fn covers(note: &str, path: &str) -> bool {
    !note.is_empty()
        && path
            .strip_prefix(note)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// A key that is new to every map of every example is in the report, itself or with what holds it.
#[test]
fn nothing_is_dropped_without_a_word() {
    let (mut tried, mut lost) = (0, Vec::new());
    for kind in Kind::ALL {
        for (file, text) in examples(kind) {
            let plain = convert(Some(kind), &text, &CATALOG).unwrap();
            let Ok(value) = serde_yaml::from_str::<Value>(&text) else { continue };
            for place in 0.. {
                let Some((changed, path)) = with_novelty(&value, &mut { place }, "") else { break };
                let text = serde_yaml::to_string(&changed).unwrap();
                let Ok(converted) = convert(Some(kind), &text, &CATALOG) else { continue };
                tried += 1;
                let fresh = converted.report.iter().any(|note| {
                    covers(&note.path, &path)
                        && (
                            // Its own note, or one for the whole part that is left out or stays as it is.
                            note.path == path
                                || note.path.len() < path.len()
                                    && (note.severity == pointsman::convert::Severity::LeftOut
                                        || note.what.contains("stay")
                                        || !plain.report.contains(note))
                        )
                });
                if !fresh {
                    lost.push(format!("{}: {path}", file.display()));
                }
            }
        }
    }
    assert!(
        lost.is_empty(),
        "not in the report:
{}",
        lost.join(
            "
"
        )
    );
    assert!(tried > 300, "only {tried}");
}

fn any_value() -> impl Strategy<Value = Value> {
    let keys = [
        "model_list",
        "model_name",
        "litellm_params",
        "model",
        "api_key",
        "api_base",
        "rpm",
        "weight",
        "order",
        "tags",
        "model_info",
        "mode",
        "router_settings",
        "litellm_settings",
        "fallbacks",
        "context_window_fallbacks",
        "num_retries",
        "retry_policy",
        "timeout",
        "cache",
        "cache_params",
        "ttl",
        "general_settings",
        "master_key",
        "max_budget",
        "routing_strategy",
        "strategy",
        "targets",
        "provider",
        "override_params",
        "virtual_key",
        "conditions",
        "query",
        "then",
        "default",
        "name",
        "retry",
        "attempts",
        "on_status_codes",
        "models",
        "messages",
        "order",
        "only",
        "ignore",
        "sort",
        "max_price",
        "zdr",
        "data_collection",
        "elements",
        "id",
        "type",
        "properties",
        "outputs",
        "elementId",
        "next",
        "true",
        "false",
        "fallback",
        "success",
        "50%",
        "else",
        "endpoint",
        "headers",
        "cf-aig-cache-ttl",
        "limit",
        "key",
        "interval",
        "limitType",
        "$and",
        "$or",
        "$eq",
        "$in",
        "$regex",
        "metadata.plan",
        "params.model",
        "deployment_id",
        "model_group_alias",
        "input_cost_per_token",
        "max_input_tokens",
        "temperature",
        "plugins",
        "system_prompt",
        "slug",
    ];
    let words = [
        "openai/gpt-4o",
        "gpt-4o",
        "azure/x y",
        "*",
        "openai/*",
        "auto",
        "auto/x",
        "",
        "a..b",
        "->",
        "-",
        "os.environ/KEY",
        "sk-x",
        "loadbalance",
        "fallback",
        "conditional",
        "single",
        "start",
        "model",
        "conditional",
        "percentage",
        "rate_limit",
        "end",
        "a",
        "b",
        "metadata.user",
        "count",
        "cost",
        "openrouter/auto",
        "openai/gpt-4o:nitro",
        "@preset/x",
        "@openai/gpt-4o",
        "http://h:1/v1?x=1",
        "simple-shuffle",
        "least-busy",
        "semantic",
        "(",
        "x\ny",
        "\u{0}",
        "é/ü",
        "${X}",
        "default",
        "1d",
    ];
    let leaf = prop_oneof![
        prop::sample::select(words.to_vec()).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0.0..200.0).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Sequence),
            prop::collection::vec((prop::sample::select(keys.to_vec()), inner), 0..6).prop_map(
                |entries| {
                    let mut map = Mapping::new();
                    map.extend(entries.into_iter().map(|(key, value)| (Value::from(key), value)));
                    Value::Mapping(map)
                }
            ),
        ]
    })
}

/// A value somewhere in the tree is another one.
fn replaced(value: &Value, at: &mut usize, with: &Value) -> Value {
    if *at == 0 {
        *at = usize::MAX;
        return with.clone();
    }
    *at = at.saturating_sub(usize::from(*at != usize::MAX));
    match value {
        Value::Mapping(map) => Value::Mapping(
            map.iter().map(|(key, inner)| (key.clone(), replaced(inner, at, with))).collect(),
        ),
        Value::Sequence(items) => {
            Value::Sequence(items.iter().map(|inner| replaced(inner, at, with)).collect())
        }
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}", kind in prop::sample::select(Kind::ALL.to_vec())) {
        let _ = convert(Some(kind), &text, &CATALOG);
        let _ = convert(None, &text, &CATALOG);
    }

    #[test]
    fn any_tree_gives_an_error_or_a_sound_policy(value in any_value()) {
        let text = serde_yaml::to_string(&value).unwrap();
        if let Ok(converted) = convert(None, &text, &CATALOG) {
            prop_assert_eq!(sound(&converted), Ok(()), "{}", text);
        }
    }

    #[test]
    fn an_example_with_one_odd_value_gives_a_sound_policy(
        kind in prop::sample::select(Kind::ALL.to_vec()),
        which in 0_usize..100,
        place in 1_usize..120,
        odd in any_value(),
    ) {
        let all = examples(kind);
        let (_, text) = &all[which % all.len()];
        if let Ok(value) = serde_yaml::from_str::<Value>(text) {
            let text = serde_yaml::to_string(&replaced(&value, &mut { place }, &odd)).unwrap();
            if let Ok(converted) = convert(Some(kind), &text, &CATALOG) {
                prop_assert_eq!(sound(&converted), Ok(()), "{}", text);
            }
        }
    }
}
