//! A policy laid out over its axes, ready for questions.

use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;

use super::axes::Axes;
use super::escape::{Budget, Escape, Region, Room, escape_within};
use crate::policy::cond::{Cond, Test};
use crate::policy::plain::Said;
use crate::policy::program::{Program, Rule};
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

impl RuleRef {
    /// Every rule of a program that has a name, the routes first.
    pub fn all(program: &Program) -> impl Iterator<Item = RuleRef> {
        (0..program.routes.len())
            .map(RuleRef::Route)
            .chain((0..program.denies.len()).map(RuleRef::Deny))
            .chain((0..program.requires.len()).map(RuleRef::Require))
            .chain((0..program.tunes.len()).map(RuleRef::Tune))
    }

    /// The rule itself; assumptions are none.
    pub fn rule(self, program: &Program) -> Option<&Rule> {
        match self {
            RuleRef::Assumption(_) => None,
            RuleRef::Deny(index) => program.denies.get(index).map(|it| &it.rule),
            RuleRef::Require(index) => program.requires.get(index).map(|it| &it.rule),
            RuleRef::Tune(index) => program.tunes.get(index).map(|it| &it.rule),
            RuleRef::Route(index) => program.routes.get(index).map(|it| &it.rule),
        }
    }
}

/// A policy laid out over its axes.
pub struct Prover<'p> {
    /// The policy.
    pub program: &'p Program,
    /// The space of its requests.
    pub axes: Arc<Axes>,
    budget: Budget,
    /// What all searches together may still look at; see [`Prover::ALLOWANCE`].
    allowance: Cell<u64>,
    /// What the policy takes for granted never to happen.
    impossible: Vec<Region>,
    /// The regions of all rules, one rule behind the other, and whose each is.
    regions: Vec<Region>,
    owners: Vec<RuleRef>,
    denies: Vec<Range<usize>>,
    requires: Vec<Range<usize>>,
    tunes: Vec<Range<usize>>,
    routes: Vec<Range<usize>>,
    hub: Option<Hub>,
}

/// The axis with the most points (teams, mostly), turned round: a thousand rules that name one team
/// each are no matter for the others.
struct Hub {
    axis: usize,
    /// Per point the regions that allow it, of those that allow few.
    by_point: Vec<Vec<u32>>,
    /// The regions that allow many.
    wide: Vec<u32>,
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

/// The rules that stop a request: the first so many denials and routes, and some more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stops {
    /// This many denials.
    pub denies: usize,
    /// This many routes.
    pub routes: usize,
    /// And these rules, of any kind.
    pub more: Vec<RuleRef>,
}

impl Stops {
    fn hold(&self, rule: RuleRef) -> bool {
        let first = match rule {
            RuleRef::Deny(index) => index < self.denies,
            RuleRef::Route(index) => index < self.routes,
            _ => false,
        };
        first || self.more.contains(&rule)
    }

    /// These, and another.
    pub fn and(mut self, rule: RuleRef) -> Stops {
        self.more.push(rule);
        self
    }
}

