//! Pieces of messages and chunks: tool calls, sound, images, citations, log probabilities.

use std::borrow::Cow;

use crate::dialect::answer::TokenLogprob;
use crate::dialect::fault::Outcome;
use crate::dialect::json::{self, JsonError, Kind, Scanner};
use crate::dialect::part::{Body, Citation, Media, MediaKind, Part, Source, ToolCall};
use crate::dialect::sink::Sink;

/// Sound: its data and its words come in pieces.
pub(super) fn audio(scanner: &mut Scanner<'_>, choice: u32, sink: &mut Sink<'_>) -> Outcome {
    let (mut id, mut data, mut words) = (None, None, None);
    scanner.object(|scanner, key| {
        match key.raw {
            "id" => id = scanner.text()?,
            "data" => data = scanner.text()?,
            "transcript" => words = scanner.text()?,
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    if id.is_none() && data.is_none() && words.is_none() {
        return Ok(());
    }
    let sound = |part: &Part<'_>| matches!(part.body, Body::Media(_));
    let at = match sink.choice(choice)?.parts.iter().rposition(sound) {
        Some(at) => at,
        None => {
            let source = Source::Base64 { mime: "audio/wav".into(), data: "".into() };
            sink.part(choice, Part::new(Body::Media(Media::new(MediaKind::Audio, source))))?
        }
    };
    sink.amend(choice, at, |part| {
        let Body::Media(media) = &mut part.body else { return };
        if let Some(id) = id {
            media.id.get_or_insert(id.into_owned().into());
        }
        if let (Source::Base64 { data: known, .. }, Some(data)) = (&mut media.source, data) {
            known.to_mut().push_str(&data);
        }
    });
    sink.more(choice, at, &words.unwrap_or_default());
    Ok(())
}

/// OpenRouter's: images that the model made.
pub(super) fn images(scanner: &mut Scanner<'_>, choice: u32, sink: &mut Sink<'_>) -> Outcome {
    scanner.array(|scanner, _| {
        let mut url = None;
        if scanner.kind()? == Kind::Object {
            scanner.object(|scanner, key| {
                if key.raw == "image_url" && scanner.kind()? == Kind::Object {
                    scanner.object(|scanner, key| {
                        if key.raw == "url" {
                            url = scanner.text()?;
                        }
                        Ok::<(), JsonError>(())
                    })?;
                }
                Ok::<(), JsonError>(())
            })?;
        }
        if let Some(url) = url {
            let media = Media::of_url(MediaKind::Image, url.into_owned().into());
            sink.part(choice, Part::new(Body::Media(media)))?;
        }
        Ok(())
    })
}

/// `url_citation` annotations.
pub(super) fn annotations(scanner: &mut Scanner<'_>, choice: u32, sink: &mut Sink<'_>) -> Outcome {
    scanner.array(|scanner, _| {
        let Some(citation) = citation(scanner)? else { return Ok(()) };
        let text = |part: &Part<'_>| matches!(part.body, Body::Text { .. });
        let at = match sink.choice(choice)?.parts.iter().rposition(text) {
            Some(at) => at,
            None => sink.part(choice, Part::text(""))?,
        };
        sink.cite(choice, at, citation.into_owned());
        Ok(())
    })
}

/// A tool call, or what a chunk brings of one.
#[derive(Default)]
pub(super) struct CallPiece<'a> {
    pub(super) index: Option<u32>,
    pub(super) id: Cow<'a, str>,
    pub(super) name: Cow<'a, str>,
    pub(super) arguments: Cow<'a, str>,
    pub(super) free_form: bool,
    pub(super) signature: Option<Cow<'a, str>>,
}

impl<'a> CallPiece<'a> {
    pub(super) fn read(scanner: &mut Scanner<'a>) -> Result<CallPiece<'a>, JsonError> {
        let mut piece = CallPiece::default();
        scanner.object(|scanner, key| {
            let kind = scanner.kind()?;
            match &*key.cow() {
                "index" => {
                    let index = scanner.count()?;
                    piece.index = index.map(|index| u32::try_from(index).unwrap_or(u32::MAX));
                }
                "id" => piece.id = scanner.text()?.unwrap_or_default(),
                "function" if kind == Kind::Object => piece.function(scanner)?,
                // Free-form tools; Snowflake sends an empty one beside the function.
                "custom" if kind == Kind::Object => {
                    let nameless = piece.name.is_empty();
                    piece.function(scanner)?;
                    piece.free_form = nameless && !piece.name.is_empty();
                }
                "extra_content" if kind == Kind::Object => piece.signature = signature(scanner)?,
                _ => {}
            }
            Ok::<(), JsonError>(())
        })?;
        Ok(piece)
    }

    pub(super) fn function(&mut self, scanner: &mut Scanner<'a>) -> Result<(), JsonError> {
        scanner.object(|scanner, key| {
            let to = match key.raw {
                "name" => &mut self.name,
                "arguments" | "input" => &mut self.arguments,
                _ => return Ok(()),
            };
            let more = match scanner.kind()? {
                Kind::Null => return Ok(()),
                Kind::String => scanner.string()?.cow(),
                // Arguments as an object rather than as a text.
                _ => Cow::Borrowed(scanner.raw()?),
            };
            if to.is_empty() {
                *to = more;
            } else {
                to.to_mut().push_str(&more);
            }
            Ok(())
        })
    }

    /// Whether this is more of `call`, rather than another one that shares its index, or has none.
    pub(super) fn continues(&self, call: &ToolCall<'_>) -> bool {
        if !self.id.is_empty() && !call.id.is_empty() && !call.has_made_up_id() {
            return self.id == call.id;
        }
        if self.name.is_empty() || call.name.is_empty() {
            return self.index.is_some() || self.name.is_empty();
        }
        // A name again: some repeat it with every piece, but after complete arguments it is new.
        self.name == call.name && !json::is_valid(&call.arguments)
    }
}

/// Google's: `{"google": {"thought_signature": "…"}}`.
pub(super) fn signature<'a>(scanner: &mut Scanner<'a>) -> Result<Option<Cow<'a, str>>, JsonError> {
    let mut signature = None;
    scanner.object(|scanner, key| {
        if key.raw == "google" && scanner.kind()? == Kind::Object {
            scanner.object(|scanner, key| {
                if key.raw == "thought_signature" {
                    signature = scanner.text()?;
                }
                Ok::<(), JsonError>(())
            })?;
        }
        Ok::<(), JsonError>(())
    })?;
    Ok(signature)
}

/// A `url_citation`; nothing for other annotations.
pub(super) fn citation<'a>(scanner: &mut Scanner<'a>) -> Result<Option<Citation<'a>>, JsonError> {
    if scanner.kind()? != Kind::Object {
        return Ok(None);
    }
    let (mut citation, mut any) = (Citation::default(), false);
    scanner.object(|scanner, key| {
        if key.raw != "url_citation" || scanner.kind()? != Kind::Object {
            return Ok(());
        }
        any = true;
        let (mut from, mut to) = (None, None);
        scanner.object(|scanner, key| {
            match key.raw {
                "url" => citation.url = scanner.text()?,
                "title" => citation.title = scanner.text()?,
                "content" => citation.quote = scanner.text()?,
                "start_index" => from = scanner.count()?,
                "end_index" => to = scanner.count()?,
                _ => {}
            }
            Ok::<(), JsonError>(())
        })?;
        citation.range = from.zip(to).filter(|(from, to)| from < to);
        Ok::<(), JsonError>(())
    })?;
    Ok(any.then_some(citation))
}

