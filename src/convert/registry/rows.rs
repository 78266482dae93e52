//! Rows of a `pointsman.yaml`: models that the catalogue has not, or has with other facts.

use serde_yaml::{Mapping, Value};

use super::super::catalogue::essence;
use super::super::report::Report;
use super::super::write::decimal;
use super::Deployment;
use crate::catalog::{Catalog, Model};
use crate::provider::table::{self, Place};
use crate::units::{NanoDollars, PricePerMillion};

/// What a source says of a model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// The model behind a deployment's name.
    pub base_model: Option<String>,
    /// Tokens of prompt and answer together.
    pub context: Option<u64>,
    /// Tokens of an answer.
    pub max_output: Option<u64>,
    /// Dollars per million prompt tokens.
    pub input: Option<f64>,
    /// Dollars per million answer tokens.
    pub output: Option<f64>,
    /// Dollars per million cached prompt tokens.
    pub cached: Option<f64>,
    /// Words of `can` it is said to have.
    pub can: Vec<&'static str>,
    /// Words of `can` it is said not to have.
    pub cannot: Vec<&'static str>,
}

/// A name that policies can write.
pub(super) fn row_name(model: &str) -> String {
    let clean: String = model
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "_-.:@/".contains(c) { c } else { '-' })
        .collect();
    let parts: Vec<&str> = clean
        .split('/')
        .map(|part| part.trim_end_matches('-'))
        .filter(|it| !it.is_empty())
        .collect();
    // `..` is a range, and `->` an arrow.
    let name = parts.join("/").replace("..", ".");
    if name.is_empty() { "model".to_owned() } else { name }
}

/// Adds a row under its name, or under another where that name means something else already.
pub(super) fn add_row(rows: &mut Vec<(String, Mapping)>, name: &str, row: Mapping) -> String {
    let mut free = name.to_owned();
    let mut number = 2;
    loop {
        match rows.iter().find(|(known, _)| *known == free) {
            Some((_, known)) if *known == row => return free,
            Some(_) => {
                free = format!("{name}-{number}");
                number += 1;
            }
            None => {
                rows.push((free.clone(), row));
                return free;
            }
        }
    }
}

/// The provider of the catalogue that stands for servers of one's own, for kinds that are such.
pub(super) fn own_server(kind: &str) -> Option<&'static str> {
    ["ollama", "vllm", "lmstudio", "llamacpp"].contains(&kind).then_some("local")
}

/// What a source says otherwise than the catalogue.
pub(super) fn overrides(facts: &Facts, model: &Model) -> Mapping {
    let mut row = Mapping::new();
    let known = model.prices.as_ref().map(|prices| prices.base);
    let differs = |said: Option<f64>, known: Option<u64>| {
        said.is_some_and(|said| (said * 1e9).round() as u64 != known.unwrap_or(u64::MAX))
    };
    if differs(facts.input, known.map(|it| it.input.0))
        || differs(facts.output, known.map(|it| it.output.0))
    {
        let price =
            |said: Option<f64>, known: Option<u64>| said.or(known.map(|it| it as f64 / 1e9));
        let price = price_map(
            price(facts.input, known.map(|it| it.input.0)),
            price(facts.output, known.map(|it| it.output.0)),
            facts.cached,
        );
        row.extend(price.map(|price| ("price".into(), Value::Mapping(price))));
    }
    let context = facts.context.unwrap_or(model.context.0);
    let max_output = facts.max_output.unwrap_or(model.max_output.0).min(context);
    if context != model.context.0 {
        row.insert("context".into(), context.into());
    }
    if max_output != model.max_output.0 {
        row.insert("max_output".into(), max_output.into());
    }
    let known: Vec<&str> = model.capabilities.words().collect();
    let more = facts.can.iter().any(|word| !known.contains(word));
    if more || facts.cannot.iter().any(|word| known.contains(word)) {
        row.insert("can".into(), can(known, facts));
    }
    row
}

fn price_map(input: Option<f64>, output: Option<f64>, cached: Option<f64>) -> Option<Mapping> {
    let (input, output) = (input?, output?);
    let amount = |dollars: f64| -> Option<Value> {
        (0.0..=10_000.0).contains(&dollars).then(|| Value::String(decimal(dollars)))
    };
    let mut price = Mapping::new();
    price.insert("input".into(), amount(input)?);
    price.insert("output".into(), amount(output)?);
    if let Some(cached) = cached.filter(|cached| *cached <= input).and_then(amount) {
        price.insert("cached".into(), cached);
    }
    Some(price)
}

