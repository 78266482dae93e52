//! A provider made concrete: an address and a credential that belong together.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::address::address;
use super::client::TransportError;
use super::table::{Auth, Entry, Place};
use super::{aws, google, sigv4};
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
    /// The one dialect that conversations are held in, where the entry speaks several.
    pub dialect: Option<Dialect>,
    /// The credential, instead of the entry's variables.
    pub credential: Option<SecretString>,
    /// Headers sent with every call: `openai-organization` and its like.
    pub headers: Vec<(String, String)>,
    /// Azure's API version.
    pub api_version: Option<String>,
    /// How long connecting may take; 2 seconds where unsaid.
    pub connect_timeout: Option<Duration>,
    /// AWS: where it runs.
    pub region: Option<String>,
    /// AWS: the profile with the keys.
    pub profile: Option<String>,
    /// AWS: the public half of the keys.
    pub access_key_id: Option<String>,
    /// AWS: the secret half.
    pub secret_access_key: Option<SecretString>,
    /// AWS: what belongs to keys that hold for some hours only.
    pub session_token: Option<SecretString>,
    /// Google Cloud: the project.
    pub project: Option<String>,
    /// Google Cloud: where it runs.
    pub location: Option<String>,
    /// Google Cloud: the file with the account's credentials.
    pub credentials_file: Option<PathBuf>,
}

/// Where a connection goes, and nowhere else: scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    pub(super) fn of(url: &Url) -> Option<Origin> {
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
    /// How many tokens a request in this dialect has.
    Count {
        /// The dialect.
        dialect: Dialect,
        /// The model's name at the provider.
        model: &'a str,
    },
    /// The list of models.
    Models,
}

/// A provider ready to be called.
#[derive(Clone)]
pub struct Provider {
    id: ProviderId,
    entry: &'static Entry,
    /// What it speaks whatever the model is, where the operator says so.
    speaks: Option<Arc<[Dialect]>>,
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
    credential: Option<Credential>,
    headers: HeaderMap,
    api_version: Option<String>,
}

#[derive(Clone)]
enum Credential {
    /// Sent as it is.
    Key(SecretString),
    /// Signs each request.
    Aws(sigv4::Keys, sigv4::Scope),
    /// Fetches tokens. Of the credential itself only the issuer of tokens sees anything.
    Google(Arc<google::Account>),
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

/// Looks up environment variables; empty ones are not there.
type Env<'e> = &'e dyn Fn(&str) -> Option<String>;

impl Provider {
    /// Makes an entry concrete. `env` looks up environment variables. Nothing, without an error,
    /// means that the provider is not set up: its key is missing, or its address is, or a local
    /// server was asked for by nobody.
    ///
    /// Accounts of AWS and Google are good for more than models, and lie on many machines: they are
    /// only looked for where the settings name the provider ([`Settings::id`]).
    ///
    /// # Errors
    /// When something is set but wrong.
    pub fn resolve(
        entry: &'static Entry,
        settings: Settings,
        env: Env<'_>,
    ) -> Result<Option<Provider>, ProviderError> {
        let id = settings.id.clone().unwrap_or_else(|| ProviderId::new(entry.id));
        let connect_timeout = settings.connect_timeout.unwrap_or(Duration::from_secs(2));
        let fail = |what: String| ProviderError { provider: id.to_string(), what };
        let speaks = settings.dialect.map(|dialect| forced(entry, dialect)).transpose();
        let speaks = speaks.map_err(fail)?;
        if entry.place == Place::BuiltIn && settings.base_url.is_none() {
            return Ok(Some(Provider { id, entry, speaks, bound: None, connect_timeout }));
        }
        let env = |name: &str| env(name).filter(|value| !value.trim().is_empty());
        let bound = bind(entry, settings, &env).map_err(fail)?;
        Ok(bound.map(|bound| Provider { id, entry, speaks, bound: Some(bound), connect_timeout }))
    }

    /// The name policies use.
    pub fn id(&self) -> &ProviderId {
        &self.id
    }

    /// The entry it was made from.
    pub fn entry(&self) -> &'static Entry {
        self.entry
    }

