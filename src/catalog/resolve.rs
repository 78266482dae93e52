//! From rows to models: layers are laid over each other, and what comes out is checked.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use super::model::{Capabilities, Model, Prices, Quality, TokenPrices};
use super::scalar::Dollars;
use super::spec::{Ability, Layer, ModelSpec, PriceSpec, ProviderModels, QualitySpec, TierSpec};
use crate::ids::{ModelId, ProviderId};
use crate::units::{PricePerMillion, Tokens};

/// Where a price of a configuration comes from, when it does not say.
const CONFIGURED: &str = "configuration";

/// What is wrong with one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Whose models they are.
    pub provider: String,
    /// The row's name; absent where the provider itself is at fault.
    pub model: Option<String>,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.model {
            Some(model) => write!(f, "{}/{model}: {}", self.provider, self.message),
            None => write!(f, "{}: {}", self.provider, self.message),
        }
    }
}

/// Rows that do not make a catalogue: all that is wrong with them, one line each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
pub struct CatalogError {
    /// Never empty.
    pub problems: Vec<Problem>,
}

/// Lays the rows of a configuration over those below: row over row, defaults over defaults.
///
/// A row still wins over any defaults, so that `defaults: { retention: zero }` says something about
/// an account without touching what the catalogue says about a single model.
pub(super) fn overlay(below: &mut Vec<ProviderModels>, above: &[ProviderModels]) {
    for upper in above {
        let lower = match below.iter_mut().position(|lower| lower.provider == upper.provider) {
            Some(known) => &mut below[known],
            None => {
                let defaults =
                    ModelSpec { source: Some(CONFIGURED.to_owned()), ..ModelSpec::default() };
                let provider = upper.provider.clone();
                below.push(ProviderModels { provider, defaults, ..ProviderModels::default() });
                let last = below.len() - 1;
                &mut below[last]
            }
        };
        lower.defaults = upper.defaults.mix(&lower.defaults);
        let mut models = upper.models.clone();
        for (_, row) in &mut models.0 {
            if row.price.is_some() && row.source.is_none() {
                // Else the ledger would name the provider's price list for a price of our own.
                row.source = Some(CONFIGURED.to_owned());
            }
        }
        lower.models = models.mix(&lower.models);
    }
}

/// The models of these rows, in their order.
pub(super) fn models(rows: &[ProviderModels]) -> Result<Vec<Model>, CatalogError> {
    let mut texts = Texts::default();
    let (mut models, mut problems) = (Vec::new(), Vec::new());
    for provider in rows {
        if !is_provider_name(&provider.provider) {
            problems.push(Problem {
                provider: provider.provider.clone(),
                model: None,
                message: "a provider's name is lower-case letters, digits and `-`".to_owned(),
            });
            continue;
        }
        for (name, row) in &provider.models.0 {
            let row = row.mix(&provider.defaults);
            match model(&provider.provider, name, &row, &mut texts) {
                Ok(model) => models.push(model),
                Err(messages) => problems.extend(messages.into_iter().map(|message| Problem {
                    provider: provider.provider.clone(),
                    model: Some(name.clone()),
                    message,
                })),
            }
        }
    }
    if problems.is_empty() { Ok(models) } else { Err(CatalogError { problems }) }
}

/// One copy of each text, however many models share it.
#[derive(Default)]
struct Texts(HashSet<Arc<str>>);

impl Texts {
    fn share(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        let text: Arc<str> = Arc::from(text);
        self.0.insert(Arc::clone(&text));
        text
    }
}

fn is_provider_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// What the policy grammar can write behind the provider's slash.
fn is_model_name(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.:@".contains(&b))
    };
    name.split('/').all(part)
}

