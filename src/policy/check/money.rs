//! `budget`, `limit` and `experiment`: checked in full here; what they need at run time is not there
//! yet, so a policy with one of them waits for it.

use std::time::Duration;

use super::{Checker, Part, Rules, first_word};
use crate::policy::codes;
use crate::policy::cond::{Cond, Operand};
use crate::policy::diagnostic::Diagnostic;
use crate::policy::program::{
    Breach, Budget, Experiment, Limit, LimitAmount, Mark, Period, Ramp, Split,
};
use crate::policy::schema::Type;
use crate::policy::syntax::tree::{
    self, Arm, AttrPath, CondKind, ExperimentLine, File, Item, Literal, LiteralValue, Name,
    Spanned, Value,
};
use crate::units::BasisPoints;

/// What experiments measure of each arm.
pub const METRICS: [&str; 14] = [
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

impl<'a> Checker<'a> {
    /// The budgets and limits of a file.
    pub(super) fn money_rules(&mut self, part: &Part, tree: &'a File, rules: &mut Rules) {
        for line in &tree.items {
            let word = first_word(self.text, line.span);
            match &line.node {
                Item::Budget { name, amount, period, per, when, marks } => {
                    self.wait(word, "`budget`", "the ledger");
                    let cond = when.as_ref().map_or(Cond::TRUE, |when| self.request_cond(when));
                    let rule = self.rule(part, name, cond);
                    let place = amount.span;
                    let amount = self.money(amount);
                    if amount == Some(crate::units::NanoDollars::ZERO) {
                        self.report(Diagnostic::error(
                            codes::OUT_OF_RANGE,
                            place,
                            "a budget of nothing",
                            "must be more than $0",
                        ));
                    }
                    self.one_of_words(period, &Period::WORDS, "period");
                    let per = self.identity_attribute(per);
                    let marks = self.marks(marks);
                    if let (Some(amount), Some(period), Some(per)) =
                        (amount, Period::from_word(&period.node), per)
                    {
                        rules.budgets.push(Budget { rule, amount, period, per, marks });
                    }
                }
                Item::Limit { name, amount, per, when, breach } => {
                    self.wait(word, "`limit`", "the rate counters");
                    let cond = when.as_ref().map_or(Cond::TRUE, |when| self.request_cond(when));
                    let rule = self.rule(part, name, cond);
                    let amount = self.limit_amount(amount);
                    let per = self.identity_attribute(per);
                    let breach = self.breach(breach);
                    if let (Some(per), Some(breach)) = (per, breach) {
                        rules.limits.push(Limit { rule, amount, per, breach });
                    }
                }
                _ => {}
            }
        }
    }

    fn marks(&mut self, marks: &tree::Block<tree::Mark>) -> Vec<Mark> {
        let mut checked: Vec<Mark> = Vec::new();
        for line in &marks.lines {
            let LiteralValue::Percent(share) = line.node.share.node.value else { continue };
            if checked.last().is_some_and(|last| last.share >= share) {
                self.report(Diagnostic::error(
                    codes::OUT_OF_RANGE,
                    line.node.share.span,
                    "marks go upwards",
                    "not above the mark before it",
                ));
            }
            if let Some(breach) = self.breach(&line.node.breach) {
                checked.push(Mark { share, breach });
            }
        }
        checked
    }

    fn limit_amount(&mut self, amount: &tree::LimitAmount) -> LimitAmount {
        let (literal, checked) = match amount {
            tree::LimitAmount::Rate(literal) => match literal.node.value {
                LiteralValue::Rate { count, tokens, seconds } => {
                    let count = count.max(0) as u64;
                    let time = Duration::from_secs(seconds.max(1) as u64);
                    let amount = if tokens {
                        LimitAmount::Tokens(count, time)
                    } else {
                        LimitAmount::Requests(count, time)
                    };
                    (literal, amount)
                }
                _ => (literal, LimitAmount::Requests(1, Duration::from_secs(1))),
            },
            tree::LimitAmount::Concurrent(literal) => match literal.node.value {
                LiteralValue::Int(count) => (literal, LimitAmount::Concurrent(count.max(0) as u64)),
                _ => (literal, LimitAmount::Concurrent(1)),
            },
        };
        let (LimitAmount::Requests(count, _)
        | LimitAmount::Tokens(count, _)
        | LimitAmount::Concurrent(count)) = checked;
        if count < 1 {
            self.report(Diagnostic::error(
                codes::OUT_OF_RANGE,
                literal.span,
                "a limit of nothing",
                "must be at least 1",
            ));
        }
        checked
    }

    fn breach(&mut self, breach: &tree::Breach) -> Option<Breach> {
        Some(match breach {
            tree::Breach::Warn => Breach::Warn,
            tree::Breach::Degrade(target) => Breach::Degrade(self.target(target)?),
            tree::Breach::Queue(time) => Breach::Queue(self.duration(time)?),
            tree::Breach::Deny(why) => Breach::Deny(why.as_ref().map(|it| it.node.as_str().into())),
        })
    }

    /// `per key.team`: something that tells one caller from another.
    pub(super) fn identity_attribute(&mut self, per: &AttrPath) -> Option<Operand> {
        let resolved = self.resolve(per, super::conditions::Scope::Request)?;
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
        Some(resolved.operand)
    }

    /// An experiment is a split that is watched.
    pub(super) fn experiment(
        &mut self,
        name: &'a Name,
        by: &'a tree::By,
        lines: &'a tree::Block<ExperimentLine>,
    ) -> Split {
        self.wait(name.span, "`experiment`", "the ledger");
        let arms: Vec<&Arm> = lines
            .lines
            .iter()
            .filter_map(|line| match &line.node {
                ExperimentLine::Arm(arm) => Some(arm),
                _ => None,
            })
            .collect();
        let mut split = self.split(name, Some(by), &arms);
        let names: Vec<&str> =
            arms.iter().filter_map(|arm| Some(arm.name.as_ref()?.node.as_str())).collect();
        let mut watched =
            Experiment { ramp: None, metrics: Vec::new(), ends: None, halts: Vec::new() };
        for line in &lines.lines {
            match &line.node {
                ExperimentLine::Arm(_) => {}
                ExperimentLine::Ramp { arm, shares, every, from } => {
                    self.one_of_words(arm, &names, "arm");
                    let shares = self.ramp_shares(shares);
                    let from = from.as_ref().and_then(date);
                    if let Some(every) = self.duration(every) {
                        let arm = arm.node.as_str().into();
                        watched.ramp = Some(Ramp { arm, shares, every, from });
                    }
                }
                ExperimentLine::Metric(metrics) => {
                    for metric in metrics {
                        self.one_of_words(metric, &METRICS, "metric");
                        watched.metrics.push(metric.node.as_str().into());
                    }
                }
                ExperimentLine::Guard { cond, halt_to, .. } => {
                    self.metric_cond(cond);
                    self.one_of_words(halt_to, &names, "arm");
                    watched.halts.push(halt_to.node.as_str().into());
                }
                ExperimentLine::Ends { date: day, to } => {
                    if let (Some(day), Some(to)) = (date(day), self.target(to)) {
                        watched.ends = Some((day, to));
                    }
                }
            }
        }
        split.experiment = Some(watched);
        split
    }

    fn ramp_shares(&mut self, shares: &[Spanned<Literal>]) -> Vec<BasisPoints> {
        let mut checked: Vec<BasisPoints> = Vec::new();
        for share in shares {
            let LiteralValue::Percent(value) = share.node.value else { continue };
            if checked.last().is_some_and(|last| *last >= value) {
                self.report(Diagnostic::error(
                    codes::OUT_OF_RANGE,
                    share.span,
                    "a ramp goes upwards",
                    "not above the share before it",
                ));
            }
            checked.push(value);
        }
        checked
    }

    /// A guard's condition: metrics against constants.
    fn metric_cond(&mut self, cond: &tree::Cond) {
        match &cond.kind {
            CondKind::Or(all) | CondKind::And(all) => {
                all.iter().for_each(|cond| self.metric_cond(cond));
            }
            CondKind::Not(inner) => self.metric_cond(inner),
            CondKind::Atom { attr, test } => {
                let written = attr.to_string();
                let ty = match written.as_str() {
                    name if name.ends_with("_rate") || name.starts_with("thumbs") => Type::Percent,
                    name if name.starts_with("ttft") || name.starts_with("latency") => {
                        Type::Duration
                    }
                    "cost" => Type::Money,
                    _ => Type::Int,
                };
                let name = Name::new(written, attr.span);
                self.one_of_words(&name, &METRICS, "metric");
                let named = (name.node.as_str(), name.span);
                let mut key = |value: &Value| _ = self.key(named, &ty, value);
                match test {
                    Some(tree::Test::Compare(_, value)) => key(value),
                    Some(tree::Test::In { set: tree::Membership::List(list), .. }) => {
                        list.node.iter().for_each(key);
                    }
                    _ => {}
                }
            }
        }
    }
}

fn date(literal: &Spanned<Literal>) -> Option<jiff::civil::Date> {
    match literal.node.value {
        LiteralValue::Date(date) => Some(date),
        _ => None,
    }
}
