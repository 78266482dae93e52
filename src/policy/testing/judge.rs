//! Whether a test got what it expects, and if not, why not.

use std::sync::Arc;

use super::outcome::{Upshot, belongs};
use super::request::TestRequest;
use super::say;
use crate::catalog::ModelIdx;
use crate::policy::codes;
use crate::policy::cond::{Cond, Op, Operand};
use crate::policy::diagnostic::Diagnostic;
use crate::policy::models::LiveModel;
use crate::policy::plan::Decision;
use crate::policy::program::{Expect, ModelFilter, Program, Target, TestCase};
use crate::policy::schema::Attr;
use crate::policy::spelling::written;
use crate::policy::syntax::tree::{Quantifier, Span};
use crate::policy::trial::models_of;
use crate::policy::value::OwnedValue;

/// Everything that is not as the test says.
pub fn failures(
    test: &TestCase,
    request: &TestRequest<'_>,
    upshot: &Upshot<'_>,
    program: &Program,
) -> Vec<Diagnostic> {
    let judge = Judge { test, request, upshot, program };
    let mut found = judge.contradictions();
    for (expect, span) in &test.expects {
        found.extend(judge.expectation(expect, *span));
    }
    found.extend(judge.never_made());
    if test.expects.is_empty() {
        found.push(
            Diagnostic::error(
                codes::TEST_WITHOUT_EXPECTATION,
                test.span,
                "this test expects nothing",
                "it can never fail",
            )
            .help("say what comes of the request: `expect route == …`, `expect denied`"),
        );
    }
    // What fails is known by its name.
    let named = |finding: Diagnostic| match finding.primary.span == test.span {
        true => finding,
        false => finding.also(test.span, "of this test"),
    };
    found.into_iter().map(named).collect()
}

struct Judge<'a> {
    test: &'a TestCase,
    request: &'a TestRequest<'a>,
    upshot: &'a Upshot<'a>,
    program: &'a Program,
}

