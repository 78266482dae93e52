//! Everything a request is decided and carried out with: one immutable bundle, swapped as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::auth::Keyring;
use super::policy_files::{name_of, policies_of};
use crate::catalog::spec::ProviderModels;
use crate::catalog::{Catalog, ModelIdx};
use crate::config::{Config, ProviderConfig, ServedModel};
use crate::dispatch::{Clients, Endpoints, Health};
use crate::ids::{PolicyName, ProviderId};
use crate::policy::diagnostic::Severity;
use crate::policy::program::{ModelSet, Program, Timeouts};
use crate::policy::schema::Attr;
use crate::policy::{self, Compiled, Surroundings, syntax};
use crate::provider::table::{self, Place};
use crate::provider::{Provider, Settings};

/// What answers `auto` where nobody wrote a policy.
const BUILT_IN_POLICY: &str = include_str!("../../policies/01-hello-auto.policy");
/// The policy of `pointsman demo`.
pub const DEMO_POLICY: &str = include_str!("../../policies/demo.policy");

/// A configuration brought to life.
#[derive(Clone)]
pub struct World {
    /// Models and prices.
    pub catalog: Arc<Catalog>,
    /// The models whose provider is configured.
    pub enabled: Arc<ModelSet>,
    /// Who can be asked.
    pub endpoints: Arc<Endpoints>,
    /// How the models are doing.
    pub health: Arc<Health>,
    /// Who may ask.
    pub keyring: Arc<Keyring>,
    /// The policies by name.
    pub policies: BTreeMap<PolicyName, Arc<Program>>,
    /// Where they come from.
    pub sources: BTreeMap<PolicyName, PolicySource>,
    /// The headers that they look at.
    pub named_headers: Arc<[Arc<str>]>,
    /// The folder that new ones may be put into.
    pub folder: Option<PathBuf>,
    /// Which of them answers plain `auto`.
    pub default_policy: PolicyName,
    /// The clocks where a policy says nothing.
    pub clocks: Timeouts,
}

/// Where the built-in provider listens, where policies come from: what the configuration alone does
/// not say.
pub struct Setting<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Looks up environment variables.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The address of the built-in provider.
    pub sim: Option<SocketAddr>,
    /// A policy text that stands in for the configured ones: name and text.
    pub policy: Option<(&'a str, &'a str)>,
}

/// Everything that keeps a configuration from coming to life, ready to be shown.
#[derive(Debug, Clone)]
pub struct Problems(pub Vec<String>);

impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl World {
    /// Builds a world. Of `previous` the health figures are taken over where the models are the
    /// same, and the open connections.
    ///
    /// # Errors
    /// With every problem there is; nothing is half built.
    pub fn build(setting: &Setting<'_>, previous: Option<&World>) -> Result<World, Problems> {
        let mut problems = Vec::new();
        let catalog = catalog(setting.config, &mut problems);
        let catalog_stands = problems.is_empty();
        if !problems.is_empty() {
            // Policies would be blamed for models that could not be read.
            return Err(Problems(problems));
        }
        let clients = match previous {
            Some(world) => Ok(world.endpoints.clients()),
            None => {
                Clients::new(setting.config.timeouts.connect).map_err(|error| error.to_string())
            }
        };
        let clients = match clients {
            Ok(clients) => clients,
            Err(error) => {
                problems.push(error);
                return Err(Problems(problems));
            }
        };
        let providers = providers(setting, &mut problems);
        let endpoints = Arc::new(Endpoints::new(providers, clients));
        let enabled = Arc::new(ModelSet::of(&catalog, |model| {
            endpoints.has(&catalog.models()[model.index()].provider)
        }));
        let keyring = match Keyring::of(setting.config) {
            Ok(keyring) => Some(keyring),
            Err(errors) => {
                problems.push(errors.to_string());
                None
            }
        };
        let sources = policy_sources(setting, &mut problems);
        let mut policies = BTreeMap::new();
        // Without its models every policy would be wrong, which hides what really is.
        for source in sources.iter().filter(|_| catalog_stands) {
            if let Some(program) = source.compile(&catalog, &mut problems) {
                policies.insert(source.name.clone(), program);
            }
        }
        let default_policy = match &setting.config.default {
            Some(default) if setting.policy.is_none() => {
                if sources.iter().all(|source| source.name != **default) {
                    let message = format!("there is no policy `{}`", **default);
                    problems.push(default.error(message, None).to_string());
                }
                (**default).clone()
            }
            _ => default_among(&sources),
        };
        let (Some(keyring), true) = (keyring, problems.is_empty()) else {
            return Err(Problems(problems));
        };
        let health = match previous {
            Some(world) if world.catalog.version() == catalog.version() => world.health.clone(),
            _ => Arc::new(Health::new(catalog.models().len())),
        };
        let timeouts = &setting.config.timeouts;
        let clocks = Timeouts {
            total: Some(timeouts.total),
            attempt: None,
            connect: Some(timeouts.connect),
            headers: Some(timeouts.headers),
            ttft: Some(timeouts.ttft),
            idle: Some(timeouts.idle),
        };
        let keyring = Arc::new(keyring);
        let folder = setting.config.policies.as_ref().filter(|_| setting.policy.is_none());
        let folder = folder.map(|folder| folder.to_path_buf());
        let sources = sources.into_iter().map(|source| (source.name.clone(), source)).collect();
        Ok(World {
            catalog,
            enabled,
            endpoints,
            health,
            keyring,
            named_headers: named_headers(&policies),
            policies,
            sources,
            folder,
            default_policy,
            clocks,
        })
    }

    /// The same world with one policy in another version, or with one more.
    pub fn with_policy(&self, source: PolicySource, program: Arc<Program>) -> World {
        let mut world = self.clone();
        world.policies.insert(source.name.clone(), program);
        world.sources.insert(source.name.clone(), source);
        world.named_headers = named_headers(&world.policies);
        world
    }

    /// Another text for a policy: where it would stand, ready to be compiled. `None` where there
    /// is no such policy and no folder for a new one.
    pub fn source_with(&self, name: &PolicyName, text: String) -> Option<PolicySource> {
        if let Some(known) = self.sources.get(name) {
            return Some(PolicySource { text, ..known.clone() });
        }
        let path = self.folder.as_ref()?.join(format!("{name}.policy"));
        Some(PolicySource { text, ..PolicySource::at(&path, String::new()) })
    }

    /// The models that can be asked, in the order of the catalogue.
    pub fn models(&self) -> impl Iterator<Item = (ModelIdx, &crate::catalog::Model)> {
        let all = (0..).map(ModelIdx).zip(self.catalog.models());
        all.filter(|(index, _)| self.enabled.contains(*index))
    }
}

/// The headers that conditions of these policies look at.
fn named_headers(policies: &BTreeMap<PolicyName, Arc<Program>>) -> Arc<[Arc<str>]> {
    let asked = policies.values().flat_map(|program| program.asks());
    let headers = asked.filter(|asked| asked.attr == Attr::Header).filter_map(|asked| asked.index);
    let unique: BTreeSet<Arc<str>> = headers.collect();
    unique.into_iter().collect()
}

/// The embedded catalogue with what the configuration adds to it.
pub fn catalog(config: &Config, problems: &mut Vec<String>) -> Arc<Catalog> {
    let mut rows: Vec<ProviderModels> = Vec::new();
    if let Some(models) = &config.models {
        match models.parse::<Vec<ProviderModels>>() {
            Ok(more) => rows.extend(more),
            Err(error) => problems.push(error.to_string()),
        }
    }
    for (id, provider) in config.providers.iter() {
        for served in &provider.models {
            match served_row(id, provider, served) {
                Ok(row) => rows.push(row),
                Err(error) => problems.push(error),
            }
        }
    }
    if rows.is_empty() {
        return Arc::new(Catalog::embedded());
    }
    match Catalog::extended(&rows) {
        Ok(catalog) => Arc::new(catalog),
        Err(error) => {
            problems.push(error.to_string());
            Arc::new(Catalog::embedded())
        }
    }
}

/// A model that the configuration says is served somewhere, as a row of the catalogue.
fn served_row(
    id: &ProviderId,
    provider: &ProviderConfig,
    served: &ServedModel,
) -> Result<ProviderModels, String> {
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let models = match served {
        // Of a bare name nothing is known. It is taken to do what nearly every server does, and to
        // have the room that nearly every model has; whoever knows better writes a row.
        ServedModel::Name(name) => serde_json::json!({
            (**name).as_str(): {
                "family": "unknown",
                "context": 128_000,
                "max_output": 32_000,
                "can": ["tools", "parallel_tools", "json", "json_schema"],
            }
        }),
        ServedModel::Row(raw) => {
            let mut row = raw.parse::<serde_json::Value>().map_err(|error| error.to_string())?;
            let name = row.as_object_mut().and_then(|row| row.remove("name"));
            let Some(serde_json::Value::String(name)) = name else {
                let help = "write `- { name: MODEL, context: 128000, … }`".to_owned();
                return Err(raw.error("this model has no `name`", Some(help)).to_string());
            };
            serde_json::json!({ name: row })
        }
    };
    let mut defaults = serde_json::json!({ "date": today.to_string(), "source": "configuration" });
    if let Some(region) = &provider.region {
        defaults["region"] = region.as_str().into();
    }
    let row = serde_json::json!({ "provider": id, "defaults": defaults, "models": models });
    // Through text, because it has all digits of a price; JSON is YAML.
    serde_yaml::from_str(&row.to_string()).map_err(|error| match served {
        ServedModel::Row(raw) => raw.error(error.to_string(), None).to_string(),
        ServedModel::Name(name) => name.error(error.to_string(), None).to_string(),
    })
}

