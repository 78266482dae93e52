//! The keys of `pointsman.yaml`: name, type, default, meaning.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, Uri};
use secrecy::{ExposeSecret, SecretString};

use super::error::ConfigError;
use super::reader::{FromNode, Reader, long_enough, one_of, section, words};
use super::tree::{Located, Node, Raw, Value};
use super::values::ByteSize;
use crate::caller::KeyEnv;
use crate::dialect::Dialect;
use crate::ids::{KeyId, PolicyName, ProviderId};

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

section! {
    /// Everything that can be set.
    pub struct Settings {
        /// Where clients connect; one address or a list.
        pub listen: Listen = Listen::default(),
        /// The file of the policy that answers `auto`.
        pub policy: Option<Located<PathBuf>> = None,
        /// A folder: each `NAME.policy` in it answers `auto/NAME`.
        pub policies: Option<Located<PathBuf>> = None,
        /// Which of the folder's policies answers plain `auto`.
        pub default: Option<Located<PolicyName>> = None,
        /// Whom requests go to, by short name.
        pub providers: Providers = Providers::default(),
        /// Additions and corrections to the catalogue; the catalogue gives it its type.
        pub models: Option<Raw> = None,
        /// Who may send requests.
        pub keys: Vec<KeyConfig> = Vec::new(),
        /// What client keys are hashed with; needed where `keys` has `hash:` entries.
        pub pepper: Option<SecretString> = None; |pepper: &Option<SecretString>| {
            pepper.as_ref().map_or(Ok(()), |pepper| long_enough(pepper, 16))
        },
        /// The response cache.
        pub cache: CacheConfig = CacheConfig::default(),
        /// What clients may ask of this process.
        pub limits: Limits = Limits::default(),
        /// What is written about it all.
        pub log: LogConfig = LogConfig::default(),
        /// Clocks of attempts, where no policy sets them.
        pub timeouts: Timeouts = Timeouts::default(),
        /// Where operators connect; there is no such listener where this is not given.
        pub admin: Option<AdminConfig> = None,
        /// Where versions of policies are kept; `.pointsman` beside the file where unsaid.
        pub state_dir: Option<PathBuf> = None,
        /// A file that a line is appended to for every decided request.
        pub decision_log: Option<PathBuf> = None,
    }
}

section! {
    /// Where operators connect.
    pub struct AdminConfig {
        /// The addresses; other ones than loopback need a token.
        pub listen: Listen = Listen(vec![SocketAddr::from(([127, 0, 0, 1], 8081))]),
        /// What operators have to present. Keys of clients are never taken here.
        pub token: Option<SecretString> = None; |token: &Option<SecretString>| {
            token.as_ref().map_or(Ok(()), |token| long_enough(token, 16))
        },
    }
}

impl AdminConfig {
    /// Whether nobody comes in whom nothing vouches for.
    ///
    /// # Errors
    /// Without a token, an address that others can reach.
    pub fn is_guarded(&self) -> Result<(), ConfigError> {
        let open = self.listen.0.iter().find(|it| !it.ip().to_canonical().is_loopback());
        let (Some(open), None) = (open, &self.token) else { return Ok(()) };
        Err(ConfigError {
            file: "configuration".into(),
            at: None,
            message: format!(
                "`admin` has no `token`, so everyone who reaches {open} could change the policies"
            ),
            help: Some("add `token: ${NAME}` to it, or listen on 127.0.0.1".into()),
        })
    }
}

