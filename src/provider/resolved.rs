//! A provider made concrete: an address and a credential that belong together.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::table::{Auth, Entry, Paths, Place};
use crate::dialect::Dialect;
use crate::dialect::quirks::Quirks;
use crate::ids::ProviderId;

/// What the operator sets; all of it optional.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The name policies use, if not the entry's: for two accounts of one provider.
    pub id: Option<ProviderId>,
    /// The address, instead of the entry's and its variable's.
    pub base_url: Option<String>,
    /// The credential, instead of the entry's variables.
    pub credential: Option<SecretString>,
    /// Headers sent with every call: `openai-organization` and its like.
    pub headers: Vec<(String, String)>,
    /// Azure's API version.
    pub api_version: Option<String>,
    /// How long connecting may take; 2 seconds where unsaid.
    pub connect_timeout: Option<Duration>,
}

/// Where a connection goes, and nowhere else: scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    fn of(url: &Url) -> Option<Origin> {
        Some(Origin {
            scheme: url.scheme().to_owned(),
            host: url.host_str()?.to_owned(),
            port: url.port_or_known_default()?,
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme, self.host, self.port)
    }
}

/// A call that can be made at a provider. There is no call to an address of the caller's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call<'a> {
    /// A request in one of the dialects that it speaks.
    Generate {
        /// The dialect.
        dialect: Dialect,
        /// The model's name at the provider, which is part of the address in some dialects.
        model: &'a str,
        /// Whether a stream is wanted, which is part of the address in some dialects.
        stream: bool,
    },
    /// The list of models.
    Models,
}

/// A provider ready to be called.
#[derive(Clone)]
pub struct Provider {
    id: ProviderId,
    entry: &'static Entry,
    /// The address with the credential bound to it; nothing for the one in this process.
    bound: Option<Bound>,
    connect_timeout: Duration,
}

/// The only place where a credential is kept. It leaves it in [`Provider::prepare`] alone, beside a
/// URL that is made from the same address, and redirects are off: so it cannot reach another host.
#[derive(Clone)]
struct Bound {
    base: Url,
    origin: Origin,
    credential: Option<SecretString>,
    headers: HeaderMap,
    api_version: Option<String>,
}

/// Why a provider cannot be used as it is set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("provider `{provider}`: {what}")]
pub struct ProviderError {
    /// Whose settings are wrong.
    pub provider: String,
    /// What is wrong and what to do.
    pub what: String,
}

impl Provider {
    /// Makes an entry concrete. `env` looks up environment variables. Nothing, without an error,
    /// means that the provider is not set up: its key is missing, or its address is, or a local
    /// server was asked for by nobody.
    ///
    /// # Errors
    /// When something is set but wrong.
    pub fn resolve(
        entry: &'static Entry,
        settings: Settings,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Provider>, ProviderError> {
        let id = settings.id.clone().unwrap_or_else(|| ProviderId::new(entry.id));
        let connect_timeout = settings.connect_timeout.unwrap_or(Duration::from_secs(2));
        if entry.place == Place::BuiltIn && settings.base_url.is_none() {
            return Ok(Some(Provider { id, entry, bound: None, connect_timeout }));
        }
        let fail = |what: String| Err(ProviderError { provider: id.to_string(), what });
        let env = |name: &str| env(name).filter(|value| !value.trim().is_empty());

        let base_from_env = entry.base_url_env.and_then(env);
        let wanted = settings.base_url.is_some() || base_from_env.is_some();
        let credential = settings
            .credential
            .or_else(|| entry.key_env.iter().find_map(|name| env(name)).map(SecretString::from));
        let missing = match entry.place {
            // A local server that nobody mentions is not there.
            Place::Local | Place::BuiltIn => !wanted && credential.is_none(),
            _ => credential.is_none(),
        };
        let base = settings.base_url.or(base_from_env).or(entry.base_url.map(str::to_owned));
        let Some(base) = base.filter(|_| !missing) else { return Ok(None) };

        let mut base = match Url::parse(base.trim()) {
            Ok(base) => base,
            Err(error) => {
                return fail(format!(
                    "the base URL `{base}` is none: {error}; it begins with https://"
                ));
            }
        };
        if !matches!(base.scheme(), "http" | "https") {
            return fail(format!("the base URL must be http or https, not {}", base.scheme()));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return fail(
                "the base URL must not hold a user name or password; set the key".to_owned(),
            );
        }
        if base.query().is_some() || base.fragment().is_some() {
            return fail("the base URL must not have a query or fragment".to_owned());
        }
        let path = base.path().trim_end_matches('/').to_owned();
        base.set_path(&path);
        let Some(origin) = Origin::of(&base) else {
            return fail("the base URL has no host".to_owned());
        };
        if let Some(key) = &credential
            && HeaderValue::from_str(key.expose_secret().trim()).is_err()
        {
            return fail("the key has characters that no HTTP header may have".to_owned());
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &settings.headers {
            match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
                (Ok(name), _) if RESERVED.contains(&name) => {
                    return fail(format!("the header `{name}` is ours to set"));
                }
                (Ok(name), Ok(value)) => drop(headers.insert(name, value)),
                _ => return fail(format!("`{name}` is no valid header")),
            }
        }
        let api_version = settings.api_version;
        let bound = Some(Bound { base, origin, credential, headers, api_version });
        Ok(Some(Provider { id, entry, bound, connect_timeout }))
    }

    /// The name policies use.
    pub fn id(&self) -> &ProviderId {
        &self.id
    }

    /// The entry it was made from.
    pub fn entry(&self) -> &'static Entry {
        self.entry
    }

