//! The dialect `ollama.chat`: Ollama's own `/api/chat`. No client of ours speaks it.
//! <https://docs.ollama.com/api/chat>

mod answer;
mod encode;

use super::answer::Answer;
use super::conversation::Conversation;
use super::edits::Encoded;
use super::error::UpstreamError;
use super::framing::Wire;
use super::passage::{Inexpressible, ProviderSide};
use super::quirks::Quirks;
use super::stream::Stream;

/// The provider's side of the dialect.
#[derive(Debug, Clone, Copy)]
pub struct Chat;

impl ProviderSide for Chat {
    fn encode(&self, it: &Conversation<'_>, quirks: &Quirks) -> Result<Encoded, Inexpressible> {
        encode::encode(it, quirks)
    }

    fn read(&self, body: &[u8], _: &Quirks) -> Result<Answer, UpstreamError> {
        answer::read(body)
    }

    fn stream(&self, _: &Quirks) -> Stream {
        Stream::new(self.wire(), Box::<answer::Lines>::default())
    }

    fn wire(&self) -> Wire {
        Wire::Lines
    }
}

#[cfg(test)]
mod tests;
