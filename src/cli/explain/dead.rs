//! `explain --why-dead`: which rules keep one from ever matching.

use serde_json::json;

use super::super::{ended, output};
use super::{Args, program};
use crate::policy::diagnostic::did_you_mean;
use crate::policy::program::{Program, Rule};
use crate::policy::prove::{Prover, Reach, RuleRef, example};

pub(super) fn explain(args: &Args, name: &str) -> u8 {
    ended(told(args, name))
}

/// Tells about a rule; whether it can match.
fn told(args: &Args, name: &str) -> Result<bool, String> {
    let (program, _) = program(args)?;
    let rule = find(&program, name)?;
    let prover = Prover::new(&program, &[]).map_err(|error| error.to_string())?;
    let reach = prover.reach(rule);
    let about = |rule: RuleRef| {
        let rule = rule.rule(&program);
        (
            rule.map_or("", |it| &it.name),
            rule.map_or_else(String::new, |it| program.sources.at(it.span)),
        )
    };
    let (own, own_at) = about(rule);
    let mut told = json!({ "rule": own, "at": own_at });
    let mut lines = Vec::new();
    match &reach {
        Reach::Here(room) => {
            let (said, certain) = prover.request(room);
            told["dead"] = json!(false);
            told["example"] = json!(said.told());
            told["certain"] = json!(certain);
            let sure = if certain { "" } else { "may " };
            lines
                .push(format!("`{own}` ({own_at}) {sure}match{}", if certain { "es" } else { "" }));
            lines.push(format!("  for example  {}", example(&said)));
        }
        Reach::Undecided => {
            told["dead"] = serde_json::Value::Null;
            lines.push(format!("whether `{own}` ({own_at}) can match is too hard to say"));
        }
        Reach::Never(by) if by.is_empty() => {
            told["dead"] = json!(true);
            told["covered_by"] = json!([]);
            lines.push(format!(
                "`{own}` ({own_at}) can never match: its condition is false by itself"
            ));
        }
        Reach::Never(by) => {
            told["dead"] = json!(true);
            lines.push(format!("`{own}` ({own_at}) can never match: every request that could"));
            lines.push("reach it stops at one of".to_owned());
            let mut covering = Vec::new();
            for rule in by {
                let (name, at) = about(*rule);
                let when = rule.rule(&program).map_or_else(String::new, |it| written(&program, it));
                lines.push(format!("  {name:<24} {at:<24} {when}"));
                covering.push(json!({ "rule": name, "at": at, "when": when }));
            }
            told["covered_by"] = json!(covering);
        }
    }
    if args.json {
        output::line(told.to_string());
    } else {
        lines.iter().for_each(|line| output::line(line.clone()));
    }
    Ok(!matches!(reach, Reach::Never(_)))
}

/// A condition as its tests stand in the text.
fn written(program: &Program, rule: &Rule) -> String {
    let tests = rule.when.tests().into_iter().filter(|test| test.span.end > 0);
    let tests: Vec<String> = tests
        .map(|test| {
            program.sources.slice(test.span).split_whitespace().collect::<Vec<_>>().join(" ")
        })
        .collect();
    match tests.is_empty() {
        true => "everybody".to_owned(),
        false => format!("on {}", tests.join(", ")),
    }
}

fn find(program: &Program, name: &str) -> Result<RuleRef, String> {
    let named = |rule: &RuleRef| rule.rule(program).is_some_and(|it| *it.name == *name);
    let rules: Vec<RuleRef> = RuleRef::all(program).collect();
    if let Some(found) = rules.iter().find(|rule| named(rule)) {
        return Ok(*found);
    }
    let known: Vec<&str> =
        rules.iter().filter_map(|rule| Some(&*rule.rule(program)?.name)).collect();
    let help = match did_you_mean(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("its rules: {}", known.join(", ")),
    };
    Err(format!("the policy has no rule `{name}`; {help}"))
}