pub(super) fn logprobs(scanner: &mut Scanner<'_>, choice: u32, sink: &mut Sink<'_>) -> Outcome {
    let mut tokens = Vec::new();
    scanner.object(|scanner, key| {
        if key.raw != "content" || scanner.kind()? != Kind::Array {
            return Ok(());
        }
        scanner.array(|scanner, _| {
            tokens.extend(token_logprob(scanner)?);
            Ok::<(), JsonError>(())
        })
    })?;
    Ok(sink.logprobs(choice, tokens)?)
}

/// A token with its probability; nothing where it has none.
pub(in crate::dialect) fn token_logprob(
    scanner: &mut Scanner<'_>,
) -> Result<Option<TokenLogprob>, JsonError> {
    if scanner.kind()? != Kind::Object {
        return Ok(None);
    }
    let (mut token, mut any) = (TokenLogprob::default(), false);
    scanner.object(|scanner, key| {
        match key.raw {
            "token" => token.token = scanner.text()?.unwrap_or_default().into_owned(),
            "logprob" => {
                if let Some(logprob) = scanner.float()? {
                    (token.logprob, any) = (logprob, true);
                }
            }
            "bytes" if scanner.kind()? == Kind::Array => {
                let mut bytes = Vec::new();
                scanner.array(|scanner, _| {
                    bytes.extend(scanner.count()?.and_then(|byte| u8::try_from(byte).ok()));
                    Ok::<(), JsonError>(())
                })?;
                token.bytes = Some(bytes);
            }
            "top_logprobs" if scanner.kind()? == Kind::Array => {
                scanner.array(|scanner, _| {
                    let top = token_logprob(scanner)?;
                    token.top.extend(top.map(|top| (top.token, top.logprob)));
                    Ok::<(), JsonError>(())
                })?;
            }
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    Ok(any.then_some(token))
}
