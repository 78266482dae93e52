//! Writing an answer of another dialect for a client that speaks this one.

use std::borrow::Cow;

use super::encode::arguments;
use super::messages_out::merged;
use crate::dialect::Dialect;
use crate::dialect::answer::{Answer, Choice, Finish, TokenLogprob};
use crate::dialect::part::{Body, Citation, Media, Part, Signature, Source, ToolCall};
use crate::dialect::passage::Context;
use crate::dialect::sink::{Delta, Writer};
use crate::dialect::usage::Usage;
use crate::dialect::write::{JsonOut, event, object};

/// The whole answer.
pub(super) fn whole(answer: &Answer, context: &Context) -> Vec<u8> {
    object(1024, |w| {
        head(w, answer, context, "chat.completion");
        w.field_array("choices", |w| {
            for choice in &answer.choices {
                w.object(|w| {
                    w.field_int("index", choice.index);
                    w.field_object("message", |w| message(w, choice));
                    logprobs(w, &choice.logprobs.tokens);
                    w.field_str("finish_reason", finish(choice));
                });
            }
        });
        w.field_object("usage", |w| usage(w, &answer.usage));
    })
}

fn head(w: &mut JsonOut<'_>, answer: &Answer, context: &Context, object: &str) {
    w.field_str("id", if answer.id.is_empty() { &context.id } else { &answer.id });
    w.field_str("object", object);
    w.field_int("created", context.created);
    w.field_str("model", if answer.model.is_empty() { &context.model } else { &answer.model });
    w.maybe_str("service_tier", answer.service_tier.as_deref());
}

fn message(w: &mut JsonOut<'_>, choice: &Choice) {
    w.field_str("role", "assistant");
    let (text, thinking, refusal) = (choice.text(), choice.reasoning(), choice.refusal());
    match text.is_empty() && (choice.calls_tools() || !refusal.is_empty()) {
        true => w.field_null("content"),
        false => w.field_str("content", &text),
    }
    match refusal.is_empty() {
        true => w.field_null("refusal"),
        false => w.field_str("refusal", &refusal),
    }
    if !thinking.is_empty() {
        w.field_str("reasoning_content", &thinking);
    }
    let thoughts = || {
        let parts = choice.parts.iter().enumerate();
        parts.filter(|(_, part)| {
            matches!(part.body, Body::Thinking { .. }) && part.signature.is_some()
        })
    };
    if thoughts().next().is_some() {
        w.field_array("reasoning_details", |w| {
            thoughts().for_each(|(at, part)| detail(w, part, at, true));
        });
    }
    if choice.calls_tools() {
        w.field_array("tool_calls", |w| {
            let calls = choice.parts.iter().filter(|part| matches!(part.body, Body::Call(_)));
            calls.for_each(|part| w.object(|w| call(w, part, None)));
        });
    }
    let cited = |part: &Part<'_>| matches!(&part.body, Body::Text { citations, .. } if !citations.is_empty());
    if choice.parts.iter().any(cited) {
        w.field_array("annotations", |w| {
            let mut before = 0;
            for part in &choice.parts {
                if let Body::Text { text, citations } = &part.body {
                    let length = text.chars().count() as u64;
                    citations.iter().for_each(|it| annotation(w, it, before, length));
                    before += length;
                }
            }
        });
    }
    media(w, &choice.parts);
}

/// Images and sound that the model made.
fn media(w: &mut JsonOut<'_>, parts: &[Part<'_>]) {
    let all = || {
        parts.iter().filter_map(|part| match &part.body {
            Body::Media(media) => Some(media),
            _ => None,
        })
    };
    let is_sound = |media: &&Media<'_>| media.kind == crate::dialect::part::MediaKind::Audio;
    if all().any(|media| !is_sound(&media)) {
        w.field_array("images", |w| {
            all().filter(|media| !is_sound(media)).for_each(|media| {
                w.object(|w| {
                    w.field_str("type", "image_url");
                    w.field_object("image_url", |w| w.maybe_str("url", media.url().as_deref()));
                });
            });
        });
    }
    if let Some(Media { source: Source::Base64 { data, .. }, transcript, id, .. }) =
        all().find(is_sound)
    {
        w.field_object("audio", |w| {
            w.field_str("id", id.as_deref().unwrap_or("audio"));
            w.field_str("data", data);
            w.field_int("expires_at", 0);
            w.field_str("transcript", transcript.as_deref().unwrap_or(""));
        });
    }
}

