//! Writing an answer of another dialect for a client that speaks this one: whole answers, and what
//! they have in common with streams.
//!
//! There is one answer here, the first choice. What has no place among Anthropic's blocks:
//! - images that the model made are written as the `image` blocks of requests, which clients that
//!   know none in answers pass over, as Anthropic asks them to with blocks they do not know;
//! - sound is written as its words, or as a mark where there are none; so is film;
//! - steps that another provider made itself are left out: nothing could be done with them.

use super::OWN;
use super::blocks::call_signature;
use super::content::{is_object, source};
use crate::dialect::answer::{Answer, Choice, Finish};
use crate::dialect::json;
use crate::dialect::part::{
    Body, Citation, Media, MediaKind, Part, Signature, Source, Text, ToolCall,
};
use crate::dialect::passage::Context;
use crate::dialect::usage::Usage;
use crate::dialect::write::{JsonOut, object};

/// The whole answer.
pub(super) fn whole(answer: &Answer, context: &Context) -> Vec<u8> {
    object(1024, |w| {
        head(w, answer, context);
        let choice = answer.primary();
        w.field_array("content", |w| {
            let parts = choice.map_or(&[][..], |choice| &choice.parts);
            parts.iter().for_each(|part| blocks(w, part));
        });
        stop(w, choice);
        w.field_object("usage", |w| usage(w, answer));
    })
}

/// The members that every message begins with.
pub(super) fn head(w: &mut JsonOut<'_>, answer: &Answer, context: &Context) {
    w.field_str("id", if answer.id.is_empty() { &context.id } else { &answer.id });
    w.field_str("type", "message");
    w.field_str("role", "assistant");
    w.field_str("model", if answer.model.is_empty() { &context.model } else { &answer.model });
}

/// Why it ended: `stop_reason` and `stop_sequence`.
pub(super) fn stop(w: &mut JsonOut<'_>, choice: Option<&Choice>) {
    let sequence = choice.and_then(|choice| choice.stop_sequence.as_deref());
    w.field_str("stop_reason", choice.map_or("end_turn", reason));
    match sequence {
        Some(sequence) => w.field_str("stop_sequence", sequence),
        None => w.field_null("stop_sequence"),
    }
}

fn reason(choice: &Choice) -> &'static str {
    // Calls that Anthropic's own sandbox made may be over; what Anthropic says is right.
    let own = |part: &Part<'_>| matches!(part.body, Body::Native { dialect: OWN, .. });
    let waits = || choice.calls_tools() && !choice.parts.iter().any(own);
    match choice.finish {
        Some(Finish::Length) => "max_tokens",
        Some(Finish::ContextFull) => "model_context_window_exceeded",
        Some(Finish::ContentFilter | Finish::Refusal) => "refusal",
        Some(Finish::Pause) => "pause_turn",
        // Not every provider says so when it calls tools.
        _ if waits() => "tool_use",
        Some(Finish::ToolCalls) => "tool_use",
        _ if !choice.refusal().is_empty() => "refusal",
        _ if choice.stop_sequence.is_some() => "stop_sequence",
        _ => "end_turn",
    }
}

/// The members of usage: thinking is a part of the output, all else excludes each other.
pub(super) fn usage(w: &mut JsonOut<'_>, answer: &Answer) {
    let it: &Usage = &answer.usage;
    w.field_int("input_tokens", (it.input + it.audio_in + it.image_in).0);
    w.field_int("cache_creation_input_tokens", (it.cache_write + it.cache_write_1h).0);
    w.field_int("cache_read_input_tokens", it.cache_read.0);
    w.field_object("cache_creation", |w| {
        w.field_int("ephemeral_5m_input_tokens", it.cache_write.0);
        w.field_int("ephemeral_1h_input_tokens", it.cache_write_1h.0);
    });
    w.field_int("output_tokens", it.completion().0);
    w.field_object("output_tokens_details", |w| {
        w.field_int("thinking_tokens", it.reasoning.0);
    });
    let tier = answer.service_tier.as_deref().and_then(|tier| match tier {
        "default" | "standard" => Some("standard"),
        "priority" | "batch" => Some(tier),
        _ => None,
    });
    w.maybe_str("service_tier", tier);
}

/// The blocks that a part is in a whole answer: mostly one.
fn blocks(w: &mut JsonOut<'_>, part: &Part<'_>) {
    match &part.body {
        Body::Thinking { redacted: false, .. } | Body::Call(_) => {}
        Body::Thinking { .. } => return signature(w, part),
        _ => {}
    }
    if let Body::Call(_) = part.body {
        // In front of the call: thinking may not be the last thing of a turn.
        signature(w, part);
    }
    if !says_nothing(part) {
        block(w, part, true);
    }
    if let Body::Text { .. } | Body::Refusal(_) | Body::Media(_) = part.body {
        signature(w, part);
    }
}

