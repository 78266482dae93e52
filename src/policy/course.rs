//! The way through a plan: who is asked next, given what came of those who were asked before.
//!
//! This is the one attempt loop. The gateway drives it with what providers answer, a policy's tests
//! with what they script. It has no clock and no network: whatever depends on those is asked of
//! [`Ways`].

use std::time::Duration;

use super::cond::Cond;
use super::plan::{Plan, Step};
use crate::catalog::ModelIdx;
use crate::error_class::{ErrorClass, ErrorSet};

/// How many of a step's candidates are asked at most. A pool may follow the whole catalogue, and an
/// outage of many must not turn one request into hundreds.
pub const MOST_CANDIDATES: usize = 8;

/// The clock of the whole request, where nothing else is said.
pub const DEFAULT_TOTAL: Duration = Duration::from_secs(600);
/// The clock of a stream's first token, where nothing else is said.
pub const DEFAULT_TTFT: Duration = Duration::from_secs(30);
/// A whole answer's headers come when it is written (or its body does), so this is the time for
/// writing it, where nothing else is said.
pub const DEFAULT_HEADERS_WHOLE: Duration = Duration::from_secs(300);

/// Why this answer and no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// By whom the plan named first.
    AsPlanned,
    /// By a later candidate or a fallback, after errors.
    Fallback,
    /// By a higher step of the ladder.
    Escalated,
    /// By a copy that was sent because the first was slow.
    Hedged,
}

/// The error of an attempt, as far as it says where to go next.
pub trait Failing {
    /// Its class.
    fn class(&self) -> ErrorClass;
    /// How much patience the provider asks for.
    fn retry_after(&self) -> Option<Duration>;
}

/// One model's turn to be asked.
#[derive(Debug, Clone, Copy)]
pub struct Turn<'p> {
    /// In which step.
    pub step: &'p Step,
    /// The step's place in the plan, from 0.
    pub position: usize,
    /// Whom.
    pub model: ModelIdx,
    /// Whether it belongs to the plan's `fallback`, not to the step.
    pub is_fallback: bool,
    /// Why it would be the one that answers.
    pub served: Served,
    /// How many retries there were before this one.
    pub retries: u32,
    /// How often the same model has been asked with another key.
    pub switches: u32,
    /// How long to wait before.
    pub wait: Duration,
}

/// What came of a turn.
#[derive(Debug)]
pub enum Tried<A, E> {
    /// An answer that is taken.
    Accepted(A),
    /// An answer that the step's condition rejects; without one if only its beginning was read.
    Rejected(Option<A>),
    /// An error.
    Failed(E),
    /// It was not asked: the request cannot be put into words that it understands.
    Unfit(E),
    /// It was not asked: the money that is left does not suffice.
    TooDear,
    /// It was not asked: nobody serves it.
    Gone,
}

/// What a course cannot know by itself.
pub trait Ways<E> {
    /// Whether the request's time is up.
    fn out_of_time(&self) -> bool;

    /// Whether the same model is asked again at once, with another key.
    fn another_key(&mut self, turn: &Turn<'_>, error: &E) -> bool;

    /// Asked before a retry: how long to wait, at least as long as the provider asked for, else up
    /// to the ceiling. `None` if it is not to be.
    fn wait(
        &mut self,
        turn: &Turn<'_>,
        ceiling: Duration,
        asked: Option<Duration>,
    ) -> Option<Duration>;

    /// Whether the condition behind a step's `escalate when` holds for an error.
    fn escalates(&mut self, cond: &Cond, error: &E) -> bool;
}

/// What to do next.
#[derive(Debug)]
pub enum Next<'p, A, E> {
    /// Ask this model.
    Ask(Turn<'p>),
    /// It is over.
    End(Ending<A, E>),
}

/// What comes of a plan.
#[derive(Debug)]
pub enum Ending<A, E> {
    /// An answer that its step took.
    Accepted(A),
    /// No answer was taken: the best one by declared order.
    Rejected(A),
    /// There is no answer: the last error and whose it was.
    Failed(E, ModelIdx),
    /// Nobody was asked.
    NobodyAsked,
}

/// A plan under way.
#[derive(Debug)]
pub struct Course<'p, A, E> {
    plan: &'p Plan,
    /// Which step.
    position: usize,
    /// Who of the step's candidates and the fallback behind them comes next.
    place: usize,
    /// Who was asked last.
    turn: Option<Turn<'p>>,
    /// The best answer that was rejected: better than none if the climb has to stop.
    best: Option<A>,
    last_error: Option<(E, ModelIdx)>,
    /// Whether `last_error` comes from this step.
    failed: bool,
    /// Whether somebody in this step could not be told what is asked.
    unfit: bool,
    /// Whether an attempt was not made for want of money.
    too_dear: bool,
}

impl<'p, A, E: Failing> Course<'p, A, E> {
    /// Before the first attempt.
    pub fn of(plan: &'p Plan) -> Course<'p, A, E> {
        Course {
            plan,
            position: 0,
            place: 0,
            turn: None,
            best: None,
            last_error: None,
            failed: false,
            unfit: false,
            too_dear: false,
        }
    }

    /// Who is asked first.
    pub fn start(&mut self, ways: &mut impl Ways<E>) -> Next<'p, A, E> {
        self.next(ways)
    }

