//! What all kinds have in common: who is asked, in which order, under which condition; and how routes
//! come of it.

use super::report::Report;
use super::write::{self, Policy, at, block, name, named};
use crate::policy::syntax::tree::{
    AttrPath, By, Cond, CondKind, Item, Literal, LiteralValue, Membership, PickStrategy, Rung,
    SetExpr, SetTerm, Stmt, Target, TargetKind, Test, ValueKind,
};

/// The most routes that come of conditions within conditions.
const MOST_ROUTES: usize = 64;

/// Who answers a request.
// A plan is built once and has few parts: their size does not matter.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone)]
pub enum Plan {
    /// One target.
    Leaf {
        /// The model or the pool.
        goal: Goal,
        /// What holds for attempts there.
        settings: Vec<Stmt>,
    },
    /// One after the other.
    Fallback {
        /// The first to be asked first.
        steps: Vec<Plan>,
        /// On which error classes the next is asked; on any where empty.
        on: Vec<&'static str>,
    },
    /// One of them, by chance.
    Split {
        /// A wish for its name.
        name: String,
        /// What keeps a caller in its arm.
        by: Option<AttrPath>,
        /// The arms and their weights.
        arms: Vec<(f64, Plan)>,
    },
    /// The first whose condition holds.
    Branch {
        /// In order.
        cases: Vec<(Cond, Plan)>,
        /// What is done where none holds.
        otherwise: Option<Box<Plan>>,
    },
    /// A plan with settings for all of it; those inside win.
    With(Vec<Stmt>, Box<Plan>),
    /// A plan with a wish for the name of its route.
    Called(String, Box<Plan>),
}

/// A leaf's target.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone)]
pub enum Goal {
    /// A model by its id.
    Model(String),
    /// A pool of its own.
    Pool {
        /// A wish for its name.
        name: String,
        /// Its members.
        set: SetExpr,
        /// The order of its members.
        pick: PickStrategy,
        /// Where it comes from.
        comment: String,
    },
}

impl Plan {
    /// A model without settings.
    pub fn model(id: impl Into<String>) -> Plan {
        Plan::Leaf { goal: Goal::Model(id.into()), settings: Vec::new() }
    }

    /// The wish for the name of its route.
    fn called(&self) -> Option<&str> {
        match self {
            Plan::Called(name, _) => Some(name),
            Plan::With(_, inner) => inner.called(),
            _ => None,
        }
    }

    /// The plan with settings around it.
    pub fn with(self, settings: Vec<Stmt>) -> Plan {
        if settings.is_empty() { self } else { Plan::With(settings, Box::new(self)) }
    }
}

/// Whether both say the same thing, so that one of them is to go.
fn same_place(a: &Stmt, b: &Stmt) -> bool {
    match (a, b) {
        (Stmt::Set { param: a, op: x, .. }, Stmt::Set { param: b, op: y, .. }) => a == b && x == y,
        (Stmt::Timeout(a), Stmt::Timeout(b)) => {
            a.iter().any(|(clock, _)| b.iter().any(|(other, _)| clock == other))
        }
        (Stmt::Retry { .. }, Stmt::Retry { .. })
        | (Stmt::Cache(_), Stmt::Cache(_))
        | (Stmt::Fallback { .. }, Stmt::Fallback { .. }) => true,
        (Stmt::Tag { name: a, .. }, Stmt::Tag { name: b, .. }) => a == b,
        (a, b) => a == b,
    }
}

/// Each once: of those that speak of the same, the first.
pub fn unique(stmts: Vec<Stmt>) -> Vec<Stmt> {
    let mut kept: Vec<Stmt> = Vec::new();
    for stmt in stmts {
        if !kept.iter().any(|known| same_place(known, &stmt)) {
            kept.push(stmt);
        }
    }
    kept
}

/// Both; where they speak of the same, the inner one.
pub fn merged(inner: Vec<Stmt>, outer: &[Stmt]) -> Vec<Stmt> {
    let more: Vec<Stmt> = outer
        .iter()
        .filter(|stmt| !inner.iter().any(|own| same_place(own, stmt)))
        .cloned()
        .collect();
    more.into_iter().chain(inner).collect()
}

