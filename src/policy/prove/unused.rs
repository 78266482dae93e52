//! Names that nothing needs: pools, ladders and splits that no request comes to, models that are never
//! asked, conditions, schedules, enums and attributes that nothing uses (P4011).

use std::collections::HashSet;

use super::cells::{Role as Use, everybody};
use super::findings::Search;
use super::prover::Reach;
use crate::catalog::ModelIdx;
use crate::ids::ModelId;
use crate::policy::codes;
use crate::policy::cond::Cond;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::load::Role;
use crate::policy::program::Target as Goal;
use crate::policy::syntax::tree::{
    Arm, Block, Breach, Expectation, ExperimentLine, Item, Line, Name, Rung, SetTerm, Source, Span,
    Stmt, Target, TargetKind, TestLine, TypeExpr,
};

impl Search<'_> {
    pub fn unused(&mut self) {
        self.unused_targets();
        self.models_never_asked();
        for span in &self.seen.unused {
            if !self.in_library(*span) {
                let name = self.program.sources.slice(*span);
                let message = format!("`{name}` is never used");
                self.found.push(nothing_uses(*span, message));
            }
        }
        self.unused_declarations();
    }

    /// The statements that requests come to: all but rules that can never match.
    fn is_live(&self, line: &Line<Item>) -> bool {
        let (name, dead): (&Name, &dyn Fn(usize) -> bool) = match &line.node {
            Item::Route { name, .. } | Item::Alias { from: name, .. } => {
                (name, &|index| matches!(self.routes[index], Reach::Never(_)))
            }
            _ => return true,
        };
        let routes = self.program.routes.iter();
        let own = routes.enumerate().filter(|(_, route)| route.rule.span == name.span);
        let mut own = own.map(|(index, _)| index).peekable();
        own.peek().is_none() || !own.all(dead)
    }

    fn unused_targets(&mut self) {
        let own = || self.units.iter().filter(|unit| unit.role != Role::Library);
        let items = || own().flat_map(|unit| &unit.tree.items);
        let declared = |line: &Line<Item>| match &line.node {
            Item::Pool { name, .. } => Some(("pool", name.clone())),
            Item::Ladder { name, .. } => Some(("ladder", name.clone())),
            Item::Split { name, .. } => Some(("split", name.clone())),
            Item::Experiment { name, .. } => Some(("experiment", name.clone())),
            _ => None,
        };
        let mut open: Vec<String> = Vec::new();
        let mut reached: HashSet<String> = HashSet::new();
        let note = |node: &Item, open: &mut Vec<String>| {
            each_target(node, &mut |target| {
                if let TargetKind::Name(name) = &target.kind {
                    open.push(name.clone());
                }
            });
        };
        for line in items().filter(|line| declared(line).is_none() && self.is_live(line)) {
            note(&line.node, &mut open);
        }
        // `pool["main"].healthy` needs the pool, too.
        for line in items() {
            open.extend(indexed(self.program.sources.slice(line.span)));
        }
        let mut dead: HashSet<String> = HashSet::new();
        for line in items().filter(|line| !self.is_live(line)) {
            let mut names = Vec::new();
            note(&line.node, &mut names);
            dead.extend(names);
        }
        while let Some(name) = open.pop() {
            if !reached.insert(name.clone()) {
                continue;
            }
            for line in items() {
                if declared(line).is_some_and(|(_, own)| own.node == name) {
                    note(&line.node, &mut open);
                }
            }
        }
        let mut found = Vec::new();
        for (kind, name) in items().filter_map(declared) {
            if !reached.contains(&name.node) {
                let message = format!("{kind} `{}` is never used", name.node);
                let one = nothing_uses(name.span, message);
                found.push(match dead.contains(&name.node) {
                    true => one.note("only rules that can never match lead to it"),
                    false => one,
                });
            }
        }
        self.found.extend(found);
    }

    /// Models that a list names, and that every plan they are in removes whatever the request.
    fn models_never_asked(&mut self) {
        let program = self.program;
        let mut asked: HashSet<ModelIdx> = HashSet::new();
        let mut somewhere: HashSet<ModelIdx> = HashSet::new();
        let always = |cond: &Cond| *cond == Cond::TRUE;
        let requires: Vec<_> = program.requires.iter().filter(|it| always(&it.rule.when)).collect();
        for index in 0..program.routes.len() {
            if matches!(self.routes[index], Reach::Never(_)) {
                continue;
            }
            for settings in self.settings_of(index) {
                let mut all = everybody(program, program.routes[index].target, &settings);
                for tune in &program.tunes {
                    let beside = everybody(program, Goal::Requested, &tune.settings);
                    all.extend(beside.into_iter().filter(|leaf| leaf.role != Use::Main));
                }
                for leaf in &all {
                    let own = leaf.settings(&settings);
                    for (model, _) in &leaf.models {
                        somewhere.insert(*model);
                        let required = requires.iter().all(|it| it.only.pass.contains(*model));
                        if required && leaf.keeps(&own, *model) {
                            asked.insert(*model);
                        }
                    }
                    if leaf.requested {
                        return; // Whoever names it gets it.
                    }
                }
            }
        }
        let mut found = Vec::new();
        for unit in self.units.iter().filter(|unit| unit.role != Role::Library) {
            for line in &unit.tree.items {
                let Item::Pool { set, .. } = &line.node else { continue };
                let except = set
                    .rest
                    .iter()
                    .filter(|(op, _)| *op == crate::policy::syntax::tree::SetOp::Plus);
                for term in std::iter::once(&set.first).chain(except.map(|(_, term)| term)) {
                    let SetTerm::List(targets) = &term.node else { continue };
                    for target in targets {
                        let TargetKind::Model(id) = &target.kind else { continue };
                        let model = program.catalog.get(&ModelId::new(id.as_str()));
                        let Some(model) = model.filter(|it| somewhere.contains(it)) else {
                            continue;
                        };
                        if !asked.contains(&model) {
                            let message = format!("{id} can never be asked");
                            found.push(
                                Diagnostic::warning(
                                    codes::UNUSED,
                                    target.span,
                                    message,
                                    "every route to it removes it",
                                )
                                .help("take it out, or relax the conditions on models"),
                            );
                        }
                    }
                }
            }
        }
        self.found.extend(found);
    }

    fn unused_declarations(&mut self) {
        let mut used = Words::default();
        let mut scripted = false;
        for unit in self.units {
            for line in &unit.tree.items {
                let text = self.program.sources.slice(line.span);
                match &line.node {
                    // What it is called is no use of it.
                    Item::Enum { .. } | Item::Schedule(_) => {}
                    Item::Attribute { ty, source, .. } => {
                        if let TypeExpr::Named(name) = &ty.node {
                            used.enums.insert(name.clone());
                        }
                        match source {
                            Some(Source::Script(..)) => scripted = true,
                            Some(Source::Attr(attr)) => _ = used.paths.insert(attr.to_string()),
                            _ => {}
                        }
                    }
                    _ => used.read(text),
                }
            }
        }
        scripted |= !self.program.scripts.is_empty();
        let mut found = Vec::new();
        for unit in self.units.iter().filter(|unit| unit.role != Role::Library) {
            for line in &unit.tree.items {
                let (what, name, span) = match &line.node {
                    Item::Enum { name, .. } if !used.enums.contains(&name.node) => {
                        ("enum", name.node.clone(), name.span)
                    }
                    Item::Schedule(it) if !used.paths.contains(&it.name.node) => {
                        ("schedule", it.name.node.clone(), it.name.span)
                    }
                    // A script may read it.
                    Item::Attribute { attr, .. }
                        if !scripted && !used.paths.contains(&attr.to_string()) =>
                    {
                        ("attribute", attr.to_string(), attr.span)
                    }
                    _ => continue,
                };
                found.push(nothing_uses(span, format!("{what} `{name}` is never used")));
            }
        }
        self.found.extend(found);
    }
}

