//! The lines of bodies, ladders, splits, experiments, budgets, invariants and tests.

use super::super::grammar::Rule;
use super::super::tree::{
    Arm, Binding, BindingValue, CacheStmt, Claim, Expectation, ExperimentLine, Hold, LogShare,
    Mark, PromptPlace, Quantifier, Rung, SetParamOp, Share, Spanned, Stmt, TestLine,
};
use super::{Lower, P, kids};

impl Lower<'_> {
    /// A line of a ladder.
    pub fn rung(&mut self, pair: P<'_>) -> Option<Rung> {
        let rule = pair.as_rule();
        if rule == Rule::hold {
            return Some(Rung::Hold(self.hold(pair)?));
        }
        let mut parts = kids(pair);
        Some(match rule {
            Rule::step => Rung::Step {
                name: self.name(parts.next()?),
                to: self.target(parts.next()?)?,
                escalate: self.opt_when(parts.opt(Rule::when))?,
                body: parts.next().map(|body| self.block(body, Self::stmt)),
            },
            Rule::max_cost => Rung::MaxCost(self.literal(parts.next()?)),
            Rule::deadline => Rung::Deadline(self.literal(parts.next()?)),
            _ => return None,
        })
    }

    fn hold(&mut self, pair: P<'_>) -> Option<Spanned<Hold>> {
        let whole = self.trim(self.span(&pair));
        let mut parts = kids(pair);
        if let Some(amount) = parts.next() {
            let amount = self.literal(amount);
            let hold = match amount.node.value {
                super::super::tree::LiteralValue::Tokens(_) => Hold::Tokens(amount.node),
                _ => Hold::For(amount.node),
            };
            return Some(Spanned::new(hold, amount.span));
        }
        // `full` and `none` are words of the grammar and four letters long.
        let word = super::Span { start: whole.end.saturating_sub(4), end: whole.end };
        let hold = if parts.has(Rule::k_full) { Hold::Full } else { Hold::None };
        Some(Spanned::new(hold, word))
    }

    /// An arm of a split, or of an experiment.
    pub fn arm(&mut self, pair: P<'_>) -> Option<Arm> {
        let mut parts = kids(pair);
        let name = parts.opt(Rule::ident).map(|name| self.name(name));
        let share = parts.next()?;
        let span = self.trim(self.span(&share));
        let share = match kids(share).next() {
            Some(percent) => Share::Percent(self.percent(percent)),
            None => Share::Rest,
        };
        let to = self.target(parts.next()?)?;
        Some(Arm { name, share: Spanned::new(share, span), to })
    }

    /// A line of an experiment.
    pub fn trial(&mut self, pair: P<'_>) -> Option<ExperimentLine> {
        let rule = pair.as_rule();
        if rule == Rule::arm_line {
            return self.arm(pair).map(ExperimentLine::Arm);
        }
        let mut parts = kids(pair);
        Some(match rule {
            Rule::ramp => {
                let arm = self.name(parts.next()?);
                let mut shares = Vec::new();
                while let Some(share) = parts.opt(Rule::percent) {
                    shares.push(self.literal(share));
                }
                let every = self.literal(parts.next()?);
                let from = parts.next().map(|date| self.literal(date));
                ExperimentLine::Ramp { arm, shares, every, from }
            }
            Rule::metric => {
                ExperimentLine::Metric(parts.content.map(|name| self.name(name)).collect())
            }
            Rule::guard => ExperimentLine::Guard {
                cond: self.cond(parts.next()?)?,
                over: match parts.opt(Rule::over) {
                    Some(over) => Some(self.literal(kids(over).next()?)),
                    None => None,
                },
                halt_to: self.name(parts.next()?),
            },
            Rule::ends => ExperimentLine::Ends {
                date: self.literal(parts.next()?),
                to: self.target(parts.next()?)?,
            },
            _ => return None,
        })
    }

    /// A line of a budget.
    pub fn mark(&mut self, pair: P<'_>) -> Option<Mark> {
        let mut parts = kids(pair);
        Some(Mark { share: self.literal(parts.next()?), breach: self.breach(parts.next()?)? })
    }

    /// A line of a body.
    pub fn stmt(&mut self, pair: P<'_>) -> Option<Stmt> {
        let rule = pair.as_rule();
        match rule {
            Rule::pick => return self.pick(pair).map(Stmt::Pick),
            Rule::hold => return self.hold(pair).map(Stmt::Hold),
            _ => {}
        }
        let whole = self.trim(self.span(&pair));
        let mut parts = kids(pair);
        Some(match rule {
            Rule::only => Stmt::Only(self.cond(parts.next()?)?),
            Rule::timeout => Stmt::Timeout(
                parts
                    .content
                    .map(|clause| {
                        let mut clause = kids(clause);
                        let what = self.name(clause.next()?);
                        Some((what, self.literal(clause.next()?)))
                    })
                    .collect::<Option<_>>()?,
            ),
            Rule::retry => Stmt::Retry {
                times: self.count(parts.next()?),
                on: parts.opt(Rule::errors).map(|errors| self.names(errors)),
                backoff: parts.next().map(|first| {
                    (self.literal(first), parts.next().map(|longest| self.literal(longest)))
                }),
            },
            Rule::fallback => Stmt::Fallback {
                to: self.targets(parts.next()?)?,
                on: parts.next().map(|errors| self.names(errors)),
            },
            Rule::hedge => Stmt::Hedge {
                after: self.value(parts.next()?)?,
                to: self.target(parts.next()?)?,
                max: parts.next().map(|count| self.count(count)),
            },
            Rule::cap => Stmt::Cap {
                amount: self.literal(parts.next()?),
                breach: self.breach(parts.next()?)?,
            },
            Rule::cache => {
                if parts.has(Rule::k_off) {
                    return Some(Stmt::Cache(CacheStmt::Off));
                }
                Stmt::Cache(CacheStmt::On {
                    semantic: parts.opt(Rule::num).map(|least| self.float(least)),
                    ttl: self.literal(parts.next()?),
                    key: match parts.next() {
                        Some(list) => Some(self.list(list)?.node),
                        None => None,
                    },
                })
            }
            Rule::set => Stmt::Set {
                param: self.name(parts.next()?),
                op: match parts.next()?.as_str() {
                    "<=" => SetParamOp::AtMost,
                    ">=" => SetParamOp::AtLeast,
                    _ => SetParamOp::Replace,
                },
                value: self.value(parts.next()?)?,
            },
            Rule::prompt => Stmt::Prompt {
                place: match parts.next()?.as_str() {
                    "prepend" => PromptPlace::Prepend,
                    "append" => PromptPlace::Append,
                    _ => PromptPlace::Replace,
                },
                from_file: parts.has(Rule::k_file),
                text: self.text(parts.next()?),
            },
            Rule::shadow => {
                Stmt::Shadow { share: self.literal(parts.next()?), to: self.target(parts.next()?)? }
            }
            Rule::sticky => {
                Stmt::Sticky { by: self.attr(parts.next()?), ttl: self.literal(parts.next()?) }
            }
            Rule::tag => {
                Stmt::Tag { name: self.name(parts.next()?), value: self.value(parts.next()?)? }
            }
            Rule::floor => Stmt::Floor {
                attr: self.attr(parts.next()?),
                at_least: self.literal(parts.next()?),
            },
            Rule::log => {
                let what = self.name(parts.next()?);
                let (on, off) = (parts.has(Rule::k_on), parts.has(Rule::k_off));
                let share = match parts.next() {
                    Some(percent) => {
                        let span = self.span(&percent);
                        Spanned::new(LogShare::Percent(self.percent(percent)), span)
                    }
                    // The word is the last of the line.
                    None => {
                        let len = if on { 2 } else { 3 };
                        let start = whole.end.saturating_sub(len);
                        let share = if off { LogShare::Off } else { LogShare::On };
                        Spanned::new(share, super::Span { start, end: whole.end })
                    }
                };
                Stmt::Log { what, share }
            }
            _ => return None,
        })
    }

    /// A line of an invariant.
    pub fn claim(&mut self, pair: P<'_>) -> Option<Claim> {
        let rule = pair.as_rule();
        let mut parts = kids(pair);
        Some(match rule {
            Rule::claim_models => {
                let how_many = quantifier(parts.next()?);
                Claim::Models(how_many, self.cond(parts.next()?)?)
            }
            Rule::claim_shadow => Claim::NoShadow,
            Rule::claim_denied => Claim::Denied { always: parts.next()?.as_str() == "always" },
            Rule::claim_bound => Claim::Bound {
                what: self.name(parts.next()?),
                at_most: self.literal(parts.next()?),
            },
            Rule::claim_route => Claim::RouteIn(self.list(parts.next()?)?),
            _ => return None,
        })
    }

    /// A line of a test.
    pub fn probe(&mut self, pair: P<'_>) -> Option<TestLine> {
        let rule = pair.as_rule();
        let mut parts = kids(pair);
        Some(match rule {
            Rule::given => TestLine::Given(
                parts
                    .content
                    .map(|binding| {
                        let mut binding = kids(binding);
                        let attr = self.attr(binding.next()?);
                        let value = binding.next()?;
                        let value = match value.as_rule() {
                            Rule::list => BindingValue::List(self.list(value)?),
                            _ => BindingValue::One(self.value(value)?),
                        };
                        Some(Binding { attr, value })
                    })
                    .collect::<Option<_>>()?,
            ),
            Rule::attempt => TestLine::Attempt {
                number: self.count(parts.next()?),
                outcome: self.name(parts.next()?),
                after: parts.next().map(|time| self.literal(time)),
            },
            Rule::expect => TestLine::Expect(self.expectation(parts.next()?)?),
            _ => return None,
        })
    }

    fn expectation(&mut self, pair: P<'_>) -> Option<Expectation> {
        if pair.as_rule() == Rule::cond {
            return self.cond(pair).map(Expectation::Cond);
        }
        let rule = pair.as_rule();
        let mut parts = kids(pair);
        Some(match rule {
            Rule::expect_models => {
                let how_many = quantifier(parts.next()?);
                match parts.peek()? {
                    Rule::name => Expectation::ModelsIn(how_many, self.name(parts.next()?)),
                    _ => Expectation::ModelsWhere(how_many, self.cond(parts.next()?)?),
                }
            }
            Rule::expect_denied => Expectation::Denied(parts.next().map(|name| self.name(name))),
            Rule::expect_answered => Expectation::AnsweredBy(self.target(parts.next()?)?),
            _ => return None,
        })
    }
}

fn quantifier(pair: P<'_>) -> Quantifier {
    match pair.as_str() {
        "every" => Quantifier::Every,
        "some" => Quantifier::Some,
        _ => Quantifier::No,
    }
}
