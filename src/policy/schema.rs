//! The attributes a condition may name: one table that feeds the checker, `pointsman schema`, and
//! whoever computes the values.

use std::fmt;
use std::sync::Arc;

use super::syntax::tree::PriceUnit;

/// The type of an attribute, and with it the unit of its integer value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// A truth value.
    Bool,
    /// A plain count.
    Int,
    /// A ratio, with its bounds in hundredths where it has any.
    Float(Option<(i32, i32)>),
    /// Tokens.
    Tokens,
    /// Nano-dollars.
    Money,
    /// Nano-dollars per million tokens, or per one of the other units.
    Price(PriceUnit),
    /// Nanoseconds.
    Duration,
    /// Basis points.
    Percent,
    /// Bytes.
    Bytes,
    /// A text.
    String,
    /// One of a closed set of words.
    Enum(Members),
    /// A set of texts.
    Set,
    /// The instant of the decision; asked only with `in <schedule>`.
    Time,
    /// Days since 1970-01-01.
    Date,
}

/// The members of an enum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Members {
    /// Part of the schema.
    Fixed(&'static [&'static str]),
    /// Declared in a policy.
    Declared(Arc<[Arc<str>]>),
}

impl Members {
    /// The words, in order.
    pub fn iter(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Members::Fixed(words) => Box::new(words.iter().copied()),
            Members::Declared(words) => Box::new(words.iter().map(|word| &**word)),
        }
    }
    /// Whether the word is one of them.
    pub fn contains(&self, word: &str) -> bool {
        self.iter().any(|member| member == word)
    }
}

impl Type {
    /// The word for it in messages.
    pub fn name(&self) -> &'static str {
        match self {
            Type::Bool => "a yes or no",
            Type::Int => "a whole number",
            Type::Float(_) => "a number",
            Type::Tokens => "a count of tokens",
            Type::Money => "an amount of money",
            Type::Price(PriceUnit::Mtok) => "a price per token",
            Type::Price(PriceUnit::Image) => "a price per image",
            Type::Price(PriceUnit::Request) => "a price per request",
            Type::Price(PriceUnit::Minute) => "a price per minute",
            Type::Duration => "a duration",
            Type::Percent => "a percentage",
            Type::Bytes => "a size in bytes",
            Type::String => "a text",
            Type::Enum(_) => "one of a set of words",
            Type::Set => "a set of texts",
            Type::Time => "a time",
            Type::Date => "a date",
        }
    }

    /// Whether `<` and its like make sense.
    pub fn is_ordered(&self) -> bool {
        !matches!(self, Type::Bool | Type::String | Type::Enum(_) | Type::Set | Type::Time)
    }
}

/// As `pointsman schema` prints it: `tokens`, `enum chat | code`.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Bool => f.write_str("bool"),
            Type::Int => f.write_str("int"),
            Type::Float(None) => f.write_str("float"),
            Type::Float(Some((low, high))) => write!(f, "float {}..{}", low / 100, high / 100),
            Type::Tokens => f.write_str("tokens"),
            Type::Money => f.write_str("money"),
            Type::Price(PriceUnit::Mtok) => f.write_str("price/Mtok"),
            Type::Price(PriceUnit::Image) => f.write_str("price/image"),
            Type::Price(PriceUnit::Request) => f.write_str("price/request"),
            Type::Price(PriceUnit::Minute) => f.write_str("price/minute"),
            Type::Duration => f.write_str("duration"),
            Type::Percent => f.write_str("percent"),
            Type::Bytes => f.write_str("bytes"),
            Type::String => f.write_str("string"),
            Type::Enum(members) => {
                f.write_str("enum ")?;
                for (i, member) in members.iter().enumerate() {
                    write!(f, "{}{member}", if i == 0 { "" } else { " | " })?;
                }
                Ok(())
            }
            Type::Set => f.write_str("set"),
            Type::Time => f.write_str("time"),
            Type::Date => f.write_str("date"),
        }
    }
}

/// What an attribute speaks of, and so where it may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The request, its sender, the moment: anywhere behind `when`.
    Request,
    /// A model: behind `models where`, `floor`, `every model where`.
    Model,
    /// A finished attempt: behind `escalate when`.
    Attempt,
    /// What came of a request: behind `expect` in a test.
    Outcome,
}

/// What an index in brackets names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Index {
    /// No brackets.
    None,
    /// Any text: a header's or a tag's name.
    Text,
    /// A pool of this policy.
    Pool,
    /// A model of the catalogue.
    Model,
    /// A budget of this policy.
    Budget,
}

