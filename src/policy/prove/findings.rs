//! Everything that is found out about a policy when it is checked.

use jiff::civil::Date;

use super::escape::Room;
use super::prover::{Prover, Reach, RuleRef};
use super::shape::{Shape, demands};
use crate::policy::check::Seen;
use crate::policy::cond::Cond;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::load::{Role, Unit};
use crate::policy::plain::Said;
use crate::policy::program::Program;
use crate::policy::syntax::tree::{File, Item, Line, Span};

/// What findings are about.
pub struct Subject<'a> {
    /// The policy.
    pub program: &'a Program,
    /// Its files.
    pub(in crate::policy) units: &'a [Unit],
    /// What only the checker saw.
    pub(in crate::policy) seen: &'a Seen,
    /// The day on which it is checked.
    pub today: Option<Date>,
}

/// Everything that can be proved wrong with a sound policy.
pub fn findings(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let program = subject.program;
    let demands = demands(program);
    let Ok(prover) = Prover::new(program, &demands.iter().collect::<Vec<_>>()) else {
        return Vec::new(); // A condition of the policy was refused for it already.
    };
    let mut search = Search::of(subject, prover);
    search.dead_rules();
    search.dead_parts();
    search.gap();
    search.replaced_models();
    search.nobody_left();
    search.disagreements();
    search.bites();
    search.repeats();
    search.unused();
    search.retiring();
    search.invariants();
    search.found
}

/// Whether some request falls through, of a policy that has other faults.
pub fn gap(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let demands = demands(subject.program);
    let Ok(prover) = Prover::new(subject.program, &demands.iter().collect::<Vec<_>>()) else {
        return Vec::new();
    };
    let mut search = Search::of(subject, prover);
    search.gap();
    search.found
}

/// A policy that is being looked at.
pub(super) struct Search<'a> {
    pub program: &'a Program,
    pub units: &'a [Unit],
    pub seen: &'a Seen,
    pub today: Option<Date>,
    pub prover: Prover<'a>,
    pub shape: Shape,
    /// Whether each route is ever taken.
    pub routes: Vec<Reach>,
    pub found: Vec<Diagnostic>,
}

impl<'a> Search<'a> {
    fn of(subject: &Subject<'a>, prover: Prover<'a>) -> Search<'a> {
        let routes = 0..subject.program.routes.len();
        Search {
            program: subject.program,
            units: subject.units,
            seen: subject.seen,
            today: subject.today,
            routes: routes.map(|index| prover.reach(RuleRef::Route(index))).collect(),
            shape: Shape::of(&prover),
            prover,
            found: Vec::new(),
        }
    }

    pub fn report(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    /// The file that a place is in.
    pub fn unit_at(&self, span: Span) -> Option<&'a Unit> {
        let text = self.program.sources.locate(span);
        let index = self.program.sources.files().position(|file| file == text.file)?;
        let named = self.units.get(index)?;
        // A file that is delegated to twice stands there twice under one name.
        let holds = |unit: &&Unit| item_in(&unit.tree, span).is_some();
        Some(named).filter(holds).or_else(|| self.units.iter().find(holds))
    }

    /// The statement that a place is in, with its file.
    pub fn item_at(&self, span: Span) -> Option<(&'a Unit, &'a Line<Item>)> {
        let unit = self.unit_at(span)?;
        Some((unit, item_in(&unit.tree, span)?))
    }

    /// Whether a place is in a file that the policy only takes names from.
    pub fn in_library(&self, span: Span) -> bool {
        self.unit_at(span).is_some_and(|unit| unit.role == Role::Library)
    }

    /// The rule's name as people know it: "route `code`".
    pub fn called(&self, rule: RuleRef) -> String {
        let name = &self.rule(rule).name;
        match rule {
            RuleRef::Route(index) if self.program.routes[index].is_default => {
                format!("`{name}`")
            }
            RuleRef::Route(index) if self.is_alias(index) => format!("alias \"{name}\""),
            rule => format!("{} `{name}`", kind(rule)),
        }
    }

    fn is_alias(&self, route: usize) -> bool {
        let span = self.program.routes[route].rule.span;
        let item = self.item_at(span).map(|(_, line)| &line.node);
        matches!(item, Some(Item::Alias { .. }))
    }

    /// The rule behind a reference.
    pub fn rule(&self, rule: RuleRef) -> &'a crate::policy::program::Rule {
        // Assumptions are rules of nobody; searches never name them.
        rule.rule(self.program).unwrap_or_else(|| unreachable!("assumptions stop nobody by name"))
    }

    /// The rooms of a condition; none where it is too complex, which was reported.
    pub fn rooms(&self, cond: &Cond) -> Vec<Room> {
        let regions = self.prover.regions(cond).unwrap_or_default();
        self.prover.rooms_in(&self.prover.axes.everything(), &regions)
    }

    /// The condition that an item is for, as it was written.
    pub fn written_when(&self, span: Span) -> Option<Span> {
        let (_, line) = self.item_at(span)?;
        match &line.node {
            Item::Deny { when, .. }
            | Item::Tune { when, .. }
            | Item::Route { when, .. }
            | Item::Delegate { when, .. } => Some(when.span),
            Item::Require { when, .. }
            | Item::Budget { when, .. }
            | Item::Limit { when, .. }
            | Item::Invariant { when, .. } => when.as_ref().map(|when| when.span),
            _ => None,
        }
    }

    /// Debug builds make sure that what the search found is what the evaluator sees: the request
    /// comes to this route (or to none), and no rule denies it.
    pub fn comes_to(&self, said: &Said, route: Option<usize>) -> bool {
        let matches = self.program.table.decide(said);
        let denied =
            matches.all.first().is_some_and(|rule| (*rule as usize) < self.program.denies.len());
        !denied && matches.first.map(|index| index as usize) == route
    }
}

fn item_in(tree: &File, span: Span) -> Option<&Line<Item>> {
    let after = tree.items.partition_point(|line| line.span.start <= span.start);
    tree.items.get(after.checked_sub(1)?).filter(|line| span.end <= line.span.end)
}

/// The keyword of a rule.
pub(super) fn kind(rule: RuleRef) -> &'static str {
    match rule {
        RuleRef::Assumption(_) => "assume",
        RuleRef::Deny(_) => "deny",
        RuleRef::Require(_) => "require",
        RuleRef::Tune(_) => "tune",
        RuleRef::Route(_) => "route",
    }
}
