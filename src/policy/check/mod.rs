//! From the tree to a program: every name gets a meaning, every constant a type and a unit.
//!
//! The checker never stops at the first fault. Where something is wrong it notes a diagnostic and
//! goes on with a stand-in, so that one run shows everything there is to mend.

mod bodies;
mod conditions;
mod declared;
mod money;
mod names;
mod proofs;
mod routes;
mod scripts;
mod targets;
mod values;

use std::collections::HashMap;
use std::sync::Arc;

use super::codes;
use super::cond::Cond;
use super::diagnostic::{Diagnostic, did_you_mean};
use super::load::{Role, Unit};
use super::program::{
    Assumption, At, Budget, Deny, Invariant, Limit, ModelFilter, Program, Require, Route, Rule,
    Settings, TestCase, Tune,
};
use super::schema::Cost;
use super::scripted::BoundScript;
use super::sources::Sources;
use super::syntax::tree::{File, Item, Name, Span};
use super::table::{self, MOST_BOXES, MOST_BOXES_IN_ALL, MOST_PATTERNS, Table, TooComplex};
use crate::catalog::Catalog;
use crate::ids::{Generation, PolicyName};

pub use bodies::{CACHE_KEY_PARTS, CLOCKS};
pub use money::METRICS;
pub use values::quantity;

/// What a policy is checked against.
pub struct Surroundings<'a> {
    /// The models there are.
    pub catalog: &'a Arc<Catalog>,
    /// Reads a file that the policy names (`prompt prepend file "…"`), relative to the policy.
    pub files: &'a dyn Fn(&str) -> Result<String, String>,
    /// The day on which it is checked: models that retire soon are told by it. Nothing is said of
    /// them without.
    pub today: Option<jiff::civil::Date>,
}

impl<'a> Surroundings<'a> {
    /// A catalogue and a way to read files, on no particular day.
    pub fn new(
        catalog: &'a Arc<Catalog>,
        files: &'a dyn Fn(&str) -> Result<String, String>,
    ) -> Surroundings<'a> {
        Surroundings { catalog, files, today: None }
    }

    /// The same on a day.
    pub fn on(self, today: jiff::civil::Date) -> Surroundings<'a> {
        Surroundings { today: Some(today), ..self }
    }
}

/// What checking found.
pub(super) struct Checked {
    /// The program; also where something is wrong with it, if it can be put together all the same.
    pub program: Option<Program>,
    /// The findings, in the order of the texts.
    pub diagnostics: Vec<Diagnostic>,
    /// What only the checker sees.
    pub seen: Seen,
    /// Texts that findings point into.
    pub attached: Vec<Attached>,
}

/// What the checker sees of a policy that is not part of the program.
#[derive(Default)]
pub(super) struct Seen {
    /// The names of `let`s that nothing uses.
    pub unused: Vec<Span>,
    /// Conditions of `models where` in pools.
    pub pools: Vec<Cond>,
    /// A statement could not be read, or a route has no target.
    pub incomplete: bool,
}

/// Checks the trees of a policy and compiles them. There is no program where the policy's own file
/// only declares names.
pub(super) fn check(
    name: &PolicyName,
    sources: &Arc<Sources>,
    units: &[Unit],
    surroundings: &Surroundings<'_>,
) -> Checked {
    let mut checker = Checker::new(sources, units, surroundings);
    let program = checker.program(name, sources);
    // A `let` is checked wherever it is used; its faults are told once.
    let mut told = std::collections::HashSet::new();
    let mut found = checker.diagnostics;
    found.retain(|it| told.insert((it.code, it.primary.span, it.message.clone())));
    found.sort_by_key(|diagnostic| diagnostic.primary.span.start);
    let mut seen = checker.seen;
    seen.incomplete |= units.iter().any(|unit| !unit.broken.is_empty());
    Checked { program, diagnostics: found, seen, attached: checker.attached }
}

/// A text that findings point into although it is no policy: it has to be added to the sources.
pub(super) struct Attached {
    /// Its name, as people know it.
    pub file: String,
    /// What stands in it.
    pub text: String,
    /// What its places are shifted by.
    base: u32,
}