/// Conditions pulled out: each way through the plan with what must hold for it, the first match first.
fn ways(plan: &Plan, report: &Report) -> Vec<(Vec<Cond>, Plan)> {
    let mut found = match plan {
        Plan::Leaf { .. } => vec![(Vec::new(), plan.clone())],
        Plan::Branch { cases, otherwise } => {
            let mut found = Vec::new();
            for (cond, case) in cases {
                for (conds, way) in ways(case, report) {
                    found.push((std::iter::once(cond.clone()).chain(conds).collect(), way));
                }
            }
            found.extend(otherwise.iter().flat_map(|plan| ways(plan, report)));
            found
        }
        Plan::With(settings, inner) => ways(inner, report)
            .into_iter()
            .map(|(conds, way)| (conds, way.with(settings.clone())))
            .collect(),
        Plan::Called(name, inner) => ways(inner, report)
            .into_iter()
            .map(|(conds, way)| (conds, Plan::Called(name.clone(), Box::new(way))))
            .collect(),
        Plan::Fallback { steps, on } => product(steps, report)
            .into_iter()
            .map(|(conds, steps)| (conds, Plan::Fallback { steps, on: on.clone() }))
            .collect(),
        Plan::Split { name, by, arms } => {
            let plans: Vec<Plan> = arms.iter().map(|(_, plan)| plan.clone()).collect();
            let weights = arms.iter().map(|(weight, _)| *weight);
            product(&plans, report)
                .into_iter()
                .map(|(conds, plans)| {
                    let arms = weights.clone().zip(plans).collect();
                    (conds, Plan::Split { name: name.clone(), by: by.clone(), arms })
                })
                .collect()
        }
    };
    if found.len() > MOST_ROUTES {
        let unconditional = found.iter().position(|(conds, _)| conds.is_empty());
        let last = unconditional.map(|index| found.swap_remove(index));
        found.truncate(MOST_ROUTES - 1);
        found.extend(last);
        report.left(
            "",
            "some combinations of conditions",
            format!("there are more than {MOST_ROUTES}; write the rest as routes of your own"),
        );
    }
    found
}

/// Every combination of the plans' ways; the first that holds is made of the first of each that holds.
fn product(plans: &[Plan], report: &Report) -> Vec<(Vec<Cond>, Vec<Plan>)> {
    let mut all: Vec<(Vec<Cond>, Vec<Plan>)> = vec![(Vec::new(), Vec::new())];
    for plan in plans {
        let ways = ways(plan, report);
        if ways.is_empty() {
            continue;
        }
        all = all
            .into_iter()
            .flat_map(|(conds, plans)| {
                ways.iter().map(move |(more, way)| {
                    let conds = conds.iter().chain(more).cloned().collect();
                    let plans = plans.iter().chain([way]).cloned().collect();
                    (conds, plans)
                })
            })
            .take(MOST_ROUTES * MOST_ROUTES)
            .collect();
    }
    all
}

/// Makes declarations of plans.
pub struct Lower<'a> {
    /// Where they go.
    pub policy: &'a mut Policy,
    /// What is said about it.
    pub report: &'a Report,
}