    /// The dialects that this model is spoken to in, its favourite first.
    pub fn speaks(&self, model: &str) -> &[Dialect] {
        if let Some(forced) = &self.speaks {
            return forced;
        }
        let mut others = self.entry.speaks_by_name.iter();
        let other = others.find(|(beginning, _)| model.starts_with(beginning));
        other.map_or(self.entry.speaks, |(_, dialects)| dialects)
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

    /// The access token, where one has to be fetched first.
    pub(super) async fn token(
        &self,
        http: &reqwest::Client,
    ) -> Result<Option<HeaderValue>, TransportError> {
        match self.bound.as_ref().and_then(|bound| bound.credential.as_ref()) {
            Some(Credential::Google(account)) => account.token(http).await.map(Some),
            _ => Ok(None),
        }
    }

    /// The address of a call and the headers that belong to it, the credential among them (marked
    /// as sensitive, so that it is not printed). Nothing for the provider in this process, for a call
    /// that it does not have, and without the token that it needs.
    pub(super) fn prepare(
        &self,
        call: Call<'_>,
        body: &[u8],
        token: Option<&HeaderValue>,
        now: SystemTime,
    ) -> Option<(Url, HeaderMap)> {
        let bound = self.bound.as_ref()?;
        let api_version = bound.api_version.as_deref();
        let url = address(&bound.base, self.entry.paths, api_version, call)?;
        let mut headers = bound.headers.clone();
        match &bound.credential {
            None => {}
            Some(Credential::Key(key)) => {
                let name = self.entry.auth.header();
                let key = key.expose_secret().trim();
                let value = match name == header::AUTHORIZATION {
                    true => sensitive(&format!("Bearer {key}"))?,
                    false => sensitive(key)?,
                };
                headers.insert(name, value);
            }
            Some(Credential::Aws(keys, scope)) => {
                let method = if body.is_empty() { "GET" } else { "POST" };
                let now = jiff::Timestamp::try_from(now).ok()?;
                let signed = sigv4::sign(keys, scope, method, &url, body, now);
                headers.insert(sigv4::DATE, HeaderValue::from_str(&signed.date).ok()?);
                headers.insert(header::AUTHORIZATION, sensitive(&signed.authorization)?);
                if let Some(token) = &keys.token {
                    headers.insert(sigv4::TOKEN, sensitive(token.expose_secret())?);
                }
            }
            Some(Credential::Google(account)) => {
                headers.insert(header::AUTHORIZATION, token?.clone());
                if let Some(project) = &account.quota_project {
                    headers.insert(QUOTA_PROJECT, project.clone());
                }
            }
        }
        Some((url, headers))
    }
}

const QUOTA_PROJECT: HeaderName = HeaderName::from_static("x-goog-user-project");

fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What a provider speaks whose operator says in which dialect conversations are to be held.
fn forced(entry: &Entry, dialect: Dialect) -> Result<Arc<[Dialect]>, String> {
    let by_name = entry.speaks_by_name.iter().flat_map(|(_, dialects)| *dialects);
    let own: Vec<Dialect> = entry.speaks.iter().chain(by_name).copied().collect();
    if !entry.any_dialect && !own.contains(&dialect) {
        let own: Vec<&str> = own.iter().map(|dialect| dialect.name()).collect();
        return Err(format!("it does not speak `{dialect}`, but {}", own.join(", ")));
    }
    let others = own.into_iter().filter(|other| other.converses() != dialect.converses());
    Ok(std::iter::once(dialect).chain(others).collect())
}

/// The address, and what proves who we are there; nothing where something is missing.
fn bind(entry: &Entry, settings: Settings, env: Env<'_>) -> Result<Option<Bound>, String> {
    let base_from_env = entry.base_url_env.and_then(env).map(|mut base| {
        base.truncate(base.trim_end().trim_end_matches('/').len());
        if !base.ends_with(entry.env_lacks) {
            base.push_str(entry.env_lacks);
        }
        base
    });
    let wanted = settings.base_url.is_some() || base_from_env.is_some();
    let key = settings
        .credential
        .clone()
        .or_else(|| entry.key_env.iter().find_map(|name| env(name)).map(SecretString::from));
    if let Some(key) = &key
        && HeaderValue::from_str(key.expose_secret().trim()).is_err()
    {
        return Err("the key has characters that no HTTP header may have".to_owned());
    }
    let base = settings.base_url.clone().or(base_from_env);
    let (base, credential) = match (entry.auth, key) {
        (Auth::SigV4 { service }, key) => {
            let Some((region, credential)) = aws_account(&settings, service, key, env)? else {
                return Ok(None);
            };
            (base.or_else(|| derived(entry, &[("{region}", &region)])), Some(credential))
        }
        (Auth::GoogleOAuth, key) => match google_account(entry, &settings, base, key, env)? {
            Some((base, credential)) => (Some(base), Some(credential)),
            None => return Ok(None),
        },
        (_, key) => {
            let missing = match entry.place {
                // A local server that nobody mentions is not there.
                Place::Local | Place::BuiltIn => !wanted && key.is_none(),
                Place::Cloud => key.is_none(),
            };
            let base = base.or(entry.base_url.map(str::to_owned));
            (base.filter(|_| !missing), key.map(Credential::Key))
        }
    };
    let Some(base) = base else { return Ok(None) };
    let base = base_url(&base)?;
    let origin = Origin::of(&base).ok_or("the base URL has no host")?;
    let headers = headers(entry, &settings.headers)?;
    Ok(Some(Bound { base, origin, credential, headers, api_version: settings.api_version }))
}

/// The entry's address with its blanks filled in.
fn derived(entry: &Entry, values: &[(&str, &str)]) -> Option<String> {
    let fill = |base: String, (name, value): &(&str, &str)| base.replace(name, value);
    Some(values.iter().fold(entry.base_url?.to_owned(), fill))
}

/// The name of a place or a project, which becomes a part of the address.
fn name(what: &str, value: String) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:".contains(&byte);
    match !value.is_empty() && value.bytes().all(plain) && !value.starts_with('.') {
        true => Ok(value),
        false => Err(format!("`{value}` is no {what}")),
    }
}