impl Judge<'_> {
    /// What cannot be as the test says, whatever the policy does.
    fn contradictions(&self) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        for given in &self.test.given {
            let value = given.operand.value(self.request);
            if value == given.value.as_value() {
                continue;
            }
            let ty = given.operand.value_type();
            let (is, said) = (written(value, &ty), written(given.value.as_value(), &ty));
            let mut others = self.test.given.iter().filter(|it| it.span != given.span);
            let same = others.find(|it| it.operand == given.operand);
            let message = format!("`{}` cannot be {said} here", given.operand);
            let finding =
                Diagnostic::error(codes::CONTRADICTION, given.span, message, format!("it is {is}"));
            found.push(match (&given.operand, same) {
                (_, Some(other)) => finding.also(other.span, "given here already"),
                (Operand::Declared(declared), None) if declared.source.is_none() => finding
                    .note(format!("`{}` has no source, so it is always its `else`", given.operand)),
                (Operand::Declared(_), None) => {
                    finding.note("a value outside of its type's bounds counts as none")
                }
                (Operand::Attr(_), None) => {
                    finding.note("it follows from something else that the test gives")
                }
            });
        }
        for (index, scripted) in self.test.attempts.iter().enumerate() {
            let before = &self.test.attempts[..index];
            if let Some(known) = before.iter().find(|it| it.number == scripted.number) {
                let message = format!("attempt {} ends in two ways", scripted.number);
                found.push(
                    Diagnostic::error(codes::CONTRADICTION, scripted.span, message, "and here")
                        .also(known.span, "here"),
                );
            }
        }
        let overlong = self.upshot.played.iter().flat_map(|played| &played.overlong);
        for (scripted, clock) in overlong {
            let number = scripted.number;
            found.push(
                Diagnostic::error(
                    codes::CONTRADICTION,
                    scripted.span,
                    format!("attempt {number} cannot take so long"),
                    format!("it would have timed out after {}", say::time(*clock)),
                )
                .help(format!("write `attempt {number} timed_out`, or a shorter time")),
            );
        }
        for assumption in &self.program.assumptions {
            if !assumption.cond.holds(self.request) {
                let why = say::because(&assumption.cond, self.program, self.request);
                found.push(
                    Diagnostic::error(
                        codes::CONTRADICTION,
                        self.test.span,
                        "this test is about a request that the policy takes to be impossible",
                        why,
                    )
                    .also(assumption.span, "taken for granted here"),
                );
            }
        }
        found
    }

    /// Scripted attempts that the plan never came to.
    fn never_made(&self) -> Vec<Diagnostic> {
        let played = self.upshot.played.as_ref();
        let made = played.map_or(0, |played| played.attempts.len());
        let scripted = self.test.attempts.iter();
        let never = scripted.filter(|scripted| scripted.number > made as u64);
        never
            .map(|scripted| {
                let why = match made {
                    0 => "no attempt is made".to_owned(),
                    1 => "one attempt is made".to_owned(),
                    made => format!("{made} attempts are made"),
                };
                let message = format!("attempt {} is never made", scripted.number);
                let finding =
                    Diagnostic::error(codes::ATTEMPT_NEVER_MADE, scripted.span, message, why);
                self.with_course(finding)
            })
            .collect()
    }

    fn with_course(&self, mut finding: Diagnostic) -> Diagnostic {
        for line in say::course(self.upshot, self.program) {
            finding = finding.note(line);
        }
        finding
    }

    fn unmet(&self, span: Span, expected: &str, was: &str) -> Diagnostic {
        let message = format!("expected {expected}; {was}");
        Diagnostic::error(codes::EXPECTATION, span, message, was)
    }

    fn expectation(&self, expect: &Expect, span: Span) -> Vec<Diagnostic> {
        let text = say::source(self.program, span);
        let text = text.trim_start_matches("expect").trim();
        match expect {
            Expect::Outcome(cond) => {
                let mut found = Vec::new();
                self.outcome(cond, span, &mut found);
                found
            }
            Expect::ModelsIn(quantifier, pool) => {
                let within = |model| belongs(model, *pool, self.program, self.request.named);
                self.models(*quantifier, within, text, span).into_iter().collect()
            }
            Expect::ModelsWhere(quantifier, filter) => {
                let within = |model| self.passes(filter, model);
                self.models(*quantifier, within, text, span).into_iter().collect()
            }
            Expect::Denied(rule) => self.denied(rule.as_ref(), text, span).into_iter().collect(),
            Expect::AnsweredBy(target) => self.answered(*target, text, span).into_iter().collect(),
        }
    }

    fn passes(&self, filter: &ModelFilter, model: ModelIdx) -> bool {
        let described = &self.program.catalog[model];
        let live = LiveModel { model: described, live: self.request.live.model(model) };
        filter.pass.contains(model) && filter.live.as_ref().is_none_or(|cond| cond.holds(&live))
    }

    fn models(
        &self,
        quantifier: Quantifier,
        within: impl Fn(ModelIdx) -> bool,
        text: &str,
        span: Span,
    ) -> Option<Diagnostic> {
        let Some(plan) = self.upshot.plan() else {
            return Some(self.with_course(self.unmet(span, text, "there is no plan")));
        };
        let models = models_of(plan);
        let id = |model: &ModelIdx| &self.program.catalog[*model].id;
        let was = match quantifier {
            Quantifier::Every => {
                let outside = models.iter().find(|model| !within(**model))?;
                format!("{} is in the plan too", id(outside))
            }
            Quantifier::No => {
                let inside = models.iter().find(|model| within(**model))?;
                format!("{} is in the plan", id(inside))
            }
            Quantifier::Some => {
                if models.iter().any(|model| within(*model)) {
                    return None;
                }
                let first = models.first()?;
                format!("none is one: neither {} nor another of the plan", id(first))
            }
        };
        let finding = self.unmet(span, text, &was).note(self.whose_plan());
        Some(self.with_course(finding))
    }

    /// `route `hard` took the request, because …`
    fn whose_plan(&self) -> String {
        match self.upshot.route() {
            Some(route) => match self.why(route) {
                Some(why) => format!("route `{route}` took the request, because {why}"),
                None => "the client named the model".to_owned(),
            },
            None => "no route took the request".to_owned(),
        }
    }

    /// Why a route took the request; `None` if it is none of the policy's.
    fn why(&self, name: &str) -> Option<String> {
        let route = self.program.routes.iter().find(|route| *route.rule.name == *name)?;
        Some(say::why_taken(&route.rule, route.is_default, self.program, self.request))
    }

    fn denied(&self, rule: Option<&Arc<str>>, text: &str, span: Span) -> Option<Diagnostic> {
        let Decision::Denied(denied) = &self.upshot.decision else {
            let mut finding = self.unmet(span, text, "it was not denied");
            let expected = rule
                .and_then(|name| self.program.denies.iter().find(|deny| deny.rule.name == *name));
            if let Some(deny) = expected {
                let why = say::because(&deny.rule.when, self.program, self.request);
                finding = finding.note(format!("`{}` does not match: {why}", deny.rule.name));
            }
            return Some(self.with_course(finding.note(self.whose_plan())));
        };
        let rule = rule?;
        // The order of denials is no part of a policy's meaning: each that matches denies.
        let too = self.program.denies.iter().find(|deny| deny.rule.name == *rule);
        let too = denied.rule == *rule || too.is_some_and(|it| it.rule.when.holds(self.request));
        if too {
            return None;
        }
        let was = format!("it was denied by `{}`", denied.rule);
        Some(self.with_course(self.unmet(span, text, &was)))
    }

    fn answered(&self, target: Target, text: &str, span: Span) -> Option<Diagnostic> {
        let was = match self.upshot.answer() {
            Some(answer) => {
                if belongs(answer.model, target, self.program, self.request.named) {
                    return None;
                }
                format!("{} answered", self.program.catalog[answer.model].id)
            }
            None => "there was no answer".to_owned(),
        };
        Some(self.with_course(self.unmet(span, text, &was).note(self.whose_plan())))
    }

    /// The parts of a condition that do not hold, each for itself.
    fn outcome(&self, cond: &Cond, span: Span, found: &mut Vec<Diagnostic>) {
        if cond.holds(self.upshot) {
            return;
        }
        if let Cond::And(parts) = cond {
            parts.iter().for_each(|part| self.outcome(part, span, found));
            return;
        }
        let tests = cond.tests();
        let place = tests
            .iter()
            .map(|test| test.span)
            .reduce(|a, b| Span { start: a.start.min(b.start), end: a.end.max(b.end) });
        let place = place.filter(|place| span.start <= place.start && place.end <= span.end);
        let mut operands: Vec<&Operand> = tests.iter().map(|test| &test.operand).collect();
        operands.dedup();
        let shown = |operand: &Operand| {
            let value = operand.value(self.upshot).to_owned();
            match (operand, &value) {
                // Names of routes and arms stand without quotes in policies.
                (_, OwnedValue::Str(text)) => format!("`{text}`"),
                _ => written(value.as_value(), &operand.value_type()),
            }
        };
        let mut was = match operands[..] {
            [operand] => format!("it was {}", shown(operand)),
            _ => {
                let each =
                    operands.iter().map(|operand| format!("{operand} was {}", shown(operand)));
                each.collect::<Vec<_>>().join(", ")
            }
        };
        let span = place.unwrap_or(span);
        let text = say::source(self.program, span);
        let about_route = operands.iter().any(|operand| is_route(operand));
        let mut notes = Vec::new();
        if about_route {
            match self.upshot.route().and_then(|route| self.why(route)) {
                Some(why) if operands.len() == 1 => was += &format!(", because {why}"),
                _ => notes.push(self.whose_plan()),
            }
            let wanted = tests.iter().filter_map(|test| match &test.op {
                Op::OneOf(names) if is_route(&test.operand) => Some(names),
                _ => None,
            });
            notes.extend(wanted.flatten().filter_map(|name| self.why_not(name)));
        }
        let mut finding = self.unmet(span, &text, &was);
        // The reason stands in the message; at the place there is room for the value.
        if let Some((short, _)) = was.split_once(", because ") {
            finding.primary.text = short.to_owned();
        }
        for note in notes {
            finding = finding.note(note);
        }
        found.push(self.with_course(finding));
    }

    /// Why a route that was expected did not take the request.
    fn why_not(&self, name: &str) -> Option<String> {
        let taken = self.upshot.route()?;
        let route = self.program.routes.iter().find(|route| *route.rule.name == *name)?;
        if *taken == route.rule.name {
            return None;
        }
        Some(if route.rule.when.holds(self.request) {
            format!("`{name}` matches too, but `{taken}` stands before it")
        } else {
            let why = say::because(&route.rule.when, self.program, self.request);
            format!("`{name}` does not match: {why}")
        })
    }
}

fn is_route(operand: &Operand) -> bool {
    matches!(operand, Operand::Attr(attr) if attr.attr == Attr::OutcomeRoute)
}
