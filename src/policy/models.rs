//! A model as facts: what `models where` and `only models where` look at.

use jiff::Timestamp;
use jiff::civil::Date;

use super::schema::{Attr, AttrRef};
use super::value::{Facts, Value};
use crate::catalog::Model;
use crate::catalog::live::ModelLive;

/// What the catalogue says of a model, without live figures.
pub struct StaticModel<'a>(pub &'a Model);

/// A model with its live figures.
pub struct LiveModel<'a> {
    /// What the catalogue says.
    pub model: &'a Model,
    /// How it does right now.
    pub live: &'a ModelLive,
}

impl Facts for StaticModel<'_> {
    fn get(&self, attr: &AttrRef) -> Value<'_> {
        fixed(self.0, attr.attr)
    }
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

impl Facts for LiveModel<'_> {
    fn get(&self, attr: &AttrRef) -> Value<'_> {
        match attr.attr {
            Attr::Available => Value::Bool(self.live.available),
            Attr::TtftP95 => duration(self.live.ttft.p95),
            Attr::ErrorRate => Value::Int(i64::from(self.live.error_rate.0)),
            other => fixed(self.model, other),
        }
    }
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

/// A duration as a value, in nanoseconds.
pub fn duration(duration: Option<std::time::Duration>) -> Value<'static> {
    duration.map_or(Value::Absent, |duration| {
        Value::Int(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    })
}

/// A date as a value, in days since 1970-01-01.
pub fn days(date: Date) -> i64 {
    let epoch = Date::constant(1970, 1, 1);
    i64::from((date - epoch).get_days())
}

fn fixed(model: &Model, attr: Attr) -> Value<'_> {
    let can = &model.capabilities;
    let prices = model.prices.as_ref();
    let count = |count: u64| Value::Int(i64::try_from(count).unwrap_or(i64::MAX));
    let price = |price: Option<u64>| price.map_or(Value::Absent, count);
    let quality = |task: &str| {
        let found = model.quality.as_ref().and_then(|quality| {
            quality.by_task.iter().find(|(known, _)| **known == *task).map(|(_, figure)| *figure)
        });
        found.map_or(Value::Absent, Value::Float)
    };
    match attr {
        Attr::Id => Value::Str(model.id.as_str()),
        Attr::Provider => Value::Str(model.provider.as_str()),
        Attr::Family => Value::Str(&model.family),
        Attr::PriceInput => price(prices.map(|prices| prices.base.input.0)),
        Attr::PriceOutput => price(prices.map(|prices| prices.base.output.0)),
        Attr::PriceCached => {
            price(prices.map(|prices| prices.base.cached.unwrap_or(prices.base.input).0))
        }
        Attr::PriceImage => price(prices.and_then(|prices| prices.image).map(|amount| amount.0)),
        Attr::Context => count(model.context.0),
        Attr::MaxOutput => count(model.max_output.0),
        Attr::Tools => Value::Bool(can.tools),
        Attr::ParallelTools => Value::Bool(can.parallel_tools),
        Attr::Json => Value::Bool(can.json),
        Attr::JsonSchema => Value::Bool(can.json_schema),
        Attr::Vision => Value::Bool(can.vision),
        Attr::Audio => Value::Bool(can.audio),
        Attr::Reasoning => Value::Bool(can.reasoning),
        Attr::Logprobs => Value::Bool(can.logprobs),
        Attr::OpenWeights => Value::Bool(can.open_weights),
        Attr::Local => Value::Bool(can.local),
        Attr::Embeddings => Value::Bool(can.embeddings),
        Attr::Region => model.region.as_deref().map_or(Value::Absent, Value::Str),
        Attr::Retention => Value::Str(model.retention.name()),
        Attr::TrainsOnData => Value::Bool(model.trains_on_data),
        Attr::Quality => {
            model.quality.as_ref().map_or(Value::Absent, |quality| Value::Float(quality.overall))
        }
        Attr::QualityCode => quality("code"),
        Attr::QualityMath => quality("math"),
        Attr::QualityAgent => quality("agent"),
        Attr::QualityChat => quality("chat"),
        Attr::Tags => Value::Set(&model.tags),
        Attr::Retires => model.retires.map_or(Value::Absent, |date| Value::Int(days(date))),
        _ => Value::Absent,
    }
}
