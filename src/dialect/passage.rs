//! How one request reaches one provider: in which dialect it is sent, what it loses on the way, and
//! how the answer comes back in the client's own.

use std::sync::Arc;

use bytes::Bytes;

use super::answer::{Answer, Choice, Finish};
use super::client_error::ClientError;
use super::conversation::Conversation;
use super::edits::{Edits, Encoded};
use super::error::UpstreamError;
use super::framing::Wire;
use super::quirks::Quirks;
use super::request::Request;
use super::sink::Writer;
use super::stream::Stream;
use super::{
    Dialect, anthropic_messages, bedrock_converse, cohere_chat, cohere_embed, gemini_embed,
    gemini_generate, ollama_chat, openai_chat, openai_completions, openai_embeddings,
    openai_responses,
};
use crate::error_class::ErrorClass;

/// The provider's side of a dialect.
pub trait ProviderSide: Sync {
    /// Writes a request, and lists what it cannot say.
    ///
    /// # Errors
    /// When the dialect has no way to say what the request is about.
    fn encode(
        &self,
        conversation: &Conversation<'_>,
        quirks: &Quirks,
    ) -> Result<Encoded, Inexpressible>;

    /// Reads a whole answer.
    ///
    /// # Errors
    /// When it is none, or is an error under a good status.
    fn read(&self, body: &[u8], quirks: &Quirks) -> Result<Answer, UpstreamError>;

    /// Reads a stream.
    fn stream(&self, quirks: &Quirks) -> Stream;

    /// How its streams are framed.
    fn wire(&self) -> Wire {
        Wire::Sse
    }

    /// Whether other dialects can be translated into it.
    fn carries_conversations(&self) -> bool {
        true
    }
}

/// The provider's side of a dialect of embeddings. Clients have one dialect for them, OpenAI's.
pub trait EmbeddingSide: Sync {
    /// Writes a request, and lists what it cannot say.
    ///
    /// # Errors
    /// When the dialect has no way to say what is to be embedded.
    fn encode(
        &self,
        request: &openai_embeddings::Request,
        edits: &Edits,
        quirks: &Quirks,
    ) -> Result<Encoded, Inexpressible>;

    /// Reads an answer, and writes it for the client. Of the answer only the usage is kept: it has
    /// no choices.
    ///
    /// # Errors
    /// When it is none, or is an error under a good status, or has not a vector for each text.
    fn read(
        &self,
        body: Bytes,
        request: &openai_embeddings::Request,
        quirks: &Quirks,
        context: &Context,
    ) -> Result<(Answer, Bytes), UpstreamError>;
}

/// The client's side of a dialect.
pub trait ClientSide: Sync {
    /// Writes a whole answer.
    fn write(&self, answer: &Answer, context: &Context) -> Vec<u8>;

    /// Writes a stream.
    fn writer(&self, context: &Context) -> Box<dyn Writer>;

    /// Writes an error.
    fn error(&self, error: &ClientError<'_>) -> Bytes;

    /// Writes the event that ends a broken stream.
    fn error_event(&self, error: &ClientError<'_>) -> Bytes;

    /// What ends a stream that goes on as it came, where its provider sent no mark of its own.
    fn end_mark(&self) -> &'static [u8] {
        b""
    }
}

/// What an answer's writer has to know of the request.
#[derive(Debug, Clone)]
pub struct Context {
    /// The request's id: the answer's too, where its provider gave it none.
    pub id: String,
    /// The model's name, where its provider says none.
    pub model: String,
    /// When the answer began, in seconds since 1970.
    pub created: i64,
    /// The request as it was read.
    pub request: Arc<Request>,
}

/// A request that a dialect has no words for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Inexpressible {
    /// What cannot be said there, and why.
    pub what: String,
}

impl Inexpressible {
    /// With these words.
    pub fn new(what: impl Into<String>) -> Inexpressible {
        Inexpressible { what: what.into() }
    }
}

impl From<Inexpressible> for UpstreamError {
    fn from(error: Inexpressible) -> UpstreamError {
        UpstreamError {
            class: ErrorClass::Unsupported,
            status: 400,
            ..UpstreamError::invalid("unsupported", error.what)
        }
    }
}

