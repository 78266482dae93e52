//! Conditions in MongoDB's operators, as Portkey and Cloudflare write them.

use super::source::Node;
use super::write::{
    all, any, atom, attr, compare, decimal, like, literal_value, name, not, one_of, text_value,
    word_value,
};
use crate::policy::syntax::tree::{AttrPath, CompareOp, Cond, Test, Value};

/// Nesting beyond this is refused.
const MOST_DEPTH: usize = 32;

/// What an attribute holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    Text,
    Number,
    Bool,
}

/// A query as a condition.
///
/// # Errors
/// What of it no condition can say.
pub fn query(node: &Node<'_>) -> Result<Cond, String> {
    of_map(node, 0)
}

fn of_map(node: &Node<'_>, depth: usize) -> Result<Cond, String> {
    if depth > MOST_DEPTH {
        return Err("it is nested too deeply".to_owned());
    }
    let mut conds = Vec::new();
    for (key, value) in node.entries() {
        let list =
            || value.items().iter().map(|it| of_map(it, depth + 1)).collect::<Result<Vec<_>, _>>();
        match key.as_str() {
            "$and" => conds.extend(list()?),
            "$or" => conds.push(any(list()?).ok_or("an `$or` of nothing")?),
            "$nor" => conds.push(not(any(list()?).ok_or("a `$nor` of nothing")?)),
            "$not" => conds.push(not(of_map(&value, depth + 1)?)),
            key => conds.push(of_subject(key, &value)?),
        }
    }
    all(conds).ok_or_else(|| "it is empty".to_owned())
}

/// The attribute that a key speaks of.
fn subject(key: &str) -> Result<(AttrPath, Holds), String> {
    let (space, field) = key.split_once('.').unwrap_or(("params", key));
    let field_of = |prefix: &str| field.strip_prefix(prefix).unwrap_or(field);
    match space {
        "metadata" => return Ok((attr("tag", Some(field)), Holds::Text)),
        "headers" | "header" => {
            return Ok((attr("header", Some(&field.to_lowercase())), Holds::Text));
        }
        "url" if field == "pathname" || field == "path" => {
            return Ok((attr("request.path", None), Holds::Text));
        }
        "params" | "body" | "request" => {}
        _ => return Err(format!("no attribute stands for `{key}`")),
    }
    let field = field_of("body.");
    if let Some(header) = field.strip_prefix("headers.") {
        return Ok((attr("header", Some(&header.to_lowercase())), Holds::Text));
    }
    let (words, holds) = match field {
        "model" => ("request.model", Holds::Text),
        "temperature" => ("request.temperature", Holds::Number),
        "top_p" => ("request.top_p", Holds::Number),
        "max_tokens" | "max_completion_tokens" | "max_output_tokens" => {
            ("request.max_output", Holds::Number)
        }
        "n" => ("request.n", Holds::Number),
        "stream" => ("request.stream", Holds::Bool),
        "user" => ("user.id", Holds::Text),
        _ => return Err(format!("no attribute stands for `{key}`")),
    };
    Ok((attr(words, None), holds))
}

fn of_subject(key: &str, value: &Node<'_>) -> Result<Cond, String> {
    let (subject, holds) = subject(key)?;
    if !value.is_map() {
        return one(&subject, holds, "$eq", value);
    }
    let tests: Vec<Cond> = value
        .entries()
        .iter()
        .map(|(op, value)| one(&subject, holds, op, value))
        .collect::<Result<_, _>>()?;
    all(tests).ok_or_else(|| format!("`{key}` is compared with nothing"))
}

fn one(subject: &AttrPath, holds: Holds, op: &str, value: &Node<'_>) -> Result<Cond, String> {
    let subject = subject.clone();
    if holds == Holds::Bool {
        let yes = value.scalar().is_some_and(|word| word == "true");
        let plain = atom(subject, None);
        return match op {
            "$eq" if yes => Ok(plain),
            "$ne" if !yes => Ok(plain),
            "$eq" | "$ne" => Ok(not(plain)),
            _ => Err(format!("`{op}` makes no sense of a yes or no")),
        };
    }
    let compared = |op| Ok(compare(subject.clone(), op, constant(holds, value)?));
    match op {
        "$eq" => compared(CompareOp::Eq),
        "$ne" => compared(CompareOp::Ne),
        "$in" | "$nin" => {
            let values = value
                .items()
                .iter()
                .map(|it| constant(holds, it))
                .collect::<Result<Vec<_>, _>>()?;
            if values.is_empty() {
                return Err(format!("an `{op}` of nothing"));
            }
            Ok(one_of(subject, values, op == "$nin"))
        }
        "$gt" | "$gte" | "$lt" | "$lte" => {
            if holds != Holds::Number {
                return Err(format!("`{subject}` is a text here and has no order (`{op}`)"));
            }
            compared(match op {
                "$gt" => CompareOp::Gt,
                "$gte" => CompareOp::Ge,
                "$lt" => CompareOp::Lt,
                _ => CompareOp::Le,
            })
        }
        "$exists" => {
            let present = value.bool().unwrap_or(true);
            Ok(atom(subject, Some(Test::Present(present))))
        }
        "$regex" if holds == Holds::Text => {
            let pattern = value.text().ok_or("a pattern that is no text")?;
            if pattern.is_empty() || pattern.contains('\n') || regex::Regex::new(&pattern).is_err()
            {
                return Err("the pattern cannot be written in a policy".to_owned());
            }
            Ok(atom(subject, Some(Test::Matches(name(&pattern)))))
        }
        "$contains" if holds == Holds::Text => {
            let part = value.scalar().ok_or("a part that is no text")?;
            Ok(like(subject, &[format!("*{part}*")]))
        }
        _ => Err(format!("no condition stands for `{op}`")),
    }
}

fn constant(holds: Holds, value: &Node<'_>) -> Result<Value, String> {
    match holds {
        Holds::Number => {
            let number = value.number().ok_or("it is compared with what is no number")?;
            let text = decimal(number);
            literal_value(&text).ok_or_else(|| format!("{number} cannot be written in a policy"))
        }
        Holds::Text => {
            let text = value.scalar().ok_or("it is compared with what is no text")?;
            Ok(text_value(&text))
        }
        Holds::Bool => Ok(word_value("true")),
    }
}
