//! What is told about the thing under the pointer.

use std::fmt::Write as _;

use lsp_types::{Contents, Hover, MarkupContent, MarkupKind, Position};

use super::context::Context;
use super::documents::{Cursor, Workspace};
use super::index::{Declaration, Kind, What};
use super::{diagnostics, words};
use crate::catalog::{Catalog, Model};
use crate::ids::ModelId;
use crate::policy::program::{Pick, PickBy};
use crate::policy::schema::{Attr, AttrDef, Cost, Subject};
use crate::policy::syntax::tree::{Literal, LiteralValue, PriceUnit, Span};
use crate::units::{NanoDollars, PricePerMillion};

/// Longer definitions are cut.
const MOST_LINES: usize = 24;
/// Larger pools are cut.
const MOST_MEMBERS: usize = 15;

/// What there is to tell at a position.
pub fn hover(workspace: &Workspace, path: &str, position: Position) -> Option<Hover> {
    let cursor = *workspace.cursors(path, position).first()?;
    let mut parts: Vec<String> = Vec::new();
    let mut range = None;
    if let Some(spot) = cursor.policy.index.at(cursor.byte)
        && let Some(text) = told(workspace, cursor, &spot.what, spot.span)
    {
        parts.push(text);
        range = Some(cursor.policy.range(spot.span));
    } else if let Some(document) = workspace.open.get(path) {
        let context = Context::at(&document.text, document.lines.byte(&document.text, position));
        if let Some((word, place, span)) = context.and_then(|it| it.word())
            && let Some(doc) = words::doc(&word, place)
        {
            parts.push(format!("**{word}**\n\n{doc}"));
            range = Some(document.lines.range(&document.text, span));
        }
    }
    let codes = diagnostics::codes_at(cursor.policy, cursor.byte);
    parts.extend(codes.into_iter().filter_map(diagnostics::page));
    if parts.is_empty() {
        return None;
    }
    let contents = MarkupContent { kind: MarkupKind::Markdown, value: parts.join("\n\n---\n\n") };
    Some(Hover { contents: Contents::MarkupContent(contents), range })
}

fn told(workspace: &Workspace, cursor: Cursor<'_>, what: &What, span: Span) -> Option<String> {
    Some(match what {
        What::Declared(number) | What::Used(number) => declaration(workspace, cursor, *number),
        What::Attribute(name) => attribute(Attr::named(name)?.def()),
        What::Model(id) => model(workspace.catalog.as_ref(), id),
        What::Literal(constant, unit) => {
            format!("`{}` = {}", constant.raw, literal(constant, *unit)?)
        }
        What::Range(from, to, unit) => {
            let (low, high) = (literal(from, *unit)?, literal(to, *unit)?);
            let written = cursor.policy.loaded.sources.slice(span);
            format!("`{written}` = at least {low}, and less than {high}")
        }
        What::File(file) => format!("the file `{file}`"),
    })
}

/// A declaration: its text, its documentation, and what is in it.
fn declaration(workspace: &Workspace, cursor: Cursor<'_>, number: usize) -> String {
    let policy = cursor.policy;
    let declared = &policy.index.declarations[number];
    let sources = &policy.loaded.sources;
    let text = sources.slice(declared.whole);
    let mut lines: Vec<&str> = text.lines().take(MOST_LINES).collect();
    if text.lines().nth(MOST_LINES).is_some() {
        lines.push("…");
    }
    let mut told = format!("```policy\n{}\n```", lines.join("\n"));
    if !declared.doc.is_empty() {
        let _ = write!(told, "\n\n{}", declared.doc);
    }
    match declared.kind {
        Kind::Pool => told += &members(workspace, cursor, declared),
        Kind::Member => {
            told = format!("`{}`, a word of\n\n{}", declared.name, owner(cursor, declared))
        }
        Kind::Attribute => {
            if let Some(attr) = Attr::named(&declared.name) {
                let _ = write!(told, "\n\n{}", attr.def().doc);
            }
        }
        _ => {}
    }
    let uses = policy.index.places(number, false).len();
    let times = if uses == 1 { "once".to_owned() } else { format!("{uses} times") };
    let at = sources.at(declared.span);
    let file = at.rsplit('/').next().unwrap_or_default();
    let _ = write!(told, "\n\n{} of {file}, used {times}", declared.kind.word());
    told
}

fn owner(cursor: Cursor<'_>, declared: &Declaration) -> String {
    let super::index::Space::Inside(owner) = declared.space else { return String::new() };
    let whole = cursor.policy.index.declarations[owner].whole;
    format!("```policy\n{}\n```", cursor.policy.loaded.sources.slice(whole))
}

