//! Finding secrets in text and taking them out.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use aho_corasick::{AhoCorasick, MatchKind};
use arc_swap::ArcSwapOption;
use regex::{Captures, Regex};

/// What stands where a secret stood.
const MARK: &str = "[redacted]";

/// Exact secrets shorter than this are not looked for: they would take ordinary words with them.
const SHORTEST_EXACT: usize = 6;

/// What may stand in front of a key: the beginning, a byte that is no letter or digit, or an escape
/// that ends in one (terminal colours, `\n` in a JSON text, `%20` in a URL).
const BEFORE: &str =
    r"(?:^|[^A-Za-z0-9]|\x1b\[[0-9;]*m|\\[nrtbf]|\\u[0-9a-fA-F]{4}|%[0-9A-Fa-f]{2})";

/// What may stand between the name of a field and its value: quotes (also escaped), `:` or `=`,
/// colours, `Some(`.
const BETWEEN: &str =
    r#"(?:\\*["']|\x1b\[[0-9;]*m)*\s*(?:=>|[:=])\s*(?:\x1b\[[0-9;]*m|Some\(|\\*["'])*"#;

/// Names of fields and headers whose value is secret whatever it looks like.
const NAMES: &str = "x-api-key|api[-_ ]?keys?|apikey|x-goog-api-key|(?:proxy-)?authorization|\
    x-amz-security-token|cookie|set-cookie|password|passwd|pepper|(?:client|app)[-_]?secret|\
    secret[-_]?(?:access[-_]?)?key|aws[-_]secret[-_]access[-_]key|\
    (?:access|refresh|session|auth|id)[-_]?token|private[-_]?key";

/// Beginnings of keys that say what they are; behind them comes the random part.
const PREFIXES: &str = "sk|rk|csk|pm|xai|nvapi|pplx|vck|pa";

/// Whole shapes that nothing but a key has.
const SHAPES: &[&str] = &[
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}",
    r"AIza[A-Za-z0-9_-]{30,}",
    r"ya29\.[A-Za-z0-9_-]{20,}",
    r"gh[pousr]_[A-Za-z0-9]{20,}",
    r"github_pat_[A-Za-z0-9_]{20,}",
    r"(?:gsk|hf|r8|fw|tgp_v1|glpat|dop_v1|sess)[_-][A-Za-z0-9_-]{20,}",
    r"xox[abprs]-[A-Za-z0-9-]{10,}",
    r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)*",
];

static PATTERNS: LazyLock<Regex> = LazyLock::new(|| {
    let shapes = SHAPES.join("|");
    let pattern = [
        "(?P<pem>-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.)*?(?:-----END [A-Z ]*PRIVATE KEY-----|$))",
        r#"(?P<url>[A-Za-z][A-Za-z0-9+.-]*://)[^/\s@"'<>]+@"#,
        r#"(?P<query>[?&](?i:key|api[-_]?key|token|access_token|sig|signature|x-amz-signature)=)[^&\s"'\\<>]+"#,
        &format!(
            r#"(?P<field>(?i:{NAMES}){BETWEEN})(?P<value>(?:(?i:bearer|basic|token)\s+)?[^\s"'\\,;&(){{}}\[\]<>\x1b]{{6,}})"#
        ),
        r"(?P<bearer>(?i:bearer|basic)\s+)(?P<token>[A-Za-z0-9._~+/=-]{8,})",
        &format!(
            "(?P<before>{BEFORE})(?:(?P<key>(?:{PREFIXES})-[A-Za-z0-9_-]{{12,}})|{shapes})"
        ),
    ]
    .join("|");
    #[expect(clippy::expect_used, reason = "a constant pattern, compiled by every test here")]
    Regex::new(&pattern).expect("the pattern is well-formed")
});

/// Takes out what looks like a secret. For text from outside, such as a provider's error message.
/// Nothing is allocated where nothing is found.
pub fn redact(text: &str) -> Cow<'_, str> {
    PATTERNS.replace_all(text, |found: &Captures<'_>| {
        let part = |name| found.name(name).map_or("", |part| part.as_str());
        let whole = || found.get(0).map_or("", |whole| whole.as_str()).to_owned();
        if !part("url").is_empty() {
            return format!("{}{MARK}@", part("url"));
        }
        if !part("token").is_empty() && is_word(part("token")) {
            return whole();
        }
        if is_scheme(part("value")) {
            return whole();
        }
        if !part("key").is_empty() && !is_random(part("key")) {
            return whole();
        }
        let kept = ["query", "field", "bearer", "before"].map(part).concat();
        format!("{kept}{MARK}")
    })
}

