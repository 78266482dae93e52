//! A condition as a union of boxes: per dimension the set of classes it allows.

use smallvec::SmallVec;

use super::classes::{ClassSet, Space, complement};
use crate::policy::cond::Cond;

/// The most boxes one condition may become before it is refused with a message.
pub const MOST_BOXES: usize = 256;

/// A conjunction: dimensions that are not named are free. Sorted by dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region(pub SmallVec<[(usize, ClassSet); 4]>);

/// A condition has more than [`MOST_BOXES`] alternatives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyBoxes;

/// The boxes of a condition; of one that can never hold, none.
pub fn boxes(cond: &Cond, space: &Space) -> Result<Vec<Region>, TooManyBoxes> {
    expand(cond, false, space)
}

fn expand(cond: &Cond, negated: bool, space: &Space) -> Result<Vec<Region>, TooManyBoxes> {
    match (cond, negated) {
        (Cond::Not(inner), _) => expand(inner, !negated, space),
        (Cond::And(all), false) | (Cond::Or(all), true) => {
            let mut product = vec![Region(SmallVec::new())];
            for cond in all {
                let factors = expand(cond, negated, space)?;
                let mut next = Vec::with_capacity(product.len() * factors.len());
                for left in &product {
                    for right in &factors {
                        if let Some(both) = left.intersect(right) {
                            add(&mut next, both)?;
                        }
                    }
                }
                product = next;
            }
            Ok(product)
        }
        (Cond::Or(any), false) | (Cond::And(any), true) => {
            let mut union = Vec::new();
            for cond in any {
                for region in expand(cond, negated, space)? {
                    add(&mut union, region)?;
                }
            }
            Ok(union)
        }
        (Cond::Test(test), _) => {
            let Some((dimension, mut set)) = space.locate(test) else { return Ok(Vec::new()) };
            if negated {
                set = complement(&set, space.dimensions[dimension].classes());
            }
            if set.iter().all(|word| *word == 0) {
                return Ok(Vec::new());
            }
            Ok(vec![Region(SmallVec::from_iter([(dimension, set)]))])
        }
    }
}

/// Adds a box to a union, unless another holds it; drops those it holds.
fn add(union: &mut Vec<Region>, region: Region) -> Result<(), TooManyBoxes> {
    if union.iter().any(|other| other.contains(&region)) {
        return Ok(());
    }
    union.retain(|other| !region.contains(other));
    union.push(region);
    if union.len() > MOST_BOXES { Err(TooManyBoxes) } else { Ok(()) }
}

impl Region {
    /// What both allow; `None` if nothing.
    pub fn intersect(&self, other: &Region) -> Option<Region> {
        let mut both = SmallVec::with_capacity(self.0.len() + other.0.len());
        let (mut left, mut right) = (self.0.iter().peekable(), other.0.iter().peekable());
        loop {
            let next = match (left.peek(), right.peek()) {
                (Some(a), Some(b)) if a.0 == b.0 => {
                    let meet: ClassSet = a.1.iter().zip(&b.1).map(|(x, y)| x & y).collect();
                    if meet.iter().all(|word| *word == 0) {
                        return None;
                    }
                    let dimension = a.0;
                    left.next();
                    right.next();
                    (dimension, meet)
                }
                (Some(a), Some(b)) if a.0 < b.0 => {
                    let taken = (*a).clone();
                    left.next();
                    taken
                }
                (_, Some(_)) | (Some(_), None) => {
                    let from = if right.peek().is_some() { &mut right } else { &mut left };
                    match from.next() {
                        Some(taken) => taken.clone(),
                        None => return Some(Region(both)),
                    }
                }
                (None, None) => return Some(Region(both)),
            };
            both.push(next);
        }
    }

    /// Whether everything in `other` is in `self`.
    pub fn contains(&self, other: &Region) -> bool {
        self.0.iter().all(|(dimension, set)| {
            other.0.iter().find(|(other, _)| other == dimension).is_some_and(|(_, inner)| {
                set.iter().zip(inner).all(|(outer, inner)| inner & !outer == 0)
            })
        })
    }
}
