//! The dialect `openai.completions`: OpenAI's API from before chat, which continues a text.
//!
//! Its requests become conversations of one message; nothing is ever translated into it.
//! <https://platform.openai.com/docs/api-reference/completions>

mod answer;
mod answer_out;
pub mod request;

use bytes::Bytes;

use super::answer::Answer;
use super::client_error::ClientError;
use super::conversation::Conversation;
use super::edits::Encoded;
use super::error::UpstreamError;
use super::framing::Wire;
use super::openai_chat;
use super::passage::{ClientSide, Context, Inexpressible, ProviderSide};
use super::quirks::Quirks;
use super::sink::Writer;
use super::stream::Stream;

pub use request::Request;

/// Both sides of the dialect.
#[derive(Debug, Clone, Copy)]
pub struct Completions;

impl ProviderSide for Completions {
    fn encode(&self, _: &Conversation<'_>, _: &Quirks) -> Result<Encoded, Inexpressible> {
        Err(Inexpressible::new("the model's provider continues texts and knows no conversations"))
    }

    fn read(&self, body: &[u8], quirks: &Quirks) -> Result<Answer, UpstreamError> {
        answer::read(body, quirks)
    }

    fn stream(&self, quirks: &Quirks) -> Stream {
        Stream::new(Wire::Sse, Box::new(answer::Chunks::new(*quirks)))
    }

    fn carries_conversations(&self) -> bool {
        false
    }
}

impl ClientSide for Completions {
    fn write(&self, answer: &Answer, context: &Context) -> Vec<u8> {
        answer_out::whole(answer, context)
    }

    fn writer(&self, context: &Context) -> Box<dyn Writer> {
        Box::new(answer_out::Chunks::new(context))
    }

    fn error(&self, error: &ClientError<'_>) -> Bytes {
        openai_chat::error::body(error)
    }

    fn error_event(&self, error: &ClientError<'_>) -> Bytes {
        openai_chat::error::event(error)
    }

    fn end_mark(&self) -> &'static [u8] {
        b"data: [DONE]\n\n"
    }
}

#[cfg(test)]
#[path = "completions_tests.rs"]
mod tests;
