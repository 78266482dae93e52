//! What outlives a configuration: caches, counters, the current world.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;

use super::admin::versions::Versions;
use super::decision_log::DecisionLog;
use super::decisions::Decisions;
use super::traffic::Traffic;
use super::world::World;
use crate::cache::ResponseCache;
use crate::dispatch::{Affinities, Shadows, Thoughts};
use crate::ids::ModelId;
use crate::telemetry::metrics::Metrics;

/// How many sessions' last models are remembered.
const SESSIONS: u64 = 100_000;
const SESSION_IDLE: std::time::Duration = std::time::Duration::from_secs(3_600);

/// What a gateway has besides its world, from its start to its end.
pub struct Fixtures {
    /// See [`Gateway::cache`].
    pub cache: Option<ResponseCache>,
    /// See [`Gateway::body_limit`].
    pub body_limit: usize,
    /// See [`Gateway::versions`].
    pub versions: Option<Versions>,
    /// See [`Gateway::decision_log`].
    pub decision_log: Option<DecisionLog>,
}

/// The gateway: shared by all handlers.
pub struct Gateway {
    /// The world that new requests are decided in; those under way keep theirs.
    pub world: ArcSwap<World>,
    /// Answers that were given before; `None` where the configuration switches it off.
    pub cache: Option<ResponseCache>,
    /// What was decided lately.
    pub decisions: Decisions,
    /// What the keys have sent lately.
    pub traffic: Traffic,
    /// Per tenant and session the model that answered last.
    pub sessions: moka::sync::Cache<(String, String), ModelId>,
    /// What models thought before they called tools.
    pub thoughts: Thoughts,
    /// Who answered whom, for `sticky`.
    pub affinities: Affinities,
    /// The copies whose answers nobody sees.
    pub shadows: Shadows,
    /// Counts requests, for `pick round-robin`.
    pub turn: AtomicU64,
    /// The longest body a client may send, in bytes.
    pub body_limit: usize,
    /// What is counted.
    pub metrics: Metrics,
    /// The versions of policies; `None` where nobody could go back to them.
    pub versions: Option<Versions>,
    /// Where decided requests are written down, if they are.
    pub decision_log: Option<DecisionLog>,
    /// Held by whoever is about to change the world, so that no change undoes another.
    pub changing: Mutex<()>,
    /// Whether new requests are welcome; not while draining.
    pub ready: std::sync::atomic::AtomicBool,
}

impl Gateway {
    /// A gateway in this world.
    pub fn new(world: World, fixtures: Fixtures) -> Arc<Gateway> {
        let Fixtures { cache, body_limit, versions, decision_log } = fixtures;
        let sessions =
            moka::sync::Cache::builder().max_capacity(SESSIONS).time_to_idle(SESSION_IDLE).build();
        let gateway = Gateway {
            world: ArcSwap::from_pointee(world),
            cache,
            decisions: Decisions::new(),
            traffic: Traffic::default(),
            sessions,
            thoughts: Thoughts::default(),
            affinities: Affinities::default(),
            shadows: Shadows::default(),
            turn: AtomicU64::new(0),
            body_limit,
            metrics: Metrics::new(),
            versions,
            decision_log,
            changing: Mutex::new(()),
            ready: std::sync::atomic::AtomicBool::new(true),
        };
        gateway.count_policies();
        Arc::new(gateway)
    }

    /// New requests live in this world from now on. Call it with [`Gateway::changing`] held.
    pub fn enter(&self, world: World) {
        self.world.store(Arc::new(world));
        self.count_policies();
    }

    fn count_policies(&self) {
        let world = self.world.load();
        let active = world.policies.values();
        let active = active.map(|it| (it.name.text(), it.generation.to_string()));
        self.metrics.policies(active);
    }
}