/// Whether a part needs no block: an empty one would be refused if it were sent back.
fn says_nothing(part: &Part<'_>) -> bool {
    match &part.body {
        Body::Text { text, citations } => text.is_empty() && citations.is_empty(),
        Body::Refusal(text) => text.is_empty(),
        Body::Media(media) => media.kind != MediaKind::Image && words_for(media).is_empty(),
        _ => part.is_blank(),
    }
}

/// A block of withheld thinking that carries a signature for which there is no place otherwise, of
/// a call or a text, or the thinking that a provider withheld.
pub(super) fn signature(w: &mut JsonOut<'_>, part: &Part<'_>) {
    let Some(signature) = &part.signature else { return };
    let data: Text<'_> = match &part.body {
        Body::Call(call) => call_signature(&call.id, signature).into(),
        _ => signature.written(OWN),
    };
    w.object(|w| {
        w.field_str("type", "redacted_thinking");
        w.field_str("data", &data);
    });
}

/// A part's own block; `full`: with all of its text, not as the beginning of what a stream brings.
pub(super) fn block(w: &mut JsonOut<'_>, part: &Part<'_>, full: bool) {
    let text = |text: &str, w: &mut JsonOut<'_>| {
        w.field_str("type", "text");
        w.field_str("text", if full { text } else { "" });
    };
    match &part.body {
        Body::Text { text: words, citations } => w.object(|w| {
            text(words, w);
            if full && !citations.is_empty() {
                w.field_array("citations", |w| citations.iter().for_each(|it| citation(w, it)));
            }
        }),
        Body::Refusal(words) => w.object(|w| text(words, w)),
        Body::Thinking { text, .. } => w.object(|w| {
            let signature = part.signature.as_ref().filter(|_| full);
            w.field_str("type", "thinking");
            w.field_str("thinking", if full { text } else { "" });
            w.field_str("signature", &signature.map(written).unwrap_or_default());
        }),
        Body::Call(call) => w.object(|w| {
            w.field_str("type", "tool_use");
            w.field_str("id", &call.id);
            w.field_str("name", &call.name);
            match full {
                true => input(w, call),
                false => w.field_object("input", |_| {}),
            }
        }),
        Body::Media(media) => match media.kind {
            MediaKind::Image => w.object(|w| {
                w.field_str("type", "image");
                w.field_object("source", |w| source(w, &media.source, false));
            }),
            _ => w.object(|w| text(&words_for(media), w)),
        },
        Body::Native { dialect: OWN, json } => w.raw(json),
        Body::Native { .. } | Body::Result(_) => {}
    }
}

/// Whether a part is written at all.
pub(super) fn is_written(body: &Body<'_>) -> bool {
    match body {
        Body::Native { dialect, .. } => *dialect == OWN,
        Body::Result(_) => false,
        _ => true,
    }
}

/// What stands for sound and film.
pub(super) fn words_for<'m>(media: &'m Media<'_>) -> Text<'m> {
    match media.transcript.as_deref().filter(|words| !words.is_empty()) {
        Some(words) => words.into(),
        // Some send an empty piece of sound with every answer.
        None if matches!(&media.source, Source::Base64 { data, .. } if data.is_empty()) => {
            "".into()
        }
        None => format!("[{}]", media.kind.name()).into(),
    }
}

pub(super) fn written<'s>(signature: &'s Signature<'_>) -> Text<'s> {
    signature.written(OWN)
}

/// A call's arguments: an object. What the model wrote wrongly stays a string, so that no one takes
/// it for arguments.
fn input(w: &mut JsonOut<'_>, call: &ToolCall<'_>) {
    let text = call.arguments.trim();
    match text {
        _ if call.free_form => {
            w.field_object("input", |w| w.field_str("input", &call.arguments));
        }
        "" | "null" => w.field_object("input", |_| {}),
        text if is_object(text) => w.field_raw("input", text),
        text if json::is_valid(text) => w.field_raw("input", text),
        _ => w.field_str("input", &call.arguments),
    }
}

/// A citation: as it came from this dialect, else as one of a page that was found.
pub(super) fn citation(w: &mut JsonOut<'_>, it: &Citation<'_>) {
    if let Some((OWN, json)) = &it.native {
        return w.raw(json);
    }
    w.object(|w| {
        w.field_str("type", "web_search_result_location");
        w.field_str("url", it.url.as_deref().unwrap_or(""));
        match &it.title {
            Some(title) => w.field_str("title", title),
            None => w.field_null("title"),
        }
        w.field_str("cited_text", it.quote.as_deref().unwrap_or(""));
        // It would point into a search of Anthropic's own.
        w.field_str("encrypted_index", "");
    });
}
