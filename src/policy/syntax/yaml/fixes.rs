//! Fixes speak the language; here they learn to speak YAML.
//!
//! An edit inside of a text becomes the whole text, written anew with the quotes it then needs. A fix
//! that reaches beyond texts, or does not lead to a policy that reads better, is told in words.

use crate::policy::diagnostic::{Diagnostic, Edit, Fix, Severity};

use super::super::tree::Span;
use super::document::{self, Kind, Node, Scalar};
use super::write::quote;

/// How many bytes of policies are read to try fixes out.
const MAX_TRIED: usize = 4 << 20;

/// Makes the fixes of all findings about a text fit for it.
pub fn fit(text: &str, diagnostics: &mut [Diagnostic]) {
    if diagnostics.iter().all(|found| found.fixes.is_empty()) {
        return;
    }
    let mut scalars = Vec::new();
    if let Ok(document::Document { root: Some(root), .. }) = document::read(text) {
        collect(root, text, false, &mut scalars);
    }
    let (faults, mut tries) = (faults(text), MAX_TRIED / text.len().max(1));
    let mut helps = |fix: &Fix| {
        tries = tries.saturating_sub(1);
        tries > 0 && self::faults(&applied(fix, text)) <= faults
    };
    for found in diagnostics {
        for fix in std::mem::take(&mut found.fixes) {
            match fitted(&fix, &scalars).filter(&mut helps) {
                Some(fix) => found.fixes.push(fix),
                None => found.help.push(fix.title),
            }
        }
    }
}

/// All texts of a file, in order, and whether they stand in brackets.
fn collect(node: Node, text: &str, flow: bool, scalars: &mut Vec<(Scalar, bool)>) {
    let flow = flow || text[node.span.range()].starts_with(['[', '{']);
    match node.kind {
        Kind::Null => {}
        Kind::Scalar(scalar) => scalars.push((scalar, flow)),
        Kind::List(items) => {
            items.into_iter().for_each(|item| collect(item.node, text, flow, scalars));
        }
        Kind::Map(entries) => {
            for (key, node) in entries {
                scalars.push((key, flow));
                collect(node, text, flow, scalars);
            }
        }
    }
}

fn fitted(fix: &Fix, scalars: &[(Scalar, bool)]) -> Option<Fix> {
    // Last first, so that the places of the others stay.
    let mut written: Vec<(&Scalar, bool, String)> = Vec::new();
    for edit in fix.edits.iter().rev() {
        let place = edit.span;
        let at = scalars.partition_point(|(scalar, _)| scalar.span.start <= place.start);
        let (scalar, flow) = scalars.get(at.checked_sub(1)?)?;
        if place.end > scalar.span.end {
            return None;
        }
        if written.last().is_none_or(|(last, ..)| last.span != scalar.span) {
            written.push((scalar, *flow, scalar.text.clone()));
        }
        let (_, _, text) = written.last_mut()?;
        let start = scalar.places.partition_point(|from| from.start < place.start);
        let end = scalar.places.partition_point(|from| from.end <= place.end).max(start);
        text.get(start..end)?;
        text.replace_range(start..end, &edit.text);
    }
    written.reverse();
    let edits = written
        .into_iter()
        .map(|(scalar, flow, text)| Edit { span: scalar.span, text: quote::code(&text, flow) })
        .collect();
    Some(Fix { title: fix.title.clone(), edits })
}

fn applied(fix: &Fix, text: &str) -> String {
    let mut fixed = text.to_owned();
    for Edit { span: Span { start, end }, text } in fix.edits.iter().rev() {
        fixed.replace_range(*start as usize..*end as usize, text);
    }
    fixed
}

/// How much is wrong with how a text is written.
fn faults(text: &str) -> usize {
    match document::read(text) {
        Ok(document) => {
            let found = super::read(text, document).diagnostics;
            found.iter().filter(|found| found.severity == Severity::Error).count()
        }
        Err(_) => usize::MAX,
    }
}
