//! The dialect `gemini.embed`: Google's `batchEmbedContents`. No client of ours speaks it.
//! <https://ai.google.dev/api/embeddings#method:-models.batchembedcontents>

use bytes::Bytes;

use super::answer::Answer;
use super::edits::{Edits, Encoded};
use super::error::UpstreamError;
use super::json::{JsonError, Kind, Scanner};
use super::openai_embeddings::answer::{scan, write};
use super::openai_embeddings::request::{Purpose, Request};
use super::passage::{Context, EmbeddingSide, Inexpressible};
use super::quirks::Quirks;
use super::sink::Sink;
use super::usage::Usage;
use super::write::{JsonOut, object};
use crate::units::Tokens;

/// The provider's side of the dialect.
#[derive(Debug, Clone, Copy)]
pub struct GeminiEmbed;

impl EmbeddingSide for GeminiEmbed {
    fn encode(
        &self,
        request: &Request,
        edits: &Edits,
        _quirks: &Quirks,
    ) -> Result<Encoded, Inexpressible> {
        let texts = request.texts()?;
        let model = edits.model.as_deref().unwrap_or(&request.shape().model);
        let model = format!("models/{model}");
        let purpose = request.purpose().map(|purpose| match purpose {
            Purpose::Query => "RETRIEVAL_QUERY",
            Purpose::Document => "RETRIEVAL_DOCUMENT",
            Purpose::Classification => "CLASSIFICATION",
            Purpose::Clustering => "CLUSTERING",
        });
        let one = |w: &mut JsonOut<'_>, text: &str| {
            w.field_str("model", &model);
            w.field_object("content", |w| {
                w.field_array("parts", |w| w.object(|w| w.field_raw("text", text)));
            });
            w.maybe_str("taskType", purpose);
            w.maybe_int("outputDimensionality", request.dimensions());
        };
        let size = request.shape().bytes + texts.len() * (model.len() + 128);
        let body = object(size, |w| {
            w.field_array("requests", |w| {
                texts.iter().for_each(|text| w.object(|w| one(w, text)));
            });
        });
        Ok(Encoded { body: Bytes::from(body), losses: request.losses(edits) })
    }

    fn read(
        &self,
        body: Bytes,
        request: &Request,
        _quirks: &Quirks,
        context: &Context,
    ) -> Result<(Answer, Bytes), UpstreamError> {
        let mut answer = Answer::default();
        let mut sink = Sink::new(&mut answer);
        let mut vectors = Vec::new();
        scan(&body, |scanner, key| {
            match (key, scanner.kind()?) {
                ("embeddings", Kind::Array) => scanner.array(|scanner, _| {
                    if scanner.kind()? != Kind::Object {
                        return Ok(());
                    }
                    scanner.object(|scanner, key| {
                        if key.raw == "values" {
                            vectors.push(scanner.raw()?);
                        }
                        Ok::<(), JsonError>(())
                    })
                })?,
                ("usageMetadata", Kind::Object) => {
                    if let Some(usage) = usage(scanner)? {
                        sink.usage(usage);
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        let body = write(&vectors, request, &answer, context)?;
        Ok((answer, body))
    }
}

fn usage(scanner: &mut Scanner<'_>) -> Result<Option<Usage>, JsonError> {
    let mut input = None;
    scanner.object(|scanner, key| {
        if key.raw == "promptTokenCount" {
            input = scanner.count()?;
        }
        Ok::<(), JsonError>(())
    })?;
    Ok(input.map(|input| Usage { input: Tokens(input), ..Usage::default() }))
}
