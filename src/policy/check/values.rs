//! Constants against types: is this a value of that kind, and in whose unit?

use super::Checker;
use crate::policy::codes;
use crate::policy::diagnostic::{Diagnostic, did_you_mean};
use crate::policy::models::days;
use crate::policy::schema::Type;
use crate::policy::syntax::tree::{Literal, LiteralValue, PriceUnit, Span, Value, ValueKind};
use crate::policy::value::{self, float_key};

/// Reads a text from outside (a header, a key's field) as a value of this type, spelled as in the
/// language: `8k`, `$0.02`, `2s`, `5%`.
pub fn quantity(ty: &Type, text: &str) -> Option<value::Value<'static>> {
    let literal = crate::policy::syntax::parse_literal(text.trim())?;
    match ty {
        Type::Float(_) => match literal.value {
            LiteralValue::Int(int) => Some(value::Value::Float(int as f64)),
            LiteralValue::Float(float) => Some(value::Value::Float(float)),
            _ => None,
        },
        ty => integer(ty, &literal.value).map(value::Value::Int),
    }
}

/// The constant in the type's integer unit; `None` where it is of another kind.
fn integer(ty: &Type, literal: &LiteralValue) -> Option<i64> {
    match (ty, literal) {
        (Type::Int | Type::Tokens | Type::Bytes, LiteralValue::Int(int)) => Some(*int),
        (Type::Tokens, LiteralValue::Tokens(tokens)) => Some(*tokens),
        (Type::Bytes, LiteralValue::Bytes(bytes)) => Some(*bytes),
        (Type::Money, LiteralValue::Money(amount)) => i64::try_from(amount.0).ok(),
        (Type::Price(unit), LiteralValue::Price(amount, per)) if unit == per => {
            i64::try_from(amount.0).ok()
        }
        (Type::Duration, LiteralValue::Duration(nanos)) => Some(*nanos),
        (Type::Percent, LiteralValue::Percent(share)) => Some(i64::from(share.0)),
        (Type::Date, LiteralValue::Date(date)) => Some(days(*date)),
        _ => None,
    }
}

/// What kind of thing a constant is, for messages.
fn kind(literal: &LiteralValue) -> &'static str {
    match literal {
        LiteralValue::Bool(_) => "a yes or no",
        LiteralValue::Int(_) => "a plain number",
        LiteralValue::Float(_) => "a number",
        LiteralValue::Tokens(_) => "a count of tokens",
        LiteralValue::Money(_) => "an amount of money",
        LiteralValue::Price(_, PriceUnit::Mtok) => "a price per token",
        LiteralValue::Price(_, PriceUnit::Image) => "a price per image",
        LiteralValue::Price(_, PriceUnit::Request) => "a price per request",
        LiteralValue::Price(_, PriceUnit::Minute) => "a price per minute",
        LiteralValue::Percent(_) => "a percentage",
        LiteralValue::Duration(_) => "a duration",
        LiteralValue::Bytes(_) => "a size in bytes",
        LiteralValue::Rate { .. } => "a rate",
        LiteralValue::String(_) => "a text",
        LiteralValue::Clock(_) => "a time of day",
        LiteralValue::Date(_) => "a date",
    }
}