impl<'p> Prover<'p> {
    /// How many regions all searches of one prover may look at together: some seconds at worst.
    pub const ALLOWANCE: u64 = 150_000_000;

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
        Prover::over(program, axes_of(program.conditions().chain(more.iter().copied())), budget)
    }

    /// Two policies over the same space, so that what they do can be compared.
    ///
    /// # Errors
    /// Where a condition has too many cases.
    pub fn pair(
        one: &'p Program,
        other: &'p Program,
    ) -> Result<(Prover<'p>, Prover<'p>), TooComplex> {
        let axes = axes_of(one.conditions().chain(other.conditions()));
        let over = |program| Prover::over(program, axes.clone(), Budget::DEFAULT);
        Ok((over(one)?, over(other)?))
    }

    fn over(
        program: &'p Program,
        axes: Arc<Axes>,
        budget: Budget,
    ) -> Result<Prover<'p>, TooComplex> {
        let mut prover = Prover {
            program,
            axes,
            budget,
            allowance: Cell::new(Self::ALLOWANCE),
            impossible: Vec::new(),
            regions: Vec::new(),
            owners: Vec::new(),
            denies: Vec::new(),
            requires: Vec::new(),
            tunes: Vec::new(),
            routes: Vec::new(),
            hub: None,
        };
        for assumption in &program.assumptions {
            let never = prover.regions(&assumption.cond.clone().negated())?;
            prover.impossible.extend(never);
        }
        let mut add = |rule: RuleRef, when: &Cond| {
            let start = prover.regions.len();
            let found = prover.axes.regions(when).map_err(|_| TooComplex)?;
            prover.owners.extend(std::iter::repeat_n(rule, found.len()));
            prover.regions.extend(found);
            Ok(start..prover.regions.len())
        };
        let denies: Vec<_> = (program.denies.iter().enumerate())
            .map(|(index, it)| add(RuleRef::Deny(index), &it.rule.when))
            .collect::<Result<_, TooComplex>>()?;
        let requires: Vec<_> = (program.requires.iter().enumerate())
            .map(|(index, it)| add(RuleRef::Require(index), &it.rule.when))
            .collect::<Result<_, TooComplex>>()?;
        let tunes: Vec<_> = (program.tunes.iter().enumerate())
            .map(|(index, it)| add(RuleRef::Tune(index), &it.rule.when))
            .collect::<Result<_, TooComplex>>()?;
        let routes: Vec<_> = (program.routes.iter().enumerate())
            .map(|(index, it)| add(RuleRef::Route(index), &it.rule.when))
            .collect::<Result<_, TooComplex>>()?;
        prover.hub = Hub::of(&prover.axes, &prover.regions);
        Ok(Prover { denies, requires, tunes, routes, ..prover })
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
        let range = match rule {
            RuleRef::Assumption(_) => return &self.impossible,
            RuleRef::Deny(index) => &self.denies[index],
            RuleRef::Require(index) => &self.requires[index],
            RuleRef::Tune(index) => &self.tunes[index],
            RuleRef::Route(index) => &self.routes[index],
        };
        &self.regions[range.clone()]
    }

    /// The rooms of a rule, whatever stops requests before it.
    pub fn rooms_of(&self, rule: RuleRef) -> Vec<Room> {
        self.rooms_in(&self.axes.everything(), self.regions_of(rule))
    }

    /// What a room has in common with each of some regions, where it has anything.
    pub fn rooms_in(&self, room: &Room, regions: &[Region]) -> Vec<Room> {
        regions.iter().filter_map(|region| room.cut(region)).collect()
    }

    /// The rules that stop a request before it comes to this one: denials, and for a route the
    /// routes above it.
    pub fn before(&self, rule: RuleRef) -> Stops {
        Stops {
            denies: match rule {
                RuleRef::Deny(index) => index,
                _ => self.program.denies.len(),
            },
            routes: match rule {
                RuleRef::Route(index) => index,
                _ => 0,
            },
            more: Vec::new(),
        }
    }

    /// Whether a request of this room can exist that none of these rules takes.
    pub fn escapes(&self, room: &Room, stops: &Stops) -> Reach {
        self.escapes_also(room, stops, &[])
    }

    /// The same, where the request shall lie in none of some other regions either.
    pub fn escapes_also(&self, room: &Room, stops: &Stops, also: &[Region]) -> Reach {
        self.escapes_all(room, stops, also.iter().collect())
    }

    /// The same where rules of another policy, laid out over the same space, stand in the way, too,
    /// and what it takes for granted.
    pub fn escapes_both(
        &self,
        room: &Room,
        stops: &Stops,
        (other, others): (&Prover<'_>, &Stops),
    ) -> Reach {
        let regions = other.regions.iter().zip(&other.owners);
        let stopping = regions.filter(|(_, owner)| others.hold(**owner)).map(|(region, _)| region);
        self.escapes_all(room, stops, other.impossible.iter().chain(stopping).collect())
    }

    fn escapes_all(&self, room: &Room, stops: &Stops, also: Vec<&Region>) -> Reach {
        let mut owners: Vec<Option<RuleRef>> = vec![None; self.impossible.len() + also.len()];
        let mut others: Vec<&Region> = self.impossible.iter().chain(also).collect();
        let mut add = |index: usize| {
            let owner = self.owners[index];
            if stops.hold(owner) {
                others.push(&self.regions[index]);
                owners.push(Some(owner));
            }
        };
        match self.hub.as_ref().filter(|hub| room.count(hub.axis) <= Hub::FEW) {
            Some(hub) => hub.near(room).into_iter().for_each(add),
            None => (0..self.regions.len()).for_each(&mut add),
        }
        let mut allowance = self.allowance.get();
        let found = escape_within(room, &others, self.budget, &mut allowance);
        self.allowance.set(allowance);
        match found {
            Escape::Free(room) => Reach::Here(room),
            Escape::Undecided => Reach::Undecided,
            Escape::Covered(by) => {
                let mut rules: Vec<RuleRef> = by.iter().filter_map(|it| owners[*it]).collect();
                rules.dedup();
                Reach::Never(rules)
            }
        }
    }

    /// Whether a request can exist in one of these rooms that none of these rules takes.
    pub fn any_escapes(&self, rooms: &[Room], stops: &Stops, also: &[Region]) -> Reach {
        let (mut by, mut undecided) = (Vec::new(), false);
        for room in rooms {
            match self.escapes_also(room, stops, also) {
                Reach::Here(room) => return Reach::Here(room),
                Reach::Never(rules) => by.extend(rules),
                Reach::Undecided => undecided = true,
            }
        }
        by.sort_unstable();
        by.dedup();
        if undecided { Reach::Undecided } else { Reach::Never(by) }
    }

    /// Whether a rule is ever the one that matches.
    pub fn reach(&self, rule: RuleRef) -> Reach {
        self.any_escapes(&self.rooms_of(rule), &self.before(rule), &[])
    }

    /// Of rules that stop all requests of some rooms, as few as still do.
    pub fn fewest(&self, rooms: &[Room], mut rules: Vec<RuleRef>) -> Vec<RuleRef> {
        /// More are told as they were found.
        const MOST: usize = 24;
        let mut index = 0;
        while rules.len() <= MOST && index < rules.len() && rules.len() > 1 {
            let mut fewer = rules.clone();
            fewer.remove(index);
            let stops = Stops { more: fewer, ..Stops::default() };
            match self.any_escapes(rooms, &stops, &[]) {
                Reach::Never(_) => rules = stops.more,
                _ => index += 1,
            }
        }
        rules
    }

    /// The most plain request of a room, and whether it surely is one: not where a regular expression
    /// is involved for which no fitting text was found.
    pub fn request(&self, room: &Room) -> (Said, bool) {
        self.axes.request(room)
    }
}

