//! Who answered whom: what `sticky` goes by. Providers keep the beginnings of prompts for a while, and
//! whoever comes back to the same model pays less and waits less.

use std::time::{Duration, Instant};

use moka::Expiry;

use crate::ids::{ModelId, TenantId};
use crate::policy::plan::AffinityKey;

/// How many callers are remembered; beyond that, those are forgotten that come seldom.
const REMEMBERED: u64 = 100_000;

type Key = (TenantId, AffinityKey);

/// The models that answered last, of all tenants. Clones share them.
#[derive(Clone)]
pub struct Affinities(moka::sync::Cache<Key, Kept>);

#[derive(Debug, Clone)]
struct Kept {
    model: ModelId,
    ttl: Duration,
}

/// Each is kept for as long after its last answer as its policy says.
struct ByTtl;

impl Expiry<Key, Kept> for ByTtl {
    fn expire_after_create(&self, _: &Key, kept: &Kept, _: Instant) -> Option<Duration> {
        Some(kept.ttl)
    }
    fn expire_after_update(
        &self,
        _: &Key,
        kept: &Kept,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(kept.ttl)
    }
}

impl Default for Affinities {
    fn default() -> Affinities {
        let kept = moka::sync::Cache::builder().max_capacity(REMEMBERED).expire_after(ByTtl);
        Affinities(kept.build())
    }
}

impl Affinities {
    /// The model that answered last.
    pub fn find(&self, tenant: &TenantId, key: &AffinityKey) -> Option<ModelId> {
        self.0.get(&(tenant.clone(), *key)).map(|kept| kept.model)
    }
}

/// What is to be remembered once a model has answered.
pub(super) struct Stay {
    pub affinities: Affinities,
    pub tenant: TenantId,
    pub key: AffinityKey,
    pub ttl: Duration,
    pub model: ModelId,
}

impl Stay {
    pub fn remember(&self) {
        let kept = Kept { model: self.model.clone(), ttl: self.ttl };
        self.affinities.0.insert((self.tenant.clone(), self.key), kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: AffinityKey = AffinityKey([7; 16]);

    fn stay(affinities: &Affinities, model: &str, ttl: Duration) -> Stay {
        let model = ModelId::new(model);
        Stay { affinities: affinities.clone(), tenant: TenantId::new("t"), key: KEY, ttl, model }
    }

    #[test]
    fn the_last_one_is_remembered_for_its_tenant_alone() {
        let affinities = Affinities::default();
        let find = |tenant: &str| affinities.find(&TenantId::new(tenant), &KEY);
        assert_eq!(find("t"), None);
        stay(&affinities, "a/one", Duration::from_secs(600)).remember();
        stay(&affinities, "a/two", Duration::from_secs(600)).remember();
        assert_eq!(find("t"), Some(ModelId::new("a/two")));
        assert_eq!(find("another"), None);
        let other = AffinityKey([8; 16]);
        assert_eq!(affinities.find(&TenantId::new("t"), &other), None);
    }

    #[test]
    fn the_last_answer_says_for_how_long() {
        let affinities = Affinities::default();
        stay(&affinities, "a/one", Duration::from_secs(600)).remember();
        stay(&affinities, "a/one", Duration::ZERO).remember();
        assert_eq!(affinities.find(&TenantId::new("t"), &KEY), None);
    }
}
