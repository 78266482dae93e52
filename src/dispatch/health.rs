//! How the models are doing: what attempts report, and the snapshot that decisions read.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::Instant;

use crate::catalog::live::{ModelLive, Percentiles};
use crate::catalog::{Live, ModelIdx};
use crate::dialect::UpstreamError;
use crate::error_class::ErrorClass;
use crate::units::BasisPoints;

/// How many attempts the percentiles and the error rate look back on.
const WINDOW: usize = 64;
/// Fewer than this say nothing.
const ENOUGH: usize = 5;
/// A snapshot is at most this old, except that a model that goes out is seen at once.
const SNAPSHOT_AGE: Duration = Duration::from_millis(10);
/// So many failures in a row close a model's gate.
const FAILURES_IN_A_ROW: u32 = 5;
/// For how long at first; it doubles from time to time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Retries may be this share of the attempts (per mille), so that retrying cannot double an outage.
const RETRY_SHARE: u32 = 200;
/// And this many (in thousandths) are always allowed, so that quiet traffic can be retried.
const RETRY_RESERVE: u32 = 10_000;
const RETRY_COST: u32 = 1_000;
/// A copy is sent on suspicion, a retry after a failure: where all is slow, copies alone add a tenth
/// to the load.
const HEDGE_COST: u32 = 2 * RETRY_COST;

/// The health of all models of one catalogue.
pub struct Health {
    models: Vec<Mutex<State>>,
    inflight: Vec<AtomicU32>,
    router_inflight: AtomicU32,
    snapshot: ArcSwap<(Instant, Arc<Live>)>,
}

#[derive(Debug, Default)]
struct State {
    ttft: VecDeque<Duration>,
    latency: VecDeque<Duration>,
    failed: VecDeque<bool>,
    failures_in_a_row: u32,
    /// Not to be asked before this, unless there is nobody else.
    out_until: Option<Instant>,
    pauses: u32,
    /// In thousandths of a retry.
    retry_tokens: u32,
}

impl Health {
    /// All models as good as new.
    pub fn new(models: usize) -> Health {
        let fresh = || State { retry_tokens: RETRY_RESERVE, ..State::default() };
        Health {
            models: (0..models).map(|_| Mutex::new(fresh())).collect(),
            inflight: (0..models).map(|_| AtomicU32::new(0)).collect(),
            router_inflight: AtomicU32::new(0),
            snapshot: ArcSwap::from_pointee((Instant::now(), Arc::new(Live::fresh(models)))),
        }
    }

    /// How the models are doing now.
    pub fn live(&self) -> Arc<Live> {
        let snapshot = self.snapshot.load();
        if snapshot.0.elapsed() < SNAPSHOT_AGE {
            return snapshot.1.clone();
        }
        self.refresh()
    }

    fn refresh(&self) -> Arc<Live> {
        let now = Instant::now();
        let models = self
            .models
            .iter()
            .zip(&self.inflight)
            .map(|(state, inflight)| lock(state).summary(now, inflight.load(Ordering::Relaxed)))
            .collect();
        let live = Arc::new(Live {
            models,
            router_inflight: self.router_inflight.load(Ordering::Relaxed),
            ..Live::default()
        });
        self.snapshot.store(Arc::new((now, live.clone())));
        live
    }

    /// An attempt begins.
    pub(super) fn begin(self: &Arc<Self>, model: ModelIdx) -> InFlight {
        if let Some(state) = self.models.get(model.index()) {
            let mut state = lock(state);
            state.retry_tokens = (state.retry_tokens + RETRY_SHARE).min(10 * RETRY_RESERVE);
        }
        self.begin_copy(model)
    }

