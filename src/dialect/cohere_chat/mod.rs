//! The dialect `cohere.chat`: version 2 of Cohere's Chat. No client of ours speaks it.
//! <https://docs.cohere.com/reference/chat>

mod answer;
mod encode;
mod stream;

use super::answer::Answer;
use super::conversation::Conversation;
use super::edits::Encoded;
use super::error::UpstreamError;
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
        Stream::new(self.wire(), Box::<stream::Events>::default())
    }
}

#[cfg(test)]
mod tests;
