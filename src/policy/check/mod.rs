//! From the tree to a program: every name gets a meaning, every constant a type and a unit.
//!
//! The checker never stops at the first fault. Where something is wrong it notes a diagnostic and
//! goes on with a stand-in, so that one run shows everything there is to mend.

mod bodies;
mod conditions;
mod declared;
mod later;
mod names;
mod routes;
mod targets;
mod values;

use std::sync::Arc;

use super::diagnostic::{Diagnostic, Severity};
use super::program::{Deny, ModelFilter, Program, Require, Rule, Settings, Tune};
use super::syntax::tree::{File, Item, Name, Span};
use super::table::{MOST_BOXES, Table};
use super::{codes, cond::Cond};
use crate::catalog::Catalog;
use crate::ids::{Generation, PolicyName};

pub use values::quantity;

/// What a policy is checked against.
pub struct Surroundings<'a> {
    /// The models there are.
    pub catalog: &'a Arc<Catalog>,
    /// Reads a file that the policy names (`prompt prepend file "…"`), relative to the policy.
    pub files: &'a dyn Fn(&str) -> Result<String, String>,
}

/// Checks a tree and compiles it. There is a program if and only if no finding is an error.
/// `broken`: names that unreadable statements seem to declare; they are not called unknown too.
pub fn check(
    name: &PolicyName,
    file: &str,
    text: &str,
    tree: &File,
    broken: &[String],
    surroundings: &Surroundings<'_>,
) -> (Option<Program>, Vec<Diagnostic>) {
    let mut checker = Checker::new(text, surroundings);
    checker.names.broken = broken.iter().cloned().collect();
    let program = checker.program(name, file, tree);
    // A `let` is checked wherever it is used; its faults are told once.
    let mut told = std::collections::HashSet::new();
    let mut found = checker.diagnostics;
    found.retain(|it| told.insert((it.code, it.primary.span, it.message.clone())));
    found.sort_by_key(|diagnostic| diagnostic.primary.span.start);
    let broken = found.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
    (program.filter(|_| !broken), found)
}

/// What the passes share.
struct Checker<'a> {
    text: &'a str,
    surroundings: &'a Surroundings<'a>,
    names: names::Names<'a>,
    diagnostics: Vec<Diagnostic>,
}

impl<'a> Checker<'a> {
    fn new(text: &'a str, surroundings: &'a Surroundings<'a>) -> Self {
        Checker { text, surroundings, names: names::Names::default(), diagnostics: Vec::new() }
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn catalog(&self) -> &'a Catalog {
        self.surroundings.catalog
    }

    fn line_of(&self, span: Span) -> u32 {
        1 + self.text[..span.start as usize].bytes().filter(|byte| *byte == b'\n').count() as u32
    }

    fn source(&self, span: Span) -> Arc<str> {
        let text = &self.text[span.range()];
        text.split_whitespace().collect::<Vec<_>>().join(" ").into()
    }

    fn rule(&self, name: &Name, when: Cond) -> Rule {
        Rule { name: name.node.as_str().into(), when, line: self.line_of(name.span) }
    }

    fn program(&mut self, name: &PolicyName, file: &str, tree: &'a File) -> Option<Program> {
        self.collect_names(tree);
        self.resolve_declarations(tree);
        let targets = self.resolve_targets(tree);
        self.check_later_statements(tree);

        let mut defaults = Settings::default();
        let (mut denies, mut requires, mut tunes) = (Vec::new(), Vec::new(), Vec::new());
        let mut condition_spans = [Vec::new(), Vec::new(), Vec::new()];
        for line in &tree.items {
            match &line.node {
                Item::Defaults(body) => {
                    defaults = defaults.overlaid(&self.settings(body, bodies::Place::Defaults));
                }
                Item::Deny { name, when, because, status } => {
                    let cond = self.request_cond(when);
                    condition_spans[0].push(when.span);
                    denies.push(Deny {
                        rule: self.rule(name, cond),
                        because: because.node.as_str().into(),
                        status: self.status(status.as_ref()),
                    });
                }
                Item::Require { name, when, only } => {
                    let cond = when.as_ref().map_or(Cond::TRUE, |when| self.request_cond(when));
                    condition_spans[1].push(when.as_ref().map_or(name.span, |when| when.span));
                    let only = Arc::new(self.model_filter(only));
                    requires.push(Require { rule: self.rule(name, cond), only });
                }
                Item::Tune { name, when, body } => {
                    let cond = self.request_cond(when);
                    condition_spans[2].push(when.span);
                    let settings = self.settings(body, bodies::Place::Tune);
                    tunes.push(Tune { rule: self.rule(name, cond), settings });
                }
                _ => {}
            }
        }
        let (routes, route_spans) = self.routes(tree, &defaults);
        self.check_unused_lets(tree);

        let all: Vec<&Cond> = denies
            .iter()
            .map(|deny| &deny.rule.when)
            .chain(requires.iter().map(|require| &require.rule.when))
            .chain(tunes.iter().map(|tune| &tune.rule.when))
            .collect();
        let first: Vec<&Cond> = routes.iter().map(|route| &route.rule.when).collect();
        let table = match Table::build(&all, &first) {
            Ok(table) => table,
            Err(complex) => {
                let spans: Vec<Span> =
                    condition_spans.into_iter().flatten().chain(route_spans).collect();
                let span = spans.get(complex.rule).copied().unwrap_or_default();
                self.report(
                    Diagnostic::error(
                        codes::CONDITION_TOO_COMPLEX,
                        span,
                        format!("this condition has more than {MOST_BOXES} cases"),
                        "too many combinations of `or` under `and`",
                    )
                    .help("split the rule in two, one for each side of an `or`"),
                );
                return None;
            }
        };
        let catalog = self.surroundings.catalog.clone();
        let generation = Generation::of(&[
            self.text.as_bytes(),
            catalog.version().to_string().as_bytes(),
            name.as_str().as_bytes(),
        ]);
        Some(Program {
            name: name.clone(),
            generation,
            file: file.into(),
            source: self.text.into(),
            catalog,
            table,
            denies,
            requires,
            tunes,
            routes,
            defaults: Arc::new(defaults),
            pools: targets.pools,
            ladders: targets.ladders,
            splits: targets.splits,
        })
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
        self.filter_of(checked, self.source(cond.span))
    }

    fn filter_of(&self, cond: Cond, text: Arc<str>) -> ModelFilter {
        use super::program::ModelSet;
        let live = cond.tests().iter().any(
            |test| matches!(&test.operand, super::cond::Operand::Attr(attr) if attr.attr.def().live),
        );
        let catalog = self.catalog();
        let pass = ModelSet::of(catalog, |model| {
            live || cond.holds(&super::models::StaticModel(&catalog.models()[model.0 as usize]))
        });
        ModelFilter { text, pass, live: live.then_some(cond) }
    }
}

#[cfg(test)]
mod tests;
