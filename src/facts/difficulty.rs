//! How hard a request looks, from 0 to 1: a weighted sum of signs, squashed.
//!
//! It orders requests, it does not measure them: 0.5 is an ordinary question, above 0.7 most small
//! models struggle. docs/facts.md shows how it does on public prompts with known outcomes.

use crate::dialect::RequestShape;
use crate::dialect::shape::Format;

/// Words that speak of several steps, of proof, of expert fields.
const HARD: [&str; 34] = [
    "prove",
    "derive",
    "theorem",
    "optimi",
    "complexity",
    "step by step",
    "rigorous",
    "trade-off",
    "tradeoff",
    "architect",
    "design a system",
    "distributed",
    "concurren",
    "race condition",
    "diagnos",
    "why does",
    "explain why",
    "root cause",
    "legal",
    "contract",
    "statute",
    "quantum",
    "thermodynamic",
    "differential",
    "integral",
    "eigen",
    "molecul",
    "enzyme",
    "clinical",
    "compare and contrast",
    "critique",
    "refactor",
    "edge cases",
    "constraints",
];
/// Words that speak of something small.
const EASY: [&str; 16] = [
    "hello",
    "thanks",
    "what is the capital",
    "define",
    "spell",
    "synonym",
    "one word",
    "yes or no",
    "in one sentence",
    "translate",
    "convert",
    "rhyme",
    "who is",
    "when was",
    "list three",
    "hi ",
];

/// The estimate.
pub(super) fn estimate(text: &str, task: &str, shape: &RequestShape) -> f64 {
    let lower = text.to_lowercase();
    let hits = |words: &[&str]| words.iter().filter(|word| lower.contains(**word)).count() as f64;
    let words = lower.split_whitespace().count() as f64;
    let numbers = lower.split(|c: char| !c.is_ascii_digit()).filter(|run| !run.is_empty()).count();
    let questions = lower.matches('?').count() as f64;

    let mut score = -0.6;
    score += match task {
        "math" => 0.8,
        "code" => 0.7,
        "agent" => 0.5,
        "extract" => 0.1,
        "translate" | "classify" | "summarize" => -0.4,
        "chat" => -0.2,
        _ => 0.0,
    };
    score += 0.55 * hits(&HARD).min(4.0) - 0.6 * hits(&EASY).min(2.0);
    // Length says most in the middle: ten words are a trifle, two hundred a problem.
    score += 0.28 * (words.max(1.0).ln() - 3.0);
    score += 0.04 * (numbers as f64).min(12.0);
    score += 0.15 * (questions - 1.0).clamp(0.0, 3.0);
    score += 0.25 * f64::from(u8::from(shape.format == Format::JsonSchema));
    score += 0.05 * f64::from(shape.tools.min(10));
    score += 0.8 * f64::from(u8::from(super::thinks_hard(shape.reasoning)));
    let estimate = 1.0 / (1.0 + (-score).exp());
    // Two digits: a policy that says `> 0.6` should not hang on the fifteenth.
    (estimate * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harder_looks_harder() {
        let of = |text: &str, task| estimate(text, task, &RequestShape::default());
        let easy = of("Hello, what is the capital of France?", "chat");
        let middle = of("Write a Python function that reverses a string.", "code");
        let hard = of(
            "Prove that every bounded monotone sequence converges, derive the rate for x_{n+1} = \
             sqrt(2 + x_n), and explain why the edge cases hold under these constraints.",
            "math",
        );
        assert!(
            easy < 0.3 && easy < middle && middle < hard && hard > 0.7,
            "{easy} {middle} {hard}"
        );
        assert!((0.0..=1.0).contains(&of("", "other")));
    }
}