    /// The dialects that it speaks, its favourite first.
    pub fn speaks(&self) -> &[Dialect] {
        self.entry.speaks
    }

    /// How it departs from its dialect.
    pub fn quirks(&self) -> &Quirks {
        &self.entry.quirks
    }

    /// Where it is; nothing for the one in this process.
    pub fn origin(&self) -> Option<&Origin> {
        self.bound.as_ref().map(|bound| &bound.origin)
    }

    /// How long connecting may take.
    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// The address of a call and the headers that belong to it, the credential among them (marked
    /// as sensitive, so that it is not printed). Nothing for the provider in this process.
    pub(super) fn prepare(&self, call: Call<'_>) -> Option<(Url, HeaderMap)> {
        let bound = self.bound.as_ref()?;
        let mut url = bound.base.clone();
        match url.path_segments_mut() {
            Ok(mut path) => {
                path.pop_if_empty();
                // Segments are escaped, so a model's name cannot lead elsewhere.
                if let Paths::AzureDeployments { .. } = self.entry.paths {
                    path.push("openai");
                    if let Call::Generate { model, .. } = call {
                        path.extend(["deployments", model]);
                    }
                }
                match call {
                    Call::Models => drop(path.push("models")),
                    Call::Generate { dialect, .. } => drop(path.extend(endpoint(dialect))),
                }
            }
            Err(()) => return None,
        }
        if let Paths::AzureDeployments { default_version } = self.entry.paths {
            let version = bound.api_version.as_deref().unwrap_or(default_version);
            url.query_pairs_mut().append_pair("api-version", version);
        }
        let mut headers = bound.headers.clone();
        if let Some(key) = &bound.credential {
            let key = key.expose_secret().trim();
            let (name, value) = match self.entry.auth {
                Auth::Bearer | Auth::Optional => (header::AUTHORIZATION, format!("Bearer {key}")),
                Auth::ApiKey => (HeaderName::from_static("api-key"), key.to_owned()),
            };
            let mut value = HeaderValue::from_str(&value).ok()?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        debug_assert_eq!(Origin::of(&url).as_ref(), Some(&bound.origin));
        Some((url, headers))
    }
}

/// The path of a dialect's endpoint behind the base URL.
fn endpoint(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::OpenAiChat => &["chat", "completions"],
        Dialect::OpenAiResponses => &["responses"],
        Dialect::OpenAiCompletions => &["completions"],
        Dialect::OpenAiEmbeddings => &["embeddings"],
        Dialect::AnthropicMessages => &["messages"],
        Dialect::CohereChat => &["chat"],
        Dialect::CohereEmbed => &["embed"],
        Dialect::OllamaChat => &["api", "chat"],
        Dialect::GeminiGenerate | Dialect::GeminiEmbed | Dialect::BedrockConverse => &[],
    }
}

