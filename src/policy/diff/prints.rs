//! What a rule does, as a text that is equal for rules that do the same: names of pools and places in
//! the file make no difference.

use std::fmt::Write as _;

use crate::policy::cond::{DeclaredSource, Operand, Test};
use crate::policy::program::{
    Breach, CapBreach, LadderStep, ModelFilter, Pick, PickBy, Program, Route, Rule, Settings,
    Target,
};

/// What a route does with the requests that it takes.
pub fn route(program: &Program, route: &Route) -> String {
    let mut print = String::new();
    target(program, route.target, &mut print);
    print.push_str(&settings(program, &route.settings));
    // What a `tune` may come between.
    print.push_str(&settings(program, &route.body));
    print
}

/// What settings change.
pub fn settings(program: &Program, settings: &Settings) -> String {
    let Settings {
        timeouts,
        retry,
        fallback,
        hedge,
        shadows,
        sticky,
        cap,
        parameters,
        prompts,
        cache,
        hold,
        pick: order,
        only,
        tags,
        log_bodies,
        on_lossy,
    } = settings;
    let mut print = format!(
        "{timeouts:?}{retry:?}{parameters:?}{prompts:?}{cache:?}{hold:?}{tags:?}{log_bodies:?}\
         {on_lossy:?}"
    );
    if let Some(fallback) = fallback {
        let _ = write!(print, "fallback{:?}", fallback.on);
        fallback.to.iter().for_each(|to| target(program, *to, &mut print));
    }
    if let Some(hedge) = hedge {
        let _ = write!(print, "hedge{:?}{}", hedge.after, hedge.max);
        target(program, hedge.to, &mut print);
    }
    for shadow in shadows {
        let _ = write!(print, "shadow{:?}", shadow.share);
        target(program, shadow.to, &mut print);
    }
    if let Some(sticky) = sticky {
        let _ = write!(print, "sticky{}{:?}", sticky.by, sticky.ttl);
    }
    if let Some(cap) = cap {
        let _ = write!(print, "cap{}", cap.amount);
        match &cap.breach {
            CapBreach::Warn => print.push_str("warn"),
            CapBreach::Deny(why) => _ = write!(print, "deny{why:?}"),
            CapBreach::Degrade(to) => target(program, *to, &mut print),
        }
    }
    if let Some(order) = order {
        pick(program, *order, &mut print);
    }
    only.iter().for_each(|only| filter(only, &mut print));
    print
}

/// Every budget and limit with what it does.
pub fn money(program: &Program) -> impl Iterator<Item = (&Rule, String)> {
    let breach = |breach: &Breach, print: &mut String| match breach {
        Breach::Warn => print.push_str("warn"),
        Breach::Queue(time) => _ = write!(print, "queue{time:?}"),
        Breach::Deny(why) => _ = write!(print, "deny{why:?}"),
        Breach::Degrade(to) => target(program, *to, print),
    };
    let when = |rule: &Rule| -> String {
        let tests = rule.when.tests().into_iter();
        tests.map(|test| program.sources.slice(test.span)).collect::<Vec<_>>().join(" & ")
    };
    let budgets = program.budgets.iter().map(move |budget| {
        let mut print = format!(
            "{}{}{:?}{}{}",
            budget.rule.name,
            budget.amount,
            budget.period,
            budget.per,
            when(&budget.rule)
        );
        for mark in &budget.marks {
            print += &mark.share.to_string();
            breach(&mark.breach, &mut print);
        }
        (&budget.rule, print)
    });
    let limits = program.limits.iter().map(move |limit| {
        let mut print =
            format!("{}{:?}{}{}", limit.rule.name, limit.amount, limit.per, when(&limit.rule));
        breach(&limit.breach, &mut print);
        (&limit.rule, print)
    });
    budgets.chain(limits)
}

/// Which models a condition leaves.
pub fn filter(filter: &ModelFilter, print: &mut String) {
    let live = filter.live.is_some();
    let _ = write!(print, "[{:?}{}]", filter.pass, if live { &*filter.text } else { "" });
}

fn target(program: &Program, to: Target, print: &mut String) {
    match to {
        Target::Model(model) => {
            let _ = write!(print, "<{}>", program.catalog.models()[model.index()].id);
        }
        Target::Requested => print.push_str("<requested>"),
        Target::Pool(index) => {
            let pool = &program.pools[index];
            print.push('(');
            for member in &pool.members {
                let id = &program.catalog.models()[member.model.index()].id;
                // A live condition is told by the words it is written in.
                let when = member.when.as_ref().map(|when| {
                    let tests = when.tests().into_iter();
                    let judge = |test: &Test| match &test.operand {
                        Operand::Declared(declared) => match &declared.source {
                            Some(DeclaredSource::Judge(judge)) => Some(judge.clone()),
                            _ => None,
                        },
                        Operand::Attr(_) => None,
                    };
                    tests
                        .map(|test| (program.sources.slice(test.span), judge(test)))
                        .collect::<Vec<_>>()
                });
                let _ = write!(print, "{id}{when:?},");
            }
            pick(program, pool.pick, print);
            print.push(')');
        }
        Target::Ladder(index) => {
            let ladder = &program.ladders[index];
            let _ = write!(print, "{{{:?}{:?}{:?}", ladder.max_cost, ladder.deadline, ladder.hold);
            ladder.steps.iter().for_each(|one| step(program, one, print));
            print.push('}');
        }
        Target::Split(index) => {
            let split = &program.splits[index];
            let by: Vec<String> = split.by.iter().map(ToString::to_string).collect();
            let _ = write!(print, "|{}{}{by:?}", split.name, split.salt);
            for arm in &split.arms {
                let _ = write!(print, "{}:", arm.below);
                target(program, arm.target, print);
            }
            let _ = write!(print, "{:?}|", split.experiment);
        }
    }
}

fn step(program: &Program, step: &LadderStep, print: &mut String) {
    let tests = step.escalate.as_ref().map(|cond| {
        let tests = cond.tests().into_iter();
        tests.map(|test| program.sources.slice(test.span)).collect::<Vec<_>>()
    });
    let _ = write!(print, "{tests:?}");
    target(program, step.target, print);
    print.push_str(&settings(program, &step.body));
}

fn pick(program: &Program, pick: Pick, print: &mut String) {
    match pick.by {
        PickBy::Script(index) => {
            let _ = write!(print, "{:?}", program.ranks[index]);
        }
        by => _ = write!(print, "{by:?}"),
    }
    let _ = write!(print, "{:?}", pick.of);
}
