//! Sums, worked out exactly.

use std::fmt;

/// A sum found in a text and its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sim) struct Worked {
    /// As it would be printed.
    pub(in crate::sim) expression: String,
    pub(in crate::sim) value: Ratio,
    /// Each single step: `17 × 23 = 391`.
    pub(in crate::sim) steps: Vec<String>,
    pub(in crate::sim) operations: u32,
}

/// An exact fraction in lowest terms; the denominator is positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sim) struct Ratio {
    top: i128,
    bottom: i128,
}

impl Ratio {
    /// Nothing if the denominator is zero or a number is too large.
    pub(in crate::sim) fn new(top: i128, bottom: i128) -> Option<Ratio> {
        fn common(a: u128, b: u128) -> u128 {
            if b == 0 { a } else { common(b, a % b) }
        }
        let divisor = i128::try_from(common(top.unsigned_abs(), bottom.unsigned_abs())).ok()?;
        let sign = if bottom < 0 { -1 } else { 1 };
        let bottom_sign = bottom.checked_mul(sign)?;
        (bottom != 0).then_some(())?;
        Some(Ratio { top: top.checked_mul(sign)? / divisor, bottom: bottom_sign / divisor })
    }

    /// As near as a float comes.
    pub(in crate::sim) fn as_f64(self) -> f64 {
        self.top as f64 / self.bottom as f64
    }

    /// The next whole step beside it: what somebody gets who slipped.
    pub(in crate::sim) fn slipped(self, by: i128) -> Option<Ratio> {
        Ratio::new(self.top.checked_add(self.bottom.checked_mul(by)?)?, self.bottom)
    }

    fn apply(self, operator: char, other: Ratio) -> Option<Ratio> {
        let (a, b, c, d) = (self.top, self.bottom, other.top, other.bottom);
        match operator {
            '+' => Ratio::new(a.checked_mul(d)?.checked_add(c.checked_mul(b)?)?, b.checked_mul(d)?),
            '-' => Ratio::new(a.checked_mul(d)?.checked_sub(c.checked_mul(b)?)?, b.checked_mul(d)?),
            '*' => Ratio::new(a.checked_mul(c)?, b.checked_mul(d)?),
            '/' => Ratio::new(a.checked_mul(d)?, b.checked_mul(c)?),
            '%' if b == 1 && d == 1 => Ratio::new(a.checked_rem_euclid(c)?, 1),
            '^' if d == 1 => {
                let power = u32::try_from(c.unsigned_abs()).ok()?;
                let (top, bottom) = (a.checked_pow(power)?, b.checked_pow(power)?);
                if c < 0 { Ratio::new(bottom, top) } else { Ratio::new(top, bottom) }
            }
            _ => None,
        }
    }
}

/// A decimal: exact where it ends within ten places, else rounded to six.
impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bottom == 1 {
            return write!(f, "{}", self.top);
        }
        let exact = (1..=10u32).find(|&places| 10i128.pow(places) % self.bottom == 0);
        let places = exact.unwrap_or(6);
        let scale = 10i128.pow(places);
        let Some(scaled) = self.top.checked_mul(scale) else {
            return write!(f, "{:e}", self.as_f64());
        };
        let half = if self.top < 0 { -self.bottom / 2 } else { self.bottom / 2 };
        let rounded = (scaled.saturating_add(half)) / self.bottom;
        let sign = if rounded < 0 { "-" } else { "" };
        let (whole, part) = (rounded.abs() / scale, rounded.abs() % scale);
        write!(f, "{sign}{whole}.{part:0width$}", width = places as usize)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Token {
    Number(Ratio),
    Operator(char),
    Open,
    Close,
    Break,
}

/// The longest sum in a text, if the text asks for one; or the sum that it tells as a story.
pub(in crate::sim) fn find(text: &str) -> Option<Worked> {
    find_written(text).or_else(|| work(&tokenize(&super::story::expression(text)?)))
}

