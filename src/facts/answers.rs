//! What an answer's text looks like: does it go round in circles, is it in the language it was asked
//! in? Heuristics, described in `docs/facts.md`.

use std::collections::HashSet;

use super::language;

/// The most of an answer that is read, in bytes, from its end: that is where circles are.
const WINDOW: usize = 16 * 1024;
/// A circle goes through at least this much text, in characters.
const LEAST_CIRCLE: usize = 200;
/// A unit that long may still be found to repeat, in characters.
const LONGEST_UNIT: usize = 400;
/// So many words in a row are one run.
const RUN: usize = 6;
/// Texts of fewer words have too few runs to say.
const LEAST_WORDS: usize = 60;

/// Whether a text says the same over and over: it ends in a unit that comes at least four times in a
/// row, or most of its runs of six words have been there before.
pub fn repeats(text: &str) -> bool {
    let text = &text[text.ceil_char_boundary(text.len().saturating_sub(WINDOW))..];
    ends_in_a_circle(text) || same_runs(text)
}

fn ends_in_a_circle(text: &str) -> bool {
    let tail: Vec<char> = text.trim_end().chars().rev().take(LONGEST_UNIT * 4).collect();
    (1..=tail.len() / 4).any(|unit| {
        let length = LEAST_CIRCLE.max(unit * 4);
        // Rules and dots are drawn on purpose.
        length <= tail.len()
            && tail[..unit].iter().any(|c| c.is_alphabetic())
            && (unit..length).all(|at| tail[at] == tail[at - unit])
    })
}

fn same_runs(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.len() < LEAST_WORDS {
        return false;
    }
    // Tables and code repeat signs and numbers.
    let spoken = words.iter().filter(|word| word.chars().any(char::is_alphabetic)).count();
    let runs = words.windows(RUN);
    let all = runs.len();
    let distinct = runs.collect::<HashSet<_>>().len();
    spoken * 2 > words.len() && distinct * 2 < all
}

/// The names of languages in the languages that are told apart: who names one may want the answer in
/// it.
const LANGUAGES: &[&str] = &[
    "english",
    "german",
    "french",
    "spanish",
    "italian",
    "portuguese",
    "dutch",
    "russian",
    "chinese",
    "mandarin",
    "japanese",
    "korean",
    "arabic",
    "hebrew",
    "hindi",
    "greek",
    "thai",
    "polish",
    "turkish",
    "latin",
    "englisch",
    "deutsch",
    "französisch",
    "spanisch",
    "italienisch",
    "portugiesisch",
    "niederländisch",
    "russisch",
    "chinesisch",
    "japanisch",
    "anglais",
    "allemand",
    "français",
    "espagnol",
    "italien",
    "portugais",
    "inglés",
    "alemán",
    "francés",
    "español",
    "italiano",
    "portugués",
    "inglese",
    "tedesco",
    "francese",
    "spagnolo",
    "portoghese",
    "inglês",
    "alemão",
    "francês",
    "espanhol",
    "engels",
    "duits",
    "frans",
    "spaans",
    "nederlands",
    "английск",
    "немецк",
    "русск",
    "英語",
    "英语",
    "日本語",
    "中文",
    "language",
    "sprache",
    "langue",
    "idioma",
    "lingua",
    "taal",
    "translate",
    "übersetz",
    "tradui",
    "traduc",
    "traduz",
    "tradurre",
    "vertaal",
];
/// Shorter answers are names and numbers.
const LEAST_ANSWER: usize = 40;

/// Whether an answer is in another language than its question. Only where both are clear, and where
/// the question speaks of no language; code has none.
pub fn wrong_language(question: &str, answer: &str) -> bool {
    if answer.chars().take(LEAST_ANSWER).count() < LEAST_ANSWER || super::task::has_code(answer) {
        return false;
    }
    let (Some(asked), Some(answered)) = (language::detect(question), language::detect(answer))
    else {
        return false;
    };
    let question = question.to_lowercase();
    asked != answered && !LANGUAGES.iter().any(|language| question.contains(language))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_are_found_and_prose_is_not() {
        let prose = include_str!("../../README.md");
        assert!(!repeats(prose));
        assert!(!repeats(&format!("{prose}{}", "-".repeat(500))));
        assert!(!repeats(&"0, 1, 0, ".repeat(100)));
        assert!(!repeats("no no no no no"));
        assert!(!repeats(""));
        assert!(repeats(&format!("{prose}{}", "I am not sure. ".repeat(30))));
        assert!(repeats(&"哈".repeat(300)));
        assert!(repeats(&"the model says the same thing and ".repeat(4).repeat(8)));
    }

    #[test]
    fn another_language_is_one_that_nobody_asked_for() {
        let question = "What is the best way to learn how to cook for a family of four?";
        let german = "Das ist eine gute Frage, und die Antwort ist nicht so einfach, wie ich mit \
                      der Zeit gelernt habe.";
        let english = "The best way to learn how to cook is to start with what you like to eat.";
        assert!(wrong_language(question, german));
        assert!(!wrong_language(question, english));
        assert!(!wrong_language("Translate to German: what is the way to the station?", german));
        assert!(!wrong_language("Please answer in German: what is the way to do this?", german));
        assert!(!wrong_language(question, "Das ist der Weg"));
        assert!(!wrong_language("x = 1", german));
        assert!(!wrong_language(
            question,
            "```\nfn der() { die(das, und) }\n```\nist nicht ein mit"
        ));
    }
}
