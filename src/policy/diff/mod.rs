//! What an edit of a policy changes: not which lines, but which requests fare otherwise.
//!
//! Exact over all requests: both policies are laid out over the same axes, and for every pair of an
//! old and a new rule that do different things, a request is looked for that the one took and the
//! other takes. What is found is put to both evaluators before it is told.

mod prints;
pub mod told;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::plain::Said;
use super::program::{Deny, Program};
use super::prove::escape::{Region, Room};
use super::prove::{Prover, Reach, RuleRef, Stops, TooComplex};
use super::trial::{Outcome, Trial};

/// The most changes that are looked for.
const MOST_CHANGES: usize = 200;

/// What is different between two policies.
#[derive(Debug)]
pub struct Diff {
    /// Which requests fare otherwise, each with an example. In the order of the new policy.
    pub changes: Vec<Change>,
    /// Whether some question was too hard, so that there may be more changes.
    pub undecided: bool,
    /// Whether there are more changes than are told.
    pub more: bool,
}

/// One kind of requests that fares otherwise.
#[derive(Debug)]
pub struct Change {
    /// In which way.
    pub kind: Kind,
    /// The old rule, if one had to do with it.
    pub old: Option<RuleName>,
    /// The new one.
    pub new: Option<RuleName>,
    /// A request that shows it.
    pub example: Said,
    /// Whether the request is sure to exist; not where regular expressions are involved.
    pub certain: bool,
    /// What came of it.
    pub before: Outcome,
    /// What comes of it.
    pub after: Outcome,
}

/// A rule with its place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RuleName {
    /// Its name.
    pub name: Arc<str>,
    /// `file:line`
    pub at: String,
}

/// In which way requests fare otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// They are refused now.
    Denied,
    /// They are refused no more.
    Allowed,
    /// Another rule takes them, or the same one does something else with them.
    Routed,
    /// A `require` shrinks their models now.
    Restricted,
    /// A `require` that shrank their models does so no more.
    Freed,
    /// A `tune` gives them other settings.
    Tuned,
    /// A budget or a limit counts them otherwise.
    Counted,
}

impl Kind {
    /// The word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Denied => "denied",
            Kind::Allowed => "allowed",
            Kind::Routed => "routed",
            Kind::Restricted => "restricted",
            Kind::Freed => "freed",
            Kind::Tuned => "tuned",
            Kind::Counted => "counted",
        }
    }
}

/// Compares two policies. They should be compiled against the same catalogue.
///
/// # Errors
/// Where a condition has too many cases to be laid out.
pub fn diff(old: &Program, new: &Program) -> Result<Diff, TooComplex> {
    let (before, after) = Prover::pair(old, new)?;
    let mut comparison = Comparison {
        old: Side { prover: before, trial: Trial::of(old) },
        new: Side { prover: after, trial: Trial::of(new) },
        diff: Diff { changes: Vec::new(), undecided: false, more: false },
        told: HashSet::new(),
    };
    comparison.denials();
    comparison.words();
    comparison.money();
    comparison.constraints();
    comparison.tunes();
    comparison.routes();
    Ok(comparison.diff)
}

struct Side<'p> {
    prover: Prover<'p>,
    trial: Trial<'p>,
}

impl Side<'_> {
    /// All its denials.
    fn denies(&self) -> Stops {
        Stops { denies: self.prover.program.denies.len(), ..Stops::default() }
    }
}

struct Comparison<'p> {
    old: Side<'p>,
    new: Side<'p>,
    diff: Diff,
    told: HashSet<(Kind, Option<RuleName>, Option<RuleName>)>,
}

