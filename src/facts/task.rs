//! What kind of work a request is: signs are counted, the task with the most weight wins.
//!
//! The signs are words people use when they ask for the thing, and the request's own shape. The
//! order of the table breaks ties. docs/facts.md shows what this gets right and what not.

use crate::dialect::RequestShape;
use crate::dialect::shape::{Format, ToolChoice};

/// Words that speak for a task, with their weight. All lower case; matched at word starts.
const SIGNS: [(&str, u32, &[&str]); 8] = [
    (
        "code",
        3,
        &[
            "code",
            "function",
            "python",
            "javascript",
            "typescript",
            "rust",
            "java ",
            "c++",
            "sql",
            "bug",
            "debug",
            "compile",
            "refactor",
            "regex",
            "unit test",
            "api endpoint",
            "stack trace",
            "exception",
            "script",
            "algorithm",
            "class ",
            "html",
            "css",
            "bash",
            "docker",
            "implement",
            "programm",
            "código",
            "leetcode",
        ],
    ),
    (
        "math",
        3,
        &[
            "calculate",
            "compute",
            "solve",
            "equation",
            "integral",
            "derivative",
            "prove",
            "theorem",
            "probability",
            "how many",
            "how much",
            "percent",
            "sum of",
            "multiply",
            "divided by",
            "square root",
            "geometry",
            "algebra",
            "berechne",
            "calcule",
            "matrix",
            "polynomial",
        ],
    ),
    (
        "translate",
        6,
        &[
            "translate",
            "translation",
            "übersetze",
            "übersetzung",
            "traduis",
            "traduce",
            "traduzir",
            "traduci",
            "in english:",
            "into english",
            "into german",
            "into french",
            "into spanish",
            "翻译",
            "翻訳",
            "переведи",
        ],
    ),
    (
        "summarize",
        5,
        &[
            "summarize",
            "summarise",
            "summary",
            "tl;dr",
            "tldr",
            "key points",
            "main points",
            "in one sentence",
            "fasse zusammen",
            "zusammenfassung",
            "résume",
            "resume el",
            "condense",
            "shorten",
            "总结",
            "要約",
        ],
    ),
    (
        "classify",
        5,
        &[
            "classify",
            "categorize",
            "categorise",
            "sentiment",
            "which category",
            "label the",
            "label this",
            "is this spam",
            "positive or negative",
            "true or false",
            "klassifiziere",
        ],
    ),
    (
        "extract",
        5,
        &[
            "extract",
            "parse the",
            "pull out",
            "list all the names",
            "find all",
            "fill in the fields",
            "as json",
            "to json",
            "in json",
            "extrahiere",
            "named entities",
            "csv",
        ],
    ),
    (
        "creative",
        4,
        &[
            "poem",
            "story",
            "haiku",
            "lyrics",
            "song",
            "novel",
            "slogan",
            "tagline",
            "fairy tale",
            "limerick",
            "write a letter",
            "blog post",
            "brainstorm",
            "gedicht",
            "geschichte",
            "screenplay",
            "character",
        ],
    ),
    (
        "chat",
        2,
        &[
            "hello",
            "hi ",
            "hey",
            "thanks",
            "thank you",
            "how are you",
            "who are you",
            "what do you think",
            "tell me about",
            "recommend",
            "should i",
            "hallo",
            "bonjour",
            "hola",
        ],
    ),
];

/// The least weight that counts; below it a question is just a conversation.
const ENOUGH: u32 = 3;

/// The task, as one of [`crate::policy::schema::TASKS`].
pub(super) fn classify(text: &str, shape: &RequestShape) -> &'static str {
    let forced = matches!(shape.tool_choice, ToolChoice::Required | ToolChoice::Named);
    if shape.tool_results || (shape.tools > 0 && shape.tool_choice != ToolChoice::None && !forced) {
        return "agent";
    }
    let lower = text.to_lowercase();
    let mut best = ("other", 0);
    for (task, weight, words) in SIGNS {
        let mut score: u32 =
            words.iter().map(|word| occurrences(&lower, word).min(2) * weight).sum();
        match task {
            "code" if has_code(text) => score += 6,
            "math" => score += math_signs(text),
            // A forced tool or a schema is how programs get fields out of text.
            "extract" if forced || shape.format == Format::JsonSchema => score += 5,
            _ => {}
        }
        if score > best.1 {
            best = (task, score);
        }
    }
    match best {
        (task, score) if score >= ENOUGH => task,
        _ if text.trim().is_empty() => "other",
        _ => "chat",
    }
}

