//! Conditions, values, lists, targets and sets of models.

use super::super::tree::{
    AttrPart, AttrPath, Breach, By, Cond, CondKind, HasKind, Knob, Literal, LiteralValue,
    Membership, Name, Pick, PickStrategy, SetExpr, SetOp, SetTerm, Target, TargetKind, Test, Value,
    ValueKind,
};
use super::doc::Doc;

/// Several parts behind each other.
pub fn cat<const N: usize>(parts: [Doc; N]) -> Doc {
    Doc::Cat(parts.into())
}

/// `when …`
pub fn when(cond: &Cond) -> Doc {
    cat(["when ".into(), self::cond(cond)])
}

/// A condition, broken before `and` and `or`.
pub fn cond(cond: &Cond) -> Doc {
    let (parts, word) = match &cond.kind {
        CondKind::Or(parts) => (parts, "or "),
        CondKind::And(parts) => (parts, "and "),
        CondKind::Not(inner) => return cat(["not ".into(), bracketed(inner)]),
        CondKind::Atom { attr, test } => {
            return match test {
                Some(test) => cat([path(attr).into(), " ".into(), self::test(test)]),
                None => path(attr).into(),
            };
        }
    };
    let mut parts = parts.iter().map(bracketed);
    let first = parts.next().unwrap_or_else(|| "".into());
    let rest = parts.flat_map(|part| [Doc::Line, word.into(), part]).collect();
    Doc::Group(vec![first, Doc::Nest(rest)])
}

/// A condition inside of another: with brackets, unless it is a single test.
fn bracketed(inner: &Cond) -> Doc {
    match inner.kind {
        CondKind::Or(_) | CondKind::And(_) => Doc::Group(vec![
            "(".into(),
            Doc::Nest(vec![Doc::Soft, cond(inner)]),
            Doc::Soft,
            ")".into(),
        ]),
        CondKind::Not(_) | CondKind::Atom { .. } => cond(inner),
    }
}

fn test(test: &Test) -> Doc {
    match test {
        Test::Compare(op, operand) => cat([op.node.symbol().into(), " ".into(), value(operand)]),
        Test::In { negated, set } => {
            let word = if *negated { "not in " } else { "in " };
            let set = match set {
                Membership::Range(range) => {
                    format!("{}..{}", literal(&range.from.node), literal(&range.to.node)).into()
                }
                Membership::List(values) => list(&values.node),
                Membership::Name(name) => name.node.as_str().into(),
            };
            cat([word.into(), set])
        }
        Test::Present(true) => "is present".into(),
        Test::Present(false) => "is absent".into(),
        Test::Has(HasKind::Any, values) => cat(["has any ".into(), list(values)]),
        Test::Has(HasKind::All, values) => cat(["has all ".into(), list(values)]),
        Test::Has(HasKind::One, values) => match values.as_slice() {
            [one] => cat(["has ".into(), value(one)]),
            several => cat(["has all ".into(), list(several)]),
        },
        Test::Like(globs) => match globs.as_slice() {
            [one] => cat(["like ".into(), quote(&one.node).into()]),
            several => {
                let globs = several.iter().map(|glob| quote(&glob.node).into()).collect();
                cat(["like ".into(), in_brackets(globs)])
            }
        },
        Test::Matches(pattern) => format!("matches /{}/", escape_slashes(&pattern.node)).into(),
    }
}

/// `[a, b]`, or one element per line.
pub fn list(values: &[Value]) -> Doc {
    in_brackets(values.iter().map(value).collect())
}

fn in_brackets(elements: Vec<Doc>) -> Doc {
    if elements.is_empty() {
        return "[]".into();
    }
    Doc::Group(vec![
        "[".into(),
        Doc::Nest(vec![Doc::Soft, commas(elements)]),
        Doc::Either("", ","),
        Doc::Soft,
        "]".into(),
    ])
}

/// Elements with commas, broken behind them.
pub fn commas(elements: Vec<Doc>) -> Doc {
    let mut parts = Vec::with_capacity(elements.len() * 3);
    for element in elements {
        if !parts.is_empty() {
            parts.extend([",".into(), Doc::Line]);
        }
        parts.push(element);
    }
    Doc::Cat(parts)
}

/// A constant or a name.
pub fn value(value: &Value) -> Doc {
    match &value.kind {
        ValueKind::Literal(constant) => literal(constant).into(),
        ValueKind::Name(name) => name.as_str().into(),
    }
}

/// A constant as it was spelt.
pub fn literal(literal: &Literal) -> String {
    match &literal.value {
        // A tree that was not read from text may have no spelling.
        LiteralValue::String(text) if literal.raw.is_empty() => quote(text),
        _ => literal.raw.clone(),
    }
}