/// One thought, in OpenRouter's form. `with_text`: not where its text went out already.
fn detail(w: &mut JsonOut<'_>, part: &Part<'_>, at: usize, with_text: bool) {
    let Body::Thinking { text, redacted } = &part.body else { return };
    let signature = part.signature.as_ref();
    if let Some(own) = signature.and_then(|it| it.for_signer(Dialect::OpenAiChat)) {
        // They are details already.
        let all = merged(&[own]).unwrap_or_default();
        let inside = all.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Some(items) = inside.map(str::trim).filter(|items| !items.is_empty()) {
            w.raw(items);
        }
        return;
    }
    w.object(|w| {
        if *redacted {
            w.field_str("type", "reasoning.encrypted");
            w.maybe_str("data", written(signature).as_deref());
        } else {
            w.field_str("type", "reasoning.text");
            w.field_str("text", if with_text { text } else { "" });
            w.maybe_str("signature", written(signature).as_deref());
        }
        w.field_str("format", signature.map_or("unknown", |signature| signature.dialect.name()));
        w.field_int("index", at as u64);
    });
}

fn written<'s>(signature: Option<&'s Signature<'_>>) -> Option<Cow<'s, str>> {
    signature.map(|signature| signature.written(Dialect::OpenAiChat))
}

/// A tool call; on streams with its index, and what it has of arguments so far.
fn call(w: &mut JsonOut<'_>, part: &Part<'_>, index: Option<usize>) {
    let Body::Call(call) = &part.body else { return };
    w.maybe_int("index", index.map(|index| index as u64));
    w.field_str("id", &call.id);
    let said: &str = match index {
        Some(_) => &call.arguments,
        None if call.free_form => &call.arguments,
        None => arguments(&call.arguments),
    };
    let (kind, field) = argument_field(call);
    w.field_str("type", kind);
    w.field_object(kind, |w| {
        w.field_str("name", &call.name);
        w.field_str(field, said);
    });
    if let Some(signature) = &part.signature {
        signed(w, signature);
    }
}

/// Where a call's arguments are.
fn argument_field(call: &ToolCall<'_>) -> (&'static str, &'static str) {
    if call.free_form { ("custom", "input") } else { ("function", "arguments") }
}

/// Google's place for the signature of a call.
fn signed(w: &mut JsonOut<'_>, signature: &Signature<'_>) {
    w.field_object("extra_content", |w| {
        w.field_object("google", |w| {
            w.field_str("thought_signature", &signature.written(Dialect::GeminiGenerate));
        });
    });
}

fn annotation(w: &mut JsonOut<'_>, citation: &Citation<'_>, before: u64, length: u64) {
    let (from, to) = citation.range.unwrap_or((0, length));
    w.object(|w| {
        w.field_str("type", "url_citation");
        w.field_object("url_citation", |w| {
            w.field_int("start_index", before.saturating_add(from));
            w.field_int("end_index", before.saturating_add(to));
            w.field_str("url", citation.url.as_deref().unwrap_or(""));
            w.field_str("title", citation.title.as_deref().unwrap_or(""));
            w.maybe_str("content", citation.quote.as_deref());
        });
    });
}

fn logprobs(w: &mut JsonOut<'_>, tokens: &[TokenLogprob]) {
    if tokens.is_empty() {
        return w.field_null("logprobs");
    }
    w.field_object("logprobs", |w| {
        w.field_array("content", |w| tokens.iter().for_each(|token| logprob(w, token)));
        w.field_null("refusal");
    });
}