/// What a value costs to get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cost {
    /// Already there.
    Free,
    /// Computed once on demand, under 50 µs.
    Computed,
    /// A model or a script.
    Expensive,
}

/// One row of the schema.
#[derive(Debug)]
pub struct AttrDef {
    /// Its name; `[]` stands for an index.
    pub name: &'static str,
    /// Its type.
    pub ty: Type,
    /// Whether a request may lack it.
    pub optional: bool,
    /// What it costs to get.
    pub cost: Cost,
    /// What it speaks of.
    pub subject: Subject,
    /// What its index names.
    pub index: Index,
    /// What it changes with while the catalogue stays the same (live models' figures).
    pub live: bool,
    /// What is missing before policies may use it; `None` where they may.
    pub waits_for: Option<&'static str>,
    /// One line for people.
    pub doc: &'static str,
}

/// An attribute together with its index: `header["x-team"]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AttrRef {
    /// Which attribute.
    pub attr: Attr,
    /// The text in brackets.
    pub index: Option<Arc<str>>,
}

impl AttrRef {
    /// An attribute without brackets.
    pub fn plain(attr: Attr) -> AttrRef {
        AttrRef { attr, index: None }
    }
}

impl fmt::Display for AttrRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.index, self.attr.def().name.split_once("[]")) {
            (Some(index), Some((before, after))) => write!(f, "{before}[{index:?}]{after}"),
            _ => f.write_str(self.attr.def().name),
        }
    }
}

macro_rules! attributes {
    ($( $variant:ident $name:literal : $ty:expr, $($flag:ident)|*, $doc:literal; )*) => {
        /// An attribute of the schema.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "each is documented by its row of the schema")]
        #[repr(u16)]
        pub enum Attr { $($variant),* }

        /// All attributes, in the order of the documentation.
        pub static SCHEMA: &[AttrDef] = &[ $(
            {
                const TRAITS: Traits = traits(&[$(Flag::$flag),*]);
                AttrDef {
                    name: $name,
                    ty: $ty,
                    optional: TRAITS.optional,
                    cost: TRAITS.cost,
                    subject: TRAITS.subject,
                    index: TRAITS.index,
                    live: TRAITS.live,
                    waits_for: TRAITS.waits_for,
                    doc: $doc,
                }
            }
        ),* ];

        impl Attr {
            /// All of them, in the schema's order.
            pub const ALL: &'static [Attr] = &[$(Attr::$variant),*];
        }
    };
}

impl Attr {
    /// Its row of the schema.
    pub fn def(self) -> &'static AttrDef {
        // The enum and the table are written by one macro, so the index is always within.
        &SCHEMA[self as usize]
    }

    /// The attribute with this name, where `[]` stands for an index.
    pub fn named(name: &str) -> Option<Attr> {
        Attr::ALL.iter().copied().find(|attr| attr.def().name == name)
    }
}

enum Flag {
    Req,
    Mod,
    Att,
    Out,
    Opt,
    Computed,
    Expensive,
    Live,
    Text,
    OfPool,
    OfModel,
    OfBudget,
    NeedsTill,
}

/// What the flags of a row say together.
struct Traits {
    optional: bool,
    cost: Cost,
    subject: Subject,
    index: Index,
    live: bool,
    waits_for: Option<&'static str>,
}

const fn traits(flags: &[Flag]) -> Traits {
    let mut def = Traits {
        optional: false,
        cost: Cost::Free,
        subject: Subject::Request,
        index: Index::None,
        live: false,
        waits_for: None,
    };
    let mut i = 0;
    while i < flags.len() {
        match flags[i] {
            Flag::Req => def.subject = Subject::Request,
            Flag::Mod => def.subject = Subject::Model,
            Flag::Att => def.subject = Subject::Attempt,
            Flag::Out => def.subject = Subject::Outcome,
            Flag::Opt => def.optional = true,
            Flag::Computed => def.cost = Cost::Computed,
            Flag::Expensive => def.cost = Cost::Expensive,
            Flag::Live => def.live = true,
            Flag::Text => def.index = Index::Text,
            Flag::OfPool => def.index = Index::Pool,
            Flag::OfModel => def.index = Index::Model,
            Flag::OfBudget => def.index = Index::Budget,
            Flag::NeedsTill => def.waits_for = Some("budgets"),
        }
        i += 1;
    }
    def
}

const fn words(words: &'static [&'static str]) -> Type {
    Type::Enum(Members::Fixed(words))
}