    /// A copy of an attempt begins. It brings nothing into the budget that it was paid from.
    pub(super) fn begin_copy(self: &Arc<Self>, model: ModelIdx) -> InFlight {
        if let Some(count) = self.inflight.get(model.index()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        InFlight { health: self.clone(), model }
    }

    /// A request begins; it ends when the guard is dropped.
    pub fn request(self: &Arc<Self>) -> RequestInFlight {
        self.router_inflight.fetch_add(1, Ordering::Relaxed);
        RequestInFlight(self.clone())
    }

    /// Takes a retry out of the model's budget, if there is one left.
    pub(super) fn may_retry(&self, model: ModelIdx) -> bool {
        self.take(model, RETRY_COST)
    }

    /// Takes the copy of an attempt at this model out of its budget, if there is enough left.
    pub(super) fn may_hedge(&self, model: ModelIdx) -> bool {
        self.take(model, HEDGE_COST)
    }

    fn take(&self, model: ModelIdx, cost: u32) -> bool {
        let Some(state) = self.models.get(model.index()) else { return false };
        let mut state = lock(state);
        let Some(left) = state.retry_tokens.checked_sub(cost) else { return false };
        state.retry_tokens = left;
        true
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn summary(&self, now: Instant, inflight: u32) -> ModelLive {
        let failed = self.failed.iter().filter(|failed| **failed).count();
        let share = (failed * 10_000).checked_div(self.failed.len()).unwrap_or(0);
        ModelLive {
            available: self.out_until.is_none_or(|until| until <= now),
            ttft: percentiles(&self.ttft),
            latency: percentiles(&self.latency),
            error_rate: BasisPoints(if self.failed.len() < ENOUGH { 0 } else { share as u32 }),
            inflight,
        }
    }

    fn outcome(&mut self, failed: bool) {
        push(&mut self.failed, failed);
        if !failed {
            self.failures_in_a_row = 0;
            self.pauses = 0;
            self.out_until = None;
        }
    }

    /// Puts the model aside for a while; longer each time in a row.
    fn pause(&mut self, asked: Option<Duration>) {
        let usual = FIRST_PAUSE.saturating_mul(1 << self.pauses.min(16)).min(LONGEST_PAUSE);
        self.pauses += 1;
        let until = Instant::now() + asked.unwrap_or(usual);
        self.out_until = Some(self.out_until.map_or(until, |known| known.max(until)));
    }
}

fn push<T>(window: &mut VecDeque<T>, value: T) {
    if window.len() == WINDOW {
        window.pop_front();
    }
    window.push_back(value);
}

fn percentiles(window: &VecDeque<Duration>) -> Percentiles {
    if window.len() < ENOUGH {
        return Percentiles::default();
    }
    let mut sorted: Vec<Duration> = window.iter().copied().collect();
    sorted.sort_unstable();
    let at = |percent: usize| Some(sorted[(sorted.len() - 1) * percent / 100]);
    Percentiles { p50: at(50), p95: at(95) }
}

/// One attempt under way; it counts as such until this is dropped.
pub(super) struct InFlight {
    health: Arc<Health>,
    model: ModelIdx,
}

impl InFlight {
    /// It gave an answer, whether or not the answer was good.
    pub(super) fn answered(&self, ttft: Option<Duration>, latency: Duration) {
        self.with(|state| {
            if let Some(ttft) = ttft {
                push(&mut state.ttft, ttft);
            }
            push(&mut state.latency, latency);
            state.outcome(false);
        });
    }

    /// It was called off because a copy of it was faster. That it would have taken at least this long
    /// is all that is known; without it, a model that grew slow would keep its good figures.
    pub(super) fn overtaken(&self, after: Duration, stream: bool) {
        self.with(|state| push(if stream { &mut state.ttft } else { &mut state.latency }, after));
    }

    /// It failed. What is the caller's own fault says nothing about the model; a 429 is no failure
    /// either, but starts a cool-down.
    pub(super) fn failed(&self, error: &UpstreamError) {
        let mut out = false;
        self.with(|state| match error.class {
            ErrorClass::BadRequest
            | ErrorClass::ContextExceeded
            | ErrorClass::ContentFiltered
            | ErrorClass::Unsupported
            | ErrorClass::Canceled => {}
            ErrorClass::RateLimited => {
                state.pause(error.retry_after);
                out = true;
            }
            ErrorClass::QuotaExhausted | ErrorClass::Auth => {
                state.outcome(true);
                state.pause(Some(LONGEST_PAUSE));
                out = true;
            }
            ErrorClass::Overloaded
            | ErrorClass::Timeout
            | ErrorClass::Connect
            | ErrorClass::ServerError
            | ErrorClass::InvalidResponse => {
                state.outcome(true);
                state.failures_in_a_row += 1;
                if state.failures_in_a_row >= FAILURES_IN_A_ROW {
                    state.pause(error.retry_after);
                    out = true;
                }
            }
        });
        if out {
            self.health.refresh();
        }
    }

    fn with(&self, change: impl FnOnce(&mut State)) {
        if let Some(state) = self.health.models.get(self.model.index()) {
            change(&mut lock(state));
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(count) = self.health.inflight.get(self.model.index()) {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// One request under way.
pub struct RequestInFlight(Arc<Health>);

impl Drop for RequestInFlight {
    fn drop(&mut self) {
        self.0.router_inflight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(class: ErrorClass, retry_after: Option<Duration>) -> UpstreamError {
        UpstreamError { class, retry_after, ..UpstreamError::invalid("test", "") }
    }

    fn is_out(health: &Arc<Health>) -> bool {
        !health.refresh().model(ModelIdx(0)).available
    }

    #[tokio::test(start_paused = true)]
    async fn a_429_puts_a_model_aside_for_as_long_as_it_says() {
        let health = Arc::new(Health::new(1));
        let limited = error(ErrorClass::RateLimited, Some(Duration::from_secs(7)));
        health.begin(ModelIdx(0)).failed(&limited);
        assert!(is_out(&health));
        tokio::time::advance(Duration::from_secs(8)).await;
        assert!(!is_out(&health));
        assert_eq!(health.refresh().model(ModelIdx(0)).error_rate, BasisPoints(0));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_close_the_gate_and_a_success_opens_it() {
        let health = Arc::new(Health::new(1));
        for _ in 0..FAILURES_IN_A_ROW {
            assert!(!is_out(&health));
            health.begin(ModelIdx(0)).failed(&error(ErrorClass::ServerError, None));
        }
        assert!(is_out(&health));
        health.begin(ModelIdx(0)).answered(None, Duration::from_millis(5));
        assert!(!is_out(&health));
    }

    #[tokio::test(start_paused = true)]
    async fn the_callers_faults_are_not_the_models() {
        let health = Arc::new(Health::new(1));
        for _ in 0..100 {
            health.begin(ModelIdx(0)).failed(&error(ErrorClass::BadRequest, None));
        }
        assert!(!is_out(&health));
    }

    #[tokio::test(start_paused = true)]
    async fn retries_are_a_fifth_of_the_attempts() {
        let health = Arc::new(Health::new(1));
        let mut retried = 0;
        for _ in 0..1_000 {
            drop(health.begin(ModelIdx(0)));
            retried += u32::from(health.may_retry(ModelIdx(0)));
        }
        assert!((200..=212).contains(&retried), "{retried}");
    }

    #[tokio::test(start_paused = true)]
    async fn copies_are_a_tenth_of_the_attempts_and_bring_in_none() {
        let health = Arc::new(Health::new(1));
        let mut copied = 0;
        for _ in 0..1_000 {
            drop(health.begin(ModelIdx(0)));
            if health.may_hedge(ModelIdx(0)) {
                drop(health.begin_copy(ModelIdx(0)));
                copied += 1;
            }
        }
        assert!((100..=105).contains(&copied), "{copied}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_model_that_is_overtaken_is_known_to_be_slow() {
        let health = Arc::new(Health::new(1));
        for _ in 0..ENOUGH {
            health.begin(ModelIdx(0)).overtaken(Duration::from_secs(3), true);
            health.begin(ModelIdx(0)).overtaken(Duration::from_secs(9), false);
        }
        let live = *health.refresh().model(ModelIdx(0));
        assert_eq!(live.ttft.p95, Some(Duration::from_secs(3)));
        assert_eq!(live.latency.p95, Some(Duration::from_secs(9)));
        assert!(live.available);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_under_way_is_counted_until_it_ends() {
        let health = Arc::new(Health::new(1));
        let one = health.begin(ModelIdx(0));
        assert_eq!(health.refresh().model(ModelIdx(0)).inflight, 1);
        drop(one);
        assert_eq!(health.refresh().model(ModelIdx(0)).inflight, 0);
    }
}