/// A token with its probability, the same in all of OpenAI's APIs.
pub(in crate::dialect) fn logprob(w: &mut JsonOut<'_>, token: &TokenLogprob) {
    let bytes = |w: &mut JsonOut<'_>, bytes: &[u8]| {
        w.field_array("bytes", |w| bytes.iter().for_each(|byte| w.int(*byte)));
    };
    w.object(|w| {
        w.field_str("token", &token.token);
        w.field_float("logprob", token.logprob);
        bytes(w, token.bytes.as_deref().unwrap_or(token.token.as_bytes()));
        w.field_array("top_logprobs", |w| {
            for (text, logprob) in &token.top {
                w.object(|w| {
                    w.field_str("token", text);
                    w.field_float("logprob", *logprob);
                    bytes(w, text.as_bytes());
                });
            }
        });
    });
}

fn finish(choice: &Choice) -> &'static str {
    match choice.finish {
        Some(Finish::Length | Finish::ContextFull) => "length",
        Some(Finish::ContentFilter | Finish::Refusal) => "content_filter",
        // Not every provider says so when it calls tools.
        _ if choice.calls_tools() => "tool_calls",
        Some(Finish::ToolCalls) => "tool_calls",
        _ => "stop",
    }
}

/// Usage, in OpenAI's overlapping way of counting.
pub(in crate::dialect) fn usage(w: &mut JsonOut<'_>, usage: &Usage) {
    let (prompt, completion) = (usage.prompt(), usage.completion());
    w.field_int("prompt_tokens", prompt.0);
    w.field_int("completion_tokens", completion.0);
    w.field_int("total_tokens", usage.total().0);
    w.field_object("prompt_tokens_details", |w| {
        w.field_int("cached_tokens", usage.cache_read.0);
        let written = usage.cache_write + usage.cache_write_1h;
        if written.0 > 0 {
            w.field_int("cache_write_tokens", written.0);
        }
        w.field_int("audio_tokens", usage.audio_in.0);
    });
    w.field_object("completion_tokens_details", |w| {
        w.field_int("reasoning_tokens", usage.reasoning.0);
        w.field_int("audio_tokens", usage.audio_out.0);
    });
}

/// Writes the chunks of a stream.
#[derive(Debug)]
pub(super) struct Chunks {
    context: Context,
    wants_usage: bool,
    /// The choices that have begun.
    begun: Vec<u32>,
}

impl Chunks {
    pub(super) fn new(context: &Context) -> Chunks {
        let wants_usage = context.request.shape().include_usage;
        Chunks { context: context.clone(), wants_usage, begun: Vec::new() }
    }

