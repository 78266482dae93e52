//! Whether a policy keeps its promises for all requests (P5001, P5002), or only for those that leave
//! the choice to it (P5003).

use std::sync::Arc;

use super::bite::sized;
use super::cells::{Role, everybody};
use super::escape::{Region, Room};
use super::example::{example, example_for};
use super::findings::Search;
use super::prover::{Reach, RuleRef, Stops};
use crate::policy::codes;
use crate::policy::cond::{Cond, Op, Operand};
use crate::policy::diagnostic::Diagnostic;
use crate::policy::plain::Said;
use crate::policy::plan::Decision;
use crate::policy::program::{Breach, CapBreach, Claim, Invariant, Settings};
use crate::policy::schema::{Attr, AttrRef};
use crate::policy::syntax::tree::{Quantifier, Span};
use crate::policy::value::{Facts, Value};

/// What came of a claim.
pub(super) enum Verdict {
    Holds,
    Broken(Box<Diagnostic>),
    /// Why it was not decided.
    Open(String),
}

/// A claim under scrutiny.
#[derive(Clone, Copy)]
pub(super) struct Promise<'a> {
    pub invariant: &'a Invariant,
    pub span: Span,
}

pub(super) const GIVEN_UP: &str = "the search was given up: too many rules overlap";
pub(super) const REGEX: &str =
    "a regular expression is involved, and no text was found that shows either";

