//! Second copies of slow attempts: whoever begins to answer first has the request, and the others are
//! let go at once.
//!
//! A copy is sent while nothing has gone to the client, so nobody ever sees two answers. It costs what
//! it costs: it is sent only where the request's allowance covers the worst case of all copies
//! together, and only as often as the slow model's retry budget allows, so that slowness everywhere
//! does not turn into twice the load.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::time::Instant;

use super::attempt::{Attempt, Begun};
use super::endpoints::Endpoint;
use super::health::InFlight;
use super::keys_fault;
use super::outcome::Record;
use super::spending::{self, Purse};
use crate::catalog::ModelIdx;
use crate::catalog::live::ModelLive;
use crate::dialect::UpstreamError;
use crate::policy::plan::Hedging;
use crate::policy::program::HedgeAfter;

/// A measured time below this is no sign that a copy would help: it would be sent for noise.
const LEAST_PATIENCE: Duration = Duration::from_millis(50);

/// An attempt on its way.
pub(super) struct Sent<'a> {
    pub model: ModelIdx,
    pub attempt: Attempt<'a>,
    pub record: Record,
    pub in_flight: InFlight,
    /// The key that a copy uses. Which key the first uses is known to whoever sent it.
    key: Option<(&'a Endpoint, usize)>,
}

impl<'a> Sent<'a> {
    /// The attempt that the plan wants; `tries` were made before it.
    pub fn first(attempt: Attempt<'a>, model: ModelIdx, tries: u32) -> Sent<'a> {
        let record = attempt.job.log.begin(model, &attempt.step.name, tries);
        let in_flight = attempt.job.health.begin(model);
        Sent { model, attempt, record, in_flight, key: None }
    }

    /// Whether it was sent because another was slow.
    pub fn is_copy(&self) -> bool {
        self.key.is_some()
    }

    fn failed(&self, error: &UpstreamError) {
        self.record.fail(error);
        self.in_flight.failed(error);
        if let Some((endpoint, key)) = self.key
            && let Some(time) = keys_fault(error)
        {
            endpoint.put_aside(key, time);
        }
    }

    /// Another one was faster. What was sent is paid for all the same.
    fn overtaken(self, purse: &mut Purse) {
        let Attempt { job, described, stream, .. } = self.attempt;
        let usage = spending::sent(&job.facts);
        let cost = spending::cost_of(described, &usage, job.request.shape().images);
        purse.spend(cost);
        self.record.hedged_away(usage, cost);
        self.in_flight.overtaken(self.record.elapsed(), stream);
    }
}

/// Waits until an attempt's answer has begun, or that of a copy of it.
///
/// # Errors
/// The first one's, when all have failed.
pub(super) async fn begin<'a>(
    mut first: Sent<'a>,
    purse: &mut Purse,
) -> Result<(Sent<'a>, Begun), UpstreamError> {
    if let Some(hedging) = first.attempt.step.hedge.as_deref() {
        // In a box of its own: whoever has no `hedge` need not carry it along.
        return Box::pin(race(first, hedging, purse)).await;
    }
    match first.attempt.begin(&mut first.record).await {
        Ok(begun) => Ok((first, begun)),
        Err(error) => {
            first.failed(&error);
            Err(error)
        }
    }
}

/// What came of one runner: `None` if it was called back.
type Finish<'a> = (Sent<'a>, Option<Result<Begun, UpstreamError>>);

async fn run<'a>(mut sent: Sent<'a>, mut over: watch::Receiver<bool>) -> Finish<'a> {
    let finish = tokio::select! {
        biased;
        _ = over.wait_for(|over| *over) => None,
        finish = sent.attempt.begin(&mut sent.record) => Some(finish),
    };
    (sent, finish)
}

async fn race<'a>(
    first: Sent<'a>,
    hedging: &'a Hedging,
    purse: &mut Purse,
) -> Result<(Sent<'a>, Begun), UpstreamError> {
    let health = &first.attempt.job.health;
    let patience = patience(hedging.after, health.live().model(first.model), first.attempt.stream);
    let mut copies = Copies::of(&first, hedging);
    // Never, where nothing is known to go by.
    let mut due = patience.map(|patience| Instant::now() + patience);
    let (call_back, over) = watch::channel(false);
    let mut running = FuturesUnordered::new();
    running.push(run(first, over.clone()));
    let mut firsts_error = None;
    loop {
        let next_copy = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            Some((sent, finish)) = running.next() => match finish {
                Some(Ok(begun)) => {
                    call_back.send_replace(true);
                    while let Some((loser, _)) = running.next().await {
                        loser.overtaken(purse);
                    }
                    return Ok((sent, begun));
                }
                Some(Err(error)) => {
                    sent.failed(&error);
                    if !sent.is_copy() {
                        firsts_error = Some(error.clone());
                    }
                    if running.is_empty() {
                        return Err(firsts_error.unwrap_or(error));
                    }
                }
                // Nobody is called back before there is a winner.
                None => {}
            },
            () = next_copy => {
                let copy = copies.next(purse);
                due = due.zip(patience).map(|(due, patience)| due + patience);
                match copy {
                    Some(copy) => running.push(run(copy, over.clone())),
                    None => due = None,
                }
            }
        }
    }
}