    fn chunk(
        &self,
        answer: &Answer,
        out: &mut Vec<u8>,
        choices: impl FnOnce(&mut JsonOut<'_>),
        more: impl FnOnce(&mut JsonOut<'_>),
    ) {
        event(out, "", |w| {
            head(w, answer, &self.context, "chat.completion.chunk");
            w.field_array("choices", choices);
            more(w);
        });
    }

    fn choice(
        &mut self,
        answer: &Answer,
        out: &mut Vec<u8>,
        index: u32,
        delta: impl FnOnce(&mut JsonOut<'_>),
    ) {
        let first = !self.begun.contains(&index);
        if first {
            self.begun.push(index);
        }
        let choices = |w: &mut JsonOut<'_>| {
            w.object(|w| {
                w.field_int("index", index);
                w.field_object("delta", |w| {
                    if first {
                        w.field_str("role", "assistant");
                    }
                    delta(w);
                });
                w.field_null("finish_reason");
            });
        };
        self.chunk(answer, out, choices, |_| {});
    }
}

impl Writer for Chunks {
    fn delta(&mut self, answer: &Answer, delta: Delta<'_>, out: &mut Vec<u8>) {
        let part_of = |index: u32, at: usize| answer.choice(index)?.parts.get(at);
        // Calls are numbered among themselves.
        let number = |index: u32, at: usize| {
            let parts = answer.choice(index).map_or(&[][..], |choice| &choice.parts);
            parts[..at].iter().filter(|part| matches!(part.body, Body::Call(_))).count()
        };
        match delta {
            Delta::Part { choice, at } => {
                let Some(part) = part_of(choice, at) else { return };
                match &part.body {
                    Body::Call(_) => self.choice(answer, out, choice, |w| {
                        w.field_array("tool_calls", |w| {
                            w.object(|w| call(w, part, Some(number(choice, at))));
                        });
                    }),
                    Body::Media(_) => self.choice(answer, out, choice, |w| {
                        media(w, std::slice::from_ref(part));
                    }),
                    Body::Native { .. } | Body::Result(_) => {}
                    body => {
                        if !part.main_text().is_empty() {
                            let name = text_field(body);
                            self.choice(answer, out, choice, |w| {
                                w.field_str(name, part.main_text())
                            });
                        }
                        if part.signature.is_some() {
                            self.delta(answer, Delta::Signature { choice, at }, out);
                        }
                        if let Body::Text { citations, .. } = body
                            && !citations.is_empty()
                        {
                            self.choice(answer, out, choice, |w| {
                                w.field_array("annotations", |w| {
                                    let length = part.main_text().chars().count() as u64;
                                    citations.iter().for_each(|it| annotation(w, it, 0, length));
                                });
                            });
                        }
                    }
                }
            }
            Delta::Text { choice, at, text } => {
                let Some(part) = part_of(choice, at) else { return };
                match &part.body {
                    Body::Call(it) => self.choice(answer, out, choice, |w| {
                        let (kind, field) = argument_field(it);
                        w.field_array("tool_calls", |w| {
                            w.object(|w| {
                                w.field_int("index", number(choice, at) as u64);
                                w.field_object(kind, |w| w.field_str(field, text));
                            });
                        });
                    }),
                    Body::Native { .. } | Body::Result(_) => {}
                    body => {
                        let name = text_field(body);
                        self.choice(answer, out, choice, |w| w.field_str(name, text));
                    }
                }
            }
            Delta::Signature { choice, at } => {
                let Some(part) = part_of(choice, at) else { return };
                match &part.body {
                    Body::Thinking { .. } => self.choice(answer, out, choice, |w| {
                        w.field_array("reasoning_details", |w| detail(w, part, at, false));
                    }),
                    Body::Call(it) => self.choice(answer, out, choice, |w| {
                        w.field_array("tool_calls", |w| {
                            w.object(|w| {
                                w.field_int("index", number(choice, at) as u64);
                                // OpenAI's SDK wants one in every piece.
                                let (kind, field) = argument_field(it);
                                w.field_object(kind, |w| w.field_str(field, ""));
                                part.signature.iter().for_each(|signature| signed(w, signature));
                            });
                        });
                    }),
                    _ => {}
                }
            }
            Delta::Citation { choice, at } => {
                let Some(Part { body: Body::Text { text, citations }, .. }) = part_of(choice, at)
                else {
                    return;
                };
                self.choice(answer, out, choice, |w| {
                    w.field_array("annotations", |w| {
                        let length = text.chars().count() as u64;
                        citations.last().into_iter().for_each(|it| annotation(w, it, 0, length));
                    });
                });
            }
            Delta::Logprobs { choice, from } => {
                let Some(it) = answer.choice(choice) else { return };
                let choices = |w: &mut JsonOut<'_>| {
                    w.object(|w| {
                        w.field_int("index", choice);
                        w.field_object("delta", |_| {});
                        logprobs(w, &it.logprobs.tokens[from..]);
                        w.field_null("finish_reason");
                    });
                };
                self.chunk(answer, out, choices, |_| {});
            }
            // It goes out at the end: whether tools were called is known for sure only then.
            Delta::Finish { .. } => {}
        }
    }

    fn end(&mut self, answer: &Answer, out: &mut Vec<u8>) {
        for it in &answer.choices {
            if !self.begun.contains(&it.index) {
                // Nothing was said at all.
                self.choice(answer, out, it.index, |w| w.field_str("content", ""));
            }
            let choices = |w: &mut JsonOut<'_>| {
                w.object(|w| {
                    w.field_int("index", it.index);
                    w.field_object("delta", |_| {});
                    w.field_str("finish_reason", finish(it));
                });
            };
            self.chunk(answer, out, choices, |_| {});
        }
        if self.wants_usage {
            self.chunk(
                answer,
                out,
                |_| {},
                |w| {
                    w.field_object("usage", |w| usage(w, &answer.usage));
                },
            );
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }
}

fn text_field(body: &Body<'_>) -> &'static str {
    match body {
        Body::Thinking { .. } => "reasoning_content",
        Body::Refusal(_) => "refusal",
        _ => "content",
    }
}
