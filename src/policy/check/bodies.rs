//! What stands between the braces of `defaults`, `tune`, a route or a step.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::Checker;
use super::conditions::Scope;
use crate::dialect::edits::{Param, ParamValue};
use crate::error_class::{ErrorClass, ErrorSet};
use crate::policy::codes;
use crate::policy::cond::{Cond, Op};
use crate::policy::diagnostic::{Diagnostic, did_you_mean};
use crate::policy::program::{
    At, CacheDirective, Cap, CapBreach, Fallback, Hedge, HedgeAfter, Hold, ModelFilter, OnLossy,
    Parameter, Prompt, Retry, Settings, Shadow, Sticky, Target,
};
use crate::policy::schema::{REASONING, Type};
use crate::policy::syntax::tree::{
    self, Block, Breach, CacheStmt, Literal, LiteralValue, LogShare, Name, SetParamOp, Span,
    Spanned, Stmt, Value, ValueKind,
};
use crate::policy::syntax::words::error_class_of_status;
use crate::units::{BasisPoints, NanoDollars, Tokens};

/// Whose body it is; not every directive makes sense everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Defaults,
    Tune,
    Route,
    Step,
}

/// A model is never asked more often than this in a row.
const MOST_RETRIES: u64 = 10;
/// The most copies of a request besides the first.
const MOST_HEDGES: u64 = 3;
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// What an answer in the cache may be kept by.
pub const CACHE_KEY_PARTS: [&str; 8] =
    ["model", "messages", "tools", "parameters", "user.id", "key.id", "key.team", "session.id"];
/// The clocks of an attempt.
pub const CLOCKS: [&str; 6] = ["total", "attempt", "connect", "headers", "ttft", "idle"];

impl<'a> Checker<'a> {
    pub(super) fn settings(&mut self, body: &Block<Stmt>, place: Place) -> Settings {
        let mut settings = Settings::default();
        let mut said: HashMap<String, Span> = HashMap::new();
        for line in &body.lines {
            let (key, directive) = identity(&line.node);
            if place == Place::Step && !line.node.fits_step() {
                self.report(
                    Diagnostic::error(
                        codes::NOT_ALLOWED_HERE,
                        line.span,
                        format!("a step has no `{directive}`"),
                        "belongs to the route",
                    )
                    .help("move it to the route that goes to this ladder"),
                );
            }
            if let Some(first) = key.and_then(|key| said.insert(key, line.span)) {
                self.report(
                    Diagnostic::error(
                        codes::SAID_TWICE,
                        line.span,
                        format!("`{directive}` is said twice"),
                        "again here",
                    )
                    .also(first, "first said here")
                    .help("keep one of them"),
                );
            }
            self.statement(&line.node, line.span, &mut settings);
        }
        settings
    }

