//! Copies of requests whose answers are thrown away: what another model would have said, how long it
//! would have taken, what it would have cost.
//!
//! A shadow is sent once the answer is on its way, on a task of its own, to one model, once. It changes
//! nothing that answers depend on: neither the models' health nor the cache nor the sessions. It does
//! cost money, which the record of the decision tells apart from what the request cost. It goes on
//! when its client hangs up, and ends when the gateway drains.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::attempt::Attempt;
use super::{Job, spending};
use crate::catalog::ModelIdx;
use crate::policy::plan::{Candidates, Step};

/// How many are under way at most, in all.
const MOST_AT_ONCE: usize = 64;
/// How long one may take. Nobody waits for it, but its request is kept in memory.
const LONGEST: Duration = Duration::from_secs(120);

/// The shadows that are under way.
pub struct Shadows {
    room: Arc<Semaphore>,
    over: watch::Sender<bool>,
    skipped: AtomicU64,
}

impl Default for Shadows {
    fn default() -> Shadows {
        Shadows {
            room: Arc::new(Semaphore::new(MOST_AT_ONCE)),
            over: watch::Sender::new(false),
            skipped: AtomicU64::new(0),
        }
    }
}

impl Shadows {
    /// Sends the shadows of a job's plan; its log is to be theirs alone. Returns at once.
    pub fn send(&self, job: Job) {
        let job = Arc::new(job);
        for shadow in &job.plan.shadows {
            let (work, model) = (job.clone(), shadow.model);
            if !self.start(async move { ask(&work, model).await }) {
                job.log.skipped(model, &"shadow".into(), "too many shadows are under way");
            }
        }
    }

    /// Does this beside everything else; not if there is too much of it already.
    fn start(&self, work: impl Future<Output = ()> + Send + 'static) -> bool {
        let Ok(room) = self.room.clone().try_acquire_owned() else {
            self.skipped.fetch_add(1, Ordering::Relaxed);
            return false;
        };
        let mut over = self.over.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                biased;
                // An error means that the gateway itself is gone.
                _ = over.wait_for(|over| *over) => {}
                () = work => {}
            }
            drop(room);
        });
        true
    }

    /// Ends those that are under way, and lets no other begin.
    pub fn end(&self) {
        self.room.close();
        self.over.send_replace(true);
    }

    /// How many were not sent because too many were under way.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }
}

async fn ask(job: &Job, model: ModelIdx) {
    let described = &job.catalog.models()[model.index()];
    let step = Step {
        name: "shadow".into(),
        candidates: Candidates::from_slice(&[model]),
        passed_over: false,
        escalate: None,
        hedge: None,
        sticky: None,
        settings: job.plan.settings.clone(),
    };
    if !job.health.live().model(model).available {
        job.log.skipped(model, &step.name, "it rests, so it gets no shadows");
        return;
    }
    let Some(endpoint) = job.endpoints.endpoint(&described.provider) else { return };
    let (_, provider) = endpoint.pick();
    let deadline = Instant::now() + LONGEST;
    // Nobody reads along, so there is no stream.
    let prepared = Attempt::prepare(job, &step, model, provider, false, deadline);
    let Ok(attempt) = prepared else { return };
    let mut record = job.log.begin(model, &step.name, 0);
    let mut cost = None;
    let failed = match attempt.begin(&mut record).await {
        Ok(begun) => {
            let answer = spending::with_usage(begun.whole().unwrap_or_default(), &job.facts);
            cost = spending::cost_of(described, &answer.usage, job.request.shape().images);
            record.discarded(&answer, cost);
            None
        }
        Err(error) => {
            record.fail(&error);
            Some(error.class.name())
        }
    };
    tracing::info!(
        request = job.facts.id(),
        model = %described.id,
        error = failed,
        cost = cost.map(tracing::field::display),
        ms = record.elapsed().as_millis() as u64,
        "shadow"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn there_is_room_for_so_many_and_the_rest_is_counted() {
        let shadows = Shadows::default();
        let started = (0..MOST_AT_ONCE + 3).filter(|_| shadows.start(std::future::pending()));
        assert_eq!(started.count(), MOST_AT_ONCE);
        assert_eq!(shadows.skipped(), 3);
    }

    #[tokio::test]
    async fn the_end_of_the_gateway_is_theirs() {
        let shadows = Shadows::default();
        let (held, dropped) = tokio::sync::oneshot::channel::<()>();
        assert!(shadows.start(async move {
            let _held = held;
            std::future::pending().await
        }));
        tokio::task::yield_now().await;
        shadows.end();
        assert!(dropped.await.is_err(), "what it held is let go");
        assert!(!shadows.start(async {}), "and no other begins");
    }

    #[tokio::test]
    async fn room_comes_back_when_one_is_done() {
        let shadows = Shadows::default();
        for _ in 0..3 * MOST_AT_ONCE {
            assert!(shadows.start(async {}));
            while shadows.room.available_permits() < MOST_AT_ONCE {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(shadows.skipped(), 0);
    }
}
