//! What many replayed requests add up to, mergeable so that several threads can count.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use smallvec::SmallVec;

use super::line::Kind;
use crate::catalog::ModelIdx;

/// The most different changes that are told apart; later ones are only counted.
const MOST_CHANGES: usize = 10_000;

/// Where a request goes: what was decided, by which rule, and who is asked first in each step.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Choice {
    pub kind: Kind,
    pub rule: Box<str>,
    pub chain: Chain,
}

/// The models that are asked first, step by step. `None` is a model that is in no catalogue.
pub(super) type Chain = SmallVec<[Option<ModelIdx>; 2]>;

impl Choice {
    /// Who is asked first.
    pub fn first(&self) -> Option<ModelIdx> {
        self.chain.first().copied().flatten()
    }
}

/// One side of the comparison.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub kinds: BTreeMap<Kind, u64>,
    pub routes: HashMap<Box<str>, u64>,
    pub chains: HashMap<Chain, ChainSum>,
}

/// The requests that go up the same steps.
#[derive(Debug, Default, Clone)]
pub(super) struct ChainSum {
    pub requests: u64,
    /// What each step would cost if all of them were made, in nano-dollars.
    pub cost: SmallVec<[u128; 2]>,
    /// Requests with a step that has no price.
    pub unpriced: u64,
}

impl Side {
    pub fn add(&mut self, choice: &Choice, costs: &[Option<u64>]) {
        *self.kinds.entry(choice.kind).or_default() += 1;
        match self.routes.get_mut(&choice.rule) {
            Some(count) => *count += 1,
            None => drop(self.routes.insert(choice.rule.clone(), 1)),
        }
        if choice.kind != Kind::Plan {
            return;
        }
        let sum = match self.chains.get_mut(&choice.chain) {
            Some(sum) => sum,
            None => self.chains.entry(choice.chain.clone()).or_default(),
        };
        sum.requests += 1;
        sum.cost.resize(costs.len().max(sum.cost.len()), 0);
        for (sum, cost) in sum.cost.iter_mut().zip(costs) {
            *sum += u128::from(cost.unwrap_or(0));
        }
        sum.unpriced += u64::from(costs.contains(&None));
    }

    fn merge(&mut self, other: Side) {
        add_up(&mut self.kinds, other.kinds);
        for (route, count) in other.routes {
            *self.routes.entry(route).or_default() += count;
        }
        for (chain, more) in other.chains {
            let sum = self.chains.entry(chain).or_default();
            sum.requests += more.requests;
            sum.unpriced += more.unpriced;
            sum.cost.resize(more.cost.len().max(sum.cost.len()), 0);
            for (sum, more) in sum.cost.iter_mut().zip(&more.cost) {
                *sum += more;
            }
        }
    }
}

/// What the log says about one model.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// How long its answers took, in microseconds.
    pub latency: Vec<u32>,
    /// Answers that were looked at before they were taken, and how many of them were not.
    pub checked: u64,
    pub rejected: u64,
}

/// Requests that change in the same way.
#[derive(Debug)]
pub(super) struct Change {
    pub requests: u64,
    /// The first of them: its line's number and text.
    pub line: u64,
    pub text: String,
}

/// All that was counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub lines: u64,
    /// Lines that are none: how many, and the first with what is wrong with it.
    pub broken: u64,
    pub first_broken: Option<(u64, String)>,
    /// Attributes in the log that are not in the schema.
    pub unknown: BTreeMap<String, u64>,
    /// Models in the log that are not in the catalogue.
    pub unknown_models: BTreeMap<String, u64>,
    /// Which of the asked headers the log has.
    pub headers: Vec<bool>,
    pub before: Side,
    pub after: Side,
    pub route_changes: u64,
    pub model_changes: u64,
    pub newly_refused: u64,
    pub newly_answered: u64,
    /// What was really paid, in nano-dollars.
    pub billed: u128,
    /// Requests that went up to a further step.
    pub escalated: u64,
    /// Requests whose tokens had to be estimated.
    pub estimated: u64,
    pub seen: HashMap<ModelIdx, Seen>,
    pub changes: HashMap<(Choice, Choice), Change>,
    /// Changed requests whose change is one too many to be told apart.
    pub other_changes: u64,
}

impl Tally {
    /// Notes a request whose route, model or fate changes.
    pub fn change(&mut self, before: Choice, after: Choice, line: u64, text: &str) {
        let full = self.changes.len() >= MOST_CHANGES;
        match self.changes.get_mut(&(before.clone(), after.clone())) {
            Some(change) => change.requests += 1,
            None if full => self.other_changes += 1,
            None => {
                let change = Change { requests: 1, line, text: text.to_owned() };
                self.changes.insert((before, after), change);
            }
        }
    }

    pub fn merge(&mut self, other: Tally) {
        self.lines += other.lines;
        self.broken += other.broken;
        self.first_broken = match (self.first_broken.take(), other.first_broken) {
            (Some(a), Some(b)) => Some(if a.0 <= b.0 { a } else { b }),
            (a, b) => a.or(b),
        };
        add_up(&mut self.unknown, other.unknown);
        add_up(&mut self.unknown_models, other.unknown_models);
        self.headers.resize(self.headers.len().max(other.headers.len()), false);
        for (known, more) in self.headers.iter_mut().zip(other.headers) {
            *known |= more;
        }
        self.before.merge(other.before);
        self.after.merge(other.after);
        self.route_changes += other.route_changes;
        self.model_changes += other.model_changes;
        self.newly_refused += other.newly_refused;
        self.newly_answered += other.newly_answered;
        self.billed += other.billed;
        self.escalated += other.escalated;
        self.estimated += other.estimated;
        for (model, more) in other.seen {
            let seen = self.seen.entry(model).or_default();
            seen.latency.extend(more.latency);
            seen.checked += more.checked;
            seen.rejected += more.rejected;
        }
        self.other_changes += other.other_changes;
        for (key, more) in other.changes {
            match self.changes.get_mut(&key) {
                None => drop(self.changes.insert(key, more)),
                Some(change) => {
                    change.requests += more.requests;
                    if more.line < change.line {
                        (change.line, change.text) = (more.line, more.text);
                    }
                }
            }
        }
    }
}

fn add_up<K: Ord + Hash>(sum: &mut BTreeMap<K, u64>, more: BTreeMap<K, u64>) {
    for (key, count) in more {
        *sum.entry(key).or_default() += count;
    }
}
