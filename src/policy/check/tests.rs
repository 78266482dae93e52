//! What snapshots of messages do not reach.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::ids::PolicyName;
use crate::policy::diagnostic::Severity;
use crate::policy::program::{Program, Target};
use crate::policy::schema::Type;
use crate::policy::value::Value;
use crate::policy::{Compiled, Surroundings, codes, compile};

fn compiled(text: &str) -> Compiled {
    let catalog = Arc::new(Catalog::embedded());
    let files = |name: &str| match name {
        "style.md" => Ok("Be brief.".to_owned()),
        _ => Err("no such file".to_owned()),
    };
    let surroundings = Surroundings::new(&catalog, &files);
    compile(&PolicyName::new("test"), "test.policy", text, &surroundings)
}

fn program(text: &str) -> Arc<Program> {
    let compiled = compiled(text);
    compiled.program.unwrap_or_else(|| panic!("{:#?}", compiled.diagnostics))
}

fn codes_of(text: &str) -> Vec<&'static str> {
    compiled(text).diagnostics.iter().map(|one| one.code.0).collect()
}

#[test]
fn the_generation_follows_text_and_name() {
    let text = "default -> sim/tiny\n";
    let one = program(text).generation;
    assert_eq!(one, program(text).generation);
    assert_ne!(one, program("default -> sim/tiny # said\n").generation);
}

#[test]
fn warnings_do_not_keep_a_policy_from_loading() {
    let compiled = compiled("pool p = [sim/tiny, sim/tiny] pick first\ndefault -> p\n");
    assert!(compiled.program.is_some());
    assert_eq!(compiled.diagnostics.len(), 1);
    assert_eq!(compiled.diagnostics[0].severity, Severity::Warning);
    assert_eq!(compiled.program.unwrap().pools[0].members.len(), 1);
}

#[test]
fn prompts_come_from_files_beside_the_policy() {
    let program = program("default -> sim/tiny { prompt prepend file \"style.md\" }\n");
    assert_eq!(&*program.routes[0].body.prompts[0].text, "Be brief.");
}

#[test]
fn quantities_from_outside_are_spelled_as_in_the_language() {
    for (ty, text, expected) in [
        (Type::Tokens, "8k", Some(Value::Int(8_000))),
        (Type::Money, "$0.02", Some(Value::Int(20_000_000))),
        (Type::Duration, "2s", Some(Value::Int(2_000_000_000))),
        (Type::Percent, "5%", Some(Value::Int(500))),
        (Type::Float(None), " 0.5 ", Some(Value::Float(0.5))),
        (Type::Float(None), "2", Some(Value::Float(2.0))),
        (Type::Int, "1.5", None),
        (Type::Money, "2", None),
        (Type::Int, "", None),
        (Type::Int, "five", None),
        (Type::Int, "1 2", None),
    ] {
        assert_eq!(super::quantity(&ty, text), expected, "{text}");
    }
}

#[test]
fn a_let_that_only_pools_use_may_speak_of_models() {
    let text = "let strong = quality >= 80\npool p = models where strong pick best\ndefault -> p\n";
    assert_eq!(codes_of(text), Vec::<&str>::new());
    // Nothing uses it, so it is read as a condition on requests.
    assert_eq!(codes_of("let strong = quality >= 80\ndefault -> sim/tiny\n"), ["P1109"]);
}

#[test]
fn circles_of_every_kind_are_found_wherever_they_begin() {
    let step =
        |to: &str| format!("hold full; step x -> sim/tiny escalate when failed; step y -> {to}");
    let ladders = |names: [&str; 3]| {
        let [a, b, c] = names;
        let ladder = |name: &str, to: &str| format!("ladder {name} {{ {} }}\n", step(to));
        format!("{}{}{}default -> {a}\n", ladder(a, b), ladder(b, c), ladder(c, b))
    };
    // `a` leads into the circle of `b` and `c` without being part of it.
    for names in [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"]] {
        assert_eq!(codes_of(&ladders(names)), ["P4010"], "{names:?}");
    }
    assert_eq!(codes_of("let a = b\nlet b = c\nlet c = b\ndefault -> sim/tiny\n"), ["P3005"]);
    assert_eq!(
        codes_of("pool a = b\npool b = c\npool c = b plus [sim/tiny]\ndefault -> a\n"),
        ["P3005"]
    );
}

#[test]
fn ladders_that_unfold_too_far_are_refused() {
    let mut text = String::from(
        "ladder l0 { hold full; step a -> sim/tiny escalate when failed; step b -> sim/tiny }\n",
    );
    for n in 1..5 {
        let below = n - 1;
        text += &format!(
            "ladder l{n} {{ hold full; step a -> l{below} escalate when failed; step b -> l{below} }}\n"
        );
    }
    assert_eq!(codes_of(&(text + "default -> l4\n")), [codes::OUT_OF_RANGE.0]);
}

#[test]
fn a_route_without_the_model_in_its_condition_is_for_auto_only() {
    let program = program(
        "route a when request.stream -> sim/tiny\nroute b when request.model == \"x\" -> sim/small\n\
         alias \"y\" -> sim/large\ndefault -> sim/tiny\n",
    );
    let auto: Vec<bool> = program
        .routes
        .iter()
        .map(|route| route.rule.when.mentions(crate::policy::schema::Attr::RequestAuto))
        .collect();
    assert_eq!(auto, [true, false, false, true]);
    assert!(matches!(program.routes[0].target, Target::Model(_)));
}

#[test]
fn every_page_of_the_codes_shows_a_fault_that_is_put_right() {
    for page in codes::PAGES {
        assert!(!page.bad.is_empty() && page.bad != page.good, "{}", page.code);
        assert_eq!(codes::page(&page.code.0.to_lowercase()), Some(page));
    }
}