fn find_written(text: &str) -> Option<Worked> {
    // A sum stands near the beginning or not at all; a book is not searched for one.
    let text: String = text.chars().take(4_000).collect();
    let tokens = tokenize(&text);
    let best = tokens
        .split(|token| *token == Token::Break)
        .filter(|run| run.len() >= 3)
        .flat_map(|run| (0..run.len().min(64)).filter_map(|start| work(&run[start..])))
        .fold(None, |best: Option<Worked>, next| match best {
            Some(best) if best.operations >= next.operations => Some(best),
            _ => Some(next),
        })?;
    let lower = text.to_lowercase();
    let asked = [
        "what is",
        "what's",
        "calculate",
        "compute",
        "evaluate",
        "solve",
        "how much",
        "=",
        "result",
        "work out",
        "sum of",
        "add ",
        "answer",
    ];
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    (letters * 2 < text.len() || asked.iter().any(|word| lower.contains(word))).then_some(best)
}

fn tokenize(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut length = c.len_utf8();
        match c {
            '0'..='9' => {
                let end = rest
                    .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ','))
                    .unwrap_or(rest.len());
                let digits = rest[..end].trim_end_matches(['.', ',']);
                length = digits.len();
                tokens.push(number(digits).map_or(Token::Break, Token::Number));
            }
            '+' | '-' | '*' | '/' | '^' | '%' => tokens.push(Token::Operator(c)),
            '−' | '–' => tokens.push(Token::Operator('-')),
            '×' | '·' => tokens.push(Token::Operator('*')),
            '÷' => tokens.push(Token::Operator('/')),
            '(' => tokens.push(Token::Open),
            ')' => tokens.push(Token::Close),
            c if c.is_alphabetic() => {
                length = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
                word(&rest[..length].to_lowercase(), &mut tokens);
            }
            c if c.is_whitespace() => {}
            _ => tokens.push(Token::Break),
        }
        rest = &rest[length..];
    }
    tokens
}

/// Words that are operators.
fn word(word: &str, tokens: &mut Vec<Token>) {
    let whole = |n| Ratio { top: n, bottom: 1 };
    match word {
        "plus" => tokens.push(Token::Operator('+')),
        "minus" => tokens.push(Token::Operator('-')),
        "times" | "multiplied" | "x" => tokens.push(Token::Operator('*')),
        "divided" => tokens.push(Token::Operator('/')),
        "mod" | "modulo" => tokens.push(Token::Operator('%')),
        "by" if matches!(tokens.last(), Some(Token::Operator('*' | '/'))) => {}
        "squared" => tokens.extend([Token::Operator('^'), Token::Number(whole(2))]),
        "cubed" => tokens.extend([Token::Operator('^'), Token::Number(whole(3))]),
        "percent" => tokens.push(Token::Operator('%')),
        // "15 % of 80" is 15 / 100 × 80.
        "of" if tokens.last() == Some(&Token::Operator('%')) => {
            tokens.pop();
            tokens.extend([Token::Operator('/'), Token::Number(whole(100)), Token::Operator('*')]);
        }
        _ => tokens.push(Token::Break),
    }
}

/// A number with or without thousands separators; not `007` and not `1.2.3`, which are names.
fn number(digits: &str) -> Option<Ratio> {
    let plain = digits.replace(',', "");
    let (whole, part) = plain.split_once('.').unwrap_or((&plain, ""));
    if (whole.len() > 1 && whole.starts_with('0')) || whole.len() + part.len() > 24 {
        return None;
    }
    let scale = 10i128.checked_pow(u32::try_from(part.len()).ok()?)?;
    Ratio::new(format!("{whole}{part}").parse().ok()?, scale)
}

/// Works out the sum at the beginning of a run of tokens, if there is one with an operation.
fn work(tokens: &[Token]) -> Option<Worked> {
    let mut parser = Parser { tokens, at: 0, depth: 0, steps: Vec::new() };
    let value = parser.expression(0)?;
    let operations = u32::try_from(parser.steps.len()).ok()?;
    (operations > 0).then(|| Worked {
        expression: print(&tokens[..parser.at]),
        value,
        steps: parser.steps,
        operations,
    })
}

fn sign_of(operator: char) -> &'static str {
    match operator {
        '+' => "+",
        '-' => "−",
        '*' => "×",
        '/' => "÷",
        '%' => "mod",
        _ => "^",
    }
}

fn print(tokens: &[Token]) -> String {
    let mut text = String::new();
    let mut value_before = false;
    for token in tokens {
        match token {
            Token::Number(number) => text.push_str(&number.to_string()),
            Token::Operator(c) if value_before => {
                text.push_str(&format!(" {} ", sign_of(*c)));
            }
            Token::Operator(c) => text.push_str(sign_of(*c)),
            Token::Open => text.push('('),
            Token::Close => text.push(')'),
            Token::Break => {}
        }
        value_before = matches!(token, Token::Number(_) | Token::Close);
    }
    text
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: u32,
    steps: Vec<String>,
}

