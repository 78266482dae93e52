//! The dialect `gemini.generate`: Google's `generateContent` and `streamGenerateContent`, at the
//! Gemini API and at Vertex AI.
//!
//! The model and whether a stream is wanted stand in the URL, not in the body; a stream is a series
//! of answers of the same shape as a whole one, so one reader serves both.
//! <https://ai.google.dev/api/generate-content>

mod answer;
mod answer_out;
mod arguments;
mod config;
mod decode;
mod encode;
mod error;
mod grounding;
mod names;
mod piece;
pub mod request;
mod schema;
mod signature;
mod splice;
mod stream;
mod turns;
mod usage;

use bytes::Bytes;

use super::answer::Answer;
use super::client_error::ClientError;
use super::conversation::Conversation;
use super::edits::Encoded;
use super::error::UpstreamError;
use super::framing::Wire;
use super::passage::{ClientSide, Context, Inexpressible, ProviderSide};
use super::quirks::Quirks;
use super::sink::Writer;
use super::stream::Stream;

pub use request::Request;
pub use stream::stream;

/// Both sides of the dialect.
#[derive(Debug, Clone, Copy)]
pub struct Gemini;

impl ProviderSide for Gemini {
    fn encode(&self, it: &Conversation<'_>, quirks: &Quirks) -> Result<Encoded, Inexpressible> {
        encode::encode(it, quirks)
    }

    fn read(&self, body: &[u8], _: &Quirks) -> Result<Answer, UpstreamError> {
        answer::read(body)
    }

    fn stream(&self, quirks: &Quirks) -> Stream {
        stream(Wire::Sse, *quirks)
    }
}

impl ClientSide for Gemini {
    fn write(&self, answer: &Answer, context: &Context) -> Vec<u8> {
        answer_out::whole(answer, context)
    }

    fn writer(&self, context: &Context) -> Box<dyn Writer> {
        Box::new(answer_out::Chunks::new(context))
    }

    fn error(&self, error: &ClientError<'_>) -> Bytes {
        error::body(error)
    }

    fn error_event(&self, error: &ClientError<'_>) -> Bytes {
        error::event(error)
    }
}
