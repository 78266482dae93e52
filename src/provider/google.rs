//! Access tokens of Google accounts: fetched with what Google's own tools leave on the machine, kept
//! while they hold, and renewed before they run out, so that no request waits for it.
//! <https://developers.google.com/identity/protocols/oauth2/service-account#httprest>

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderValue;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::address::escaped;
use super::client::{TransportError, causes};
use crate::error_class::ErrorClass;

const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// So long before its end a token is renewed, while requests go on with the old one.
const EARLY: Duration = Duration::from_secs(300);
/// So long before its end a token is no longer used: it has to hold until the request arrives.
const MARGIN: Duration = Duration::from_secs(30);
/// After a renewal that failed, while the old token holds.
const PAUSE: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(10);
/// More than any answer with a token in it.
const MOST_BYTES: usize = 64 << 10;

/// An account, and its token.
pub(super) struct Account {
    grant: Grant,
    token_uri: Url,
    /// The project of the file, where it names one.
    pub project: Option<String>,
    /// The project that a person's calls are counted against.
    pub quota_project: Option<HeaderValue>,
    token: Mutex<Option<Token>>,
    /// One renewal at a time.
    renewal: tokio::sync::Mutex<()>,
}

/// How the account asks for tokens.
enum Grant {
    /// A service account signs a statement.
    Signed { email: String, key_id: Option<String>, key: Box<RsaKeyPair> },
    /// A person has signed in before.
    Refresh { client_id: String, client_secret: SecretString, refresh_token: SecretString },
}

#[derive(Clone)]
struct Token {
    header: HeaderValue,
    renew: SystemTime,
    end: SystemTime,
}

/// The files that Google's tools write.
#[derive(Deserialize)]
struct File {
    #[serde(rename = "type")]
    kind: String,
    token_uri: Option<String>,
    project_id: Option<String>,
    quota_project_id: Option<String>,
    client_email: Option<String>,
    private_key_id: Option<String>,
    private_key: Option<SecretString>,
    client_id: Option<String>,
    client_secret: Option<SecretString>,
    refresh_token: Option<SecretString>,
}

#[derive(Deserialize)]
struct Answer {
    access_token: Option<SecretString>,
    expires_in: Option<u64>,
    error: Option<String>,
    error_description: Option<String>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
}

/// The file with the account's credentials: the one that is set, else the environment's, else where
/// `gcloud auth application-default login` puts it.
pub(super) fn file(set: Option<&Path>, env: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let set = set.map(Path::to_owned);
    set.or_else(|| env("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from)).or_else(|| {
        let folder = env("CLOUDSDK_CONFIG").map(PathBuf::from);
        let home = || env("HOME").map(|home| PathBuf::from(home).join(".config/gcloud"));
        let windows = || env("APPDATA").map(|data| PathBuf::from(data).join("gcloud"));
        let folder = folder.or_else(home).or_else(windows)?;
        Some(folder.join("application_default_credentials.json")).filter(|file| file.exists())
    })
}

