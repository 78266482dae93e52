//! When two requests are the same request.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::dialect::Request;
use crate::ids::TenantId;
use crate::policy::plan::Plan;
use crate::policy::program::Settings;

/// 256 bits that stand for a request and everything that shapes its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CacheKey([u8; 32]);

/// Fields that say how the answer travels, not what it is; and who asks, which the tenant covers.
const DELIVERY: [&str; 6] =
    ["model", "stream", "stream_options", "user", "metadata", "safety_identifier"];

/// What a field is when it is left out.
const DEFAULTS: [(&str, f64); 5] = [
    ("n", 1.0),
    ("temperature", 1.0),
    ("top_p", 1.0),
    ("presence_penalty", 0.0),
    ("frequency_penalty", 0.0),
];

/// Everything the key is made of besides the request.
pub struct Scope<'a> {
    /// Whose data it is. Nothing is ever shared across tenants.
    pub tenant: &'a TenantId,
    /// Where the request would go, in order, by id.
    pub targets: &'a [&'a str],
    /// Values that the policy's `key [..]` asks for: `user.id` and its like.
    pub extra: &'a [(&'a str, &'a str)],
    /// Which parts of the request count; all of them where `None`.
    pub parts: Option<&'a [&'a str]>,
    /// What the policy changes in the request.
    pub settings: &'a Settings,
}

impl CacheKey {
    /// The key of a request under a plan. Property order, spelled-out defaults and whether a stream
    /// was asked for make no difference. `None` for what cannot be canonicalised.
    pub fn of(request: &Request, scope: &Scope<'_>) -> Option<CacheKey> {
        let Ok(Value::Object(body)) = serde_json::from_slice(request.body()) else { return None };
        let counts = |name: &str| {
            let part = match name {
                "messages" => "messages",
                "tools" | "tool_choice" | "parallel_tool_calls" | "functions" | "function_call" => {
                    "tools"
                }
                _ => "parameters",
            };
            scope.parts.is_none_or(|parts| parts.contains(&part))
        };
        let canonical: BTreeMap<String, Value> = body
            .into_iter()
            .filter(|(name, value)| {
                !DELIVERY.contains(&name.as_str()) && !is_default(name, value) && counts(name)
            })
            .map(|(name, value)| (name, numbers_as_one(value)))
            .collect();
        let with_models = scope.parts.is_none_or(|parts| parts.contains(&"model"));
        let targets: &[&str] = if with_models { scope.targets } else { &[] };

        let mut hasher = blake3::Hasher::new_derive_key("pointsman 2026 response cache key v1");
        let mut mix = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        mix(scope.tenant.as_str().as_bytes());
        mix(request.dialect().name().as_bytes());
        mix(&(targets.len() as u64).to_le_bytes());
        targets.iter().for_each(|target| mix(target.as_bytes()));
        mix(&(scope.extra.len() as u64).to_le_bytes());
        for (name, value) in scope.extra {
            mix(name.as_bytes());
            mix(value.as_bytes());
        }
        mix(format!("{:?}{:?}", scope.settings.parameters, scope.settings.prompts).as_bytes());
        mix(&serde_json::to_vec(&canonical).ok()?);
        Some(CacheKey(hasher.finalize().into()))
    }
}

/// The ids of everybody a plan could ask.
pub fn targets<'c>(plan: &Plan, catalog: &'c crate::catalog::Catalog) -> Vec<&'c str> {
    let steps = plan.steps.iter().flat_map(|step| &step.candidates);
    let fallback = plan.fallback.iter().flat_map(|(models, _)| models);
    let mut ids: Vec<&str> =
        steps.chain(fallback).map(|model| catalog.models()[model.index()].id.as_str()).collect();
    // The order changes with load; whoever answers first fills the cache for all.
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn is_default(name: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(false) => matches!(name, "logprobs" | "store"),
        Value::Number(number) => {
            DEFAULTS.iter().any(|(known, usual)| *known == name && number.as_f64() == Some(*usual))
        }
        Value::Array(items) => items.is_empty() && name == "tools",
        _ => false,
    }
}

/// `1` and `1.0` are one number; inside of texts nothing is touched.
fn numbers_as_one(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            let float = number.as_f64().unwrap_or_default();
            if float.fract() == 0.0 && float.abs() < 9e15 {
                Value::from(float as i64)
            } else {
                Value::Number(number)
            }
        }
        Value::Array(items) => items.into_iter().map(numbers_as_one).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, numbers_as_one(value))).collect()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::openai_chat;
    use bytes::Bytes;

    fn key(body: &str, tenant: &str, parts: Option<&[&str]>) -> CacheKey {
        let request =
            openai_chat::Request::read(Bytes::copy_from_slice(body.as_bytes())).unwrap().into();
        let settings = Settings::default();
        let tenant = TenantId::new(tenant);
        let scope =
            Scope { tenant: &tenant, targets: &["a/m"], extra: &[], parts, settings: &settings };
        CacheKey::of(&request, &scope).unwrap()
    }

    #[test]
    fn what_makes_no_difference_makes_none() {
        let plain = key(r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#, "t", None);
        for same in [
            r#"{"messages":[{"content":"x","role":"user"}],"model":"auto"}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"stream":true,"stream_options":{"include_usage":true}}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":1.0,"n":1,"stop":null,"user":"u"}"#,
        ] {
            assert_eq!(key(same, "t", None), plain, "{same}");
        }
    }

    #[test]
    fn what_makes_a_difference_makes_one() {
        let body = r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#;
        let plain = key(body, "t", None);
        assert_ne!(key(body, "other", None), plain);
        for other in [
            r#"{"model":"m","messages":[{"role":"user","content":"X"}]}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":0}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"seed":1}"#,
            r#"{"model":"m","messages":[{"role":"system","content":"x"}]}"#,
        ] {
            assert_ne!(key(other, "t", None), plain, "{other}");
        }
    }

    #[test]
    fn only_the_named_parts_count() {
        let a = r#"{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":0}"#;
        let b = r#"{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":0.5}"#;
        assert_ne!(key(a, "t", None), key(b, "t", None));
        assert_eq!(key(a, "t", Some(&["messages"])), key(b, "t", Some(&["messages"])));
    }
}
