//! Answers that were given before: a bounded store on moka, and the joining of equal requests that
//! are under way at the same time.

pub mod key;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use moka::Expiry;
use moka::future::Cache;
use tokio::sync::watch;

pub use key::CacheKey;

use crate::ids::ModelId;

/// What an entry weighs besides its body.
const OVERHEAD: usize = 256;
/// The longest an equal request waits for the one under way, before it goes on its own.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A complete, successful answer.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The whole answer as JSON; a stream is made of it when one is asked for.
    pub body: Bytes,
    /// Who gave it.
    pub model: ModelId,
    /// How long it is kept.
    pub ttl: Duration,
}

/// The store.
pub struct ResponseCache {
    answers: Cache<CacheKey, Arc<Stored>>,
    under_way: Arc<Mutex<HashMap<CacheKey, watch::Receiver<()>>>>,
}

/// Each answer lives as long as its route says.
struct ByTtl;

impl Expiry<CacheKey, Arc<Stored>> for ByTtl {
    fn expire_after_create(
        &self,
        _: &CacheKey,
        stored: &Arc<Stored>,
        _: Instant,
    ) -> Option<Duration> {
        Some(stored.ttl)
    }
    fn expire_after_update(
        &self,
        _: &CacheKey,
        stored: &Arc<Stored>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(stored.ttl)
    }
}

/// What became of a look into the cache.
pub enum Lookup {
    /// It was there.
    Hit(Arc<Stored>),
    /// It came while we waited for an equal request.
    Joined(Arc<Stored>),
    /// It was not. The lead is ours until it is dropped: equal requests wait for us.
    Miss(Lead),
}

/// Whoever holds this fetches the answer for all who wait for it. Dropping it, with or without an
/// answer stored, lets them look again; if there is none, one of them leads.
pub struct Lead {
    key: CacheKey,
    under_way: Arc<Mutex<HashMap<CacheKey, watch::Receiver<()>>>>,
    /// Its end wakes everybody; `None` for one who gave up waiting and leads nobody.
    _wake: Option<watch::Sender<()>>,
}

impl Drop for Lead {
    fn drop(&mut self) {
        if self._wake.is_some() {
            self.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
        }
    }
}

impl ResponseCache {
    /// A store for this many bytes.
    pub fn new(max_bytes: usize) -> ResponseCache {
        let answers = Cache::builder()
            .max_capacity(max_bytes as u64)
            .weigher(|_, stored: &Arc<Stored>| {
                u32::try_from(stored.body.len() + OVERHEAD).unwrap_or(u32::MAX)
            })
            .expire_after(ByTtl)
            .build();
        ResponseCache { answers, under_way: Arc::default() }
    }

    /// Looks for an answer; waits for an equal request that is under way.
    pub async fn find(&self, key: CacheKey) -> Lookup {
        if let Some(stored) = self.answers.get(&key).await {
            return Lookup::Hit(stored);
        }
        let give_up = tokio::time::Instant::now() + LONGEST_WAIT;
        loop {
            let mut leader = match self.lead(key) {
                // Whoever led until a moment ago may have stored its answer since we looked.
                Ok(lead) => match self.answers.get(&key).await {
                    Some(stored) => return Lookup::Hit(stored),
                    None => return Lookup::Miss(lead),
                },
                Err(leader) => leader,
            };
            // The leader's sender is only ever dropped, so this ends when the leader does.
            let ended = tokio::time::timeout_at(give_up, leader.changed()).await;
            if let Some(stored) = self.answers.get(&key).await {
                return Lookup::Joined(stored);
            }
            if ended.is_err() {
                let under_way = self.under_way.clone();
                return Lookup::Miss(Lead { key, under_way, _wake: None });
            }
        }
    }

