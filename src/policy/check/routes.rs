//! `route`, `alias` and `default`: who goes where.

use std::sync::Arc;

use super::Checker;
use super::bodies::Place;
use crate::policy::codes;
use crate::policy::cond::{Cond, Op, Operand};
use crate::policy::diagnostic::Diagnostic;
use crate::policy::program::{Route, Rule, Settings, Target};
use crate::policy::schema::{Attr, AttrRef};
use crate::policy::syntax::tree::{self, Block, File, Item, Span, Stmt};

impl<'a> Checker<'a> {
    /// The routes in order, the default last, with the span of each one's condition.
    pub(super) fn routes(
        &mut self,
        tree: &'a File,
        defaults: &Settings,
    ) -> (Vec<Route>, Vec<Span>) {
        let (mut routes, mut spans) = (Vec::new(), Vec::new());
        let mut default: Option<Span> = None;
        let mut late: Option<Span> = None;
        for line in &tree.items {
            let (rule, to, body): (Rule, &tree::Target, Option<&Block<Stmt>>) = match &line.node {
                Item::Route { name, when, to, body } => {
                    let cond = self.request_cond(when);
                    spans.push(when.span);
                    (self.rule(name, unwritten(cond)), to, body.as_ref())
                }
                Item::Alias { from, to } => {
                    spans.push(from.span);
                    (self.alias(from), to, None)
                }
                Item::Default { to, body } => {
                    let line_span = line.span;
                    if let Some(first) = default.replace(line_span) {
                        self.report(
                            Diagnostic::error(
                                codes::SECOND_DEFAULT,
                                line_span,
                                "there are two defaults",
                                "again here",
                            )
                            .also(first, "the first one takes everybody")
                            .help("remove one, or give it a condition: `route NAME when …`"),
                        );
                        continue;
                    }
                    spans.push(line_span);
                    let rule = Rule {
                        name: "default".into(),
                        when: unwritten(Cond::TRUE),
                        line: self.line_of(line_span),
                    };
                    (rule, to, body.as_ref())
                }
                _ => continue,
            };
            if let (Some(default), Item::Route { .. } | Item::Alias { .. }) = (default, &line.node)
            {
                late.get_or_insert(line.span);
                self.report(
                    Diagnostic::error(
                        codes::BEHIND_DEFAULT,
                        line.span,
                        format!("`{}` can never match", rule.name),
                        "stands behind the default",
                    )
                    .also(default, "everybody stops here")
                    .help("move `default` to the end of the file"),
                );
            }
            let body =
                body.map_or_else(Settings::default, |body| self.settings(body, Place::Route));
            if let Some(target) = self.target(to) {
                self.refuse_unnamed_model(target, &rule, to.span);
                let settings = Arc::new(defaults.overlaid(&body));
                routes.push(Route { rule, target, body, settings });
            }
        }
        if default.is_none() && !self.names.broken.contains("default") {
            let last = tree.items.last().map_or_else(Span::default, |line| line.span);
            // The first line of the last statement: its block says nothing about this.
            let text = self.text[last.range()].lines().next().unwrap_or_default();
            let end = last.start + text.trim_end().len() as u32;
            self.report(
                Diagnostic::error(
                    codes::NO_DEFAULT,
                    Span { start: last.start, end },
                    "there is no `default`",
                    "the file ends here; what happens to a request that no route takes?",
                )
                .help("end the file with `default -> POOL`"),
            );
        }
        spans.truncate(routes.len());
        (routes, spans)
    }

    fn alias(&mut self, from: &tree::Text) -> Rule {
        if from.node == "auto" || from.node.starts_with("auto/") {
            self.report(
                Diagnostic::error(
                    codes::OUT_OF_RANGE,
                    from.span,
                    "`auto` cannot be an alias",
                    "this is how clients ask for the policy itself",
                )
                .help("write a `route` instead"),
            );
        }
        let model = Operand::Attr(AttrRef::plain(Attr::RequestModel));
        let op = if from.node.contains(['*', '?']) {
            Op::Like(crate::policy::cond::Glob::new(&from.node))
        } else {
            Op::OneOf(vec![from.node.as_str().into()])
        };
        Rule {
            name: from.node.as_str().into(),
            when: Cond::test(model, op, from.span),
            line: self.line_of(from.span),
        }
    }

    /// `-> requested` makes sense only where a model was named.
    fn refuse_unnamed_model(&mut self, target: Target, rule: &Rule, span: Span) {
        if target == Target::Requested && !rule.when.mentions(Attr::RequestModel) {
            self.report(
                Diagnostic::error(
                    codes::WRONG_TARGET,
                    span,
                    "`requested` needs a request that names its model",
                    "these requests leave the choice to the policy",
                )
                .help(match &*rule.name {
                    "default" => "write `route named when request.model != \"auto\" -> requested`",
                    _ => "add `request.model != \"auto\"` to the condition",
                }),
            );
        }
    }
}

/// What every route says without writing it: only requests that leave the choice to the policy,
/// unless its own condition speaks of `request.model`. So a client that names a model never gets
/// another one by accident.
fn unwritten(cond: Cond) -> Cond {
    if cond.mentions(Attr::RequestModel) {
        return cond;
    }
    let auto = Operand::Attr(AttrRef::plain(Attr::RequestAuto));
    Cond::test(auto, Op::IsTrue, Span::default()).and(cond)
}
