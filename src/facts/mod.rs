//! Request → facts: every attribute that a policy may look at, computed when it is first asked for.
//!
//! The heuristics for `task`, `difficulty` and `input.language` are functions of text alone, in
//! files of their own, so that a learned classifier can take their place.

mod difficulty;
mod hints;
mod language;
mod task;
pub mod tokens;

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use http::HeaderMap;
use jiff::Timestamp;

use crate::caller::Caller;
use crate::catalog::{Catalog, worst_case};
use crate::dialect::Request;
use crate::dialect::shape::{Effort, SegmentRole};
use crate::ids::{ModelId, RequestId};
use crate::policy::models::days;
use crate::policy::program::ModelSet;
use crate::policy::schedule::{DAYS, weekday_index};
use crate::policy::schema::{Attr, AttrRef};
use crate::policy::value::{Facts, Value};
use crate::units::{NanoDollars, Tokens};
use tokens::TextMeter;

/// The most text of the last user turn that the heuristics read, in bytes. What a request is about
/// shows early; a 10 MB prompt must not cost 10 ms.
const HEURISTIC_WINDOW: usize = 16 * 1024;

/// The caller's recent traffic, one snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// Requests in the last minute.
    pub requests: u32,
    /// Tokens in the last minute.
    pub tokens: u64,
    /// Requests in flight, this one included.
    pub concurrent: u32,
}

/// Everything facts are computed from.
pub struct Inputs {
    /// The request's id.
    pub id: RequestId,
    /// The request as it was read.
    pub request: Arc<Request>,
    /// The path of the URL.
    pub path: String,
    /// The request's headers.
    pub headers: HeaderMap,
    /// The client's address.
    pub client_ip: Option<IpAddr>,
    /// Who sent it.
    pub caller: Arc<Caller>,
    /// When it came.
    pub now: Timestamp,
    /// The caller's recent traffic.
    pub rates: Rates,
    /// The model that answered this session last.
    pub session_model: Option<ModelId>,
    /// The models there are.
    pub catalog: Arc<Catalog>,
    /// The models whose provider is configured.
    pub enabled: Arc<ModelSet>,
}

/// The facts of one request.
pub struct RequestFacts {
    inputs: Inputs,
    id: String,
    auto: bool,
    client_ip: Option<String>,
    sizes: OnceLock<Sizes>,
    last_turn: OnceLock<LastTurn>,
    key_allows: OnceLock<bool>,
    max_cost: OnceLock<Option<NanoDollars>>,
}

/// The prompt's size by role.
#[derive(Debug, Clone, Copy, Default)]
struct Sizes {
    all: Tokens,
    system: Tokens,
    last_user: Tokens,
    chars: u64,
}

/// What the last user turn looks like.
#[derive(Debug, Clone, Copy)]
struct LastTurn {
    task: &'static str,
    language: Option<&'static str>,
    has_code: bool,
    has_url: bool,
    difficulty: f64,
}

impl RequestFacts {
    /// Nothing is computed yet.
    pub fn new(inputs: Inputs) -> RequestFacts {
        let model = inputs.request.shape().model.as_str();
        RequestFacts {
            id: inputs.id.to_string(),
            auto: model == "auto" || model.starts_with("auto/"),
            client_ip: inputs.client_ip.map(|ip| ip.to_string()),
            inputs,
            sizes: OnceLock::new(),
            last_turn: OnceLock::new(),
            key_allows: OnceLock::new(),
            max_cost: OnceLock::new(),
        }
    }

    /// The request's id, as it is written.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What they are computed from.
    pub fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// The prompt's tokens (estimated).
    pub fn input_tokens(&self) -> Tokens {
        self.sizes().all
    }

    /// The session: see [`session`].
    pub fn session(&self) -> Option<&str> {
        session(&self.inputs.headers, &self.inputs.request)
    }

    fn sizes(&self) -> Sizes {
        *self.sizes.get_or_init(|| {
            let shape = self.inputs.request.shape();
            let (mut all, mut system, mut last) =
                (TextMeter::default(), TextMeter::default(), TextMeter::default());
            for segment in &shape.segments {
                let Some(text) = segment.text(self.inputs.request.body()) else { continue };
                match segment.role {
                    SegmentRole::System => system.add(&text),
                    SegmentRole::LastUser => last.add(&text),
                    SegmentRole::Tools => all.add_json(&text),
                    SegmentRole::Other => all.add(&text),
                }
            }
            let (system_tokens, last_tokens) = (system.tokens(), last.tokens());
            let overhead = tokens::overhead(shape.messages, shape.images, shape.audio, shape.files);
            Sizes {
                all: all.tokens() + system_tokens + last_tokens + overhead,
                system: system_tokens,
                last_user: last_tokens,
                chars: all.chars() + system.chars() + last.chars(),
            }
        })
    }