    fn statement(&mut self, stmt: &Stmt, span: Span, settings: &mut Settings) {
        match stmt {
            Stmt::Only(cond) => {
                let filter = self.model_filter(cond);
                settings.only.push(Arc::new(filter));
            }
            Stmt::Floor { attr, at_least } => self.floor(attr, at_least, span, settings),
            Stmt::Timeout(clocks) => self.timeouts(clocks, settings),
            Stmt::Retry { times, on, backoff } => {
                settings.retry = Some(self.retry(times, on.as_deref(), backoff.as_ref()));
            }
            Stmt::Fallback { to, on } => {
                let targets: Vec<Target> = to.iter().filter_map(|to| self.target(to)).collect();
                settings.fallback = Some(Fallback {
                    to: targets,
                    on: on
                        .as_ref()
                        .map_or(ErrorSet::DEFAULT_FALLBACK, |classes| self.error_set(classes)),
                    at: At(span),
                });
            }
            Stmt::Hedge { after, to, max } => {
                settings.hedge =
                    self.hedge(after, to, max.as_ref(), span).or(settings.hedge.take());
            }
            Stmt::Cap { amount, breach } => self.cap(amount, breach, span, settings),
            Stmt::Cache(cache) => self.cache(cache, span, settings),
            Stmt::Set { param, op, value } if param.node == "on_lossy" => {
                settings.on_lossy = self.on_lossy(param, *op, value).or(settings.on_lossy);
            }
            Stmt::Set { param, op, value } => {
                if let Some(parameter) = self.parameter(param, *op, value) {
                    settings.parameters.push(parameter);
                }
            }
            Stmt::Prompt { place, from_file, text } => {
                let found = if *from_file {
                    match self.read_file(&text.node) {
                        Ok(found) => found,
                        Err(reason) => {
                            self.report(
                                Diagnostic::error(
                                    codes::UNREADABLE_FILE,
                                    text.span,
                                    format!("cannot read `{}`", text.node),
                                    reason,
                                )
                                .help("the path is relative to the policy's folder"),
                            );
                            return;
                        }
                    }
                } else {
                    text.node.clone()
                };
                settings.prompts.push(Prompt { place: *place, text: found.into() });
            }
            Stmt::Shadow { share, to } => {
                let target = self.one_model_of(to, "a copy whose answer is thrown away");
                if let LiteralValue::Percent(part) = share.node.value
                    && !(1..=BasisPoints::WHOLE.0).contains(&part.0)
                {
                    self.report(Diagnostic::error(
                        codes::OUT_OF_RANGE,
                        share.span,
                        format!("a shadow of {part}"),
                        "must be more than 0 % and at most 100 %",
                    ));
                }
                if let (Some(to), LiteralValue::Percent(share)) = (target, &share.node.value) {
                    settings.shadows.push(Shadow { share: *share, to, at: At(span) });
                }
            }
            Stmt::Sticky { by, ttl } => {
                let by = self.identity_attribute(by);
                if let (Some(by), Some(ttl)) = (by, self.duration(ttl)) {
                    settings.sticky = Some(Sticky { by, ttl });
                }
            }
            Stmt::Tag { name, value } => {
                let text = match &value.kind {
                    ValueKind::Name(word) => word.as_str(),
                    ValueKind::Literal(literal) => match &literal.value {
                        LiteralValue::String(text) => text.as_str(),
                        _ => literal.raw.as_str(),
                    },
                };
                settings.tags.push((name.node.as_str().into(), text.into()));
            }
            Stmt::Pick(pick) => settings.pick = Some(self.pick(pick)),
            Stmt::Log { what, share } => self.log(what, share, settings),
            Stmt::Hold(hold) => settings.hold = Some(self.hold(hold)),
        }
    }

    fn hedge(
        &mut self,
        after: &Value,
        to: &tree::Target,
        max: Option<&Spanned<u64>>,
        span: Span,
    ) -> Option<Hedge> {
        let after = match &after.kind {
            ValueKind::Name(word) => match word.as_str() {
                "p50" => Some(HedgeAfter::P50),
                "p95" => Some(HedgeAfter::P95),
                _ => {
                    let words = Type::Enum(crate::policy::schema::Members::Fixed(&["p50", "p95"]));
                    self.word(("after", after.span), &words, after);
                    None
                }
            },
            ValueKind::Literal(literal) => {
                let key =
                    self.literal_key(("after", after.span), &Type::Duration, literal, after.span);
                key.map(|nanos| HedgeAfter::Time(Duration::from_nanos(nanos.max(0) as u64)))
            }
        };
        let target = self.one_model_of(to, "a second copy");
        if let Some(max) = max
            && !(1..=MOST_HEDGES).contains(&max.node)
        {
            self.report(Diagnostic::error(
                codes::OUT_OF_RANGE,
                max.span,
                format!("{} copies", max.node),
                format!("between 1 and {MOST_HEDGES}"),
            ));
        }
        let max = max.map_or(1, |max| max.node.clamp(1, MOST_HEDGES)) as u32;
        Some(Hedge { after: after?, to: target?, max, at: At(span) })
    }

    /// A target that asks one model and is done.
    fn one_model_of(&mut self, to: &tree::Target, what: &str) -> Option<Target> {
        let target = self.target(to)?;
        if let Target::Ladder(_) = target {
            let what = format!("{what} cannot climb a ladder");
            self.report(
                Diagnostic::error(codes::WRONG_TARGET, to.span, what, "a ladder")
                    .help("send it to a pool or a model"),
            );
            return None;
        }
        Some(target)
    }

