//! Which providers and models the result needs: models of the catalogue where it has them, and else
//! rows of a `pointsman.yaml`, which `rows` makes.

mod rows;

use std::collections::HashSet;

use serde_yaml::{Mapping, Value};

use super::catalogue::{exact, nearest, nearest_at};
use super::providers::{Home, host};
use super::report::Report;
use super::{Kind, source::Node};
use crate::catalog::Catalog;
use crate::provider::table::{self, Entry, Place};
pub use rows::{Facts, everywhere};
use rows::{add_row, full_row, overrides, own_server, row_name, unknown_model};

/// A value that may be secret: never written into the result itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// It is in this environment variable.
    Env(String),
    /// It stood in the source.
    Literal(String),
}

impl Secret {
    /// `os.environ/NAME`, `${NAME}`, `$NAME`, `{{NAME}}`, or the text itself.
    pub fn read(text: &str) -> Secret {
        let text = text.trim();
        let inner = text
            .strip_prefix("os.environ/")
            .or_else(|| text.strip_prefix("${").and_then(|it| it.strip_suffix('}')))
            .or_else(|| text.strip_prefix("{{").and_then(|it| it.strip_suffix("}}")))
            .or_else(|| text.strip_prefix('$'))
            .or_else(|| text.strip_prefix("env."))
            .map(|name| name.trim().trim_start_matches("env."));
        match inner {
            Some(name) if is_variable(name) => Secret::Env(name.to_owned()),
            _ => Secret::Literal(text.to_owned()),
        }
    }
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A setting that is no secret, with the variables it names filled in by Pointsman.
pub fn plain(text: &str) -> String {
    match Secret::read(text) {
        Secret::Env(name) => format!("${{{name}}}"),
        Secret::Literal(text) => text.replace("${", "$${"),
    }
}

/// A model at a place, as a source describes it.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// Where.
    pub home: Home,
    /// What it is called there.
    pub model: String,
    /// The address, where it is said.
    pub base_url: Option<String>,
    /// The credentials, the first one first.
    pub keys: Vec<Secret>,
    /// Other settings of the provider by their names in `pointsman.yaml`; see [`SECRETS`].
    pub settings: Vec<(&'static str, Secret)>,
    /// What is known of the model.
    pub facts: Facts,
}

impl Deployment {
    /// A model of a provider, without anything said about it.
    pub fn of(home: Home, model: impl Into<String>) -> Deployment {
        Deployment {
            home,
            model: model.into(),
            base_url: None,
            keys: Vec::new(),
            settings: Vec::new(),
            facts: Facts::default(),
        }
    }
}

/// Settings of a provider that are secrets as well.
const SECRETS: &[&str] = &["access_key_id", "secret_access_key", "session_token"];

/// What people write where a server needs no key but a client insists on one.
const PLACEHOLDERS: &[&str] = &[
    "none",
    "null",
    "empty",
    "dummy",
    "fake",
    "not-needed",
    "na",
    "n/a",
    "ollama",
    "lm-studio",
    "no-key",
    "sk-no-key-required",
    "sk-dummy",
    "sk-1234",
    "sk-123",
    "placeholder",
    "local",
    "x",
];

/// A provider of the result.
#[derive(Debug)]
struct Instance {
    id: String,
    kind: &'static str,
    base_url: Option<String>,
    keys: Vec<Secret>,
    settings: Vec<(&'static str, Secret)>,
    rows: Vec<(String, Mapping)>,
    /// Whether anything at all was said about it.
    said: bool,
    /// Where in the source it was first spoken of.
    path: String,
}

/// The providers and models of the result.
pub struct Registry<'c> {
    catalog: &'c Catalog,
    instances: Vec<Instance>,
    client_keys: Vec<(String, Secret)>,
}

impl<'c> Registry<'c> {
    /// One that knows the catalogue.
    pub fn new(catalog: &'c Catalog) -> Self {
        Registry { catalog, instances: Vec::new(), client_keys: Vec::new() }
    }

    /// The catalogue.
    pub fn catalog(&self) -> &'c Catalog {
        self.catalog
    }

    /// A key that clients present.
    pub fn client_key(&mut self, id: &str, key: Secret) {
        self.client_keys.push((id.to_owned(), key));
    }