impl Account {
    /// Reads a file with credentials. The message names no part of them.
    pub(super) fn read(path: &Path) -> Result<Account, String> {
        let fail = |what: String| Err(format!("the credentials {}: {what}", path.display()));
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return fail(format!("cannot be read: {error}")),
        };
        let file: File = match serde_json::from_str(&text) {
            Ok(file) => file,
            // serde's own words may quote the text.
            Err(error) => {
                let (line, column) = (error.line(), error.column());
                return fail(format!("no JSON with a `type` (line {line}, column {column})"));
            }
        };
        let token_uri = file.token_uri.as_deref().unwrap_or(TOKEN_URI);
        let Some(token_uri) = Url::parse(token_uri).ok().filter(is_guarded) else {
            return fail("`token_uri` must be https".to_owned());
        };
        let grant = match file.kind.as_str() {
            "service_account" => {
                let (Some(email), Some(key)) = (file.client_email, file.private_key) else {
                    return fail("`client_email` or `private_key` is missing".to_owned());
                };
                let Some(key) = rsa_key(key.expose_secret()) else {
                    return fail("`private_key` is no RSA key in PEM (PKCS #8)".to_owned());
                };
                Grant::Signed { email, key_id: file.private_key_id, key: Box::new(key) }
            }
            "authorized_user" => match (file.client_id, file.client_secret, file.refresh_token) {
                (Some(client_id), Some(client_secret), Some(refresh_token)) => {
                    Grant::Refresh { client_id, client_secret, refresh_token }
                }
                _ => {
                    let what = "`client_id`, `client_secret` or `refresh_token` is missing";
                    return fail(what.to_owned());
                }
            },
            other => {
                return fail(format!(
                    "of type `{other}`, where `service_account` or `authorized_user` is expected"
                ));
            }
        };
        let quota_project =
            file.quota_project_id.as_deref().and_then(|id| HeaderValue::from_str(id).ok());
        Ok(Account {
            grant,
            token_uri,
            project: file.project_id.or(file.quota_project_id),
            quota_project,
            token: Mutex::new(None),
            renewal: tokio::sync::Mutex::new(()),
        })
    }

    /// The header that proves who we are. Waits only where there is no token that holds.
    pub(super) async fn token(
        self: &Arc<Self>,
        http: &reqwest::Client,
    ) -> Result<HeaderValue, TransportError> {
        let now = SystemTime::now();
        match self.kept() {
            Some(token) if now < token.renew => return Ok(token.header),
            Some(token) if now < token.end => {
                let (account, http) = (Arc::clone(self), http.clone());
                tokio::spawn(async move { account.renew_early(&http).await });
                return Ok(token.header);
            }
            _ => {}
        }
        let _one = self.renewal.lock().await;
        // Somebody else may have fetched one meanwhile.
        match self.kept().filter(|token| SystemTime::now() < token.end) {
            Some(token) => Ok(token.header),
            None => self.renew(http).await.map(|token| token.header),
        }
    }

    async fn renew_early(&self, http: &reqwest::Client) {
        let Ok(_one) = self.renewal.try_lock() else { return };
        let now = SystemTime::now();
        let Some(old) = self.kept().filter(|old| old.renew <= now) else { return };
        if let Err(error) = self.renew(http).await {
            tracing::warn!("a Google access token could not be renewed yet: {error}");
            self.keep(Token { renew: now + PAUSE, ..old });
        }
    }

    /// Drops a token that was refused before its time, if it is still the one in use.
    pub(super) fn forget(&self, refused: &HeaderValue) {
        let mut kept = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().is_some_and(|token| token.header == *refused) {
            *kept = None;
        }
    }

    fn kept(&self) -> Option<Token> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, token: Token) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
    }

    async fn renew(&self, http: &reqwest::Client) -> Result<Token, TransportError> {
        let now = SystemTime::now();
        let form = self.form(now).ok_or_else(|| refused("the request could not be signed"))?;
        let request = http
            .post(self.token_uri.clone())
            .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .timeout(PATIENCE)
            .body(form.expose_secret().to_owned());
        let lost = |error: reqwest::Error| TransportError {
            class: if error.is_timeout() { ErrorClass::Timeout } else { ErrorClass::Connect },
            what: format!("no access token from Google: {}", causes(&error)),
        };
        let mut response = request.send().await.map_err(lost)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            body.extend_from_slice(&chunk);
            if body.len() > MOST_BYTES {
                return Err(refused("the answer is too long"));
            }
        }
        let answer = serde_json::from_slice::<Answer>(&body).ok();
        let Some(answer) = answer else {
            return Err(refused(&format!("status {} with no JSON", status.as_u16())));
        };
        let (Some(token), true) = (answer.access_token, status.is_success()) else {
            let words = [answer.error, answer.error_description];
            let words = words.into_iter().flatten().collect::<Vec<_>>().join(": ");
            let words: String = words.chars().take(200).collect();
            return Err(refused(&format!("status {} {words}", status.as_u16())));
        };
        let mut header = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
            .map_err(|_| refused("the token is no valid header"))?;
        header.set_sensitive(true);
        let lives = Duration::from_secs(answer.expires_in.unwrap_or(3600).min(24 * 3600));
        let token = Token {
            header,
            // Half of its life where that is short.
            renew: now + lives.saturating_sub(EARLY).max(lives / 2),
            end: now + lives.saturating_sub(MARGIN).max(lives / 2),
        };
        self.keep(token.clone());
        Ok(token)
    }

    /// What is posted for a token.
    fn form(&self, now: SystemTime) -> Option<SecretString> {
        let form = match &self.grant {
            Grant::Signed { email, key_id, key } => {
                let assertion = self.assertion(email, key_id.as_deref(), key, now)?;
                let kind = escaped("urn:ietf:params:oauth:grant-type:jwt-bearer", b"");
                format!("grant_type={kind}&assertion={assertion}")
            }
            Grant::Refresh { client_id, client_secret, refresh_token } => format!(
                "grant_type=refresh_token&client_id={}&client_secret={}&refresh_token={}",
                escaped(client_id, b""),
                escaped(client_secret.expose_secret(), b""),
                escaped(refresh_token.expose_secret(), b"")
            ),
        };
        Some(form.into())
    }

    /// A statement that we are this account, good for an hour.
    fn assertion(
        &self,
        email: &str,
        key_id: Option<&str>,
        key: &RsaKeyPair,
        now: SystemTime,
    ) -> Option<String> {
        #[derive(Serialize)]
        struct Head<'a> {
            alg: &'a str,
            typ: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            kid: Option<&'a str>,
        }
        let iat = now.duration_since(UNIX_EPOCH).ok()?.as_secs();
        let head = serde_json::to_vec(&Head { alg: "RS256", typ: "JWT", kid: key_id }).ok()?;
        let claims =
            Claims { iss: email, scope: SCOPE, aud: self.token_uri.as_str(), iat, exp: iat + 3600 };
        let claims = serde_json::to_vec(&claims).ok()?;
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(claims));
        let mut signature = vec![0; key.public_modulus_len()];
        let random = SystemRandom::new();
        key.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature).ok()?;
        Some(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// Whether nobody between here and there reads along: https, or this machine.
fn is_guarded(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let local = host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    url.scheme() == "https" || (url.scheme() == "http" && local)
}

fn rsa_key(pem: &str) -> Option<RsaKeyPair> {
    let inside = pem.split_once("-----BEGIN PRIVATE KEY-----")?.1;
    let inside = inside.split_once("-----END PRIVATE KEY-----")?.0;
    let text: String = inside.split_whitespace().collect();
    RsaKeyPair::from_pkcs8(&STANDARD.decode(text).ok()?).ok()
}

fn refused(what: &str) -> TransportError {
    TransportError { class: ErrorClass::Auth, what: format!("no access token from Google: {what}") }
}

#[cfg(test)]
#[path = "google_tests.rs"]
mod tests;