impl Checker<'_> {
    /// The order key of a constant of an ordered type.
    pub(super) fn key(&mut self, attr: (&str, Span), ty: &Type, value: &Value) -> Option<i64> {
        match &value.kind {
            ValueKind::Literal(literal) => self.literal_key(attr, ty, literal, value.span),
            ValueKind::Name(name) => {
                self.report(
                    Diagnostic::error(
                        codes::TYPE_MISMATCH,
                        value.span,
                        format!("`{}` is compared with a constant, not with `{name}`", attr.0),
                        format!("expected {}", ty.name()),
                    )
                    .also(attr.1, format!("this is {}", ty.name()))
                    .note("a condition compares one attribute with constants"),
                );
                None
            }
        }
    }

    /// The order key of a literal of an ordered type.
    pub(super) fn literal_key(
        &mut self,
        attr: (&str, Span),
        ty: &Type,
        literal: &Literal,
        span: Span,
    ) -> Option<i64> {
        let key = match (ty, &literal.value) {
            (Type::Float(_), LiteralValue::Int(int)) => float_key(*int as f64),
            (Type::Float(_), LiteralValue::Float(float)) => float_key(*float),
            (ty, literal) => integer(ty, literal),
        };
        let Some(key) = key else {
            self.report(mismatch(attr, ty, literal, span));
            return None;
        };
        if let Type::Float(Some((low, high))) = ty {
            let bounds = [*low, *high].map(|bound| float_key(f64::from(bound) / 100.0));
            if Some(key) < bounds[0] || Some(key) > bounds[1] {
                self.report(
                    Diagnostic::error(
                        codes::OUT_OF_RANGE,
                        span,
                        format!("`{}` is never {}", attr.0, literal.raw),
                        format!("must lie between {} and {}", low / 100, high / 100),
                    )
                    .also(attr.1, "this attribute has bounds"),
                );
            }
        }
        Some(key)
    }

    /// The text of a constant of a text or enum type.
    pub(super) fn word<'v>(
        &mut self,
        attr: (&str, Span),
        ty: &Type,
        value: &'v Value,
    ) -> Option<&'v str> {
        match (ty, &value.kind) {
            (Type::Enum(members), ValueKind::Name(word)) => {
                if members.contains(word) {
                    return Some(word);
                }
                let mut diagnostic = Diagnostic::error(
                    codes::UNKNOWN_MEMBER,
                    value.span,
                    format!("`{word}` is not a value of `{}`", attr.0),
                    "unknown value",
                );
                if let Some(near) = did_you_mean(word, members.iter()) {
                    diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(
                        format!("use `{near}`"),
                        value.span,
                        near,
                    );
                }
                let all: Vec<&str> = members.iter().collect();
                self.report(diagnostic.note(format!("its values: {}", all.join(", "))));
                None
            }
            (Type::Enum(members), ValueKind::Literal(literal)) => {
                let LiteralValue::String(text) = &literal.value else {
                    self.report(mismatch(attr, ty, literal, value.span));
                    return None;
                };
                let mut diagnostic = Diagnostic::error(
                    codes::TYPE_MISMATCH,
                    value.span,
                    format!("the values of `{}` are words, not texts", attr.0),
                    "written with quotes",
                );
                if members.contains(text) {
                    diagnostic =
                        diagnostic.fix("write it without quotes", value.span, text.as_str());
                }
                self.report(diagnostic);
                None
            }
            (_, ValueKind::Literal(literal)) => {
                if let LiteralValue::String(text) = &literal.value {
                    return Some(text);
                }
                self.report(mismatch(attr, ty, literal, value.span));
                None
            }
            (_, ValueKind::Name(word)) => {
                self.report(
                    Diagnostic::error(
                        codes::TYPE_MISMATCH,
                        value.span,
                        format!("`{}` is a text, and texts are written in quotes", attr.0),
                        "a bare word",
                    )
                    .also(attr.1, "this is a text")
                    .fix(
                        "write it in quotes",
                        value.span,
                        format!("\"{word}\""),
                    ),
                );
                None
            }
        }
    }
}

/// The message for a constant of the wrong kind, with the way to say what was probably meant.
fn mismatch(attr: (&str, Span), ty: &Type, literal: &Literal, span: Span) -> Diagnostic {
    let (raw, value) = (&literal.raw, &literal.value);
    let at_end = Span { start: span.end, end: span.end };
    let error = |code, message: String| {
        Diagnostic::error(code, span, message, format!("this is {}", kind(value)))
            .also(attr.1, format!("this is {}", ty.name()))
    };
    match (ty, value) {
        (Type::Price(unit), LiteralValue::Money(_)) => {
            let per = match unit {
                PriceUnit::Mtok => "/Mtok",
                PriceUnit::Image => "/image",
                PriceUnit::Request => "/request",
                PriceUnit::Minute => "/minute",
            };
            error(codes::MONEY_IS_NOT_A_PRICE, "money is not a price".into()).fix(
                "say per what",
                at_end,
                per,
            )
        }
        (Type::Money, LiteralValue::Price(..)) => {
            let amount = raw.split('/').next().unwrap_or(raw).to_owned();
            error(codes::MONEY_IS_NOT_A_PRICE, "a price is not an amount of money".into()).fix(
                "name the amount alone",
                span,
                amount,
            )
        }
        (Type::Duration, LiteralValue::Int(_) | LiteralValue::Float(_)) => {
            error(codes::UNIT_MISSING, format!("`{raw}` of what?"))
                .help("durations have a unit: `ms`, `s`, `min`, `h`, `d`")
                .fix("say seconds", at_end, "s")
        }
        (Type::Money, LiteralValue::Int(_) | LiteralValue::Float(_)) => error(
            codes::UNIT_MISSING,
            format!("`{raw}` of what?"),
        )
        .fix("say dollars", Span { start: span.start, end: span.start }, "$"),
        (Type::Price(_), LiteralValue::Int(_) | LiteralValue::Float(_)) => error(
            codes::UNIT_MISSING,
            format!("`{raw}` of what, and per what?"),
        )
        .fix("say dollars per million tokens", span, format!("${raw}/Mtok")),
        (Type::Percent, LiteralValue::Int(_) | LiteralValue::Float(_)) => error(
            codes::UNIT_MISSING,
            format!("`{raw}` is not a percentage"),
        )
        .fix("say percent", at_end, "%"),
        (Type::String, LiteralValue::Int(_) | LiteralValue::Float(_)) => error(
            codes::TYPE_MISMATCH,
            "a text is written in quotes".into(),
        )
        .fix("write it in quotes", span, format!("\"{raw}\"")),
        _ => error(codes::TYPE_MISMATCH, format!("{} is not {}", kind(value), ty.name())),
    }
}