fn axes_of<'c>(conds: impl Iterator<Item = &'c Cond>) -> Arc<Axes> {
    let tests: Vec<&Arc<Test>> = conds.flat_map(Cond::tests).collect();
    Arc::new(Axes::of(Space::spanned_by(tests.iter().copied())))
}

impl Hub {
    /// A region that allows more points than this is looked at for all of them; a room with more is
    /// compared with all regions.
    const FEW: usize = 8;
    /// Smaller axes are compared as quickly as looked up.
    const SMALL: usize = 64;

    fn of(axes: &Axes, regions: &[Region]) -> Option<Hub> {
        let sizes = axes.axes().iter().map(|axis| axis.points.len()).enumerate();
        let (axis, size) = sizes.max_by_key(|(_, size)| *size)?;
        if size <= Self::SMALL {
            return None;
        }
        let mut hub = Hub { axis, by_point: vec![Vec::new(); size], wide: Vec::new() };
        for (region, index) in regions.iter().zip(0..) {
            let points = region.points(axis).filter(|points| points.len() <= Self::FEW);
            match points {
                Some(points) => points.iter().for_each(|it| hub.by_point[*it].push(index)),
                None => hub.wide.push(index),
            }
        }
        Some(hub)
    }

    /// The regions that may meet a room, in order.
    fn near(&self, room: &Room) -> Vec<usize> {
        let own = room.points(self.axis).flat_map(|point| &self.by_point[point]);
        let mut near: Vec<usize> = own.chain(&self.wide).map(|index| *index as usize).collect();
        near.sort_unstable();
        near.dedup();
        near
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::ids::PolicyName;
    use crate::policy::{Surroundings, compile};

    fn program(text: &str) -> Arc<Program> {
        let catalog = Arc::new(Catalog::embedded());
        let surroundings = Surroundings::new(&catalog, &|_| Err("none".to_owned()));
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
