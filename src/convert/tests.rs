//! What no example shows: odd input.

use super::*;

fn converted(kind: Option<Kind>, text: &str) -> Result<Converted, ConvertError> {
    convert(kind, text, &Catalog::embedded())
}

#[test]
fn the_kind_is_told_from_the_content() {
    for (text, kind) in [
        ("model_list: []", Kind::LiteLlm),
        ("router_settings: {num_retries: 1}", Kind::LiteLlm),
        (r#"{"strategy": {"mode": "fallback"}, "targets": []}"#, Kind::Portkey),
        (r#"{"provider": "openai", "api_key": "x"}"#, Kind::Portkey),
        (r#"{"retry": {"attempts": 3}}"#, Kind::Portkey),
        (r#"{"model": "openai/gpt-4o", "provider": {"order": ["azure"]}}"#, Kind::OpenRouter),
        (
            r#"[{"provider": "openai", "endpoint": "chat/completions", "query": {}}]"#,
            Kind::Cloudflare,
        ),
        (r#"{"name": "r", "elements": []}"#, Kind::Cloudflare),
        (r#"{"cf-aig-cache-ttl": 60}"#, Kind::Cloudflare),
    ] {
        assert_eq!(converted(None, text).unwrap().kind, kind, "{text}");
    }
}

#[test]
fn a_wrong_kind_is_named() {
    let error = converted(Some(Kind::Portkey), "model_list: []").unwrap_err();
    assert_eq!(error, ConvertError::OtherKind { said: Kind::Portkey, found: Kind::LiteLlm });
    insta::assert_snapshot!(error, @"this is no portkey configuration (a map with `strategy` and `targets`, or with one `provider`), it looks like litellm; use --from litellm");
    insta::assert_snapshot!(
        converted(Some(Kind::LiteLlm), "a: 1").unwrap_err(),
        @"this is no litellm configuration: expected a map with `model_list`"
    );
    insta::assert_snapshot!(converted(None, "").unwrap_err(), @"the file is empty");
    assert!(matches!(converted(None, "just text"), Err(ConvertError::Unknown(_))));
    assert!(matches!(converted(None, "{\"a\": "), Err(ConvertError::Unreadable(_))));
}

#[test]
fn comments_and_trailing_commas_in_json_are_no_obstacle() {
    let text = r#"{
      // the first
      "strategy": { "mode": "single", }, /* and
      more */
      "targets": [{ "provider": "openai", "override_params": { "model": "gpt-4o" }, },],
      "url": "https://x//y", // a comment within a text is none
    }"#;
    let converted = converted(None, text).unwrap();
    assert!(converted.report.iter().any(|note| note.path == "url"));
}

#[test]
fn what_is_not_understood_is_reported_once_and_at_the_top() {
    let text = "model_list: []\nnovelty: {a: {b: 1}, c: [1, 2]}\nrouter_settings: {num_retries: 1, x: {y: 2}}";
    let left: Vec<String> = converted(None, text)
        .unwrap()
        .report
        .into_iter()
        .filter(|note| note.severity == Severity::LeftOut)
        .map(|note| note.path)
        .collect();
    assert_eq!(left, ["novelty", "router_settings.x"]);
}