fn nothing_uses(span: Span, message: String) -> Diagnostic {
    Diagnostic::warning(codes::UNUSED, span, message, "nothing needs it").help("remove it")
}

/// The words that statements use.
#[derive(Default)]
struct Words {
    enums: HashSet<String>,
    /// Words and paths of attributes: `office`, `key.tier`, `tag["a"]`.
    paths: HashSet<String>,
}

impl Words {
    /// Takes every word, and every path with its beginnings and its end behind a prefix.
    fn read(&mut self, text: &str) {
        let is_word =
            |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '[' | ']' | '"');
        for run in text.split(|c: char| !is_word(c)) {
            let run = run.trim_matches(['.', '-']);
            let run = if run.starts_with('[') { run.trim_start_matches(['[', '"']) } else { run };
            let closed = run.matches('[').count() == run.matches(']').count();
            let run = if closed { run } else { run.trim_end_matches([']', '"']) };
            if run.is_empty() {
                continue;
            }
            self.paths.insert(run.to_owned());
            // `shared.office` is `office` of an imported file.
            for (dot, _) in run.match_indices('.') {
                self.paths.insert(run[dot + 1..].to_owned());
            }
        }
    }
}

/// The texts in brackets and quotes: `main` of `pool["main"].healthy`.
fn indexed(text: &str) -> Vec<String> {
    let starts = text.match_indices("pool[\"").map(|(at, start)| at + start.len());
    starts.filter_map(|at| Some(text[at..].split_once('"')?.0.to_owned())).collect()
}

