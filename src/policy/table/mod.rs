//! The class table: all rules of a policy at once, by looking up bits.
//!
//! Every condition is a union of boxes, every box a bit. Per dimension and class the table holds
//! which boxes allow it; deciding is one AND per dimension over those rows, and the lowest bit that
//! is left is the first rule that matches. Costly attributes are asked for only while a box that
//! still matters constrains them.

pub(super) mod boxes;
pub(super) mod classes;

use smallvec::SmallVec;

pub use boxes::MOST_BOXES;
use boxes::Region;
use classes::Space;

use super::cond::Cond;
use super::schema::Cost;
use super::value::Facts;

/// Which rules match a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matches {
    /// Of the rules that are all carried out: every match, in order.
    pub all: SmallVec<[u32; 8]>,
    /// Of the rules of which only the first counts: that one.
    pub first: Option<u32>,
}

/// The most boxes that all conditions of a table may become.
pub const MOST_BOXES_IN_ALL: usize = 20_000;
/// The most patterns, elements and schedules that the conditions of a policy may ask about: each is an
/// axis of its own.
pub const MOST_PATTERNS: usize = 500;
/// The largest table, in words of 64 bits: 64 MiB.
const MOST_WORDS: usize = 8 << 20;

/// Conditions that fall apart into too many cases to be looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooComplex {
    /// One condition does so.
    Condition {
        /// Which of the conditions, counted over both lists.
        rule: usize,
    },
    /// All of them do so together.
    Together,
}

/// How many patterns, elements and schedules these conditions ask about; more than
/// [`MOST_PATTERNS`] make proofs and decisions slow.
pub fn patterns<'a>(conditions: impl Iterator<Item = &'a Cond>) -> usize {
    let tests: Vec<_> = conditions.flat_map(Cond::tests).collect();
    let space = Space::spanned_by(tests.iter().copied());
    space.dimensions.iter().filter(|dimension| dimension.test().is_some()).count()
}

/// The compiled conditions of a policy.
#[derive(Debug)]
pub struct Table {
    space: Space,
    /// Words per row.
    words: usize,
    /// Row after row; see `row_of`.
    rows: Vec<u64>,
    /// Per dimension the index of its first row.
    first_row: Vec<usize>,
    /// Per dimension the boxes that constrain it.
    constrained: Vec<Vec<u64>>,
    /// How many dimensions are free of cost; they come first.
    free: usize,
    /// Which rule each box belongs to.
    rule_of_box: Vec<u32>,
    /// How many boxes belong to rules that are all carried out; they come first.
    boxes_of_all: usize,
    /// How many rules are all carried out.
    rules_of_all: u32,
}

type Bits = SmallVec<[u64; 16]>;

impl Table {
    /// Compiles conditions: `all` is carried out wherever it matches, of `first` only the first
    /// match counts.
    pub fn build(all: &[&Cond], first: &[&Cond]) -> Result<Table, TooComplex> {
        let conditions = || all.iter().chain(first);
        let tests: Vec<_> = conditions().flat_map(|cond| cond.tests()).collect();
        let space = Space::spanned_by(tests.iter().copied());

        let mut regions: Vec<Region> = Vec::new();
        let mut rule_of_box = Vec::new();
        let mut boxes_of_all = 0;
        for (rule, cond) in conditions().enumerate() {
            let found = boxes::boxes(cond, &space).map_err(|_| TooComplex::Condition { rule })?;
            if regions.len() + found.len() > MOST_BOXES_IN_ALL {
                return Err(TooComplex::Together);
            }
            rule_of_box.extend(std::iter::repeat_n(rule as u32, found.len()));
            regions.extend(found);
            if rule < all.len() {
                boxes_of_all = regions.len();
            }
        }

        let words = regions.len().div_ceil(64).max(1);
        let classes: usize = space.dimensions.iter().map(|dimension| dimension.classes()).sum();
        if classes.saturating_mul(words) > MOST_WORDS {
            return Err(TooComplex::Together);
        }
        let mut table = Table {
            words,
            rows: Vec::new(),
            first_row: Vec::new(),
            constrained: vec![vec![0; words]; space.dimensions.len()],
            free: space.dimensions.partition_point(|dimension| dimension.cost() == Cost::Free),
            rule_of_box,
            boxes_of_all,
            rules_of_all: all.len() as u32,
            space,
        };
        for (index, region) in regions.iter().enumerate() {
            for (dimension, _) in &region.0 {
                table.constrained[*dimension][index / 64] |= 1 << (index % 64);
            }
        }
        for (dimension, space) in table.space.dimensions.iter().enumerate() {
            table.first_row.push(table.rows.len() / words);
            for _ in 0..space.classes() {
                let unconstrained = table.constrained[dimension].iter().map(|word| !word);
                table.rows.extend(unconstrained);
            }
        }
        for (index, region) in regions.iter().enumerate() {
            for (dimension, set) in &region.0 {
                for class in ones(set) {
                    let row = table.first_row[*dimension] + class;
                    table.rows[row * words + index / 64] |= 1 << (index % 64);
                }
            }
        }
        Ok(table)
    }

