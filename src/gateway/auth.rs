//! Who is calling: from a key in a header to a [`Caller`], by one look into a map.
//!
//! The map holds keyed hashes, so that neither a dump of memory nor the time a lookup takes tells
//! anything about the keys.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use crate::caller::Caller;
use crate::config::{ClientKey, ConfigError, ConfigErrors, KeyConfig};
use crate::ids::TenantId;
use crate::policy::cond::Glob;

/// The longest key that is looked up, in bytes.
const LONGEST_KEY: usize = 512;

/// Separates these hashes from every other use of the same pepper.
const CONTEXT: &str = "pointsman 2025 client key hash v1";

/// Headers that carry a bare key: Anthropic's, Azure's, Google's way.
static BARE: [HeaderName; 3] = [
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
];

/// Why a request was not let in. Never says anything about the key itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No header with a key.
    #[error("no API key was sent; send `Authorization: Bearer KEY` or `x-api-key: KEY`")]
    Missing,
    /// A header that cannot hold a key.
    #[error(
        "the API key cannot be read; send `Authorization: Bearer KEY`, with the key exactly as it \
         was handed out"
    )]
    Malformed,
    /// A key that nobody was given.
    #[error(
        "this API key is not known here; check that it is a key of this gateway (not of a provider) \
         and that it was not withdrawn"
    )]
    Unknown,
}

impl AuthError {
    /// The stable code of the error. The status is 401 for all.
    pub const fn code(self) -> &'static str {
        match self {
            AuthError::Missing => "missing_api_key",
            AuthError::Malformed => "malformed_api_key",
            AuthError::Unknown => "unknown_api_key",
        }
    }
}

fn caller_of(key: &KeyConfig) -> Caller {
    // With neither tenant nor organisation the key shares nothing with anyone; the prefix keeps
    // its id from meeting a tenant of the same name.
    let tenant = key.tenant.as_ref().or(key.org.as_ref());
    let tenant = tenant.map_or_else(|| format!("key:{}", *key.id), Clone::clone);
    Caller {
        key: (*key.id).clone(),
        tenant: TenantId::new(tenant),
        name: key.name.clone(),
        team: key.team.clone(),
        org: key.org.clone(),
        tier: key.tier.clone(),
        env: key.env,
        tags: key.tags.iter().map(|tag| tag.as_str().into()).collect(),
        meta: key.meta.clone(),
        models: key.models.iter().map(|pattern| Glob::new(pattern)).collect(),
        created: key.created,
        residency: key.residency.clone(),
        data_class: key.data_class.clone(),
    }
}

/// What client keys are hashed with.
#[derive(Clone)]
pub struct Pepper([u8; 32]);

impl Pepper {
    /// The hash key that belongs to a configured pepper.
    pub fn new(secret: &SecretString) -> Pepper {
        Pepper(blake3::derive_key(CONTEXT, secret.expose_secret().as_bytes()))
    }

    /// A pepper that holds as long as the process.
    fn random() -> Pepper {
        // Two version 4 UUIDs: 244 bits from the operating system.
        let mut seed = [0; 32];
        seed[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        seed[16..].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        Pepper(blake3::derive_key(CONTEXT, &seed))
    }

    /// The hash of a client's key; as hexadecimal digits it is what goes behind `hash:`.
    pub fn hash(&self, key: &str) -> blake3::Hash {
        blake3::keyed_hash(&self.0, key.as_bytes())
    }
}

/// Shows nothing.
impl std::fmt::Debug for Pepper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pepper(…)")
    }
}

/// All keys, ready to be looked up.
#[derive(Debug)]
pub struct Keyring(Ring);

#[derive(Debug)]
enum Ring {
    /// Everybody is [`Caller::open`].
    Open(Arc<Caller>),
    Keyed {
        pepper: Pepper,
        callers: HashMap<[u8; 32], ([u8; 32], Arc<Caller>)>,
    },
}

impl Keyring {
    /// The keys of the configuration. Without a pepper a random one is made up, which does for keys
    /// given as they are.
    ///
    /// # Errors
    /// Hashes without a pepper, and two entries with the same key.
    pub fn new(keys: &[KeyConfig], pepper: Option<&SecretString>) -> Result<Keyring, ConfigErrors> {
        let mut errors = Vec::new();
        let fixed = pepper.is_some();
        let pepper = pepper.map_or_else(Pepper::random, Pepper::new);
        let mut callers: HashMap<[u8; 32], ([u8; 32], Arc<Caller>)> =
            HashMap::with_capacity(keys.len());
        for key in keys {
            let hash = match &key.key {
                ClientKey::Plain(secret) => *pepper.hash(secret.expose_secret()).as_bytes(),
                ClientKey::Hash(hash) if fixed => *hash,
                ClientKey::Hash(_) => {
                    let help = "set `pepper: ${POINTSMAN_PEPPER}` to the one it was hashed with";
                    let message = format!("key `{}` is a hash, but there is no pepper", *key.id);
                    errors.push(key.id.error(message, Some(help.into())));
                    continue;
                }
            };
            let caller = Arc::new(caller_of(key));
            if let Some((_, other)) = callers.insert(hash, (hash, caller)) {
                let message = format!("`{}` and `{}` have the same key", other.key, *key.id);
                let help = "requests could not be told apart; give each its own";
                errors.push(key.id.error(message, Some(help.into())));
            }
        }
        if errors.is_empty() {
            Ok(Keyring(Ring::Keyed { pepper, callers }))
        } else {
            Err(ConfigErrors(errors))
        }
    }

