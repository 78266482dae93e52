//! Statements that are part of the language but carried out by a later version: checked like all
//! others, then refused, never ignored.

use super::Checker;
use super::conditions::{Scope, not_yet};
use crate::policy::codes;
use crate::policy::diagnostic::{Diagnostic, did_you_mean};
use crate::policy::schema::{Members, Type};
use crate::policy::syntax::tree::{
    self, Arm, AttrPath, BindingValue, Breach, Claim, Cond, CondKind, Expectation, ExperimentLine,
    File, Item, LimitAmount, Literal, LiteralValue, Name, Span, Spanned, TestLine, Value,
    ValueKind,
};

const METRICS: [&str; 14] = [
    "cost",
    "error_rate",
    "refusal_rate",
    "escalation_rate",
    "json_error_rate",
    "empty_rate",
    "truncated_rate",
    "thumbs_up",
    "thumbs_down",
    "ttft.p50",
    "ttft.p95",
    "latency.p50",
    "latency.p95",
    "output.tokens",
];
const BOUNDS: [&str; 3] = ["max_cost", "max_attempts", "max_latency"];
const OUTCOMES: [&str; 7] =
    ["ok", "refused", "empty", "truncated", "invalid_json", "timed_out", "tool_call_missing"];

impl<'a> Checker<'a> {
    pub(super) fn check_later_statements(&mut self, tree: &'a File) {
        for line in &tree.items {
            let name_span = first_word(self.text, line.span);
            let (what, missing) = match &line.node {
                Item::Import { .. } => ("`import`", "policies of several files"),
                Item::Delegate { when, .. } => {
                    self.request_cond(when);
                    ("`delegate`", "policies of several files")
                }
                Item::Assume(cond) => {
                    self.request_cond(cond);
                    ("`assume`", "the prover")
                }
                Item::Experiment { name, by, lines } => {
                    self.experiment(name, by, lines);
                    ("`experiment`", "the ledger")
                }
                Item::Budget { amount, period, per, when, marks, .. } => {
                    self.budget(amount, period, per, when.as_ref(), marks);
                    ("`budget`", "the ledger")
                }
                Item::Limit { amount, per, when, breach, .. } => {
                    self.limit(amount, per, when.as_ref(), breach);
                    ("`limit`", "the rate counters")
                }
                Item::Invariant { when, claims, .. } => {
                    if let Some(when) = when {
                        self.request_cond(when);
                    }
                    claims.lines.iter().for_each(|line| self.claim(&line.node));
                    ("`invariant`", "the prover")
                }
                Item::Test { lines, .. } => {
                    lines.lines.iter().for_each(|line| self.test_line(&line.node));
                    ("`test`", "the test runner")
                }
                _ => continue,
            };
            self.report(not_yet(name_span, what, missing));
        }
    }

    fn experiment(&mut self, name: &Name, by: &tree::By, lines: &tree::Block<ExperimentLine>) {
        self.by(by);
        let arms: Vec<&Arm> = lines
            .lines
            .iter()
            .filter_map(|line| match &line.node {
                ExperimentLine::Arm(arm) => Some(arm),
                _ => None,
            })
            .collect();
        self.shares(name, &arms);
        for arm in &arms {
            self.target(&arm.to);
        }
        let names: Vec<&str> =
            arms.iter().filter_map(|arm| Some(arm.name.as_ref()?.node.as_str())).collect();
        for line in &lines.lines {
            match &line.node {
                ExperimentLine::Arm(_) => {}
                ExperimentLine::Ramp { arm, every, .. } => {
                    self.one_of_words(arm, &names, "arm");
                    self.duration(every);
                }
                ExperimentLine::Metric(metrics) => {
                    metrics.iter().for_each(|metric| self.one_of_words(metric, &METRICS, "metric"));
                }
                ExperimentLine::Guard { cond, halt_to, .. } => {
                    self.metric_cond(cond);
                    self.one_of_words(halt_to, &names, "arm");
                }
                ExperimentLine::Ends { to, .. } => _ = self.target(to),
            }
        }
    }

    fn budget(
        &mut self,
        amount: &Spanned<Literal>,
        period: &Name,
        per: &AttrPath,
        when: Option<&Cond>,
        marks: &tree::Block<tree::Mark>,
    ) {
        self.money(amount);
        self.one_of_words(period, &["hour", "day", "week", "month"], "period");
        self.identity_attribute(per);
        if let Some(when) = when {
            self.request_cond(when);
        }
        let mut last = None;
        for line in &marks.lines {
            let mark = &line.node;
            if let LiteralValue::Percent(share) = mark.share.node.value
                && last.replace(share) >= Some(share)
            {
                self.report(Diagnostic::error(
                    codes::OUT_OF_RANGE,
                    mark.share.span,
                    "marks go upwards",
                    "not above the mark before it",
                ));
            }
            self.breach(&mark.breach);
        }
    }