section! {
    /// One provider.
    pub struct ProviderConfig {
        /// Its row in the table of providers; the provider's own name where unsaid.
        pub kind: Option<Located<String>> = None,
        /// The dialect that conversations are held in, where it speaks several; a server of one's own
        /// may speak any.
        pub dialect: Option<Dialect> = None,
        /// Where its API is, instead of the table's address.
        pub base_url: Option<BaseUrl> = None,
        /// The credential.
        pub api_key: Option<SecretString> = None,
        /// Several credentials: the first that its provider neither refuses nor limits right now.
        pub api_keys: Vec<SecretString> = Vec::new(),
        /// Headers sent with each request.
        pub headers: Headers = Headers::default(),
        /// What is served there: names, or rows for the catalogue.
        pub models: Vec<ServedModel> = Vec::new(),
        /// How long connecting may take, instead of `timeouts.connect`.
        pub connect_timeout: Option<Duration> = None; |limit: &Option<Duration>| {
            limit.as_ref().map_or(Ok(()), positive)
        },
        /// Where it runs: `us-east-1`, `europe-west4`.
        pub region: Option<String> = None,
        /// The API's version, where its address has one.
        pub api_version: Option<String> = None,
        /// AWS: the profile in `~/.aws` that has the keys.
        pub profile: Option<String> = None,
        /// AWS: the public half of the keys.
        pub access_key_id: Option<String> = None,
        /// AWS: their secret half.
        pub secret_access_key: Option<SecretString> = None,
        /// AWS: what belongs to keys that hold for some hours only.
        pub session_token: Option<SecretString> = None,
        /// Google Cloud: the project.
        pub project: Option<String> = None,
        /// Google Cloud: where it runs: `europe-west4`, `global`.
        pub location: Option<String> = None,
        /// Google Cloud: the file with a service account's or a person's credentials.
        pub credentials_file: Option<PathBuf> = None,
        /// `false` keeps the entry and leaves the provider out.
        pub enabled: bool = true,
    }
}

impl ProviderConfig {
    /// All credentials, in the order of the file.
    pub fn credentials(&self) -> impl Iterator<Item = &SecretString> {
        self.api_key.iter().chain(&self.api_keys)
    }
}

section! {
    /// A client's key and who is behind it.
    pub struct KeyConfig {
        required {
            /// Its public name, in logs and reports.
            pub id: Located<KeyId>,
            /// The key, or its hash.
            pub key: ClientKey,
        }
        optional {
            /// A name for people.
            pub name: Option<String> = None,
            /// The team it is billed to.
            pub team: Option<String> = None,
            /// The organisation the team belongs to.
            pub org: Option<String> = None,
            /// Whose data its requests carry: caches are shared within a tenant, never across. The
            /// organisation where unsaid, the key alone where there is none.
            pub tenant: Option<String> = None,
            /// What was bought: `free`, `pro`, …
            pub tier: Option<String> = None,
            /// What the requests are for.
            pub env: KeyEnv = KeyEnv::Prod,
            /// Free labels.
            pub tags: BTreeSet<String> = BTreeSet::new(),
            /// Free values.
            pub meta: BTreeMap<String, String> = BTreeMap::new(),
            /// Which models it may use, as patterns with `*`; all where empty.
            pub models: Vec<String> = Vec::new(),
            /// Where its data may be processed.
            pub residency: Option<String> = None,
            /// How sensitive its data is.
            pub data_class: Option<String> = None,
            /// When it was handed out.
            pub created: Option<jiff::civil::Date> = None,
        }
    }
}

impl FromNode for Dialect {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let words: Vec<_> = Dialect::ALL.iter().map(|it| (it.name(), *it)).collect();
        one_of(node, reader, &words)
    }
}

impl FromNode for KeyEnv {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        one_of(node, reader, &KeyEnv::ALL.map(|env| (env.name(), env)))
    }
}

section! {
    /// The response cache.
    pub struct CacheConfig {
        /// How much memory answers may take.
        pub max_bytes: ByteSize = ByteSize::mebibytes(256),
        /// Whether there is one.
        pub enabled: bool = true,
    }
}