impl Parser<'_> {
    /// Precedence climbing; stops before the first token that does not fit.
    fn expression(&mut self, least: u8) -> Option<Ratio> {
        let mut left = self.operand()?;
        while let Some(&Token::Operator(operator)) = self.tokens.get(self.at) {
            let (binding, next) = match operator {
                '+' | '-' => (1, 2),
                '*' | '/' | '%' => (3, 4),
                _ => (6, 6),
            };
            if binding < least {
                break;
            }
            let (before, steps) = (self.at, self.steps.len());
            self.at += 1;
            let Some(right) = self.expression(next) else {
                // "12 -" or "5%": what stood before the operator is still a sum.
                self.at = before;
                self.steps.truncate(steps);
                break;
            };
            let value = left.apply(operator, right)?;
            self.steps.push(format!("{left} {} {right} = {value}", sign_of(operator)));
            left = value;
        }
        Some(left)
    }

    fn operand(&mut self) -> Option<Ratio> {
        self.depth += 1;
        if self.depth > 100 {
            return None;
        }
        let token = *self.tokens.get(self.at)?;
        self.at += 1;
        let value = match token {
            Token::Number(number) => Some(number),
            Token::Operator('-') => {
                let value = self.expression(5)?;
                Ratio::new(value.top.checked_neg()?, value.bottom)
            }
            Token::Open => {
                let value = self.expression(0)?;
                if self.tokens.get(self.at) != Some(&Token::Close) {
                    return None;
                }
                self.at += 1;
                Some(value)
            }
            _ => None,
        };
        self.depth -= 1;
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(text: &str) -> Option<String> {
        find(text).map(|worked| format!("{} = {}", worked.expression, worked.value))
    }

    #[test]
    fn sums_in_sentences() {
        let cases = [
            ("What is 17*23?", "17 × 23 = 391"),
            ("Please calculate (2 + 3) * 4 - 6 / 4.", "(2 + 3) × 4 − 6 ÷ 4 = 18.5"),
            ("what's 15% of 80?", "15 ÷ 100 × 80 = 12"),
            ("What is 7 plus 8 times 2", "7 + 8 × 2 = 23"),
            ("compute 2^10", "2 ^ 10 = 1024"),
            ("What is 2^3^2?", "2 ^ 3 ^ 2 = 512"),
            ("1/3 + 1/3 =", "1 ÷ 3 + 1 ÷ 3 = 0.666667"),
            ("How much is 1,250 divided by 4?", "1250 ÷ 4 = 312.5"),
            ("what is -3 squared", "−3 ^ 2 = -9"),
            ("what is 17 mod 5", "17 mod 5 = 2"),
            ("What is 0.1 + 0.2?", "0.1 + 0.2 = 0.3"),
            ("-1/3*1", "−1 ÷ 3 × 1 = -0.333333"),
            ("Ann has 10 pears and eats 3. How many are left?", "10 − 3 = 7"),
        ];
        for (text, expected) in cases {
            assert_eq!(value(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_sum() {
        for text in [
            "Meet me on 2024-05-01, what is the plan?",
            "What is 1/0?",
            "Version 1.2.3",
            "There are 3 apples and 4 pears.",
            "What is (((((?",
            "What is 10^1000?",
            "",
        ] {
            assert_eq!(value(text), None, "{text}");
        }
    }

    #[test]
    fn steps_are_shown() {
        let worked = find("What is 2 + 3 * 4?").unwrap();
        assert_eq!(worked.steps, ["3 × 4 = 12", "2 + 12 = 14"]);
    }

    proptest! {
        #[test]
        fn agrees_with_integers(a in -999i64..999, b in 1i64..999, c in -999i64..999) {
            let found = find(&format!("what is {a} * {b} + {c}")).unwrap();
            prop_assert_eq!(found.value.to_string(), (a * b + c).to_string());
        }

        #[test]
        fn no_text_panics(text in "\\PC*|[-0-9+*/^%(). ]{0,60}|(what is )?[0-9^*-]{0,40}") {
            let _ = find(&text);
        }
    }
}
