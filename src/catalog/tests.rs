use insta::assert_snapshot;

use super::*;
use crate::units::{NanoDollars, PricePerMillion, Tokens};

fn rows(yaml: &str) -> ProviderModels {
    serde_yaml::from_str(yaml).unwrap()
}

fn enabled(names: &'static [&'static str]) -> impl Fn(&ProviderId) -> bool {
    |provider| names.contains(&provider.as_str())
}

fn find<'a>(catalog: &'a Catalog, id: &str) -> &'a Model {
    let idx = catalog.get(&ModelId::new(id)).unwrap_or_else(|| panic!("no {id}"));
    &catalog[idx]
}

/// `data/openai.yaml:12` for a row of an embedded file.
fn place(problem: &Problem) -> String {
    let text = embedded::FILES.iter().find(|(id, _)| *id == problem.provider).map(|(_, t)| *t);
    let key = problem.model.as_deref().unwrap_or_default();
    let line = text.unwrap_or_default().lines().position(|line| {
        let name = line.trim().trim_end_matches(':').trim_matches('"');
        line.starts_with("  ") && line.ends_with(':') && name == key
    });
    format!("data/{}.yaml:{}", problem.provider, line.map_or(1, |line| line + 1))
}

#[test]
fn every_embedded_row_is_sound() {
    let mut findings = Vec::new();
    for (id, text) in embedded::FILES {
        match serde_yaml::from_str::<ProviderModels>(text) {
            Err(error) => findings.push(format!("data/{id}.yaml: {error}")),
            Ok(file) if file.provider != *id => {
                findings.push(format!("data/{id}.yaml:1: says `provider: {}`", file.provider));
            }
            Ok(file) => {
                let problems = resolve::models(&[file]).err().map(|error| error.problems);
                let lines = problems.iter().flatten().map(|p| format!("{}: {p}", place(p)));
                findings.extend(lines);
            }
        }
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn a_finding_names_its_line() {
    for (provider, text) in embedded::FILES {
        let file: ProviderModels = serde_yaml::from_str(text).unwrap();
        for (name, _) in file.models.0 {
            let problem = Problem {
                provider: (*provider).to_owned(),
                model: Some(name.clone()),
                message: String::new(),
            };
            let place = place(&problem);
            let line: usize = place.rsplit(':').next().unwrap().parse().unwrap();
            assert!(text.lines().nth(line - 1).unwrap().contains(&name), "{place} is not {name}");
        }
    }
}

#[test]
fn every_file_of_the_folder_is_embedded() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/catalog/data");
    let mut on_disk: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| {
            Some(entry.unwrap().file_name().to_str()?.strip_suffix(".yaml")?.into())
        })
        .collect();
    let mut listed: Vec<&str> = embedded::FILES.iter().map(|(id, _)| *id).collect();
    on_disk.sort();
    listed.sort();
    assert_eq!(on_disk, listed);
}

#[test]
fn the_catalogue_is_broad() {
    let catalog = Catalog::embedded();
    let real = |model: &&Model| !["sim", "local", "ollama"].contains(&model.provider.as_str());
    let providers: std::collections::HashSet<_> =
        catalog.models().iter().filter(real).map(|model| &model.provider).collect();
    assert!(catalog.models().len() >= 250, "{} models", catalog.models().len());
    assert!(providers.len() >= 18, "{} providers", providers.len());
    let rated = catalog.models().iter().filter(real).filter(|model| model.quality.is_some());
    assert!(rated.count() >= 60);
}

#[test]
fn the_models_of_the_documentation_exist() {
    let catalog = Catalog::embedded();
    for id in [
        "openai/gpt-5",
        "openai/gpt-5-mini",
        "openai/gpt-5-nano",
        "google/gemini-2.5-flash",
        "google/gemini-2.5-flash-lite",
        "anthropic/claude-sonnet-4.5",
        "anthropic/claude-haiku-4.5",
        "local/qwen3-8b",
        "sim/tiny",
        "sim/small",
        "sim/medium",
        "sim/large",
        "sim/reasoner",
        "sim/vision",
    ] {
        find(&catalog, id);
    }
}