/// What the passes share.
struct Checker<'a> {
    /// The texts of all files.
    text: &'a str,
    sources: &'a Sources,
    units: &'a [Unit],
    surroundings: &'a Surroundings<'a>,
    /// The names of each file; those of the file that is looked at are in `names` meanwhile.
    scopes: Vec<names::Names<'a>>,
    names: names::Names<'a>,
    /// The file that is looked at.
    unit: usize,
    shared: names::Shared<'a>,
    ranks: Vec<Arc<BoundScript>>,
    scripts: Vec<Arc<BoundScript>>,
    /// The judges by the folder and the file that name them; `None` for those that cannot be used.
    judges: HashMap<(String, String), Option<Arc<BoundScript>>>,
    /// The texts of scripts that findings point into.
    attached: Vec<Attached>,
    /// The contents of prompts and scripts that were read: they are part of the generation.
    read: Vec<String>,
    diagnostics: Vec<Diagnostic>,
    /// Statements that this version cannot carry out.
    waiting: Vec<Diagnostic>,
    seen: Seen,
}

/// The rules of all files, as they are found.
#[derive(Default)]
struct Rules {
    defaults: Settings,
    denies: Vec<(Deny, Span)>,
    requires: Vec<(Require, Span)>,
    tunes: Vec<(Tune, Span)>,
    routes: Vec<(Route, Span)>,
    budgets: Vec<Budget>,
    limits: Vec<Limit>,
    assumptions: Vec<Assumption>,
    invariants: Vec<Invariant>,
    tests: Vec<TestCase>,
}

/// For whom the rules of a file are, and what they are called.
#[derive(Clone)]
struct Part {
    unit: usize,
    /// What all its conditions are joined with: that of the `delegate`.
    given: Option<Cond>,
    /// What its names begin with.
    prefix: String,
}