    /// The id of a deployment's model in policies; the provider and a row are added where need be.
    pub fn model(&mut self, deployment: &Deployment, report: &Report, path: &str) -> String {
        let index = self.instance(deployment, report, path);
        let catalog = self.catalog;
        let instance = &mut self.instances[index];
        let own = instance.id == instance.kind;
        let known = own.then(|| exact(catalog, instance.kind, &deployment.model)).flatten();
        if let Some(model) = known {
            let row = overrides(&deployment.facts, model);
            let name = model.id.model().to_owned();
            if !row.is_empty() {
                add_row(&mut instance.rows, &name, row);
            }
            return model.id.to_string();
        }
        let name = row_name(&deployment.model);
        let like = deployment.facts.base_model.as_deref().unwrap_or(&deployment.model);
        let like = like.rsplit_once('/').map_or(like, |(_, bare)| bare);
        let near = exact(catalog, instance.kind, &deployment.model)
            .or_else(|| exact(catalog, instance.kind, like))
            .or_else(|| own_server(instance.kind).and_then(|at| nearest_at(catalog, at, like)))
            .or_else(|| nearest(catalog, instance.kind, like));
        let row = full_row(deployment, instance.kind, &name, near);
        if !instance.rows.iter().any(|(known, _)| *known == name) {
            unknown_model(report, path, &format!("{}/{name}", instance.id), near, &row);
        }
        let name = add_row(&mut instance.rows, &name, row);
        format!("{}/{name}", instance.id)
    }

    /// Adds a deployment's provider, whichever of its models are asked.
    pub fn provider(&mut self, deployment: &Deployment, report: &Report, path: &str) {
        self.instance(deployment, report, path);
    }

    fn instance(&mut self, deployment: &Deployment, report: &Report, path: &str) -> usize {
        let (kind, mut base_url, wanted, key_env) = self.place(deployment);
        let entry = table::entry(kind);
        if let Some(url) = &mut base_url
            && let Some(cut) = url.find(['?', '#'])
        {
            url.truncate(cut);
            report.changed(
                path,
                "the address ends before its `?`",
                "Pointsman adds versions itself",
            );
        }
        let base_url = base_url.map(|url| url.trim_end_matches('/').to_owned());
        let local = entry.is_none_or(|entry| entry.place == Place::Local);
        let mut keys: Vec<Secret> = deployment.keys.clone();
        keys.retain(|key| match key {
            Secret::Literal(text) => {
                let text = text.to_lowercase();
                !(local && (text.is_empty() || PLACEHOLDERS.contains(&text.as_str())))
            }
            Secret::Env(_) => true,
        });
        if keys.is_empty()
            && let Some(variable) = key_env
        {
            keys.push(Secret::Env(variable.to_owned()));
        }
        let known = self.instances.iter_mut().position(|it| {
            it.kind == kind
                && it.base_url == base_url
                && it.settings == deployment.settings
                && (keys.is_empty()
                    || it.keys.is_empty()
                    || keys.iter().all(|key| it.keys.contains(key)))
        });
        if let Some(known) = known {
            if self.instances[known].keys.is_empty() && !keys.is_empty() {
                self.instances[known].keys = keys;
                self.instances[known].said = true;
                self.instances[known].path = path.to_owned();
            }
            return known;
        }
        let id = self.free_id(&wanted, kind);
        let said = base_url.is_some() || !keys.is_empty() || !deployment.settings.is_empty();
        let settings = deployment.settings.clone();
        self.instances.push(Instance {
            id,
            kind,
            base_url,
            keys,
            settings,
            rows: Vec::new(),
            said,
            path: path.to_owned(),
        });
        self.instances.len() - 1
    }