    fn floor(
        &mut self,
        attr: &tree::AttrPath,
        at_least: &Spanned<Literal>,
        span: Span,
        settings: &mut Settings,
    ) {
        let Some(resolved) = self.resolve(attr, Scope::Model) else { return };
        let written = attr.to_string();
        if !resolved.ty.is_ordered() {
            self.report(Diagnostic::error(
                codes::OPERATOR_FOR_TYPE,
                attr.span,
                format!("`{written}` has no order"),
                format!("this is {}", resolved.ty.name()),
            ));
            return;
        }
        let named = (written.as_str(), attr.span);
        let Some(key) = self.literal_key(named, &resolved.ty, &at_least.node, at_least.span) else {
            return;
        };
        let cond = Cond::test(resolved.operand, Op::Within(vec![(key, i64::MAX)]), span);
        let text = format!("{written} >= {}", at_least.node.raw);
        let filter = ModelFilter { is_floor: true, ..self.filter_of(cond, text.into(), span) };
        settings.only.push(Arc::new(filter));
    }

    fn timeouts(&mut self, clocks: &[(Name, Spanned<Literal>)], settings: &mut Settings) {
        for (name, time) in clocks {
            let Some(duration) = self.duration(time) else { continue };
            let timeouts = &mut settings.timeouts;
            let clock = match name.node.as_str() {
                "total" => &mut timeouts.total,
                "attempt" => &mut timeouts.attempt,
                "connect" => &mut timeouts.connect,
                "headers" => &mut timeouts.headers,
                "ttft" => &mut timeouts.ttft,
                "idle" => &mut timeouts.idle,
                other => {
                    let near = match other {
                        "first_token" | "first" => Some("ttft"),
                        "all" | "request" => Some("total"),
                        other => did_you_mean(other, CLOCKS),
                    };
                    let mut diagnostic = Diagnostic::error(
                        codes::UNKNOWN_NAME,
                        name.span,
                        format!("there is no clock `{other}`"),
                        "unknown clock",
                    )
                    .note(format!("clocks: {}", CLOCKS.join(", ")));
                    if let Some(near) = near {
                        diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(
                            format!("use `{near}`"),
                            name.span,
                            near,
                        );
                    }
                    self.report(diagnostic);
                    continue;
                }
            };
            if clock.replace(duration).is_some() {
                self.report(
                    Diagnostic::error(
                        codes::SAID_TWICE,
                        name.span,
                        format!("the clock `{}` is set twice", name.node),
                        "again here",
                    )
                    .help("keep one of them"),
                );
            }
            if duration.is_zero() {
                self.report(Diagnostic::error(
                    codes::OUT_OF_RANGE,
                    time.span,
                    "nothing happens in no time",
                    "must be longer than 0",
                ));
            }
        }
    }

    fn retry(
        &mut self,
        times: &Spanned<u64>,
        on: Option<&[Name]>,
        backoff: Option<&(Spanned<Literal>, Option<Spanned<Literal>>)>,
    ) -> Retry {
        if times.node > MOST_RETRIES {
            self.report(
                Diagnostic::error(
                    codes::OUT_OF_RANGE,
                    times.span,
                    format!("{} retries", times.node),
                    format!("at most {MOST_RETRIES}"),
                )
                .help("a provider that is down comes back no sooner; name a `fallback`"),
            );
        }
        let (mut first_wait, mut longest_wait) = (FIRST_WAIT, LONGEST_WAIT);
        if let Some((first, longest)) = backoff {
            first_wait = self.duration(first).unwrap_or(first_wait);
            longest_wait = match longest {
                Some(longest) => self.duration(longest).unwrap_or(longest_wait),
                None => longest_wait.max(first_wait),
            };
            if let Some(longest) = longest
                && longest_wait < first_wait
            {
                self.report(Diagnostic::error(
                    codes::EMPTY_RANGE,
                    first.span.to(longest.span),
                    "the longest wait is shorter than the first",
                    "turn them round",
                ));
            }
        }
        Retry {
            times: times.node.min(MOST_RETRIES) as u32,
            on: on.map_or(ErrorSet::TRANSIENT, |classes| self.error_set(classes)),
            first_wait,
            longest_wait,
        }
    }

