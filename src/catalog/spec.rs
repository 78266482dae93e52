//! The rows as people write them: the same in the embedded files and in a configuration.
//!
//! Every field is optional, because a row may be an override that names one field only. What a
//! complete row needs is checked when it becomes a [`super::Model`].

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, MapAccess};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::model::Retention;
use super::scalar::{Day, Dollars};
use crate::policy::diagnostic::did_you_mean;

/// The complaint about a key that nobody knows, with the nearest known one.
fn unknown_key(what: &str, key: &str, known: &[&str]) -> String {
    match did_you_mean(key, known.iter().copied()) {
        Some(near) => format!("{what} has no `{key}`: did you mean `{near}`?"),
        None => format!("{what} has no `{key}`; it may have: {}", known.join(", ")),
    }
}

/// Declares a row: a struct of optional fields that is read from a map, where unknown and repeated
/// keys are errors with a suggestion, and that can be laid over another of its kind.
macro_rules! row {
    (
        $(#[$doc:meta])*
        $name:ident, $what:literal { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: Option<$type>,)*
        }

        impl $name {
            const KEYS: &'static [&'static str] = &[$(stringify!($field)),*];

            /// This row where it says something, else the row below.
            #[allow(dead_code, reason = "a list of models is merged row by row instead")]
            fn or(&self, below: &Self) -> Self {
                Self { $($field: Layer::over(&self.$field, &below.$field),)* }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;

                impl<'de> de::Visitor<'de> for Visitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(concat!($what, ": a map"))
                    }

                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        let mut row = $name::default();
                        while let Some(key) = map.next_key::<String>()? {
                            match key.as_str() {
                                $(stringify!($field) => {
                                    if row.$field.replace(map.next_value()?).is_some() {
                                        return Err(twice(&key));
                                    }
                                })*
                                _ => {
                                    let message = unknown_key($what, &key, $name::KEYS);
                                    return Err(de::Error::custom(message));
                                }
                            }
                        }
                        Ok(row)
                    }
                }

                deserializer.deserialize_map(Visitor)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(None)?;
                $(if let Some(value) = &self.$field {
                    map.serialize_entry(stringify!($field), value)?;
                })*
                map.end()
            }
        }
    };
}

fn twice<E: de::Error>(key: &str) -> E {
    E::custom(format!("`{key}` is given twice: keep one"))
}

/// How two layers of one thing become one.
pub(super) trait Layer: Clone {
    /// A later layer replaces an earlier one, unless the type says that they mix.
    fn mix(&self, _below: &Self) -> Self {
        self.clone()
    }

    /// The same where either layer may be silent.
    fn over(upper: &Option<Self>, lower: &Option<Self>) -> Option<Self> {
        match (upper, lower) {
            (Some(upper), Some(lower)) => Some(upper.mix(lower)),
            (upper, lower) => upper.as_ref().or(lower.as_ref()).cloned(),
        }
    }
}

impl Layer for bool {}
impl Layer for u64 {}
impl Layer for f64 {}
impl Layer for String {}
impl Layer for Dollars {}
impl Layer for Retention {}
impl Layer for Day {}
impl<T: Clone> Layer for Vec<T> {}
impl Layer for ModelSpec {
    fn mix(&self, below: &Self) -> Self {
        self.or(below)
    }
}
impl Layer for PriceSpec {
    fn mix(&self, below: &Self) -> Self {
        self.or(below)
    }
}
impl Layer for QualitySpec {
    fn mix(&self, below: &Self) -> Self {
        self.or(below)
    }
}

row! {
    /// One model, or the fields of it that an override changes.
    ModelSpec, "a model" {
        /// The line of models it belongs to; its own name where unsaid.
        family: String,
        /// The most tokens that prompt and answer may have together.
        context: u64,
        /// The most tokens of an answer; the whole context where unsaid.
        max_output: u64,
        /// What it costs; unpriced where unsaid.
        price: PriceSpec,
        /// What it can do; an override replaces the list.
        can: Vec<Ability>,
        /// How good it is.
        quality: QualitySpec,
        /// Free labels; an override replaces the list.
        tags: Vec<String>,
        /// Where it runs.
        region: String,
        /// How long the provider keeps prompts.
        retention: Retention,
        /// Whether the provider may train on prompts.
        trains_on_data: bool,
        /// When the provider switches it off.
        retires: Day,
        /// What the provider calls it, where that is not the row's name.
        upstream: String,
        /// Where the facts were read: a URL, or words such as `our contract`.
        source: String,
        /// When they were read.
        date: Day,
    }
}