    /// The kind, the address, a wish for the id, and the variable with the key.
    fn place(
        &self,
        deployment: &Deployment,
    ) -> (&'static str, Option<String>, String, Option<&'static str>) {
        match deployment.home {
            Home::Compatible { id, base_url, key_env } => {
                let url = deployment.base_url.clone().unwrap_or_else(|| base_url.to_owned());
                ("openai-compatible", Some(url), id.to_owned(), Some(key_env))
            }
            Home::Known(kind) => {
                let Some(url) = &deployment.base_url else {
                    return (kind, None, kind.to_owned(), None);
                };
                let entry = table::entry(kind);
                let own =
                    entry.and_then(|entry| entry.base_url).map(|own| own.trim_end_matches('/'));
                if own == Some(url.trim_end_matches('/')) {
                    return (kind, None, kind.to_owned(), None);
                }
                // Somebody else's server that speaks OpenAI's format is not OpenAI.
                if kind == "openai" {
                    return ("openai-compatible", Some(url.clone()), wish(url), None);
                }
                (kind, Some(url.clone()), kind.to_owned(), None)
            }
        }
    }

    /// An id that no other provider has, here or in the catalogue.
    fn free_id(&self, wanted: &str, kind: &str) -> String {
        let of_others = |id: &str| {
            id != kind
                && (table::entry(id).is_some()
                    || self.catalog.models().iter().any(|m| m.provider.as_str() == id))
        };
        let own = of_others(wanted).then(|| format!("own-{wanted}"));
        let wanted = own.as_deref().unwrap_or(wanted);
        let mut id = wanted.to_owned();
        let mut number = 2;
        loop {
            let taken = self.instances.iter().any(|it| it.id == id) || of_others(&id);
            if !taken {
                return id;
            }
            id = format!("{wanted}-{number}");
            number += 1;
        }
    }

    /// The variables that the source itself names: no other secret may be read from them.
    fn variables(&self) -> HashSet<String> {
        let of_instance = |it: &Instance| {
            let settings = it.settings.iter().map(|(_, value)| value);
            it.keys.iter().chain(settings).cloned().collect::<Vec<_>>()
        };
        let secrets = self.instances.iter().flat_map(of_instance);
        let secrets = secrets.chain(self.client_keys.iter().map(|(_, key)| key.clone()));
        let named = secrets.filter_map(|secret| match secret {
            Secret::Env(name) => Some(name),
            Secret::Literal(_) => None,
        });
        named.collect()
    }

    /// The text of the `pointsman.yaml`, if there is anything to say in it.
    pub fn config(&self, kind: Kind, report: &Report) -> Option<String> {
        let mut variables: Vec<String> = Vec::new();
        let mut taken = self.variables();
        let mut root = Mapping::new();
        let mut providers = Mapping::new();
        for instance in self.instances.iter().filter(|it| it.said || !it.rows.is_empty()) {
            let map = instance_map(instance, &mut variables, &mut taken, report);
            if map.is_empty() {
                continue;
            }
            providers.insert(instance.id.as_str().into(), Value::Mapping(map));
        }
        if !providers.is_empty() {
            root.insert("providers".into(), Value::Mapping(providers));
        }
        let keys: Vec<Value> = self
            .client_keys
            .iter()
            .map(|(id, key)| {
                let variable = match key {
                    Secret::Env(name) => name.clone(),
                    Secret::Literal(_) => {
                        free_variable(format!("POINTSMAN_{}_KEY", shouted(id)), &mut taken)
                    }
                };
                let mut map = Mapping::new();
                map.insert("id".into(), id.as_str().into());
                map.insert("key".into(), reference(&variable, &mut variables));
                Value::Mapping(map)
            })
            .collect();
        if !keys.is_empty() {
            root.insert("keys".into(), Value::Sequence(keys));
        }
        if root.is_empty() {
            return None;
        }
        let yaml = match serde_yaml::to_string(&root) {
            Ok(yaml) => yaml,
            Err(error) => {
                report.left("", "pointsman.yaml", format!("it could not be written: {error}"));
                return None;
            }
        };
        let mut text = format!(
            "# Converted by `pointsman convert` from a configuration of {}.\n",
            kind.title()
        );
        if !variables.is_empty() {
            text += "# These variables must be set:\n";
            for variable in &variables {
                text += &format!("#   {variable}\n");
            }
        }
        text.push_str(&yaml);
        Some(text)
    }
}

fn reference(variable: &str, variables: &mut Vec<String>) -> Value {
    if !variables.iter().any(|known| known == variable) {
        variables.push(variable.to_owned());
    }
    format!("${{{variable}}}").into()
}

fn shouted(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
        .collect()
}