    fn limit(
        &mut self,
        amount: &LimitAmount,
        per: &AttrPath,
        when: Option<&Cond>,
        breach: &Breach,
    ) {
        let span = match amount {
            LimitAmount::Rate(rate) | LimitAmount::Concurrent(rate) => rate.span,
        };
        let count = match amount {
            LimitAmount::Rate(literal) => match literal.node.value {
                LiteralValue::Rate { count, .. } => count,
                _ => 1,
            },
            LimitAmount::Concurrent(literal) => match literal.node.value {
                LiteralValue::Int(count) => count,
                _ => 1,
            },
        };
        if count < 1 {
            self.report(Diagnostic::error(
                codes::OUT_OF_RANGE,
                span,
                "a limit of nothing",
                "must be at least 1",
            ));
        }
        self.identity_attribute(per);
        if let Some(when) = when {
            self.request_cond(when);
        }
        self.breach(breach);
    }

    fn breach(&mut self, breach: &Breach) {
        match breach {
            Breach::Degrade(target) => _ = self.target(target),
            Breach::Queue(time) => _ = self.duration(time),
            Breach::Warn | Breach::Deny(_) => {}
        }
    }

    /// `per key.team`: something that tells one caller from another.
    fn identity_attribute(&mut self, per: &AttrPath) {
        let Some(resolved) = self.resolve(per, Scope::Request) else { return };
        if !matches!(resolved.ty, Type::String | Type::Enum(_)) {
            self.report(
                Diagnostic::error(
                    codes::TYPE_MISMATCH,
                    per.span,
                    format!("`{per}` is {}", resolved.ty.name()),
                    "says not who the caller is",
                )
                .help("use `key.id`, `key.team`, `key.org`, `user.id` or a tag"),
            );
        }
    }

    fn claim(&mut self, claim: &Claim) {
        match claim {
            Claim::Models(_, cond) => _ = self.model_cond(cond),
            Claim::NoShadow | Claim::Denied { .. } => {}
            Claim::Bound { what, at_most } => match what.node.as_str() {
                "max_cost" => _ = self.money(at_most),
                "max_latency" => _ = self.duration(at_most),
                "max_attempts" => {
                    let named = ("max_attempts", what.span);
                    self.literal_key(named, &Type::Int, &at_most.node, at_most.span);
                }
                _ => self.one_of_words(what, &BOUNDS, "bound"),
            },
            Claim::RouteIn(list) => list.node.iter().for_each(|value| self.route_name(value)),
        }
    }

    fn route_name(&mut self, value: &Value) {
        let ValueKind::Name(name) = &value.kind else { return };
        if name == "default" || self.names.routes.contains(name.as_str()) || name.contains('.') {
            return;
        }
        let known: Vec<&str> = self.names.routes.iter().copied().chain(["default"]).collect();
        let name = Name::new(name.clone(), value.span);
        self.one_of_words(&name, &known, "route");
    }

    fn test_line(&mut self, line: &TestLine) {
        match line {
            TestLine::Given(bindings) => {
                for binding in bindings {
                    let Some(resolved) = self.resolve(&binding.attr, Scope::Request) else {
                        continue;
                    };
                    let written = binding.attr.to_string();
                    let named = (written.as_str(), binding.attr.span);
                    match &binding.value {
                        BindingValue::One(value) => self.binding(named, &resolved.ty, value),
                        BindingValue::List(list) => {
                            list.node.iter().for_each(|v| self.binding(named, &Type::String, v));
                        }
                    }
                }
            }
            TestLine::Attempt { outcome, after, .. } => {
                let classes = crate::error_class::ErrorClass::ALL.iter().map(|c| c.name());
                let known: Vec<&str> = OUTCOMES.into_iter().chain(classes).collect();
                self.one_of_words(outcome, &known, "outcome");
                if let Some(after) = after {
                    self.duration(after);
                }
            }
            TestLine::Expect(expectation) => match expectation {
                Expectation::ModelsIn(_, pool) => {
                    let kind = tree::TargetKind::Name(pool.node.clone());
                    self.target(&tree::Target { kind, span: pool.span });
                }
                Expectation::ModelsWhere(_, cond) => _ = self.model_cond(cond),
                Expectation::Denied(Some(rule)) => {
                    let known: Vec<&str> = self.names.rules.iter().copied().collect();
                    self.one_of_words(rule, &known, "rule");
                }
                Expectation::Denied(None) => {}
                Expectation::AnsweredBy(target) => _ = self.target(target),
                Expectation::Cond(cond) => self.outcome_cond(cond),
            },
        }
    }

