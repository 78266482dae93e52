//! Handling text: repeat, count, reverse, sort, list numbers, summarise, classify.

use std::collections::HashMap;

use super::{Question, Solution};

/// `Say exactly: pong`, `Repeat after me: …`, `Reply with "ok"`.
pub(super) fn repeat(question: &mut Question<'_>) -> Option<Solution> {
    const ORDERS: &[&str] =
        &["say ", "repeat", "reply with", "respond with", "answer with", "echo"];
    let ordered = ORDERS.iter().any(|order| {
        let lower = question.lower.trim_start_matches("please ");
        lower.starts_with(order)
    });
    if !ordered || question.says(&["json", "one of", "classify"]) {
        return None;
    }
    let said = match question.payload() {
        Some(said) => said.to_owned(),
        // "Say hello.", "Reply with the word pong"
        None => {
            let word = question.text.trim().rsplit(' ').next()?;
            word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned()
        }
    };
    (!said.is_empty()).then(|| Solution { wrong: format!("You said: {said}"), right: said })
}

/// `count from 1 to 50`, `how many r's are in strawberry`, `reverse`, `sort`, `uppercase`.
pub(super) fn handle(question: &mut Question<'_>) -> Option<Solution> {
    if question.says(&["count from", "count to", "numbers from", "count up"]) {
        return count_up(question);
    }
    if question.says(&["how many words"]) {
        let words = question.payload()?.split_whitespace().count();
        return Some(number("There are", words, "words"));
    }
    if question.says(&["how many letters", "how many characters"]) {
        let letters = subject_word(question)?.chars().filter(|c| c.is_alphanumeric()).count();
        return Some(number("There are", letters, "letters"));
    }
    if let Some(letter) = asked_letter(&question.lower) {
        let word = subject_word(question)?;
        let times = word.to_lowercase().chars().filter(|&c| c == letter).count();
        return Some(Solution {
            right: format!("The letter \"{letter}\" appears {times} times in \"{word}\"."),
            wrong: format!(
                "The letter \"{letter}\" appears {} times in \"{word}\".",
                times.saturating_sub(1).max(usize::from(times == 0) * 2)
            ),
        });
    }
    let starts = |words: &[&str]| words.iter().any(|word| question.lower.starts_with(word));
    if starts(&["reverse"]) {
        let right: String = subject_word(question)?.chars().rev().collect();
        let wrong = format!("{} {right}", right.chars().next().unwrap_or('?'));
        return Some(Solution { right, wrong });
    }
    if starts(&["uppercase", "capitalise", "capitalize"]) {
        let said = question.payload()?;
        return Some(Solution { right: said.to_uppercase(), wrong: format!("{said}!") });
    }
    if starts(&["sort"]) {
        return sort(question);
    }
    None
}

fn number(before: &str, count: usize, what: &str) -> Solution {
    Solution {
        right: format!("{before} {count} {what}."),
        wrong: format!("{before} {} {what}.", count + 2),
    }
}

/// The letter in `how many r's are in …` or `how many times does the letter r …`.
fn asked_letter(lower: &str) -> Option<char> {
    let rest = lower.split_once("how many ")?.1;
    let rest = rest.strip_prefix("times does the letter ").unwrap_or(rest);
    let rest = rest.trim_start_matches(['"', '\'', '`']);
    let mut chars = rest.chars();
    let letter = chars.next().filter(|c| c.is_alphabetic())?;
    let ending = chars.as_str().split(' ').next().unwrap_or("");
    matches!(ending, "" | "s" | "'s" | "’s" | "\"" | "'" | "\"s").then_some(letter)
}

/// The word the question is about: the quoted one or the last one.
fn subject_word<'a>(question: &Question<'a>) -> Option<&'a str> {
    let text = question.text.trim();
    let last = || text.split_whitespace().next_back();
    let word = question.payload().or_else(last)?;
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    (!word.is_empty()).then_some(word)
}

