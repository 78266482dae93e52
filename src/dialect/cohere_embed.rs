//! The dialect `cohere.embed`: Cohere's Embed API, version 2. No client of ours speaks it.
//! <https://docs.cohere.com/reference/embed>

use bytes::Bytes;

use super::answer::Answer;
use super::edits::{Edits, Encoded, Loss, LossKind};
use super::error::UpstreamError;
use super::json::{JsonError, Kind, Scanner};
use super::openai_embeddings::answer::{scan, write};
use super::openai_embeddings::request::{Purpose, Request};
use super::passage::{Context, EmbeddingSide, Inexpressible};
use super::quirks::Quirks;
use super::sink::Sink;
use super::usage::Usage;
use super::write::object;
use crate::units::Tokens;

/// The provider's side of the dialect.
#[derive(Debug, Clone, Copy)]
pub struct CohereEmbed;

impl EmbeddingSide for CohereEmbed {
    fn encode(
        &self,
        request: &Request,
        edits: &Edits,
        _quirks: &Quirks,
    ) -> Result<Encoded, Inexpressible> {
        let texts = request.texts()?;
        let mut losses = request.losses(edits);
        let purpose = match request.purpose() {
            Some(Purpose::Query) => "search_query",
            Some(Purpose::Document) => "search_document",
            Some(Purpose::Classification) => "classification",
            Some(Purpose::Clustering) => "clustering",
            None => {
                losses.push(Loss {
                    param: "input_type".into(),
                    how: LossKind::Emulated,
                    note: "it has to be said there what the texts are for; `search_document` is \
                           taken"
                        .to_owned(),
                });
                "search_document"
            }
        };
        let model = edits.model.as_deref().unwrap_or(&request.shape().model);
        let body = object(request.shape().bytes + 128, |w| {
            w.field_str("model", model);
            w.field_array("texts", |w| texts.iter().for_each(|text| w.raw(text)));
            w.field_str("input_type", purpose);
            w.field_array("embedding_types", |w| w.string("float"));
            w.maybe_int("output_dimension", request.dimensions());
        });
        Ok(Encoded { body: Bytes::from(body), losses })
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
                ("id", Kind::String) => sink.id(&scanner.string()?.cow()),
                ("embeddings", Kind::Object) => scanner.object(|scanner, key| {
                    if key.raw == "float" && scanner.kind()? == Kind::Array {
                        scanner.array(|scanner, _| {
                            vectors.push(scanner.raw()?);
                            Ok::<(), JsonError>(())
                        })?;
                    }
                    Ok::<(), JsonError>(())
                })?,
                ("meta", Kind::Object) => {
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

/// What is billed is all that is said.
fn usage(scanner: &mut Scanner<'_>) -> Result<Option<Usage>, JsonError> {
    let mut input = None;
    scanner.object(|scanner, key| {
        if key.raw != "billed_units" || scanner.kind()? != Kind::Object {
            return Ok(());
        }
        scanner.object(|scanner, key| {
            if key.raw == "input_tokens" {
                input = scanner.count()?;
            }
            Ok::<(), JsonError>(())
        })
    })?;
    Ok(input.map(|input| Usage { input: Tokens(input), ..Usage::default() }))
}
