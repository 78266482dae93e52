//! A policy laid out over its axes, ready for questions.

use std::sync::Arc;

use super::axes::Axes;
use super::escape::{Budget, Escape, Region, Room, escape};
use crate::policy::cond::{Cond, Test};
use crate::policy::plain::Said;
use crate::policy::program::Program;
use crate::policy::table::MOST_BOXES;
use crate::policy::table::classes::Space;

/// A rule of a program, by its kind and position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum RuleRef {
    Assumption(usize),
    Deny(usize),
    Require(usize),
    Tune(usize),
    Route(usize),
}

/// A policy laid out over its axes.
pub struct Prover<'p> {
    /// The policy.
    pub program: &'p Program,
    /// The space of its requests.
    pub axes: Arc<Axes>,
    budget: Budget,
    /// What the policy takes for granted never to happen.
    impossible: Vec<Region>,
    denies: Vec<Vec<Region>>,
    requires: Vec<Vec<Region>>,
    tunes: Vec<Vec<Region>>,
    routes: Vec<Vec<Region>>,
}

/// A condition has too many cases to be laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a condition has more than {MOST_BOXES} cases")]
pub struct TooComplex;

/// Whether something can happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Every request of this room shows it.
    Here(Room),
    /// It cannot: these rules are in the way (of none, it is impossible by itself).
    Never(Vec<RuleRef>),
    /// The search was given up.
    Undecided,
}

impl<'p> Prover<'p> {
    /// Lays out a policy, and further conditions that will be asked about.
    ///
    /// # Errors
    /// Where a condition has too many cases.
    pub fn new(program: &'p Program, more: &[&Cond]) -> Result<Prover<'p>, TooComplex> {
        Prover::within(program, more, Budget::DEFAULT)
    }

    /// The same, with another budget for every single search.
    ///
    /// # Errors
    /// Where a condition has too many cases.
    pub fn within(
        program: &'p Program,
        more: &[&Cond],
        budget: Budget,
    ) -> Result<Prover<'p>, TooComplex> {
        let conds = conditions(program).chain(more.iter().copied());
        let tests: Vec<&Arc<Test>> = conds.flat_map(Cond::tests).collect();
        let axes = Axes::of(Space::spanned_by(tests.iter().copied()));
        Prover::over(program, Arc::new(axes), budget)
    }

    /// Two policies over the same space, so that what they do can be compared.
    ///
    /// # Errors
    /// Where a condition has too many cases.
    pub fn pair(
        one: &'p Program,
        other: &'p Program,
    ) -> Result<(Prover<'p>, Prover<'p>), TooComplex> {
        let conds = conditions(one).chain(conditions(other));
        let tests: Vec<&Arc<Test>> = conds.flat_map(Cond::tests).collect();
        let axes = Arc::new(Axes::of(Space::spanned_by(tests.iter().copied())));
        let over = |program| Prover::over(program, axes.clone(), Budget::DEFAULT);
        Ok((over(one)?, over(other)?))
    }

