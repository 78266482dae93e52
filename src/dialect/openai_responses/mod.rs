//! The dialect `openai.responses`: OpenAI's Responses API and the servers that imitate it.
//!
//! As in `openai.chat`, a request is read in one scan and changed by splicing, and an answer is
//! watched going by. What only the provider that holds it can know (earlier answers, conversations,
//! items by reference) goes through untouched, and cannot be translated.
//! <https://platform.openai.com/docs/api-reference/responses>

mod answer;
mod answer_out;
mod decode;
mod encode;
mod error;
mod events_out;
mod events_parts;
mod input;
mod item;
mod items;
mod items_out;
mod pieces;
pub mod request;
mod splice;
mod stream;

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

/// Both sides of the dialect.
#[derive(Debug, Clone, Copy)]
pub struct Responses;

impl ProviderSide for Responses {
    fn encode(&self, it: &Conversation<'_>, quirks: &Quirks) -> Result<Encoded, Inexpressible> {
        encode::encode(it, quirks)
    }

    fn read(&self, body: &[u8], quirks: &Quirks) -> Result<Answer, UpstreamError> {
        answer::read(body, quirks)
    }

    fn stream(&self, quirks: &Quirks) -> Stream {
        Stream::new(Wire::Sse, Box::new(stream::Events::new(*quirks)))
    }
}

impl ClientSide for Responses {
    fn write(&self, answer: &Answer, context: &Context) -> Vec<u8> {
        answer_out::whole(answer, context)
    }

    fn writer(&self, context: &Context) -> Box<dyn Writer> {
        Box::new(events_out::Events::new(context))
    }

    fn error(&self, error: &ClientError<'_>) -> Bytes {
        super::openai_chat::error::body(error)
    }

    fn error_event(&self, error: &ClientError<'_>) -> Bytes {
        error::event(error)
    }
}

/// What an item's `encrypted_content` begins with that signs another piece than its own thinking.
/// Items of messages and calls have no place for a signature, so it travels in a reasoning item of
/// its own behind them.
const SIGNS: &str = "signs-";

/// What the ids of items begin with that we made up, behind `msg_`, `rs_` or `fc_`.
const MADE_UP: &str = "pm_";

#[cfg(test)]
#[path = "translate_tests.rs"]
mod tests;