impl<'a> Checker<'a> {
    fn new(
        sources: &'a Sources,
        units: &'a [Unit],
        surroundings: &'a Surroundings<'a>,
    ) -> Checker<'a> {
        Checker {
            text: sources.text(),
            sources,
            units,
            surroundings,
            scopes: units.iter().map(|_| names::Names::default()).collect(),
            names: names::Names::default(),
            unit: 0,
            shared: names::Shared::default(),
            ranks: Vec::new(),
            scripts: Vec::new(),
            judges: HashMap::new(),
            attached: Vec::new(),
            read: Vec::new(),
            diagnostics: Vec::new(),
            waiting: Vec::new(),
            seen: Seen::default(),
        }
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// What was probably meant. Not looked for any more where nobody will read it.
    fn near<'c>(
        &self,
        word: &str,
        candidates: impl IntoIterator<Item = &'c str>,
    ) -> Option<&'c str> {
        let read = self.diagnostics.len() < super::syntax::MAX_FINDINGS;
        read.then(|| did_you_mean(word, candidates))?
    }

    /// Notes something that is checked but cannot be carried out by this version.
    fn wait(&mut self, span: Span, what: &str, missing: &str) {
        self.waiting.push(
            Diagnostic::error(
                codes::NOT_YET,
                span,
                format!("{what} is not supported yet"),
                format!("needs {missing}"),
            )
            .note(
                "it is part of the language and was checked; this version refuses it rather than \
                 ignore it",
            ),
        );
    }

    fn catalog(&self) -> &'a Catalog {
        self.surroundings.catalog
    }

    fn source(&self, span: Span) -> Arc<str> {
        let text = &self.text[span.range()];
        text.split_whitespace().collect::<Vec<_>>().join(" ").into()
    }

    fn rule(&self, part: &Part, name: &Name, when: Cond) -> Rule {
        let own = when.clone();
        let when = match &part.given {
            Some(given) => given.clone().and(when),
            None => when,
        };
        Rule {
            name: format!("{}{}", part.prefix, name.node).into(),
            when,
            own,
            span: name.span,
            line: self.sources.line(name.span),
        }
    }

    /// Reads a file that the statement at a place names, relative to the file it stands in.
    fn read_file(&mut self, path: &str) -> Result<String, String> {
        let path = super::load::joined(&self.units[self.unit].folder, path);
        let found = (self.surroundings.files)(&path)?;
        self.read.push(found.clone());
        Ok(found)
    }

    /// Looks at another file for a while.
    fn within<T>(&mut self, unit: usize, look: impl FnOnce(&mut Self) -> T) -> T {
        if unit == self.unit {
            return look(self);
        }
        let outer = std::mem::replace(&mut self.unit, unit);
        let names = std::mem::take(&mut self.scopes[unit]);
        self.scopes[outer] = std::mem::replace(&mut self.names, names);
        let found = look(self);
        let names = std::mem::take(&mut self.scopes[outer]);
        self.scopes[unit] = std::mem::replace(&mut self.names, names);
        self.unit = outer;
        found
    }

    /// All files such that what a file needs comes before it, each with the file whose names it
    /// inherits.
    fn in_order(&self) -> Vec<(usize, Option<usize>)> {
        fn visit(
            units: &[Unit],
            unit: usize,
            parent: Option<usize>,
            order: &mut Vec<(usize, Option<usize>)>,
        ) {
            if order.iter().any(|(known, _)| *known == unit) {
                return;
            }
            let links = |wanted: Role| {
                let items = units[unit].tree.items.iter();
                items.filter_map(move |line| match (&line.node, wanted) {
                    (Item::Import { path, .. }, Role::Library)
                    | (Item::Delegate { to: path, .. }, Role::Delegated) => {
                        units[unit].links.get(&path.span).copied()
                    }
                    _ => None,
                })
            };
            links(Role::Library).for_each(|library| visit(units, library, None, order));
            order.push((unit, parent));
            links(Role::Delegated).for_each(|part| visit(units, part, Some(unit), order));
        }
        let mut order = Vec::with_capacity(self.units.len());
        visit(self.units, 0, None, &mut order);
        order
    }

    fn program(&mut self, name: &PolicyName, sources: &Arc<Sources>) -> Option<Program> {
        let order = self.in_order();
        for (unit, parent) in &order {
            self.within(*unit, |it| {
                it.collect_names(*unit, *parent);
                it.resolve_declarations(&it.units[*unit].tree);
            });
        }
        let units: Vec<usize> = order.iter().map(|(unit, _)| *unit).collect();
        let targets = self.resolve_targets(&units);
        let mut rules = Rules::default();
        let root = Part { unit: 0, given: None, prefix: String::new() };
        self.rules(&root, &mut rules);
        for unit in &units {
            self.refuse_rules_of_libraries(*unit);
            self.within(*unit, |it| it.check_unused_lets(&it.units[*unit].tree));
        }
        if self.is_library() {
            return None;
        }
        let (table, assumptions) = self.table(&rules)?;
        let catalog = self.surroundings.catalog.clone();
        let version = catalog.version().to_string();
        let mut parts = vec![self.text.as_bytes(), version.as_bytes(), name.as_str().as_bytes()];
        parts.extend(self.read.iter().map(String::as_bytes));
        let generation = Generation::of(&parts);
        let Rules { defaults, denies, requires, tunes, routes, budgets, limits, .. } = rules;
        Some(Program {
            name: name.clone(),
            generation,
            sources: sources.clone(),
            catalog,
            table,
            denies: denies.into_iter().map(|(deny, _)| deny).collect(),
            requires: requires.into_iter().map(|(require, _)| require).collect(),
            tunes: tunes.into_iter().map(|(tune, _)| tune).collect(),
            routes: routes.into_iter().map(|(route, _)| route).collect(),
            defaults: Arc::new(defaults),
            pools: targets.pools,
            ladders: targets.ladders,
            splits: targets.splits,
            budgets,
            limits,
            ranks: std::mem::take(&mut self.ranks),
            scripts: std::mem::take(&mut self.scripts),
            assumptions,
            invariants: rules.invariants,
            tests: rules.tests,
            waiting: std::mem::take(&mut self.waiting),
        })
    }

    /// The rules of a file, and of those it delegates to.
    fn rules(&mut self, part: &Part, rules: &mut Rules) {
        self.within(part.unit, |it| it.rules_here(part, rules));
    }

    fn rules_here(&mut self, part: &Part, rules: &mut Rules) {
        let tree = &self.units[part.unit].tree;
        self.defaults(part, tree, rules);
        for line in &tree.items {
            match &line.node {
                Item::Deny { name, when, because, status } => {
                    let cond = self.request_cond(when);
                    let deny = Deny {
                        rule: self.rule(part, name, cond),
                        because: because.node.as_str().into(),
                        status: self.status(status.as_ref()),
                    };
                    rules.denies.push((deny, when.span));
                }
                Item::Require { name, when, only } => {
                    let cond = when.as_ref().map_or(Cond::TRUE, |when| self.request_cond(when));
                    let span = when.as_ref().map_or(name.span, |when| when.span);
                    let only = Arc::new(self.model_filter(only));
                    rules
                        .requires
                        .push((Require { rule: self.rule(part, name, cond), only }, span));
                }
                Item::Tune { name, when, body } => {
                    let cond = self.request_cond(when);
                    let settings = self.settings(body, bodies::Place::Tune);
                    let rule = self.rule(part, name, cond);
                    rules.tunes.push((Tune { rule, settings }, when.span));
                }
                _ => {}
            }
        }
        self.money_rules(part, tree, rules);
        self.routes(part, tree, rules);
        self.proofs(part, tree, rules);
    }

    /// `defaults`: the policy's own hold for everybody; those of a delegated file for its requests,
    /// as the first of its `tune`s.
    fn defaults(&mut self, part: &Part, tree: &'a File, rules: &mut Rules) {
        let mut settings = Settings::default();
        let mut place = None;
        for line in &tree.items {
            if let Item::Defaults(body) = &line.node {
                settings = settings.overlaid(&self.settings(body, bodies::Place::Defaults));
                place.get_or_insert(first_word(self.text, line.span));
            }
        }
        match (place, &part.given) {
            (Some(span), Some(_)) => {
                let name = Name::new("defaults".to_owned(), span);
                let rule = self.rule(part, &name, Cond::TRUE);
                // Before the policy's own, so that a team cannot override the platform's.
                rules.tunes.insert(0, (Tune { rule, settings }, span));
            }
            _ => rules.defaults = rules.defaults.overlaid(&settings),
        }
    }

    /// All conditions in one table, and which assumptions it watches.
    fn table(&mut self, rules: &Rules) -> Option<(Table, Vec<Assumption>)> {
        let mut assumptions = rules.assumptions.clone();
        for assumption in &mut assumptions {
            let mut tests = assumption.cond.tests().into_iter();
            assumption.watched = tests.all(|test| test.operand.cost() < Cost::Expensive);
        }
        let broken: Vec<(Cond, Span)> = assumptions
            .iter()
            .filter(|assumption| assumption.watched)
            .map(|assumption| (assumption.cond.clone().negated(), assumption.span))
            .collect();
        let all: Vec<(&Cond, Span)> =
            (rules.denies.iter().map(|(it, span)| (&it.rule.when, *span)))
                .chain(rules.requires.iter().map(|(it, span)| (&it.rule.when, *span)))
                .chain(rules.tunes.iter().map(|(it, span)| (&it.rule.when, *span)))
                .chain(broken.iter().map(|(cond, span)| (cond, *span)))
                .collect();
        let first: Vec<(&Cond, Span)> =
            rules.routes.iter().map(|(it, span)| (&it.rule.when, *span)).collect();
        let (all_conds, first_conds): (Vec<&Cond>, Vec<&Cond>) = (
            all.iter().map(|(cond, _)| *cond).collect(),
            first.iter().map(|(cond, _)| *cond).collect(),
        );
        let others = (rules.budgets.iter().map(|it| &it.rule.when))
            .chain(rules.limits.iter().map(|it| &it.rule.when))
            .chain(rules.invariants.iter().map(|it| &it.rule.when))
            .chain(assumptions.iter().map(|it| &it.cond));
        let every = all_conds.iter().chain(&first_conds).copied().chain(others);
        let patterns = table::patterns(every);
        if patterns > MOST_PATTERNS {
            self.too_many(
                format!("this policy asks about {patterns} patterns, elements and schedules"),
                format!("at most {MOST_PATTERNS} different ones, of all rules together"),
            );
            return None;
        }
        match Table::build(&all_conds, &first_conds) {
            Ok(table) => Some((table, assumptions)),
            Err(TooComplex::Condition { rule }) => {
                let mut spans = all.iter().chain(&first).map(|(_, span)| *span);
                let span = spans.nth(rule).unwrap_or_default();
                self.report(
                    Diagnostic::error(
                        codes::CONDITION_TOO_COMPLEX,
                        span,
                        format!("this condition has more than {MOST_BOXES} cases"),
                        "too many combinations of `or` under `and`",
                    )
                    .help("split the rule in two, one for each side of an `or`"),
                );
                None
            }
            Err(TooComplex::Together) => {
                self.too_many(
                    "the conditions of this policy have too many cases together".to_owned(),
                    format!("at most {MOST_BOXES_IN_ALL} cases of all rules, in a table of 64 MiB"),
                );
                None
            }
        }
    }

    /// Refuses what no single rule is to blame for.
    fn too_many(&mut self, message: String, label: String) {
        let span = Span::default();
        self.report(
            Diagnostic::error(codes::TOO_MANY_CASES, span, message, label)
                .help("give many keys a field to share, and ask about that: `key.meta[\"plan\"]`"),
        );
    }

    /// An imported file gives names to others; a rule in it would be one that nobody carries out.
    /// What it says for its own sake (routes, tests, invariants) is left aside.
    fn refuse_rules_of_libraries(&mut self, unit: usize) {
        if self.units[unit].role != Role::Library {
            return;
        }
        for line in &self.units[unit].tree.items {
            let (Item::Deny { .. }
            | Item::Require { .. }
            | Item::Defaults(_)
            | Item::Tune { .. }
            | Item::Budget { .. }
            | Item::Limit { .. }
            | Item::Alias { .. }
            | Item::Delegate { .. }) = &line.node
            else {
                continue;
            };
            let span = first_word(self.text, line.span);
            self.report(
                Diagnostic::error(
                    codes::RULE_IN_LIBRARY,
                    span,
                    format!("`{}` in a file that is imported", self.source(span)),
                    "`import` brings names, not rules",
                )
                .help("move it to the policy, or hand requests to this file with `delegate`"),
            );
        }
    }

    /// Whether the policy's own file only declares names for others.
    fn is_library(&self) -> bool {
        let declares = |item: &Item| {
            matches!(
                item,
                Item::Language(_)
                    | Item::Import { .. }
                    | Item::Enum { .. }
                    | Item::Attribute { .. }
                    | Item::Let { .. }
                    | Item::Schedule(_)
                    | Item::Assume(_)
                    | Item::Pool { .. }
                    | Item::Ladder { .. }
                    | Item::Split { .. }
                    | Item::Experiment { .. }
            )
        };
        let own = &self.units[0];
        let items = &own.tree.items;
        own.broken.is_empty() && !items.is_empty() && items.iter().all(|line| declares(&line.node))
    }

    fn status(&mut self, status: Option<&super::syntax::tree::Spanned<u64>>) -> u16 {
        let Some(status) = status else { return 403 };
        if (400..=499).contains(&status.node) {
            return status.node as u16;
        }
        self.report(
            Diagnostic::error(
                codes::OUT_OF_RANGE,
                status.span,
                format!("{} is not a status for a refusal", status.node),
                "must be between 400 and 499",
            )
            .help("403 says \"you may not\", 402 \"pay first\", 429 \"later\""),
        );
        403
    }

    /// A condition on models, worked out over the catalogue.
    fn model_filter(&mut self, cond: &super::syntax::tree::Cond) -> ModelFilter {
        let checked = self.model_cond(cond);
        self.filter_of(checked, self.source(cond.span), cond.span)
    }

    fn filter_of(&self, cond: Cond, text: Arc<str>, span: Span) -> ModelFilter {
        use super::program::ModelSet;
        let live = cond.tests().iter().any(
            |test| matches!(&test.operand, super::cond::Operand::Attr(attr) if attr.attr.def().live),
        );
        let catalog = self.catalog();
        let pass = ModelSet::of(catalog, |model| {
            live || cond.holds(&super::models::StaticModel(&catalog.models()[model.0 as usize]))
        });
        let live = live.then(|| cond.clone());
        ModelFilter { is_floor: false, text, pass, live, cond, at: At(span) }
    }
}

/// The keyword a statement begins with.
fn first_word(text: &str, span: Span) -> Span {
    let len = text[span.range()].find(|c: char| !c.is_alphanumeric()).unwrap_or(0);
    Span { start: span.start, end: span.start + len as u32 }
}

#[cfg(test)]
mod tests;