/// A variable like this one that nothing else is read from.
fn free_variable(wanted: String, taken: &mut HashSet<String>) -> String {
    let mut free = wanted.clone();
    let mut number = 2;
    while !taken.insert(free.clone()) {
        free = format!("{wanted}_{number}");
        number += 1;
    }
    free
}

fn instance_map(
    instance: &Instance,
    variables: &mut Vec<String>,
    taken: &mut HashSet<String>,
    report: &Report,
) -> Mapping {
    let mut map = Mapping::new();
    if instance.id != instance.kind {
        map.insert("kind".into(), instance.kind.into());
    }
    if let Some(url) = &instance.base_url {
        map.insert("base_url".into(), url.as_str().into());
        note_variables(url, variables);
    }
    let usual = table::entry(instance.kind).and_then(|entry: &Entry| entry.key_env.first());
    let literals = instance.keys.iter().filter(|it| matches!(it, Secret::Literal(_))).count();
    let mut number = 0;
    let keys: Vec<Value> = instance
        .keys
        .iter()
        .map(|key| {
            let variable = match key {
                Secret::Env(name) => name.clone(),
                Secret::Literal(_) => {
                    number += 1;
                    let base = match usual {
                        Some(usual) if instance.id == instance.kind => (*usual).to_owned(),
                        _ => format!("{}_API_KEY", shouted(&instance.id)),
                    };
                    let wanted = if literals > 1 { format!("{base}_{number}") } else { base };
                    let variable = free_variable(wanted, taken);
                    report.changed(
                        &instance.path,
                        format!(
                            "the key of provider `{}` is read from `{variable}` now",
                            instance.id
                        ),
                        "keys are not copied; put this key into that variable",
                    );
                    variable
                }
            };
            reference(&variable, variables)
        })
        .collect();
    match keys.len() {
        0 => {}
        1 => _ = keys.into_iter().next().map(|key| map.insert("api_key".into(), key)),
        _ => _ = map.insert("api_keys".into(), Value::Sequence(keys)),
    }
    for (name, value) in &instance.settings {
        let value: Value = match value {
            Secret::Env(variable) => reference(variable, variables),
            Secret::Literal(_) if SECRETS.contains(name) => {
                let wanted = format!("{}_{}", shouted(&instance.id), shouted(name));
                let variable = free_variable(wanted, taken);
                reference(&variable, variables)
            }
            Secret::Literal(text) => text.replace("${", "$${").into(),
        };
        map.insert((*name).into(), value);
    }
    if !instance.rows.is_empty() {
        let rows = instance.rows.iter().map(|(name, row)| {
            if row.is_empty() {
                return name.as_str().into();
            }
            let mut full = Mapping::new();
            full.insert("name".into(), name.as_str().into());
            full.extend(row.clone());
            Value::Mapping(full)
        });
        map.insert("models".into(), Value::Sequence(rows.collect()));
    }
    map
}

/// The variables in a text such as `https://${HOST}/v1`.
fn note_variables(text: &str, variables: &mut Vec<String>) {
    for part in text.split("${").skip(1) {
        if let Some((name, _)) = part.split_once('}') {
            reference(name, variables);
        }
    }
}

/// An id for a server of one's own: its host, if that is a name.
fn wish(url: &str) -> String {
    let host = host(url).unwrap_or_default();
    let first = host.split('.').next().unwrap_or_default().to_lowercase();
    let is_name = first.starts_with(|c: char| c.is_ascii_alphabetic())
        && first.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    match first.as_str() {
        "" | "localhost" | "host" | "api" | "www" => "own-server".to_owned(),
        name if is_name => name.to_owned(),
        _ => "own-server".to_owned(),
    }
}

/// The keys and settings of AWS and Google as they are called in all sources.
pub fn account(node: &Node<'_>, names: &[(&str, &'static str)]) -> Vec<(&'static str, Secret)> {
    let mut settings: Vec<(&'static str, Secret)> = Vec::new();
    for (theirs, ours) in names {
        if let Some(value) = node.get(theirs).and_then(|it| it.scalar())
            && settings.iter().all(|(known, _)| known != ours)
        {
            settings.push((ours, Secret::read(&value)));
        }
    }
    settings
}