/// One complete row as a model, or everything that is wrong with it.
fn model(
    provider: &str,
    name: &str,
    row: &ModelSpec,
    texts: &mut Texts,
) -> Result<Model, Vec<String>> {
    let mut wrong = Vec::new();
    if !is_model_name(name) {
        wrong.push("a model's name is letters, digits and `_ - . : @ /`".to_owned());
    }
    let context = row.context.unwrap_or_default();
    if context == 0 {
        wrong.push("no `context`: how many tokens prompt and answer may have together".to_owned());
    }
    let max_output = row.max_output.unwrap_or(context);
    if context > 0 && !(1..=context).contains(&max_output) {
        wrong.push(format!("`max_output` is {max_output}; it lies between 1 and `context`"));
    }
    let prices = match row.price.as_ref().map(prices).transpose() {
        Ok(prices) => prices,
        Err(messages) => {
            wrong.extend(messages);
            None
        }
    };
    let capabilities = capabilities(row.can.as_deref().unwrap_or_default());
    if capabilities.parallel_tools && !capabilities.tools {
        wrong.push("`can` has parallel_tools without tools".to_owned());
    }
    if capabilities.json_schema && !capabilities.json {
        wrong.push("`can` has json_schema without json".to_owned());
    }
    let quality = match row.quality.as_ref().map(|spec| quality(spec, texts)).transpose() {
        Ok(quality) => quality.flatten(),
        Err(message) => {
            wrong.push(message);
            None
        }
    };
    let source = row.source.as_deref().unwrap_or_default().trim();
    if source.is_empty() {
        wrong.push("no `source`: where the facts were read".to_owned());
    }
    let Some(date) = row.date else {
        wrong.push("no `date`: when the facts were read, such as 2026-11-22".to_owned());
        return Err(wrong);
    };
    if !wrong.is_empty() {
        return Err(wrong);
    }
    Ok(Model {
        id: ModelId::new(format!("{provider}/{name}")),
        provider: ProviderId::new(texts.share(provider)),
        upstream_name: texts.share(row.upstream.as_deref().unwrap_or(name)),
        family: texts.share(row.family.as_deref().unwrap_or(name)),
        context: Tokens(context),
        max_output: Tokens(max_output),
        capabilities,
        prices,
        region: row.region.as_deref().map(|region| texts.share(region)),
        retention: row.retention.unwrap_or_default(),
        // Nothing said is no promise.
        trains_on_data: row.trains_on_data.unwrap_or(true),
        quality,
        tags: row.tags.iter().flatten().map(|tag| texts.share(tag)).collect(),
        retires: row.retires.map(|day| day.0),
        source: texts.share(source),
        date: date.0,
    })
}

fn capabilities(abilities: &[Ability]) -> Capabilities {
    let mut can = Capabilities::default();
    for ability in abilities {
        *match ability {
            Ability::Tools => &mut can.tools,
            Ability::ParallelTools => &mut can.parallel_tools,
            Ability::Json => &mut can.json,
            Ability::JsonSchema => &mut can.json_schema,
            Ability::Vision => &mut can.vision,
            Ability::Audio => &mut can.audio,
            Ability::Reasoning => &mut can.reasoning,
            Ability::Logprobs => &mut can.logprobs,
            Ability::OpenWeights => &mut can.open_weights,
            Ability::Local => &mut can.local,
            Ability::Embeddings => &mut can.embeddings,
        } = true;
    }
    can
}

fn quality(spec: &QualitySpec, texts: &mut Texts) -> Result<Option<Quality>, String> {
    let figures = spec.overall.iter().copied().chain(spec.by_task().map(|(_, figure)| figure));
    if let Some(figure) = figures.into_iter().find(|figure| !(0.0..=100.0).contains(figure)) {
        return Err(format!("`quality` {figure} does not lie between 0 and 100"));
    }
    // Defaults may name the source for all rows; a row without a figure has no quality.
    let Some(overall) = spec.overall else {
        return match spec.by_task().next() {
            Some((task, _)) => Err(format!("`quality` has `{task}` but no `overall`")),
            None => Ok(None),
        };
    };
    let Some(source) = spec.source.as_deref().filter(|source| !source.trim().is_empty()) else {
        return Err("`quality` without `source`: where the figure is published".to_owned());
    };
    Ok(Some(Quality {
        overall,
        by_task: spec.by_task().map(|(task, figure)| (texts.share(task), figure)).collect(),
        source: texts.share(source),
    }))
}