row! {
    /// Prices, in dollars per million tokens unless said otherwise. An override may name one only.
    PriceSpec, "a price" {
        /// Prompt tokens.
        input: Dollars,
        /// Answer tokens.
        output: Dollars,
        /// Prompt tokens read from the provider's cache.
        cached: Dollars,
        /// Prompt tokens written to the provider's cache for five minutes.
        cache_write: Dollars,
        /// Prompt tokens written to the provider's cache for an hour.
        cache_write_1h: Dollars,
        /// Thinking tokens.
        reasoning: Dollars,
        /// Sound in the prompt.
        audio_input: Dollars,
        /// Sound in the answer.
        audio_output: Dollars,
        /// Images in the answer.
        image_output: Dollars,
        /// Dollars per image in the prompt, where images are not counted as tokens.
        image: Dollars,
        /// Dollars per request.
        request: Dollars,
        /// Dearer prices for longer prompts; an override replaces the list.
        above: Vec<TierSpec>,
    }
}

row! {
    /// Prices for the whole request once the prompt is longer than `tokens`. An optional class that
    /// is not named costs what its fallback costs here, not what it costs below the step.
    TierSpec, "a price step" {
        /// The longest prompt that does not pay these prices.
        tokens: u64,
        /// See [`PriceSpec`]; where unsaid, as below the step.
        input: Dollars,
        /// See [`PriceSpec`]; where unsaid, as below the step.
        output: Dollars,
        /// See [`PriceSpec`].
        cached: Dollars,
        /// See [`PriceSpec`].
        cache_write: Dollars,
        /// See [`PriceSpec`].
        cache_write_1h: Dollars,
        /// See [`PriceSpec`].
        reasoning: Dollars,
        /// See [`PriceSpec`].
        audio_input: Dollars,
        /// See [`PriceSpec`].
        audio_output: Dollars,
        /// See [`PriceSpec`].
        image_output: Dollars,
    }
}

row! {
    /// How good a model is, 0 to 100: over all, and by task.
    QualitySpec, "quality" {
        /// Over all tasks; without it the model has no quality.
        overall: f64,
        /// At writing and changing code.
        code: f64,
        /// At mathematics.
        math: f64,
        /// At conversation.
        chat: f64,
        /// At using tools over many steps.
        agent: f64,
        /// At finding facts in text.
        extract: f64,
        /// At shortening text.
        summarize: f64,
        /// At translation.
        translate: f64,
        /// At sorting into classes.
        classify: f64,
        /// At invention.
        creative: f64,
        /// Where the figures are published.
        source: String,
    }
}

impl QualitySpec {
    /// The figures by task, with the task's name.
    pub(super) fn by_task(&self) -> impl Iterator<Item = (&'static str, f64)> {
        [
            ("code", self.code),
            ("math", self.math),
            ("chat", self.chat),
            ("agent", self.agent),
            ("extract", self.extract),
            ("summarize", self.summarize),
            ("translate", self.translate),
            ("classify", self.classify),
            ("creative", self.creative),
        ]
        .into_iter()
        .filter_map(|(task, figure)| figure.map(|figure| (task, figure)))
    }
}

macro_rules! abilities {
    ($($variant:ident = $name:literal),* $(,)?) => {
        /// One thing a model can do; see [`super::model::Capabilities`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the names are the documentation")]
        pub enum Ability { $($variant),* }

        impl Ability {
            const NAMES: &'static [&'static str] = &[$($name),*];

            /// The word in a row's `can`.
            pub fn name(self) -> &'static str {
                match self { $(Ability::$variant => $name),* }
            }

            fn from_name(name: &str) -> Option<Ability> {
                match name { $($name => Some(Ability::$variant),)* _ => None }
            }
        }
    };
}

abilities! {
    Tools = "tools",
    ParallelTools = "parallel_tools",
    Json = "json",
    JsonSchema = "json_schema",
    Vision = "vision",
    Audio = "audio",
    Reasoning = "reasoning",
    Logprobs = "logprobs",
    OpenWeights = "open_weights",
    Local = "local",
    Embeddings = "embeddings",
}

impl<'de> Deserialize<'de> for Ability {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Ability::from_name(&name)
            .ok_or_else(|| de::Error::custom(unknown_key("`can`", &name, Ability::NAMES)))
    }
}