/// The kinds of work a request may be.
pub const TASKS: &[&str] = &[
    "chat",
    "math",
    "code",
    "extract",
    "summarize",
    "translate",
    "classify",
    "agent",
    "creative",
    "other",
];
/// How hard a model is asked to think.
pub const REASONING: &[&str] = &["unset", "none", "minimal", "low", "medium", "high"];
const APIS: &[&str] = &[
    "chat",
    "responses",
    "messages",
    "completions",
    "embeddings",
    "rerank",
    "images",
    "speech",
    "transcription",
    "moderation",
    "batch",
];
/// Where models run. `global` says that the provider does not promise a place.
pub const REGIONS: &[&str] = &[
    "us",
    "us-east",
    "us-west",
    "ca",
    "sa",
    "eu",
    "eu-west",
    "eu-central",
    "eu-north",
    "uk",
    "ch",
    "me",
    "af",
    "in",
    "ap-south",
    "ap-southeast",
    "ap-northeast",
    "jp",
    "kr",
    "au",
    "cn",
    "global",
    "local",
];
const QUALITY: Type = Type::Float(Some((0, 10_000)));
const PRICE: Type = Type::Price(PriceUnit::Mtok);

attributes! {
    RequestAuto "request.auto": Type::Bool, Req, "the client left the choice to the policy (`auto`, `auto/NAME`)";
    RequestId "request.id": Type::String, Req, "the id of this request";
    RequestModel "request.model": Type::String, Req, "the model as the client named it";
    RequestApi "request.api": words(APIS), Req, "which endpoint was called";
    RequestStream "request.stream": Type::Bool, Req, "a stream was asked for";
    RequestMaxOutput "request.max_output": Type::Tokens, Req|Opt, "the most tokens the client wants back";
    RequestTemperature "request.temperature": Type::Float(None), Req|Opt, "as sent";
    RequestTopP "request.top_p": Type::Float(None), Req|Opt, "as sent";
    RequestN "request.n": Type::Int, Req, "how many answers are wanted";
    RequestFormat "request.format": words(&["text", "json_object", "json_schema"]), Req, "the form of the answer";
    RequestReasoning "request.reasoning": words(REASONING), Req, "how hard the model shall think";
    RequestTools "request.tools": Type::Int, Req, "how many tools are offered";
    RequestToolChoice "request.tool_choice": words(&["unset", "none", "auto", "required", "named"]), Req, "whether a tool must be called";
    RequestToolResults "request.tool_results": Type::Bool, Req, "the request brings a tool's result (an agent's loop)";
    RequestLogprobs "request.logprobs": Type::Bool, Req, "log-probabilities were asked for";
    RequestMessages "request.messages": Type::Int, Req, "how many messages";
    RequestImages "request.images": Type::Int, Req, "how many images";
    RequestAudio "request.audio": Type::Bool, Req, "sound in the prompt";
    RequestFiles "request.files": Type::Int, Req, "how many files";
    RequestHasSystem "request.has_system": Type::Bool, Req, "there is a system prompt";
    RequestCacheControl "request.cache_control": Type::Bool, Req, "the prompt marks parts for the provider's cache";
    RequestBytes "request.bytes": Type::Bytes, Req, "the size of the body";
    RequestPath "request.path": Type::String, Req, "the path of the URL";
    Header "header[]": Type::String, Req|Opt|Text, "a header of the request, by its lower-case name";
    Tag "tag[]": Type::String, Req|Opt|Text, "a tag the client sent (`x-pointsman-tags: name=value, …`)";
    HintTier "hint.tier": words(&["economy", "standard", "premium"]), Req|Opt, "what the client says with `x-pointsman-tier`";
    HintIntent "hint.intent": words(TASKS), Req|Opt, "what the client says with `x-pointsman-intent`";
    HintQuality "hint.quality": words(&["low", "medium", "high"]), Req|Opt, "what the client says with `x-pointsman-quality`";
    HintLatency "hint.latency": words(&["interactive", "normal", "batch"]), Req|Opt, "what the client says with `x-pointsman-latency`";
    HintMaxCost "hint.max_cost": Type::Money, Req|Opt, "what the client says with `x-pointsman-max-cost`, in dollars";

    InputTokens "input.tokens": Type::Tokens, Req|Computed, "the prompt's tokens (estimated)";
    InputSystemTokens "input.system_tokens": Type::Tokens, Req|Computed, "those of the system prompt";
    InputLastTokens "input.last_tokens": Type::Tokens, Req|Computed, "those of the last user turn";
    InputCachedTokens "input.cached_tokens": Type::Tokens, Req|Computed, "those the provider's cache will probably give (marked by the client)";
    TotalTokens "total.tokens": Type::Tokens, Req|Computed, "the prompt's tokens and the most the answer may have";
    RequestMaxCost "request.max_cost": Type::Money, Req|Computed, "the worst case on the cheapest model the key may use";
    InputChars "input.chars": Type::Int, Req|Computed, "characters of text in the prompt";
    Task "task": words(TASKS), Req|Computed, "what kind of work this is (a heuristic, see docs/facts.md)";
    InputLanguage "input.language": Type::String, Req|Opt|Computed, "the language of the last user turn, as ISO 639-1, where it is clear";
    InputHasCode "input.has_code": Type::Bool, Req|Computed, "the last user turn holds code";
    InputHasUrl "input.has_url": Type::Bool, Req|Computed, "the last user turn holds a URL";
    Difficulty "difficulty": Type::Float(Some((0, 100))), Req|Computed, "how hard it looks (a heuristic, see docs/facts.md)";
    SignalPii "signal.pii": Type::Bool, Req|Expensive, "personal data or secrets in the last user turn (a heuristic, see docs/facts.md)";
    SignalJailbreak "signal.jailbreak": Type::Bool, Req|Expensive, "the last user turn tries to talk the model out of its rules (a heuristic, see docs/facts.md)";

    KeyId "key.id": Type::String, Req, "the id of the caller's key";
    KeyName "key.name": Type::String, Req, "its name";
    KeyTeam "key.team": Type::String, Req|Opt, "its team";
    KeyOrg "key.org": Type::String, Req|Opt, "its organisation";
    KeyUser "key.user": Type::String, Req|Opt, "the person it was given to";
    KeyTier "key.tier": words(&["free", "pro", "enterprise"]), Req, "its tier; declare it to have your own";
    KeyEnv "key.env": words(&["prod", "staging", "dev"]), Req, "where it is used";
    KeyTags "key.tags": Type::Set, Req, "its tags";
    KeyMeta "key.meta[]": Type::String, Req|Opt|Text, "a field of its `meta`";
    KeyAge "key.age": Type::Duration, Req|Opt, "how long it has existed";
    KeyAllowsModel "key.allows_model": Type::Bool, Req, "it may use the model the client named";
    UserId "user.id": Type::String, Req|Opt, "the end user, as the client says (`user`, `x-pointsman-user`)";
    SessionId "session.id": Type::String, Req|Opt, "the conversation, as the client says (`x-pointsman-session`)";
    SessionTurn "session.turn": Type::Int, Req, "how many user turns the request holds";
    SessionModel "session.model": Type::String, Req|Opt, "the model that answered this session last";
    ClientIp "client.ip": Type::String, Req|Opt, "the client's address";
    ClientCountry "client.country": Type::String, Req|Opt, "what the CDN in front says (`cf-ipcountry` and its like)";
    ClientApp "client.app": Type::String, Req|Opt, "the first product of the user agent";
    DataResidency "data.residency": words(&["any", "eu", "us"]), Req, "where the data must stay (the key's `residency`)";
    DataClass "data.class": words(&["public", "internal", "confidential", "restricted"]), Req, "how sensitive the data is (the key's `data_class`)";

    SpendKeyDay "spend.key.day": Type::Money, Req|NeedsTill, "what the key has spent today";
    SpendKeyMonth "spend.key.month": Type::Money, Req|NeedsTill, "what the key has spent this month";
    SpendUserDay "spend.user.day": Type::Money, Req|NeedsTill, "what the user has spent today";
    SpendUserMonth "spend.user.month": Type::Money, Req|NeedsTill, "what the user has spent this month";
    SpendTeamDay "spend.team.day": Type::Money, Req|NeedsTill, "what the team has spent today";
    SpendTeamMonth "spend.team.month": Type::Money, Req|NeedsTill, "what the team has spent this month";
    SpendOrgDay "spend.org.day": Type::Money, Req|NeedsTill, "what the organisation has spent today";
    SpendOrgMonth "spend.org.month": Type::Money, Req|NeedsTill, "what the organisation has spent this month";
    BudgetUsed "budget[].used": Type::Percent, Req|OfBudget|NeedsTill, "how much of a budget is used";
    BudgetLeft "budget[].left": Type::Money, Req|OfBudget|NeedsTill, "what is left of a budget";
    RateKeyRpm "rate.key.rpm": Type::Int, Req, "the key's requests in the last minute";
    RateKeyTpm "rate.key.tpm": Type::Int, Req, "the key's tokens in the last minute";
    RateKeyConcurrent "rate.key.concurrent": Type::Int, Req, "the key's requests in flight";

    PoolHealthy "pool[].healthy": Type::Int, Req|OfPool, "how many of a pool's models are available now";
    ModelAvailable "model[].available": Type::Bool, Req|OfModel, "the model can be asked now";
    ModelTtftP50 "model[].ttft.p50": Type::Duration, Req|Opt|OfModel, "the model's median time to the first token";
    ModelTtftP95 "model[].ttft.p95": Type::Duration, Req|Opt|OfModel, "its 95th percentile";
    ModelLatencyP50 "model[].latency.p50": Type::Duration, Req|Opt|OfModel, "the model's median time to the whole answer";
    ModelLatencyP95 "model[].latency.p95": Type::Duration, Req|Opt|OfModel, "its 95th percentile";
    ModelErrorRate "model[].error_rate": Type::Percent, Req|OfModel, "the share of the model's attempts that failed lately";
    ModelInflight "model[].inflight": Type::Int, Req|OfModel, "the model's attempts under way";
    RouterInflight "router.inflight": Type::Int, Req, "requests under way";
    RouterQueue "router.queue": Type::Int, Req, "requests that wait";
    RouterDegraded "router.degraded": Type::Bool, Req, "the gateway is shedding load";

    Time "time": Type::Time, Req, "the instant of the decision; only with `in <schedule>`";
    TimeHour "time.hour": Type::Int, Req, "the hour, 0 to 23, UTC";
    TimeWeekday "time.weekday": words(&["mon", "tue", "wed", "thu", "fri", "sat", "sun"]), Req, "the day of the week, UTC";
    TimeDate "time.date": Type::Date, Req, "the date, UTC";

    Id "id": Type::String, Mod, "the model's id, `provider/model`";
    Provider "provider": Type::String, Mod, "who serves it";
    Family "family": Type::String, Mod, "the line of models it belongs to";
    PriceInput "price.input": PRICE, Mod|Opt, "per million prompt tokens";
    PriceOutput "price.output": PRICE, Mod|Opt, "per million answer tokens";
    PriceCached "price.cached": PRICE, Mod|Opt, "per million prompt tokens from the provider's cache";
    PriceImage "price.image": Type::Price(PriceUnit::Image), Mod|Opt, "per image in the prompt";
    Context "context": Type::Tokens, Mod, "prompt and answer together";
    MaxOutput "max_output": Type::Tokens, Mod, "the longest answer";
    Tools "tools": Type::Bool, Mod, "can call tools";
    ParallelTools "parallel_tools": Type::Bool, Mod, "can call several at once";
    Json "json": Type::Bool, Mod, "can be held to JSON";
    JsonSchema "json_schema": Type::Bool, Mod, "can be held to a schema";
    Vision "vision": Type::Bool, Mod, "sees images";
    Audio "audio": Type::Bool, Mod, "hears sound";
    Reasoning "reasoning": Type::Bool, Mod, "thinks before it answers";
    Logprobs "logprobs": Type::Bool, Mod, "gives log-probabilities";
    OpenWeights "open_weights": Type::Bool, Mod, "its weights are public";
    Local "local": Type::Bool, Mod, "runs on your own machines";
    Embeddings "embeddings": Type::Bool, Mod, "turns texts into vectors, and holds no conversations";
    Region "region": words(REGIONS), Mod|Opt, "where it runs";
    Retention "retention": words(&["zero", "days30", "unknown"]), Mod, "how long the provider keeps prompts";
    TrainsOnData "trains_on_data": Type::Bool, Mod, "the provider may train on prompts";
    Quality "quality": QUALITY, Mod|Opt, "how good it is, by a public measure";
    QualityCode "quality.code": QUALITY, Mod|Opt, "at code";
    QualityMath "quality.math": QUALITY, Mod|Opt, "at mathematics";
    QualityAgent "quality.agent": QUALITY, Mod|Opt, "as an agent";
    QualityChat "quality.chat": QUALITY, Mod|Opt, "at conversation";
    Tags "tags": Type::Set, Mod, "its labels";
    Retires "retires": Type::Date, Mod|Opt, "when the provider switches it off";
    Available "available": Type::Bool, Mod|Live, "it can be asked now";
    TtftP95 "ttft.p95": Type::Duration, Mod|Opt|Live, "the 95th percentile of its time to the first token";
    ErrorRate "error_rate": Type::Percent, Mod|Live, "the share of its attempts that failed lately";

    Failed "failed": Type::Bool, Att, "the attempt ended in any error";
    Error "error": words(&[
        "rate_limited", "overloaded", "timeout", "connect", "server_error", "auth", "bad_request",
        "context_exceeded", "content_filtered", "quota_exhausted", "unsupported",
        "invalid_response", "canceled",
    ]), Att|Opt, "the class of its error";
    TimedOut "timed_out": Type::Bool, Att, "one of the clocks ran out";
    Refused "refused": Type::Bool, Att, "the model declined";
    Truncated "truncated": Type::Bool, Att, "the answer was cut at a length limit";
    Empty "empty": Type::Bool, Att, "the answer has neither text nor a tool call";
    InvalidJson "invalid_json": Type::Bool, Att, "JSON was asked for and did not come";
    SchemaViolation "schema_violation": Type::Bool, Att, "the JSON breaks the schema that was asked for";
    ToolCallMissing "tool_call_missing": Type::Bool, Att, "a tool call was required and did not come";
    ToolCallInvalid "tool_call_invalid": Type::Bool, Att, "a tool call names no offered tool or breaks its schema";
    Repeats "repeats": Type::Bool, Att, "the answer goes round in circles (a heuristic, see docs/facts.md)";
    WrongLanguage "wrong_language": Type::Bool, Att, "the answer is in another language than the question (a heuristic, see docs/facts.md)";
    Unsafe "unsafe": Type::Bool, Att, "the answer threatens, incites or explains grave harm (a heuristic, see docs/facts.md)";
    LogprobMean "logprob.mean": Type::Float(None), Att|Opt, "the mean log-probability of the answer's tokens";
    LogprobMin "logprob.min": Type::Float(None), Att|Opt, "the lowest of them";
    Judge "judge[]": Type::Float(Some((0, 100))), Att|Opt|Text|Expensive, "what a script thinks of the answer (see docs/scripts.md)";
    ResponseTokens "response.tokens": Type::Tokens, Att, "the answer's tokens";
    AttemptCost "attempt.cost": Type::Money, Att, "what the attempt cost";
    AttemptLatency "attempt.latency": Type::Duration, Att, "how long it took";
    AttemptTtft "attempt.ttft": Type::Duration, Att|Opt, "how long its first token took";

    OutcomeRoute "route": Type::String, Out|Opt, "the rule that took the request; of one in a delegated file, `delegate.name`";
    OutcomeModel "model": Type::String, Out|Opt, "the model that answered";
    OutcomeReason "reason": words(&[
        "matched", "requested", "fallback", "escalated", "degraded", "hedged", "cached", "coalesced",
        "arm",
    ]), Out|Opt, "why that one";
    OutcomeArm "arm": Type::String, Out|Opt, "the arm of the split or experiment";
    OutcomeAttempts "attempts": Type::Int, Out, "how many attempts were made";
    OutcomeStatus "status": Type::Int, Out, "the HTTP status of the answer";
    OutcomeCost "cost": Type::Money, Out, "what the attempts that were made cost, with answers of 500 tokens or as many as they may have";
    OutcomeMaxCost "max_cost": Type::Money, Out|Opt, "the worst case of the whole plan";
    OutcomeLatency "latency": Type::Duration, Out, "how long the attempts and the waits between them took";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_per_subject_and_say_whether_they_take_an_index() {
        let mut seen = std::collections::HashSet::new();
        for def in SCHEMA {
            assert!(seen.insert(def.name), "{} stands twice", def.name);
            assert_eq!(def.name.contains("[]"), def.index != Index::None, "{}", def.name);
        }
    }

    #[test]
    fn error_classes_and_the_schema_agree() {
        let Type::Enum(members) = &Attr::Error.def().ty else { panic!("error is an enum") };
        let classes: Vec<_> =
            crate::error_class::ErrorClass::ALL.iter().map(|class| class.name()).collect();
        assert_eq!(members.iter().collect::<Vec<_>>(), classes);
    }

    #[test]
    fn references_print_as_they_are_written() {
        let header = AttrRef { attr: Attr::Header, index: Some("x-team".into()) };
        assert_eq!(header.to_string(), r#"header["x-team"]"#);
        let ttft = AttrRef { attr: Attr::ModelTtftP95, index: Some("a/b".into()) };
        assert_eq!(ttft.to_string(), r#"model["a/b"].ttft.p95"#);
    }
}