/// Dollars per million units are nano-dollars per million units.
fn per_million(dollars: Dollars) -> PricePerMillion {
    PricePerMillion(dollars.0.0)
}

fn prices(spec: &PriceSpec) -> Result<Prices, Vec<String>> {
    let (Some(input), Some(output)) = (spec.input, spec.output) else {
        return Err(vec![
            "a price needs `input` and `output`, in dollars per million tokens; leave `price` out \
             where it is not known"
                .to_owned(),
        ]);
    };
    let base = TokenPrices {
        input: per_million(input),
        output: per_million(output),
        cached: spec.cached.map(per_million),
        cache_write: spec.cache_write.map(per_million),
        cache_write_1h: spec.cache_write_1h.map(per_million),
        reasoning: spec.reasoning.map(per_million),
        audio_input: spec.audio_input.map(per_million),
        audio_output: spec.audio_output.map(per_million),
        image_output: spec.image_output.map(per_million),
    };
    let mut wrong = Vec::new();
    check(&base, "", &mut wrong);
    let mut above: Vec<(Tokens, TokenPrices)> = Vec::new();
    for step in spec.above.iter().flatten() {
        let threshold = Tokens(step.tokens.unwrap_or_default());
        if threshold.0 == 0 {
            wrong.push("a price step needs `tokens`: the longest prompt below it".to_owned());
        } else if above.last().is_some_and(|(previous, _)| *previous >= threshold) {
            wrong.push(format!("the price steps are not in order: {threshold} is out of place"));
        }
        let prices = tier(step, &base);
        check(&prices, &format!(" above {threshold} tokens"), &mut wrong);
        above.push((threshold, prices));
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let (image, request) = (spec.image.map(|d| d.0), spec.request.map(|d| d.0));
    Ok(Prices { base, above, image, request })
}

fn tier(step: &TierSpec, base: &TokenPrices) -> TokenPrices {
    TokenPrices {
        input: step.input.map_or(base.input, per_million),
        output: step.output.map_or(base.output, per_million),
        cached: step.cached.map(per_million),
        cache_write: step.cache_write.map(per_million),
        cache_write_1h: step.cache_write_1h.map(per_million),
        reasoning: step.reasoning.map(per_million),
        audio_input: step.audio_input.map(per_million),
        audio_output: step.audio_output.map(per_million),
        image_output: step.image_output.map(per_million),
    }
}

/// Prices that are certainly a slip of the pen.
fn check(prices: &TokenPrices, at: &str, wrong: &mut Vec<String>) {
    /// Ten times the dearest text model ever sold.
    const ABSURD: PricePerMillion = PricePerMillion(10_000 * 1_000_000_000);

    if let Some(cached) = prices.cached.filter(|cached| *cached > prices.input) {
        wrong.push(format!(
            "`cached` ({cached}) is dearer than `input` ({}){at}: are they swapped?",
            prices.input
        ));
    }
    let all = [
        Some(prices.input),
        Some(prices.output),
        prices.cache_write,
        prices.cache_write_1h,
        prices.reasoning,
        prices.audio_input,
        prices.audio_output,
        prices.image_output,
    ];
    if let Some(price) = all.into_iter().flatten().find(|price| *price > ABSURD) {
        wrong.push(format!("{price}{at} cannot be right: prices are dollars per million tokens"));
    }
}

/// Which rows share a name behind the provider's slash.
pub(super) fn by_bare_name(models: &[Model]) -> HashMap<Box<str>, Vec<super::ModelIdx>> {
    let mut names: HashMap<Box<str>, Vec<super::ModelIdx>> = HashMap::new();
    for (index, model) in (0..).zip(models) {
        names.entry(model.id.model().into()).or_default().push(super::ModelIdx(index));
    }
    names
}
