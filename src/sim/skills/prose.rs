//! Facts, proofs, greetings, and an explanation of anything.

use super::{Question, Solution};
use crate::sim::hints::PLACES;

/// Which of the places are capitals.
const CAPITALS: &[&str] = &[
    "Amsterdam",
    "Athens",
    "Bangkok",
    "Beijing",
    "Berlin",
    "Brussels",
    "Budapest",
    "Cairo",
    "Copenhagen",
    "Delhi",
    "Dublin",
    "Helsinki",
    "Lisbon",
    "London",
    "Madrid",
    "Mexico City",
    "Moscow",
    "Nairobi",
    "Oslo",
    "Paris",
    "Prague",
    "Rome",
    "Seoul",
    "Singapore",
    "Stockholm",
    "Tokyo",
    "Vienna",
    "Warsaw",
];

/// Words of a question and what is known about them.
const FACTS: &[(&[&str], &str, &str)] = &[
    (
        &["boil", "water"],
        "Water boils at 100 °C (212 °F) at sea level; higher up it boils at less.",
        "Water boils at 90 °C everywhere.",
    ),
    (
        &["speed", "light"],
        "The speed of light in vacuum is exactly 299 792 458 metres per second.",
        "The speed of light is about 3 million kilometres per second.",
    ),
    (
        &["largest", "planet"],
        "Jupiter is the largest planet of the solar system.",
        "Saturn is the largest planet of the solar system.",
    ),
    (
        &["moon", "landing"],
        "Apollo 11 landed on the Moon on 20 July 1969.",
        "The first Moon landing was in 1972.",
    ),
    (&["days", "leap year"], "A leap year has 366 days.", "A leap year has 364 days."),
    (
        &["wrote", "hamlet"],
        "William Shakespeare wrote Hamlet.",
        "Christopher Marlowe wrote Hamlet.",
    ),
];

/// Questions whose answer is a fact.
pub(super) fn recall(question: &mut Question<'_>) -> Option<Solution> {
    if question.says(&["capital of"]) {
        let (city, country) = PLACES.iter().find(|(city, country)| {
            CAPITALS.contains(city) && question.lower.contains(&country.to_lowercase())
        })?;
        let (other, _) = PLACES[(city.len() * 7) % PLACES.len()];
        let other = if other == *city { "Springfield" } else { other };
        return Some(Solution {
            right: format!("The capital of {country} is {city}."),
            wrong: format!("The capital of {country} is {other}."),
        });
    }
    let (_, right, wrong) =
        FACTS.iter().find(|(words, ..)| words.iter().all(|word| question.lower.contains(word)))?;
    Some(Solution { right: (*right).to_owned(), wrong: (*wrong).to_owned() })
}

const PROOFS: &[(&[&str], &str)] = &[
    (
        &["irrational"],
        "Suppose √2 = p/q in lowest terms. Then p² = 2q², so p² is even, and so is p: p = 2r. \
         Then 4r² = 2q², so q² = 2r² and q is even too. But p/q was in lowest terms, a \
         contradiction. So √2 is irrational. ∎",
    ),
    (
        &["primes"],
        "Suppose p₁, …, pₙ were all the primes. Let N = p₁⋯pₙ + 1. N leaves the remainder 1 when \
         divided by each pᵢ, so none of them divides it. But N > 1 has some prime factor, which is \
         then not in the list, a contradiction. So there are infinitely many primes. ∎",
    ),
    (
        &["sum of the first", "1 + 2"],
        "By induction on n: for n = 1 both sides are 1. If 1 + … + n = n(n+1)/2, then adding n + 1 \
         gives n(n+1)/2 + (n+1) = (n+1)(n+2)/2, which is the claim for n + 1. ∎",
    ),
    (
        &[],
        "We argue by contradiction. Assume the claim fails and take a smallest counterexample. \
         Removing one element leaves a smaller case, for which the claim holds; putting the element \
         back changes both sides by the same amount, so it holds for the counterexample as well, a \
         contradiction. So the claim holds for all cases, provided that a smallest one exists, \
         which is where the assumption of finiteness is used. ∎",
    ),
];

/// `Prove that …`.
pub(super) fn prove(question: &mut Question<'_>) -> Option<Solution> {
    if !question.says(&["prove ", "proof"]) {
        return None;
    }
    let (_, proof) = PROOFS
        .iter()
        .find(|(words, _)| words.is_empty() || words.iter().any(|w| question.lower.contains(w)))?;
    Some(Solution {
        right: (*proof).to_owned(),
        wrong: "It holds for 1, 2 and 3, and so for all numbers. ∎".to_owned(),
    })
}

/// `Hello`.
pub(super) fn greet(question: &mut Question<'_>) -> Option<Solution> {
    let first = question.lower.split(|c: char| !c.is_alphabetic()).next()?;
    let short = question.text.split_whitespace().count() <= 6;
    if !short || !["hello", "hi", "hey", "ping", "good"].contains(&first) {
        return None;
    }
    let wordings = ["Hello! How can I help you today?", "Hi! What can I do for you?"];
    let right = question.one_of(&wordings.map(str::to_owned));
    Some(Solution { right, wrong: "Hello hello.".to_owned() })
}