    fn over(
        program: &'p Program,
        axes: Arc<Axes>,
        budget: Budget,
    ) -> Result<Prover<'p>, TooComplex> {
        let laid_out = |cond: &Cond| axes.regions(cond).map_err(|_| TooComplex);
        let mut impossible = Vec::new();
        for assumption in &program.assumptions {
            impossible.extend(laid_out(&assumption.cond.clone().negated())?);
        }
        let all = |conds: &mut dyn Iterator<Item = &'p Cond>| {
            conds.map(laid_out).collect::<Result<Vec<_>, _>>()
        };
        let denies = all(&mut program.denies.iter().map(|it| &it.rule.when))?;
        let requires = all(&mut program.requires.iter().map(|it| &it.rule.when))?;
        let tunes = all(&mut program.tunes.iter().map(|it| &it.rule.when))?;
        let routes = all(&mut program.routes.iter().map(|it| &it.rule.when))?;
        Ok(Prover { program, axes, budget, impossible, denies, requires, tunes, routes })
    }

    /// The regions of a condition that the prover was laid out with.
    ///
    /// # Errors
    /// Where it has too many cases.
    pub fn regions(&self, cond: &Cond) -> Result<Vec<Region>, TooComplex> {
        self.axes.regions(cond).map_err(|_| TooComplex)
    }

    /// The regions of a rule; of one that can never match, none.
    pub fn regions_of(&self, rule: RuleRef) -> &[Region] {
        match rule {
            RuleRef::Assumption(_) => &self.impossible,
            RuleRef::Deny(index) => &self.denies[index],
            RuleRef::Require(index) => &self.requires[index],
            RuleRef::Tune(index) => &self.tunes[index],
            RuleRef::Route(index) => &self.routes[index],
        }
    }

    /// The rules that stop a request before it comes to this one: denials, and for a route the
    /// routes above it.
    pub fn before(&self, rule: RuleRef) -> Vec<RuleRef> {
        let denies = match rule {
            RuleRef::Deny(index) => index,
            _ => self.denies.len(),
        };
        let routes = match rule {
            RuleRef::Route(index) => index,
            _ => 0,
        };
        (0..denies).map(RuleRef::Deny).chain((0..routes).map(RuleRef::Route)).collect()
    }

    /// Whether a request of this room can exist that none of these rules takes.
    pub fn escapes(&self, room: &Room, rules: &[RuleRef]) -> Reach {
        self.escapes_all(room, &[(self, rules)])
    }

    /// The same where rules of another policy, laid out over the same space, stand in the way, too.
    pub fn escapes_also(
        &self,
        room: &Room,
        rules: &[RuleRef],
        also: (&Prover<'_>, &[RuleRef]),
    ) -> Reach {
        self.escapes_all(room, &[(self, rules), also])
    }

    fn escapes_all(&self, room: &Room, sides: &[(&Prover<'_>, &[RuleRef])]) -> Reach {
        let (mut owners, mut others): (Vec<Option<RuleRef>>, Vec<&Region>) = Default::default();
        for (side, rules) in sides {
            others.extend(&side.impossible);
            owners.resize(others.len(), None);
            for rule in *rules {
                others.extend(side.regions_of(*rule));
                owners.resize(others.len(), Some(*rule));
            }
        }
        match escape(room, &others, self.budget) {
            Escape::Free(room) => Reach::Here(room),
            Escape::Undecided => Reach::Undecided,
            Escape::Covered(by) => {
                let mut rules: Vec<RuleRef> = by.iter().filter_map(|it| owners[*it]).collect();
                rules.dedup();
                Reach::Never(rules)
            }
        }
    }

    /// Whether a rule is ever the one that matches.
    pub fn reach(&self, rule: RuleRef) -> Reach {
        let before = self.before(rule);
        let everything = self.axes.everything();
        let (mut by, mut undecided) = (Vec::new(), false);
        for region in self.regions_of(rule) {
            let Some(room) = everything.cut(region) else { continue };
            match self.escapes(&room, &before) {
                Reach::Here(room) => return Reach::Here(room),
                Reach::Never(rules) => by.extend(rules),
                Reach::Undecided => undecided = true,
            }
        }
        by.sort_unstable();
        by.dedup();
        if undecided { Reach::Undecided } else { Reach::Never(by) }
    }

    /// The most plain request of a room, and whether it surely is one: not where a regular expression
    /// is involved for which no fitting text was found.
    pub fn request(&self, room: &Room) -> (Said, bool) {
        self.axes.request(room)
    }
}

/// Every condition on requests of a program.
fn conditions(program: &Program) -> impl Iterator<Item = &Cond> {
    let rules = (program.denies.iter().map(|it| &it.rule))
        .chain(program.requires.iter().map(|it| &it.rule))
        .chain(program.tunes.iter().map(|it| &it.rule))
        .chain(program.routes.iter().map(|it| &it.rule))
        .chain(program.budgets.iter().map(|it| &it.rule))
        .chain(program.limits.iter().map(|it| &it.rule))
        .chain(program.invariants.iter().map(|it| &it.rule));
    let assumed = program.assumptions.iter().map(|it| &it.cond);
    rules.map(|rule| &rule.when).chain(assumed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::ids::PolicyName;
    use crate::policy::{Surroundings, compile};

    fn program(text: &str) -> Arc<Program> {
        let catalog = Arc::new(Catalog::embedded());
        let surroundings = Surroundings { catalog: &catalog, files: &|_| Err("none".to_owned()) };
        let compiled = compile(&PolicyName::new("test"), "test.policy", text, &surroundings);
        compiled.program.unwrap_or_else(|| panic!("{:#?}", compiled.diagnostics))
    }

    fn reached(text: &str) -> Vec<bool> {
        let program = program(text);
        let prover = Prover::new(&program, &[]).unwrap();
        (0..program.routes.len())
            .map(|index| match prover.reach(RuleRef::Route(index)) {
                Reach::Here(room) => {
                    let (request, certain) = prover.request(&room);
                    let first = program.table.decide(&request).first;
                    assert!(!certain || first == Some(index as u32), "{index}: {request:?}");
                    true
                }
                Reach::Never(_) => false,
                Reach::Undecided => panic!("undecided"),
            })
            .collect()
    }

    #[test]
    fn what_is_covered_is_never_reached() {
        assert_eq!(
            reached(
                "route code when task == code -> sim/tiny\n\
                 route pro-code when task == code and key.tier == pro -> sim/small\n\
                 route small when input.tokens < 2k -> sim/tiny\n\
                 route large when input.tokens >= 2k -> sim/small\n\
                 default -> sim/tiny\n"
            ),
            [true, false, true, true, false]
        );
    }

    #[test]
    fn texts_and_their_patterns_hang_together() {
        assert_eq!(
            reached(
                "route a when key.team like \"a*\" -> sim/tiny\n\
                 route abc when key.team == \"abc\" -> sim/small\n\
                 route not-a when key.team == \"bcd\" -> sim/small\n\
                 route re when key.team matches /^ab+$/ -> sim/small\n\
                 route absent when key.team is absent -> sim/tiny\n\
                 default -> sim/tiny\n"
            ),
            [true, false, true, true, true, true]
        );
    }

    #[test]
    fn named_models_do_not_come_to_routes_for_auto() {
        assert_eq!(
            reached(
                "route named when request.model like \"openai/*\" -> requested\n\
                 route nano when request.model == \"openai/gpt-5-nano\" -> requested\n\
                 route rest when request.model != \"auto\" -> requested\n\
                 default -> sim/tiny\n"
            ),
            [true, false, true, true]
        );
    }

    #[test]
    fn hours_and_schedules_hang_together() {
        assert_eq!(
            reached(
                "schedule office = mon..fri 08:00..18:00 UTC\n\
                 route night when time.hour in 0..8 -> sim/tiny\n\
                 route early when time in office and time.hour < 8 -> sim/small\n\
                 route weekend when time in office and time.weekday in [sat, sun] -> sim/small\n\
                 route office when time in office -> sim/small\n\
                 default -> sim/tiny\n"
            ),
            [true, false, false, true, true]
        );
    }

    #[test]
    fn sizes_add_up() {
        assert_eq!(
            reached(
                "route large when total.tokens < 1k -> sim/tiny\n\
                 route impossible when input.tokens > 2k -> sim/small\n\
                 default -> sim/tiny\n"
            ),
            [true, true, true]
        );
        assert_eq!(
            reached(
                "route long when total.tokens >= 1k -> sim/tiny\n\
                 route impossible when input.tokens > 2k -> sim/small\n\
                 route system when input.system_tokens > 1k -> sim/small\n\
                 default -> sim/tiny\n"
            ),
            [true, false, false, true]
        );
    }

    #[test]
    fn declared_attributes_hang_on_their_source() {
        assert_eq!(
            reached(
                "enum tier = free | pro\n\
                 attribute key.tier: tier from key.meta[\"plan\"] else free\n\
                 route pro when key.tier == pro -> sim/tiny\n\
                 route meta when key.meta[\"plan\"] == \"pro\" -> sim/small\n\
                 route odd when key.meta[\"plan\"] == \"odd\" and key.tier == free -> sim/small\n\
                 route gone when key.meta[\"plan\"] == \"odd\" and key.tier == pro -> sim/small\n\
                 default -> sim/tiny\n"
            ),
            [true, false, true, false, true]
        );
    }

    #[test]
    fn what_is_assumed_away_does_not_happen() {
        assert_eq!(
            reached(
                "assume not (key.tier == free and key.tags has \"sla\")\n\
                 route free when key.tier == free -> sim/tiny\n\
                 route odd when key.tier == free and key.tags has \"sla\" -> sim/tiny\n\
                 default -> sim/tiny\n"
            ),
            [true, false, true]
        );
        assert_eq!(
            reached(
                "assume not (key.tier == free and key.tags has \"sla\")\n\
                 route odd when key.tags has \"sla\" and key.tier == free -> sim/tiny\n\
                 default -> sim/tiny\n"
            ),
            [false, true]
        );
    }
}
