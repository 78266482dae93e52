//! Writing an answer of another dialect for a client that speaks this one.

use super::encode::{arguments, is_object};
use super::piece::{BARE_ARGUMENTS, BARE_INPUT};
use super::{grounding, signature, usage};
use crate::dialect::Dialect;
use crate::dialect::answer::{Answer, Choice, Finish, TokenLogprob};
use crate::dialect::part::{Body, Media, MediaKind, Part, Source};
use crate::dialect::passage::Context;
use crate::dialect::sink::{Delta, Writer};
use crate::dialect::write::{JsonOut, event, object};

/// The whole answer.
pub(super) fn whole(answer: &Answer, context: &Context) -> Vec<u8> {
    object(1024, |w| {
        w.field_array("candidates", |w| {
            for choice in &answer.choices {
                w.object(|w| {
                    let parts = || choice.parts.iter().filter(|part| is_said(part));
                    content(w, |w| match parts().next() {
                        Some(_) => parts().for_each(|part| write_part(w, part)),
                        None => nothing(w),
                    });
                    logprobs(w, &choice.logprobs.tokens);
                    ending(w, choice);
                });
            }
        });
        w.field_object("usageMetadata", |w| usage_of(w, answer));
        tail(w, answer, context);
    })
}

fn usage_of(w: &mut JsonOut<'_>, answer: &Answer) {
    usage::write(w, &answer.usage, answer.service_tier.as_deref());
}

fn tail(w: &mut JsonOut<'_>, answer: &Answer, context: &Context) {
    let model = if answer.model.is_empty() { &context.model } else { &answer.model };
    w.field_str("modelVersion", model);
    w.field_str("responseId", if answer.id.is_empty() { &context.id } else { &answer.id });
}

fn content(w: &mut JsonOut<'_>, parts: impl FnOnce(&mut JsonOut<'_>)) {
    w.field_object("content", |w| {
        w.field_array("parts", parts);
        w.field_str("role", "model");
    });
}

/// Some clients take a content without parts for a failure.
fn nothing(w: &mut JsonOut<'_>) {
    w.object(|w| w.field_str("text", ""));
}

/// Why a choice ended, and where it comes from.
fn ending(w: &mut JsonOut<'_>, choice: &Choice) {
    w.field_str("finishReason", finish(choice));
    w.field_int("index", choice.index);
    grounding::write(w, choice);
}

fn finish(choice: &Choice) -> &'static str {
    match choice.finish {
        Some(Finish::Length | Finish::ContextFull) => "MAX_TOKENS",
        Some(Finish::ContentFilter | Finish::Refusal) => "SAFETY",
        _ if !choice.refusal().is_empty() => "SAFETY",
        Some(Finish::Error | Finish::Other) => "OTHER",
        _ => "STOP",
    }
}

/// Whether there is anything in a part that this dialect has words for.
fn is_said(part: &Part<'_>) -> bool {
    match &part.body {
        Body::Native { dialect, .. } => *dialect == Dialect::GeminiGenerate,
        Body::Result(_) => false,
        Body::Media(media) => !matches!(media.source, Source::Text(_)),
        _ => !part.is_blank(),
    }
}

fn write_part(w: &mut JsonOut<'_>, part: &Part<'_>) {
    if let Body::Native { json, .. } = &part.body {
        return w.raw(json);
    }
    w.object(|w| {
        match &part.body {
            Body::Text { .. } | Body::Thinking { .. } | Body::Refusal(_) => {
                words(w, &part.body, part.main_text());
            }
            Body::Call(call) => w.field_object("functionCall", |w| {
                if !call.id.is_empty() {
                    w.field_str("id", &call.id);
                }
                w.field_str("name", &call.name);
                arguments(w, call, [BARE_ARGUMENTS, BARE_INPUT]);
            }),
            Body::Media(media) => write_media(w, media),
            Body::Native { .. } | Body::Result(_) => {}
        }
        signed(w, part);
    });
}

fn words(w: &mut JsonOut<'_>, body: &Body<'_>, text: &str) {
    w.field_str("text", text);
    if matches!(body, Body::Thinking { .. }) {
        w.field_bool("thought", true);
    }
}

fn signed(w: &mut JsonOut<'_>, part: &Part<'_>) {
    if let Some(signature) = &part.signature {
        w.field_str("thoughtSignature", &signature::written(signature));
    }
}

fn write_media(w: &mut JsonOut<'_>, media: &Media<'_>) {
    match &media.source {
        Source::Base64 { mime, data } => w.field_object("inlineData", |w| {
            w.field_str("mimeType", mime);
            w.field_str("data", data);
        }),
        Source::Url { url: uri, .. } | Source::File { id: uri, .. } => {
            w.field_object("fileData", |w| {
                w.field_str("fileUri", uri);
                w.maybe_str("mimeType", media.mime());
            });
        }
        Source::Text(_) => {}
    }
}

fn logprobs(w: &mut JsonOut<'_>, tokens: &[TokenLogprob]) {
    if tokens.is_empty() {
        return;
    }
    let one = |w: &mut JsonOut<'_>, token: &str, logprob: f64| {
        w.object(|w| {
            w.field_str("token", token);
            w.field_float("logProbability", logprob);
        });
    };
    w.field_object("logprobsResult", |w| {
        w.field_array("chosenCandidates", |w| {
            tokens.iter().for_each(|it| one(w, &it.token, it.logprob));
        });
        if tokens.iter().any(|token| !token.top.is_empty()) {
            w.field_array("topCandidates", |w| {
                for token in tokens {
                    w.object(|w| {
                        w.field_array("candidates", |w| {
                            token.top.iter().for_each(|(token, logprob)| one(w, token, *logprob));
                        });
                    });
                }
            });
        }
    });
}