    /// No keys at all: whoever can connect may call. Only for listeners that nobody else reaches.
    ///
    /// # Errors
    /// An address that is not a loopback address.
    pub fn open_on_loopback(listeners: &[SocketAddr]) -> Result<Keyring, ConfigError> {
        // ::ffff:127.0.0.1 is 127.0.0.1 in another spelling.
        match listeners.iter().find(|address| !address.ip().to_canonical().is_loopback()) {
            None => Ok(Keyring(Ring::Open(Arc::new(Caller::open())))),
            Some(address) => Err(ConfigError {
                file: "configuration".into(),
                at: None,
                message: format!(
                    "there are no `keys`, so everyone who reaches {address} could spend your money"
                ),
                help: Some("add `keys`, or listen on 127.0.0.1".into()),
            }),
        }
    }

    /// The keyring for a configuration: with its keys, or open on loopback if it has none.
    ///
    /// # Errors
    /// As [`Keyring::new`] and [`Keyring::open_on_loopback`].
    pub fn of(settings: &crate::config::Settings) -> Result<Keyring, ConfigErrors> {
        if settings.keys.is_empty() {
            Ok(Keyring::open_on_loopback(&settings.listen.0)?)
        } else {
            Keyring::new(&settings.keys, settings.pepper.as_ref())
        }
    }

    /// Whether requests need no key.
    pub fn is_open(&self) -> bool {
        matches!(self.0, Ring::Open(_))
    }

    /// Who sent a request with these headers. Where several headers carry a key (SDKs send what they
    /// find in the environment), the first known one counts.
    ///
    /// # Errors
    /// What to answer with status 401.
    pub fn authenticate(&self, headers: &HeaderMap) -> Result<Arc<Caller>, AuthError> {
        let (pepper, callers) = match &self.0 {
            Ring::Open(caller) => return Ok(Arc::clone(caller)),
            Ring::Keyed { pepper, callers } => (pepper, callers),
        };
        let bearer = headers.get_all(AUTHORIZATION).iter().map(|value| bearer(value.as_bytes()));
        let bare = BARE.iter().flat_map(|name| headers.get_all(name)).map(|v| plain(v.as_bytes()));
        let mut error = AuthError::Missing;
        for key in bearer.chain(bare) {
            let Some(key) = key else {
                if error == AuthError::Missing {
                    error = AuthError::Malformed;
                }
                continue;
            };
            let hash = *pepper.hash(key).as_bytes();
            match callers.get(&hash) {
                Some((known, caller)) if bool::from(known.ct_eq(&hash)) => {
                    return Ok(Arc::clone(caller));
                }
                _ => error = AuthError::Unknown,
            }
        }
        Err(error)
    }
}

/// The credential of an `Authorization: Bearer` header.
pub(super) fn bearer(value: &[u8]) -> Option<&str> {
    let (scheme, key) = std::str::from_utf8(value).ok()?.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| plain(key.as_bytes()))?
}

