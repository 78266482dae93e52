//! What one version of a policy changes in another.

use std::collections::BTreeMap;

use serde::Serialize;
use similar::TextDiff;

use crate::policy::diff::{self, told};
use crate::policy::program::Program;
use crate::policy::syntax;
use crate::policy::syntax::tree::Item;

/// The difference of two texts of a policy.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// What came: `pool large`.
    pub added: Vec<String>,
    /// What went.
    pub removed: Vec<String>,
    /// What has the same name and another meaning. Layout and comments mean nothing.
    pub changed: Vec<String>,
    /// Which requests fare otherwise, as `pointsman diff --json` tells it; `null` where the policies
    /// are too complex to compare.
    pub requests: serde_json::Value,
    /// The same for people.
    pub told: String,
    /// The texts, line by line, in the form of `diff -u`. Empty where they are equal.
    pub lines: String,
}

/// What a text changes in a policy. `new` is what it compiles to, where it does.
pub fn changes(old: Option<&Program>, text: &str, new: Option<&Program>) -> Changes {
    let changes = of_texts(old.map_or("", |old| old.sources.file_text(0)), text);
    let (Some(old), Some(new)) = (old, new) else { return changes };
    match diff::diff(old, new) {
        Ok(diff) => Changes {
            requests: told::json(&diff, &new.catalog),
            told: told::text(&diff, &new.catalog),
            ..changes
        },
        Err(complex) => Changes { told: complex.to_string(), ..changes },
    }
}

fn of_texts(old: &str, new: &str) -> Changes {
    let (before, after) = (syntax::parse(old).file, syntax::parse(new).file);
    let items = |file: &syntax::tree::File| -> BTreeMap<String, Vec<Item>> {
        let mut named: BTreeMap<String, Vec<Item>> = BTreeMap::new();
        for line in &file.items {
            named.entry(title(&line.node)).or_default().push(line.node.clone());
        }
        named
    };
    let (before, after) = (items(&before), items(&after));
    let only_in = |these: &BTreeMap<String, Vec<Item>>, those: &BTreeMap<String, Vec<Item>>| {
        these.keys().filter(|name| !those.contains_key(*name)).cloned().collect()
    };
    let differs = |(name, items): &(&String, &Vec<Item>)| {
        after.get(*name).is_some_and(|others| others != *items)
    };
    let diff = TextDiff::from_lines(old, new);
    Changes {
        added: only_in(&after, &before),
        removed: only_in(&before, &after),
        changed: before.iter().filter(differs).map(|(name, _)| name.clone()).collect(),
        requests: serde_json::Value::Null,
        told: String::new(),
        lines: diff.unified_diff().context_radius(3).to_string(),
    }
}

/// What an item is called: its keyword and its name.
fn title(item: &Item) -> String {
    match item {
        Item::Language(_) => "language".into(),
        Item::Import { path, .. } => format!("import {:?}", path.node),
        Item::Enum { name, .. } => format!("enum {}", name.node),
        Item::Attribute { attr, .. } => format!("attribute {attr}"),
        Item::Let { name, .. } => format!("let {}", name.node),
        Item::Schedule(schedule) => format!("schedule {}", schedule.name.node),
        Item::Assume(_) => "assume".into(),
        Item::Pool { name, .. } => format!("pool {}", name.node),
        Item::Ladder { name, .. } => format!("ladder {}", name.node),
        Item::Split { name, .. } => format!("split {}", name.node),
        Item::Experiment { name, .. } => format!("experiment {}", name.node),
        Item::Budget { name, .. } => format!("budget {}", name.node),
        Item::Limit { name, .. } => format!("limit {}", name.node),
        Item::Deny { name, .. } => format!("deny {}", name.node),
        Item::Require { name, .. } => format!("require {}", name.node),
        Item::Defaults(_) => "defaults".into(),
        Item::Tune { name, .. } => format!("tune {}", name.node),
        Item::Route { name, .. } => format!("route {}", name.node),
        Item::Default { .. } => "default".into(),
        Item::Delegate { name, .. } => format!("delegate {}", name.node),
        Item::Alias { from, .. } => format!("alias {:?}", from.node),
        Item::Invariant { name, .. } => format!("invariant {}", name.node),
        Item::Test { name, .. } => format!("test {:?}", name.node),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "pool small = [sim/small]\npool old = [sim/tiny]\nroute a when request.stream -> old\ndefault -> small\n";

    #[test]
    fn names_say_what_came_went_and_changed() {
        let new = "# a comment\npool small = [sim/small,\n  sim/medium]\npool new = [sim/large]\nroute a when request.stream -> new\ndefault -> small\n";
        let found = of_texts(OLD, new);
        assert_eq!(found.added, ["pool new"]);
        assert_eq!(found.removed, ["pool old"]);
        assert_eq!(found.changed, ["pool small", "route a"]);
        assert!(
            found.lines.contains("-pool old = [sim/tiny]\n") && found.lines.contains("+pool new"),
            "{}",
            found.lines
        );
    }

    #[test]
    fn layout_changes_lines_and_no_names() {
        let found = of_texts(OLD, &OLD.replace(" = ", "   = "));
        assert!(found.added.is_empty() && found.removed.is_empty() && found.changed.is_empty());
        assert!(found.lines.contains("+pool small   = [sim/small]"));
        assert_eq!(of_texts(OLD, OLD).lines, "");
    }
}