/// Writes the events of a stream.
#[derive(Debug)]
pub(super) struct Chunks {
    context: Context,
    /// Calls, media and signatures of words that may not be complete yet: choice and place.
    held: Vec<(u32, usize)>,
}

impl Chunks {
    pub(super) fn new(context: &Context) -> Chunks {
        Chunks { context: context.clone(), held: Vec::new() }
    }

    fn candidate(
        &self,
        answer: &Answer,
        out: &mut Vec<u8>,
        index: u32,
        said: impl FnOnce(&mut JsonOut<'_>),
    ) {
        event(out, "", |w| {
            w.field_array("candidates", |w| {
                w.object(|w| {
                    said(w);
                    w.field_int("index", index);
                });
            });
            tail(w, answer, &self.context);
        });
    }

    fn part(
        &self,
        answer: &Answer,
        out: &mut Vec<u8>,
        index: u32,
        part: impl FnOnce(&mut JsonOut<'_>),
    ) {
        self.candidate(answer, out, index, |w| content(w, part));
    }

    /// Sends what was waited for in a choice and is complete; no call passes another one.
    ///
    /// Google's calls have their arguments as an object, which cannot go out in pieces: it is
    /// complete when the next part begins and the text makes an object, or when the choice ends.
    /// Signatures that grow piece by piece are sent as a whole as well, on no words: those went out
    /// before.
    fn release(&mut self, answer: &Answer, out: &mut Vec<u8>, index: u32, ended: bool) {
        let mut next = 0;
        while let Some(&(choice, at)) = self.held.get(next) {
            let part = answer.choice(index).and_then(|choice| choice.parts.get(at));
            let Some(part) = part.filter(|_| choice == index) else {
                next += 1;
                continue;
            };
            if !ended && !is_complete(part) {
                if matches!(part.body, Body::Call(_)) {
                    return;
                }
                next += 1;
                continue;
            }
            self.part(answer, out, index, |w| match &part.body {
                Body::Text { .. } | Body::Thinking { .. } => w.object(|w| {
                    words(w, &part.body, "");
                    signed(w, part);
                }),
                _ => write_part(w, part),
            });
            self.held.remove(next);
        }
    }
}

/// Whether nothing can be missing from a call or from media.
fn is_complete(part: &Part<'_>) -> bool {
    match &part.body {
        Body::Call(call) => !call.free_form && is_object(&call.arguments),
        // Sound comes in pieces that nobody tells of.
        Body::Media(media) => media.kind != MediaKind::Audio,
        // OpenAI's imitators go on to sign what was thought while they speak already.
        _ => {
            part.signature.as_ref().is_none_or(|signature| signature.dialect != Dialect::OpenAiChat)
        }
    }
}

impl Writer for Chunks {
    fn delta(&mut self, answer: &Answer, delta: Delta<'_>, out: &mut Vec<u8>) {
        let part_of = |index: u32, at: usize| answer.choice(index)?.parts.get(at);
        match delta {
            Delta::Part { choice, at } => {
                self.release(answer, out, choice, false);
                let Some(part) = part_of(choice, at).filter(|part| is_said(part)) else { return };
                match &part.body {
                    Body::Call(_) | Body::Media(_) => self.held.push((choice, at)),
                    _ => self.part(answer, out, choice, |w| write_part(w, part)),
                }
            }
            Delta::Text { choice, at, text } => {
                let Some(part) = part_of(choice, at) else { return };
                if matches!(part.body, Body::Text { .. } | Body::Thinking { .. } | Body::Refusal(_))
                {
                    self.part(answer, out, choice, |w| w.object(|w| words(w, &part.body, text)));
                }
            }
            Delta::Signature { choice, at } => {
                let Some(part) = part_of(choice, at) else { return };
                let waits = self.held.contains(&(choice, at));
                if matches!(part.body, Body::Text { .. } | Body::Thinking { .. }) && !waits {
                    self.held.push((choice, at));
                }
            }
            Delta::Logprobs { choice, from } => {
                let Some(it) = answer.choice(choice) else { return };
                let tokens = it.logprobs.tokens.get(from..).unwrap_or_default();
                self.candidate(answer, out, choice, |w| logprobs(w, tokens));
            }
            Delta::Finish { choice } => self.release(answer, out, choice, true),
            // Sources go out at the end: their places are counted in the whole answer.
            Delta::Citation { .. } => {}
        }
    }

    fn end(&mut self, answer: &Answer, out: &mut Vec<u8>) {
        for choice in &answer.choices {
            self.release(answer, out, choice.index, true);
        }
        event(out, "", |w| {
            w.field_array("candidates", |w| {
                for choice in &answer.choices {
                    w.object(|w| {
                        content(w, nothing);
                        ending(w, choice);
                    });
                }
            });
            w.field_object("usageMetadata", |w| usage_of(w, answer));
            tail(w, answer, &self.context);
        });
    }
}

#[cfg(test)]
#[path = "answer_out_tests.rs"]
mod tests;
