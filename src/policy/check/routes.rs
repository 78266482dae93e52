//! `route`, `alias` and `default`: who goes where.

use std::sync::Arc;

use super::bodies::Place;
use super::{Checker, Part, Rules, first_word};
use crate::policy::codes;
use crate::policy::cond::{Cond, Op, Operand};
use crate::policy::diagnostic::Diagnostic;
use crate::policy::program::{Route, Rule, Settings, Target};
use crate::policy::schema::{Attr, AttrRef};
use crate::policy::syntax::tree::{self, Block, File, Item, Name, Span, Stmt};

impl<'a> Checker<'a> {
    /// The routes of a file in order, the default last; where it delegates, those of the other file.
    pub(super) fn routes(&mut self, part: &Part, tree: &'a File, rules: &mut Rules) {
        let mut default: Option<Span> = None;
        for line in &tree.items {
            let (rule, to, body, span): (Rule, &tree::Target, Option<&Block<Stmt>>, Span) =
                match &line.node {
                    Item::Route { name, when, to, body } => {
                        let cond = self.request_cond(when);
                        (self.rule(part, name, cond), to, body.as_ref(), when.span)
                    }
                    Item::Alias { from, to } => (self.alias(part, from), to, None, from.span),
                    Item::Default { to, body } => {
                        if let Some(first) = default.replace(line.span) {
                            self.report(
                                Diagnostic::error(
                                    codes::SECOND_DEFAULT,
                                    line.span,
                                    "there are two defaults",
                                    "again here",
                                )
                                .also(first, "the first one takes everybody")
                                .help("remove one, or give it a condition: `route NAME when …`"),
                            );
                            continue;
                        }
                        let word = first_word(self.text, line.span);
                        let name = Name::new("default".to_owned(), word);
                        (self.rule(part, &name, Cond::TRUE), to, body.as_ref(), line.span)
                    }
                    Item::Delegate { name, when, to } => {
                        let cond = self.request_cond(when);
                        if let Some(unit) = self.units[part.unit].links.get(&to.span).copied() {
                            let given = self.rule(part, name, cond).when;
                            let prefix = format!("{}{}.", part.prefix, name.node);
                            self.rules(&Part { unit, given: Some(given), prefix }, rules);
                        }
                        continue;
                    }
                    _ => continue,
                };
            if let (Some(default), Item::Route { .. } | Item::Alias { .. }) = (default, &line.node)
            {
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
            let rule = Rule { when: unwritten(rule.when), ..rule };
            let body =
                body.map_or_else(Settings::default, |body| self.settings(body, Place::Route));
            let target = self.target(to);
            self.seen.incomplete |= target.is_none();
            if let Some(target) = target {
                self.refuse_unnamed_model(target, &rule, to.span);
                let settings = Arc::new(rules.defaults.clone().before(target).overlaid(&body));
                let is_default = matches!(line.node, Item::Default { .. });
                rules.routes.push((Route { rule, target, is_default, body, settings }, span));
            }
        }
    }

    fn alias(&mut self, part: &Part, from: &tree::Text) -> Rule {
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
        self.rule(part, from, Cond::test(model, op, from.span))
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
