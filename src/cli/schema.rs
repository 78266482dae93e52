//! `pointsman schema`

use serde_json::json;

use super::{DONE, output};
use crate::policy::schema::{AttrDef, Cost, SCHEMA, Subject};

/// List the attributes that policies can look at.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only attributes whose name holds this.
    filter: Option<String>,
    /// Print them as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> u8 {
    let wanted = |def: &&AttrDef| {
        let filter = args.filter.as_deref().unwrap_or_default();
        def.name != "request.auto" && def.name.contains(filter)
    };
    let found: Vec<&AttrDef> = SCHEMA.iter().filter(wanted).collect();
    if args.json {
        let rows: Vec<_> = found.iter().map(|def| told(def)).collect();
        output::line(json!(rows).to_string());
        return DONE;
    }
    for (subject, title) in [
        (Subject::Request, "of the request (behind `when`)"),
        (Subject::Model, "of a model (behind `models where`)"),
        (Subject::Attempt, "of an attempt (behind `escalate when`)"),
    ] {
        let rows: Vec<Vec<String>> =
            found.iter().filter(|def| def.subject == subject).map(|def| row(def)).collect();
        if !rows.is_empty() {
            output::line(format!("\n{title}\n"));
            output::table(&rows);
        }
    }
    DONE
}

fn row(def: &AttrDef) -> Vec<String> {
    let ty = format!("{}{}", def.ty, if def.optional { "?" } else { "" });
    let later = def.waits_for.map_or_else(String::new, |what| format!(" (not yet: needs {what})"));
    vec![def.name.replace("[]", "[\"…\"]"), ty, format!("{}{later}", def.doc)]
}

fn told(def: &AttrDef) -> serde_json::Value {
    json!({
        "name": def.name,
        "type": def.ty.to_string(),
        "optional": def.optional,
        "subject": match def.subject {
            Subject::Request => "request",
            Subject::Model => "model",
            Subject::Attempt => "attempt",
            Subject::Outcome => "outcome",
        },
        "cost_class": match def.cost {
            Cost::Free => 0,
            Cost::Computed => 1,
            Cost::Expensive => 2,
        },
        "supported": def.waits_for.is_none(),
        "doc": def.doc,
    })
}