section! {
    /// What clients may ask of this process.
    pub struct Limits {
        /// The longest request body.
        pub body_bytes: ByteSize = ByteSize::megabytes(20),
        /// How long a client may take to send a request's headers, and how long a connection may
        /// be idle between requests.
        pub header_read_timeout: Duration = seconds(10); positive,
        /// How many connections may be open at once.
        pub max_connections: usize = 10_000; |count: &usize| {
            if *count == 0 { Err("with 0 connections nobody can connect".to_owned()) } else { Ok(()) }
        },
        /// How long requests in flight may go on after the process was told to stop.
        pub drain: Duration = seconds(300),
    }
}

section! {
    /// What is written about it all.
    pub struct LogConfig {
        /// From which level on: `info`, or directives such as `info,pointsman::dispatch=debug`.
        pub level: String = "info".to_owned(); |level: &String| {
            tracing_subscriber::EnvFilter::try_new(level).map(drop).map_err(|error| {
                format!("`{level}` is not a level (error, warn, info, debug, trace): {error}")
            })
        },
        /// In which form.
        pub format: LogFormat = LogFormat::Text,
        /// A file to append to, instead of standard error.
        pub file: Option<PathBuf> = None,
    }
}

words! {
    /// The form of log lines.
    pub enum LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object per line.
        Json = "json",
    }
}

section! {
    /// Clocks of attempts, where no policy sets them.
    pub struct Timeouts {
        /// Until the connection stands.
        pub connect: Duration = seconds(2); positive,
        /// From the request until the answer's headers.
        pub headers: Duration = seconds(30); positive,
        /// From the request until the first token.
        pub ttft: Duration = seconds(30); positive,
        /// Between two pieces of a stream.
        pub idle: Duration = seconds(60); positive,
        /// All attempts together.
        pub total: Duration = seconds(600); positive,
    }
}

fn positive(limit: &Duration) -> Result<(), String> {
    if limit.is_zero() {
        Err("a time limit of zero would stop everything".to_owned())
    } else {
        Ok(())
    }
}

/// The addresses to listen on; 127.0.0.1:8080 by default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen(pub Vec<SocketAddr>);

impl Default for Listen {
    fn default() -> Self {
        Listen(vec![SocketAddr::from(([127, 0, 0, 1], 8080))])
    }
}

impl FromNode for Listen {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let addresses = match &node.value {
            Value::List(_) => Vec::read(node, reader)?,
            _ => vec![SocketAddr::read(node, reader)?],
        };
        if addresses.is_empty() {
            return reader.error(node.id, "an empty list: nobody could connect".into(), None);
        }
        Some(Listen(addresses))
    }
}

/// The providers of the file, by name. Every one has its `kind` filled in.
pub type Providers = BTreeMap<ProviderId, ProviderConfig>;

impl FromNode for Providers {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let mut providers = Some(Providers::new());
        for (key, node) in reader.map(node)? {
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
            if key.name.is_empty() || !key.name.bytes().all(plain) {
                let help =
                    "it is the part before the slash in `provider/model`: use a-z, 0-9, `-`, `_`";
                let message = format!("`{}` cannot be the name of a provider", key.name);
                providers = reader.error(key.id, message, Some(help.into()));
            }
            let Some(mut provider) = ProviderConfig::read(node, reader) else {
                providers = None;
                continue;
            };
            if provider.api_key.is_some() && !provider.api_keys.is_empty() {
                let help = "put all of them into `api_keys`";
                let message = "`api_key` and `api_keys` are both given".to_owned();
                providers = reader.error(key.id, message, Some(help.into()));
            }
            let spot = reader.spot(key.id);
            provider.kind.get_or_insert_with(|| Located::new(key.name.clone(), spot));
            if let Some(providers) = &mut providers {
                providers.insert(ProviderId::new(key.name.as_str()), provider);
            }
        }
        providers
    }
}

/// A model that a provider serves.
#[derive(Debug, Clone)]
pub enum ServedModel {
    /// By its name there; the catalogue knows the rest.
    Name(Located<String>),
    /// With everything about it; the catalogue gives it its type.
    Row(Raw),
}

