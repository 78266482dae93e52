//! The generated parser, and the names people use for what it looks for.

// The generated code has neither docs nor our lints in mind.
#![allow(missing_docs)]

use pest::Parser as _;
use pest::error::{ErrorVariant, InputLocation};
use pest::iterators::Pairs;

/// The grammar, as pest compiled it.
#[derive(pest_derive::Parser)]
#[grammar = "../grammar/policy.pest"]
struct PolicyParser;

/// Where a parse stopped, and what would have been taken there.
pub struct Stop {
    /// The byte in the parsed text.
    pub at: usize,
    /// The rules that were tried there.
    pub expected: Vec<Rule>,
}

/// Parses the whole of `text` with one rule.
pub fn run(rule: Rule, text: &str) -> Result<Pairs<'_, Rule>, Stop> {
    PolicyParser::parse(rule, text).map_err(|error| {
        let at = match error.location {
            InputLocation::Pos(at) => at,
            InputLocation::Span((at, _)) => at,
        };
        let expected = match error.variant {
            ErrorVariant::ParsingError { positives, .. } => positives,
            ErrorVariant::CustomError { .. } => Vec::new(),
        };
        Stop { at, expected }
    })
}

macro_rules! keywords {
    ($($rule:ident = $word:literal),* $(,)?) => {
        /// The spelling of a keyword's or a sign's rule.
        pub fn spelling(rule: Rule) -> Option<&'static str> {
            match rule {
                $(Rule::$rule => Some($word),)*
                _ => None,
            }
        }
    };
}

keywords! {
    p_arrow = "->", p_eq = "=", p_le = "<=", p_ge = ">=", p_lbrace = "{", p_rbrace = "}",
    p_lparen = "(", p_rparen = ")", p_lbrack = "[", p_rbrack = "]", p_comma = ",", p_colon = ":",
    p_dots = "..", p_bar = "|",
    k_after = "after", k_alias = "alias", k_all = "all", k_and = "and", k_answered = "answered",
    k_any = "any", k_arm = "arm", k_as = "as", k_assume = "assume", k_at = "at",
    k_attempt = "attempt", k_attribute = "attribute", k_backoff = "backoff",
    k_because = "because", k_budget = "budget", k_by = "by", k_cache = "cache", k_cap = "cap",
    k_classifier = "classifier", k_concurrent = "concurrent", k_deadline = "deadline",
    k_default = "default", k_defaults = "defaults", k_degrade = "degrade",
    k_delegate = "delegate", k_denied = "denied", k_deny = "deny", k_else = "else",
    k_ends = "ends", k_enum = "enum", k_escalate = "escalate", k_every = "every",
    k_exact = "exact", k_except = "except", k_expect = "expect", k_experiment = "experiment",
    k_fallback = "fallback", k_file = "file", k_floor = "floor", k_for = "for",
    k_from = "from", k_full = "full", k_given = "given", k_guard = "guard", k_halt = "halt",
    k_has = "has", k_header = "header", k_hedge = "hedge", k_hold = "hold",
    k_import = "import", k_in = "in", k_invariant = "invariant", k_is = "is", k_key = "key",
    k_ladder = "ladder", k_language = "language", k_let = "let", k_like = "like",
    k_limit = "limit", k_log = "log", k_matches = "matches", k_max = "max",
    k_max_cost = "max_cost", k_metric = "metric", k_model = "model", k_models = "models",
    k_no = "no", k_none = "none", k_not = "not", k_of = "of", k_off = "off", k_on = "on",
    k_only = "only", k_or = "or", k_over = "over", k_per = "per", k_pick = "pick",
    k_plus = "plus", k_pool = "pool", k_prompt = "prompt", k_queue = "queue",
    k_ramp = "ramp", k_request = "request", k_require = "require", k_rest = "rest",
    k_retry = "retry", k_route = "route", k_salt = "salt", k_samples = "samples",
    k_schedule = "schedule", k_script = "script", k_semantic = "semantic", k_set = "set",
    k_shadow = "shadow", k_split = "split", k_status = "status", k_step = "step",
    k_sticky = "sticky", k_tag = "tag", k_test = "test", k_timeout = "timeout", k_to = "to",
    k_tokens = "tokens", k_ttl = "ttl", k_tune = "tune", k_warn = "warn", k_when = "when",
    k_where = "where",
}