impl Search<'_> {
    pub fn invariants(&mut self) {
        let program = self.program;
        for invariant in &program.invariants {
            let premise = self.prover.regions(&invariant.rule.when).unwrap_or_default();
            if premise.is_empty() {
                continue; // Of nobody everything holds.
            }
            for (claim, span) in &invariant.claims {
                let promise = Promise { invariant, span: *span };
                match self.verdict(promise, claim, &premise) {
                    Verdict::Holds => {
                        if let Claim::Models(quantifier, filter) = claim
                            && let Some(found) =
                                self.named_breaks(promise, *quantifier, filter, &premise)
                        {
                            self.report(found);
                        }
                    }
                    Verdict::Broken(found) => self.report(*found),
                    Verdict::Open(why) => {
                        let name = &invariant.rule.name;
                        let message = format!("whether invariant `{name}` holds was not decided");
                        self.report(
                            Diagnostic::error(codes::UNDECIDED, *span, message, "neither proved nor refuted")
                                .note(why)
                                .help(
                                    "claim it for fewer requests, or make what is open plain: `like` instead of `matches`, a pool \
                                     without live conditions, `deny` instead of `degrade`",
                                ),
                        );
                    }
                }
            }
        }
    }

    fn verdict(&self, promise: Promise<'_>, claim: &Claim, premise: &[Region]) -> Verdict {
        match claim {
            Claim::Models(Quantifier::Some, filter) => self.some_model(promise, filter, premise),
            Claim::Models(quantifier, filter) => {
                self.all_models(promise, *quantifier, filter, premise)
            }
            Claim::NoShadow => self.no_shadow(promise, premise),
            Claim::NeverDenied => self.never_denied(promise, premise),
            Claim::AlwaysDenied => self.always_denied(promise, premise),
            Claim::RouteIn(names) => self.route_in(promise, names, premise),
            Claim::MaxCost(most) => self.max_cost(promise, *most, premise),
            Claim::MaxAttempts(most) => self.max_attempts(promise, *most, premise),
            Claim::MaxLatency(most) => self.max_latency(promise, *most, premise),
        }
    }

    /// A request of a room, where it is sure to come to the route.
    pub(super) fn shown(&self, room: &Room, route: Option<usize>) -> Option<Said> {
        let (said, certain) = self.prover.request(room);
        let confirmed = self.comes_to(&said, route);
        debug_assert!(confirmed || !certain, "{route:?}: {}", example(&said));
        confirmed.then_some(said)
    }

    pub(super) fn example_of(&self, promise: Promise<'_>, said: &Said) -> String {
        format!("example: {}", example_for(said, &[&promise.invariant.rule.own]))
    }

    pub(super) fn broken(&self, promise: Promise<'_>, label: String) -> Diagnostic {
        let name = &promise.invariant.rule.name;
        let message = format!("invariant `{name}` does not hold");
        Diagnostic::error(codes::BROKEN, promise.span, message, label)
    }

    /// The rooms of a route in which a premise holds.
    pub(super) fn rooms_within(&self, route: usize, premise: &[Region]) -> Vec<Room> {
        match self.routes[route] {
            Reach::Never(_) => Vec::new(),
            _ => self.cut(&self.prover.rooms_of(RuleRef::Route(route)), premise),
        }
    }

    /// How to write that a premise does not hold.
    pub(super) fn other_than(&self, invariant: &Invariant) -> Option<String> {
        let span = self.written_when(invariant.rule.span)?;
        let text = self.program.sources.slice(span);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        Some(match invariant.rule.own.tests().len() {
            1 if text.contains(" == ") => text.replacen(" == ", " != ", 1),
            1 if !text.contains(' ') => format!("not {text}"),
            _ => format!("not ({text})"),
        })
    }

    // ---- the others ----------------------------------------------------------------------------

    fn no_shadow(&self, promise: Promise<'_>, premise: &[Region]) -> Verdict {
        let program = self.program;
        for index in 0..program.routes.len() {
            let rooms = self.rooms_within(index, premise);
            let stops = self.prover.before(RuleRef::Route(index));
            let Some(cells) = self.cells(&rooms, &stops, Some(index), &|it| !it.shadows.is_empty())
            else {
                return Verdict::Open("too many `tune`s overlap here".to_owned());
            };
            for cell in cells {
                let shadow = cell.settings.shadows.iter().find(|shadow| shadow.share.0 > 0);
                let Some(shadow) = shadow else { continue };
                match self.prover.any_escapes(&cell.rooms, &cell.stops, &[]) {
                    Reach::Never(_) => {}
                    Reach::Undecided => return Verdict::Open(GIVEN_UP.to_owned()),
                    Reach::Here(room) => {
                        let Some(said) = self.shown(&room, Some(index)) else {
                            return Verdict::Open(REGEX.to_owned());
                        };
                        let label = "broken by a shadow".to_owned();
                        let found = self
                            .broken(promise, label)
                            .also(shadow.at.0, "this copy goes out")
                            .also(program.routes[index].rule.span, "this route takes the request")
                            .note(self.example_of(promise, &said));
                        let found = match self.other_than(promise.invariant) {
                            Some(other) => found.help(format!(
                                "narrow the route (`and {other}`), or remove the shadow"
                            )),
                            None => found.help("remove the shadow"),
                        };
                        return Verdict::Broken(Box::new(found));
                    }
                }
            }
        }
        Verdict::Holds
    }

    fn route_in(&self, promise: Promise<'_>, names: &[Arc<str>], premise: &[Region]) -> Verdict {
        let program = self.program;
        let mut open = None;
        for (index, route) in program.routes.iter().enumerate() {
            if names.contains(&route.rule.name) {
                continue;
            }
            let rooms = self.rooms_within(index, premise);
            match self.prover.any_escapes(&rooms, &self.prover.before(RuleRef::Route(index)), &[]) {
                Reach::Never(_) => {}
                Reach::Undecided => open = Some(GIVEN_UP),
                Reach::Here(room) => {
                    match self.shown(&room, Some(index)) {
                        None => open = Some(REGEX),
                        Some(said) => {
                            let label = format!("broken by {}", self.called(RuleRef::Route(index)));
                            let found = self
                                .broken(promise, label)
                                .also(route.rule.span, "this route takes the request")
                                .note(self.example_of(promise, &said));
                            return Verdict::Broken(Box::new(found.help(
                                "narrow this route, or move the ones that are meant above it",
                            )));
                        }
                    }
                }
            }
        }
        // Requests that name a model and that no route takes.
        if promise.invariant.rule.when.mentions(Attr::RequestModel)
            && !names.iter().any(|name| **name == *"requested")
        {
            let auto = Operand::Attr(AttrRef::plain(Attr::RequestAuto));
            let named = Cond::test(auto, Op::IsTrue, Span::default()).negated();
            let rooms = self.prover.rooms_in(&self.prover.axes.everything(), premise);
            let rooms = self.within_rule(&rooms, &named);
            let stops = Stops {
                denies: program.denies.len(),
                routes: program.routes.len(),
                more: Vec::new(),
            };
            if let Reach::Here(room) = self.prover.any_escapes(&rooms, &stops, &[])
                && let Some(said) = self.shown(&room, None)
            {
                let label = "broken by requests that get the model they name".to_owned();
                let found = self.broken(promise, label).note(self.example_of(promise, &said));
                return Verdict::Broken(Box::new(found.help("add `requested` to the list")));
            }
        }
        open.map_or(Verdict::Holds, |why| Verdict::Open(why.to_owned()))
    }

    fn always_denied(&self, promise: Promise<'_>, premise: &[Region]) -> Verdict {
        let rooms = self.prover.rooms_in(&self.prover.axes.everything(), premise);
        let stops = Stops { denies: self.program.denies.len(), ..Stops::default() };
        match self.prover.any_escapes(&rooms, &stops, &[]) {
            Reach::Never(_) => Verdict::Holds,
            Reach::Undecided => Verdict::Open(GIVEN_UP.to_owned()),
            Reach::Here(room) => {
                let (said, _) = self.prover.request(&room);
                if self.program.denies.iter().any(|deny| deny.rule.when.holds(&said)) {
                    return Verdict::Open(REGEX.to_owned());
                }
                let found = self
                    .broken(promise, "some of them are not denied".to_owned())
                    .note(self.example_of(promise, &said))
                    .help("widen a `deny`");
                Verdict::Broken(Box::new(found))
            }
        }
    }

    fn never_denied(&self, promise: Promise<'_>, premise: &[Region]) -> Verdict {
        let program = self.program;
        let everything = self.prover.rooms_in(&self.prover.axes.everything(), premise);
        let mut open = None;
        for (index, deny) in program.denies.iter().enumerate() {
            let rooms = self.cut(&everything, self.prover.regions_of(RuleRef::Deny(index)));
            match self.prover.any_escapes(&rooms, &Stops::default(), &[]) {
                Reach::Never(_) => {}
                Reach::Undecided => open = Some(GIVEN_UP),
                Reach::Here(room) => {
                    let (said, _) = self.prover.request(&room);
                    if !deny.rule.when.holds(&said) {
                        open = Some(REGEX);
                        continue;
                    }
                    let label = format!("broken by deny `{}`", deny.rule.name);
                    return self.denied_here(promise, label, deny.rule.span, &said);
                }
            }
        }
        let denies = Stops { denies: program.denies.len(), ..Stops::default() };
        let budgets = program.budgets.iter().map(|budget| {
            let denies = budget.marks.iter().any(|it| matches!(it.breach, Breach::Deny(_)));
            (&budget.rule, denies, "budget")
        });
        let limits = program
            .limits
            .iter()
            .map(|limit| (&limit.rule, matches!(limit.breach, Breach::Deny(_)), "limit"));
        for (rule, _, kind) in budgets.chain(limits).filter(|(_, denies, _)| *denies) {
            let rooms = self.within_rule(&everything, &rule.when);
            if let Reach::Here(room) = self.prover.any_escapes(&rooms, &denies, &[]) {
                let (said, _) = self.prover.request(&room);
                let label = format!("{kind} `{}` denies once it is used up", rule.name);
                return self.denied_here(promise, label, rule.span, &said);
            }
        }
        match self.capped_out(promise, premise) {
            Verdict::Holds => open.map_or(Verdict::Holds, |why| Verdict::Open(why.to_owned())),
            other => other,
        }
    }

    fn denied_here(&self, promise: Promise<'_>, label: String, at: Span, said: &Said) -> Verdict {
        let found = self
            .broken(promise, label)
            .also(at, "denies the request")
            .note(self.example_of(promise, said));
        Verdict::Broken(Box::new(match self.other_than(promise.invariant) {
            Some(other) => found.help(format!("narrow it (`and {other}`)")),
            None => found.help("claim it for fewer requests, with `when`"),
        }))
    }

    /// Whether a cap denies a request.
    fn capped_out(&self, promise: Promise<'_>, premise: &[Region]) -> Verdict {
        let program = self.program;
        let mut open = None;
        for index in 0..program.routes.len() {
            let rooms = self.rooms_within(index, premise);
            let stops = self.prover.before(RuleRef::Route(index));
            let Some(cells) = self.cells(&rooms, &stops, Some(index), &|it| it.cap.is_some())
            else {
                open = Some("too many `tune`s overlap here");
                continue;
            };
            for cell in cells {
                let Some(cap) = cell.settings.cap.as_ref() else { continue };
                if cap.breach == CapBreach::Warn {
                    continue;
                }
                let Reach::Here(room) = self.prover.any_escapes(&cell.rooms, &cell.stops, &[])
                else {
                    continue;
                };
                let (said, _) = self.prover.request(&room);
                let mut tries = vec![said.clone()];
                if self.shape.is_free(Attr::RequestN) {
                    tries.push(sized(&said, 1_000_000_000));
                }
                let denied = tries.iter().find(|said| {
                    matches!(self.shape.decide(program, said), Decision::Denied(it) if it.over_cap)
                });
                match denied {
                    Some(said) => {
                        let label = "broken by a cap that denies".to_owned();
                        return self.denied_here(promise, label, cap.at.0, said);
                    }
                    None => {
                        let models =
                            everybody(program, program.routes[index].target, &cell.settings);
                        let bounded = !self.shape.is_free(Attr::RequestN)
                            && models.iter().filter(|it| it.role == Role::Main).all(|leaf| {
                                let own = leaf.settings(&cell.settings);
                                leaf.models.iter().any(|(model, always)| {
                                    *always
                                        && self.most(index, *model, &own).is_some_and(|most| {
                                            most.0.saturating_mul(self.most_answers(&cell.rooms))
                                                <= cap.amount.0
                                        })
                                })
                            });
                        if !bounded {
                            open = Some("whether the cap ever denies depends on prices");
                        }
                    }
                }
            }
        }
        open.map_or(Verdict::Holds, |why| Verdict::Open(why.to_owned()))
    }

    /// How many answers a request of these rooms may ask for at most.
    pub(super) fn most_answers(&self, rooms: &[Room]) -> u64 {
        let operand = Operand::Attr(AttrRef::plain(Attr::RequestN));
        let Some(axis) = self.prover.axes.axis_with(&operand) else { return u64::MAX };
        let points = rooms.iter().flat_map(|room| room.points(axis).collect::<Vec<_>>());
        let most = points.map(|point| self.prover.axes.most(axis, point, &operand));
        most.map(|most| most.unwrap_or(u64::MAX)).max().unwrap_or(u64::MAX)
    }
}

/// Whether settings have a say in who is asked.
pub(super) fn changes_models(settings: &Settings) -> bool {
    !settings.only.is_empty()
        || settings.fallback.is_some()
        || settings.hedge.is_some()
        || !settings.shadows.is_empty()
        || settings.cap.is_some()
        || settings.parameters.iter().any(|it| it.name == crate::dialect::edits::Param::MaxOutput)
}

/// What a request says of a count.
pub(super) fn said_count(said: &Said, attr: Attr) -> Option<u64> {
    match said.get(&AttrRef::plain(attr)) {
        Value::Int(count) => u64::try_from(count).ok(),
        _ => None,
    }
}
