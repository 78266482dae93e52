//! The two spellings of a policy: what `docs/yaml.md` shows is true.

use pointsman::ids::PolicyName;
use pointsman::policy::sources::Sources;
use pointsman::policy::syntax::{format, parse, render, yaml};
use pointsman::policy::{Surroundings, compile};

use crate::{CATALOG, path};

/// A policy is made of files in either spelling, and every place leads into its own.
#[test]
fn files_of_both_spellings_make_one_policy() {
    let pools = "pools:\n  cheap:\n    models_where: >-\n      price.output <= $1/Mtok\n      and qualty >= 10\n";
    let compile = |pools: &str| {
        let files = |name: &str| match name {
            "pools.yaml" => Ok(pools.to_owned()),
            _ => Err("no such file".to_owned()),
        };
        let surroundings = Surroundings::new(&CATALOG, &files);
        let text = "import \"pools.yaml\" as shared\ndefault -> shared.cheap\n";
        compile(&PolicyName::new("p"), "p.policy", text, &surroundings)
    };
    let compiled = compile(pools);
    let found = &compiled.diagnostics[0];
    assert_eq!(compiled.sources.at(found.primary.span), "pools.yaml:5");
    assert_eq!(compiled.sources.slice(found.primary.span), "qualty");
    // The fix writes the whole text anew, in the file where it stands.
    let edit = &found.fixes[0].edits[0];
    assert_eq!(edit.text, "price.output <= $1/Mtok and quality >= 10");
    let place = compiled.sources.locate(edit.span);
    let mut fixed = place.text.to_owned();
    fixed.replace_range(place.span.range(), &edit.text);
    assert!(compile(&fixed).program.is_some());
}

/// The blocks of a language, in order, with their places in the text.
fn blocks<'t>(text: &'t str, language: &str) -> Vec<(usize, &'t str)> {
    let opening = format!("```{language}\n");
    let starts = text.match_indices(&opening).map(|(at, _)| at + opening.len());
    starts
        .map(|start| {
            let end = text[start..].find("```").unwrap() + start;
            (start, &text[start..end])
        })
        .collect()
}

/// Both are in their canonical layout, and mean the same. `UPDATE=1` writes the YAML anew.
#[test]
fn the_guide_shows_both_spellings() {
    let file = path("docs/yaml.md");
    let text = std::fs::read_to_string(&file).unwrap();
    let (policies, yamls) = (blocks(&text, "policy"), blocks(&text, "yaml"));
    assert!(policies.len() >= 9 && policies.len() == yamls.len());
    let mut updated = text.clone();
    for ((start, policy), (yaml_start, shown)) in policies.iter().zip(&yamls).rev() {
        let parsed = parse(policy);
        let sources = Sources::of("docs/yaml.md", policy);
        let messages: String =
            parsed.diagnostics.iter().map(|found| render(found, &sources, false)).collect();
        assert!(messages.is_empty(), "{messages}");
        let tree = parsed.file;
        let written = yaml::format(&tree);
        assert_eq!(yaml::parse(&written).file, tree, "{written}");
        // Last first: each pair's YAML stands behind its policy.
        updated.replace_range(*yaml_start..yaml_start + shown.len(), &written);
        updated.replace_range(*start..start + policy.len(), &format(&tree));
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &updated).unwrap();
    } else {
        assert_eq!(updated, text, "UPDATE=1 takes the canonical spellings over");
    }
}