/// The region, and the account's keys or the key that stands in for them.
fn aws_account(
    settings: &Settings,
    service: &'static str,
    key: Option<SecretString>,
    env: Env<'_>,
) -> Result<Option<(String, Credential)>, String> {
    if settings.id.is_none() && key.is_none() {
        return Ok(None);
    }
    let has_keys = settings.access_key_id.is_some() || settings.profile.is_some();
    let account = match key.is_some() && !has_keys {
        true => aws::Account { keys: None, region: aws::region(settings, env) },
        false => aws::Account::find(settings, env)?,
    };
    let Some(region) = account.region else {
        return match settings.id {
            Some(_) => Err("it is not said where: set `region`, or `AWS_REGION`".to_owned()),
            None => Ok(None),
        };
    };
    let region = name("region", region)?;
    let credential = match (account.keys, key) {
        (Some(keys), _) => {
            let scope = sigv4::Scope { region: region.clone(), service };
            let texts = [keys.token.as_ref().map_or("", |token| token.expose_secret()), &keys.id];
            if texts.iter().any(|text| HeaderValue::from_str(text).is_err()) {
                return Err("the keys have characters that no HTTP header may have".to_owned());
            }
            Credential::Aws(keys, scope)
        }
        (None, Some(key)) => Credential::Key(key),
        (None, None) => return Ok(None),
    };
    Ok(Some((region, credential)))
}

/// The address within the project, and the account or the token that stands in for it.
fn google_account(
    entry: &Entry,
    settings: &Settings,
    base: Option<String>,
    key: Option<SecretString>,
    env: Env<'_>,
) -> Result<Option<(String, Credential)>, String> {
    if settings.id.is_none() {
        return Ok(None);
    }
    let (credential, project) = match key {
        Some(token) => (Credential::Key(token), None),
        None => {
            let Some(file) = google::file(settings.credentials_file.as_deref(), env) else {
                return Ok(None);
            };
            let account = google::Account::read(&file)?;
            let project = account.project.clone();
            (Credential::Google(Arc::new(account)), project)
        }
    };
    if let Some(base) = base {
        return Ok(Some((base, credential)));
    }
    let project = settings.project.clone().or_else(|| env("GOOGLE_CLOUD_PROJECT")).or(project);
    let location = settings.location.clone().or_else(|| env("GOOGLE_CLOUD_LOCATION"));
    let location = location.or_else(|| settings.region.clone());
    let (Some(project), Some(location)) = (project, location) else {
        let what = "it is not said where: set `project` and `location`, or `GOOGLE_CLOUD_PROJECT` \
                    and `GOOGLE_CLOUD_LOCATION`";
        return Err(what.to_owned());
    };
    let (project, location) = (name("project", project)?, name("location", location)?);
    let host = match location.as_str() {
        "global" => "aiplatform.googleapis.com".to_owned(),
        "us" | "eu" => format!("aiplatform.{location}.rep.googleapis.com"),
        region => format!("{region}-aiplatform.googleapis.com"),
    };
    let values = [("{host}", &*host), ("{project}", &*project), ("{location}", &*location)];
    Ok(derived(entry, &values).map(|base| (base, credential)))
}

fn base_url(base: &str) -> Result<Url, String> {
    let mut url = Url::parse(base.trim()).map_err(|error| {
        format!("the base URL `{base}` is none: {error}; it begins with https://")
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("the base URL must be http or https, not {}", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the base URL must not hold a user name or password; set the key".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("the base URL must not have a query or fragment".to_owned());
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// The entry's own headers, and the operator's over them.
fn headers(entry: &Entry, set: &[(String, String)]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in entry.headers {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let own = entry.auth.header();
    for (name, value) in set {
        match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            (Ok(name), _) if RESERVED.contains(&name) || name == own => {
                return Err(format!("the header `{name}` is ours to set"));
            }
            (Ok(name), Ok(mut value)) => {
                // It may be a key as well.
                value.set_sensitive(true);
                headers.insert(name, value);
            }
            _ => return Err(format!("`{name}` is no valid header")),
        }
    }
    Ok(headers)
}

/// Headers that settings cannot set.
const RESERVED: [HeaderName; 10] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::ACCEPT_ENCODING,
    header::HOST,
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::COOKIE,
    HeaderName::from_static(sigv4::DATE),
    HeaderName::from_static(sigv4::TOKEN),
];

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = self.origin().map_or("built in".to_owned(), ToString::to_string);
        f.debug_struct("Provider").field("id", &self.id.as_str()).field("origin", &origin).finish()
    }
}

#[cfg(test)]
#[path = "resolved_tests.rs"]
mod tests;