/// How long an attempt has; `None` where nothing was measured yet.
fn patience(after: HedgeAfter, live: &ModelLive, stream: bool) -> Option<Duration> {
    // Of an answer that is no stream, the first token is seen with the last.
    let lately = if stream { live.ttft } else { live.latency };
    let measured = match after {
        HedgeAfter::Time(time) => return Some(time),
        HedgeAfter::P50 => lately.p50,
        HedgeAfter::P95 => lately.p95,
    };
    measured.map(|time| time.max(LEAST_PATIENCE))
}

/// The copies that may still be sent.
struct Copies<'a> {
    job: &'a super::Job,
    step: &'a crate::policy::plan::Step,
    first: ModelIdx,
    stream: bool,
    deadline: Instant,
    /// Whom they go to, in order.
    to: std::vec::IntoIter<ModelIdx>,
    left: u32,
    /// Everybody who was sent one, the first included.
    asked: Vec<ModelIdx>,
}

impl<'a> Copies<'a> {
    fn of(first: &Sent<'a>, hedging: &Hedging) -> Copies<'a> {
        // The model that is slow is asked once more only where nobody else is named.
        let others = hedging.candidates.iter().copied().filter(|model| *model != first.model);
        let mut to: Vec<ModelIdx> = others.collect();
        if to.is_empty() {
            to.extend(&hedging.candidates);
        }
        let Attempt { job, step, stream, deadline, .. } = first.attempt;
        let asked = vec![first.model];
        let (first, left) = (first.model, hedging.max);
        Copies { job, step, first, stream, deadline, to: to.into_iter(), left, asked }
    }

    /// The next copy; `None` if there is to be no other. Whom it cannot go to is passed over.
    fn next(&mut self, purse: &Purse) -> Option<Sent<'a>> {
        let job = self.job;
        if self.left == 0 {
            return None;
        }
        let live = job.health.live();
        for model in self.to.by_ref() {
            let described = &job.catalog.models()[model.index()];
            let Some(endpoint) = job.endpoints.endpoint(&described.provider) else { continue };
            if !live.model(model).available {
                job.log.skipped(model, &self.step.name, "it rests, so it gets no second copy");
                continue;
            }
            let together = self.asked.iter().chain([&model]);
            let together = together.map(|model| &job.catalog.models()[model.index()]);
            if !purse.affords_all(together, &job.facts, &job.plan.settings) {
                let why = "the allowance for this request does not cover a second copy";
                job.log.skipped(model, &self.step.name, why);
                continue;
            }
            if !job.health.may_hedge(self.first) {
                let why = "the retry budget allows no second copy";
                job.log.skipped(model, &self.step.name, why);
                return None;
            }
            let (key, provider) = endpoint.pick();
            let (stream, deadline) = (self.stream, self.deadline);
            let prepared = Attempt::prepare(job, self.step, model, provider, stream, deadline);
            let Ok(attempt) = prepared else { continue };
            self.left -= 1;
            self.asked.push(model);
            let record = job.log.begin_copy(model, &self.step.name);
            let in_flight = job.health.begin_copy(model);
            return Some(Sent { model, attempt, record, in_flight, key: Some((endpoint, key)) });
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::live::Percentiles;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn patience_is_a_time_or_what_was_usual_lately() {
        let live = ModelLive {
            ttft: Percentiles { p50: Some(ms(20)), p95: Some(ms(400)) },
            latency: Percentiles { p50: Some(ms(900)), p95: None },
            ..ModelLive::FRESH
        };
        let stream = |after| patience(after, &live, true);
        let whole = |after| patience(after, &live, false);
        assert_eq!(stream(HedgeAfter::Time(ms(1))), Some(ms(1)), "what is said holds");
        assert_eq!(stream(HedgeAfter::P50), Some(LEAST_PATIENCE));
        assert_eq!(stream(HedgeAfter::P95), Some(ms(400)));
        assert_eq!(whole(HedgeAfter::P50), Some(ms(900)), "a whole answer takes its whole time");
        assert_eq!(whole(HedgeAfter::P95), None, "nothing is known");
    }
}