/// A row for a model that the catalogue has not at this provider; empty where nothing is known.
pub(super) fn full_row(
    deployment: &Deployment,
    kind: &str,
    name: &str,
    near: Option<&Model>,
) -> Mapping {
    let facts = &deployment.facts;
    let mut row = Mapping::new();
    let said = *facts != Facts { base_model: facts.base_model.clone(), ..Facts::default() };
    if name != deployment.model {
        row.insert("upstream".into(), deployment.model.as_str().into());
    }
    if near.is_none() && !said && row.is_empty() {
        return row;
    }
    let family = near.map_or("unknown", |near| &near.family);
    row.insert("family".into(), family.into());
    let context = facts.context.filter(|it| *it > 0);
    let context = context.or(near.map(|near| near.context.0)).unwrap_or(128_000);
    row.insert("context".into(), context.into());
    let max_output = facts.max_output.filter(|it| *it > 0);
    let max_output = max_output.or(near.map(|near| near.max_output.0)).unwrap_or(32_000);
    row.insert("max_output".into(), max_output.min(context).into());
    // Another provider's price says nothing about this one's.
    let priced = [Some(kind), own_server(kind)];
    let of_kind = near.filter(|near| priced.contains(&Some(near.provider.as_str())));
    let known = of_kind.and_then(|near| near.prices.as_ref()).map(|prices| prices.base);
    let free = deployment.model.ends_with(":free");
    let per = |price: PricePerMillion| NanoDollars(price.0).to_string().parse::<f64>().ok();
    let zero = free.then_some(0.0);
    let price = price_map(
        facts.input.or(zero).or_else(|| known.and_then(|it| per(it.input))),
        facts.output.or(zero).or_else(|| known.and_then(|it| per(it.output))),
        facts.cached.or_else(|| known.and_then(|it| it.cached).and_then(per)).filter(|_| !free),
    );
    row.extend(price.map(|price| ("price".into(), Value::Mapping(price))));
    let mut known = near.map_or_else(
        || vec!["tools", "parallel_tools", "json", "json_schema"],
        |model| model.capabilities.words().collect(),
    );
    if own_server(kind).is_none() {
        // Where it runs is not a fact of the model.
        known.retain(|word| *word != "local");
    } else if !known.contains(&"local") {
        known.push("local");
    }
    row.insert("can".into(), can(known, facts));
    row
}

/// The words of `can`: those that are known, with what the source says of them.
fn can(mut can: Vec<&'static str>, facts: &Facts) -> Value {
    if facts.can.contains(&"embeddings") {
        can.clear();
    }
    can.extend(&facts.can);
    can.retain(|word| !facts.cannot.contains(word));
    if !can.contains(&"tools") {
        can.retain(|word| *word != "parallel_tools");
    }
    if can.contains(&"json_schema") {
        can.push("json");
    }
    can.sort_unstable();
    can.dedup();
    Value::Sequence(can.into_iter().map(Value::from).collect())
}

/// Says that a model is a row of its own, and where its facts come from.
pub(super) fn unknown_model(
    report: &Report,
    path: &str,
    id: &str,
    near: Option<&Model>,
    row: &Mapping,
) {
    let unpriced =
        if row.contains_key("price") { "" } else { "; it has no price, so caps keep it out" };
    match near {
        Some(near) => report.changed(
            path,
            format!("`{id}` is a row of pointsman.yaml"),
            format!(
                "the catalogue has it not under this name; its facts are those of `{}`{unpriced}",
                near.id
            ),
        ),
        None => report.changed(
            path,
            format!("`{id}` is a row of pointsman.yaml"),
            format!(
                "the catalogue does not know it; what the source does not say is assumed (128 000 \
                 tokens of context, tools, JSON){unpriced}"
            ),
        ),
    }
}

/// The models of the catalogue that are this one, one of each provider in the table.
pub fn everywhere<'c>(catalog: &'c Catalog, name: &str) -> Vec<&'c Model> {
    let wanted = essence(name);
    let mut found: Vec<&Model> = Vec::new();
    for model in catalog.models().iter().filter(|model| essence(model.id.model()) == wanted) {
        let cloud =
            table::entry(model.provider.as_str()).is_some_and(|it| it.place == Place::Cloud);
        match found.iter_mut().find(|known| known.provider == model.provider) {
            // Longer names are dated, or of a region.
            Some(known) if known.id.as_str().len() > model.id.as_str().len() => *known = model,
            Some(_) => {}
            None if cloud => found.push(model),
            None => {}
        }
    }
    found
}