    fn binding(&mut self, named: (&str, Span), ty: &Type, value: &Value) {
        match ty {
            Type::String | Type::Enum(_) | Type::Set => {
                let ty = if *ty == Type::Set { &Type::String } else { ty };
                self.word(named, ty, value);
            }
            Type::Bool => {
                let bool = matches!(
                    &value.kind,
                    ValueKind::Literal(Literal { value: LiteralValue::Bool(_), .. })
                );
                if !bool {
                    self.report(Diagnostic::error(
                        codes::TYPE_MISMATCH,
                        value.span,
                        format!("`{}` is a yes or no", named.0),
                        "expected `true` or `false`",
                    ));
                }
            }
            Type::Time => {}
            ordered => _ = self.key(named, ordered, value),
        }
    }

    /// A guard's condition: metrics against constants.
    fn metric_cond(&mut self, cond: &Cond) {
        self.each_atom(cond, &mut |checker, path, test| {
            let written = path.to_string();
            let ty = match written.as_str() {
                name if name.ends_with("_rate") || name.starts_with("thumbs") => Type::Percent,
                name if name.starts_with("ttft") || name.starts_with("latency") => Type::Duration,
                "cost" => Type::Money,
                _ => Type::Int,
            };
            let name = Name::new(written, path.span);
            checker.one_of_words(&name, &METRICS, "metric");
            checker.operands(&name, &ty, test);
        });
    }

    /// A test's expectation: what came out, against constants.
    fn outcome_cond(&mut self, cond: &Cond) {
        self.each_atom(cond, &mut |checker, path, test| {
            let written = path.to_string();
            let name = Name::new(written.clone(), path.span);
            let ty = match written.as_str() {
                "route" => {
                    if let Some(tree::Test::Compare(_, value)) = test {
                        checker.route_name(value);
                    }
                    return;
                }
                "attempts" | "status" => Type::Int,
                "cost" | "max_cost" => Type::Money,
                "latency" => Type::Duration,
                "reason" => Type::Enum(Members::Fixed(&[
                    "matched",
                    "requested",
                    "fallback",
                    "escalated",
                    "degraded",
                    "hedged",
                    "cached",
                    "coalesced",
                    "arm",
                ])),
                "model" | "arm" => Type::String,
                _ => {
                    let known = [
                        "route", "attempts", "status", "cost", "max_cost", "latency", "reason",
                        "model", "arm",
                    ];
                    checker.one_of_words(&name, &known, "outcome");
                    return;
                }
            };
            checker.operands(&name, &ty, test);
        });
    }

    fn operands(&mut self, name: &Name, ty: &Type, test: Option<&tree::Test>) {
        let named = (name.node.as_str(), name.span);
        match test {
            Some(tree::Test::Compare(_, value)) => self.binding(named, ty, value),
            Some(tree::Test::In { set: tree::Membership::List(list), .. }) => {
                list.node.iter().for_each(|value| self.binding(named, ty, value));
            }
            _ => {}
        }
    }

    fn each_atom(
        &mut self,
        cond: &Cond,
        visit: &mut dyn FnMut(&mut Self, &AttrPath, Option<&tree::Test>),
    ) {
        match &cond.kind {
            CondKind::Or(all) | CondKind::And(all) => {
                all.iter().for_each(|cond| self.each_atom(cond, visit));
            }
            CondKind::Not(inner) => self.each_atom(inner, visit),
            CondKind::Atom { attr, test } => visit(self, attr, test.as_ref()),
        }
    }

    fn one_of_words(&mut self, name: &Name, known: &[&str], what: &str) {
        if known.contains(&name.node.as_str()) {
            return;
        }
        let diagnostic = Diagnostic::error(
            codes::UNKNOWN_NAME,
            name.span,
            format!("there is no {what} `{}`", name.node),
            format!("unknown {what}"),
        );
        let diagnostic = match did_you_mean(&name.node, known.iter().copied()) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(
                format!("use `{near}`"),
                name.span,
                near,
            ),
            None if known.is_empty() => diagnostic,
            None => diagnostic.note(format!("known: {}", known.join(", "))),
        };
        self.report(diagnostic);
    }
}

/// The keyword a statement begins with.
fn first_word(text: &str, span: Span) -> Span {
    let len = text[span.range()].find(|c: char| !c.is_alphanumeric()).unwrap_or(0);
    Span { start: span.start, end: span.start + len as u32 }
}
