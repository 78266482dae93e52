//! Code: a small shelf of snippets that really work.

use super::{Question, Solution};

/// What is asked for, by its words, and the code in Python, Rust and JavaScript.
struct Snippet {
    words: &'static [&'static str],
    code: [&'static str; 3],
    note: &'static str,
}

const LANGUAGES: [(&str, &[&str]); 3] = [
    ("python", &["python", ".py"]),
    ("rust", &["rust", "cargo"]),
    ("javascript", &["javascript", "typescript", "node", " js"]),
];

const SNIPPETS: &[Snippet] = &[
    Snippet {
        words: &["fizzbuzz", "fizz buzz"],
        code: [
            "for n in range(1, 101):\n    print(\"Fizz\" * (n % 3 == 0) + \"Buzz\" * (n % 5 == 0) or n)",
            "fn main() {\n    for n in 1..=100 {\n        match (n % 3, n % 5) {\n            (0, 0) => println!(\"FizzBuzz\"),\n            (0, _) => println!(\"Fizz\"),\n            (_, 0) => println!(\"Buzz\"),\n            _ => println!(\"{n}\"),\n        }\n    }\n}",
            "for (let n = 1; n <= 100; n++) {\n  console.log((n % 3 ? \"\" : \"Fizz\") + (n % 5 ? \"\" : \"Buzz\") || n);\n}",
        ],
        note: "It runs in O(n) and needs no memory.",
    },
    Snippet {
        words: &["fibonacci"],
        code: [
            "def fibonacci(n: int) -> int:\n    a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n    return a",
            "fn fibonacci(n: u32) -> u128 {\n    let (mut a, mut b) = (0u128, 1u128);\n    for _ in 0..n {\n        (a, b) = (b, a + b);\n    }\n    a\n}",
            "function fibonacci(n) {\n  let [a, b] = [0n, 1n];\n  for (let i = 0; i < n; i++) [a, b] = [b, a + b];\n  return a;\n}",
        ],
        note: "It keeps two numbers and adds n times, instead of recursing exponentially.",
    },
    Snippet {
        words: &["prime"],
        code: [
            "def is_prime(n: int) -> bool:\n    if n < 2:\n        return False\n    return all(n % d for d in range(2, int(n ** 0.5) + 1))",
            "fn is_prime(n: u64) -> bool {\n    n >= 2 && (2..).take_while(|d| d * d <= n).all(|d| n % d != 0)\n}",
            "function isPrime(n) {\n  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false;\n  return n >= 2;\n}",
        ],
        note: "Trial division up to the square root is enough: a larger factor has a smaller partner.",
    },
    Snippet {
        words: &["palindrome"],
        code: [
            "def is_palindrome(text: str) -> bool:\n    letters = [c.lower() for c in text if c.isalnum()]\n    return letters == letters[::-1]",
            "fn is_palindrome(text: &str) -> bool {\n    let letters = || text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase);\n    letters().collect::<Vec<_>>().iter().rev().copied().eq(letters())\n}",
            "function isPalindrome(text) {\n  const letters = [...text.toLowerCase()].filter((c) => /[\\p{L}\\p{N}]/u.test(c));\n  return letters.join(\"\") === letters.reverse().join(\"\");\n}",
        ],
        note: "Case, blanks and punctuation do not count.",
    },
    Snippet {
        words: &["revers"],
        code: [
            "def reverse(text: str) -> str:\n    return text[::-1]",
            "fn reverse(text: &str) -> String {\n    text.chars().rev().collect()\n}",
            "function reverse(text) {\n  return [...text].reverse().join(\"\");\n}",
        ],
        note: "It works on code points, so accents written as one character survive.",
    },
    Snippet {
        words: &["factorial"],
        code: [
            "def factorial(n: int) -> int:\n    result = 1\n    for k in range(2, n + 1):\n        result *= k\n    return result",
            "fn factorial(n: u32) -> Option<u128> {\n    (1..=u128::from(n)).try_fold(1u128, u128::checked_mul)\n}",
            "function factorial(n) {\n  let result = 1n;\n  for (let k = 2n; k <= BigInt(n); k++) result *= k;\n  return result;\n}",
        ],
        note: "The product of the empty range is 1, so 0! comes out right.",
    },
    Snippet {
        words: &["binary search"],
        code: [
            "def binary_search(items, wanted):\n    low, high = 0, len(items)\n    while low < high:\n        middle = (low + high) // 2\n        if items[middle] < wanted:\n            low = middle + 1\n        else:\n            high = middle\n    return low if low < len(items) and items[low] == wanted else None",
            "fn binary_search<T: Ord>(items: &[T], wanted: &T) -> Option<usize> {\n    let at = items.partition_point(|item| item < wanted);\n    (items.get(at) == Some(wanted)).then_some(at)\n}",
            "function binarySearch(items, wanted) {\n  let [low, high] = [0, items.length];\n  while (low < high) {\n    const middle = (low + high) >>> 1;\n    if (items[middle] < wanted) low = middle + 1;\n    else high = middle;\n  }\n  return items[low] === wanted ? low : -1;\n}",
        ],
        note: "The interval halves each time: O(log n).",
    },
    Snippet {
        words: &["queue", "lock-free", "concurrent", "thread"],
        code: [
            "import queue, threading\n\njobs = queue.Queue(maxsize=100)\n\ndef worker():\n    while (job := jobs.get()) is not None:\n        job()\n        jobs.task_done()\n\nthreading.Thread(target=worker, daemon=True).start()",
            "use std::sync::atomic::{AtomicUsize, Ordering::{Acquire, Release, Relaxed}};\nuse std::sync::OnceLock;\n\n/// A bounded queue for many producers and one consumer; slots are used once.\nstruct Queue<T, const N: usize> {\n    slots: [OnceLock<T>; N],\n    tail: AtomicUsize,\n}\n\nimpl<T, const N: usize> Queue<T, N> {\n    fn push(&self, item: T) -> Result<(), T> {\n        let take = |tail: usize| (tail < N).then_some(tail + 1);\n        match self.tail.fetch_update(Release, Relaxed, take) {\n            Ok(slot) => self.slots[slot].set(item),\n            Err(_) => Err(item),\n        }\n    }\n    fn get(&self, at: usize) -> Option<&T> {\n        (at < self.tail.load(Acquire)).then(|| self.slots[at].get()).flatten()\n    }\n}",
            "class Queue {\n  #items = [];\n  #waiting = [];\n  push(item) {\n    const next = this.#waiting.shift();\n    next ? next(item) : this.#items.push(item);\n  }\n  async pop() {\n    return this.#items.shift() ?? new Promise((done) => this.#waiting.push(done));\n  }\n}",
        ],
        note: "A slot is claimed by one atomic step, so no two producers write the same one.",
    },
    // What no other snippet covers: the commonest small job.
    Snippet {
        words: &[],
        code: [
            "from collections import Counter\n\ndef most_common(path: str, top: int = 10):\n    with open(path, encoding=\"utf-8\") as lines:\n        words = (word.lower() for line in lines for word in line.split())\n        return Counter(words).most_common(top)",
            "use std::collections::HashMap;\n\nfn count_words(text: &str) -> HashMap<String, usize> {\n    let mut counts = HashMap::new();\n    for word in text.split_whitespace() {\n        *counts.entry(word.to_lowercase()).or_default() += 1;\n    }\n    counts\n}",
            "function countWords(text) {\n  const counts = new Map();\n  for (const word of text.toLowerCase().split(/\\s+/).filter(Boolean)) {\n    counts.set(word, (counts.get(word) ?? 0) + 1);\n  }\n  return counts;\n}",
        ],
        note: "Read it as a starting point: it shows the shape, the names are yours to choose.",
    },
];