fn providers(setting: &Setting<'_>, problems: &mut Vec<String>) -> Vec<Provider> {
    let configured = &setting.config.providers;
    let mut found = Vec::new();
    for (id, provider) in configured.iter() {
        if !provider.enabled {
            continue;
        }
        let kind = provider.kind.as_ref().map_or_else(|| id.as_str(), |kind| kind.as_str());
        let Some(entry) = table::entry(kind) else {
            problems.push(unknown_kind(id, provider, kind));
            continue;
        };
        let credentials: Vec<_> = provider.credentials().cloned().map(Some).collect();
        let credentials = if credentials.is_empty() { vec![None] } else { credentials };
        let before = found.len();
        for credential in credentials {
            let settings = Settings {
                id: Some(id.clone()),
                base_url: provider
                    .base_url
                    .as_ref()
                    .map(|url| url.as_str().to_owned())
                    .or_else(|| sim_url(setting, entry)),
                dialect: provider.dialect,
                credential,
                headers: provider
                    .headers
                    .0
                    .iter()
                    .map(|(name, value)| (name.to_string(), value.clone()))
                    .collect(),
                api_version: provider.api_version.clone(),
                connect_timeout: provider.connect_timeout,
                region: provider.region.clone(),
                profile: provider.profile.clone(),
                access_key_id: provider.access_key_id.clone(),
                secret_access_key: provider.secret_access_key.clone(),
                session_token: provider.session_token.clone(),
                project: provider.project.clone(),
                location: provider.location.clone(),
                credentials_file: provider.credentials_file.clone(),
            };
            match Provider::resolve(entry, settings, setting.env) {
                Ok(resolved) => found.extend(resolved),
                Err(error) => problems.push(error.to_string()),
            }
        }
        if found.len() == before && problems.is_empty() {
            let lacks = entry.lacks();
            let what = format!("provider `{id}`: it is in the configuration, but {lacks}");
            problems.push(what);
        }
    }
    // Whoever has a key in the environment is on without being named.
    for entry in table::PROVIDERS {
        if entry.place == Place::BuiltIn || configured.iter().any(|(id, _)| id.as_str() == entry.id)
        {
            continue;
        }
        match Provider::resolve(entry, Settings::default(), setting.env) {
            Ok(resolved) => found.extend(resolved),
            Err(error) => problems.push(error.to_string()),
        }
    }
    let sim = configured.iter().any(|(id, provider)| {
        provider.kind.as_ref().map_or_else(|| id.as_str(), |kind| kind.as_str()) == "sim"
    });
    if !sim
        && found.is_empty()
        && let Some(entry) = table::entry("sim")
    {
        let settings = Settings { base_url: sim_url(setting, entry), ..Settings::default() };
        match Provider::resolve(entry, settings, setting.env) {
            Ok(resolved) => found.extend(resolved),
            Err(error) => problems.push(error.to_string()),
        }
    }
    found
}

fn sim_url(setting: &Setting<'_>, entry: &table::Entry) -> Option<String> {
    let address = setting.sim.filter(|_| entry.place == Place::BuiltIn)?;
    Some(format!("http://{address}/v1"))
}

fn unknown_kind(id: &ProviderId, provider: &ProviderConfig, kind: &str) -> String {
    let known = table::PROVIDERS.iter().map(|entry| entry.id);
    let near = policy::diagnostic::did_you_mean(kind, known);
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "for a server that speaks OpenAI's format write `kind: openai-compatible` and a \
                 `base_url`"
            .to_owned(),
    };
    let message = format!("provider `{id}`: there is no kind of provider `{kind}`");
    match &provider.kind {
        Some(kind) => kind.error(message, Some(help)).to_string(),
        None => format!("{message}; {help}"),
    }
}