#[test]
fn facts_arrive_exactly() {
    let catalog = Catalog::embedded();
    let mini = find(&catalog, "openai/gpt-5-mini");
    let prices = mini.prices.as_ref().unwrap();
    assert_eq!(prices.base.input, PricePerMillion(250_000_000));
    assert_eq!(prices.base.cached, Some(PricePerMillion(25_000_000)));
    assert_eq!((mini.context, mini.max_output), (Tokens(400_000), Tokens(128_000)));
    assert!(mini.capabilities.json_schema && !mini.capabilities.local);

    let sonnet = find(&catalog, "anthropic/claude-sonnet-4.5");
    assert_eq!(&*sonnet.upstream_name, "claude-sonnet-4-5");
    assert_eq!(&*sonnet.family, "claude-sonnet");

    let pro = find(&catalog, "google/gemini-2.5-pro").prices.clone().unwrap();
    assert_eq!(pro.at(Tokens(200_000)).input, PricePerMillion(1_250_000_000));
    assert_eq!(pro.at(Tokens(200_001)).input, PricePerMillion(2_500_000_000));

    let grok = find(&catalog, "xai/grok-4.5").prices.clone().unwrap();
    assert_eq!(grok.at(Tokens(200_000)).input, PricePerMillion(4_000_000_000));

    assert_eq!(find(&catalog, "nvidia/openai/gpt-oss-120b").prices, None);
    let free = find(&catalog, "local/qwen3-8b").prices.clone().unwrap();
    assert_eq!(free.base.output, PricePerMillion(0));
}

#[test]
fn an_override_changes_one_field_and_leaves_the_rest() {
    let catalog = Catalog::extended(&[rows(
        "provider: openai\nmodels:\n  gpt-5-mini: { price: { output: 1.5 } }\n",
    )])
    .unwrap();
    let mini = find(&catalog, "openai/gpt-5-mini");
    let prices = mini.prices.as_ref().unwrap();
    assert_eq!(prices.base.output, PricePerMillion(1_500_000_000));
    assert_eq!(prices.base.input, PricePerMillion(250_000_000));
    assert_eq!(mini.context, Tokens(400_000));
    assert_eq!(&*mini.source, "configuration");
    assert_eq!(catalog.models().len(), Catalog::embedded().models().len());
    assert_ne!(catalog.version(), Catalog::embedded().version());
}

#[test]
fn an_override_may_add_models_and_providers() {
    let catalog = Catalog::extended(&[
        rows("provider: openai\nmodels:\n  ft-mine: { context: 9000, upstream: 'ft:mine' }\n"),
        rows(
            "provider: rack-7\ndefaults: { date: 2026-11-01, region: eu-central }\nmodels:\n  \
             house/blend: { context: 32000, price: { input: 0.1, output: 0.2, request: 0.001 } }\n",
        ),
    ])
    .unwrap();
    let mine = find(&catalog, "openai/ft-mine");
    assert_eq!((&*mine.upstream_name, mine.region.as_deref()), ("ft:mine", Some("us")));
    assert_eq!(mine.prices, None);
    let blend = find(&catalog, "rack-7/house/blend");
    assert_eq!(blend.prices.as_ref().unwrap().request, Some(NanoDollars(1_000_000)));
    assert_eq!((blend.max_output, &*blend.family), (Tokens(32_000), "house/blend"));
    assert!(blend.trains_on_data, "nothing said is no promise");
}