    fn last_turn(&self) -> &LastTurn {
        self.last_turn.get_or_init(|| {
            let shape = self.inputs.request.shape();
            let mut text = String::new();
            for piece in shape.texts(self.inputs.request.body(), SegmentRole::LastUser) {
                let room = HEURISTIC_WINDOW.saturating_sub(text.len());
                text.push_str(&piece[..piece.floor_char_boundary(room)]);
                text.push('\n');
                if text.len() >= HEURISTIC_WINDOW {
                    break;
                }
            }
            let task = task::classify(&text, shape);
            LastTurn {
                task,
                language: language::detect(&text),
                has_code: task::has_code(&text),
                has_url: text.contains("http://") || text.contains("https://"),
                difficulty: difficulty::estimate(&text, task, shape),
            }
        })
    }

    /// The worst case on the cheapest model that is configured and that the key allows.
    fn max_cost(&self) -> Option<NanoDollars> {
        *self.max_cost.get_or_init(|| {
            let inputs = &self.inputs;
            let usable = inputs.catalog.models().iter().zip(0..).filter(|(model, index)| {
                inputs.enabled.contains(crate::catalog::ModelIdx(*index))
                    && inputs.caller.allows(&model.id)
            });
            let (input, shape) = (self.input_tokens(), inputs.request.shape());
            usable
                .filter_map(|(model, _)| worst_case(model, input, shape.images, shape.max_output))
                .min()
        })
    }

    fn key_allows_model(&self) -> bool {
        *self.key_allows.get_or_init(|| {
            let inputs = &self.inputs;
            let model = &inputs.request.shape().model;
            let enabled = |model: &crate::catalog::Model| {
                inputs.catalog.get(&model.id).is_some_and(|index| inputs.enabled.contains(index))
            };
            inputs
                .catalog
                .models()
                .iter()
                .filter(|known| known.id.as_str() == model || known.id.model() == model)
                .any(|known| enabled(known) && inputs.caller.allows(&known.id))
        })
    }
}

/// The session of a request, from a header or the request's metadata.
pub fn session<'a>(headers: &'a HeaderMap, request: &'a Request) -> Option<&'a str> {
    hints::header(headers, "x-pointsman-session").or(request.shape().session.as_deref())
}

fn count(count: u64) -> Value<'static> {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

fn text(text: Option<&str>) -> Value<'_> {
    text.map_or(Value::Absent, Value::Str)
}

impl Facts for RequestFacts {
    fn now(&self) -> Timestamp {
        self.inputs.now
    }