impl Serialize for Ability {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A map that keeps the order of its file and refuses a key that comes twice.
#[derive(Debug, Clone, PartialEq)]
pub struct Ordered<T>(pub Vec<(String, T)>);

impl<T: Layer> Layer for Ordered<T> {
    /// Row over row; new rows come last.
    fn mix(&self, below: &Self) -> Self {
        let mut mixed = below.clone();
        for (name, row) in &self.0 {
            match mixed.0.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => *known = row.mix(known),
                None => mixed.0.push((name.clone(), row.clone())),
            }
        }
        mixed
    }
}

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Ordered(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Visitor<T> {
            type Value = Ordered<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from names to rows")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered<T>, A::Error> {
                let mut entries = Vec::new();
                let mut names = std::collections::HashSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    if !names.insert(name.clone()) {
                        return Err(twice(&name));
                    }
                    entries.push((name, map.next_value()?));
                }
                Ok(Ordered(entries))
            }
        }

        deserializer.deserialize_map(Visitor(PhantomData))
    }
}

impl<T: Serialize> Serialize for Ordered<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, row)| (name, row)))
    }
}

/// The models of one provider: an embedded file, or an entry of a configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ProviderModels {
    /// The provider's short name.
    pub provider: String,
    /// What holds for each of the models that does not say otherwise.
    pub defaults: ModelSpec,
    /// The models, by the name they have behind the provider's.
    pub models: Ordered<ModelSpec>,
}

impl<'de> Deserialize<'de> for ProviderModels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        row! {
            /// [`ProviderModels`] before it is known to name its provider.
            Entry, "a list of models" {
                /// See [`ProviderModels`].
                provider: String,
                /// See [`ProviderModels`].
                defaults: ModelSpec,
                /// See [`ProviderModels`].
                models: Ordered<ModelSpec>,
            }
        }
        let entry = Entry::deserialize(deserializer)?;
        Ok(ProviderModels {
            provider: entry.provider.ok_or_else(|| {
                de::Error::custom("a list of models needs `provider`: whose models they are")
            })?,
            defaults: entry.defaults.unwrap_or_default(),
            models: entry.models.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn refused(yaml: &str) -> String {
        serde_yaml::from_str::<ProviderModels>(yaml).unwrap_err().to_string()
    }

    #[test]
    fn unknown_keys_are_refused_with_the_nearest_one() {
        assert_snapshot!(
            refused("provider: x\nmodels:\n  m:\n    contxt: 8000\n"),
            @"models.m: a model has no `contxt`: did you mean `context`? at line 4 column 5"
        );
        assert_snapshot!(
            refused("provider: x\nmodels:\n  m: { price: { inptu: 1 } }\n"),
            @"models.m.price: a price has no `inptu`: did you mean `input`? at line 3 column 15"
        );
        assert_snapshot!(
            refused("provider: x\nmodels:\n  m: { can: [tool] }\n"),
            @"models.m.can: `can` has no `tool`: did you mean `tools`? at line 3 column 13"
        );
        assert_snapshot!(
            refused("provider: x\nquux: 1\n"),
            @"a list of models has no `quux`; it may have: provider, defaults, models"
        );
    }

    #[test]
    fn repeated_keys_are_refused() {
        assert_snapshot!(
            refused("provider: x\nmodels:\n  m: { context: 1 }\n  m: { context: 2 }\n"),
            @"models: `m` is given twice: keep one at line 3 column 3"
        );
        assert_snapshot!(
            refused("provider: x\nmodels:\n  m: { context: 1, context: 2 }\n"),
            @"models.m: `context` is given twice: keep one at line 3 column 6"
        );
    }

    #[test]
    fn a_price_of_the_wrong_kind_says_what_is_wanted() {
        assert_snapshot!(
            refused("provider: x\nmodels:\n  m: { price: { input: cheap } }\n"),
            @"models.m.price.input: `cheap` is not an amount of dollars: write it like 0.25 at line 3 column 24"
        );
    }

    #[test]
    fn an_upper_layer_changes_only_what_it_names() {
        let row = |yaml: &str| serde_yaml::from_str::<ModelSpec>(yaml).unwrap();
        let below = row("{ context: 8000, price: { input: 1, output: 2 }, can: [tools] }");
        let above = row("{ price: { input: 0.5 }, can: [json] }");
        assert_eq!(
            above.mix(&below),
            row("{ context: 8000, price: { input: 0.5, output: 2 }, can: [json] }")
        );
    }

    #[test]
    fn rows_survive_being_written_and_read() {
        let text = "provider: x\ndefaults: { region: us, date: 2026-01-02 }\nmodels:\n  \"m:1\": \
                    { price: { input: 0.1, output: 3 }, can: [tools], quality: { overall: 7.5 } }\n";
        let rows: ProviderModels = serde_yaml::from_str(text).unwrap();
        let again = serde_yaml::from_str(&serde_yaml::to_string(&rows).unwrap()).unwrap();
        assert_eq!(rows, again);
    }
}