    fn error_set(&mut self, classes: &[Name]) -> ErrorSet {
        let mut set = ErrorSet::NONE;
        for name in classes {
            let found = match name.node.as_str() {
                "transient" => Some(ErrorSet::TRANSIENT),
                "any" => Some(ErrorSet::ANY),
                word => ErrorClass::from_name(word).map(|class| ErrorSet::of(&[class])),
            };
            match found {
                Some(found) => set = set.union(found),
                None => {
                    let known = ErrorClass::ALL.iter().map(|class| class.name());
                    let known: Vec<&str> = known.chain(["transient", "any"]).collect();
                    let mut diagnostic = Diagnostic::error(
                        codes::UNKNOWN_ERROR_CLASS,
                        name.span,
                        format!("`{}` is not an error class", name.node),
                        "unknown error class",
                    );
                    let near = match name.node.as_str() {
                        "timed_out" | "timeouts" => Some("timeout"),
                        "5xx" | "server" => Some("server_error"),
                        "rate_limit" | "ratelimit" | "throttled" => Some("rate_limited"),
                        other => status_in(other)
                            .and_then(error_class_of_status)
                            .or_else(|| did_you_mean(other, known.iter().copied())),
                    };
                    if let Some(near) = near {
                        diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(
                            format!("use `{near}`"),
                            name.span,
                            near,
                        );
                    }
                    self.report(diagnostic.note(format!("error classes: {}", known.join(", "))));
                }
            }
        }
        set
    }

    fn cap(
        &mut self,
        amount: &Spanned<Literal>,
        breach: &Breach,
        span: Span,
        settings: &mut Settings,
    ) {
        let money = self.money(amount);
        let breach = match breach {
            Breach::Warn => CapBreach::Warn,
            Breach::Deny(why) => {
                CapBreach::Deny(why.as_ref().map(|text| text.node.as_str().into()))
            }
            Breach::Degrade(target) => match self.target(target) {
                Some(target) => CapBreach::Degrade(target),
                None => return,
            },
            Breach::Queue(_) => {
                self.report(
                    Diagnostic::error(
                        codes::NOT_ALLOWED_HERE,
                        span,
                        "a cap cannot queue",
                        "waiting makes no request cheaper",
                    )
                    .help("use `else deny \"…\"`, `else degrade to POOL` or `else warn`"),
                );
                return;
            }
        };
        if let Some(amount) = money {
            settings.cap = Some(Cap { amount, breach, at: At(span) });
        }
    }

    fn cache(&mut self, cache: &CacheStmt, span: Span, settings: &mut Settings) {
        match cache {
            CacheStmt::Off => settings.cache = Some(CacheDirective::Off),
            CacheStmt::On { semantic, ttl, key } => {
                if semantic.is_some() {
                    self.wait(span, "`cache semantic`", "embeddings");
                }
                let mut parts = None;
                if let Some(listed) = key {
                    let mut names: Vec<Arc<str>> = Vec::new();
                    for value in listed {
                        match &value.kind {
                            ValueKind::Name(name) if CACHE_KEY_PARTS.contains(&name.as_str()) => {
                                names.push(name.as_str().into());
                            }
                            _ => self.unknown_key_part(value),
                        }
                    }
                    parts = Some(names);
                }
                if let Some(ttl) = self.duration(ttl) {
                    settings.cache = Some(CacheDirective::Exact { ttl, key: parts });
                }
            }
        }
    }

    fn unknown_key_part(&mut self, value: &Value) {
        let written = self.text[value.span.range()].to_owned();
        let diagnostic = Diagnostic::error(
            codes::UNKNOWN_NAME,
            value.span,
            format!("`{written}` cannot be part of a cache key"),
            "unknown part",
        )
        .note(format!("parts: {}", CACHE_KEY_PARTS.join(", ")));
        self.report(match did_you_mean(&written, CACHE_KEY_PARTS) {
            Some(near) => diagnostic.fix(format!("use `{near}`"), value.span, near),
            None => diagnostic,
        });
    }

