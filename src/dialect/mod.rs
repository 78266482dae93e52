//! Wire formats: pure codecs between bytes and what the gateway must know of them.
//!
//! Within one dialect a request is changed by splicing bytes and an answer is watched going by.
//! Between two dialects there is a neutral form: a [`conversation`] on the way up, an [`answer`] made
//! of [`part`]s on the way down, which a [`sink`] fills from whole bodies and from streams alike.
//! [`passage`] is the face of it all: how one request reaches one provider.
//!
//! One folder per wire format. The client's side of a dialect reads requests and writes answers, the
//! provider's side writes requests and reads answers; formats that no client of ours speaks have the
//! second alone.

pub mod answer;
pub mod anthropic_messages;
pub mod aws_frames;
pub mod bedrock_converse;
pub mod changes;
pub mod client_error;
pub mod cohere_chat;
pub mod cohere_embed;
pub mod conversation;
pub mod edits;
pub mod error;
pub mod fault;
pub mod framing;
pub mod gemini_embed;
pub mod gemini_generate;
pub mod json;
pub mod losses;
pub mod object;
pub mod ollama_chat;
pub mod openai_chat;
pub mod openai_completions;
pub mod openai_embeddings;
pub mod openai_responses;
pub mod part;
pub mod passage;
pub mod quirks;
pub mod read;
pub mod request;
pub mod shape;
pub mod sink;
pub mod sse;
pub mod stream;
pub mod usage;
pub mod write;

pub use answer::Answer;
pub use client_error::ClientError;
pub use conversation::Conversation;
pub use edits::{Edits, Encoded, Loss};
pub use error::UpstreamError;
pub use passage::Passage;
pub use quirks::Quirks;
pub use read::ReadError;
pub use request::Request;
pub use shape::RequestShape;
pub use stream::{Event, EventKind, Stream, StreamEnd};
pub use usage::{Usage, UsageSource};

macro_rules! dialects {
    ($($(#[$doc:meta])* $variant:ident = $name:literal),* $(,)?) => {
        /// A wire format.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Dialect { $($(#[$doc])* $variant),* }

        impl Dialect {
            /// All of them.
            pub const ALL: &[Dialect] = &[$(Dialect::$variant),*];

            /// Its name in configurations, logs and documents.
            pub const fn name(self) -> &'static str {
                match self { $(Dialect::$variant => $name),* }
            }

            /// The dialect with this name.
            pub fn from_name(name: &str) -> Option<Dialect> {
                match name { $($name => Some(Dialect::$variant),)* _ => None }
            }
        }
    };
}

dialects! {
    /// OpenAI's Chat Completions and all that imitate it.
    OpenAiChat = "openai.chat",
    /// OpenAI's Responses.
    OpenAiResponses = "openai.responses",
    /// OpenAI's legacy Completions.
    OpenAiCompletions = "openai.completions",
    /// OpenAI's Embeddings and all that imitate it.
    OpenAiEmbeddings = "openai.embeddings",
    /// Anthropic's Messages.
    AnthropicMessages = "anthropic.messages",
    /// Google's `generateContent`.
    GeminiGenerate = "gemini.generate",
    /// Google's `embedContent`.
    GeminiEmbed = "gemini.embed",
    /// Amazon Bedrock's Converse.
    BedrockConverse = "bedrock.converse",
    /// Cohere's Chat, version 2.
    CohereChat = "cohere.chat",
    /// Cohere's Embed, version 2.
    CohereEmbed = "cohere.embed",
    /// Ollama's own chat.
    OllamaChat = "ollama.chat",
}

impl std::fmt::Display for Dialect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod property_tests;
