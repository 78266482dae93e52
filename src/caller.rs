//! Who sent a request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ids::{KeyId, ModelId, TenantId};
use crate::policy::cond::Glob;

/// Who sent a request. There is no default: a caller comes from a key, or from [`Caller::open`].
#[derive(Debug, Clone)]
pub struct Caller {
    /// The key's public name.
    pub key: KeyId,
    /// Whose data the request carries.
    pub tenant: TenantId,
    /// A name for people.
    pub name: Option<String>,
    /// The team.
    pub team: Option<String>,
    /// The organisation.
    pub org: Option<String>,
    /// What was bought.
    pub tier: Option<String>,
    /// What the requests are for.
    pub env: KeyEnv,
    /// Free labels.
    pub tags: BTreeSet<Arc<str>>,
    /// Free values.
    pub meta: BTreeMap<String, String>,
    /// Which models it may use; all where empty.
    pub models: Vec<Glob>,
    /// When the key was handed out.
    pub created: Option<jiff::civil::Date>,
    /// Where its data may be processed.
    pub residency: Option<String>,
    /// How sensitive its data is.
    pub data_class: Option<String>,
}

/// What a key's requests are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyEnv {
    /// Real users.
    Prod,
    /// The last step before them.
    Staging,
    /// Trying out.
    Dev,
}

impl KeyEnv {
    /// All of them.
    pub const ALL: [KeyEnv; 3] = [KeyEnv::Prod, KeyEnv::Staging, KeyEnv::Dev];

    /// The word policies and the configuration use.
    pub fn name(self) -> &'static str {
        match self {
            KeyEnv::Prod => "prod",
            KeyEnv::Staging => "staging",
            KeyEnv::Dev => "dev",
        }
    }
}

impl Caller {
    /// Whoever can reach a loopback listener that asks for no keys.
    pub fn open() -> Caller {
        Caller {
            key: KeyId::new("open"),
            tenant: TenantId::new("open"),
            name: None,
            team: None,
            org: None,
            tier: None,
            env: KeyEnv::Dev,
            tags: BTreeSet::new(),
            meta: BTreeMap::new(),
            models: Vec::new(),
            created: None,
            residency: None,
            data_class: None,
        }
    }

    /// Whether the key may use this model.
    pub fn allows(&self, model: &ModelId) -> bool {
        self.models.is_empty() || self.models.iter().any(|glob| glob.matches(model.as_str()))
    }
}