impl Comparison<'_> {
    /// Requests that one side refuses and the other does not.
    fn denials(&mut self) {
        let (old, new) = (self.old.denies(), self.new.denies());
        for (rule, others, kind) in (0..new.denies)
            .map(|index| (RuleRef::Deny(index), &old, Kind::Denied))
            .chain((0..old.denies).map(|index| (RuleRef::Deny(index), &new, Kind::Allowed)))
        {
            let now = kind == Kind::Denied;
            let (here, there) = if now { (&self.new, &self.old) } else { (&self.old, &self.new) };
            let name = rule_name(here.prover.program, rule);
            let mut found = None;
            for region in here.prover.regions_of(rule) {
                let Some(room) = here.prover.axes.everything().cut(region) else { continue };
                match here.prover.escapes_both(&room, &Stops::default(), (&there.prover, others)) {
                    Reach::Here(room) => found = Some(room),
                    Reach::Never(_) => {}
                    Reach::Undecided => self.diff.undecided = true,
                }
                if found.is_some() {
                    break;
                }
            }
            if let Some(room) = found {
                let (old, new) = if now { (None, Some(name)) } else { (Some(name), None) };
                self.tell(kind, old, new, &room);
            }
        }
    }

    /// Denials that refuse with other words or another status.
    fn words(&mut self) {
        let (old, new) = (self.old.prover.program, self.new.prover.program);
        for (j, deny) in new.denies.iter().enumerate() {
            let same = |it: &Deny| it.rule.name == deny.rule.name;
            let Some(i) = old.denies.iter().position(same) else { continue };
            let before = &old.denies[i];
            if (&before.because, before.status) == (&deny.because, deny.status) {
                continue;
            }
            let here = &self.new.prover;
            let rooms = here.rooms_of(RuleRef::Deny(j));
            let rooms = self.old.prover.regions_of(RuleRef::Deny(i)).iter().flat_map(|region| {
                rooms.iter().filter_map(|room| room.cut(region)).collect::<Vec<_>>()
            });
            let rooms: Vec<Room> = rooms.collect();
            if let Some(room) = rooms.first() {
                let names = (rule_name(old, RuleRef::Deny(i)), rule_name(new, RuleRef::Deny(j)));
                self.tell(Kind::Denied, Some(names.0), Some(names.1), room);
            }
        }
    }

    /// Budgets and limits that one side has and the other has not, or otherwise. What they do depends
    /// on what was used, so the example is a request that they count.
    fn money(&mut self) {
        for now in [true, false] {
            let (here, there) = if now { (&self.new, &self.old) } else { (&self.old, &self.new) };
            let (ours, theirs) = (here.prover.program, there.prover.program);
            let known: HashSet<String> = prints::money(theirs).map(|(_, print)| print).collect();
            let mut found = Vec::new();
            for (rule, print) in prints::money(ours) {
                if known.contains(&print) {
                    continue;
                }
                let regions = here.prover.regions(&rule.when).unwrap_or_default();
                let rooms = here.prover.rooms_in(&here.prover.axes.everything(), &regions);
                if let Reach::Here(room) = here.prover.any_escapes(&rooms, &here.denies(), &[]) {
                    let at = ours.sources.at(rule.span);
                    found.push((RuleName { name: rule.name.clone(), at }, room));
                }
            }
            for (name, room) in found {
                let (old, new) = if now { (None, Some(name)) } else { (Some(name), None) };
                self.tell(Kind::Counted, old, new, &room);
            }
        }
    }

    /// Requests whose models one side shrinks in a way in which the other does not.
    fn constraints(&mut self) {
        let print = |program: &Program, index: usize| {
            let mut print = String::new();
            prints::filter(&program.requires[index].only, &mut print);
            print
        };
        let count = |program: &Program| program.requires.len();
        self.without_equal((Kind::Restricted, Kind::Freed), RuleRef::Require, count, print);
    }

    /// Requests to which one side gives settings that the other does not.
    fn tunes(&mut self) {
        let print = |program: &Program, index: usize| {
            prints::settings(program, &program.tunes[index].settings)
        };
        let count = |program: &Program| program.tunes.len();
        self.without_equal((Kind::Tuned, Kind::Tuned), RuleRef::Tune, count, print);
    }

    /// Requests that a rule of one side matches and none of the other that does the same: the kind for
    /// what is new, and that for what is gone.
    fn without_equal(
        &mut self,
        (new, gone): (Kind, Kind),
        rule: fn(usize) -> RuleRef,
        count: fn(&Program) -> usize,
        print: fn(&Program, usize) -> String,
    ) {
        for (now, kind) in [(true, new), (false, gone)] {
            let (here, there) = if now { (&self.new, &self.old) } else { (&self.old, &self.new) };
            let (ours, theirs) = (here.prover.program, there.prover.program);
            let prints: Vec<String> = (0..count(theirs)).map(|it| print(theirs, it)).collect();
            let mut found = Vec::new();
            for index in 0..count(ours) {
                let own = print(ours, index);
                let same = prints.iter().enumerate().filter(|(_, print)| **print == own);
                let same: Vec<RuleRef> = same.map(|(other, _)| rule(other)).collect();
                let room = self.difference(rule(index), &same, now);
                found.extend(room.map(|room| (rule_name(ours, rule(index)), room)));
            }
            for (name, room) in found {
                let (old, new) = if now { (None, Some(name)) } else { (Some(name), None) };
                self.tell(kind, old, new, &room);
            }
        }
    }

    /// A request that a rule of one side matches and none of these of the other, and that neither
    /// refuses.
    fn difference(&mut self, rule: RuleRef, others: &[RuleRef], now: bool) -> Option<Room> {
        let (here, there) = if now { (&self.new, &self.old) } else { (&self.old, &self.new) };
        let theirs = Stops { more: others.to_vec(), ..there.denies() };
        let ours = here.denies();
        for region in here.prover.regions_of(rule) {
            let Some(room) = here.prover.axes.everything().cut(region) else { continue };
            match here.prover.escapes_both(&room, &ours, (&there.prover, &theirs)) {
                Reach::Here(room) => return Some(room),
                Reach::Never(_) => {}
                Reach::Undecided => self.diff.undecided = true,
            }
        }
        None
    }

    /// Requests that another rule takes, or with which the same rule does something else.
    fn routes(&mut self) {
        let (old, new) = (self.old.prover.program, self.new.prover.program);
        let prints = |program: &Program| -> Vec<String> {
            program.routes.iter().map(|route| prints::route(program, route)).collect()
        };
        let (old_prints, new_prints) = (prints(old), prints(new));
        let (old_changed, new_changed) = self.changed(&old_prints, &new_prints);
        // Only requests that a changed rule matches can fare otherwise.
        let changed: Vec<Region> = (old_changed.iter())
            .flat_map(|index| self.old.prover.regions_of(RuleRef::Route(*index)))
            .chain(
                new_changed
                    .iter()
                    .flat_map(|index| self.new.prover.regions_of(RuleRef::Route(*index))),
            )
            .cloned()
            .collect();
        let everything = self.new.prover.axes.everything();
        for place in &changed {
            let Some(room) = everything.cut(place) else { continue };
            // `None`: no route takes it, so that the model the client named answers, or nobody.
            let meeting = |side: &Side<'_>, count: usize| -> Vec<Option<usize>> {
                let met = (0..count).filter(|index| {
                    let regions = side.prover.regions_of(RuleRef::Route(*index));
                    regions.iter().any(|region| region.meets(&room))
                });
                met.map(Some).chain([None]).collect()
            };
            let ours = meeting(&self.new, new.routes.len());
            let theirs = meeting(&self.old, old.routes.len());
            for (i, j) in theirs.iter().flat_map(|i| ours.iter().map(move |j| (*i, *j))) {
                if i.map(|i| &old_prints[i]) == j.map(|j| &new_prints[j]) {
                    continue;
                }
                let names = (
                    i.map(|i| rule_name(old, RuleRef::Route(i))),
                    j.map(|j| rule_name(new, RuleRef::Route(j))),
                );
                if self.told.contains(&(Kind::Routed, names.0.clone(), names.1.clone())) {
                    continue;
                }
                if self.diff.changes.len() >= MOST_CHANGES {
                    self.diff.more = true;
                    return;
                }
                if let Some(found) = self.taken_by(i, j, &room) {
                    self.tell(Kind::Routed, names.0, names.1, &found);
                }
            }
        }
    }

    /// A request of the room that the old policy's `i`th route took and the new one's `j`th takes;
    /// `None` stands for no route at all.
    fn taken_by(&mut self, i: Option<usize>, j: Option<usize>, room: &Room) -> Option<Room> {
        let (old, new) = (&self.old.prover, &self.new.prover);
        let (before_old, before_new) = (before(old, i), before(new, j));
        for room in rooms(old, i, std::slice::from_ref(room)) {
            for room in rooms(new, j, std::slice::from_ref(&room)) {
                match old.escapes_both(&room, &before_old, (new, &before_new)) {
                    Reach::Here(room) => return Some(room),
                    Reach::Never(_) => {}
                    Reach::Undecided => self.diff.undecided = true,
                }
            }
        }
        None
    }

    /// The routes of either side that have no equal on the other in the same order.
    fn changed(&self, old_prints: &[String], new_prints: &[String]) -> (Vec<usize>, Vec<usize>) {
        let (old, new) = (self.old.prover.program, self.new.prover.program);
        let mut by_name: HashMap<&str, usize> = HashMap::new();
        for (index, route) in old.routes.iter().enumerate() {
            by_name.entry(&route.rule.name).or_insert(index);
        }
        // For each new route that has an equal: the old one's position.
        let equals: Vec<Option<usize>> = new
            .routes
            .iter()
            .enumerate()
            .map(|(j, route)| {
                let i = *by_name.get(&*route.rule.name)?;
                let same = old_prints[i] == new_prints[j]
                    && self.old.prover.regions_of(RuleRef::Route(i))
                        == self.new.prover.regions_of(RuleRef::Route(j));
                same.then_some(i)
            })
            .collect();
        let kept = longest_rise(&equals);
        let kept_old: HashSet<usize> = kept.iter().filter_map(|j| equals[*j]).collect();
        let kept: HashSet<usize> = kept.into_iter().collect();
        (
            (0..old.routes.len()).filter(|i| !kept_old.contains(i)).collect(),
            (0..new.routes.len()).filter(|j| !kept.contains(j)).collect(),
        )
    }

    fn tell(&mut self, kind: Kind, old: Option<RuleName>, new: Option<RuleName>, room: &Room) {
        if !self.told.insert((kind, old.clone(), new.clone())) {
            return;
        }
        let (example, certain) = self.new.prover.request(room);
        let before = self.old.trial.outcome(&example);
        let after = self.new.trial.outcome(&example);
        self.diff.changes.push(Change { kind, old, new, example, certain, before, after });
    }
}

