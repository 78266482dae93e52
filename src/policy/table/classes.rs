//! Cutting each attribute's domain into classes that no condition of the policy can tell apart.
//!
//! A policy names finitely many constants, so each attribute falls into finitely many classes: the
//! intervals between cut points, the named texts and "any other". A condition then is a set of
//! classes per attribute, and evaluating becomes looking up the class of each value.

use std::collections::HashMap;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::policy::cond::{Op, Operand, Test};
use crate::policy::schema::Cost;
use crate::policy::value::{Facts, Value};

/// A set of classes of one dimension, as a bitset.
pub type ClassSet = SmallVec<[u64; 1]>;

/// Symbols up to this many are found by comparing one after the other, which beats hashing.
const LINEAR_SEARCH: usize = 8;

/// One dimension of the space of requests: an operand and the classes its values fall into.
#[derive(Debug)]
pub struct Dimension {
    /// What is looked at.
    pub operand: Operand,
    finder: Finder,
}

#[derive(Debug)]
enum Finder {
    /// Class 1 where the value passes the test, else 0.
    Passes(Op),
    /// Class 0 is absent; class `i + 1` lies before the `i`th cut and not before the one before.
    Cuts(Vec<i64>),
    /// Class 0 is absent, 1 any text that is not named; then the named ones.
    Symbols(Symbols),
}

#[derive(Debug)]
enum Symbols {
    Few(Vec<Arc<str>>),
    Many(HashMap<Arc<str>, u32>),
}

impl Dimension {
    /// How many classes there are.
    pub fn classes(&self) -> usize {
        match &self.finder {
            Finder::Passes(_) => 2,
            Finder::Cuts(cuts) => cuts.len() + 2,
            Finder::Symbols(Symbols::Few(names)) => names.len() + 2,
            Finder::Symbols(Symbols::Many(names)) => names.len() + 2,
        }
    }

    /// The test that is asked, where the classes are "no" and "yes".
    pub fn test(&self) -> Option<&Op> {
        match &self.finder {
            Finder::Passes(op) => Some(op),
            _ => None,
        }
    }

    /// Where its order is cut, if it has one: class `i + 1` ends before the `i`th cut.
    pub fn cuts(&self) -> Option<&[i64]> {
        match &self.finder {
            Finder::Cuts(cuts) => Some(cuts),
            _ => None,
        }
    }

    /// The texts that have a class of their own, in the order in which they first came.
    pub fn names(&self) -> Vec<&str> {
        match &self.finder {
            Finder::Symbols(Symbols::Few(names)) => names.iter().map(|name| &**name).collect(),
            Finder::Symbols(Symbols::Many(names)) => {
                let mut names: Vec<(&u32, &Arc<str>)> = names.iter().map(|(a, b)| (b, a)).collect();
                names.sort_unstable();
                names.into_iter().map(|(_, name)| &**name).collect()
            }
            _ => Vec::new(),
        }
    }

    /// What asking for its value costs.
    pub fn cost(&self) -> Cost {
        self.operand.cost()
    }

    /// The class of the facts at hand.
    pub fn class_of(&self, facts: &dyn Facts) -> usize {
        match &self.finder {
            Finder::Passes(Op::During(schedule)) => usize::from(schedule.contains(facts.now())),
            Finder::Passes(op) => usize::from(op.accepts(self.operand.value(facts))),
            Finder::Cuts(cuts) => match self.operand.value(facts).order_key() {
                None => 0,
                Some(key) => 1 + cuts.partition_point(|cut| *cut <= key),
            },
            Finder::Symbols(symbols) => match self.operand.value(facts) {
                Value::Str(text) => symbols.find(text).map_or(1, |index| index + 2),
                _ => 0,
            },
        }
    }

    /// The classes whose values pass the test.
    fn classes_passing(&self, test: &Test) -> ClassSet {
        let passes = |class: usize| match (&self.finder, &test.op) {
            (Finder::Passes(_), _) => class == 1,
            (_, Op::Present) => class != 0,
            _ => false,
        };
        match (&self.finder, &test.op) {
            // Named texts are looked up directly: a file may name ten thousand teams.
            (Finder::Symbols(symbols), Op::OneOf(texts)) => {
                let mut set = empty(self.classes());
                for index in texts.iter().filter_map(|text| symbols.find(text)) {
                    insert(&mut set, index + 2);
                }
                set
            }
            // So are intervals: there may be ten thousand cuts. A cut begins class `i + 2`.
            (Finder::Cuts(cuts), Op::Within(intervals)) => {
                let mut set = empty(self.classes());
                for (low, high) in intervals {
                    let first = match *low {
                        i64::MIN => 1,
                        low => 2 + cuts.partition_point(|cut| *cut < low),
                    };
                    let end = 2 + cuts.partition_point(|cut| cut <= high);
                    (first..end).for_each(|class| insert(&mut set, class));
                }
                set
            }
            _ => {
                let mut set = empty(self.classes());
                (0..self.classes())
                    .filter(|class| passes(*class))
                    .for_each(|c| insert(&mut set, c));
                set
            }
        }
    }
}