/// "Bearer authentication" is English, not a credential.
fn is_word(token: &str) -> bool {
    token.len() <= 16 && token.trim_end_matches(['.', '-']).bytes().all(|b| b.is_ascii_lowercase())
}

/// The word between the header's name and the credential, alone: "send `Authorization: Bearer KEY`".
fn is_scheme(value: &str) -> bool {
    value.eq_ignore_ascii_case("bearer") || value.eq_ignore_ascii_case("basic")
}

/// A name made of words has no digits; the random part of a key has, or is mixed case.
fn is_random(key: &str) -> bool {
    let rest = key.split_once('-').map_or(key, |(_, rest)| rest);
    let longest = rest.split(['-', '_']).map(str::len).max().unwrap_or_default();
    let digits = rest.bytes().filter(u8::is_ascii_digit).count();
    let upper = rest.bytes().any(|b| b.is_ascii_uppercase());
    longest >= 20 || (digits > 0 && longest >= 8) || (upper && longest >= 12)
}

/// Takes out what looks like a secret, and every secret it was told. Clones share what they know.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    exact: Arc<ArcSwapOption<AhoCorasick>>,
}

impl Redactor {
    /// A redactor that also knows these.
    pub fn with_secrets<S: AsRef<str>>(secrets: impl IntoIterator<Item = S>) -> Redactor {
        let redactor = Redactor::default();
        redactor.set_secrets(secrets);
        redactor
    }

    /// Forgets the exact secrets and learns these, in all clones at once.
    pub fn set_secrets<S: AsRef<str>>(&self, secrets: impl IntoIterator<Item = S>) {
        let mut forms: Vec<String> = secrets
            .into_iter()
            .filter(|secret| secret.as_ref().len() >= SHORTEST_EXACT)
            .flat_map(|secret| spellings(secret.as_ref()))
            .collect();
        forms.sort_unstable();
        forms.dedup();
        let matcher = (!forms.is_empty()).then(|| {
            // Of two secrets that begin alike the longer one has to win.
            let builder =
                AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&forms);
            #[expect(clippy::expect_used, reason = "fails only above 2^31 bytes of secrets")]
            Arc::new(builder.expect("fewer secrets than memory"))
        });
        self.exact.store(matcher);
    }

    /// The text without secrets; borrowed where there are none.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let exact = self.exact.load();
        match exact.as_deref() {
            Some(exact) if exact.is_match(text) => {
                let mut out = String::with_capacity(text.len());
                exact.replace_all_with(text, &mut out, |_, _, out| {
                    out.push_str(MARK);
                    true
                });
                Cow::Owned(redact(&out).into_owned())
            }
            _ => redact(text),
        }
    }
}

/// A secret as it is, as it looks inside a JSON or debug text, and as it looks in a URL.
fn spellings(secret: &str) -> Vec<String> {
    let json = serde_json::Value::from(secret).to_string();
    let debug = format!("{secret:?}");
    let mut url = String::with_capacity(secret.len());
    for byte in secret.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
    // A debug text inside a JSON text: what `?value` becomes in a JSON log line.
    let both = serde_json::Value::from(inner(&debug)).to_string();
    vec![secret.to_owned(), inner(&json).into(), inner(&debug).into(), inner(&both).into(), url]
}

