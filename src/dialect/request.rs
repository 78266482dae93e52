//! A client's request, in whatever dialect: read once, with its bytes as they came.

use bytes::Bytes;

use super::conversation::{Conversation, Format, Tool};
use super::edits::{Edits, Encoded};
use super::object::Object;
use super::passage::Inexpressible;
use super::quirks::Quirks;
use super::read::ReadError;
use super::shape::RequestShape;
use super::{
    Dialect, anthropic_messages, gemini_generate, openai_chat, openai_completions,
    openai_embeddings, openai_responses,
};

/// A request that was read.
#[derive(Debug, Clone)]
pub enum Request {
    /// `openai.chat`
    Chat(openai_chat::Request),
    /// `openai.responses`
    Responses(openai_responses::Request),
    /// `openai.completions`
    Completions(openai_completions::Request),
    /// `openai.embeddings`
    Embeddings(openai_embeddings::Request),
    /// `anthropic.messages`
    Messages(anthropic_messages::Request),
    /// `gemini.generate`
    Gemini(gemini_generate::Request),
}

/// The same of a request in every dialect.
macro_rules! each {
    ($request:expr, $it:ident => $what:expr) => {
        match $request {
            Request::Chat($it) => $what,
            Request::Responses($it) => $what,
            Request::Completions($it) => $what,
            Request::Embeddings($it) => $what,
            Request::Messages($it) => $what,
            Request::Gemini($it) => $what,
        }
    };
}

impl Request {
    /// Reads a body in a client's dialect. `address`: the model, and whether a stream is wanted, where
    /// the dialect has them in the address.
    ///
    /// # Errors
    /// When it is no request of that dialect, or no client speaks it.
    pub fn read(
        dialect: Dialect,
        body: Bytes,
        address: Option<(&str, bool)>,
    ) -> Result<Request, ReadError> {
        Ok(match dialect {
            Dialect::OpenAiChat => Request::Chat(openai_chat::Request::read(body)?),
            Dialect::OpenAiResponses => Request::Responses(openai_responses::Request::read(body)?),
            Dialect::OpenAiCompletions => {
                Request::Completions(openai_completions::Request::read(body)?)
            }
            Dialect::OpenAiEmbeddings => {
                Request::Embeddings(openai_embeddings::Request::read(body)?)
            }
            Dialect::AnthropicMessages => {
                Request::Messages(anthropic_messages::Request::read(body)?)
            }
            Dialect::GeminiGenerate => {
                let (model, stream) = address.ok_or_else(|| ReadError::missing("model"))?;
                Request::Gemini(gemini_generate::Request::read(body, model, stream)?)
            }
            Dialect::GeminiEmbed
            | Dialect::BedrockConverse
            | Dialect::CohereChat
            | Dialect::CohereEmbed
            | Dialect::OllamaChat => {
                let message = format!("no requests of {dialect} are taken");
                return Err(ReadError { message, param: None, code: "unknown_dialect" });
            }
        })
    }

    /// Reads a body whose tokens are to be counted: what only answers need may be missing.
    ///
    /// # Errors
    /// When it is no request of that dialect.
    pub fn read_count(
        dialect: Dialect,
        body: Bytes,
        address: Option<(&str, bool)>,
    ) -> Result<Request, ReadError> {
        match dialect {
            Dialect::AnthropicMessages => {
                Ok(Request::Messages(anthropic_messages::Request::read_count(body)?))
            }
            _ => Request::read(dialect, body, address),
        }
    }

    /// The dialect it came in.
    pub fn dialect(&self) -> Dialect {
        match self {
            Request::Chat(_) => Dialect::OpenAiChat,
            Request::Responses(_) => Dialect::OpenAiResponses,
            Request::Completions(_) => Dialect::OpenAiCompletions,
            Request::Embeddings(_) => Dialect::OpenAiEmbeddings,
            Request::Messages(_) => Dialect::AnthropicMessages,
            Request::Gemini(_) => Dialect::GeminiGenerate,
        }
    }

    /// What classification and routing look at.
    pub fn shape(&self) -> &RequestShape {
        each!(self, request => request.shape())
    }

    /// The body and its fields.
    pub fn object(&self) -> &Object {
        each!(self, request => request.object())
    }

    /// The body as it came.
    pub fn body(&self) -> &Bytes {
        self.object().body()
    }

    /// The body with the edits made, for a provider that speaks the same dialect.
    pub fn encode(&self, edits: &Edits, quirks: &Quirks) -> Encoded {
        each!(self, request => request.encode(edits, quirks))
    }

    /// The neutral form.
    ///
    /// # Errors
    /// When a part of it has no neutral form.
    pub fn decode(&self) -> Result<Conversation<'_>, Inexpressible> {
        match self {
            Request::Chat(request) => request.decode(),
            Request::Responses(request) => request.decode(),
            Request::Completions(request) => request.decode(),
            Request::Embeddings(_) => Err(Inexpressible::new("embeddings are no conversation")),
            Request::Messages(request) => request.decode(),
            Request::Gemini(request) => request.decode(),
        }
    }

    /// The JSON schema that the answer has to follow, if there is one.
    pub fn answer_schema(&self) -> Option<String> {
        match self.decode().ok()?.format {
            Format::Schema { schema, .. } => Some(schema.into_owned()),
            _ => None,
        }
    }

    /// The tools that are offered: their names and, of functions, the schemas of their arguments.
    pub fn functions(&self) -> Vec<(String, Option<String>)> {
        let Ok(conversation) = self.decode() else { return Vec::new() };
        let tools = conversation.tools.iter().map(|tool| {
            let schema = match tool {
                Tool::Function(function) => function.parameters.as_ref(),
                _ => None,
            };
            (tool.name().to_owned(), schema.map(|schema| schema.to_string()))
        });
        tools.collect()
    }
}

macro_rules! from_dialect {
    ($($module:ident => $variant:ident),* $(,)?) => {
        $(impl From<$module::Request> for Request {
            fn from(request: $module::Request) -> Request {
                Request::$variant(request)
            }
        })*
    };
}

from_dialect! {
    openai_chat => Chat,
    openai_responses => Responses,
    openai_completions => Completions,
    openai_embeddings => Embeddings,
    anthropic_messages => Messages,
    gemini_generate => Gemini,
}