impl FromNode for ServedModel {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match node.value {
            Value::Map(_) => Raw::read(node, reader).map(ServedModel::Row),
            _ => Located::read(node, reader).map(ServedModel::Name),
        }
    }
}

/// An `http` or `https` address without credentials, query or trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(String);

impl BaseUrl {
    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromNode for BaseUrl {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed(node, "text (an address)", |text| {
            let uri: Uri = text.parse().map_err(|error| format!("this is not a URL: {error}"))?;
            if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
                return Err("an address begins with `https://` or `http://` and a host".into());
            }
            if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
                return Err("no credentials in addresses; use `api_key` or `headers`".into());
            }
            if uri.query().is_some() || text.contains('#') {
                return Err("an address here ends with its path, without `?` or `#`".into());
            }
            Ok(BaseUrl(text.trim_end_matches('/').to_owned()))
        })
    }
}

/// Headers to send, their values treated as secrets.
#[derive(Debug, Clone, Default)]
pub struct Headers(pub Vec<(HeaderName, SecretString)>);

/// Headers that belong to the connection, not to whoever configures it.
const OWN_HEADERS: &[&str] =
    &["host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"];

impl FromNode for Headers {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let mut headers = Some(Headers::default());
        for (key, node) in reader.map(node)? {
            let name = match HeaderName::try_from(key.name.as_str()) {
                Ok(name) if !OWN_HEADERS.contains(&name.as_str()) => Some(name),
                Ok(name) => {
                    reader.error(key.id, format!("`{name}` is set by the connection itself"), None)
                }
                Err(_) => reader.error(key.id, format!("`{}` is not a header", key.name), None),
            };
            // A header's value need not be secret, so plain text here is no cause for a warning.
            let value = reader.text(node, "text").and_then(|text| {
                if http::HeaderValue::try_from(&text).is_err() {
                    let message = "a header's value must be one line of printable text".to_owned();
                    return reader.error(node.id, message, None);
                }
                Some(SecretString::from(text))
            });
            let from_outside = matches!(&node.value, Value::Text(text) if text.contains("${"));
            match (name, value, &mut headers) {
                (Some(name), Some(value), Some(Headers(all))) => {
                    if from_outside {
                        reader.secrets.push(value.clone());
                    }
                    all.push((name, value));
                }
                _ => headers = None,
            }
        }
        headers
    }
}

/// What a client has to present.
#[derive(Debug, Clone)]
pub enum ClientKey {
    /// The key itself.
    Plain(SecretString),
    /// Its keyed BLAKE3 hash, as `pointsman keys` prints it.
    Hash([u8; 32]),
}

impl FromNode for ClientKey {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if let Value::Text(text) = &node.value
            && let Some(hex) = text.strip_prefix("hash:")
        {
            let hash = blake3::Hash::from_hex(hex.trim()).map(|hash| *hash.as_bytes());
            return hash.map(ClientKey::Hash).ok().or_else(|| {
                let message = "behind `hash:` come 64 hexadecimal digits".to_owned();
                reader.error(node.id, message, None)
            });
        }
        let secret = reader.secret(node)?;
        if let Err(message) = long_enough(&secret, 8) {
            return reader.error(node.id, message, None);
        }
        if !secret.expose_secret().bytes().all(|b| b.is_ascii_graphic()) {
            let message = "a client's key must be printable ASCII without spaces".to_owned();
            return reader.error(node.id, message, None);
        }
        Some(ClientKey::Plain(secret))
    }
}

impl FromNode for KeyId {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        named(node, reader).map(KeyId::new)
    }
}

impl FromNode for PolicyName {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        named(node, reader).map(PolicyName::new)
    }
}

fn named(node: &Node, reader: &mut Reader<'_>) -> Option<String> {
    reader.parsed(node, "text (a name)", |text| {
        if text.trim().is_empty() {
            Err("a name cannot be empty".into())
        } else {
            Ok(text.to_owned())
        }
    })
}
