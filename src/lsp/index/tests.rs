use std::sync::Arc;

use super::*;
use crate::catalog::Catalog;
use crate::policy::Surroundings;
use crate::policy::load::load;

const ROOT: &str = r#"import "shared/pools.policy" as shared
import "types.policy"
## Who is heavy.
## On input alone.
let heavy = input.tokens > 32k
schedule office = mon..fri 09:00..18:00 Europe/Berlin
pool small = shared.cheap plus [openai/gpt-5]
budget month $2k per month per key.team {
  at 95% degrade to shared.cheap
}
delegate search when key.team == "search" to "teams/search.policy"
route day when heavy and time in office and key.tier == pro -> small { fallback shared.cheap on any }
route sick when pool["small"].healthy < 2 or budget["month"].used > 95% -> shared.cheap
default -> small
test "t" {
  given key.tier = pro
  expect route == search.chat
  expect route == day
  expect every model in small
}
"#;

fn files(path: &str) -> Result<String, String> {
    Ok(match path {
        "shared/pools.policy" => "pool cheap = [openai/gpt-5-nano]\n",
        "types.policy" => {
            "enum tier = free | pro\nattribute key.tier: tier from key.meta[\"plan\"] else free\n"
        }
        "teams/search.policy" => "route chat when heavy -> small\n",
        _ => return Err("no such file".into()),
    }
    .to_owned())
}

fn index(text: &str) -> (Loaded, Index) {
    let catalog = Arc::new(Catalog::embedded());
    let loaded = load("root.policy", text, &Surroundings::new(&catalog, &files));
    let index = Index::of(&loaded);
    (loaded, index)
}

/// The uses of a declared name as `file:line:text`.
fn uses(text: &str, name: &str) -> Vec<String> {
    let (loaded, index) = index(text);
    let number = index.declarations.iter().position(|it| it.name == name).expect("declared");
    let shown = |span: Span| format!("{}:{}", loaded.sources.at(span), loaded.sources.slice(span));
    index.places(number, true).into_iter().map(shown).collect()
}

#[test]
fn names_are_followed_into_other_files() {
    assert_eq!(
        uses(ROOT, "cheap"),
        [
            "root.policy:7:cheap",
            "root.policy:9:cheap",
            "root.policy:12:cheap",
            "root.policy:13:cheap",
            "shared/pools.policy:1:cheap",
        ]
    );
    let prefix = uses(ROOT, "shared");
    assert_eq!(prefix.len(), 5, "{prefix:?}");
    assert!(prefix.iter().all(|it| it.ends_with(":shared")), "{prefix:?}");
}

#[test]
fn a_delegated_file_uses_the_names_of_its_parent() {
    assert_eq!(
        uses(ROOT, "heavy"),
        ["root.policy:5:heavy", "root.policy:12:heavy", "teams/search.policy:1:heavy"]
    );
    assert_eq!(uses(ROOT, "chat"), ["root.policy:17:chat", "teams/search.policy:1:chat"]);
    assert_eq!(uses(ROOT, "search"), ["root.policy:11:search", "root.policy:17:search"]);
}

#[test]
fn names_in_brackets_members_and_routes_are_uses() {
    let small = uses(ROOT, "small");
    assert!(small.contains(&"root.policy:13:small".to_owned()), "{small:?}");
    assert!(small.contains(&"root.policy:19:small".to_owned()), "{small:?}");
    assert_eq!(uses(ROOT, "month"), ["root.policy:8:month", "root.policy:13:month"]);
    assert_eq!(
        uses(ROOT, "pro"),
        ["root.policy:12:pro", "root.policy:16:pro", "types.policy:1:pro"]
    );
    assert_eq!(uses(ROOT, "day"), ["root.policy:12:day", "root.policy:18:day"]);
    assert_eq!(uses(ROOT, "office"), ["root.policy:6:office", "root.policy:12:office"]);
    assert_eq!(
        uses(ROOT, "key.tier"),
        ["root.policy:12:key.tier", "root.policy:16:key.tier", "types.policy:2:key.tier"]
    );
}

#[test]
fn what_can_be_used_is_listed_as_it_is_written() {
    let (_, index) = index(ROOT);
    let names = |unit, space| -> Vec<String> {
        index.visible(unit, space).into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(names(0, Space::Target), ["shared.cheap", "small"]);
    assert_eq!(names(0, Space::Name), ["heavy", "office", "tier"]);
    // The files are in the order in which they are named; the last is the delegated one.
    assert_eq!(names(3, Space::Target), ["shared.cheap", "small"]);
}

#[test]
fn documentation_is_what_stands_right_above() {
    let (_, index) = index(ROOT);
    let heavy = index.declarations.iter().find(|it| it.name == "heavy").expect("declared");
    assert_eq!(heavy.doc, "Who is heavy.\nOn input alone.");
    let text = "## far\n\n# plain\n## near\npool p = models\n";
    let (_, other) = super::tests::index(text);
    assert_eq!(other.declarations[0].doc, "near");
}

#[test]
fn the_innermost_thing_is_found() {
    let (loaded, index) = index(ROOT);
    let at = |needle: &str, inside: usize| {
        let byte = loaded.sources.text().find(needle).expect("in the text") + inside;
        index.at(byte as u32).map(|spot| (loaded.sources.slice(spot.span), &spot.what))
    };
    assert!(matches!(at("32k", 1), Some(("32k", What::Literal(_, Some("tokens"))))));
    assert_eq!(
        at("input.tokens", 8),
        Some(("input.tokens", &What::Attribute("input.tokens".into())))
    );
    assert_eq!(
        at("openai/gpt-5]", 12),
        Some(("openai/gpt-5", &What::Model("openai/gpt-5".into())))
    );
    let path = What::File("teams/search.policy".into());
    assert_eq!(at("\"teams/", 3), Some(("\"teams/search.policy\"", &path)));
    assert!(matches!(at("small\"].healthy", 2), Some(("small", What::Used(_)))));
    assert_eq!(at("every model", 2), None);
}

#[test]
fn circles_and_broken_texts_are_no_trouble() {
    for text in ["import \"root.policy\"\n", "pool p = p\nlet a = a\nroute x when -> \n}{", ""] {
        index(text);
    }
}