impl Lower<'_> {
    /// The target of a plan without conditions, and the body of the route that goes there. `None` for
    /// a plan that asks nobody.
    pub fn route(&mut self, plan: &Plan) -> Option<(Target, Vec<Stmt>)> {
        match plan {
            Plan::Leaf { goal, settings } => Some((self.goal(goal), settings.clone())),
            Plan::With(settings, inner) => {
                let (target, body) = self.route(inner)?;
                Some((target, merged(body, settings)))
            }
            Plan::Called(_, inner) => self.route(inner),
            Plan::Branch { .. } => None,
            Plan::Split { name, by, arms } => self.split(name, by.as_ref(), arms),
            Plan::Fallback { steps, on } => {
                let mut steps: Vec<(Target, Vec<Stmt>)> =
                    steps.iter().filter_map(|step| self.route(step)).collect();
                if steps.len() < 2 {
                    return steps.pop();
                }
                // Its own fallback within a step makes a ladder of the step.
                for (target, body) in &mut steps {
                    if body.iter().any(|stmt| matches!(stmt, Stmt::Fallback { .. })) {
                        let own = std::mem::take(body);
                        let (to, rest) = self.ladder_of(target.clone(), own);
                        (*target, *body) = (to, rest);
                    }
                }
                let outer = self.hoisted(&mut steps);
                let (first, body) = steps.first().cloned()?;
                if steps.iter().all(|(_, other)| *other == body) {
                    let to: Vec<Target> =
                        steps.iter().skip(1).map(|(target, _)| target.clone()).collect();
                    let on: &[&str] = if on.is_empty() { &["any"] } else { on };
                    let fallback = write::fallback(to, on);
                    let body = body.into_iter().chain(outer).chain([fallback]).collect();
                    return Some((first, body));
                }
                let (target, _) = self.ladder("steps", steps, on);
                Some((target, outer))
            }
        }
    }

    fn ladder_of(&mut self, target: Target, mut body: Vec<Stmt>) -> (Target, Vec<Stmt>) {
        let place = body.iter().position(|stmt| matches!(stmt, Stmt::Fallback { .. }));
        let fallback = place.map(|place| body.remove(place));
        let mut steps = vec![(target, body.clone())];
        let mut classes: Vec<&'static str> = Vec::new();
        if let Some(Stmt::Fallback { to, on }) = fallback {
            steps.extend(to.into_iter().map(|to| (to, body.clone())));
            for class in on.iter().flatten() {
                let known = crate::error_class::ErrorClass::from_name(&class.node);
                classes.extend(known.map(|class| class.name()));
            }
        }
        if let [(_, body)] = steps.as_slice()
            && !body.iter().any(Stmt::fits_step)
            && let Some(step) = steps.pop()
        {
            return step;
        }
        self.ladder("steps", steps, &classes)
    }

    /// Takes from steps what only a route can say.
    fn hoisted(&self, steps: &mut [(Target, Vec<Stmt>)]) -> Vec<Stmt> {
        let mut outer: Vec<Stmt> = Vec::new();
        for (_, body) in steps {
            let (own, rest): (Vec<Stmt>, Vec<Stmt>) =
                std::mem::take(body).into_iter().partition(Stmt::fits_step);
            *body = own;
            for stmt in rest {
                match outer.iter().find(|known| same_place(known, &stmt)) {
                    Some(known) if *known != stmt => self.report.changed(
                        "",
                        "a cache of a later target is that of the first",
                        "a route has one for all of its targets",
                    ),
                    Some(_) => {}
                    None => outer.push(stmt),
                }
            }
        }
        outer
    }

    /// A ladder, and what its steps cannot say themselves.
    fn ladder(
        &mut self,
        like: &str,
        steps: Vec<(Target, Vec<Stmt>)>,
        on: &[&'static str],
    ) -> (Target, Vec<Stmt>) {
        let like = match steps.first().map(|(target, _)| &target.kind) {
            Some(TargetKind::Model(id)) => format!("{id}-{like}"),
            Some(TargetKind::Name(known)) => format!("{known}-{like}"),
            None => like.to_owned(),
        };
        let ladder = self.policy.name(&like);
        let last = steps.len().saturating_sub(1);
        let mut steps = steps;
        let outer = self.hoisted(&mut steps);
        let comment = match steps.len() {
            1 => "A target with settings of its own.",
            _ => "Asked one after the other, each with its own settings.",
        };
        let mut rungs = Vec::new();
        for (index, (to, own)) in steps.into_iter().enumerate() {
            let escalate = (index < last).then(|| {
                let error = write::attr("error", None);
                match on {
                    [] => write::atom(write::attr("failed", None), None),
                    classes => {
                        let values = classes.iter().map(|it| write::word_value(it)).collect();
                        write::one_of(error, values, false)
                    }
                }
            });
            let step = format!("step-{}", index + 1);
            rungs.push(Rung::Step { name: name(&step), to, escalate, body: write::body(own) });
        }
        let item = Item::Ladder { name: name(&ladder), rungs: block(rungs) };
        self.policy.declare(item, &[comment.to_owned()]);
        (named(&ladder), outer)
    }

    fn split(
        &mut self,
        like: &str,
        by: Option<&AttrPath>,
        arms: &[(f64, Plan)],
    ) -> Option<(Target, Vec<Stmt>)> {
        let mut weighted: Vec<(f64, Target, Vec<Stmt>)> = Vec::new();
        for (weight, plan) in arms.iter().filter(|(weight, _)| *weight > 0.0) {
            let (target, body) = self.route(plan)?;
            weighted.push((*weight, target, body));
        }
        let bodies_agree = weighted.windows(2).all(|pair| matches!(pair, [a, b] if a.2 == b.2));
        if weighted.len() < 2 {
            return weighted.pop().map(|(_, target, body)| (target, body));
        }
        let mut outer = Vec::new();
        let shares: Vec<(f64, Target)> = if bodies_agree {
            outer = weighted.first().map(|(.., body)| body.clone()).unwrap_or_default();
            weighted.into_iter().map(|(weight, target, _)| (weight, target)).collect()
        } else {
            let mut shares = Vec::new();
            for (weight, target, body) in weighted {
                let (target, rest) = self.ladder_of(target, body);
                outer = merged(outer, &rest);
                shares.push((weight, target));
            }
            shares
        };
        let split = self.policy.name(like);
        let by = by.map(|attr| By { attrs: vec![attr.clone()], salt: None });
        let arms = block(write::arms(&shares));
        self.policy.declare(Item::Split { name: name(&split), by, arms }, &[]);
        Some((named(&split), outer))
    }

    fn goal(&mut self, goal: &Goal) -> Target {
        match goal {
            Goal::Model(id) => write::model(id),
            Goal::Pool { name: like, set, pick, comment } => {
                let pool = self.policy.name(like);
                let pick = Some(write::pick(pick.clone()));
                let comments: Vec<String> = std::iter::once(comment.clone())
                    .filter(|comment| !comment.is_empty())
                    .collect();
                let item = Item::Pool { name: name(&pool), set: set.clone(), pick };
                self.policy.declare(item, &comments);
                named(&pool)
            }
        }
    }

    /// Adds the routes of a plan. `names` are what clients write as the model besides `auto`.
    pub fn rules(&mut self, plan: &Plan, names: &[String], route: &str) {
        let ways = ways(plan, self.report);
        // A name that conditions speak of is this plan's own, also where another part does not match.
        let spoken_of = names_in(&ways);
        let names = if names.is_empty() { spoken_of.as_slice() } else { names };
        let ways: Vec<(Vec<Cond>, Plan)> = ways
            .into_iter()
            .flat_map(|(conds, way)| {
                by_model(conds).into_iter().map(move |conds| (conds, way.clone()))
            })
            .collect();
        let mut ended = false;
        for (conds, way) in ways {
            if ended {
                break;
            }
            let Some((to, body)) = self.route(&way) else { continue };
            let route = way.called().unwrap_or(route);
            let auto = std::iter::once("auto").chain(names.iter().map(String::as_str));
            let values: Vec<_> = auto.map(write::text_value).collect();
            let model = write::attr("request.model", None);
            let mut all = Vec::new();
            let speaks_of_model = conds.iter().any(mentions_model);
            if conds.is_empty() {
                ended = true;
                if !names.is_empty() {
                    let names = names.iter().map(|name| write::text_value(name)).collect();
                    let when = write::one_of(model, names, false);
                    self.route_to(route, when, to.clone(), body.clone());
                }
                let item = Item::Default { to, body: write::body(body) };
                self.policy.rule(item, &["Clients that leave the choice to the gateway.".into()]);
                continue;
            }
            if !names.is_empty() && !speaks_of_model {
                all.push(write::one_of(model, values, false));
            }
            all.extend(conds);
            if let Some(when) = write::all(all) {
                self.route_to(route, when, to, body);
            }
        }
        if !ended {
            self.no_default();
        }
    }

    fn route_to(&mut self, like: &str, when: Cond, to: Target, body: Vec<Stmt>) {
        let route = self.policy.name(&format!("{like}-route"));
        let item = Item::Route { name: name(&route), when, to, body: write::body(body) };
        self.policy.rule(item, &[]);
    }

    /// A policy needs an end.
    pub fn no_default(&mut self) {
        let pool = self.policy.name("everything");
        let set = SetExpr { first: at(SetTerm::Models(None)), rest: Vec::new() };
        let pick = Some(write::pick(PickStrategy::Cheapest));
        self.policy.declare(Item::Pool { name: name(&pool), set, pick }, &[]);
        self.policy.rule(Item::Default { to: named(&pool), body: None }, &[]);
        self.report.changed(
            "",
            "`default -> everything`",
            "the source says not who answers otherwise, and every policy needs an end; put there whom \
             you want",
        );
    }
}