/// An attribute, its indices in quotes.
pub fn path(attr: &AttrPath) -> String {
    let mut text = String::new();
    for part in &attr.parts {
        match part {
            AttrPart::Word(word) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(word);
            }
            AttrPart::Index(index) => text.push_str(&format!("[{}]", escaped(index))),
        }
    }
    text
}

/// A text in quotes; one of several lines between `"""` if that can hold it.
pub fn quote(text: &str) -> String {
    let raw_holds = !text.contains("\"\"\"") && !text.ends_with('"');
    match text.contains('\n') && raw_holds {
        true => format!("\"\"\"{text}\"\"\""),
        false => escaped(text),
    }
}

fn escaped(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\0' => quoted.push_str("\\0"),
            c if c.is_control() => quoted.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn escape_slashes(pattern: &str) -> String {
    let mut text = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                text.push(c);
                text.extend(chars.next());
            }
            '/' => text.push_str("\\/"),
            c => text.push(c),
        }
    }
    text
}

/// A target's name.
pub fn target(target: &Target) -> Doc {
    match &target.kind {
        TargetKind::Model(text) | TargetKind::Name(text) => text.as_str().into(),
    }
}

/// `-> target`
pub fn goes(to: &Target) -> Doc {
    cat(["-> ".into(), target(to)])
}

/// `[a, b] plus c except d`, each further term on a line of its own if need be.
pub fn set_expr(set: &SetExpr) -> Doc {
    let mut parts = vec![set_term(&set.first.node)];
    for (op, term) in &set.rest {
        let word = match op {
            SetOp::Plus => "plus ",
            SetOp::Except => "except ",
        };
        parts.extend([Doc::Line, word.into(), set_term(&term.node)]);
    }
    Doc::Cat(parts)
}

/// `[a, b]`, `models where …`, or the name of a pool.
pub fn set_term(term: &SetTerm) -> Doc {
    match term {
        SetTerm::List(targets) => in_brackets(targets.iter().map(target).collect()),
        SetTerm::Models(None) => "models".into(),
        SetTerm::Models(Some(cond)) => cat(["models where ".into(), self::cond(cond)]),
        SetTerm::Name(name) => name.as_str().into(),
    }
}

/// `pick best of 3`
pub fn pick(pick: &Pick) -> Doc {
    cat(["pick ".into(), order(pick)])
}

/// `best of 3`
pub fn order(pick: &Pick) -> Doc {
    let by = match &pick.strategy.node {
        PickStrategy::Cheapest => "cheapest".into(),
        PickStrategy::Fastest => "fastest".into(),
        PickStrategy::Best => "best".into(),
        PickStrategy::First => "first".into(),
        PickStrategy::LeastBusy => "least-busy".into(),
        PickStrategy::RoundRobin => "round-robin".into(),
        PickStrategy::Script(file, settings) => {
            cat([format!("script {}", quote(&file.node)).into(), knobs(settings)])
        }
    };
    let of = pick.of.as_ref().map(|of| format!(" of {}", of.node)).unwrap_or_default();
    cat([by, of.into()])
}

/// ` { name value, … }`, or nothing.
pub fn knobs(knobs: &[Knob]) -> Doc {
    if knobs.is_empty() {
        return "".into();
    }
    let each = |knob: &Knob| format!("{} {}", knob.name.node, literal(&knob.value.node)).into();
    Doc::Group(vec![
        " {".into(),
        Doc::Nest(vec![Doc::Line, commas(knobs.iter().map(each).collect())]),
        Doc::Line,
        "}".into(),
    ])
}

/// `by a, b salt "x"`
pub fn by(by: &By) -> Doc {
    let attrs: Vec<String> = by.attrs.iter().map(path).collect();
    let salt = by.salt.as_ref().map(|salt| format!(" salt {}", quote(&salt.node)));
    format!("by {}{}", attrs.join(", "), salt.unwrap_or_default()).into()
}

/// `degrade to small`
pub fn breach(breach: &Breach) -> Doc {
    match breach {
        Breach::Warn => "warn".into(),
        Breach::Degrade(to) => cat(["degrade to ".into(), target(to)]),
        Breach::Queue(time) => format!("queue {}", literal(&time.node)).into(),
        Breach::Deny(None) => "deny".into(),
        Breach::Deny(Some(why)) => format!("deny {}", quote(&why.node)).into(),
    }
}

/// ` on a, b`, or nothing.
pub fn on(errors: Option<&Vec<Name>>) -> String {
    match errors {
        Some(names) => {
            let names: Vec<&str> = names.iter().map(|name| name.node.as_str()).collect();
            format!(" on {}", names.join(", "))
        }
        None => String::new(),
    }
}