    /// Goes on from what came of the last turn.
    pub fn follow(&mut self, tried: Tried<A, E>, ways: &mut impl Ways<E>) -> Next<'p, A, E> {
        let Some(turn) = self.turn else { return self.next(ways) };
        match tried {
            Tried::Accepted(answer) => return Next::End(Ending::Accepted(answer)),
            Tried::Rejected(answer) => {
                self.best = answer.or(self.best.take());
                return self.climb(ways);
            }
            Tried::Failed(error) => {
                let again = again(turn, &error, ways);
                self.last_error = Some((error, turn.model));
                self.failed = true;
                if let Some(again) = again {
                    return self.ask(again);
                }
            }
            Tried::Unfit(error) => {
                self.last_error.get_or_insert((error, turn.model));
                self.unfit = true;
            }
            Tried::TooDear => self.too_dear = true,
            Tried::Gone => {}
        }
        self.next(ways)
    }

    fn ask(&mut self, turn: Turn<'p>) -> Next<'p, A, E> {
        self.turn = Some(turn);
        Next::Ask(turn)
    }

    /// The next one in this step who may be asked, or what comes behind the step.
    fn next(&mut self, ways: &mut impl Ways<E>) -> Next<'p, A, E> {
        let Some(step) = self.plan.steps.get(self.position) else { return self.end() };
        let own = step.candidates.len().min(MOST_CANDIDATES);
        let fallback = self.plan.fallback.as_ref().map_or(&[][..], |(models, _)| models.as_slice());
        while self.place < own + fallback.len() {
            let place = self.place;
            self.place += 1;
            let is_fallback = place >= own;
            if ways.out_of_time() || !self.may_follow(is_fallback) {
                continue;
            }
            let model = if is_fallback { fallback[place - own] } else { step.candidates[place] };
            let instead = is_fallback || self.failed || step.passed_over;
            let served = match (self.position, instead) {
                (_, true) => Served::Fallback,
                (0, false) => Served::AsPlanned,
                (_, false) => Served::Escalated,
            };
            return self.ask(Turn {
                step,
                position: self.position,
                model,
                is_fallback,
                served,
                retries: 0,
                switches: 0,
                wait: Duration::ZERO,
            });
        }
        // Whether a failure climbs is for the step to say; without a word it does not.
        let climbs = match (&step.escalate, &self.last_error) {
            (None, _) => false,
            (Some(cond), Some((error, _))) if self.failed => ways.escalates(cond, error),
            (Some(_), _) => true,
        };
        if climbs { self.climb(ways) } else { self.end() }
    }

    /// Whether one more may be asked in this step after what has happened in it.
    fn may_follow(&self, is_fallback: bool) -> bool {
        let class = self.last_error.as_ref().filter(|_| self.failed).map(|(it, _)| it.class());
        match (class, is_fallback) {
            (None, false) => true,
            // All candidates were too dear, or cannot be told what is asked: a fallback may be
            // cheaper or more versatile.
            (None, true) => self.too_dear || self.unfit,
            (Some(class), false) => ErrorSet::DEFAULT_FALLBACK.contains(class),
            (Some(class), true) => {
                self.plan.fallback.as_ref().is_some_and(|(_, on)| on.contains(class))
            }
        }
    }

    fn climb(&mut self, ways: &mut impl Ways<E>) -> Next<'p, A, E> {
        if ways.out_of_time() {
            return self.end();
        }
        self.position += 1;
        self.place = 0;
        self.failed = false;
        self.unfit = false;
        self.next(ways)
    }

    fn end(&mut self) -> Next<'p, A, E> {
        Next::End(match (self.best.take(), self.last_error.take()) {
            (Some(best), _) => Ending::Rejected(best),
            (None, Some((error, model))) => Ending::Failed(error, model),
            (None, None) => Ending::NobodyAsked,
        })
    }
}

/// The same model once more, where there is another key or the policy has retries.
fn again<'p, E: Failing>(turn: Turn<'p>, error: &E, ways: &mut impl Ways<E>) -> Option<Turn<'p>> {
    if ways.another_key(&turn, error) {
        // Another key is no retry: what the policy allows of those is still to come.
        return Some(Turn { switches: turn.switches + 1, wait: Duration::ZERO, ..turn });
    }
    let retry = turn.step.settings.retry?;
    if turn.retries >= retry.times || !retry.on.contains(error.class()) {
        return None;
    }
    let doubled = retry.first_wait.saturating_mul(1 << turn.retries.min(16));
    let ceiling = doubled.min(retry.longest_wait);
    let asked = error.retry_after();
    if asked.is_some_and(|asked| asked > retry.longest_wait.max(ceiling)) {
        return None; // the provider asks for more patience than the policy has
    }
    let wait = ways.wait(&turn, ceiling, asked)?;
    Some(Turn { retries: turn.retries + 1, wait, ..turn })
}

#[cfg(test)]
mod tests;