/// The members of a pool with their prices, in the order in which they would be asked as far as the
/// catalogue knows it. Of a policy that does not compile, only those that are spelt out.
fn members(workspace: &Workspace, cursor: Cursor<'_>, declared: &Declaration) -> String {
    let policy = cursor.policy;
    let name = format!("{}{}", policy.loaded.units[declared.unit].prefix, declared.name);
    let compiled = policy.program.as_ref().and_then(|program| {
        let pool = program.pools.iter().find(|pool| *pool.name == *name)?;
        let models = pool.members.iter().map(|it| &program.catalog[it.model]);
        Some((models.collect::<Vec<_>>(), Some(pool.pick)))
    });
    let (mut models, pick) = compiled.unwrap_or_else(|| {
        let inside =
            |span: Span| declared.whole.start <= span.start && span.end <= declared.whole.end;
        let spots = policy.index.spots.iter().filter(|spot| inside(spot.span));
        let ids = spots.filter_map(|spot| match &spot.what {
            What::Model(id) => workspace.catalog.get(&ModelId::new(id.as_str())),
            _ => None,
        });
        (ids.map(|id| &workspace.catalog[id]).collect(), None)
    });
    match pick {
        Some(Pick { by: PickBy::Cheapest, .. }) => {
            models.sort_by_key(|model| prices(model).map(|(input, output, _)| input.0 + output.0));
        }
        Some(Pick { by: PickBy::Best, .. }) => {
            let quality = |model: &Model| model.quality.as_ref().map_or(0.0, |it| it.overall);
            models.sort_by(|a, b| quality(b).total_cmp(&quality(a)));
        }
        _ => {}
    }
    if models.is_empty() {
        return String::new();
    }
    let mut table = format!(
        "\n\n{} models\n\n| model | in | out | cached | quality | context |\n|---|---|---|---|---|---|",
        models.len()
    );
    for model in models.iter().take(MOST_MEMBERS) {
        let (input, output, cached) = shown_prices(model);
        let quality = model.quality.as_ref().map_or("–".into(), |it| format!("{}", it.overall));
        let context = grouped(model.context.0 as i128);
        let _ = write!(
            table,
            "\n| {} | {input} | {output} | {cached} | {quality} | {context} |",
            model.id
        );
    }
    if models.len() > MOST_MEMBERS {
        let _ = write!(table, "\n\nand {} more", models.len() - MOST_MEMBERS);
    }
    table + "\n\nprices per million tokens"
}

fn prices(model: &Model) -> Option<(PricePerMillion, PricePerMillion, PricePerMillion)> {
    let base = &model.prices.as_ref()?.base;
    Some((base.input, base.output, base.cached.unwrap_or(base.input)))
}

fn shown_prices(model: &Model) -> (String, String, String) {
    let shown = |price: PricePerMillion| format!("${}", NanoDollars(price.0));
    match prices(model) {
        Some((input, output, cached)) => (shown(input), shown(output), shown(cached)),
        None => ("–".into(), "–".into(), "–".into()),
    }
}

/// What the catalogue says of a model.
pub fn model(catalog: &Catalog, id: &str) -> String {
    let Some(found) = catalog.get(&ModelId::new(id)) else {
        return format!("**{id}** is not in the catalogue");
    };
    let model = &catalog[found];
    let mut told =
        format!("**{}**\n\nfamily {}, served by {}\n", model.id, model.family, model.provider);
    let mut row = |name: &str, value: String| _ = write!(told, "\n- {name}: {value}");
    row(
        "context",
        format!(
            "{} tokens, of which {} may be the answer",
            grouped(model.context.0 as i128),
            grouped(model.max_output.0 as i128)
        ),
    );
    match &model.prices {
        None => row("prices", "unknown".into()),
        Some(all) => {
            let (input, output, cached) = shown_prices(model);
            row("prices", format!("{input} in, {output} out, {cached} cached, per million tokens"));
            for (above, _) in &all.above {
                row(
                    "prices",
                    format!("others for prompts above {} tokens", grouped(above.0 as i128)),
                );
            }
        }
    }
    if let Some(quality) = &model.quality {
        let by_task: Vec<String> =
            quality.by_task.iter().map(|(task, figure)| format!("{task} {figure}")).collect();
        let tasks =
            if by_task.is_empty() { String::new() } else { format!(" ({})", by_task.join(", ")) };
        row("quality", format!("{}{tasks}", quality.overall));
    }
    let can = &model.capabilities;
    let able: Vec<&str> = [
        ("tools", can.tools),
        ("parallel tools", can.parallel_tools),
        ("JSON", can.json),
        ("JSON schema", can.json_schema),
        ("vision", can.vision),
        ("audio", can.audio),
        ("reasoning", can.reasoning),
        ("log-probabilities", can.logprobs),
        ("open weights", can.open_weights),
        ("local", can.local),
        ("embeddings", can.embeddings),
    ]
    .iter()
    .filter(|(_, able)| *able)
    .map(|(name, _)| *name)
    .collect();
    if !able.is_empty() {
        row("can", able.join(", "));
    }
    row("region", model.region.as_deref().unwrap_or("unknown").to_owned());
    let trains =
        if model.trains_on_data { "may train on prompts" } else { "does not train on prompts" };
    row("data", format!("retention {}; the provider {trains}", model.retention.name()));
    if !model.tags.is_empty() {
        row("tags", model.tags.iter().map(|tag| &**tag).collect::<Vec<_>>().join(", "));
    }
    if let Some(date) = model.retires {
        row("retires", date.to_string());
    }
    let _ = write!(told, "\n\n{} ({})", model.source, model.date);
    told
}

