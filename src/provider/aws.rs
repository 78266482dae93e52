//! The keys of an AWS account, from where AWS's own tools have them: settings, the environment, or a
//! profile in `~/.aws`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::resolved::Settings;
use super::sigv4::Keys;

/// Looks up environment variables.
type Env<'e> = &'e dyn Fn(&str) -> Option<String>;

/// What is known of an account.
#[derive(Default)]
pub(super) struct Account {
    pub keys: Option<Keys>,
    pub region: Option<String>,
}

impl Account {
    /// Finds the account's keys: the settings' own, those of the profile that the settings name, the
    /// environment's, those of `AWS_PROFILE`, and those of the profile `default`.
    pub(super) fn find(settings: &Settings, env: Env<'_>) -> Result<Account, String> {
        let profiles = Profiles::read(env);
        let named = settings.profile.clone().or_else(|| env("AWS_PROFILE"));
        let profile = named.as_deref().unwrap_or("default");
        let region = region(settings, env).or_else(|| profiles.region(profile));
        let mut keys = own(settings)?;
        if keys.is_none() && settings.profile.is_none() {
            keys = of_environment(env);
        }
        let keys = keys.or_else(|| profiles.keys(profile));
        match (keys, &named) {
            (None, Some(named)) => Err(profiles.lacking(named)),
            (keys, _) => Ok(Account { keys, region }),
        }
    }
}

/// Where requests go, as far as settings and environment say it.
pub(super) fn region(settings: &Settings, env: Env<'_>) -> Option<String> {
    let said = settings.region.clone().or_else(|| env("AWS_REGION"));
    said.or_else(|| env("AWS_DEFAULT_REGION"))
}

/// The keys that stand in the settings themselves.
fn own(settings: &Settings) -> Result<Option<Keys>, String> {
    match (&settings.access_key_id, &settings.secret_access_key) {
        (Some(id), Some(secret)) => Ok(Some(Keys {
            id: id.clone(),
            secret: secret.clone(),
            token: settings.session_token.clone(),
        })),
        (None, None) => Ok(None),
        (Some(_), None) => Err("`access_key_id` without `secret_access_key`".to_owned()),
        (None, Some(_)) => Err("`secret_access_key` without `access_key_id`".to_owned()),
    }
}

fn of_environment(env: Env<'_>) -> Option<Keys> {
    Some(Keys {
        id: env("AWS_ACCESS_KEY_ID")?,
        secret: env("AWS_SECRET_ACCESS_KEY")?.into(),
        token: env("AWS_SESSION_TOKEN").map(SecretString::from),
    })
}

type Section = HashMap<String, String>;

/// The two files that profiles lie in.
struct Profiles {
    credentials: HashMap<String, Section>,
    config: HashMap<String, Section>,
}

impl Profiles {
    fn read(env: Env<'_>) -> Profiles {
        let home = env("HOME").or_else(|| env("USERPROFILE")).map(PathBuf::from);
        let file = |variable: &str, name: &str| {
            let usual = || home.as_ref().map(|home| home.join(".aws").join(name));
            let path = env(variable).map(PathBuf::from).or_else(usual);
            path.map(|path| sections(&path)).unwrap_or_default()
        };
        Profiles {
            credentials: file("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
            config: file("AWS_CONFIG_FILE", "config"),
        }
    }

    /// A value of a profile. In the second file its section has a longer name.
    fn get(&self, profile: &str, key: &str) -> Option<&String> {
        let config = match profile {
            "default" => self.config.get("default").or_else(|| self.config.get("profile default")),
            name => self.config.get(&format!("profile {name}")),
        };
        let credentials = self.credentials.get(profile);
        [credentials, config].into_iter().flatten().find_map(|section| section.get(key))
    }

    fn keys(&self, profile: &str) -> Option<Keys> {
        let get = |key: &str| self.get(profile, key).cloned();
        Some(Keys {
            id: get("aws_access_key_id")?,
            secret: get("aws_secret_access_key")?.into(),
            token: get("aws_session_token").map(SecretString::from),
        })
    }

    fn region(&self, profile: &str) -> Option<String> {
        self.get(profile, "region").cloned()
    }

    /// Why a profile gives no keys.
    fn lacking(&self, profile: &str) -> String {
        let elsewhere = [
            "sso_session",
            "sso_start_url",
            "role_arn",
            "credential_process",
            "web_identity_token_file",
            "login_session",
        ];
        match elsewhere.iter().find(|key| self.get(profile, key).is_some()) {
            Some(key) => format!(
                "the AWS profile `{profile}` has its keys from elsewhere (`{key}`), which is not \
                 supported: write them with `aws configure export-credentials --profile {profile}`"
            ),
            None => format!("there is no AWS profile `{profile}` with keys"),
        }
    }
}

/// The sections of a file of lines `[name]` and `key = value`; none where it cannot be read.
fn sections(path: &Path) -> HashMap<String, Section> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut sections: HashMap<String, Section> = HashMap::new();
    let mut current: Option<String> = None;
    for line in text.lines() {
        // Indented lines belong to the value above them.
        if line.starts_with([' ', '\t', '#', ';']) {
            continue;
        }
        if let Some(name) = line.trim_end().strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            let name: Vec<&str> = name.split_whitespace().collect();
            current = Some(name.join(" "));
        } else if let (Some(name), Some((key, value))) = (&current, line.split_once('=')) {
            let section = sections.entry(name.clone()).or_default();
            section.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    sections
}

#[cfg(test)]
#[path = "aws_tests.rs"]
mod tests;
