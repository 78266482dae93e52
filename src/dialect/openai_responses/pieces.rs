//! Pieces that requests and answers have in common.

use crate::dialect::Dialect;
use crate::dialect::json::{JsonError, Kind, Scanner};
use crate::dialect::part::Citation;

/// The parts of a summary are paragraphs.
pub(super) const PARAGRAPH: &str = "\n\n";

/// Texts as paragraphs of one.
pub(super) fn joined_paragraphs<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    let mut whole = String::new();
    for text in texts.filter(|text| !text.is_empty()) {
        if !whole.is_empty() {
            whole.push_str(PARAGRAPH);
        }
        whole.push_str(text);
    }
    whole
}

/// An annotation of a text: where it comes from.
pub(super) fn annotation<'a>(scanner: &mut Scanner<'a>) -> Result<Option<Citation<'a>>, JsonError> {
    if scanner.kind()? != Kind::Object {
        return Ok(None);
    }
    let json = scanner.clone().raw()?;
    let mut citation =
        Citation { native: Some((Dialect::OpenAiResponses, json.into())), ..Citation::default() };
    let (mut from, mut to) = (None, None);
    scanner.object(|scanner, key| {
        match key.raw {
            "url" => citation.url = scanner.text()?,
            "title" | "filename" => citation.title = scanner.text()?.or(citation.title.take()),
            "start_index" => from = scanner.count()?,
            "end_index" => to = scanner.count()?,
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    citation.range = from.zip(to).filter(|(from, to)| from < to);
    Ok(Some(citation))
}
