//! What an encoder cannot carry, noted while it writes; and what encoders that lack a word do alike.

use std::borrow::Cow;

use super::Dialect;
use super::conversation::{Conversation, Format, Tool, ToolChoice};
use super::edits::{Encoded, Loss, LossKind, Param};
use super::json;
use super::part::{Media, MediaKind, Source, ToolResult};
use super::passage::Inexpressible;
use super::quirks::Quirks;
use super::write::JsonOut;

/// The schema of a function that takes nothing.
pub const NO_PARAMETERS: &str = r#"{"type":"object","properties":{}}"#;

/// How many losses of one request are told apart: a client may send any number of fields.
const MOST: usize = 100;

/// The losses of one request, and whether it can be sent at all.
#[derive(Debug, Default)]
pub struct Losses {
    noted: Vec<Loss>,
    impossible: Option<String>,
}

impl Losses {
    /// Notes what became of something, once. What goes beyond [`MOST`] is told as one more loss.
    pub fn note(
        &mut self,
        param: impl Into<Cow<'static, str>>,
        how: LossKind,
        note: impl Into<String>,
    ) {
        let mut loss = Loss { param: param.into(), how, note: note.into() };
        if self.noted.len() >= MOST && !self.noted.contains(&loss) {
            // It may be a real loss, so it is told as one.
            let note = "there is more than is listed".to_owned();
            loss = Loss { param: "more".into(), how: LossKind::Dropped, note };
        }
        if !self.noted.contains(&loss) {
            self.noted.push(loss);
        }
    }

    /// Notes that something is left out, where it is given.
    pub fn dropped(&mut self, param: impl Into<Cow<'static, str>>, given: bool, note: &str) {
        if given {
            self.note(param, LossKind::Dropped, note);
        }
    }

    /// What was noted.
    pub fn into_vec(self) -> Vec<Loss> {
        self.noted
    }

