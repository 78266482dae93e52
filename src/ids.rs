//! Names of things as types, so that a provider cannot be passed where a model is meant.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text as it is; whether such a thing exists is for the caller to look up.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
            /// The text, shared.
            pub fn text(&self) -> Arc<str> {
                self.0.clone()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name_type! {
    /// A provider's short name: `openai`, `together`.
    ProviderId
}
name_type! {
    /// A model as policies and clients name it: `provider/model[-version]`.
    ModelId
}
name_type! {
    /// The public id of a client key (never the key itself).
    KeyId
}
name_type! {
    /// The name of a policy: its file name without `.policy`.
    PolicyName
}
name_type! {
    /// Whose data this is: everything that is shared between requests is scoped by it.
    TenantId
}

impl ModelId {
    /// The part before the first slash.
    pub fn provider(&self) -> &str {
        self.0.split_once('/').map_or("", |(provider, _)| provider)
    }
    /// The part behind the first slash: the model's name at the provider.
    pub fn model(&self) -> &str {
        self.0.split_once('/').map_or(&self.0, |(_, model)| model)
    }
}

/// The id of one request: `req_` and a UUIDv7 without hyphens, so ids sort by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId(Uuid);

impl RequestId {
    /// A fresh id.
    pub fn fresh() -> RequestId {
        RequestId(Uuid::now_v7())
    }
    /// Reads what [`fmt::Display`] printed.
    pub fn parse(text: &str) -> Option<RequestId> {
        Uuid::try_parse(text.strip_prefix("req_")?).ok().map(RequestId)
    }
    /// 128 bits, the same for the same request on every machine.
    pub fn as_u128(self) -> u128 {
        self.0.as_u128()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "req_{}", self.0.simple())
    }
}

/// The content hash of a policy file and what it was compiled against; printed as 12 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Generation([u8; 32]);

impl Generation {
    /// The generation of these bytes.
    pub fn of(parts: &[&[u8]]) -> Generation {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Generation(hasher.finalize().into())
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..6].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Generation({self})")
    }
}