/// What the schema says of an attribute.
pub fn attribute(def: &AttrDef) -> String {
    let place = match def.subject {
        Subject::Request => "of the request: stands behind `when`",
        Subject::Model => "of a model: stands behind `models where`, `floor`, `every model where`",
        Subject::Attempt => "of an attempt: stands behind `escalate when`",
        Subject::Outcome => "of what came of the request: stands behind `expect`",
    };
    let cost = match def.cost {
        Cost::Free => "already there (cost class 0)",
        Cost::Computed => "computed once on demand, under 50 µs (cost class 1)",
        Cost::Expensive => {
            "found by a model or a script, only where a rule needs it (cost class 2)"
        }
    };
    let mut told = format!(
        "**{}**: {}{}\n\n{}\n\n- {place}\n- {cost}",
        def.name.replace("[]", "[\"…\"]"),
        def.ty,
        if def.optional { "?" } else { "" },
        def.doc
    );
    if def.optional {
        told += "\n- may be absent; then every test but `!=`, `not` and `is absent` is false";
    }
    if def.live {
        told += "\n- a live figure: it changes while the gateway runs";
    }
    if let Some(missing) = def.waits_for {
        let _ = write!(told, "\n- not supported by this version: needs {missing}");
    }
    told
}

/// A constant in plain words; nothing where the spelling says it all.
fn literal(constant: &Literal, unit: Option<&str>) -> Option<String> {
    let with = |count: i64, unit: &str| format!("{} {unit}", grouped(i128::from(count)));
    Some(match &constant.value {
        LiteralValue::Int(count) => match unit {
            Some(unit) => with(*count, unit),
            None => grouped(i128::from(*count)),
        },
        LiteralValue::Tokens(count) => with(*count, "tokens"),
        LiteralValue::Bytes(count) => with(*count, "bytes"),
        LiteralValue::Money(amount) => format!("{} dollars", dollars(*amount)),
        LiteralValue::Price(amount, unit) => {
            let per = match unit {
                PriceUnit::Mtok => "million tokens",
                PriceUnit::Image => "image",
                PriceUnit::Request => "request",
                PriceUnit::Minute => "minute",
            };
            format!("{} dollars per {per}", dollars(*amount))
        }
        LiteralValue::Percent(share) => {
            format!("{} hundredths of a percent", grouped(i128::from(share.0)))
        }
        LiteralValue::Duration(nanos) => time(*nanos),
        LiteralValue::Rate { count, tokens, seconds } => {
            let what = if *tokens { "tokens" } else { "requests" };
            format!("{} in {}", with(*count, what), time(seconds.saturating_mul(1_000_000_000)))
        }
        LiteralValue::Clock(minutes) => format!("{minutes} minutes after midnight"),
        LiteralValue::Bool(_) | LiteralValue::Float(_) => return None,
        LiteralValue::String(_) | LiteralValue::Date(_) => return None,
    })
}

fn dollars(amount: NanoDollars) -> String {
    let text = amount.to_string();
    match text.split_once('.') {
        Some((whole, part)) => format!("{}.{part}", grouped(whole.parse().unwrap_or(0))),
        None => grouped(text.parse().unwrap_or(0)),
    }
}

fn time(nanos: i64) -> String {
    const UNITS: [(i64, &str); 6] = [
        (86_400_000_000_000, "days"),
        (3_600_000_000_000, "hours"),
        (60_000_000_000, "minutes"),
        (1_000_000_000, "seconds"),
        (1_000_000, "milliseconds"),
        (1_000, "microseconds"),
    ];
    let exact = UNITS.iter().find(|(size, _)| nanos >= *size && nanos % size == 0);
    match exact {
        Some((size, name)) => {
            let count = nanos / size;
            let name = if count == 1 { name.trim_end_matches('s') } else { name };
            format!("{} {name}", grouped(i128::from(count)))
        }
        None => format!("{} nanoseconds", grouped(i128::from(nanos))),
    }
}

/// `32000` as `32 000`.
fn grouped(number: i128) -> String {
    crate::policy::spelling::grouped(number, ' ')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::syntax::parse_literal;

    #[test]
    fn constants_are_told_in_plain_words() {
        for (written, unit, expected) in [
            ("8k", Some("tokens"), "8 000 tokens"),
            ("8k", None, "8 000"),
            ("4Ki tokens", None, "4 096 tokens"),
            ("$2_000", None, "2 000 dollars"),
            ("$0.05", None, "0.05 dollars"),
            ("$3/Mtok", None, "3 dollars per million tokens"),
            ("5%", None, "500 hundredths of a percent"),
            ("90s", None, "90 seconds"),
            ("60s", None, "1 minute"),
            ("1500ms", None, "1 500 milliseconds"),
            ("1MB", None, "1 000 000 bytes"),
            ("200k tokens/min", None, "200 000 tokens in 1 minute"),
            ("09:00", None, "540 minutes after midnight"),
        ] {
            let constant = parse_literal(written).expect(written);
            assert_eq!(literal(&constant, unit).as_deref(), Some(expected), "{written}");
        }
    }
}