/// What stops a request before a route, or before it comes to none.
fn before(prover: &Prover<'_>, route: Option<usize>) -> Stops {
    match route {
        Some(index) => prover.before(RuleRef::Route(index)),
        None => Stops {
            denies: prover.program.denies.len(),
            routes: prover.program.routes.len(),
            more: Vec::new(),
        },
    }
}

/// What some rooms have in common with a route; without one, all of them.
fn rooms(prover: &Prover<'_>, route: Option<usize>, rooms: &[Room]) -> Vec<Room> {
    match route {
        Some(index) => {
            let regions = prover.regions_of(RuleRef::Route(index));
            rooms.iter().flat_map(|room| prover.rooms_in(room, regions)).collect()
        }
        None => rooms.to_vec(),
    }
}

fn rule_name(program: &Program, rule: RuleRef) -> RuleName {
    match rule.rule(program) {
        Some(rule) => RuleName { name: rule.name.clone(), at: program.sources.at(rule.span) },
        None => RuleName { name: "assume".into(), at: String::new() },
    }
}

/// The positions of a longest subsequence of values that rise.
fn longest_rise(values: &[Option<usize>]) -> Vec<usize> {
    // For each length the position whose value is the least end of a rise that long.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = vec![None; values.len()];
    for (position, value) in values.iter().enumerate() {
        let Some(value) = value else { continue };
        let length = ends.partition_point(|end| values[*end].is_some_and(|last| last < *value));
        before[position] = length.checked_sub(1).map(|shorter| ends[shorter]);
        match ends.get_mut(length) {
            Some(end) => *end = position,
            None => ends.push(position),
        }
    }
    let mut rise = Vec::new();
    let mut at = ends.last().copied();
    while let Some(position) = at {
        rise.push(position);
        at = before[position];
    }
    rise.reverse();
    rise
}

#[cfg(test)]
mod tests;
