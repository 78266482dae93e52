//! The dialect `openai.embeddings`: OpenAI's Embeddings API and the many that imitate it. Embeddings
//! are no conversations: a request is a list of texts, and an answer as many vectors.
//! <https://platform.openai.com/docs/api-reference/embeddings>

pub mod answer;
pub mod request;
mod splice;

use bytes::Bytes;

use super::answer::Answer;
use super::edits::{Edits, Encoded};
use super::error::UpstreamError;
use super::passage::{Context, EmbeddingSide, Inexpressible};
use super::quirks::Quirks;

pub use request::Request;

/// The provider's side of the dialect.
#[derive(Debug, Clone, Copy)]
pub struct Embeddings;

impl EmbeddingSide for Embeddings {
    fn encode(
        &self,
        request: &Request,
        edits: &Edits,
        quirks: &Quirks,
    ) -> Result<Encoded, Inexpressible> {
        Ok(request.encode(edits, quirks))
    }

    fn read(
        &self,
        body: Bytes,
        _request: &Request,
        quirks: &Quirks,
        _context: &Context,
    ) -> Result<(Answer, Bytes), UpstreamError> {
        Ok((answer::read(&body, quirks)?, body))
    }
}