fn plain(value: &[u8]) -> Option<&str> {
    let key = std::str::from_utf8(value).ok()?.trim();
    let fits = (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    fits.then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::ids::ModelId;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn config(text: &str) -> Config {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pointsman.yaml");
        std::fs::write(&path, text).expect("written");
        Config::load(Some(&path), &|_| None).expect("a good configuration")
    }

    fn keyring() -> Keyring {
        let pepper = SecretString::from("a pepper for the tests");
        let hash = Pepper::new(&pepper).hash("the-hashed-key").to_hex();
        let config = config(&format!(
            "pepper: a pepper for the tests\n\
             keys:\n\
             - {{ id: web, key: the-plain-key, org: acme, models: [openai/*, \"*/llama-*\"] }}\n\
             - {{ id: job, key: \"hash:{hash}\" }}\n"
        ));
        Keyring::of(&config).expect("a keyring")
    }

    fn call(keyring: &Keyring, headers: &[(&'static str, &str)]) -> Result<String, AuthError> {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"))
            })
            .collect();
        keyring.authenticate(&headers).map(|caller| caller.key.to_string())
    }

    #[test]
    fn a_key_is_found_in_every_header() {
        let ring = keyring();
        let web = Ok("web".to_owned());
        assert_eq!(call(&ring, &[("authorization", "Bearer the-plain-key")]), web);
        assert_eq!(call(&ring, &[("authorization", "bearer  the-plain-key ")]), web);
        assert_eq!(call(&ring, &[("x-api-key", "the-plain-key")]), web);
        assert_eq!(call(&ring, &[("api-key", "the-plain-key")]), web);
        assert_eq!(call(&ring, &[("x-api-key", "the-hashed-key")]), Ok("job".to_owned()));
        let both = [("authorization", "Bearer of-somebody-else"), ("x-api-key", "the-plain-key")];
        assert_eq!(call(&ring, &both), web);
    }

    #[test]
    fn what_is_not_a_key_is_refused_without_being_repeated() {
        let ring = keyring();
        assert_eq!(call(&ring, &[]), Err(AuthError::Missing));
        for malformed in ["", "Bearer", "Bearer ", "Basic abc", "the-plain-key", "Bearer a b"] {
            assert_eq!(call(&ring, &[("authorization", malformed)]), Err(AuthError::Malformed));
        }
        assert_eq!(call(&ring, &[("x-api-key", &"k".repeat(513))]), Err(AuthError::Malformed));
        for unknown in ["the-plain-ke", "the-plain-keys", "THE-PLAIN-KEY"] {
            let error = call(&ring, &[("x-api-key", unknown)]).expect_err("unknown");
            assert_eq!(error, AuthError::Unknown);
            assert!(!error.to_string().contains(unknown));
        }
        // The hash of a key is not the key.
        let hash = Pepper::new(&SecretString::from("a pepper for the tests")).hash("the-plain-key");
        assert_eq!(call(&ring, &[("x-api-key", &hash.to_hex())]), Err(AuthError::Unknown));
    }

    #[test]
    fn a_caller_is_what_the_configuration_says() {
        let headers =
            HeaderMap::from_iter([(BARE[0].clone(), HeaderValue::from_static("the-plain-key"))]);
        let web = keyring().authenticate(&headers).expect("known");
        assert_eq!(web.tenant.as_str(), "acme");
        assert!(web.allows(&ModelId::new("openai/gpt-5")));
        assert!(web.allows(&ModelId::new("together/llama-3.3-70b")));
        assert!(!web.allows(&ModelId::new("anthropic/claude-sonnet-4.5")));
        assert!(Caller::open().allows(&ModelId::new("anthropic/claude-sonnet-4.5")));
        let headers =
            HeaderMap::from_iter([(BARE[0].clone(), HeaderValue::from_static("the-hashed-key"))]);
        let job = keyring().authenticate(&headers).expect("known");
        assert_eq!(job.tenant.as_str(), "key:job");
    }

    #[test]
    fn hashes_need_a_pepper_and_keys_must_differ() {
        let zeros = "0".repeat(64);
        let no_pepper = config(&format!("keys:\n- {{ id: a, key: \"hash:{zeros}\" }}\n"));
        let error = Keyring::of(&no_pepper).expect_err("no pepper").to_string();
        assert!(error.contains("pointsman.yaml:2:9: key `a` is a hash"), "{error}");
        let same =
            config("keys:\n- { id: a, key: the-same-key }\n- { id: b, key: the-same-key }\n");
        let error = Keyring::of(&same).expect_err("the same").to_string();
        assert!(error.contains("pointsman.yaml:3:9: `a` and `b` have the same key"), "{error}");
        assert!(!error.contains("the-same-key"));
    }

    #[test]
    fn no_keys_only_where_nobody_else_connects() {
        let open = Keyring::of(&config(
            "listen: [\"127.0.0.1:1\", \"[::1]:1\", \"[::ffff:127.0.0.1]:1\"]\n",
        ));
        assert_eq!(call(&open.expect("loopback"), &[]), Ok("open".to_owned()));
        let error = Keyring::of(&config("listen: [\"127.0.0.1:1\", \"0.0.0.0:1\"]\n"));
        insta::assert_snapshot!(error.expect_err("refused"), @r"
    configuration: there are no `keys`, so everyone who reaches 0.0.0.0:1 could spend your money
        help: add `keys`, or listen on 127.0.0.1
    ");
    }

    proptest! {
        #[test]
        fn no_header_panics(value: Vec<u8>) {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                let headers = HeaderMap::from_iter([(AUTHORIZATION, value.clone()), (BARE[1].clone(), value)]);
                prop_assert!(keyring().authenticate(&headers).is_err());
            }
        }
    }
}