const QUERY: &str = "SELECT c.id, c.name, SUM(o.total) AS revenue\nFROM customers AS c\nJOIN orders AS o ON o.customer_id = c.id\nGROUP BY c.id, c.name\nORDER BY revenue DESC\nLIMIT 10;";

/// `Write a SQL query that …`.
pub(super) fn query(question: &mut Question<'_>) -> Option<Solution> {
    question.says(&["sql"]).then(|| Solution {
        right: format!(
            "```sql\n{QUERY}\n```\n\nAn index on `orders (customer_id)` keeps the join cheap."
        ),
        wrong: format!("```sql\n{}\n```", QUERY.replace("GROUP BY c.id, c.name\n", "")),
    })
}

/// `Write a Python function that …`.
pub(super) fn write(question: &mut Question<'_>) -> Option<Solution> {
    let task =
        question.says(&["write", "implement", "code", "function", "script", "program", "snippet"]);
    let subject = question.says(&["function", "code", "script", "program", "implement", "snippet"])
        || LANGUAGES.iter().any(|(_, words)| question.says(words));
    if !(task && subject) {
        return None;
    }
    let language = LANGUAGES.iter().position(|(_, words)| question.says(words)).unwrap_or_default();
    let snippet =
        SNIPPETS.iter().find(|snippet| snippet.words.is_empty() || question.says(snippet.words))?;
    let (name, code) = (LANGUAGES[language].0, snippet.code[language]);
    let opening = question.one_of(&["Here is one way:".to_owned(), "This does it:".to_owned()]);
    Some(Solution {
        right: format!("{opening}\n\n```{name}\n{code}\n```\n\n{}", snippet.note),
        wrong: format!("```{name}\n{}\n```", broken(code)),
    })
}

/// The first lines only, with the operators mixed up.
fn broken(code: &str) -> String {
    let lines = code.lines().count().div_ceil(2);
    code.lines()
        .take(lines)
        .collect::<Vec<_>>()
        .join("\n")
        .replace('+', "-")
        .replace("== 0", "== 1")
}

#[cfg(test)]
mod tests {
    use super::super::tests::right;

    #[test]
    fn the_language_and_the_task_are_heard() {
        let rust = right("Write a Rust function that checks if a number is prime");
        assert!(rust.contains("```rust\nfn is_prime("), "{rust}");
        let python = right("Please write code for a palindrome check");
        assert!(python.contains("```python\ndef is_palindrome("), "{python}");
    }
}
