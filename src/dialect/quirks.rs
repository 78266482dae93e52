//! Where a provider departs from the dialect it speaks, as plain data.

use super::edits::Param;

/// Which field carries the limit on the answer's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MaxOutputField {
    /// Both names are understood: the client's choice is kept, and we write the older one.
    #[default]
    Either,
    /// `max_completion_tokens`
    Completion,
    /// `max_tokens`
    Legacy,
}

/// What shows that a stream is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EndMarker {
    /// `data: [DONE]`, as OpenAI specifies it.
    #[default]
    Done,
    /// A finish reason for every choice; a `[DONE]` may come, but mostly does not.
    Finish,
    /// Either, where we do not know the server.
    Either,
}

/// How one provider differs from the dialect as its inventor documents it; the default is "not".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quirks {
    /// The name of the limit on the answer's length.
    pub max_output_field: MaxOutputField,
    /// What ends a stream.
    pub end: EndMarker,
    /// Streams carry usage unasked, and `stream_options` is an unknown field.
    pub usage_unasked: bool,
    /// `seed` is called `random_seed`.
    pub random_seed: bool,
    /// Knows no `developer` role: such messages become `system`.
    pub no_developer_role: bool,
    /// Thinking goes back in `reasoning_content` with the next request.
    pub thinking_goes_back: bool,
    /// Signatures of calls go back in `extra_content.google`.
    pub google_signatures: bool,
    /// Takes marks of what is to be cached.
    pub cache_marks: bool,
    /// The total counts thinking tokens that nothing else shows.
    pub hidden_reasoning: bool,
    /// The address names the model, so the body must not. Claude on Vertex AI: the body has
    /// `"anthropic_version": "vertex-2023-10-16"` in the place of `model`.
    pub model_in_path: bool,
    /// The size of embeddings is called `output_dimension`, not `dimensions`.
    pub output_dimension: bool,
    /// Embeddings are numbers unless asked for in base64, and there is no word for numbers.
    pub no_float_format: bool,
    /// The highest temperature it takes, in hundredths.
    pub max_temperature: Option<u16>,
    /// Parameters it refuses or ignores.
    pub unsupported: &'static [Param],
}

impl Quirks {
    /// No departure at all; a `const` for tables.
    pub const NONE: Quirks = Quirks {
        max_output_field: MaxOutputField::Either,
        end: EndMarker::Done,
        usage_unasked: false,
        random_seed: false,
        no_developer_role: false,
        thinking_goes_back: false,
        google_signatures: false,
        cache_marks: false,
        hidden_reasoning: false,
        model_in_path: false,
        output_dimension: false,
        no_float_format: false,
        max_temperature: None,
        unsupported: &[],
    };
}