/// What may stand where a rule was tried.
pub enum Wanted {
    /// This word or sign, exactly.
    Word(&'static str),
    /// One of these words or signs, exactly.
    Words(&'static [&'static str]),
    /// A kind of thing: "a duration such as `30s`".
    Kind(&'static str),
    /// Nothing that a person should be told about.
    Nothing,
}

/// What to call a rule before people. Never its own name.
pub fn wanted(rule: Rule) -> Wanted {
    use Wanted::{Kind, Nothing, Words};
    match rule {
        Rule::ident | Rule::name => Kind("a name"),
        Rule::target | Rule::targets | Rule::goes => Kind("a pool or a model"),
        Rule::model => Kind("a model such as `openai/gpt-5`"),
        Rule::attr => Kind("an attribute such as `input.tokens`"),
        Rule::binding => Kind("an attribute such as `input.tokens`"),
        Rule::value => Kind("a value"),
        Rule::string => Kind("a text in quotes"),
        Rule::regex => Kind("a pattern between slashes"),
        Rule::digits | Rule::num | Rule::number => Kind("a number"),
        Rule::concurrent => Kind("a number and `concurrent`"),
        Rule::rate => Kind("a rate such as `60/min`"),
        Rule::money | Rule::dollars | Rule::amount => Kind("an amount of money such as `$0.05`"),
        Rule::percent => Kind("a percentage such as `5%`"),
        Rule::share => Kind("a share such as `5%`, or `rest`"),
        Rule::arm => Kind("a share such as `5%`"),
        Rule::duration => Kind("a duration such as `30s`"),
        Rule::clause => Kind("`total`, `ttft`, `attempt` or `idle` with a duration"),
        Rule::tokens => Kind("a count such as `64 tokens`"),
        Rule::bytes => Kind("a size such as `512KiB`"),
        Rule::clock | Rule::hours => Kind("a time of day such as `09:00`"),
        Rule::date => Kind("a date such as `2026-09-01`"),
        Rule::zone => Kind("a time zone such as `Europe/Berlin`"),
        Rule::range => Kind("a range such as `2k..8k`"),
        Rule::list | Rule::globs => Words(&["["]),
        Rule::members => Words(&["["]),
        Rule::set_term | Rule::set_expr => Kind("`models`, the name of a pool, or `[`"),
        Rule::set_op => Words(&["plus", "except"]),
        Rule::cond | Rule::conj | Rule::unary | Rule::atom => Kind("a condition"),
        Rule::paren => Words(&["("]),
        Rule::when => Words(&["when"]),
        Rule::op | Rule::compare => Words(&["==", "!=", "<", "<=", ">", ">="]),
        Rule::member => Words(&["in", "not in"]),
        Rule::presence => Words(&["is"]),
        Rule::contains => Words(&["has"]),
        Rule::like => Words(&["like"]),
        Rule::matches => Words(&["matches"]),
        Rule::existence => Words(&["present", "absent"]),
        Rule::set_sign => Words(&["=", "<=", ">="]),
        Rule::strategy | Rule::ranking => Words(PICKS),
        Rule::placing => Words(&["prepend", "append", "replace"]),
        Rule::period => Words(PERIODS),
        Rule::scalar | Rule::r#type => Words(TYPES),
        Rule::quantifier => Words(&["every", "some", "no"]),
        Rule::frequency => Words(&["never", "always"]),
        Rule::bound => Words(&["max_cost", "max_attempts", "max_latency"]),
        Rule::breach => Words(&["warn", "degrade", "queue", "deny"]),
        Rule::knobs | Rule::body | Rule::rungs | Rule::arms | Rule::trials | Rule::marks => {
            Words(&["{"])
        }
        Rule::claims | Rule::probes => Words(&["{"]),
        Rule::knob => Kind("a setting such as `timeout 30ms`"),
        Rule::source => Words(&["script", "classifier", "header"]),
        Rule::pick => Words(&["pick"]),
        Rule::by => Words(&["by"]),
        Rule::errors => Words(&["on"]),
        Rule::over => Words(&["over"]),
        Rule::only => Words(&["only"]),
        Rule::expect_models => Words(&["every", "some", "no"]),
        Rule::expect_denied => Words(&["denied"]),
        Rule::expect_answered => Words(&["answered"]),
        Rule::EOI => Nothing,
        rule => match spelling(rule) {
            Some(word) => Wanted::Word(word),
            None => Nothing,
        },
    }
}

const PICKS: &[&str] =
    &["cheapest", "fastest", "best", "first", "least-busy", "round-robin", "script"];
const PERIODS: &[&str] = &["second", "minute", "hour", "day", "week", "month", "sec", "min"];
const TYPES: &[&str] = &[
    "bool", "int", "float", "string", "money", "tokens", "duration", "percent", "set", "time",
    "enum",
];