impl Symbols {
    fn find(&self, text: &str) -> Option<usize> {
        match self {
            Symbols::Few(names) => names.iter().position(|name| **name == *text),
            Symbols::Many(names) => names.get(text).map(|index| *index as usize),
        }
    }
}

/// All dimensions of a policy.
#[derive(Debug)]
pub struct Space {
    /// The dimensions, cheap ones first.
    pub dimensions: Vec<Dimension>,
    /// Where a test's operand has its cuts or symbols.
    by_operand: HashMap<Operand, usize>,
    /// Where a test that has its own dimension is.
    by_test: HashMap<Operand, Vec<usize>>,
}

impl Space {
    /// The space that these tests span.
    pub fn spanned_by<'a>(tests: impl Iterator<Item = &'a Arc<Test>> + Clone) -> Space {
        let mut order: Vec<Operand> = Vec::new();
        let mut cuts: HashMap<Operand, Vec<i64>> = HashMap::new();
        let mut symbols: HashMap<Operand, Vec<Arc<str>>> = HashMap::new();
        let mut seen: HashMap<Operand, std::collections::HashSet<Arc<str>>> = HashMap::new();
        for test in tests.clone() {
            match &test.op {
                Op::Within(intervals) => {
                    let cuts = entry(&mut cuts, &mut order, &test.operand);
                    for (low, high) in intervals {
                        cuts.extend((*low > i64::MIN).then_some(*low));
                        cuts.extend(high.checked_add(1));
                    }
                }
                Op::OneOf(texts) => {
                    let names = entry(&mut symbols, &mut order, &test.operand);
                    let seen = seen.entry(test.operand.clone()).or_default();
                    names.extend(texts.iter().filter(|text| seen.insert((*text).clone())).cloned());
                }
                _ => {}
            }
        }

        let mut dimensions = Vec::new();
        for operand in order {
            let finder = if let Some(mut cuts) = cuts.remove(&operand) {
                cuts.sort_unstable();
                cuts.dedup();
                Finder::Cuts(cuts)
            } else if let Some(names) = symbols.remove(&operand) {
                Finder::Symbols(if names.len() <= LINEAR_SEARCH {
                    Symbols::Few(names)
                } else {
                    Symbols::Many(names.into_iter().zip(0..).collect())
                })
            } else {
                continue;
            };
            dimensions.push(Dimension { operand, finder });
        }
        let shared: std::collections::HashSet<Operand> =
            dimensions.iter().map(|dimension| dimension.operand.clone()).collect();
        for test in tests {
            let own = match &test.op {
                Op::Within(_) | Op::OneOf(_) => false,
                Op::Present => !shared.contains(&test.operand),
                _ => true,
            };
            let known = || {
                dimensions.iter().any(|dimension| {
                    dimension.operand == test.operand
                        && matches!(&dimension.finder, Finder::Passes(op) if *op == test.op)
                })
            };
            if own && !known() {
                let finder = Finder::Passes(test.op.clone());
                dimensions.push(Dimension { operand: test.operand.clone(), finder });
            }
        }
        dimensions.sort_by_key(Dimension::cost);

        let (mut by_operand, mut by_test) = (HashMap::new(), HashMap::<_, Vec<usize>>::new());
        for (index, dimension) in dimensions.iter().enumerate() {
            match dimension.finder {
                Finder::Passes(_) => {
                    by_test.entry(dimension.operand.clone()).or_default().push(index);
                }
                _ => {
                    by_operand.insert(dimension.operand.clone(), index);
                }
            }
        }
        Space { dimensions, by_operand, by_test }
    }

    /// The dimension that decides a test, and the classes in which it holds.
    ///
    /// `None` only for a test the space was not spanned by.
    pub fn locate(&self, test: &Test) -> Option<(usize, ClassSet)> {
        let own = || {
            self.by_test.get(&test.operand)?.iter().copied().find(
                |index| matches!(&self.dimensions[*index].finder, Finder::Passes(op) if *op == test.op),
            )
        };
        let index = match &test.op {
            Op::Within(_) | Op::OneOf(_) => *self.by_operand.get(&test.operand)?,
            Op::Present => self.by_operand.get(&test.operand).copied().or_else(own)?,
            _ => own()?,
        };
        Some((index, self.dimensions[index].classes_passing(test)))
    }
}

fn entry<'a, T>(
    map: &'a mut HashMap<Operand, Vec<T>>,
    order: &mut Vec<Operand>,
    operand: &Operand,
) -> &'a mut Vec<T> {
    if !map.contains_key(operand) {
        order.push(operand.clone());
    }
    map.entry(operand.clone()).or_default()
}

/// The empty set of a dimension with this many classes.
pub fn empty(classes: usize) -> ClassSet {
    SmallVec::from_elem(0, classes.div_ceil(64))
}

/// Adds a class.
pub fn insert(set: &mut ClassSet, class: usize) {
    set[class / 64] |= 1 << (class % 64);
}

/// All classes that are not in the set.
pub fn complement(set: &ClassSet, classes: usize) -> ClassSet {
    let mut flipped: ClassSet = set.iter().map(|word| !word).collect();
    if !classes.is_multiple_of(64)
        && let Some(last) = flipped.last_mut()
    {
        *last &= (1 << (classes % 64)) - 1;
    }
    flipped
}
