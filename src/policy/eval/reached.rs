//! What happens because a budget or a limit is used up: the strictest of all that apply.

use std::sync::Arc;

use super::Situation;
use crate::policy::plan::{Denied, Reached};
use crate::policy::program::{Breach, Budget, Limit, Program};
use crate::units::BasisPoints;

/// Knows how far budgets and limits are used up by whoever sent the request. It is asked only for
/// those whose condition holds. `()` knows of no use.
pub trait Meter {
    /// How much of the budget with this index is used; nothing where the request has nobody whom it
    /// is counted for.
    fn budget(&self, index: usize, budget: &Budget) -> BasisPoints;

    /// Whether the limit with this index has no room for the request.
    fn is_full(&self, index: usize, limit: &Limit) -> bool;
}

impl Meter for () {
    fn budget(&self, _: usize, _: &Budget) -> BasisPoints {
        BasisPoints(0)
    }
    fn is_full(&self, _: usize, _: &Limit) -> bool {
        false
    }
}

/// `deny` over `queue` over `degrade` over `warn`.
fn strictness(breach: &Breach) -> u8 {
    match breach {
        Breach::Warn => 0,
        Breach::Degrade(_) => 1,
        Breach::Queue(_) => 2,
        Breach::Deny(_) => 3,
    }
}

/// The strictest breach that applies. Of a budget's marks the higher one wins among equals, of
/// budgets and limits the one that stands first, budgets before limits.
pub(super) fn strictest(program: &Program, situation: &Situation<'_>) -> Option<Reached> {
    let facts = situation.facts;
    let mut found: Option<Reached> = None;
    let mut consider = |reached: Reached| {
        let stricter = |known: &Reached| strictness(&reached.breach) > strictness(&known.breach);
        if found.as_ref().is_none_or(stricter) {
            found = Some(reached);
        }
    };
    for (index, budget) in program.budgets.iter().enumerate() {
        if !budget.rule.when.holds(facts) {
            continue;
        }
        let used = situation.meter.budget(index, budget);
        let marks = budget.marks.iter().filter(|mark| mark.share <= used);
        // The last of the greatest, as `max_by_key` has it.
        if let Some(mark) = marks.max_by_key(|mark| strictness(&mark.breach)) {
            let (rule, breach) = (budget.rule.name.clone(), mark.breach.clone());
            consider(Reached { rule, mark: Some(mark.share), breach });
        }
    }
    for (index, limit) in program.limits.iter().enumerate() {
        if limit.rule.when.holds(facts) && situation.meter.is_full(index, limit) {
            let (rule, breach) = (limit.rule.name.clone(), limit.breach.clone());
            consider(Reached { rule, mark: None, breach });
        }
    }
    found
}

impl Reached {
    /// The refusal: 402 where money is short, 429 where it is the rate.
    pub(super) fn denied(&self, why: Option<&Arc<str>>) -> Denied {
        let (status, usual) = match self.mark {
            Some(mark) => (402, format!("The budget `{}` is used to {mark}", self.rule)),
            None => (429, format!("The limit `{}` is reached; try again later", self.rule)),
        };
        let because = why.cloned().unwrap_or_else(|| usual.into());
        Denied { rule: self.rule.clone(), because, status, over_cap: false }
    }
}