/// Whether the text holds code, not only speaks of it.
pub(super) fn has_code(text: &str) -> bool {
    if text.contains("```") {
        return true;
    }
    const LINE_STARTS: [&str; 18] = [
        "def ",
        "class ",
        "import ",
        "from ",
        "function ",
        "const ",
        "let ",
        "var ",
        "fn ",
        "pub ",
        "#include",
        "public ",
        "private ",
        "return ",
        "SELECT ",
        "INSERT ",
        "UPDATE ",
        "if (",
    ];
    const TOKENS: [&str; 10] = ["();", "){", ") {", "=> ", "->", "==", "!=", "&&", "</", "::"];
    let lines = text
        .lines()
        .map(str::trim_start)
        .filter(|line| {
            LINE_STARTS.iter().any(|start| line.starts_with(start))
                || line.trim_end().ends_with([';', '{', '}'])
        })
        .count();
    let tokens = TOKENS.iter().filter(|token| text.contains(**token)).count();
    lines >= 2 || lines + tokens >= 3
}

/// Digits beside operators, and the marks of formulas.
fn math_signs(text: &str) -> u32 {
    let bytes = text.as_bytes();
    let operators = bytes
        .windows(3)
        .filter(|w| {
            matches!(w[1], b'+' | b'*' | b'/' | b'^' | b'=')
                && (w[0].is_ascii_digit() || w[0] == b' ')
                && (w[2].is_ascii_digit() || w[2] == b' ')
        })
        .count() as u32;
    let formula = ["\\frac", "\\sqrt", "\\sum", "\\int", "$$", "x^2", "∫", "√", "≤"]
        .iter()
        .filter(|sign| text.contains(**sign))
        .count() as u32;
    // A word problem: several numbers and a question.
    let numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|run| !run.is_empty()).count();
    operators.min(3) * 2 + formula.min(2) * 4 + u32::from(numbers >= 3 && text.contains('?')) * 2
}

/// How often the word stands at the start of a word.
fn occurrences(text: &str, word: &str) -> u32 {
    text.match_indices(word)
        .filter(|(at, _)| {
            text[..*at].chars().next_back().is_none_or(|before| !before.is_alphanumeric())
        })
        .count() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks() {
        let shape = RequestShape::default();
        for (expected, text) in [
            ("code", "Write a Python function that reverses a linked list."),
            ("code", "Why does this fail?\n```\nlet x: u8 = 300;\n```"),
            ("math", "Solve the equation 3x + 5 = 20."),
            ("math", "Anna has 12 apples, gives 5 away and buys 3. How many are left?"),
            ("translate", "Translate to French: good morning"),
            ("summarize", "Summarize the following article in three bullet points: …"),
            ("classify", "Classify the sentiment of this review: I loved it"),
            ("extract", "Extract all dates and names from this contract as JSON."),
            ("creative", "Write a haiku about the autumn wind."),
            ("chat", "Hello! Who won the world cup in 1998?"),
            ("chat", "Why is the sky blue?"),
            ("other", ""),
        ] {
            assert_eq!(classify(text, &shape), expected, "{text}");
        }
    }

    #[test]
    fn offered_tools_make_an_agent() {
        let shape = RequestShape { tools: 2, ..RequestShape::default() };
        assert_eq!(classify("What is the weather in Paris?", &shape), "agent");
        let forced = RequestShape { tool_choice: ToolChoice::Named, ..shape };
        assert_eq!(classify("Extract the name: I am Bob", &forced), "extract");
    }
}