/// The provider's side of a dialect whose answers are words.
pub fn provider_side(dialect: Dialect) -> Option<&'static dyn ProviderSide> {
    Some(match dialect {
        Dialect::OpenAiChat => &openai_chat::Chat,
        Dialect::OpenAiResponses => &openai_responses::Responses,
        Dialect::OpenAiCompletions => &openai_completions::Completions,
        Dialect::AnthropicMessages => &anthropic_messages::Messages,
        Dialect::GeminiGenerate => &gemini_generate::Gemini,
        Dialect::BedrockConverse => &bedrock_converse::Converse,
        Dialect::CohereChat => &cohere_chat::Chat,
        Dialect::OllamaChat => &ollama_chat::Chat,
        _ => return None,
    })
}

/// The provider's side of a dialect that carries embeddings.
pub fn embedding_side(dialect: Dialect) -> Option<&'static dyn EmbeddingSide> {
    Some(match dialect {
        Dialect::OpenAiEmbeddings => &openai_embeddings::Embeddings,
        Dialect::GeminiEmbed => &gemini_embed::GeminiEmbed,
        Dialect::CohereEmbed => &cohere_embed::CohereEmbed,
        _ => return None,
    })
}

/// The client's side of a dialect; OpenAI's chat for those that no client speaks.
pub fn client_side(dialect: Dialect) -> &'static dyn ClientSide {
    match dialect {
        Dialect::OpenAiResponses => &openai_responses::Responses,
        Dialect::OpenAiCompletions => &openai_completions::Completions,
        Dialect::AnthropicMessages => &anthropic_messages::Messages,
        Dialect::GeminiGenerate => &gemini_generate::Gemini,
        _ => &openai_chat::Chat,
    }
}

/// The way of a request to one provider and of the answer back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passage {
    client: Dialect,
    provider: Dialect,
}

impl Passage {
    /// The way to a provider that speaks these dialects, its favourite first: the client's own where
    /// that is among them. Nothing where none of them carries such requests.
    pub fn of(client: Dialect, spoken: &[Dialect]) -> Option<Passage> {
        if spoken.contains(&client) {
            return Some(Passage { client, provider: client });
        }
        let fits = |dialect: &Dialect| match client.converses() {
            true => provider_side(*dialect).is_some_and(|side| side.carries_conversations()),
            false => embedding_side(*dialect).is_some(),
        };
        let fit = spoken.iter().copied().find(fits)?;
        Some(Passage { client, provider: fit })
    }

    /// The dialect that the provider is spoken to in.
    pub fn dialect(&self) -> Dialect {
        self.provider
    }

    /// Whether the bytes go through as they are.
    pub fn is_direct(&self) -> bool {
        self.client == self.provider
    }

    /// How the provider frames its streams.
    pub fn wire(&self) -> Wire {
        provider_side(self.provider).map_or(Wire::Sse, |side| side.wire())
    }

    /// The request's body for the provider. `restore` puts back what the client's dialect could not
    /// bring along.
    ///
    /// # Errors
    /// When the provider's dialect has no way to say it.
    pub fn encode(
        &self,
        request: &Request,
        edits: &Edits,
        quirks: &Quirks,
        restore: impl FnOnce(&mut Conversation<'_>),
    ) -> Result<Encoded, Inexpressible> {
        if self.is_direct() {
            return Ok(request.encode(edits, quirks));
        }
        if let Some(side) = embedding_side(self.provider) {
            return side.encode(embeddings(request)?, edits, quirks);
        }
        let mut conversation = request.decode()?;
        restore(&mut conversation);
        conversation.apply(edits);
        self.side()?.encode(&conversation, quirks)
    }

    fn side(&self) -> Result<&'static dyn ProviderSide, Inexpressible> {
        provider_side(self.provider).ok_or_else(|| {
            Inexpressible::new(format!("{} carries no conversations", self.provider))
        })
    }

    /// Reads a whole answer, and writes it for the client.
    ///
    /// # Errors
    /// When it is none, or is an error under a good status.
    pub fn read(
        &self,
        body: Bytes,
        quirks: &Quirks,
        context: &Context,
    ) -> Result<(Answer, Bytes), UpstreamError> {
        if let Some(side) = embedding_side(self.provider) {
            return side.read(body, embeddings(&context.request)?, quirks, context);
        }
        let mut answer = self.side()?.read(&body, quirks)?;
        if let Some(error) = &answer.error {
            return Err(error.clone());
        }
        let failed = |choice: &Choice| choice.finish == Some(Finish::Error);
        if !self.is_direct() && answer.choices.iter().any(failed) {
            // Other dialects have no such ending; it must not look like a good one.
            return Err(UpstreamError::finish_error());
        }
        let body = match self.is_direct() {
            true => body,
            false => {
                answer.name_calls(&context.id);
                Bytes::from(client_side(self.client).write(&answer, context))
            }
        };
        Ok((answer, body))
    }