/// A policy's text and where it comes from.
#[derive(Debug, Clone)]
pub struct PolicySource {
    /// The policy.
    pub name: PolicyName,
    /// Its file, as people know it.
    pub file: String,
    /// The file; `None` for a policy that comes with the program.
    pub path: Option<PathBuf>,
    /// What it says.
    pub text: String,
}

impl PolicySource {
    /// A policy in a file; it is called like the file.
    fn at(path: &Path, text: String) -> PolicySource {
        let name = name_of(path);
        PolicySource { name, file: path.display().to_string(), path: Some(path.to_owned()), text }
    }

    /// A policy without a file.
    fn built_in(name: &str, file: String, text: &str) -> PolicySource {
        PolicySource { name: PolicyName::new(name), file, path: None, text: text.to_owned() }
    }

    /// Reads, checks, compiles and tests it; reads the files that it speaks of, and of `draft` the text
    /// that it might get.
    pub fn compiled(&self, catalog: &Arc<Catalog>, draft: Option<&PolicySource>) -> Compiled {
        let folder = self.path.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
        let files = |name: &str| {
            let path = folder.join(name);
            match draft.filter(|draft| draft.path.as_ref().is_some_and(|it| is_same(it, &path))) {
                Some(draft) => Ok(draft.text.clone()),
                None => std::fs::read_to_string(path).map_err(|error| error.to_string()),
            }
        };
        let surroundings = Surroundings::new(catalog, &files).on(jiff::Zoned::now().date());
        policy::compile(&self.name, &self.file, &self.text, &surroundings).tested()
    }

    fn compile(&self, catalog: &Arc<Catalog>, problems: &mut Vec<String>) -> Option<Arc<Program>> {
        let compiled = self.compiled(catalog, None);
        let waiting = compiled.program.iter().flat_map(|program| &program.waiting);
        for diagnostic in compiled.diagnostics.iter().chain(waiting) {
            let shown = syntax::render(diagnostic, &compiled.sources, false);
            if diagnostic.severity == Severity::Error {
                problems.push(shown);
            } else {
                tracing::warn!(policy = %self.name, "{shown}");
            }
        }
        if compiled.program.is_none() && compiled.is_good() {
            let why = "it only declares names for other policies, so there is nothing to serve";
            problems.push(format!("the policy {}: {why}", self.file));
        }
        compiled.program
    }
}

/// Whether two paths lead to one file.
fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    one == other || real(one).is_some_and(|one| Some(one) == real(other))
}

fn policy_sources(setting: &Setting<'_>, problems: &mut Vec<String>) -> Vec<PolicySource> {
    if let Some((name, text)) = setting.policy {
        return vec![PolicySource::built_in(name, format!("{name}.policy"), text)];
    }
    let mut sources = Vec::new();
    let mut add = |path: &Path, problems: &mut Vec<String>| match std::fs::read_to_string(path) {
        Ok(text) => sources.push(PolicySource::at(path, text)),
        Err(error) => problems.push(format!("cannot read the policy {}: {error}", path.display())),
    };
    if let Some(path) = &setting.config.policy {
        add(path, problems);
    }
    if let Some(folder) = &setting.config.policies {
        match policies_of(folder) {
            Ok(files) => {
                if files.is_empty() {
                    let message = format!("the folder {} holds no policy", folder.display());
                    let help = "put a file `NAME.policy` or `NAME.policy.yaml` into it".to_owned();
                    problems.push(folder.error(message, Some(help)).to_string());
                }
                files.iter().for_each(|file| add(file, problems));
            }
            Err(error) => {
                let message = format!("cannot read the folder {}: {error}", folder.display());
                problems.push(folder.error(message, None).to_string());
            }
        }
    }
    for (index, source) in sources.iter().enumerate() {
        let other = sources[..index].iter().find(|other| {
            let paths = source.path.as_deref().zip(other.path.as_deref());
            other.name == source.name && paths.is_some_and(|(one, other)| !is_same(one, other))
        });
        if let Some(other) = other {
            let (name, one, two) = (&source.name, &other.file, &source.file);
            problems.push(format!("two policies are called {name}: {one} and {two}"));
        }
    }
    if setting.config.policy.is_none() && setting.config.policies.is_none() {
        let file = "built-in default.policy".to_owned();
        sources.push(PolicySource::built_in("default", file, BUILT_IN_POLICY));
    }
    sources
}

/// One that is called `default` or `main`, else the first.
fn default_among(sources: &[PolicySource]) -> PolicyName {
    let named = |name: &str| sources.iter().find(|source| source.name.as_str() == name);
    named("default")
        .or_else(|| named("main"))
        .or(sources.first())
        .map_or_else(|| PolicyName::new("default"), |source| source.name.clone())
}
