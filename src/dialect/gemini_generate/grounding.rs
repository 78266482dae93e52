//! Where an answer comes from: the results of searches and files, and cited sources. Google counts
//! places in bytes of what was said.

use std::borrow::Cow;

use super::answer::{Fault, texts};
use super::names::{camel, each};
use crate::dialect::answer::Choice;
use crate::dialect::json::{JsonError, Kind, Scanner};
use crate::dialect::part::{Citation, Part};
use crate::dialect::sink::Sink;
use crate::dialect::write::JsonOut;

/// The words that a source supports.
#[derive(Default)]
struct Segment<'a> {
    start: u64,
    end: u64,
    text: Cow<'a, str>,
}

/// Sources of `groundingMetadata`: each supports some words, or the whole answer.
pub(super) fn grounding(json: &str, choice: u32, sink: &mut Sink<'_>) -> Result<(), Fault> {
    let (mut chunks, mut supports) = (Vec::new(), Vec::new());
    Scanner::new(json).object(|scanner, key| {
        match &*camel(&key.cow()) {
            "groundingChunks" => each(scanner, |scanner, _| {
                chunks.push(chunk(scanner)?);
                Ok::<(), JsonError>(())
            })?,
            "groundingSupports" => each(scanner, |scanner, _| {
                if scanner.kind()? == Kind::Object {
                    supports.push(support(scanner)?);
                }
                Ok::<(), JsonError>(())
            })?,
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    for (segment, indices) in &supports {
        for source in indices.iter().filter_map(|index| chunks.get(*index)) {
            cite(source, segment, choice, sink)?;
        }
    }
    if supports.is_empty() {
        for source in &chunks {
            cite(source, &Segment::default(), choice, sink)?;
        }
    }
    Ok(())
}

/// Sources of `citationMetadata`.
pub(super) fn citations(json: &str, choice: u32, sink: &mut Sink<'_>) -> Result<(), Fault> {
    let mut sources = Vec::new();
    Scanner::new(json).object(|scanner, key| match &*camel(&key.cow()) {
        // Vertex has the shorter name.
        "citationSources" | "citations" => each(scanner, |scanner, _| {
            let (mut source, mut segment) = (Citation::default(), Segment::default());
            if scanner.kind()? == Kind::Object {
                scanner.object(|scanner, key| {
                    match &*camel(&key.cow()) {
                        "uri" => source.url = scanner.text()?,
                        "title" => source.title = scanner.text()?,
                        "startIndex" => segment.start = scanner.count()?.unwrap_or(0),
                        "endIndex" => segment.end = scanner.count()?.unwrap_or(0),
                        _ => {}
                    }
                    Ok::<(), JsonError>(())
                })?;
            }
            sources.push((source, segment));
            Ok::<(), JsonError>(())
        }),
        _ => Ok(()),
    })?;
    sources.iter().try_for_each(|(source, segment)| cite(source, segment, choice, sink))
}

/// `{"web": {"uri", "title"}}`, `{"retrievedContext": {"uri", "title", "text"}}`, `{"maps": …}`
fn chunk<'a>(scanner: &mut Scanner<'a>) -> Result<Citation<'a>, JsonError> {
    let mut source = Citation::default();
    if scanner.kind()? == Kind::Object {
        scanner.object(|scanner, _| {
            if scanner.kind()? != Kind::Object {
                return Ok(());
            }
            scanner.object(|scanner, key| {
                match &*camel(&key.cow()) {
                    "uri" => source.url = scanner.text()?,
                    "title" => source.title = scanner.text()?,
                    "text" => source.quote = scanner.text()?,
                    _ => {}
                }
                Ok::<(), JsonError>(())
            })
        })?;
    }
    Ok(source)
}

fn support<'a>(scanner: &mut Scanner<'a>) -> Result<(Segment<'a>, Vec<usize>), JsonError> {
    let (mut segment, mut indices) = (Segment::default(), Vec::new());
    scanner.object(|scanner, key| {
        match &*camel(&key.cow()) {
            "segment" if scanner.kind()? == Kind::Object => scanner.object(|scanner, key| {
                match &*camel(&key.cow()) {
                    "startIndex" => segment.start = scanner.count()?.unwrap_or(0),
                    "endIndex" => segment.end = scanner.count()?.unwrap_or(0),
                    "text" => segment.text = scanner.text()?.unwrap_or_default(),
                    _ => {}
                }
                Ok::<(), JsonError>(())
            })?,
            "groundingChunkIndices" if scanner.kind()? == Kind::Array => {
                scanner.array(|scanner, _| {
                    let index = scanner.count()?.and_then(|index| usize::try_from(index).ok());
                    indices.extend(index);
                    Ok::<(), JsonError>(())
                })?;
            }
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    Ok((segment, indices))
}

fn cite(
    source: &Citation<'_>,
    segment: &Segment<'_>,
    choice: u32,
    sink: &mut Sink<'_>,
) -> Result<(), Fault> {
    let (at, range) = match place(sink.choice(choice)?, segment) {
        Some(place) => place,
        None => (sink.part(choice, Part::text(""))?, None),
    };
    let citation = Citation { range, ..source.clone() }.into_owned();
    // Streams may repeat what they said before.
    let known = |part: &Part<'_>| match &part.body {
        crate::dialect::part::Body::Text { citations, .. } => citations.contains(&citation),
        _ => false,
    };
    if !sink.choice(choice)?.parts.get(at).is_some_and(known) {
        sink.cite(choice, at, citation);
    }
    Ok(())
}

/// The part that holds the words and which of its characters they are; the last text where they are
/// not to be found.
fn place(choice: &Choice, segment: &Segment<'_>) -> Option<(usize, Option<(u64, u64)>)> {
    let start = usize::try_from(segment.start).unwrap_or(usize::MAX);
    let end = usize::try_from(segment.end).unwrap_or(usize::MAX);
    let words = &*segment.text;
    let said = |(at, base, text): (usize, usize, &str)| {
        let (from, to) = (start.checked_sub(base)?, end.checked_sub(base)?);
        let cut = text.get(from..to)?;
        (from < to && (words.is_empty() || cut == words)).then(|| (at, Some(chars(text, from, to))))
    };
    // Its own count is sometimes off by a few bytes; the words are not.
    let found = |(at, _, text): (usize, usize, &str)| {
        let from = text.find(words).filter(|_| !words.is_empty())?;
        Some((at, Some(chars(text, from, from + words.len()))))
    };
    texts(choice)
        .find_map(said)
        .or_else(|| texts(choice).find_map(found))
        .or_else(|| texts(choice).last().map(|(at, ..)| (at, None)))
}

/// A range of bytes in characters.
fn chars(text: &str, from: usize, to: usize) -> (u64, u64) {
    let count = |text: &str| text.chars().count() as u64;
    let start = count(&text[..from]);
    (start, start + count(&text[from..to]))
}

/// `groundingMetadata` of a choice that has sources.
pub(super) fn write(w: &mut JsonOut<'_>, choice: &Choice) {
    let cited: Vec<_> = texts(choice)
        .flat_map(|(at, base, text)| {
            let citations = match &choice.parts[at].body {
                crate::dialect::part::Body::Text { citations, .. } => &citations[..],
                _ => &[],
            };
            citations.iter().map(move |citation| (citation, base, text))
        })
        .collect();
    if cited.is_empty() {
        return;
    }
    w.field_object("groundingMetadata", |w| {
        w.field_array("groundingChunks", |w| {
            cited.iter().for_each(|(citation, ..)| w.object(|w| source(w, citation)));
        });
        w.field_array("groundingSupports", |w| {
            for (index, (citation, base, text)) in cited.iter().enumerate() {
                let (from, to) = match citation.range {
                    Some((from, to)) => (bytes(text, from), bytes(text, to)),
                    None => (0, text.len()),
                };
                w.object(|w| {
                    w.field_object("segment", |w| {
                        w.field_int("startIndex", (base + from) as u64);
                        w.field_int("endIndex", (base + to) as u64);
                        w.field_str("text", text.get(from..to).unwrap_or(""));
                    });
                    w.field_array("groundingChunkIndices", |w| w.int(index as u64));
                });
            }
        });
    });
}

fn source(w: &mut JsonOut<'_>, citation: &Citation<'_>) {
    // What has no address was found in a document.
    let kind = if citation.url.is_some() { "web" } else { "retrievedContext" };
    w.field_object(kind, |w| {
        w.maybe_str("uri", citation.url.as_deref());
        w.maybe_str("title", citation.title.as_deref());
        if citation.url.is_none() {
            w.maybe_str("text", citation.quote.as_deref());
        }
    });
}

/// Where the character of this number begins.
fn bytes(text: &str, char: u64) -> usize {
    let char = usize::try_from(char).unwrap_or(usize::MAX);
    text.char_indices().nth(char).map_or(text.len(), |(at, _)| at)
}