    fn lead(&self, key: CacheKey) -> Result<Lead, watch::Receiver<()>> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leader) = under_way.get(&key) {
            return Err(leader.clone());
        }
        let (wake, leader) = watch::channel(());
        under_way.insert(key, leader);
        Ok(Lead { key, under_way: self.under_way.clone(), _wake: Some(wake) })
    }

    /// Keeps an answer. Only complete and successful ones may be given here.
    pub async fn store(&self, lead: &Lead, stored: Stored) {
        self.answers.insert(lead.key, Arc::new(stored)).await;
    }

    /// How many answers there are, about.
    pub fn len(&self) -> u64 {
        self.answers.entry_count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::openai_chat;
    use crate::ids::TenantId;
    use crate::policy::program::Settings;

    fn key(text: &str) -> CacheKey {
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{text}"}}]}}"#);
        let request = openai_chat::Request::read(body.into()).unwrap().into();
        let (tenant, settings) = (TenantId::new("t"), Settings::default());
        let scope = key::Scope {
            tenant: &tenant,
            targets: &[],
            extra: &[],
            parts: None,
            settings: &settings,
        };
        CacheKey::of(&request, &scope).unwrap()
    }

    fn stored(text: &'static str, ttl: Duration) -> Stored {
        Stored { body: Bytes::from_static(text.as_bytes()), model: ModelId::new("a/m"), ttl }
    }

    const LONG: Duration = Duration::from_secs(600);

    #[tokio::test]
    async fn an_answer_is_found_again_until_its_time_is_up() {
        let cache = ResponseCache::new(1 << 20);
        let Lookup::Miss(lead) = cache.find(key("a")).await else { panic!("empty") };
        cache.store(&lead, stored("yes", LONG)).await;
        drop(lead);
        assert!(matches!(cache.find(key("a")).await, Lookup::Hit(_)));
        assert!(matches!(cache.find(key("b")).await, Lookup::Miss(_)));

        let Lookup::Miss(lead) = cache.find(key("c")).await else { panic!("empty") };
        cache.store(&lead, stored("brief", Duration::ZERO)).await;
        drop(lead);
        assert!(matches!(cache.find(key("c")).await, Lookup::Miss(_)));
    }

    #[tokio::test]
    async fn equal_requests_wait_for_the_first() {
        let cache = Arc::new(ResponseCache::new(1 << 20));
        let Lookup::Miss(lead) = cache.find(key("a")).await else { panic!("empty") };
        let waiting: Vec<_> = (0..20)
            .map(|_| {
                let cache = cache.clone();
                tokio::spawn(async move { matches!(cache.find(key("a")).await, Lookup::Joined(_)) })
            })
            .collect();
        tokio::task::yield_now().await;
        cache.store(&lead, stored("yes", LONG)).await;
        drop(lead);
        let mut joined = 0;
        for task in waiting {
            joined += usize::from(task.await.unwrap());
        }
        assert!(joined >= 1, "{joined}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn nobody_leads_once_the_answer_is_there() {
        let cache = Arc::new(ResponseCache::new(1 << 20));
        for round in 0..300 {
            let tasks: Vec<_> = (0..8)
                .map(|_| {
                    let cache = cache.clone();
                    tokio::spawn(async move {
                        let Lookup::Miss(lead) = cache.find(key(&round.to_string())).await else {
                            return 0;
                        };
                        cache.store(&lead, stored("yes", LONG)).await;
                        1
                    })
                })
                .collect();
            let mut led = 0;
            for task in tasks {
                led += task.await.unwrap();
            }
            assert_eq!(led, 1, "round {round}");
        }
    }

    #[tokio::test]
    async fn when_the_first_fails_another_leads() {
        let cache = Arc::new(ResponseCache::new(1 << 20));
        let Lookup::Miss(lead) = cache.find(key("a")).await else { panic!("empty") };
        let second = {
            let cache = cache.clone();
            tokio::spawn(async move { matches!(cache.find(key("a")).await, Lookup::Miss(_)) })
        };
        tokio::task::yield_now().await;
        drop(lead);
        assert!(second.await.unwrap());
    }

    #[tokio::test]
    async fn the_store_stays_within_its_bytes() {
        let cache = ResponseCache::new(10_000);
        for i in 0..200 {
            let Lookup::Miss(lead) = cache.find(key(&i.to_string())).await else { continue };
            cache.store(&lead, stored("x", LONG)).await;
        }
        cache.answers.run_pending_tasks().await;
        assert!(cache.answers.weighted_size() <= 10_000);
        assert!(!cache.is_empty());
    }
}