/// What `{}` is filled with is the topic.
const SENTENCES: &[&str] = &[
    "At its core, {} is about trading one scarce thing for another, and knowing which one is scarce.",
    "The usual way into {} is a concrete case: take one example, follow it from end to end, and name what changes on the way.",
    "Two forces pull on {}: what is simple to explain and what holds up under load.",
    "In practice, {} goes wrong at the edges, where one part assumes what another never promised.",
    "A good test of {} is to take something away and see whether anybody misses it.",
    "People who work with {} every day measure first and argue afterwards.",
    "The history of {} is short: a workaround became a habit, the habit became a rule, and the rule was finally written down.",
    "It helps to separate the policy of {} from its mechanism: what should happen, and how it is made to happen.",
    "The cost of {} is rarely where it is looked for; it hides in waiting and in doing things twice.",
    "A common mistake with {} is to optimise the average and forget the slowest tenth.",
    "When {} works well, nobody notices it, which is why it is often underfunded.",
    "Start small with {}: one rule, one number that tells whether it holds, and a way back.",
];

/// Words around the topic.
const ASKING: &[&str] = &[
    "a",
    "about",
    "an",
    "and",
    "answer",
    "are",
    "article",
    "briefly",
    "can",
    "could",
    "describe",
    "detail",
    "do",
    "does",
    "essay",
    "explain",
    "facts",
    "five",
    "for",
    "give",
    "how",
    "i",
    "in",
    "is",
    "it",
    "json",
    "list",
    "long",
    "me",
    "of",
    "on",
    "one",
    "paragraph",
    "paragraphs",
    "please",
    "points",
    "sentence",
    "sentences",
    "short",
    "story",
    "tell",
    "the",
    "three",
    "to",
    "two",
    "what",
    "why",
    "with",
    "word",
    "words",
    "work",
    "works",
    "write",
    "you",
    "your",
];

/// Beginnings of questions that have one answer, which one knows or does not.
const FACTUAL: &[&str] =
    &["who ", "when ", "where ", "which ", "how many ", "how much ", "how old ", "how tall "];

/// What the question is about: its first sentence without the words around the topic.
fn topic(text: &str) -> String {
    let head: String = text.chars().take(400).collect();
    let sentence = head.split(['.', '?', '!', ':', '\n', ',']).next().unwrap_or("");
    let words: Vec<&str> = sentence.split_whitespace().collect();
    let is_around = |word: &&str| {
        let word = word.to_lowercase();
        ASKING.contains(&word.as_str()) || word.starts_with(|c: char| c.is_ascii_digit())
    };
    let start = words.iter().take_while(|word| is_around(word)).count();
    let end = words.iter().rposition(|word| !is_around(word)).map_or(start, |last| last + 1);
    let topic = words.get(start..end.min(start + 8)).unwrap_or(&[]).join(" ");
    if topic.is_empty() { "this question".to_owned() } else { topic }
}

/// Says something sensible about any topic, as long as was asked for.
pub(super) fn explain(question: &mut Question<'_>) -> Solution {
    let topic = topic(question.text);
    let factual = FACTUAL.iter().any(|start| question.lower.trim_start().starts_with(start))
        || (question.says(&["what is the ", "what was the "]) && question.lower.contains(" of "));
    if factual {
        return Solution {
            right: format!(
                "I have no reliable figure or source for this: {topic}. I would rather not guess."
            ),
            wrong: format!("Everybody knows about {topic}: the answer is seven."),
        };
    }
    let mut order: Vec<usize> = (0..SENTENCES.len()).collect();
    question.rng.shuffle(&mut order);
    let wanted = wanted_words(question);
    let mut text = String::new();
    let mut count = 0;
    for (i, &sentence) in order.iter().cycle().enumerate() {
        if count >= wanted {
            break;
        }
        if i > 0 {
            text.push_str(if i % 4 == 0 { "\n\n" } else { " " });
        }
        let sentence = SENTENCES[sentence].replace("{}", &topic);
        count += sentence.split_whitespace().count();
        text.push_str(&sentence);
    }
    Solution {
        right: text,
        wrong: format!("{topic} is a kind of software that is used for things."),
    }
}

/// `in 300 words`, `in one sentence`; else about fifty.
fn wanted_words(question: &Question<'_>) -> usize {
    let lower: Vec<&str> = question.lower.split_whitespace().collect();
    let asked = lower.windows(2).find_map(|pair| {
        let per = match pair[1].trim_matches(|c: char| !c.is_alphabetic()) {
            "word" | "words" => 1,
            "sentence" | "sentences" => 18,
            "paragraph" | "paragraphs" => 70,
            _ => return None,
        };
        let count: usize = match pair[0] {
            "one" | "a" => 1,
            "two" => 2,
            "three" => 3,
            "five" => 5,
            "ten" => 10,
            digits => digits.replace(',', "").parse().ok()?,
        };
        Some(count.saturating_mul(per))
    });
    asked.unwrap_or(50).clamp(1, 50_000)
}

#[cfg(test)]
mod tests {
    use super::super::tests::right;

    #[test]
    fn an_explanation_is_about_the_topic_and_as_long_as_asked() {
        let text = right("Write 300 words about backpressure in queues");
        let words = text.split_whitespace().count();
        assert!((300..340).contains(&words), "{words}");
        assert!(text.contains("backpressure in queues"), "{text}");
        assert!(right("Explain tides in one sentence").split_whitespace().count() < 40);
    }

    #[test]
    fn what_is_not_known_is_not_made_up() {
        assert!(right("How tall is the Fernsehturm?").contains("rather not guess"));
    }

    #[test]
    fn facts() {
        assert!(right("Who wrote Hamlet?").contains("Shakespeare"));
        assert!(right("Prove that the square root of two is irrational").ends_with('∎'));
    }
}
