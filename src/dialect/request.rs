//! A client's request, in whatever dialect: read once, with its bytes as they came.

use bytes::Bytes;

use super::conversation::{Conversation, Format, Tool};
use super::edits::{Edits, Encoded};
use super::object::Object;
use super::passage::Inexpressible;
use super::quirks::Quirks;
use super::shape::RequestShape;
use super::{Dialect, openai_chat, openai_completions, openai_responses};

/// A request that was read.
#[derive(Debug, Clone)]
pub enum Request {
    /// `openai.chat`
    Chat(openai_chat::Request),
    /// `openai.responses`
    Responses(openai_responses::Request),
    /// `openai.completions`
    Completions(openai_completions::Request),
}

impl Request {
    /// The dialect it came in.
    pub fn dialect(&self) -> Dialect {
        match self {
            Request::Chat(_) => Dialect::OpenAiChat,
            Request::Responses(_) => Dialect::OpenAiResponses,
            Request::Completions(_) => Dialect::OpenAiCompletions,
        }
    }

    /// What classification and routing look at.
    pub fn shape(&self) -> &RequestShape {
        match self {
            Request::Chat(request) => request.shape(),
            Request::Responses(request) => request.shape(),
            Request::Completions(request) => request.shape(),
        }
    }

    /// The body and its fields.
    pub fn object(&self) -> &Object {
        match self {
            Request::Chat(request) => request.object(),
            Request::Responses(request) => request.object(),
            Request::Completions(request) => request.object(),
        }
    }

    /// The body as it came.
    pub fn body(&self) -> &Bytes {
        self.object().body()
    }

    /// The body with the edits made, for a provider that speaks the same dialect.
    pub fn encode(&self, edits: &Edits, quirks: &Quirks) -> Encoded {
        match self {
            Request::Chat(request) => request.encode(edits, quirks),
            Request::Responses(request) => request.encode(edits, quirks),
            Request::Completions(request) => request.encode(edits, quirks),
        }
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

impl From<openai_chat::Request> for Request {
    fn from(request: openai_chat::Request) -> Request {
        Request::Chat(request)
    }
}

impl From<openai_responses::Request> for Request {
    fn from(request: openai_responses::Request) -> Request {
        Request::Responses(request)
    }
}

impl From<openai_completions::Request> for Request {
    fn from(request: openai_completions::Request) -> Request {
        Request::Completions(request)
    }
}
