//! The dialect `openai.chat`: OpenAI's Chat Completions API and the many that imitate it.
//!
//! A request is read in one scan and changed by splicing; an answer is watched, not rebuilt. Only
//! between dialects a request is decoded and encoded, and an answer written anew.
//! <https://platform.openai.com/docs/api-reference/chat>

pub mod answer;
mod answer_out;
pub mod assemble;
mod decode;
mod encode;
pub(in crate::dialect) mod error;
mod messages_in;
mod messages_out;
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
use super::passage::{ClientSide, Context, Inexpressible, ProviderSide};
use super::quirks::Quirks;
use super::sink::Writer;
use super::stream::Stream;

pub(super) use answer_out::{logprob as logprob_out, usage as usage_out};
pub(super) use messages_in::heard;
pub(super) use pieces::token_logprob;
pub use request::Request;
pub use stream::stream;

/// Both sides of the dialect.
#[derive(Debug, Clone, Copy)]
pub struct Chat;

impl ProviderSide for Chat {
    fn encode(&self, it: &Conversation<'_>, quirks: &Quirks) -> Result<Encoded, Inexpressible> {
        encode::encode(it, quirks)
    }

    fn read(&self, body: &[u8], quirks: &Quirks) -> Result<Answer, UpstreamError> {
        answer::read(body, quirks)
    }

    fn stream(&self, quirks: &Quirks) -> Stream {
        stream(*quirks)
    }
}

impl ClientSide for Chat {
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

    fn end_mark(&self) -> &'static [u8] {
        b"data: [DONE]\n\n"
    }
}
