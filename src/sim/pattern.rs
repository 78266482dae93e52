//! Texts that match a regular expression.

use fastrand::Rng;
use regex_syntax::hir::{Class, Hir, HirKind};

/// How long a text may become; patterns like `(a{1000}){1000}` end here, unmatched.
const LONGEST: usize = 4_096;

/// A text that matches, if the pattern is one that can be read.
pub(super) fn example(pattern: &str, rng: &mut Rng) -> Option<String> {
    let hir = regex_syntax::Parser::new().parse(pattern).ok()?;
    let mut text = String::new();
    write(&hir, rng, &mut text);
    Some(text)
}

fn write(hir: &Hir, rng: &mut Rng, text: &mut String) {
    if text.len() > LONGEST {
        return;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.push_str(&String::from_utf8_lossy(&literal.0)),
        HirKind::Class(class) => text.extend(character(class, rng)),
        HirKind::Repetition(repetition) => {
            let most = repetition.max.unwrap_or(u32::MAX).min(repetition.min.saturating_add(2));
            for _ in 0..rng.u32(repetition.min..=most.max(repetition.min)) {
                // An empty repetition would spin for as long as its count says.
                if text.len() > LONGEST || repetition.sub.properties().maximum_len() == Some(0) {
                    break;
                }
                write(&repetition.sub, rng, text);
            }
        }
        HirKind::Capture(capture) => write(&capture.sub, rng, text),
        HirKind::Concat(parts) => parts.iter().for_each(|part| write(part, rng, text)),
        HirKind::Alternation(branches) => {
            if let Some(branch) = rng.choice(branches.iter()) {
                write(branch, rng, text);
            }
        }
    }
}

/// A character of the class: a plain letter or digit where it has one.
fn character(class: &Class, rng: &mut Rng) -> Option<char> {
    let Class::Unicode(class) = class else { return None };
    let within = |low: char, high: char| {
        class.iter().flat_map(move |range| range.start().max(low)..=range.end().min(high))
    };
    let plain: Vec<char> =
        within('0', '9').chain(within('A', 'Z')).chain(within('a', 'z')).collect();
    if !plain.is_empty() {
        return rng.choice(plain);
    }
    within(' ', '~').next().or_else(|| class.iter().next().map(|range| range.start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_match() {
        let patterns = [
            r"^\d{3}-\d{4}$",
            r"^[A-Z]{2}[0-9]{6}$",
            r"^(foo|bar)+_?x*$",
            r"^\w+@\w+\.(com|org)$",
            "^$",
            r"[^a-z0-9A-Z]",
            r"^\p{Greek}+$",
        ];
        for pattern in patterns {
            let regex = regex::Regex::new(pattern).unwrap();
            for seed in 0..50 {
                let text = example(pattern, &mut Rng::with_seed(seed)).unwrap();
                assert!(regex.is_match(&text), "{pattern} does not match {text:?}");
            }
        }
        assert_eq!(example("(", &mut Rng::with_seed(0)), None);
        assert!(
            example("((a{1000}){1000}){1000}", &mut Rng::with_seed(0))
                .is_none_or(|t| t.len() < 10_000)
        );
    }
}