    /// Notes those that are given as left out, because there is no such thing there.
    pub fn unknown(&mut self, fields: &[(&'static str, bool)]) {
        for (name, _) in fields.iter().filter(|(_, given)| *given) {
            self.note(*name, LossKind::Dropped, "it is unknown there");
        }
    }

    /// The request makes no sense without this; the first reason counts.
    pub fn refuse(&mut self, what: impl Into<String>) {
        self.impossible.get_or_insert(what.into());
    }

    /// The request makes no sense without what was to be looked at or heard.
    pub fn refuse_media(&mut self, media: &Media<'_>) {
        let kind = media.kind.name();
        self.refuse(match media.source {
            Source::Url { .. } => format!("the model's provider fetches no {kind} from an address"),
            Source::File { .. } => {
                format!("the model's provider takes no {kind} from another provider's store")
            }
            _ => format!("the model's provider takes no {kind} of this type"),
        });
    }

    /// Whether a parameter goes on that is given or not; notes the loss where the provider does not
    /// take it.
    pub fn takes(&mut self, quirks: &Quirks, param: Param, given: bool) -> bool {
        let refused = quirks.unsupported.contains(&param);
        self.dropped(param.name(), given && refused, "it is not supported there");
        given && !refused
    }

    /// A parameter's value, unless the provider does not take it.
    pub fn taken<T>(&mut self, quirks: &Quirks, param: Param, value: Option<T>) -> Option<T> {
        let taken = self.takes(quirks, param, value.is_some());
        value.filter(|_| taken)
    }

    /// The same for a number, brought into the range that is allowed there.
    pub fn within(
        &mut self,
        quirks: &Quirks,
        param: Param,
        value: Option<f64>,
        (least, most): (f64, f64),
    ) -> Option<f64> {
        let wanted = self.taken(quirks, param, value)?;
        let given = wanted.clamp(least, most);
        if given != wanted {
            self.note(param.name(), LossKind::Clamped, format!("{wanted} to {given}"));
        }
        Some(given)
    }

    /// Notes what few dialects know, and the fields of the client's own dialect but for those that
    /// go on under the same name.
    pub fn uncommon(&mut self, it: &Conversation<'_>, going_on: &[&str]) {
        self.unknown(&[
            (Param::N.name(), it.sampling.n.is_some_and(|n| n != 1)),
            (Param::LogitBias.name(), it.sampling.logit_bias.is_some()),
            (Param::User.name(), it.user.is_some()),
            (Param::Store.name(), it.store == Some(true)),
            (Param::ParallelTools.name(), it.parallel_tools == Some(false)),
            ("metadata", it.metadata.is_some()),
            ("prompt_cache_key", it.cache_key.is_some()),
            ("audio", it.audio.is_some()),
            ("safety_settings", it.safety.is_some()),
            ("messages.name", it.messages.iter().any(|message| message.name.is_some())),
        ]);
        for (name, _) in it.extras.iter().filter(|(name, _)| !going_on.contains(&&**name)) {
            self.note(name.to_string(), LossKind::Dropped, "it is unknown there");
        }
    }

    /// The functions, and the tools of the dialect itself, that may be called. A choice among some
    /// of them becomes an offer of only these.
    pub fn tools<'c>(
        &mut self,
        it: &'c Conversation<'c>,
        dialect: Dialect,
        can_name_one: bool,
    ) -> Vec<&'c Tool<'c>> {
        let mut tools = Vec::new();
        for tool in &it.tools {
            let note = match tool {
                Tool::Function(_) => None,
                Tool::Native { dialect: whose, .. } if *whose == dialect => None,
                Tool::Native { dialect: whose, name, .. } => {
                    Some(format!("`{name}` is a tool of {whose} itself"))
                }
                Tool::FreeForm { name, .. } => Some(format!("`{name}` takes no JSON")),
            };
            match note {
                None => tools.push(tool),
                Some(note) => self.note("tools", LossKind::Dropped, note),
            }
        }
        let among = |name: &str| match &it.tool_choice {
            Some(ToolChoice::Allowed { names, .. }) => names.iter().any(|it| it == name),
            Some(ToolChoice::Named(only)) if !can_name_one => only == name,
            _ => true,
        };
        let before = tools.len();
        tools.retain(|tool| among(tool.name()));
        if tools.len() < before {
            let note = "the tools that may not be called are not offered";
            self.note("tool_choice", LossKind::Emulated, note);
        }
        tools
    }

    /// The text of a tool's result, for a dialect that has no other place for its failure.
    pub fn result_text<'r>(&mut self, result: &'r ToolResult<'_>) -> Cow<'r, str> {
        let text = result.text();
        if !result.error {
            return text;
        }
        self.note("tool_result.is_error", LossKind::Emulated, "the text says that it failed");
        Cow::Owned(format!("Error: {text}"))
    }

    /// A document that is text, as such.
    pub fn document_text<'m>(&mut self, media: &'m Media<'_>) -> Option<Cow<'m, str>> {
        let (MediaKind::Document, Source::Text(text)) = (media.kind, &media.source) else {
            return None;
        };
        self.note("document", LossKind::Emulated, "a text document is sent as text");
        Some(match &media.name {
            Some(name) => Cow::Owned(format!("{name}\n\n{text}")),
            None => Cow::Borrowed(text),
        })
    }

    /// What an answer has to look like, as an instruction in words.
    pub fn format_in_words(&mut self, format: &Format<'_>) -> Option<String> {
        let words = match format {
            Format::Text => return None,
            Format::Json => "Answer with one JSON object and nothing else.".to_owned(),
            Format::Schema { schema, .. } => format!(
                "Answer with one JSON value that follows this JSON schema, and with nothing else: \
                 no code fence, no words around it.\n\n{schema}"
            ),
        };
        self.note("response_format", LossKind::Emulated, "the model is told in the instructions");
        Some(words)
    }

    /// The end of encoding.
    ///
    /// # Errors
    /// When the request makes no sense without what could not be said.
    pub fn encoded(self, body: Vec<u8>) -> Result<Encoded, Inexpressible> {
        match self.impossible {
            Some(what) => Err(Inexpressible::new(what)),
            None => Ok(Encoded { body: body.into(), losses: self.noted }),
        }
    }
}

/// A member with a call's arguments as the object that they must be. What is none, because a model
/// wrote free text or was cut short, is wrapped into one.
pub fn arguments(w: &mut JsonOut<'_>, name: &str, text: &str) {
    match text.trim() {
        "" | "null" => w.field_object(name, |_| {}),
        text if text.starts_with('{') && json::is_valid(text) => w.field_raw(name, text),
        text => w.field_object(name, |w| w.field_str("input", text)),
    }
}
