//! The dialect `bedrock.converse`: Amazon Bedrock's Converse and ConverseStream. No client of ours
//! speaks it. The model, and whether a stream is wanted, stand in the address, not in the body.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>

mod answer;
mod blocks;
mod content;
mod encode;
mod family;
mod reasoning;
mod stream;

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
pub struct Converse;

impl ProviderSide for Converse {
    fn encode(&self, it: &Conversation<'_>, quirks: &Quirks) -> Result<Encoded, Inexpressible> {
        encode::encode(it, quirks)
    }

    fn read(&self, body: &[u8], _: &Quirks) -> Result<Answer, UpstreamError> {
        answer::read(body)
    }

    fn stream(&self, _: &Quirks) -> Stream {
        Stream::new(self.wire(), Box::<stream::Events>::default())
    }

    fn wire(&self) -> Wire {
        Wire::Aws
    }
}

#[cfg(test)]
mod encode_tests;
#[cfg(test)]
mod tests;
