//! What classification and routing look at in a request, whatever dialect it came in.

use std::borrow::Cow;
use std::ops::Range;

use super::json;
use crate::units::Tokens;

/// The facts that one scan of a request yields, and where its texts lie.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RequestShape {
    /// The model as sent, `auto` too.
    pub model: String,
    /// Which endpoint was called.
    pub api: Api,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// Whether the client itself asked for usage at the end of the stream.
    pub include_usage: bool,
    /// The limit on the answer's length, thinking included.
    pub max_output: Option<Tokens>,
    /// Sampling temperature.
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    pub top_p: Option<f64>,
    /// How many answers; 1 where unsaid.
    pub n: u32,
    /// The answer's format.
    pub format: Format,
    /// How much thinking was asked for.
    pub reasoning: Effort,
    /// How many tools are offered.
    pub tools: u32,
    /// Whether tools may or must be called.
    pub tool_choice: ToolChoice,
    /// Whether several calls at once are wanted, where the client says.
    pub parallel_tools: Option<bool>,
    /// Whether the last message is a tool's result.
    pub tool_results: bool,
    /// Whether log probabilities are wanted.
    pub logprobs: bool,
    /// How many messages.
    pub messages: u32,
    /// How many of them are the user's.
    pub user_turns: u32,
    /// How many images.
    pub images: u32,
    /// Whether there is sound in the prompt.
    pub audio: bool,
    /// How many files and documents.
    pub files: u32,
    /// Whether there is a system (or developer) message.
    pub has_system: bool,
    /// Whether the client marks prefixes for the provider's prompt cache.
    pub cache_control: bool,
    /// The end user, as the client names him.
    pub user: Option<String>,
    /// The session, where the request's metadata names it.
    pub session: Option<String>,
    /// The body's size in bytes.
    pub bytes: usize,
    /// Where the texts lie in the body, in the order of the body.
    pub segments: Vec<Segment>,
}

impl RequestShape {
    /// The texts of one role, unescaped one by one as they are asked for. `body` must be the body
    /// that was read; where it is another, segments that do not fit are left out.
    pub fn texts<'a>(
        &'a self,
        body: &'a [u8],
        role: SegmentRole,
    ) -> impl Iterator<Item = Cow<'a, str>> + 'a {
        self.segments
            .iter()
            .filter(move |segment| segment.role == role)
            .filter_map(move |segment| segment.text(body))
    }
}

/// A piece of text in the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Whose it is.
    pub role: SegmentRole,
    /// Its bytes: the inside of a JSON string, still escaped; for tools, a JSON value.
    pub range: Range<usize>,
}

impl Segment {
    /// The text, unescaped (tools: as it stands); borrowed wherever nothing was escaped.
    pub fn text<'a>(&self, body: &'a [u8]) -> Option<Cow<'a, str>> {
        let raw = std::str::from_utf8(body.get(self.range.clone())?).ok()?;
        Some(if self.role == SegmentRole::Tools { Cow::Borrowed(raw) } else { json::unescape(raw) })
    }
}

/// Whose text a segment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SegmentRole {
    /// System or developer messages.
    System,
    /// The last user message.
    LastUser,
    /// Everything else that was said: earlier turns, tool calls, tool results.
    Other,
    /// The tools' definitions, and the schema of the answer's format.
    Tools,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        #[allow(missing_docs, reason = "the words are the documentation: LANGUAGE, section 5")]
        pub enum $name { $($(#[$variant_doc])* $variant),* }

        impl $name {
            /// The word policies use.
            pub const fn name(self) -> &'static str {
                match self { $($name::$variant => $word),* }
            }
        }
    };
}

words! {
    /// Which endpoint was called.
    Api {
        #[default]
        Chat = "chat",
        Responses = "responses",
        Messages = "messages",
        Completions = "completions",
        Embeddings = "embeddings",
        Rerank = "rerank",
        Images = "images",
        Speech = "speech",
        Transcription = "transcription",
        Moderation = "moderation",
        Batch = "batch",
    }
}

words! {
    /// The answer's format.
    Format {
        #[default]
        Text = "text",
        JsonObject = "json_object",
        JsonSchema = "json_schema",
    }
}

words! {
    /// How much thinking was asked for, in rising order.
    Effort {
        #[default]
        Unset = "unset",
        None = "none",
        Minimal = "minimal",
        Low = "low",
        Medium = "medium",
        High = "high",
    }
}

impl Effort {
    /// The effort with this word. What lies above `high` at some providers (`xhigh`, `max`) is
    /// `high` here; an unknown word is [`Effort::Unset`].
    pub fn from_word(word: &str) -> Effort {
        match word {
            "none" => Effort::None,
            "minimal" => Effort::Minimal,
            "low" => Effort::Low,
            "medium" => Effort::Medium,
            "high" | "xhigh" | "max" => Effort::High,
            _ => Effort::Unset,
        }
    }
}

words! {
    /// Whether tools may or must be called.
    ToolChoice {
        #[default]
        Unset = "unset",
        None = "none",
        Auto = "auto",
        Required = "required",
        Named = "named",
    }
}
