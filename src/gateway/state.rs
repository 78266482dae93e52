//! What outlives a configuration: caches, counters, the current world.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arc_swap::ArcSwap;

use super::decisions::Decisions;
use super::traffic::Traffic;
use super::world::World;
use crate::cache::ResponseCache;
use crate::dispatch::{Affinities, Shadows, Thoughts};
use crate::ids::ModelId;

/// How many sessions' last models are remembered.
const SESSIONS: u64 = 100_000;
const SESSION_IDLE: std::time::Duration = std::time::Duration::from_secs(3_600);

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
    /// Whether new requests are welcome; not while draining.
    pub ready: std::sync::atomic::AtomicBool,
}

impl Gateway {
    /// A gateway in this world.
    pub fn new(world: World, cache: Option<ResponseCache>, body_limit: usize) -> Arc<Gateway> {
        let sessions =
            moka::sync::Cache::builder().max_capacity(SESSIONS).time_to_idle(SESSION_IDLE).build();
        Arc::new(Gateway {
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
            ready: std::sync::atomic::AtomicBool::new(true),
        })
    }
}
