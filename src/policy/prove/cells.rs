//! What happens to the requests of a rule: the settings they get, and everybody who could be asked.

use std::sync::Arc;

use super::escape::{Region, Room};
use super::findings::Search;
use super::prover::{RuleRef, Stops};
use crate::catalog::ModelIdx;
use crate::policy::program::{Breach, CapBreach, LadderStep, Program, Settings, Split, Target};
use crate::policy::syntax::tree::Span;

/// Requests that all get the same settings.
#[derive(Clone)]
pub(super) struct Cell {
    /// Where they are.
    pub rooms: Vec<Room>,
    /// Which of them are meant: those that none of these stop.
    pub stops: Stops,
    /// What they get, as far as it matters to who asked.
    pub settings: Arc<Settings>,
}

/// Models of one place that may be asked: a pool, a step of a ladder.
#[derive(Clone)]
pub(super) struct Leaf {
    /// What they are to the plan.
    pub role: Role,
    /// The pool, if it is one.
    pub pool: Option<usize>,
    /// The models, those that always belong there first to say so.
    pub models: Vec<(ModelIdx, bool)>,
    /// The step's own settings.
    pub body: Option<Arc<Settings>>,
    /// Whichever model the client named.
    pub requested: bool,
    /// The way to it: names of ladders, steps, splits, arms.
    pub way: Vec<(Arc<str>, Span)>,
}

/// What a model is to a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Asked by plan.
    Main,
    /// Asked after errors.
    Fallback(Span),
    /// Asked as well where an answer is slow.
    Hedge(Span),
    /// Asked for an answer that nobody sees.
    Shadow(Span),
    /// Asked instead, where the cap leaves nobody.
    Degrade(Span),
    /// Asked instead, where a budget is used up.
    Budget(usize),
    /// Asked instead, where a limit is reached.
    Limit(usize),
}

/// One way through the splits of a target: its steps, in order.
pub(super) type Steps = Vec<Leaf>;

/// More ways through splits than this are not told apart.
const MOST_WAYS: usize = 64;

impl Search<'_> {
    /// The requests of some rooms that come to a route (`None`: that name their model, and come to
    /// none), told apart by the `tune`s that change what is asked about.
    /// `None` where there are too many combinations.
    pub fn cells(
        &self,
        rooms: &[Room],
        stops: &Stops,
        route: Option<usize>,
        matters: &dyn Fn(&Settings) -> bool,
    ) -> Option<Vec<Cell>> {
        /// Each doubles the cases.
        const MOST_TUNES: usize = 6;
        let program = self.program;
        let tunes = program.tunes.iter().enumerate().filter(|(_, tune)| matters(&tune.settings));
        let meeting: Vec<usize> = tunes
            .map(|(index, _)| index)
            .filter(|index| {
                let regions = self.prover.regions_of(RuleRef::Tune(*index));
                regions.iter().any(|region| rooms.iter().any(|room| region.meets(room)))
            })
            .collect();
        if meeting.len() > MOST_TUNES {
            return None;
        }
        let mut cells = Vec::new();
        for chosen in 0..1usize << meeting.len() {
            let mut tunes: Vec<&Settings> = Vec::new();
            let (mut rooms, mut stops) = (rooms.to_vec(), stops.clone());
            for (bit, index) in meeting.iter().enumerate() {
                let tune = RuleRef::Tune(*index);
                if chosen & (1 << bit) == 0 {
                    stops.more.push(tune);
                } else {
                    tunes.push(&program.tunes[*index].settings);
                    rooms = self.cut(&rooms, self.prover.regions_of(tune));
                }
            }
            if !rooms.is_empty() {
                let route = route.map(|index| &program.routes[index]);
                let settings = program.settings(tunes.into_iter(), route);
                cells.push(Cell { rooms, stops, settings: Arc::new(settings) });
            }
        }
        Some(cells)
    }

    /// What some rooms have in common with some regions.
    pub fn cut(&self, rooms: &[Room], regions: &[Region]) -> Vec<Room> {
        rooms.iter().flat_map(|room| self.prover.rooms_in(room, regions)).collect()
    }
}

/// Everybody whom a plan for this target could ask, with these settings.
pub(super) fn everybody(program: &Program, target: Target, settings: &Settings) -> Vec<Leaf> {
    let mut all: Vec<Leaf> = leaves(program, target, Role::Main);
    let mut add = |target: Target, role: Role| all.extend(leaves(program, target, role));
    if let Some(fallback) = &settings.fallback {
        fallback.to.iter().for_each(|to| add(*to, Role::Fallback(fallback.at.0)));
    }
    if let Some(hedge) = &settings.hedge {
        add(hedge.to, Role::Hedge(hedge.at.0));
    }
    for shadow in settings.shadows.iter().filter(|shadow| shadow.share.0 > 0) {
        add(shadow.to, Role::Shadow(shadow.at.0));
    }
    if let Some(cap) = &settings.cap
        && let CapBreach::Degrade(to) = cap.breach
    {
        add(to, Role::Degrade(cap.at.0));
    }
    for (index, budget) in program.budgets.iter().enumerate() {
        for mark in &budget.marks {
            if let Breach::Degrade(to) = mark.breach {
                add(to, Role::Budget(index));
            }
        }
    }
    for (index, limit) in program.limits.iter().enumerate() {
        if let Breach::Degrade(to) = limit.breach {
            add(to, Role::Limit(index));
        }
    }
    all
}

