//! `pointsman.yaml`: read strictly, every error with its line and column.
//!
//! `tree` finds values again in the file, `reader` makes typed values of them and collects what is
//! wrong, `sections` declares the keys, `values` reads units.

mod error;
mod reader;
mod sections;
mod tree;
mod values;

#[cfg(test)]
mod tests;

use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::SecretString;

pub use error::{ConfigError, ConfigErrors};
pub use sections::{
    AdminConfig, BaseUrl, CacheConfig, ClientKey, Headers, KeyConfig, Limits, Listen, LogConfig,
    LogFormat, ProviderConfig, Providers, ServedModel, Settings, Timeouts,
};
pub use tree::{Located, Raw};
pub use values::{ByteSize, parse_duration, parse_money, parse_size};

use reader::{FromNode, Outside, Reader};
use tree::Source;

/// The file that is read when none is named.
pub const DEFAULT_FILE: &str = "pointsman.yaml";

/// Where state is kept when no place is named.
pub const DEFAULT_STATE: &str = ".pointsman";

/// The settings, and what reading them brought up.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// What was set; a `Config` can be used like its settings.
    pub settings: Settings,
    /// The file they come from; `None` if there was none.
    pub file: Option<PathBuf>,
    /// Files that secrets were read from.
    pub secret_files: Vec<PathBuf>,
    /// Every secret that was read, so that logs can be kept clear of them.
    pub secrets: Vec<SecretString>,
    /// What is not wrong, but should be looked at.
    pub warnings: Vec<ConfigError>,
}

impl Deref for Config {
    type Target = Settings;
    fn deref(&self) -> &Settings {
        &self.settings
    }
}

impl Config {
    /// Reads the configuration: the file at `path`, else the one `POINTSMAN_CONFIG` names, else
    /// `pointsman.yaml` in the working directory, else the defaults. `env` looks up environment
    /// variables.
    ///
    /// # Errors
    /// A named file that cannot be read, and everything that is wrong in it.
    pub fn load(
        path: Option<&Path>,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Config, ConfigErrors> {
        let named = path
            .map(Path::to_owned)
            .or_else(|| env("POINTSMAN_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from));
        let file = named.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
        let mut config = match std::fs::read(&file) {
            Ok(bytes) => {
                let text = String::from_utf8(bytes).map_err(|error| not_text(&file, &error))?;
                let outside = Outside { env, file: &|path| std::fs::read_to_string(path) };
                let mut config = parse(&file, text, &outside)?;
                config.file = Some(file);
                config
            }
            Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => {
                Config::default()
            }
            Err(error) => return Err(unreadable(&file, &error).into()),
        };
        if config.pepper.is_none()
            && let Some(pepper) = env("POINTSMAN_PEPPER").map(SecretString::from)
        {
            reader::long_enough(&pepper, 16).map_err(|message| ConfigError {
                file: "POINTSMAN_PEPPER".into(),
                at: None,
                message,
                help: None,
            })?;
            config.secrets.push(pepper.clone());
            config.settings.pepper = Some(pepper);
        }
        Ok(config)
    }

    /// Where what outlives the process is kept.
    pub fn state_dir(&self) -> PathBuf {
        let beside = || {
            let folder = self.file.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
            folder.join(DEFAULT_STATE)
        };
        self.settings.state_dir.clone().unwrap_or_else(beside)
    }

    /// The files and folders whose change changes the configuration.
    pub fn watched(&self) -> Vec<PathBuf> {
        let policies = self.policy.iter().chain(&self.policies).map(|path| path.to_path_buf());
        let accounts = self.providers.values().filter_map(|it| it.credentials_file.clone());
        let secrets = self.secret_files.iter().cloned().chain(accounts);
        self.file.iter().cloned().chain(secrets).chain(policies).collect()
    }
}

/// Reads the text of a configuration.
fn parse(file: &Path, text: String, outside: &Outside<'_>) -> Result<Config, ConfigErrors> {
    let folder = file.parent().unwrap_or(Path::new("")).to_owned();
    // Editors on Windows put a byte order mark in front; it would count as a column.
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    let source = Arc::new(Source { file: file.display().to_string(), folder, text });
    let tree = source.tree()?;
    let mut reader = Reader::new(Arc::clone(&source), outside);
    let settings = Settings::read(&tree, &mut reader);
    let settings = reader.finish(settings)?;
    agree(&settings)?;
    Ok(Config {
        settings,
        file: None,
        secret_files: std::mem::take(&mut reader.files),
        secrets: std::mem::take(&mut reader.secrets),
        warnings: std::mem::take(&mut reader.warnings),
    })
}

/// What one key alone cannot tell: whether they go together.
fn agree(settings: &Settings) -> Result<(), ConfigErrors> {
    let mut errors = Vec::new();
    if let Some(default) = &settings.default {
        if settings.policy.is_some() {
            let help = "`policy` already says what answers `auto`; remove one of them";
            errors.push(default.error("`policy` and `default` are both given", Some(help.into())));
        } else if settings.policies.is_none() {
            let help = "add `policies: FOLDER`, or use `policy: FILE`";
            errors.push(default.error(
                "`default` names a policy of the folder `policies`, which is not given",
                Some(help.into()),
            ));
        }
    }
    if let Some(Err(error)) = settings.admin.as_ref().map(AdminConfig::is_guarded) {
        errors.push(error);
    }
    let mut seen = std::collections::BTreeSet::new();
    for key in &settings.keys {
        if !seen.insert(key.id.as_str()) {
            let help = "ids tell keys apart in logs and budgets";
            errors.push(
                key.id.error(format!("two keys have the id `{}`", *key.id), Some(help.into())),
            );
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(ConfigErrors(errors)) }
}

fn not_text(file: &Path, error: &std::string::FromUtf8Error) -> ConfigErrors {
    let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
    let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = good.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    ConfigError {
        file: file.display().to_string(),
        at: Some((line, column)),
        message: "this byte is not UTF-8".into(),
        help: Some("save the file as UTF-8".into()),
    }
    .into()
}

fn unreadable(file: &Path, error: &io::Error) -> ConfigError {
    ConfigError {
        file: file.display().to_string(),
        at: None,
        message: format!("cannot be read: {error}"),
        help: Some("name another file with --config or POINTSMAN_CONFIG".into()),
    }
}
