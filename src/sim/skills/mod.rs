//! What the sim's models can do: small real skills, so that a right answer can be told from a
//! wrong one.

pub(super) mod arithmetic;
mod code;
mod picture;
mod prose;
mod story;
mod text;
mod translate;
mod units;

use fastrand::Rng;

/// What is asked.
pub(super) struct Question<'a> {
    /// The last thing the user said.
    pub(super) text: &'a str,
    /// The same in lower case.
    lower: String,
    pub(super) images: &'a [String],
    /// Decides between equally good wordings.
    pub(super) rng: Rng,
}

impl<'a> Question<'a> {
    /// A question as it was put.
    pub(super) fn new(text: &'a str, images: &'a [String], seed: u64) -> Question<'a> {
        Question { text, lower: text.to_lowercase(), images, rng: Rng::with_seed(seed) }
    }

    fn says(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.lower.contains(word))
    }

    /// One of several wordings.
    fn one_of(&mut self, wordings: &[String]) -> String {
        self.rng.choice(wordings.iter()).cloned().unwrap_or_default()
    }

    /// What the instruction is about: what stands in quotes, behind the first colon, or on the
    /// following lines.
    fn payload(&self) -> Option<&'a str> {
        let text = self.text;
        for (open, close) in [('"', '"'), ('“', '”'), ('`', '`')] {
            if let Some((_, rest)) = text.split_once(open)
                && let Some((quoted, _)) = rest.split_once(close)
                && !quoted.trim().is_empty()
            {
                return Some(quoted.trim());
            }
        }
        let behind = text.split_once(':').or_else(|| text.split_once('\n')).map(|(_, rest)| rest);
        behind.map(str::trim).filter(|rest| !rest.is_empty())
    }
}

/// An answer, and what somebody says instead who does not know better.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Solution {
    pub(super) right: String,
    pub(super) wrong: String,
}

/// Each skill answers what it understands and leaves the rest to the next.
const SKILLS: &[fn(&mut Question<'_>) -> Option<Solution>] = &[
    picture::describe,
    text::repeat,
    translate::translate,
    text::summarise,
    text::handle,
    text::classify,
    code::query,
    code::write,
    prose::prove,
    units::convert,
    sum,
    prose::recall,
    prose::greet,
];

/// Answers a question; there is always an answer.
pub(super) fn solve(mut question: Question<'_>) -> Solution {
    let question = &mut question;
    SKILLS.iter().find_map(|skill| skill(question)).unwrap_or_else(|| prose::explain(question))
}

fn sum(question: &mut Question<'_>) -> Option<Solution> {
    let worked = arithmetic::find(question.text)?;
    let slip = [-10, -1, 1, 2, 10, 100][question.rng.usize(0..6)];
    let told = |value: &str| match worked.steps.as_slice() {
        [_] => format!("{} = {value}", worked.expression),
        steps => {
            format!("Step by step:\n- {}\n\nSo {} = {value}", steps.join("\n- "), worked.expression)
        }
    };
    let wrong = worked.value.slipped(slip).map_or("infinity".to_owned(), |value| value.to_string());
    Some(Solution {
        right: told(&worked.value.to_string()),
        wrong: format!("{} = {wrong}", worked.expression),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The right answer to a question.
    pub(super) fn right(text: &str) -> String {
        solve(Question::new(text, &[], 7)).right
    }

    #[test]
    fn each_skill_answers_its_questions() {
        insta::assert_snapshot!(right("What is 17*23?"), @"17 × 23 = 391");
        insta::assert_snapshot!(right("What is 2 + 3 * 4?"), @r"
        Step by step:
        - 3 × 4 = 12
        - 2 + 12 = 14

        So 2 + 3 × 4 = 14
        ");
        insta::assert_snapshot!(right("How many feet are in 3 meters?"), @"3 m = 9.8425 ft");
        insta::assert_snapshot!(right("Say exactly: pong"), @"pong");
        insta::assert_snapshot!(right("What is the capital of Norway?"), @"The capital of Norway is Oslo.");
    }

    #[test]
    fn the_wrong_answer_is_another() {
        for text in [
            "What is 17*23?",
            "Write a SQL query for the best customers",
            "How many people live in Oslo?",
            "Convert 5 km to miles",
            "Say exactly: pong",
            "Translate to French: good morning",
            "Summarise: One two. Three four. Five six.",
            "How many r are in strawberry?",
            "Is this review positive or negative? I love it",
            "Write a Rust function for fibonacci",
            "Prove that there are infinitely many primes",
            "What is the capital of Norway?",
            "Hello!",
            "Explain backpressure",
        ] {
            let solution = solve(Question::new(text, &[], 3));
            assert_ne!(solution.right, solution.wrong, "{text}");
            assert!(!solution.right.is_empty() && !solution.wrong.is_empty(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*|(translate|summarise|count|sort|convert|how many|write code)[ :\"a-z0-9äß]*") {
            let _ = solve(Question::new(&text, &[], 1));
        }
    }
}