    /// Which rules match these facts.
    pub fn decide(&self, facts: &dyn Facts) -> Matches {
        let mut alive: Bits = SmallVec::from_elem(u64::MAX, self.words);
        self.clear_beyond_last(&mut alive);
        for dimension in 0..self.free {
            self.narrow(&mut alive, dimension, facts);
        }
        self.ask_what_matters(&mut alive, facts);

        let mut matches = Matches { all: SmallVec::new(), first: None };
        for bit in ones(&alive) {
            let rule = self.rule_of_box[bit];
            if bit >= self.boxes_of_all {
                matches.first = Some(rule - self.rules_of_all);
                break;
            }
            if matches.all.last() != Some(&rule) {
                matches.all.push(rule);
            }
        }
        matches
    }

    /// Costly dimensions, cheapest first, each only while a box that still matters constrains it:
    /// any of the rules that are all carried out, or the foremost of the others.
    fn ask_what_matters(&self, alive: &mut Bits, facts: &dyn Facts) {
        let mut open: SmallVec<[usize; 16]> = (self.free..self.space.dimensions.len()).collect();
        while !open.is_empty() {
            let foremost = ones(alive).find(|bit| *bit >= self.boxes_of_all);
            let matters = |dimension: usize| {
                let constrained = &self.constrained[dimension];
                let foremost =
                    foremost.is_some_and(|bit| constrained[bit / 64] & (1 << (bit % 64)) != 0);
                foremost
                    || ones(alive)
                        .take_while(|bit| *bit < self.boxes_of_all)
                        .any(|bit| constrained[bit / 64] & (1 << (bit % 64)) != 0)
            };
            let Some(at) = open.iter().position(|dimension| matters(*dimension)) else { return };
            let dimension = open.remove(at);
            self.narrow(alive, dimension, facts);
        }
    }

    fn narrow(&self, alive: &mut Bits, dimension: usize, facts: &dyn Facts) {
        let class = self.space.dimensions[dimension].class_of(facts);
        let row = (self.first_row[dimension] + class) * self.words;
        for (word, mask) in alive.iter_mut().zip(&self.rows[row..row + self.words]) {
            *word &= mask;
        }
    }

    fn clear_beyond_last(&self, alive: &mut Bits) {
        let boxes = self.rule_of_box.len();
        let in_last = boxes - (self.words - 1) * 64;
        if in_last < 64
            && let Some(last) = alive.last_mut()
        {
            *last = (1 << in_last) - 1;
        }
    }
}

/// The positions of the set bits, in order.
pub(super) fn ones(bits: &[u64]) -> impl Iterator<Item = usize> + '_ {
    bits.iter().enumerate().flat_map(|(index, word)| {
        let mut rest = *word;
        std::iter::from_fn(move || {
            (rest != 0).then(|| {
                let bit = rest.trailing_zeros() as usize;
                rest &= rest - 1;
                index * 64 + bit
            })
        })
    })
}

#[cfg(test)]
mod tests;