fn inner(quoted: &str) -> &str {
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Thirty places a secret was seen in, in real logs of other programs. `CANARY` marks it.
    const PLANTED: &[&str] = &[
        "sk-CANARY0123456789abcd",
        "using key sk-proj-CANARY_0123456789-abcdefghij",
        "sk-ant-api03-CANARY0123456789abcdefAA",
        "Incorrect API key provided: sk-CANARY1234567890abcd. You can find",
        "(sk-CANARY0123456789abcd)",
        "\u{1b}[2m=\u{1b}[0msk-CANARY0123456789abcd",
        r"first\nsk-CANARY0123456789abcd",
        "q=%20sk-CANARY0123456789abcd",
        "Authorization: Bearer CANARY12345",
        "authorization: Basic CANARYdXNlcjpwYXNz",
        "Bearer CANARY.abc-123",
        r#"{"authorization":"Bearer CANARY12345"}"#,
        r#"{\"api_key\": \"CANARY12345\"}"#,
        r#""x-api-key": "CANARY-plain-words""#,
        "api-key: CANARY12345",
        "api_key=CANARY12345",
        "\u{1b}[3mapi_key\u{1b}[0m\u{1b}[2m=\u{1b}[0m\"CANARY12345\"",
        "api_key: Some(\"CANARY12345\")",
        "https://user:CANARYpass@host/v1",
        "postgres://CANARY:CANARY@db:5432/x",
        "https://generativelanguage.example/v1?alt=sse&key=CANARY12345",
        "https://host/?token=CANARY12345&x=1",
        "AKIACANARY0123456789",
        "aws_secret_access_key = CANARYwJalrXUtnFEMI/K7MDENG",
        "AIzaCANARY0123456789abcdefghijklmnopqrst",
        "eyJhbGciOiJIUzI1NiJ9.CANARYeyJzdWIiOiIxMjM0In0.CANARYdBjftJeZ4CVP",
        "gsk_CANARY0123456789abcdefgh",
        "hf_CANARYabcdefghijklmnopqrst",
        "ghp_CANARY0123456789abcdefghij",
        "-----BEGIN RSA PRIVATE KEY-----\nCANARY\nCANARY\n-----END RSA PRIVATE KEY-----",
        "password: CANARY-hunter2",
        "xai-CANARY0123456789abcdefgh",
    ];

    #[test]
    fn planted_secrets_are_never_printed() {
        assert!(PLANTED.len() >= 30);
        for text in PLANTED {
            for text in [text.to_string(), format!("a line: {text} and, more"), format!("é{text}é")]
            {
                let out = redact(&text);
                assert!(!out.contains("CANARY"), "{text}\n-> {out}");
                assert!(out.contains(MARK), "{text}\n-> {out}");
            }
        }
    }

    #[test]
    fn ordinary_text_is_left_alone() {
        for text in [
            "task-0123456789abcdef0123 done",
            "the skeleton of a risk-averse-decision-procedure",
            "sk-learn-compatible and sk-fast-route",
            "desk-0123456789abcdef0123",
            "model openai/gpt-5.1-2025-11-13 answered",
            "claude-sonnet-4-5-20250929, gemini-2.5-flash, llama-3.3-70b-instruct",
            "Bearer authentication is required",
            "send `Authorization: Bearer KEY`",
            "provider openai has no api_key: set one",
            "https://api.openai.com/v1/chat/completions?stream=true&page=2",
            "mail me@example.com or them at 10:30",
            "req_0199d5a3b1c27f0f8a1b2c3d4e5f6071",
            "max_tokens=4096 input.tokens: 128001 token budget",
            "key.tier == free, keyless, monkey-patched, api-version=2024-10-21",
            "naïve Größe 日本語",
        ] {
            assert!(
                matches!(redact(text), Cow::Borrowed(_)) || redact(text) == text,
                "{}",
                redact(text)
            );
        }
    }

    #[test]
    fn what_is_around_a_secret_stays() {
        let text = r#"{"a":1,"api_key":"abcdef123456","b":[2]} at https://u:p@h/x?key=zzzzzz&y=1"#;
        let want = r#"{"a":1,"api_key":"[redacted]","b":[2]} at https://[redacted]@h/x?key=[redacted]&y=1"#;
        assert_eq!(redact(text), want);
    }

    #[test]
    fn exact_secrets_go_in_every_spelling() {
        let secret = "pa ss\"wo\\rd/ü";
        let redactor = Redactor::with_secrets([secret, "pa ss", "tiny"]);
        let json = serde_json::json!({ "text": format!("{secret:?}") });
        for text in [
            secret.into(),
            format!("{secret:?}"),
            json.to_string(),
            "x?p=pa%20ss%22wo%5Crd%2F%C3%BC".into(),
        ] {
            let out = redactor.redact(&text);
            assert!(!out.contains("ss") && !out.contains("wo"), "{text} -> {out}");
        }
        assert_eq!(redactor.redact("a tiny word"), "a tiny word");
        let clone = redactor.clone();
        redactor.set_secrets(["something else"]);
        assert_eq!(clone.redact("now something else"), "now [redacted]");
    }

    #[test]
    fn clean_text_is_not_copied() {
        let redactor = Redactor::with_secrets(["a secret of ours"]);
        assert!(matches!(redactor.redact("200 GET /v1/models in 3 ms"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn redacting_twice_changes_nothing_more(text in "(\\PC|sk-|Bearer |://|@|key=|\n){0,60}") {
            let once = redact(&text).into_owned();
            prop_assert_eq!(redact(&once), once.as_str());
        }
        #[test]
        fn a_known_secret_is_gone_whatever_surrounds_it(
            before in "\\PC{0,20}", after in "\\PC{0,20}", secret in "[!-~]{6,40}"
        ) {
            let redactor = Redactor::with_secrets([&secret]);
            let out = redactor.redact(&format!("{before}{secret}{after}")).into_owned();
            prop_assume!(!MARK.contains(&secret) && !before.contains(&secret) && !after.contains(&secret));
            let rest = out.replace(MARK, "\u{1}");
            prop_assert!(!rest.contains(&secret), "{} is still in {}", secret, rest);
        }
    }
}
