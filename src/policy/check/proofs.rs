//! `assume`, `invariant` and `test`.

use std::sync::Arc;

use super::conditions::Scope;
use super::{Checker, Part, Rules};
use crate::policy::codes;
use crate::policy::cond::Cond;
use crate::policy::diagnostic::{Diagnostic, did_you_mean};
use crate::policy::program::{
    Assumption, Claim, Expect, Given, Invariant, Outcome, Scripted, Target, TestCase,
};
use crate::policy::schema::Type;
use crate::policy::syntax::tree::{
    self, BindingValue, CompareOp, CondKind, Expectation, File, Item, LiteralValue, Membership,
    Name, Span, Spanned, TestLine, Value, ValueKind,
};
use crate::policy::value::OwnedValue;

const BOUNDS: [&str; 3] = ["max_cost", "max_attempts", "max_latency"];

impl<'a> Checker<'a> {
    /// What a file takes for granted, promises and tries.
    pub(super) fn proofs(&mut self, part: &Part, tree: &'a File, rules: &mut Rules) {
        for line in &tree.items {
            match &line.node {
                Item::Assume(cond) => {
                    let span = cond.span;
                    let cond = self.request_cond(cond);
                    rules.assumptions.push(Assumption { cond, span, watched: false });
                }
                Item::Invariant { name, when, claims } => {
                    let cond = when.as_ref().map_or(Cond::TRUE, |when| self.request_cond(when));
                    let rule = self.rule(part, name, cond);
                    let claims = claims.lines.iter().filter_map(|line| {
                        Some((self.claim(&line.node, &part.prefix)?, line.span))
                    });
                    let claims = claims.collect();
                    rules.invariants.push(Invariant { rule, claims });
                }
                Item::Test { name, lines } => {
                    let test = self.test_case(name, lines, &part.prefix);
                    rules.tests.push(test);
                }
                _ => {}
            }
        }
    }

    fn claim(&mut self, claim: &tree::Claim, prefix: &str) -> Option<Claim> {
        Some(match claim {
            tree::Claim::Models(quantifier, cond) => {
                Claim::Models(*quantifier, Arc::new(self.model_filter(cond)))
            }
            tree::Claim::NoShadow => Claim::NoShadow,
            tree::Claim::Denied { always: true } => Claim::AlwaysDenied,
            tree::Claim::Denied { always: false } => Claim::NeverDenied,
            tree::Claim::Bound { what, at_most } => match what.node.as_str() {
                "max_cost" => Claim::MaxCost(self.money(at_most)?),
                "max_latency" => Claim::MaxLatency(self.duration(at_most)?),
                "max_attempts" => {
                    let named = ("max_attempts", what.span);
                    let most = self.literal_key(named, &Type::Int, &at_most.node, at_most.span)?;
                    Claim::MaxAttempts(u64::try_from(most).unwrap_or(0))
                }
                _ => {
                    self.one_of_words(what, &BOUNDS, "bound");
                    return None;
                }
            },
            tree::Claim::RouteIn(list) => Claim::RouteIn(
                list.node.iter().filter_map(|value| self.route_name(value, prefix)).collect(),
            ),
        })
    }

    /// The route that a name means, as traces call it.
    fn route_name(&mut self, value: &Value, prefix: &str) -> Option<Arc<str>> {
        let name = match &value.kind {
            ValueKind::Name(name) => name.as_str(),
            ValueKind::Literal(literal) => match &literal.value {
                // An alias is called what clients ask for, which is no word.
                LiteralValue::String(text) => return Some(text.as_str().into()),
                _ => "",
            },
        };
        let inside = format!("{prefix}{name}");
        let routes = &self.shared.routes;
        if let Some(found) = [inside.as_str(), name].into_iter().find(|it| routes.contains(*it)) {
            return Some(found.into());
        }
        if name == "requested" || self.is_lost(name) {
            return Some(name.into());
        }
        let known: Vec<String> = self.shared.routes.iter().cloned().collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        self.one_of_words(&Name::new(name.to_owned(), value.span), &known, "route");
        None
    }

