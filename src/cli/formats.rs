//! Findings for other programs: SARIF for code hosts and dashboards, annotations for GitHub Actions.

use serde_json::{Value, json};

use crate::policy::codes;
use crate::policy::diagnostic::{Diagnostic, Severity};
use crate::policy::sources::Sources;
use crate::policy::syntax::{position, tree::Span};

/// A place as SARIF and GitHub count: lines and columns from 1.
struct Lines {
    file: String,
    start: (usize, usize),
    end: (usize, usize),
}

fn lines(sources: &Sources, span: Span) -> Lines {
    let place = sources.locate(span);
    let at = |byte: u32| {
        let position = position(place.text, byte as usize);
        (position.line, position.column)
    };
    Lines {
        file: place.file.replace('\\', "/"),
        start: at(place.span.start),
        end: at(place.span.end),
    }
}

/// All findings as one SARIF 2.1.0 log.
pub(super) fn sarif<'a>(findings: impl Iterator<Item = (&'a Diagnostic, &'a Sources)>) -> Value {
    let results: Vec<Value> = findings.map(|(found, sources)| result(found, sources)).collect();
    let mut used: Vec<&str> = results.iter().filter_map(|it| it["ruleId"].as_str()).collect();
    used.sort_unstable();
    used.dedup();
    let rules: Vec<Value> = used
        .iter()
        .filter_map(|code| codes::page(code))
        .map(|page| {
            json!({
                "id": page.code,
                "shortDescription": { "text": page.title },
                "fullDescription": { "text": page.explanation },
                "help": { "text": format!("wrong:\n{}\n\nright:\n{}", page.bad, page.good) },
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "pointsman",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(found: &Diagnostic, sources: &Sources) -> Value {
    let location = |span: Span, text: &str| {
        let Lines { file, start, end } = lines(sources, span);
        json!({
            "physicalLocation": {
                "artifactLocation": { "uri": file },
                "region": {
                    "startLine": start.0, "startColumn": start.1,
                    "endLine": end.0, "endColumn": end.1,
                },
            },
            "message": { "text": text },
        })
    };
    let related = found.secondary.iter().map(|label| location(label.span, &label.text));
    let mut result = json!({
        "ruleId": found.code,
        "level": match found.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        },
        "message": { "text": message(found) },
        "locations": [location(found.primary.span, &found.primary.text)],
        "relatedLocations": related.collect::<Vec<_>>(),
    });
    let fixes: Vec<Value> = found
        .fixes
        .iter()
        .map(|fix| {
            let mut files: Vec<(String, Vec<Value>)> = Vec::new();
            for edit in &fix.edits {
                let Lines { file, start, end } = lines(sources, edit.span);
                let replacement = json!({
                    "deletedRegion": {
                        "startLine": start.0, "startColumn": start.1,
                        "endLine": end.0, "endColumn": end.1,
                    },
                    "insertedContent": { "text": edit.text },
                });
                match files.iter_mut().find(|(known, _)| *known == file) {
                    Some((_, edits)) => edits.push(replacement),
                    None => files.push((file, vec![replacement])),
                }
            }
            let changes = files.into_iter().map(|(file, edits)| {
            json!({ "artifactLocation": { "uri": file }, "replacements": edits })
        });
            json!({
                "description": { "text": fix.title },
                "artifactChanges": changes.collect::<Vec<_>>(),
            })
        })
        .collect();
    if !fixes.is_empty() {
        result["fixes"] = json!(fixes);
    }
    result
}

/// The message with its ways out, as one text.
fn message(found: &Diagnostic) -> String {
    let mut message = format!("{}: {}", found.message, found.primary.text);
    for help in found.help.iter().chain(&found.notes) {
        message += "\n";
        message += help;
    }
    message
}

/// A finding as a command that GitHub Actions shows at the line.
pub(super) fn github(found: &Diagnostic, sources: &Sources) -> String {
    let Lines { file, start, end } = lines(sources, found.primary.span);
    let level = match found.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let text = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |value: &str| text(value).replace(':', "%3A").replace(',', "%2C");
    format!(
        "::{level} file={},line={},col={},endLine={},endColumn={},title={}::{}",
        property(&file),
        start.0,
        start.1,
        end.0,
        end.1,
        property(found.code.0),
        text(&message(found))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> (Diagnostic, Sources) {
        let sources = Sources::of("a:b.policy", "one\ndefault -> cheep\n");
        let span = Span { start: 15, end: 20 };
        let found =
            Diagnostic::error(codes::UNKNOWN_TARGET, span, "nothing is called `cheep`", "100 %")
                .help("did you mean `cheap`?")
                .fix("use `cheap`", span, "cheap");
        (found, sources)
    }

    #[test]
    fn annotations_are_escaped() {
        let (found, sources) = found();
        assert_eq!(
            github(&found, &sources),
            "::error file=a%3Ab.policy,line=2,col=12,endLine=2,endColumn=17,title=P1103::nothing is \
             called `cheep`: 100 %25%0Adid you mean `cheap`?"
        );
    }

    #[test]
    fn sarif_has_rules_places_and_fixes() {
        let (found, sources) = found();
        let log = sarif([(&found, &sources)].into_iter());
        let run = &log["runs"][0];
        assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "P1103");
        let result = &run["results"][0];
        assert_eq!(result["level"], "error");
        let region = &result["locations"][0]["physicalLocation"]["region"];
        assert_eq!((&region["startLine"], &region["startColumn"]), (&json!(2), &json!(12)));
        let change = &result["fixes"][0]["artifactChanges"][0]["replacements"][0];
        assert_eq!(change["insertedContent"]["text"], "cheap");
    }
}