    /// Reads a stream, and translates it for the client.
    ///
    /// # Errors
    /// Where the provider's dialect has none.
    pub fn stream(&self, quirks: &Quirks, context: &Context) -> Result<Stream, UpstreamError> {
        let stream = self.side()?.stream(quirks);
        Ok(match self.is_direct() {
            true => stream,
            false => {
                let writer = client_side(self.client).writer(context);
                stream.translated(writer).naming(&context.id)
            }
        })
    }
}

fn embeddings(request: &Request) -> Result<&openai_embeddings::Request, Inexpressible> {
    match request {
        Request::Embeddings(request) => Ok(request),
        _ => Err(Inexpressible::new("a conversation cannot be embedded")),
    }
}

/// The pieces of a stream that says what this whole answer in the client's dialect says: for answers
/// that were kept, and for providers that answer a wish for a stream with a whole answer.
///
/// # Errors
/// When the body is no answer.
pub fn replay(
    dialect: Dialect,
    body: &[u8],
    context: &Context,
) -> Result<Vec<Bytes>, UpstreamError> {
    let broken = |what: String| UpstreamError::invalid("invalid_json", what);
    if dialect == Dialect::OpenAiChat {
        let wants_usage = context.request.shape().include_usage;
        return openai_chat::assemble::replay(body, wants_usage)
            .map_err(|error| broken(format!("the answer cannot be read: {error}")));
    }
    let side = provider_side(dialect).ok_or_else(|| broken(format!("{dialect} has no streams")))?;
    let answer = side.read(body, &Quirks::NONE)?;
    let mut out = Vec::with_capacity(body.len() * 2);
    answer.replay(&mut *client_side(dialect).writer(context), &mut out);
    Ok(vec![Bytes::from(out)])
}

/// A stream in the client's own dialect that goes on as it comes.
///
/// # Errors
/// Where the dialect has none.
pub fn untranslated(dialect: Dialect, quirks: &Quirks) -> Result<Stream, UpstreamError> {
    let side = provider_side(dialect)
        .ok_or_else(|| Inexpressible::new(format!("{dialect} has no streams")))?;
    Ok(side.stream(quirks))
}

/// A whole answer in the client's dialect, of what a stream came to.
pub fn whole(dialect: Dialect, answer: &Answer, context: &Context) -> Bytes {
    Bytes::from(client_side(dialect).write(answer, context))
}

/// What ends a stream of this dialect that goes on as it came.
pub fn end_mark(dialect: Dialect) -> &'static [u8] {
    client_side(dialect).end_mark()
}

impl Dialect {
    /// Whether its requests are conversations; embeddings are none.
    pub const fn converses(self) -> bool {
        !matches!(self, Dialect::OpenAiEmbeddings | Dialect::GeminiEmbed | Dialect::CohereEmbed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::openai_chat;

    #[test]
    fn a_failed_ending_is_no_good_one_in_another_dialect() {
        let asked = br#"{"model":"m","messages":[]}"#;
        let request = openai_chat::Request::read(Bytes::from_static(asked)).unwrap();
        let context = Context {
            id: "req_1".into(),
            model: "m".into(),
            created: 1,
            request: Arc::new(request.into()),
        };
        let body = Bytes::from_static(
            br#"{"choices":[{"index":0,"message":{"content":"half of"},"finish_reason":"error"}]}"#,
        );
        let read = |client| {
            let passage = Passage::of(client, &[Dialect::OpenAiChat]).unwrap();
            passage.read(body.clone(), &Quirks::NONE, &context)
        };
        let error = read(Dialect::AnthropicMessages).unwrap_err();
        assert_eq!((error.class, &*error.code), (ErrorClass::ServerError, "finish_error"));
        // Within one dialect the client reads the provider's own words.
        assert_eq!(read(Dialect::OpenAiChat).unwrap().1, body);
    }
}