    /// Not a parameter of the model's but of the route's.
    fn on_lossy(&mut self, param: &Name, op: SetParamOp, value: &Value) -> Option<OnLossy> {
        if op != SetParamOp::Replace {
            self.report(
                Diagnostic::error(
                    codes::OPERATOR_FOR_TYPE,
                    value.span,
                    "`on_lossy` has no order to clamp by",
                    "not a number",
                )
                .help("write `set on_lossy = …`"),
            );
            return None;
        }
        let words = Type::Enum(crate::policy::schema::Members::Fixed(OnLossy::WORDS));
        let word = self.word((param.node.as_str(), param.span), &words, value)?;
        OnLossy::from_word(word)
    }

    fn parameter(&mut self, param: &Name, op: SetParamOp, value: &Value) -> Option<Parameter> {
        let Some(name) = Param::from_name(&param.node) else {
            let words = Param::SETTABLE.iter().map(|param| param.name()).chain(["on_lossy"]);
            let words: Vec<&str> = words.collect();
            let near = match param.node.as_str() {
                "max_tokens" | "max_completion_tokens" | "max_output_tokens" => Some("max_output"),
                "reasoning_effort" => Some("reasoning"),
                "parallel_tool_calls" => Some("parallel_tools"),
                other => did_you_mean(other, words.iter().copied()),
            };
            let mut diagnostic = Diagnostic::error(
                codes::UNKNOWN_PARAMETER,
                param.span,
                format!("there is no parameter `{}`", param.node),
                "unknown parameter",
            )
            .note(format!("parameters: {}", words.join(", ")));
            if let Some(near) = near {
                diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(
                    format!("use `{near}`"),
                    param.span,
                    near,
                );
            }
            self.report(diagnostic);
            return None;
        };
        let named = (param.node.as_str(), param.span);
        let value_of = match name {
            Param::ParallelTools | Param::Logprobs | Param::Store => match &value.kind {
                ValueKind::Literal(Literal { value: LiteralValue::Bool(bool), .. }) => {
                    Some(ParamValue::Bool(*bool))
                }
                _ => {
                    self.report(Diagnostic::error(
                        codes::TYPE_MISMATCH,
                        value.span,
                        format!("`{}` is a yes or no", param.node),
                        "expected `true` or `false`",
                    ));
                    None
                }
            },
            Param::Reasoning => {
                let efforts: &'static [&'static str] = &REASONING[1..];
                let ty = Type::Enum(crate::policy::schema::Members::Fixed(efforts));
                self.word(named, &ty, value).map(|word| ParamValue::Text(word.into()))
            }
            Param::Stop | Param::ServiceTier | Param::User => {
                self.word(named, &Type::String, value).map(|text| ParamValue::Text(text.into()))
            }
            Param::MaxOutput => self.key(named, &Type::Tokens, value).map(ParamValue::Int),
            Param::N | Param::Seed | Param::TopK | Param::TopLogprobs => {
                self.key(named, &Type::Int, value).map(ParamValue::Int)
            }
            _ => self.float(named, value).map(ParamValue::Float),
        }?;
        let is_number = matches!(value_of, ParamValue::Int(_) | ParamValue::Float(_));
        if op != SetParamOp::Replace && !is_number {
            self.report(
                Diagnostic::error(
                    codes::OPERATOR_FOR_TYPE,
                    value.span,
                    format!("`{}` has no order to clamp by", param.node),
                    "not a number",
                )
                .help(format!("write `set {} = …`", param.node)),
            );
            return None;
        }
        let bounds = match name {
            Param::Temperature => Some((0.0, 2.0)),
            Param::TopP => Some((0.0, 1.0)),
            Param::PresencePenalty | Param::FrequencyPenalty => Some((-2.0, 2.0)),
            Param::MaxOutput | Param::N => Some((1.0, f64::INFINITY)),
            _ => None,
        };
        let number = match value_of {
            ParamValue::Int(int) => Some(int as f64),
            ParamValue::Float(float) => Some(float),
            _ => None,
        };
        if let (Some((low, high)), Some(number)) = (bounds, number)
            && !(low..=high).contains(&number)
        {
            let allowed = if high.is_infinite() {
                format!("must be at least {low}")
            } else {
                format!("must lie between {low} and {high}")
            };
            self.report(Diagnostic::error(
                codes::OUT_OF_RANGE,
                value.span,
                format!("`{}` cannot be {number}", param.node),
                allowed,
            ));
        }
        Some(Parameter { name, op, value: value_of })
    }

    fn float(&mut self, named: (&str, Span), value: &Value) -> Option<f64> {
        self.key(named, &Type::Float(None), value)?;
        match &value.kind {
            ValueKind::Literal(Literal { value: LiteralValue::Int(int), .. }) => Some(*int as f64),
            ValueKind::Literal(Literal { value: LiteralValue::Float(float), .. }) => Some(*float),
            _ => None,
        }
    }

    fn log(&mut self, what: &Name, share: &Spanned<LogShare>, settings: &mut Settings) {
        if what.node != "bodies" {
            let diagnostic = Diagnostic::error(
                codes::UNKNOWN_NAME,
                what.span,
                format!("`log` does not know `{}`", what.node),
                "unknown",
            );
            self.report(diagnostic.fix("use `bodies`", what.span, "bodies"));
            return;
        }
        settings.log_bodies = Some(match share.node {
            LogShare::On => BasisPoints::WHOLE,
            LogShare::Off => BasisPoints(0),
            LogShare::Percent(part) => {
                if part > BasisPoints::WHOLE {
                    self.report(Diagnostic::error(
                        codes::OUT_OF_RANGE,
                        share.span,
                        format!("{part} of the bodies"),
                        "at most 100 %",
                    ));
                }
                part
            }
        });
    }

    pub(super) fn hold(&mut self, hold: &Spanned<tree::Hold>) -> Hold {
        match &hold.node {
            tree::Hold::None => Hold::None,
            tree::Hold::Full => Hold::Full,
            tree::Hold::Tokens(literal) => match literal.value {
                LiteralValue::Tokens(count) | LiteralValue::Int(count) => {
                    Hold::Tokens(Tokens(count.max(0) as u64))
                }
                _ => Hold::None,
            },
            tree::Hold::For(literal) => match literal.value {
                LiteralValue::Duration(nanos) => {
                    Hold::For(Duration::from_nanos(nanos.max(0) as u64))
                }
                _ => Hold::None,
            },
        }
    }

    pub(super) fn money(&mut self, literal: &Spanned<Literal>) -> Option<NanoDollars> {
        let named = ("this", literal.span);
        let key = self.literal_key(named, &Type::Money, &literal.node, literal.span)?;
        Some(NanoDollars(key.max(0) as u64))
    }

    pub(super) fn duration(&mut self, literal: &Spanned<Literal>) -> Option<Duration> {
        let named = ("this", literal.span);
        let key = self.literal_key(named, &Type::Duration, &literal.node, literal.span)?;
        Some(Duration::from_nanos(key.max(0) as u64))
    }
}