/// Calls back for every target that a statement names.
pub(super) fn each_target(item: &Item, with: &mut dyn FnMut(&Target)) {
    let breach = |breach: &Breach, with: &mut dyn FnMut(&Target)| {
        if let Breach::Degrade(to) = breach {
            with(to);
        }
    };
    let arm = |arm: &Arm, with: &mut dyn FnMut(&Target)| with(&arm.to);
    match item {
        Item::Pool { set, .. } => {
            let terms = std::iter::once(&set.first).chain(set.rest.iter().map(|(_, term)| term));
            for term in terms {
                match &term.node {
                    SetTerm::List(targets) => targets.iter().for_each(&mut *with),
                    SetTerm::Name(name) => {
                        with(&Target { kind: TargetKind::Name(name.clone()), span: term.span });
                    }
                    SetTerm::Models(_) => {}
                }
            }
        }
        Item::Ladder { rungs, .. } => {
            for line in &rungs.lines {
                if let Rung::Step { to, body, .. } = &line.node {
                    with(to);
                    body.iter().for_each(|body| each_in_body(body, with));
                }
            }
        }
        Item::Split { arms, .. } => arms.lines.iter().for_each(|line| arm(&line.node, with)),
        Item::Experiment { lines, .. } => {
            for line in &lines.lines {
                match &line.node {
                    ExperimentLine::Arm(one) => arm(one, with),
                    ExperimentLine::Ends { to, .. } => with(to),
                    _ => {}
                }
            }
        }
        Item::Budget { marks, .. } => {
            marks.lines.iter().for_each(|line| breach(&line.node.breach, with));
        }
        Item::Limit { breach: only, .. } => breach(only, with),
        Item::Defaults(body) | Item::Tune { body, .. } => each_in_body(body, with),
        Item::Route { to, body, .. } | Item::Default { to, body } => {
            with(to);
            body.iter().for_each(|body| each_in_body(body, with));
        }
        Item::Alias { to, .. } => with(to),
        Item::Test { lines, .. } => {
            for line in &lines.lines {
                match &line.node {
                    TestLine::Expect(Expectation::ModelsIn(_, name)) => {
                        with(&Target {
                            kind: TargetKind::Name(name.node.clone()),
                            span: name.span,
                        });
                    }
                    TestLine::Expect(Expectation::AnsweredBy(target)) => with(target),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

fn each_in_body(body: &Block<Stmt>, with: &mut dyn FnMut(&Target)) {
    for line in &body.lines {
        match &line.node {
            Stmt::Fallback { to, .. } => to.iter().for_each(&mut *with),
            Stmt::Hedge { to, .. } | Stmt::Shadow { to, .. } => with(to),
            Stmt::Cap { breach: Breach::Degrade(to), .. } => with(to),
            _ => {}
        }
    }
}