/// All pools and models that a target leads to.
pub(super) fn leaves(program: &Program, target: Target, role: Role) -> Vec<Leaf> {
    let mut found = Vec::new();
    collect(program, target, role, None, &mut Vec::new(), &mut found);
    found
}

fn collect(
    program: &Program,
    target: Target,
    role: Role,
    body: Option<&Arc<Settings>>,
    way: &mut Vec<(Arc<str>, Span)>,
    found: &mut Vec<Leaf>,
) {
    match target {
        Target::Pool(_) | Target::Model(_) | Target::Requested => {
            found.push(leaf(program, target, role, body, way));
        }
        Target::Split(index) => {
            let split = &program.splits[index];
            for (name, target) in arms(split) {
                way.push((format!("{}.{name}", split.name).into(), split.span));
                collect(program, target, role, body, way, found);
                way.pop();
            }
        }
        Target::Ladder(index) => {
            for step in &program.ladders[index].steps {
                way.push((step.name.clone(), step.span));
                collect(program, step.target, role, body_of(step).as_ref(), way, found);
                way.pop();
            }
        }
    }
}

fn body_of(step: &LadderStep) -> Option<Arc<Settings>> {
    (step.body != Settings::default()).then(|| Arc::new(step.body.clone()))
}

/// The arms that somebody is dealt to, and what takes over at the end.
pub(super) fn arms(split: &Split) -> Vec<(Arc<str>, Target)> {
    let mut before = 0;
    let mut all = Vec::new();
    for arm in &split.arms {
        if arm.below > before {
            all.push((arm.name.clone(), arm.target));
        }
        before = before.max(arm.below);
    }
    let ends = split.experiment.as_ref().and_then(|it| it.ends);
    all.extend(ends.map(|(_, target)| ("ends".into(), target)));
    all
}

fn leaf(
    program: &Program,
    target: Target,
    role: Role,
    body: Option<&Arc<Settings>>,
    way: &[(Arc<str>, Span)],
) -> Leaf {
    let (pool, models) = match target {
        Target::Pool(index) => {
            let members = program.pools[index].members.iter();
            (Some(index), members.map(|it| (it.model, it.when.is_none())).collect())
        }
        Target::Model(model) => (None, vec![(model, true)]),
        _ => (None, Vec::new()),
    };
    let requested = target == Target::Requested;
    Leaf { role, pool, models, body: body.cloned(), requested, way: way.to_vec() }
}

/// The ways through the splits of a target: which steps a plan can have.
pub(super) fn ways(program: &Program, target: Target) -> Vec<Steps> {
    let mut all = match target {
        Target::Ladder(index) => {
            let mut all: Vec<Steps> = vec![Vec::new()];
            for step in &program.ladders[index].steps {
                let body = body_of(step);
                let own = single(program, step.target, body.as_ref());
                all = all
                    .iter()
                    .flat_map(|known| {
                        let name = (step.name.clone(), step.span);
                        own.iter().map(move |leaf| {
                            let mut longer = known.clone();
                            let mut leaf = leaf.clone();
                            leaf.way.insert(0, name.clone());
                            longer.push(leaf);
                            longer
                        })
                    })
                    .take(MOST_WAYS)
                    .collect();
            }
            all
        }
        Target::Split(index) => {
            let split = &program.splits[index];
            arms(split)
                .into_iter()
                .flat_map(|(name, target)| {
                    let mut inner = ways(program, target);
                    let arm: Arc<str> = format!("{}.{name}", split.name).into();
                    inner.iter_mut().flatten().for_each(|leaf| {
                        leaf.way.insert(0, (arm.clone(), split.span));
                    });
                    inner
                })
                .collect()
        }
        target => single(program, target, None).into_iter().map(|leaf| vec![leaf]).collect(),
    };
    all.truncate(MOST_WAYS);
    all
}

fn single(program: &Program, target: Target, body: Option<&Arc<Settings>>) -> Vec<Leaf> {
    let mut found = Vec::new();
    collect(program, target, Role::Main, body, &mut Vec::new(), &mut found);
    found
}

impl Leaf {
    /// The settings that hold for its models.
    pub fn settings(&self, request: &Arc<Settings>) -> Arc<Settings> {
        match &self.body {
            Some(body) => Arc::new(request.overlaid(body)),
            None => request.clone(),
        }
    }

    /// Whether a model is left by the settings themselves, whatever the request.
    pub fn keeps(&self, settings: &Settings, model: ModelIdx) -> bool {
        settings.only.iter().all(|only| only.pass.contains(model))
    }
}
