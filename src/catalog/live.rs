//! How the models are doing right now: a snapshot that a decision reads and nobody changes.

use std::time::Duration;

use super::ModelIdx;
use crate::units::BasisPoints;

/// One moment of the router and of every model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Live {
    /// By [`ModelIdx`]; a model behind the end is taken to be as good as new.
    pub models: Vec<ModelLive>,
    /// Requests being answered.
    pub router_inflight: u32,
    /// Requests waiting.
    pub router_queue: u32,
    /// Whether the router runs without one of the things it normally has.
    pub degraded: bool,
}

/// How one model is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelLive {
    /// Whether it may be used: no open breaker, no cool-down, provider enabled.
    pub available: bool,
    /// From sending the request to the first token.
    pub ttft: Percentiles,
    /// From sending the request to the end of the answer.
    pub latency: Percentiles,
    /// The share of attempts that failed.
    pub error_rate: BasisPoints,
    /// Attempts under way.
    pub inflight: u32,
}

/// Two points of a distribution; absent before anything was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Percentiles {
    /// Half are faster.
    pub p50: Option<Duration>,
    /// One in twenty is slower.
    pub p95: Option<Duration>,
}

impl ModelLive {
    /// Available, idle, never measured.
    pub const FRESH: ModelLive = ModelLive {
        available: true,
        ttft: Percentiles { p50: None, p95: None },
        latency: Percentiles { p50: None, p95: None },
        error_rate: BasisPoints(0),
        inflight: 0,
    };
}

impl Live {
    /// The moment after the start: `models` models, all available, nothing measured.
    pub fn fresh(models: usize) -> Live {
        Live { models: vec![ModelLive::FRESH; models], ..Live::default() }
    }

    /// How a model is doing. A model that the snapshot is too old to know is [`ModelLive::FRESH`].
    pub fn model(&self, idx: ModelIdx) -> &ModelLive {
        self.models.get(idx.index()).unwrap_or(&ModelLive::FRESH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_healthy_at_the_start_and_beyond_the_snapshot() {
        let mut live = Live::fresh(2);
        live.models[1].available = false;
        assert!(live.model(ModelIdx(0)).available);
        assert!(!live.model(ModelIdx(1)).available);
        assert!(live.model(ModelIdx(7)).available);
        assert!(!live.degraded);
    }
}