/// Headers that settings cannot set.
const RESERVED: [HeaderName; 8] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::ACCEPT_ENCODING,
    header::HOST,
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::COOKIE,
];

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = self.origin().map_or("built in".to_owned(), ToString::to_string);
        f.debug_struct("Provider").field("id", &self.id.as_str()).field("origin", &origin).finish()
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::super::table::entry;
    use super::*;

    fn resolve(
        id: &str,
        settings: Settings,
        env: &[(&str, &str)],
    ) -> Result<Option<Provider>, ProviderError> {
        let env: Vec<(String, String)> =
            env.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        Provider::resolve(entry(id).unwrap(), settings, &move |name| {
            env.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
        })
    }

    fn prepared(provider: &Provider, call: Call<'_>) -> String {
        let (url, headers) = provider.prepare(call).unwrap();
        let headers: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        format!("{url} [{}]", headers.join(", "))
    }

    const fn chat(model: &str) -> Call<'_> {
        Call::Generate { dialect: Dialect::OpenAiChat, model, stream: false }
    }

    const CHAT: Call<'_> = chat("m");

    #[test]
    fn a_provider_is_on_when_its_key_is_set() {
        assert!(resolve("openai", Settings::default(), &[]).unwrap().is_none());
        assert!(
            resolve("openai", Settings::default(), &[("OPENAI_API_KEY", " ")]).unwrap().is_none()
        );
        let it =
            resolve("openai", Settings::default(), &[("OPENAI_API_KEY", "k\n")]).unwrap().unwrap();
        assert_snapshot!(prepared(&it, CHAT), @"https://api.openai.com/v1/chat/completions [authorization: Bearer k]");
        assert_snapshot!(prepared(&it, Call::Models), @"https://api.openai.com/v1/models [authorization: Bearer k]");
        assert!(!format!("{it:?} {:?}", it.prepare(CHAT)).contains("Bearer"));
    }

    #[test]
    fn local_servers_are_on_when_somebody_mentions_them() {
        assert!(resolve("ollama", Settings::default(), &[]).unwrap().is_none());
        let base =
            Settings { base_url: Some("http://10.0.0.1:11434/v1/".into()), ..Settings::default() };
        let it = resolve("ollama", base, &[]).unwrap().unwrap();
        assert_snapshot!(prepared(&it, CHAT), @"http://10.0.0.1:11434/v1/chat/completions []");
        let it = resolve("sim", Settings::default(), &[]).unwrap().unwrap();
        assert!(it.prepare(CHAT).is_none() && it.origin().is_none());
    }

    #[test]
    fn azure_has_deployments_and_a_header_of_its_own() {
        let env = [
            ("AZURE_OPENAI_API_KEY", "k"),
            ("AZURE_OPENAI_ENDPOINT", "https://x.openai.azure.com"),
        ];
        let it = resolve("azure", Settings::default(), &env).unwrap().unwrap();
        let call = chat("../a?b");
        assert_snapshot!(prepared(&it, call), @"https://x.openai.azure.com/openai/deployments/..%2Fa%3Fb/chat/completions?api-version=2024-10-21 [api-key: k]");
        assert!(resolve("azure", Settings::default(), &env[..1]).unwrap().is_none());
    }

    #[test]
    fn no_model_name_leads_to_another_place() {
        let env = [
            ("AZURE_OPENAI_API_KEY", "k"),
            ("AZURE_OPENAI_ENDPOINT", "https://x.openai.azure.com"),
        ];
        let it = resolve("azure", Settings::default(), &env).unwrap().unwrap();
        for model in
            ["..", ".", "//evil.example", "@evil.example", "%2e%2e", "", "a\r\nb", "#", "\\\\evil"]
        {
            let (url, _) = it.prepare(chat(model)).unwrap();
            assert_eq!(Origin::of(&url).as_ref(), it.origin(), "{model}");
            assert!(url.path().starts_with("/openai/deployments/"), "{url}");
        }
    }

    #[test]
    fn wrong_settings_say_what_to_do() {
        let fail = |base: &str, headers: &[(&str, &str)]| {
            let headers = headers.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
            let settings = Settings { base_url: Some(base.into()), headers, ..Settings::default() };
            resolve("openai", settings, &[("OPENAI_API_KEY", "k")]).unwrap_err().to_string()
        };
        assert_snapshot!(fail("api.openai.com", &[]), @"provider `openai`: the base URL `api.openai.com` is none: relative URL without a base; it begins with https://");
        assert_snapshot!(fail("file:///etc", &[]), @"provider `openai`: the base URL must be http or https, not file");
        assert_snapshot!(fail("https://u:p@h", &[]), @"provider `openai`: the base URL must not hold a user name or password; set the key");
        assert_snapshot!(fail("https://h/?a", &[]), @"provider `openai`: the base URL must not have a query or fragment");
        assert_snapshot!(fail("https://h", &[("Authorization", "x")]), @"provider `openai`: the header `authorization` is ours to set");
        assert_snapshot!(fail("https://h", &[("x-a", "b\nc")]), @"provider `openai`: `x-a` is no valid header");
        let error =
            resolve("openai", Settings::default(), &[("OPENAI_API_KEY", "a\nb")]).unwrap_err();
        assert_snapshot!(error, @"provider `openai`: the key has characters that no HTTP header may have");
    }
}
