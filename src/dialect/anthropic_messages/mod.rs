//! The dialect `anthropic.messages`: Anthropic's Messages API, on its own, on Vertex AI and by those
//! who imitate it.
//!
//! An answer is a list of content blocks, which is what the neutral form looks like too: blocks that
//! only Anthropic knows (searches and sandboxes of its own) go through it as they came.
//! <https://platform.claude.com/docs/en/api/messages>

mod answer;
mod answer_out;
mod blocks;
mod content;
mod decode;
mod encode;
mod error;
mod events_out;
mod ids;
mod marks;
pub mod request;
mod splice;
mod stream;
mod thinking;
mod turns;

use bytes::Bytes;

use super::Dialect;
use super::answer::Answer;
use super::client_error::ClientError;
use super::conversation::Conversation;
use super::edits::Encoded;
use super::error::UpstreamError;
use super::passage::{ClientSide, Context, Inexpressible, ProviderSide};
use super::quirks::Quirks;
use super::sink::Writer;
use super::stream::Stream;

pub use request::Request;

/// What the body says on Vertex AI in the place of the model, which is in the address there
/// (<https://docs.claude.com/en/api/claude-on-vertex-ai>).
const VERTEX_VERSION: &str = "vertex-2023-10-16";
/// The field that it is said in.
const VERSION: &str = "anthropic_version";

/// This dialect's name in its own files.
const OWN: Dialect = Dialect::AnthropicMessages;

/// Both sides of the dialect.
#[derive(Debug, Clone, Copy)]
pub struct Messages;

impl ProviderSide for Messages {
    fn encode(&self, it: &Conversation<'_>, quirks: &Quirks) -> Result<Encoded, Inexpressible> {
        encode::encode(it, quirks)
    }

    fn read(&self, body: &[u8], _: &Quirks) -> Result<Answer, UpstreamError> {
        answer::read(body)
    }

    fn stream(&self, _: &Quirks) -> Stream {
        stream::stream()
    }
}

impl ClientSide for Messages {
    fn write(&self, answer: &Answer, context: &Context) -> Vec<u8> {
        answer_out::whole(answer, context)
    }

    fn writer(&self, context: &Context) -> Box<dyn Writer> {
        Box::new(events_out::Events::new(context))
    }

    fn error(&self, error: &ClientError<'_>) -> Bytes {
        error::body(error)
    }

    fn error_event(&self, error: &ClientError<'_>) -> Bytes {
        error::event(error)
    }
}