    fn test_case(
        &mut self,
        name: &tree::Text,
        lines: &tree::Block<TestLine>,
        prefix: &str,
    ) -> TestCase {
        let mut test = TestCase {
            name: name.node.as_str().into(),
            span: name.span,
            given: Vec::new(),
            attempts: Vec::new(),
            expects: Vec::new(),
        };
        for line in &lines.lines {
            match &line.node {
                TestLine::Given(bindings) => {
                    test.given.extend(bindings.iter().filter_map(|binding| self.given(binding)));
                }
                TestLine::Attempt { number, outcome, after } => {
                    let after = after.as_ref().and_then(|after| self.duration(after));
                    let Some(ends) = Outcome::from_word(&outcome.node) else {
                        let classes = crate::error_class::ErrorClass::ALL.iter().map(|c| c.name());
                        let known: Vec<&str> = Outcome::WORDS.into_iter().chain(classes).collect();
                        self.one_of_words(outcome, &known, "outcome");
                        continue;
                    };
                    if number.node == 0 {
                        self.report(Diagnostic::error(
                            codes::OUT_OF_RANGE,
                            number.span,
                            "attempts are counted from 1",
                            "there is no attempt 0",
                        ));
                    }
                    let (number, span) = (number.node, line.span);
                    test.attempts.push(Scripted { number, outcome: ends, after, span });
                }
                TestLine::Expect(expectation) => {
                    let expected = self.expectation(expectation, prefix);
                    test.expects.extend(expected.map(|expect| (expect, line.span)));
                }
            }
        }
        test
    }

    fn expectation(&mut self, expectation: &Expectation, prefix: &str) -> Option<Expect> {
        Some(match expectation {
            Expectation::ModelsIn(quantifier, pool) => {
                let kind = tree::TargetKind::Name(pool.node.clone());
                let target = self.target(&tree::Target { kind, span: pool.span })?;
                if !matches!(target, Target::Pool(_)) {
                    self.report(
                        Diagnostic::error(
                            codes::WRONG_TARGET,
                            pool.span,
                            format!("`{}` is not a pool", pool.node),
                            "has no members",
                        )
                        .help("name a pool, or write `every model where …`"),
                    );
                    return None;
                }
                Expect::ModelsIn(*quantifier, target)
            }
            Expectation::ModelsWhere(quantifier, cond) => {
                Expect::ModelsWhere(*quantifier, Arc::new(self.model_filter(cond)))
            }
            Expectation::Denied(None) => Expect::Denied(None),
            Expectation::Denied(Some(rule)) => {
                let inside = format!("{prefix}{}", rule.node);
                let rules = &self.shared.rules;
                let routes = &self.shared.routes;
                let names = [inside.as_str(), rule.node.as_str()];
                let found = names
                    .into_iter()
                    .find(|it| rules.contains(*it) || routes.contains(*it))
                    .map(Arc::<str>::from);
                match found {
                    Some(found) => Expect::Denied(Some(found)),
                    None => {
                        let known: Vec<String> = rules.iter().cloned().collect();
                        let known: Vec<&str> = known.iter().map(String::as_str).collect();
                        self.one_of_words(rule, &known, "rule");
                        return None;
                    }
                }
            }
            Expectation::AnsweredBy(target) => Expect::AnsweredBy(self.target(target)?),
            Expectation::Cond(cond) => {
                let cond = self.with_route_names(cond, prefix);
                Expect::Outcome(self.outcome_cond(&cond))
            }
        })
    }