#[test]
fn defaults_of_an_override_hold_for_the_whole_provider_but_not_over_a_row() {
    let catalog = Catalog::extended(&[rows(
        "provider: google\ndefaults: { retention: zero, trains_on_data: false }\n",
    )])
    .unwrap();
    let flash = find(&catalog, "google/gemini-2.5-flash");
    assert_eq!(flash.retention.name(), "zero");
    assert!(find(&catalog, "google/gemma-3-27b-it").trains_on_data);
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let error = Catalog::extended(&[
        rows(
            "provider: x\nmodels:\n  a: { context: 10, max_output: 11, price: { input: 1 } }\n  b: \
             { can: [parallel_tools, json_schema], quality: { overall: 101 } }\n",
        ),
        rows(
            "provider: openai\nmodels:\n  gpt-5: { price: { cached: 2, above: [{ tokens: 5 }, { \
             tokens: 5, input: 20000 }] } }\n",
        ),
        rows("provider: Big Rack\n"),
    ])
    .unwrap_err();
    assert_snapshot!(error, @r"
    openai/gpt-5: `cached` ($2/Mtok) is dearer than `input` ($1.25/Mtok): are they swapped?
    openai/gpt-5: the price steps are not in order: 5 is out of place
    openai/gpt-5: $20000/Mtok above 5 tokens cannot be right: prices are dollars per million tokens
    x/a: `max_output` is 11; it lies between 1 and `context`
    x/a: a price needs `input` and `output`, in dollars per million tokens; leave `price` out where it is not known
    x/a: no `date`: when the facts were read, such as 2026-11-22
    x/b: no `context`: how many tokens prompt and answer may have together
    x/b: `can` has parallel_tools without tools
    x/b: `can` has json_schema without json
    x/b: `quality` 101 does not lie between 0 and 100
    x/b: no `date`: when the facts were read, such as 2026-11-22
    Big Rack: a provider's name is lower-case letters, digits and `-`
    ");
}

#[test]
fn names_are_looked_up_among_enabled_providers() {
    let catalog = Catalog::embedded();
    let found = |name, providers| match catalog.by_name(name, enabled(providers)) {
        Lookup::Found(idx) => catalog[idx].id.to_string(),
        other => format!("{other:?}"),
    };
    assert_eq!(found("openai/gpt-5", &[]), "openai/gpt-5");
    assert_eq!(found("gpt-5", &["openai", "anthropic"]), "openai/gpt-5");
    assert_eq!(found("gpt-5", &["azure"]), "azure/gpt-5");
    assert_snapshot!(
        found("gpt-5", &["openai", "azure"]),
        @r#"Ambiguous([ModelId("openai/gpt-5"), ModelId("azure/gpt-5")])"#
    );
    assert_snapshot!(
        found("gpt-5", &["groq"]),
        @r#"Unknown { near: [ModelId("openai/gpt-5"), ModelId("azure/gpt-5")] }"#
    );
    assert_snapshot!(
        found("openai/gpt5-mini", &["openai"]),
        @r#"Unknown { near: [ModelId("openai/gpt-5-mini"), ModelId("openai/gpt-4o-mini"), ModelId("openai/gpt-5.4-mini")] }"#
    );
    assert_snapshot!(
        found("openai/claude-sonnet-4.5", &["openai"]),
        @r#"Unknown { near: [ModelId("anthropic/claude-sonnet-4.5")] }"#
    );
    assert_snapshot!(
        found("something-else-entirely", &["openai"]),
        @"Unknown { near: [] }"
    );
    assert_eq!(found("", &["openai"]), "Unknown { near: [] }");
    assert_eq!(found(&"x".repeat(100_000), &["openai"]), "Unknown { near: [] }");
}

#[test]
fn the_same_rows_have_the_same_version() {
    assert_eq!(Catalog::embedded().version(), Catalog::embedded().version());
}

/// A measurement, not a check: `cargo test --release load_time -- --ignored --nocapture`.
#[test]
#[ignore = "prints how long the catalogue takes to load"]
fn load_time() {
    fn best<T>(what: &str, mut work: impl FnMut() -> T) {
        let mut times: Vec<_> = (0..50)
            .map(|_| {
                let start = std::time::Instant::now();
                std::hint::black_box(work());
                start.elapsed()
            })
            .collect();
        times.sort();
        println!("{what}: best {:?}, median {:?}", times[0], times[times.len() / 2]);
    }

    best("all", Catalog::embedded);
    best("read the rows", embedded::rows);
    let rows = embedded::rows();
    best("rows to models", || resolve::models(&rows).unwrap());
    let models = resolve::models(&rows).unwrap();
    best("index and hash", || Catalog::of(models.clone()));
}
