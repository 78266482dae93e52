//! How much is to be thought: every family has words of its own for it.

use super::family::Family;
use crate::dialect::Dialect;
use crate::dialect::conversation::{Conversation, Role};
use crate::dialect::edits::{LossKind, Param};
use crate::dialect::losses::Losses;
use crate::dialect::part::{Body, Part};
use crate::dialect::quirks::Quirks;
use crate::dialect::write::JsonOut;
use crate::units::Tokens;

/// The least that Claude may be told to think, in tokens.
const LEAST: u64 = 1_024;
/// What it may think when it is told to, but not how much.
const USUAL: u64 = 8_192;

/// What is said about thinking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Thinking {
    /// Nothing.
    Unsaid,
    /// Claude before 4.6: up to so many tokens.
    Budget(u64),
    /// Claude since then: as it sees fit, with this effort.
    Adaptive {
        effort: Option<&'static str>,
        /// Since 4.7 thinking is only shown if that is asked for.
        display: Option<&'static str>,
    },
    /// Nova's effort.
    Nova(&'static str),
    /// The effort of OpenAI's open models.
    GptOss(&'static str),
}

impl Thinking {
    /// What the family can be told of what the request says.
    pub(super) fn of(
        it: &Conversation<'_>,
        family: Family,
        quirks: &Quirks,
        losses: &mut Losses,
    ) -> Thinking {
        let wish = &it.reasoning;
        if wish.is_unset() || losses.taken(quirks, Param::Reasoning, Some(())).is_none() {
            return Thinking::Unsaid;
        }
        let mut lose = |how: LossKind, note: String| losses.note("reasoning", how, note);
        let words = wish.in_words();
        let level = match words.as_deref() {
            Some("minimal" | "low") => Some("low"),
            Some("medium") => Some("medium"),
            Some("max") if family.is_claude_since((4, 6)) => Some("max"),
            Some(_) => Some("high"),
            None => None,
        };
        if wish.is_off() {
            // All but these think only when they are told to.
            if family == Family::GptOss || family.is_claude_since((5, 0)) {
                lose(LossKind::Dropped, "it always thinks".to_owned());
            }
            return Thinking::Unsaid;
        }
        match family {
            Family::Claude { .. } if family.is_claude_since((4, 6)) => {
                if let (Some(level), Some(words)) = (level, &words)
                    && (level != words || wish.effort.is_none())
                {
                    lose(LossKind::Emulated, format!("it is sent as the effort `{level}`"));
                }
                let display = match wish.summary.as_deref() {
                    Some("omitted") => "omitted",
                    _ => "summarized",
                };
                let display = Some(display).filter(|_| family.is_claude_since((4, 7)));
                Thinking::Adaptive { effort: level, display }
            }
            Family::Claude { .. } if family.is_claude_since((3, 7)) => budget(it, level, &mut lose),
            Family::Nova { thinks: true } => {
                // With high effort it takes no other limits.
                let level = match level.unwrap_or("medium") {
                    "high" if it.sampling.max_output.is_some() || warmed(it) => {
                        lose(LossKind::Clamped, "`high` goes with no other limit".to_owned());
                        "medium"
                    }
                    level => level,
                };
                Thinking::Nova(level)
            }
            Family::GptOss => Thinking::GptOss(level.unwrap_or("medium")),
            _ => {
                lose(LossKind::Dropped, "the model has no word for it".to_owned());
                Thinking::Unsaid
            }
        }
    }

    /// Whether no tool may be forced and nothing said about sampling: Claude's rule for thinking.
    pub(super) fn is_claudes(&self) -> bool {
        matches!(self, Thinking::Budget(_) | Thinking::Adaptive { .. })
    }

    /// Fields of the model's own.
    pub(super) fn write(&self, w: &mut JsonOut<'_>) {
        match self {
            Thinking::Unsaid => {}
            Thinking::Budget(budget) => w.field_object("thinking", |w| {
                w.field_str("type", "enabled");
                w.field_int("budget_tokens", *budget);
            }),
            Thinking::Adaptive { effort, display } => {
                w.field_object("thinking", |w| {
                    w.field_str("type", "adaptive");
                    w.maybe_str("display", *display);
                });
                if let Some(effort) = effort {
                    w.field_object("output_config", |w| w.field_str("effort", effort));
                }
            }
            Thinking::Nova(effort) => w.field_object("reasoningConfig", |w| {
                w.field_str("type", "enabled");
                w.field_str("maxReasoningEffort", effort);
            }),
            Thinking::GptOss(effort) => w.field_str("reasoning_effort", effort),
        }
    }
}

fn warmed(it: &Conversation<'_>) -> bool {
    it.sampling.temperature.is_some() || it.sampling.top_p.is_some()
}

fn budget(
    it: &Conversation<'_>,
    level: Option<&str>,
    lose: &mut impl FnMut(LossKind, String),
) -> Thinking {
    let wish = &it.reasoning;
    if goes_on_unthought(it) {
        lose(LossKind::Dropped, "the thinking that led to the tool's call is not there".to_owned());
        return Thinking::Unsaid;
    }
    // The answer's limit has to leave something to say.
    let most = it.sampling.max_output.map_or(u64::MAX, |Tokens(most)| most.saturating_sub(1));
    if most < LEAST {
        lose(LossKind::Dropped, "the answer's limit leaves no room for it".to_owned());
        return Thinking::Unsaid;
    }
    let wanted = wish.in_tokens().map_or(USUAL, |Tokens(wanted)| wanted);
    let budget = wanted.clamp(LEAST, most);
    match level {
        Some(level) if wish.budget.is_none() => {
            let note = format!("the effort `{level}` is sent as a budget of {budget} tokens");
            lose(LossKind::Emulated, note);
        }
        _ if budget != wanted => lose(LossKind::Clamped, format!("{wanted} to {budget} tokens")),
        _ => {}
    }
    Thinking::Budget(budget)
}

/// Whether tools have just answered calls of which Claude would want to see its thinking again.
fn goes_on_unthought(it: &Conversation<'_>) -> bool {
    let is_result = |part: &Part<'_>| matches!(part.body, Body::Result(_));
    let answers = it.messages.last().is_some_and(|last| last.parts.iter().any(is_result));
    let asked = it.messages.iter().rev().find(|message| message.role == Role::Assistant);
    answers
        && asked.is_some_and(|asked| {
            let own = |part: &Part<'_>| {
                matches!(part.body, Body::Thinking { .. })
                    && part
                        .signature
                        .as_ref()
                        .is_some_and(|it| it.for_signer(Dialect::BedrockConverse).is_some())
            };
            !asked.parts.iter().any(own)
        })
}