    /// `route == hard` names a route; everywhere else a text stands in quotes.
    fn with_route_names(&mut self, cond: &tree::Cond, prefix: &str) -> tree::Cond {
        let mut cond = cond.clone();
        let text = |it: &mut Self, value: &mut Value| {
            let found = it.route_name(value, prefix).map(|name| name.to_string());
            let written = match &value.kind {
                ValueKind::Name(name) => Some(name.clone()),
                ValueKind::Literal(_) => None,
            };
            if let Some(raw) = found.or(written) {
                let text = LiteralValue::String(raw.clone());
                value.kind = ValueKind::Literal(tree::Literal { value: text, raw });
            }
        };
        match &mut cond.kind {
            CondKind::Or(all) | CondKind::And(all) => {
                *all = all.iter().map(|cond| self.with_route_names(cond, prefix)).collect();
            }
            CondKind::Not(inner) => **inner = self.with_route_names(inner, prefix),
            CondKind::Atom { attr, test: Some(test) } if attr.to_string() == "route" => {
                match test {
                    tree::Test::Compare(
                        Spanned { node: CompareOp::Eq | CompareOp::Ne, .. },
                        value,
                    ) => text(self, value),
                    tree::Test::In { set: Membership::List(list), .. } => {
                        list.node.iter_mut().for_each(|value| text(self, value));
                    }
                    _ => {}
                }
            }
            CondKind::Atom { .. } => {}
        }
        cond
    }

    fn given(&mut self, binding: &tree::Binding) -> Option<Given> {
        let resolved = self.resolve(&binding.attr, Scope::Request)?;
        let written = binding.attr.to_string();
        let named = (written.as_str(), binding.attr.span);
        let value = match (&binding.value, &resolved.ty) {
            (BindingValue::List(list), Type::Set) => OwnedValue::Set(
                list.node
                    .iter()
                    .filter_map(|value| self.word(named, &Type::String, value).map(Arc::from))
                    .collect(),
            ),
            (BindingValue::List(list), ty) => {
                self.report(
                    Diagnostic::error(
                        codes::TYPE_MISMATCH,
                        list.span,
                        format!("`{written}` is {}, not a set", ty.name()),
                        "one value is expected",
                    )
                    .help("a test is one request; write one test for each value"),
                );
                return None;
            }
            (BindingValue::One(value), ty) => self.given_value(named, ty, value)?,
        };
        let span = binding.attr.span;
        Some(Given { operand: resolved.operand, value, span })
    }

    fn given_value(&mut self, named: (&str, Span), ty: &Type, value: &Value) -> Option<OwnedValue> {
        let literal = match &value.kind {
            ValueKind::Literal(literal) => Some(&literal.value),
            ValueKind::Name(_) => None,
        };
        Some(match (ty, literal) {
            (Type::String | Type::Enum(_), _) => {
                OwnedValue::Str(self.word(named, ty, value)?.into())
            }
            (Type::Set, _) => {
                let word = self.word(named, &Type::String, value)?;
                OwnedValue::Set([Arc::from(word)].into())
            }
            (Type::Bool, Some(LiteralValue::Bool(bool))) => OwnedValue::Bool(*bool),
            (Type::Bool, _) => {
                self.report(Diagnostic::error(
                    codes::TYPE_MISMATCH,
                    value.span,
                    format!("`{}` is a yes or no", named.0),
                    "expected `true` or `false`",
                ));
                return None;
            }
            // An instant is written as a text: RFC 3339.
            (Type::Time, Some(LiteralValue::String(text))) => match text.parse::<jiff::Timestamp>()
            {
                Ok(instant) => OwnedValue::Int(instant.as_second()),
                Err(_) => return self.no_instant(value.span),
            },
            (Type::Time, _) => return self.no_instant(value.span),
            (Type::Float(_), Some(LiteralValue::Float(float))) => {
                self.key(named, ty, value)?;
                OwnedValue::Float(*float)
            }
            (Type::Float(_), Some(LiteralValue::Int(int))) => {
                self.key(named, ty, value)?;
                OwnedValue::Float(*int as f64)
            }
            _ => OwnedValue::Int(self.key(named, ty, value)?),
        })
    }

    fn no_instant(&mut self, span: Span) -> Option<OwnedValue> {
        self.report(
            Diagnostic::error(
                codes::TYPE_MISMATCH,
                span,
                "this is no instant",
                "a date and a time of day with its zone are expected",
            )
            .help("write it as text: `time = \"2026-09-14T10:00:00Z\"`"),
        );
        None
    }

    pub(super) fn one_of_words(&mut self, name: &Name, known: &[&str], what: &str) {
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
            None => {
                let mut known = known.to_vec();
                known.sort_unstable();
                diagnostic.note(format!("known: {}", known.join(", ")))
            }
        };
        self.report(diagnostic);
    }
}