    fn get(&self, attr: &AttrRef) -> Value<'_> {
        let (shape, caller) = (self.inputs.request.shape(), &*self.inputs.caller);
        let index = attr.index.as_deref().unwrap_or_default();
        let headers = &self.inputs.headers;
        match attr.attr {
            Attr::RequestAuto => Value::Bool(self.auto),
            Attr::RequestId => Value::Str(&self.id),
            Attr::RequestModel => Value::Str(&shape.model),
            Attr::RequestApi => Value::Str(shape.api.name()),
            Attr::RequestStream => Value::Bool(shape.stream),
            Attr::RequestMaxOutput => {
                shape.max_output.map_or(Value::Absent, |tokens| count(tokens.0))
            }
            Attr::RequestTemperature => shape.temperature.map_or(Value::Absent, Value::Float),
            Attr::RequestTopP => shape.top_p.map_or(Value::Absent, Value::Float),
            Attr::RequestN => count(shape.n.into()),
            Attr::RequestFormat => Value::Str(shape.format.name()),
            Attr::RequestReasoning => Value::Str(shape.reasoning.name()),
            Attr::RequestTools => count(shape.tools.into()),
            Attr::RequestToolChoice => Value::Str(shape.tool_choice.name()),
            Attr::RequestToolResults => Value::Bool(shape.tool_results),
            Attr::RequestLogprobs => Value::Bool(shape.logprobs),
            Attr::RequestMessages => count(shape.messages.into()),
            Attr::RequestImages => count(shape.images.into()),
            Attr::RequestAudio => Value::Bool(shape.audio),
            Attr::RequestFiles => count(shape.files.into()),
            Attr::RequestHasSystem => Value::Bool(shape.has_system),
            Attr::RequestCacheControl => Value::Bool(shape.cache_control),
            Attr::RequestBytes => count(shape.bytes as u64),
            Attr::RequestPath => Value::Str(&self.inputs.path),
            Attr::Header => text(hints::header(headers, index)),
            Attr::Tag => text(hints::tag(headers, index)),
            Attr::HintTier => text(hints::header(headers, "x-pointsman-tier")),
            Attr::HintIntent => text(hints::header(headers, "x-pointsman-intent")),
            Attr::HintQuality => text(hints::header(headers, "x-pointsman-quality")),
            Attr::HintLatency => text(hints::header(headers, "x-pointsman-latency")),
            Attr::HintMaxCost => {
                hints::max_cost(headers).map_or(Value::Absent, |cost| count(cost.0))
            }

            Attr::InputTokens => count(self.sizes().all.0),
            Attr::InputSystemTokens => count(self.sizes().system.0),
            Attr::InputLastTokens => count(self.sizes().last_user.0),
            // What precedes the last turn was sent before, if the client marks it for the cache.
            Attr::InputCachedTokens => {
                let sizes = self.sizes();
                count(if shape.cache_control { sizes.all.0 - sizes.last_user.0 } else { 0 })
            }
            Attr::TotalTokens => count((self.sizes().all + shape.max_output.unwrap_or_default()).0),
            Attr::RequestMaxCost => self.max_cost().map_or(Value::Absent, |cost| count(cost.0)),
            Attr::InputChars => count(self.sizes().chars),
            Attr::Task => Value::Str(self.last_turn().task),
            Attr::InputLanguage => text(self.last_turn().language),
            Attr::InputHasCode => Value::Bool(self.last_turn().has_code),
            Attr::InputHasUrl => Value::Bool(self.last_turn().has_url),
            Attr::Difficulty => Value::Float(self.last_turn().difficulty),

            Attr::KeyId => Value::Str(caller.key.as_str()),
            Attr::KeyName => Value::Str(caller.name.as_deref().unwrap_or(caller.key.as_str())),
            Attr::KeyTeam => text(caller.team.as_deref()),
            Attr::KeyOrg => text(caller.org.as_deref()),
            Attr::KeyUser => text(caller.meta.get("user").map(String::as_str)),
            Attr::KeyTier => Value::Str(caller.tier.as_deref().unwrap_or("free")),
            Attr::KeyEnv => Value::Str(caller.env.name()),
            Attr::KeyTags => Value::Set(&caller.tags),
            Attr::KeyMeta => text(caller.meta.get(index).map(String::as_str)),
            Attr::KeyAge => caller.created.map_or(Value::Absent, |created| {
                let today = days(self.inputs.now.to_zoned(jiff::tz::TimeZone::UTC).date());
                Value::Int((today - days(created)).saturating_mul(86_400_000_000_000))
            }),
            Attr::KeyAllowsModel => Value::Bool(self.key_allows_model()),
            Attr::UserId => {
                text(hints::header(headers, "x-pointsman-user").or(shape.user.as_deref()))
            }
            Attr::SessionId => text(self.session()),
            Attr::SessionTurn => count(shape.user_turns.into()),
            Attr::SessionModel => text(self.inputs.session_model.as_ref().map(ModelId::as_str)),
            Attr::ClientIp => text(self.client_ip.as_deref()),
            Attr::ClientCountry => text(hints::country(headers)),
            Attr::ClientApp => text(hints::app(headers)),
            Attr::DataResidency => Value::Str(caller.residency.as_deref().unwrap_or("any")),
            Attr::DataClass => Value::Str(caller.data_class.as_deref().unwrap_or("internal")),

            Attr::RateKeyRpm => count(self.inputs.rates.requests.into()),
            Attr::RateKeyTpm => count(self.inputs.rates.tokens),
            Attr::RateKeyConcurrent => count(self.inputs.rates.concurrent.into()),

            Attr::TimeHour => count(self.utc().hour() as u64),
            Attr::TimeWeekday => Value::Str(DAYS[weekday_index(self.utc().weekday())]),
            Attr::TimeDate => Value::Int(days(self.utc().date())),
            // Live figures are laid over by the evaluator; models and attempts are facts of their
            // own.
            _ => Value::Absent,
        }
    }
}

impl RequestFacts {
    fn utc(&self) -> jiff::civil::DateTime {
        jiff::tz::TimeZone::UTC.to_datetime(self.inputs.now)
    }
}

/// Whether much thinking was asked for.
fn thinks_hard(effort: Effort) -> bool {
    effort >= Effort::Medium
}

#[cfg(test)]
mod tests;