fn count_up(question: &Question<'_>) -> Option<Solution> {
    let mut numbers = question
        .text
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse::<u64>().ok());
    let first = numbers.next()?;
    let (from, to) = numbers.next().map_or((1, first), |second| (first, second));
    let list = |from: u64, to: u64| {
        let last = to.min(from.saturating_add(20_000));
        (from..=last).map(|n| n.to_string()).collect::<Vec<_>>().join(", ")
    };
    (from <= to).then(|| Solution {
        right: list(from, to),
        wrong: list(from, to).replace('7', "8") + ", and so on",
    })
}

fn sort(question: &Question<'_>) -> Option<Solution> {
    let items: Vec<&str> =
        question.payload()?.split([',', '\n']).map(str::trim).filter(|i| !i.is_empty()).collect();
    let numbers: Option<Vec<f64>> = items.iter().map(|item| item.parse().ok()).collect();
    let mut order: Vec<usize> = (0..items.len()).collect();
    match &numbers {
        Some(numbers) => order.sort_by(|&a, &b| numbers[a].total_cmp(&numbers[b])),
        None => order.sort_by_key(|&i| items[i].to_lowercase()),
    }
    let sorted: Vec<&str> = order.iter().map(|&i| items[i]).collect();
    let mut wrong = sorted.clone();
    wrong.reverse();
    let wrong = format!("{}.", wrong.join(", "));
    (items.len() > 1).then(|| Solution { right: sorted.join(", "), wrong })
}

/// The sentences that say most of what the text says, in their order.
pub(super) fn summarise(question: &mut Question<'_>) -> Option<Solution> {
    if !question.says(&["summarise", "summarize", "summary", "tl;dr", "key points"]) {
        return None;
    }
    let body = question.payload().filter(|body| body.contains(' '))?;
    let sentences: Vec<&str> = body
        .split_inclusive(['.', '!', '?', '\n'])
        .map(str::trim)
        .filter(|sentence| sentence.chars().any(char::is_alphanumeric))
        .collect();
    let mut weight: HashMap<String, u32> = HashMap::new();
    for word in long_words(body) {
        *weight.entry(word).or_default() += 1;
    }
    let mut ranked: Vec<(u32, usize)> = sentences
        .iter()
        .enumerate()
        .map(|(i, sentence)| {
            let words: Vec<String> = long_words(sentence).collect();
            let sum: u32 = words.iter().filter_map(|word| weight.get(word)).sum();
            // The average, so that long sentences do not always win; the first one sets the topic.
            (100 * sum / (words.len() as u32 + 3) + if i == 0 { 100 } else { 0 }, i)
        })
        .collect();
    ranked.sort_by_key(|&(score, i)| (std::cmp::Reverse(score), i));
    let keep = if question.says(&["one sentence"]) { 1 } else { (sentences.len() / 4).clamp(1, 4) };
    let mut kept: Vec<usize> = ranked.iter().take(keep).map(|(_, i)| *i).collect();
    kept.sort_unstable();
    let right = kept.iter().map(|&i| sentences[i]).collect::<Vec<_>>().join(" ");
    let last = sentences.last()?;
    Some(Solution { wrong: format!("The text is mainly about this: {last}"), right })
}

fn long_words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.chars().count() > 4)
        .map(str::to_lowercase)
}

const GOOD: &[&str] = &[
    "amazing",
    "best",
    "brilliant",
    "delight",
    "enjoy",
    "excellent",
    "fantastic",
    "friendly",
    "good",
    "great",
    "happy",
    "helpful",
    "impress",
    "love",
    "nice",
    "perfect",
    "pleased",
    "recommend",
    "thank",
    "wonderful",
];
const BAD: &[&str] = &[
    "angry",
    "annoy",
    "awful",
    "bad",
    "broke",
    "crash",
    "disappoint",
    "fail",
    "hate",
    "horrible",
    "poor",
    "refund",
    "rude",
    "sad",
    "slow",
    "terrible",
    "unhappy",
    "useless",
    "waste",
    "worst",
];

