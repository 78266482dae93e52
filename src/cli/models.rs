//! `pointsman models`

use std::path::PathBuf;

use serde_json::json;

use super::{DONE, FAILED, output};
use crate::catalog::Model;
use crate::units::{NanoDollars, PricePerMillion};

/// List the models of the catalogue, with what the configuration adds.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only models whose id holds this.
    filter: Option<String>,
    /// The configuration whose models are meant.
    #[arg(long, short, env = "POINTSMAN_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print everything about them as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> u8 {
    let catalog = match super::check::catalog_of(args.config.clone()) {
        Ok((catalog, _)) => catalog,
        Err(problems) => {
            output::problem(problems.to_string());
            return FAILED;
        }
    };
    let filter = args.filter.as_deref().unwrap_or_default();
    let found: Vec<&Model> =
        catalog.models().iter().filter(|model| model.id.as_str().contains(filter)).collect();
    if args.json {
        let rows: Vec<_> = found.iter().map(|model| told(model)).collect();
        output::line(json!(rows).to_string());
        return DONE;
    }
    let title = ["model", "context", "input", "output", "quality", "region", "can"];
    let mut rows = vec![title.map(str::to_owned).to_vec()];
    rows.extend(found.iter().map(|model| row(model)));
    output::table(&rows);
    output::line(format!(
        "\n{} models; prices in dollars per million tokens; catalogue {}",
        found.len(),
        catalog.version()
    ));
    DONE
}

fn dollars(price: PricePerMillion) -> String {
    NanoDollars(price.0).to_string()
}

fn row(model: &Model) -> Vec<String> {
    let unknown = || "?".to_owned();
    let price = |read: fn(&crate::catalog::model::TokenPrices) -> PricePerMillion| {
        model.prices.as_ref().map_or_else(unknown, |prices| dollars(read(&prices.base)))
    };
    vec![
        model.id.to_string(),
        match model.context.0 {
            few @ 0..1_000 => few.to_string(),
            tokens => format!("{}k", tokens / 1_000),
        },
        price(|prices| prices.input),
        price(|prices| prices.output),
        model.quality.as_ref().map_or_else(unknown, |quality| format!("{:.1}", quality.overall)),
        model.region.as_deref().map_or_else(unknown, str::to_owned),
        abilities(model).join(" "),
    ]
}

/// What tells models apart: nearly all can call several tools at once, and write JSON.
fn abilities(model: &Model) -> Vec<&'static str> {
    let words = model.capabilities.words();
    words.filter(|word| !matches!(*word, "parallel_tools" | "json")).collect()
}

fn told(model: &Model) -> serde_json::Value {
    let prices = model.prices.as_ref().map(|prices| {
        json!({
            "input": dollars(prices.base.input),
            "output": dollars(prices.base.output),
            "cached": prices.base.cached.map(dollars),
            "image": prices.image.map(|price| price.to_string()),
            "request": prices.request.map(|price| price.to_string()),
        })
    });
    json!({
        "id": model.id,
        "provider": model.provider,
        "upstream": model.upstream_name,
        "family": model.family,
        "context": model.context,
        "max_output": model.max_output,
        "price": prices,
        "can": abilities(model),
        "region": model.region,
        "retention": model.retention.name(),
        "trains_on_data": model.trains_on_data,
        "quality": model.quality.as_ref().map(|quality| {
            json!({ "overall": quality.overall, "source": quality.source })
        }),
        "tags": model.tags,
        "retires": model.retires.map(|date| date.to_string()),
        "source": model.source,
        "date": model.date.to_string(),
    })
}
