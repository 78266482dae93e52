//! Texts that stand for all texts: one for every combination of patterns that some text can match.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::policy::cond::Glob;

/// The most states the search looks at before it gives up.
const MOST_STATES: usize = 20_000;

/// For every way in which a text can match the globs and be one of the words: a text that does.
/// `None` where there are too many ways to look at.
///
/// The automata of all patterns run side by side over growing texts, the shortest first, so each
/// text found is a shortest one.
pub fn representatives(globs: &[&Glob], words: &[&str]) -> Option<Vec<String>> {
    if globs.is_empty() {
        let mut texts: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        texts.push(other_than(words));
        return Some(texts);
    }
    let patterns: Vec<Vec<char>> =
        globs.iter().map(|glob| glob.as_str().chars().collect()).collect();
    let words: Vec<Vec<char>> = words.iter().map(|word| word.chars().collect()).collect();
    let mut alphabet: Vec<char> = patterns
        .iter()
        .chain(&words)
        .flatten()
        .copied()
        .filter(|c| !matches!(c, '*' | '?'))
        .collect();
    // One character that no pattern names, and the two that patterns cannot name.
    let fresh = ('a'..='z').chain('0'..='9').chain('\u{e000}'..).find(|c| !alphabet.contains(c))?;
    alphabet.extend([fresh, '*', '?']);
    alphabet.sort_unstable();
    alphabet.dedup();
    // Plain letters make the nicest examples.
    alphabet.sort_by_key(|c| (!c.is_ascii_alphanumeric(), *c));

    let trie = Trie::of(&words);
    let start = State {
        sets: patterns.iter().map(|pattern| closed(pattern, vec![0])).collect(),
        node: Some(0),
    };
    let mut seen: HashSet<State> = HashSet::from([start.clone()]);
    let mut found: HashMap<(Vec<bool>, Option<usize>), String> = HashMap::new();
    let mut open = VecDeque::from([(start, String::new())]);
    while let Some((state, text)) = open.pop_front() {
        let matched = state.sets.iter().zip(&patterns).map(|(set, p)| set.last() == Some(&p.len()));
        let word = state.node.and_then(|node| trie.nodes[node].word);
        found.entry((matched.collect(), word)).or_insert_with(|| text.clone());
        for &c in &alphabet {
            let next = State {
                sets: state
                    .sets
                    .iter()
                    .zip(&patterns)
                    .map(|(set, pattern)| stepped(pattern, set, c))
                    .collect(),
                node: state.node.and_then(|node| trie.nodes[node].next.get(&c).copied()),
            };
            if seen.contains(&next) {
                continue;
            }
            if seen.len() >= MOST_STATES {
                return None;
            }
            seen.insert(next.clone());
            let mut longer = text.clone();
            longer.push(c);
            open.push_back((next, longer));
        }
    }
    let mut texts: Vec<String> = found.into_values().collect();
    texts.sort_by(|a, b| (a.chars().count(), a).cmp(&(b.chars().count(), b)));
    Some(texts)
}

/// A text that is none of these.
pub fn other_than(words: &[&str]) -> String {
    let mut text = "other".to_owned();
    while words.contains(&text.as_str()) {
        text.push('s');
    }
    text
}

/// Where the automata stand after a text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    /// Per glob the places in its pattern that it may be at, in order.
    sets: Vec<Vec<usize>>,
    /// The node of the words' trie; none when no word begins like this.
    node: Option<usize>,
}

/// With the places behind every `*`, which matches nothing, too.
fn closed(pattern: &[char], mut places: Vec<usize>) -> Vec<usize> {
    let mut at = 0;
    while at < places.len() {
        let place = places[at];
        if pattern.get(place) == Some(&'*') && !places.contains(&(place + 1)) {
            places.push(place + 1);
        }
        at += 1;
    }
    places.sort_unstable();
    places.dedup();
    places
}

fn stepped(pattern: &[char], places: &[usize], c: char) -> Vec<usize> {
    let next = places.iter().filter_map(|&place| match pattern.get(place) {
        Some('*') => Some(place),
        Some('?') => Some(place + 1),
        Some(want) if *want == c => Some(place + 1),
        _ => None,
    });
    closed(pattern, next.collect())
}

#[derive(Default)]
struct Node {
    next: HashMap<char, usize>,
    word: Option<usize>,
}

struct Trie {
    nodes: Vec<Node>,
}

impl Trie {
    fn of(words: &[Vec<char>]) -> Trie {
        let mut nodes = vec![Node::default()];
        for (index, word) in words.iter().enumerate() {
            let mut at = 0;
            for c in word {
                at = match nodes[at].next.get(c) {
                    Some(next) => *next,
                    None => {
                        nodes.push(Node::default());
                        let new = nodes.len() - 1;
                        nodes[at].next.insert(*c, new);
                        new
                    }
                };
            }
            nodes[at].word = Some(index);
        }
        Trie { nodes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn signature(globs: &[Glob], words: &[String], text: &str) -> (Vec<bool>, Option<usize>) {
        let matched = globs.iter().map(|glob| glob.matches(text)).collect();
        (matched, words.iter().position(|word| word == text))
    }

    proptest! {
        #[test]
        fn every_way_to_match_has_a_text(
            globs in prop::collection::vec("[ab*?]{1,4}", 1..4),
            words in prop::collection::btree_set("[ab]{0,3}", 0..3),
        ) {
            let globs: Vec<Glob> = globs.iter().map(|glob| Glob::new(glob)).collect();
            let words: Vec<String> = words.into_iter().collect();
            let by_ref: Vec<&Glob> = globs.iter().collect();
            let word_refs: Vec<&str> = words.iter().map(String::as_str).collect();
            let found = representatives(&by_ref, &word_refs).unwrap();
            let ways: HashSet<_> =
                found.iter().map(|text| signature(&globs, &words, text)).collect();
            prop_assert_eq!(ways.len(), found.len(), "each way once");
            // All texts up to six letters, with one that no pattern names.
            let mut texts = vec![String::new()];
            for length in 0..6 {
                let longer: Vec<String> = texts
                    .iter()
                    .filter(|text| text.len() == length)
                    .flat_map(|text| ["a", "b", "z"].map(|c| format!("{text}{c}")))
                    .collect();
                texts.extend(longer);
            }
            for text in texts {
                prop_assert!(ways.contains(&signature(&globs, &words, &text)), "{}", text);
            }
        }
    }

    #[test]
    fn without_patterns_the_words_and_one_other_suffice() {
        assert_eq!(representatives(&[], &["a", "other"]).unwrap(), ["a", "other", "others"]);
    }
}
