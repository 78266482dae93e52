use proptest::prelude::*;
use serde_json::value::RawValue;

use super::*;

fn check(text: &str) -> Result<()> {
    let mut scanner = Scanner::new(text);
    scanner.skip()?;
    scanner.end()
}

#[test]
fn accepts_and_refuses_what_json_does() {
    for good in ["{}", " [ ] ", "-0.5e+3", "\"\\u00e9\\/\"", "[1,{\"a\":null}]", "true", "0"] {
        assert_eq!(check(good), Ok(()), "{good}");
    }
    for bad in [
        "",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "01",
        "1.",
        "-",
        "\"\n\"",
        "\"\\x\"",
        "nul",
        "{} {}",
        "\"",
        "{a:1}",
        "[1 2]",
        "\"\\u12\"",
        "'a'",
    ] {
        assert!(check(bad).is_err(), "{bad}");
    }
}

#[test]
fn refuses_what_is_nested_too_deep_without_overflowing() {
    assert!(check(&"[".repeat(1_000_000)).is_err());
    let nested = |levels: usize| "[".repeat(levels) + &*"]".repeat(levels);
    let serde = |text: &str| serde_json::from_str::<serde_json::Value>(text).is_ok();
    for levels in [126, 127, 128, 129] {
        assert_eq!(check(&nested(levels)).is_ok(), serde(&nested(levels)), "{levels}");
    }
}

#[test]
fn positions_count_lines_from_one() {
    let text = "{\n  \"a\": ?\n}";
    let error = check(text).unwrap_err();
    assert_eq!(error.position(text.as_bytes()), (2, 8));
}

#[test]
fn unescapes_pairs_and_lone_surrogates() {
    assert_eq!(unescape("a\\ud83d\\ude00b"), "a😀b");
    assert_eq!(unescape("\\ud83dx"), "\u{fffd}x");
    assert_eq!(unescape("\\ud83d\\u0041"), "\u{fffd}A");
    assert_eq!(unescape("\\\"\\\\\\/\\n"), "\"\\/\n");
    assert!(matches!(unescape("plain"), Cow::Borrowed("plain")));
}

proptest! {
    #[test]
    fn agrees_with_serde_json(text in "[\\[\\]{}\",:\\\\ut0-9e.\\-nralsf \n\u{1}é]{0,24}") {
        // A raw value is walked over, not decoded, which is what we do too.
        prop_assert_eq!(check(&text).is_ok(), serde_json::from_str::<&RawValue>(text.trim()).is_ok());
    }

    #[test]
    fn the_plain_prefix_is_as_long_as_it_looks(bytes in prop::collection::vec(
        prop_oneof![40 => 0x24u8.., 1 => 0x1eu8..0x24, 1 => 0x5bu8..0x5e], 0..100)) {
        let slow = bytes.iter().position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\');
        prop_assert_eq!(plain_prefix(&bytes), slow.unwrap_or(bytes.len()));
    }

    #[test]
    fn strings_go_both_ways(text in any::<String>()) {
        let quoted = quote(&text);
        prop_assert_eq!(&serde_json::from_str::<String>(&quoted).unwrap(), &text);
        prop_assert_eq!(&*Scanner::new(&quoted).string().unwrap().cow(), &text);
        let theirs = serde_json::to_string(&text).unwrap();
        prop_assert_eq!(&*Scanner::new(&theirs).string().unwrap().cow(), &text);
    }
}