/// `Is this positive or negative? …`, `Classify as one of: billing, bug, praise. Text: …`.
pub(super) fn classify(question: &mut Question<'_>) -> Option<Solution> {
    if !question.says(&["sentiment", "positive", "negative", "classify", "categor"]) {
        return None;
    }
    if let Some(labels) = labels(question.text) {
        let rest = question.lower.rsplit(['\n', ':']).next().unwrap_or("").to_owned();
        // The label whose letters the text knows best; ties go to the first.
        let score = |label: &str| {
            let stem: String = label.to_lowercase().chars().take(4).collect();
            rest.matches(&stem).count() as i32 * 3 + leaning(&label.to_lowercase()) * leaning(&rest)
        };
        let best = labels.iter().rev().max_by_key(|label| score(label))?;
        let other = labels.iter().find(|label| label != &best)?;
        return Some(Solution { right: (*best).to_owned(), wrong: (*other).to_owned() });
    }
    let (right, wrong) =
        match leaning(&question.lower.replace("positive", "").replace("negative", "")) {
            1.. => ("Positive", "Negative"),
            0 => ("Neutral", "Positive"),
            _ => ("Negative", "Positive"),
        };
    Some(Solution { right: right.to_owned(), wrong: wrong.to_owned() })
}

/// The labels in `one of: a, b, c.`.
fn labels(text: &str) -> Option<Vec<&str>> {
    let list = ["one of:", "categories:", "labels:", "one of these:"]
        .iter()
        .find_map(|mark| text.split_once(mark))?
        .1;
    let list = list.split(['.', '\n', ';']).next()?;
    let labels: Vec<&str> = list
        .split(',')
        .map(|label| label.trim().trim_start_matches("or ").trim_matches(['"', '\'', '`']))
        .filter(|label| !label.is_empty())
        .collect();
    (labels.len() > 1).then_some(labels)
}

/// Above zero for praise, below for complaint.
fn leaning(lower: &str) -> i32 {
    let hits = |words: &[&str]| words.iter().map(|word| lower.matches(word).count()).sum::<usize>();
    let positive = hits(GOOD) + hits(&["positive", "praise"]);
    let negative = hits(BAD) + hits(&["negative", "complaint", "not good", "not great"]) * 2;
    (positive as i32 - negative as i32).signum()
}

#[cfg(test)]
mod tests {
    use super::super::tests::right;

    #[test]
    fn counting_sorting_and_turning() {
        assert_eq!(
            right("How many r's are in strawberry?"),
            "The letter \"r\" appears 3 times in \"strawberry\"."
        );
        assert_eq!(right("Count from 3 to 7"), "3, 4, 5, 6, 7");
        assert_eq!(right("Reverse the word stressed"), "desserts");
        assert_eq!(right("Sort these: 10, 9, 2"), "2, 9, 10");
        assert_eq!(right("sort: pear, Apple, fig"), "Apple, fig, pear");
        assert_eq!(right("How many words are in \"a b c\"?"), "There are 3 words.");
        assert_eq!(right("Reply with the word pong."), "pong");
    }

    #[test]
    fn summaries_keep_the_sentences_that_matter() {
        let text = "Summarise: The gateway routes requests. Cats are soft. The gateway also \
                    retries requests. Requests to the gateway that fail are retried. Fine. Good.";
        assert_eq!(right(text), "The gateway routes requests.");
    }

    #[test]
    fn classes() {
        assert_eq!(right("What is the sentiment? I love this, it is excellent."), "Positive");
        assert_eq!(right("Is this positive or negative? The app is awful and slow."), "Negative");
        let ticket =
            "Classify as one of: billing, bug, praise.\nText: the bill is wrong, billing again!";
        assert_eq!(right(ticket), "billing");
        let review = "Classify as one of: positive, negative.\nText: what a waste";
        assert_eq!(right(review), "negative");
    }
}