/// The names of models that conditions compare with.
fn names_in(ways: &[(Vec<Cond>, Plan)]) -> Vec<String> {
    fn collect(cond: &Cond, names: &mut Vec<String>) {
        match &cond.kind {
            CondKind::Or(all) | CondKind::And(all) => {
                all.iter().for_each(|one| collect(one, names));
            }
            CondKind::Not(inner) => collect(inner, names),
            CondKind::Atom { attr, test } if attr.to_string() == "request.model" => {
                let values = match test {
                    Some(Test::Compare(_, value)) => std::slice::from_ref(value),
                    Some(Test::In { set: Membership::List(values), .. }) => values.node.as_slice(),
                    _ => &[],
                };
                for value in values {
                    if let ValueKind::Literal(Literal { value: LiteralValue::String(name), .. }) =
                        &value.kind
                        && name != "auto"
                        && !names.contains(name)
                    {
                        names.push(name.clone());
                    }
                }
            }
            CondKind::Atom { .. } => {}
        }
    }
    let mut names = Vec::new();
    ways.iter().flat_map(|(conds, _)| conds).for_each(|cond| collect(cond, &mut names));
    names
}

/// A choice between the model's name and something else becomes two: the latter says nothing of names,
/// and must not take all of them.
fn by_model(conds: Vec<Cond>) -> Vec<Vec<Cond>> {
    let mixed = |cond: &Cond| match &cond.kind {
        CondKind::Or(any) => any.iter().any(mentions_model) && !any.iter().all(mentions_model),
        _ => false,
    };
    let flat: Vec<Cond> = conds
        .into_iter()
        .flat_map(|cond| match cond.kind {
            CondKind::And(all) => all,
            kind => vec![write::cond(kind)],
        })
        .collect();
    let Some(place) = flat.iter().position(mixed) else { return vec![flat] };
    let CondKind::Or(any) = flat[place].kind.clone() else { return vec![flat] };
    let (named, others): (Vec<Cond>, Vec<Cond>) = any.into_iter().partition(mentions_model);
    [named, others]
        .into_iter()
        .filter_map(write::any)
        .flat_map(|part| {
            let mut conds = flat.clone();
            conds[place] = part;
            by_model(conds)
        })
        .take(MOST_ROUTES)
        .collect()
}

fn mentions_model(cond: &Cond) -> bool {
    match &cond.kind {
        CondKind::Or(all) | CondKind::And(all) => all.iter().any(mentions_model),
        CondKind::Not(inner) => mentions_model(inner),
        CondKind::Atom { attr, .. } => attr.to_string() == "request.model",
    }
}

/// A condition that asks a text whether it is one of a header's comma-separated words.
pub fn header_word(header: &str, word: &str) -> Cond {
    let globs: Vec<String> =
        [word.to_owned(), format!("{word},*"), format!("*,{word}"), format!("*,{word},*")].into();
    let globs = globs.iter().map(|glob| name(glob)).collect();
    write::atom(write::attr("header", Some(header)), Some(Test::Like(globs)))
}
