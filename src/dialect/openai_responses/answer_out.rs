//! Writing an answer of another dialect for a client that speaks this one.

use std::ops::Range;

use super::events_out::Events;
use super::{MADE_UP, SIGNS};
use crate::dialect::Dialect;
use crate::dialect::answer::{Answer, Choice, Finish};
use crate::dialect::json::{JsonError, Scanner};
use crate::dialect::openai_chat::logprob_out;
use crate::dialect::part::{Body, Citation, Media, Part, Signature, Source};
use crate::dialect::passage::Context;
use crate::dialect::usage::Usage;
use crate::dialect::write::{JsonOut, object};

const OWN: Dialect = Dialect::OpenAiResponses;

/// The whole answer: what its stream would end with.
pub(super) fn whole(answer: &Answer, context: &Context) -> Vec<u8> {
    let mut events = Events::silent(context, answer);
    answer.replay(&mut events, &mut Vec::new());
    object(2048, |w| events.response(w, answer, Some(Status::of(answer))))
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Completed,
    Incomplete(&'static str),
}

impl Status {
    pub(super) fn of(answer: &Answer) -> Status {
        match answer.primary().and_then(|choice| choice.finish) {
            Some(Finish::Length | Finish::ContextFull) => Status::Incomplete("max_output_tokens"),
            Some(Finish::ContentFilter | Finish::Refusal) => Status::Incomplete("content_filter"),
            _ => Status::Completed,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Status::Completed => "completed",
            Status::Incomplete(_) => "incomplete",
        }
    }
}

/// A response object; without a status, of an answer that has just begun.
pub(super) fn response(
    w: &mut JsonOut<'_>,
    answer: &Answer,
    context: &Context,
    output: impl FnOnce(&mut JsonOut<'_>),
    status: Option<Status>,
) {
    let request = &context.request;
    let asked = |name: &str| {
        let own = request.dialect() == OWN;
        request.object().field(name).filter(|json| own && *json != "null")
    };
    let echo = |w: &mut JsonOut<'_>, name: &str, default: &str| {
        w.field_raw(name, asked(name).unwrap_or(default));
    };
    let id = if answer.id.is_empty() { &context.id } else { &answer.id };
    match id.starts_with("resp_") {
        true => w.field_str("id", id),
        false => w.field_str("id", &format!("resp_{id}")),
    }
    w.field_str("object", "response");
    w.field_int("created_at", context.created);
    w.field_str("status", status.map_or("in_progress", Status::name));
    w.field_bool("background", false);
    w.field_null("error");
    match status {
        Some(Status::Incomplete(reason)) => {
            w.field_object("incomplete_details", |w| w.field_str("reason", reason));
        }
        _ => w.field_null("incomplete_details"),
    }
    echo(w, "instructions", "null");
    echo(w, "max_output_tokens", "null");
    echo(w, "max_tool_calls", "null");
    w.field_str("model", if answer.model.is_empty() { &context.model } else { &answer.model });
    w.field_array("output", output);
    echo(w, "parallel_tool_calls", "true");
    echo(w, "previous_response_id", "null");
    echo(w, "prompt_cache_key", "null");
    echo(w, "reasoning", r#"{"effort":null,"summary":null}"#);
    echo(w, "safety_identifier", "null");
    match &answer.service_tier {
        Some(tier) => w.field_str("service_tier", tier),
        None => echo(w, "service_tier", r#""default""#),
    }
    // Nothing is, unless the client's wish was passed on.
    echo(w, "store", "false");
    echo(w, "temperature", "1.0");
    echo(w, "text", r#"{"format":{"type":"text"}}"#);
    echo(w, "tool_choice", r#""auto""#);
    echo(w, "tools", "[]");
    echo(w, "top_logprobs", "0");
    echo(w, "top_p", "1.0");
    echo(w, "truncation", r#""disabled""#);
    match status {
        Some(_) => w.field_object("usage", |w| usage(w, &answer.usage)),
        None => w.field_null("usage"),
    }
    echo(w, "user", "null");
    echo(w, "metadata", "{}");
}

/// Usage, in OpenAI's overlapping way of counting.
fn usage(w: &mut JsonOut<'_>, usage: &Usage) {
    let (input, output) = (usage.prompt(), usage.completion());
    w.field_int("input_tokens", input.0);
    w.field_object("input_tokens_details", |w| {
        w.field_int("cached_tokens", usage.cache_read.0);
        let written = (usage.cache_write + usage.cache_write_1h).0;
        w.field_int("cache_write_tokens", written);
    });
    w.field_int("output_tokens", output.0);
    w.field_object("output_tokens_details", |w| {
        w.field_int("reasoning_tokens", usage.reasoning.0);
    });
    w.field_int("total_tokens", usage.total().0);
}

/// An item of the output, and where in the answer its contents are.
#[derive(Debug)]
pub(super) struct Item {
    pub kind: Kind,
    pub id: String,
    /// The texts of a message; of all others, the one part they are made of.
    pub pieces: Vec<Piece>,
    pub open: bool,
}

/// The kinds of items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Message,
    Thought,
    Call,
    Image,
    Native,
    /// The signature of another piece.
    Signature,
}

/// A stretch of a part's text.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    /// The part.
    pub at: usize,
    pub from: usize,
    /// Where it ends; nothing while it grows.
    pub to: Option<usize>,
    /// Which of the part's citations.
    pub citations: Range<usize>,
    /// Which of the choice's tokens.
    pub tokens: Range<usize>,
}

impl Piece {
    pub(super) fn text<'c>(&self, choice: &'c Choice) -> &'c str {
        let whole = choice.parts.get(self.at).map_or("", Part::main_text);
        whole.get(self.from..self.to.unwrap_or(whole.len())).unwrap_or_default()
    }

    fn is_refusal(&self, choice: &Choice) -> bool {
        matches!(choice.parts.get(self.at), Some(Part { body: Body::Refusal(_), .. }))
    }

    /// The part of a message that this is.
    pub(super) fn write(&self, w: &mut JsonOut<'_>, choice: &Choice) {
        if self.is_refusal(choice) {
            w.field_str("type", "refusal");
            return w.field_str("refusal", self.text(choice));
        }
        w.field_str("type", "output_text");
        w.field_array("annotations", |w| {
            let Some(Part { body: Body::Text { citations, text }, .. }) = choice.parts.get(self.at)
            else {
                return;
            };
            let length = text.chars().count() as u64;
            let told = citations.get(self.citations.clone()).unwrap_or_default();
            told.iter().for_each(|citation| annotation(w, citation, length));
        });
        w.field_array("logprobs", |w| {
            let tokens = choice.logprobs.tokens.get(self.tokens.clone());
            tokens.unwrap_or_default().iter().for_each(|token| logprob_out(w, token));
        });
        w.field_str("text", self.text(choice));
    }
}

impl Item {
    /// The id of a new item; that of the provider where the item is its own and comes back whole.
    pub(super) fn id(
        kind: Kind,
        part: Option<&Part<'_>>,
        context: &Context,
        number: usize,
    ) -> String {
        let own = match part {
            Some(Part { body: Body::Native { json, .. }, .. }) => Some(&**json),
            Some(Part { signature: Some(signature), .. }) if kind == Kind::Thought => {
                signature.for_signer(OWN)
            }
            _ => None,
        };
        let mut known = None;
        if let Some(json) = own {
            // It was read once already.
            let _ = Scanner::new(json).object(|scanner, key| {
                if key.raw == "id" {
                    known = scanner.text()?;
                }
                Ok::<(), JsonError>(())
            });
        }
        known.map(String::from).unwrap_or_else(|| {
            let begins = match kind {
                Kind::Message => "msg",
                Kind::Thought | Kind::Signature => "rs",
                Kind::Call => "fc",
                Kind::Image => "ig",
                Kind::Native => "item",
            };
            let request = context.id.strip_prefix("req_").unwrap_or(&context.id);
            format!("{begins}_{MADE_UP}{request}_{number}")
        })
    }

    fn part<'c>(&self, choice: &'c Choice) -> Option<&'c Part<'static>> {
        choice.parts.get(self.pieces.first()?.at)
    }

    /// The members of the item as it is when it is done.
    pub(super) fn write(&self, w: &mut JsonOut<'_>, choice: &Choice) {
        if self.write_begun(w, choice, false) {
            return;
        }
        let Some(part) = self.part(choice) else { return };
        match (self.kind, &part.body) {
            (Kind::Message, _) => {
                w.field_str("status", "completed");
                w.field_array("content", |w| {
                    self.pieces.iter().for_each(|piece| w.object(|w| piece.write(w, choice)));
                });
            }
            (Kind::Thought, _) => {
                // Thinking of which only the text is withheld keeps an empty one: so it comes back
                // as what it is, and not as withheld altogether.
                let keeps_empty = matches!(&part.body, Body::Thinking { text, redacted: false } if text.is_empty())
                    && part.signature.is_some();
                w.field_array("summary", |w| {
                    let texts = self.pieces.iter().map(|piece| piece.text(choice));
                    texts.filter(|text| keeps_empty || !text.is_empty()).for_each(|text| {
                        w.object(|w| {
                            w.field_str("type", "summary_text");
                            w.field_str("text", text);
                        });
                    });
                });
                let signature = part.signature.as_ref();
                w.maybe_str("encrypted_content", signature.map(|it| it.written(OWN)).as_deref());
            }
            (Kind::Signature, body) => {
                w.field_array("summary", |_| {});
                let value = part.signature.as_ref().map(|signature| mark(body, signature));
                w.maybe_str("encrypted_content", value.as_deref());
            }
            (Kind::Call, Body::Call(call)) => {
                w.field_str("status", "completed");
                w.field_str("call_id", &call.id);
                w.field_str("name", &call.name);
                match call.free_form {
                    true => w.field_str("input", &call.arguments),
                    false if call.arguments.trim().is_empty() => w.field_str("arguments", "{}"),
                    false => w.field_str("arguments", &call.arguments),
                }
            }
            (Kind::Image, Body::Media(Media { source: Source::Base64 { mime, data }, .. })) => {
                w.field_str("status", "completed");
                w.field_str("output_format", mime.strip_prefix("image/").unwrap_or("png"));
                w.field_str("result", data);
            }
            _ => {}
        }
    }

    /// The members of an item that begins (`alone`), or those that any item begins with; gives
    /// whether they are all there are.
    pub(super) fn write_begun(&self, w: &mut JsonOut<'_>, choice: &Choice, alone: bool) -> bool {
        let part = self.part(choice);
        let whole = match part {
            Some(Part { body: Body::Native { json, .. }, .. }) => Some(&**json),
            Some(Part { signature: Some(signature), .. })
                if self.kind == Kind::Thought && !alone =>
            {
                signature.for_signer(OWN)
            }
            _ => None,
        };
        if let Some(json) = whole {
            // It was read once already.
            let _ = Scanner::new(json).object(|scanner, key| {
                w.field_raw(&key.cow(), scanner.raw()?);
                Ok::<(), JsonError>(())
            });
            return true;
        }
        w.field_str("id", &self.id);
        let free_form = matches!(part, Some(Part { body: Body::Call(call), .. }) if call.free_form);
        w.field_str(
            "type",
            match self.kind {
                Kind::Message => "message",
                Kind::Thought | Kind::Signature => "reasoning",
                Kind::Call if free_form => "custom_tool_call",
                Kind::Call => "function_call",
                Kind::Image | Kind::Native => "image_generation_call",
            },
        );
        if self.kind == Kind::Message {
            w.field_str("role", "assistant");
        }
        if !alone {
            return false;
        }
        match (self.kind, part.map(|part| &part.body)) {
            (Kind::Thought | Kind::Signature, _) => w.field_array("summary", |_| {}),
            (Kind::Call, Some(Body::Call(call))) => {
                w.field_str("status", "in_progress");
                w.field_str("call_id", &call.id);
                w.field_str("name", &call.name);
                w.field_str(if call.free_form { "input" } else { "arguments" }, "");
            }
            (kind, _) => {
                w.field_str("status", "in_progress");
                if kind == Kind::Message {
                    w.field_array("content", |_| {});
                }
            }
        }
        true
    }
}

/// A signature of another piece, as the client is to send it back.
fn mark(body: &Body<'_>, signature: &Signature<'_>) -> String {
    let what = match body {
        Body::Call(_) => "call",
        Body::Thinking { .. } => "thinking",
        _ => "text",
    };
    // Always with its signer, also where that is this dialect.
    format!("{SIGNS}{what}:{}", signature.written(OWN))
}

/// A citation; one that came in this dialect as it was.
pub(super) fn annotation(w: &mut JsonOut<'_>, citation: &Citation<'_>, length: u64) {
    if let Some((OWN, json)) = &citation.native {
        return w.raw(json);
    }
    let (from, to) = citation.range.unwrap_or((0, length));
    w.object(|w| {
        w.field_str("type", "url_citation");
        w.field_int("start_index", from);
        w.field_int("end_index", to);
        w.field_str("url", citation.url.as_deref().unwrap_or(""));
        w.field_str("title", citation.title.as_deref().unwrap_or(""));
    });
}
