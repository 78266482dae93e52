//! Writing an answer of another dialect for a client that speaks this one.

use crate::dialect::answer::{Answer, Choice, Finish, TokenLogprob};
use crate::dialect::part::Body;
use crate::dialect::passage::Context;
use crate::dialect::sink::{Delta, Writer};
use crate::dialect::write::{JsonOut, event, object};

/// The whole answer. Only what was said has a place in it.
pub(super) fn whole(answer: &Answer, context: &Context) -> Vec<u8> {
    object(1024, |w| {
        head(w, answer, context);
        w.field_array("choices", |w| {
            for it in &answer.choices {
                let (text, refusal) = (it.text(), it.refusal());
                let said = if refusal.is_empty() { text } else { text + refusal };
                choice(w, it.index, &said, &it.logprobs.tokens, Some(finish(it)));
            }
        });
        w.field_object("usage", |w| crate::dialect::openai_chat::usage_out(w, &answer.usage));
    })
}

fn head(w: &mut JsonOut<'_>, answer: &Answer, context: &Context) {
    w.field_str("id", if answer.id.is_empty() { &context.id } else { &answer.id });
    w.field_str("object", "text_completion");
    w.field_int("created", context.created);
    w.field_str("model", if answer.model.is_empty() { &context.model } else { &answer.model });
}

fn choice(
    w: &mut JsonOut<'_>,
    index: u32,
    text: &str,
    tokens: &[TokenLogprob],
    finish: Option<&str>,
) {
    w.object(|w| {
        w.field_int("index", index);
        w.field_str("text", text);
        logprobs(w, tokens);
        match finish {
            Some(finish) => w.field_str("finish_reason", finish),
            None => w.field_null("finish_reason"),
        }
    });
}

fn finish(choice: &Choice) -> &'static str {
    match choice.finish {
        Some(Finish::Length | Finish::ContextFull) => "length",
        Some(Finish::ContentFilter | Finish::Refusal) => "content_filter",
        _ => "stop",
    }
}

fn logprobs(w: &mut JsonOut<'_>, tokens: &[TokenLogprob]) {
    if tokens.is_empty() {
        return w.field_null("logprobs");
    }
    w.field_object("logprobs", |w| {
        w.field_array("tokens", |w| tokens.iter().for_each(|token| w.string(&token.token)));
        w.field_array("token_logprobs", |w| {
            tokens.iter().for_each(|token| w.float(token.logprob));
        });
        w.field_array("top_logprobs", |w| {
            for token in tokens {
                w.object(|w| {
                    token.top.iter().for_each(|(text, logprob)| w.field_float(text, *logprob));
                });
            }
        });
        let mut offset = 0;
        w.field_array("text_offset", |w| {
            for token in tokens {
                w.int(offset as u64);
                offset += token.token.chars().count();
            }
        });
    });
}

/// Writes the chunks of a stream.
#[derive(Debug)]
pub(super) struct Chunks {
    context: Context,
}

impl Chunks {
    pub(super) fn new(context: &Context) -> Chunks {
        Chunks { context: context.clone() }
    }

    fn chunk(&self, answer: &Answer, out: &mut Vec<u8>, choices: impl FnOnce(&mut JsonOut<'_>)) {
        event(out, "", |w| {
            head(w, answer, &self.context);
            w.field_array("choices", choices);
        });
    }
}

impl Writer for Chunks {
    fn delta(&mut self, answer: &Answer, delta: Delta<'_>, out: &mut Vec<u8>) {
        let said = |index: u32, at: usize| {
            let part = answer.choice(index)?.parts.get(at)?;
            matches!(part.body, Body::Text { .. } | Body::Refusal(_)).then(|| part.main_text())
        };
        match delta {
            Delta::Part { choice: index, at } => {
                if let Some(text) = said(index, at).filter(|text| !text.is_empty()) {
                    self.chunk(answer, out, |w| choice(w, index, text, &[], None));
                }
            }
            Delta::Text { choice: index, at, text } => {
                if said(index, at).is_some() {
                    self.chunk(answer, out, |w| choice(w, index, text, &[], None));
                }
            }
            Delta::Logprobs { choice: index, from } => {
                let Some(it) = answer.choice(index) else { return };
                let tokens = &it.logprobs.tokens[from..];
                self.chunk(answer, out, |w| choice(w, index, "", tokens, None));
            }
            Delta::Signature { .. } | Delta::Citation { .. } | Delta::Finish { .. } => {}
        }
    }

    fn end(&mut self, answer: &Answer, out: &mut Vec<u8>) {
        for it in &answer.choices {
            self.chunk(answer, out, |w| choice(w, it.index, "", &[], Some(finish(it))));
        }
        if self.context.request.shape().include_usage {
            event(out, "", |w| {
                head(w, answer, &self.context);
                w.field_array("choices", |_| {});
                w.field_object("usage", |w| {
                    crate::dialect::openai_chat::usage_out(w, &answer.usage);
                });
            });
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }
}