/// The status in a word such as `http_500`.
fn status_in(word: &str) -> Option<u16> {
    word.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().ok()
}

/// What makes a second statement a repetition (`None`: it may stand several times), and the word it
/// begins with.
fn identity(stmt: &Stmt) -> (Option<String>, &'static str) {
    let once = |word: &'static str| (Some(word.to_owned()), word);
    match stmt {
        Stmt::Only(_) => (None, "only"),
        Stmt::Floor { attr, .. } => (Some(format!("floor {attr}")), "floor"),
        Stmt::Timeout(_) => (None, "timeout"),
        Stmt::Retry { .. } => once("retry"),
        Stmt::Fallback { .. } => once("fallback"),
        Stmt::Hedge { .. } => once("hedge"),
        Stmt::Cap { .. } => once("cap"),
        Stmt::Cache(_) => once("cache"),
        Stmt::Set { param, op, .. } => (Some(format!("set {} {op:?}", param.node)), "set"),
        Stmt::Prompt { .. } => (None, "prompt"),
        Stmt::Shadow { .. } => (None, "shadow"),
        Stmt::Sticky { .. } => once("sticky"),
        Stmt::Tag { name, .. } => (Some(format!("tag {}", name.node)), "tag"),
        Stmt::Pick(_) => once("pick"),
        Stmt::Log { what, .. } => (Some(format!("log {}", what.node)), "log"),
        Stmt::Hold(_) => once("hold"),
    }
}
