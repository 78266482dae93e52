//! The providers we know, as data.

mod entries;

use http::{HeaderName, header};

use crate::dialect::Dialect;
use crate::dialect::quirks::Quirks;

pub use entries::PROVIDERS;

/// One provider.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The short name that policies use.
    pub id: &'static str,
    /// The name for people.
    pub name: &'static str,
    /// Where its API is; nothing where every customer has an address of his own. `{region}`,
    /// `{project}` and `{location}` stand for the operator's settings, `{host}` for the host that
    /// serves the location.
    pub base_url: Option<&'static str>,
    /// The variable that says another address.
    pub base_url_env: Option<&'static str>,
    /// What an address in that variable lacks, by the custom of the provider's own libraries: the
    /// version. It is added where it is not there.
    pub env_lacks: &'static str,
    /// The variables that may hold the key; the first that is set counts.
    pub key_env: &'static [&'static str],
    /// How we prove who we are.
    pub auth: Auth,
    /// How the address of a call is made.
    pub paths: Paths,
    /// The dialects that it speaks, its favourite first: a client's own is taken where it is among
    /// them, so that bytes go through as they are, and else the favourite.
    pub speaks: &'static [Dialect],
    /// Models whose names begin like this speak these dialects instead.
    pub speaks_by_name: &'static [(&'static str, &'static [Dialect])],
    /// The operator may say that it speaks any dialect, not only one of its own.
    pub any_dialect: bool,
    /// How it departs from the dialect.
    pub quirks: Quirks,
    /// Headers that every call has, where the operator does not set them otherwise.
    pub headers: &'static [(&'static str, &'static str)],
    /// Client headers with these beginnings are passed on.
    pub passes: &'static [&'static str],
    /// Where it runs.
    pub place: Place,
}

/// How we prove who we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// `authorization: Bearer KEY`
    Bearer,
    /// `api-key: KEY`
    ApiKey,
    /// `x-api-key: KEY`
    XApiKey,
    /// `x-goog-api-key: KEY`
    GoogKey,
    /// Requests are signed with an AWS account's keys (Signature Version 4). A key that is set
    /// instead is sent as a bearer.
    SigV4 {
        /// The service's name in signatures.
        service: &'static str,
    },
    /// An access token of a Google account, fetched with the account's credentials. A key that is set
    /// instead is taken to be such a token.
    GoogleOAuth,
}

impl Auth {
    /// The header that carries the key.
    pub fn header(self) -> HeaderName {
        match self {
            Auth::Bearer | Auth::SigV4 { .. } | Auth::GoogleOAuth => header::AUTHORIZATION,
            Auth::ApiKey => HeaderName::from_static("api-key"),
            Auth::XApiKey => HeaderName::from_static("x-api-key"),
            Auth::GoogKey => HeaderName::from_static("x-goog-api-key"),
        }
    }
}

/// How the address of a call is made from the base URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paths {
    /// The dialect's own path behind the base URL, such as `BASE/chat/completions`.
    Plain,
    /// `BASE/openai/deployments/MODEL/chat/completions?api-version=VERSION`, and for what is newer
    /// than deployments `BASE/openai/v1/responses`.
    Azure {
        /// The version where the operator says none.
        default_version: &'static str,
    },
    /// `BASE/publishers/google/models/MODEL:generateContent`
    Vertex,
}

/// Where a provider runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On the provider's machines.
    Cloud,
    /// On the operator's, where a key is not always needed.
    Local,
    /// In this process.
    BuiltIn,
}

impl Entry {
    /// What it lacks where it cannot be used, and what to do: the end of a sentence.
    pub fn lacks(&self) -> String {
        let variables = self.key_env.join("` or `");
        match (self.auth, self.base_url, self.base_url_env) {
            (Auth::SigV4 { .. }, ..) => {
                "has no keys; set `access_key_id` and `secret_access_key`, or `profile`, or \
                 `api_key`, or AWS's own variables"
                    .to_owned()
            }
            (Auth::GoogleOAuth, ..) => {
                "has no credentials; set `credentials_file`, or `GOOGLE_APPLICATION_CREDENTIALS`"
                    .to_owned()
            }
            (_, None, Some(address)) if self.place == Place::Local => {
                format!("has no address; set `base_url`, or the variable `{address}`")
            }
            (_, None, Some(address)) => format!(
                "has no key or no address; set `api_key` and `base_url`, or the variables \
                 `{variables}` and `{address}`"
            ),
            _ if variables.is_empty() => "has no key; set `api_key`".to_owned(),
            _ => format!("has no key; set `api_key`, or the variable `{variables}`"),
        }
    }
}

/// The entry with this id.
pub fn entry(id: &str) -> Option<&'static Entry> {
    PROVIDERS.iter().find(|entry| entry.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_usable() {
        for (at, it) in PROVIDERS.iter().enumerate() {
            assert!(!it.id.is_empty() && !it.name.is_empty());
            assert!(PROVIDERS[..at].iter().all(|other| other.id != it.id), "{} twice", it.id);
            if let Some(url) = it.base_url {
                let url = url.replace("{host}", "h").replace(['{', '}'], "");
                let url = reqwest::Url::parse(&url).unwrap();
                assert_eq!(url.scheme() == "https", it.place == Place::Cloud, "{}", it.id);
                assert!(!url.path().ends_with('/') || url.path() == "/", "{}", it.id);
                assert!(url.path().ends_with(it.env_lacks), "{}", it.id);
            } else {
                assert!(it.base_url_env.is_some() || it.place == Place::BuiltIn, "{}", it.id);
            }
            let account = it.auth == Auth::GoogleOAuth;
            assert!(it.place != Place::Cloud || account || !it.key_env.is_empty(), "{}", it.id);
            assert!(!it.speaks.is_empty(), "{}", it.id);
            for (name, value) in it.headers {
                http::HeaderValue::from_static(value);
                HeaderName::from_static(name);
            }
        }
        assert!(entry("openai").is_some() && entry("nobody").is_none());
    }
}
