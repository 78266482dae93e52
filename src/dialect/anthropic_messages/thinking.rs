//! How much a model is to think: in tokens for older models, in words for newer ones.
//!
//! Models before 4.6 take a budget, those from 4.7 on an effort alone, and refuse the other form; 4.6
//! takes both (<https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking>). The name
//! of the model says which it is; one without a version takes a budget, as all did for long.

use std::borrow::Cow;

use crate::dialect::conversation::Reasoning;
use crate::dialect::edits::{LossKind, Param};
use crate::dialect::losses::Losses;
use crate::dialect::part::Text;
use crate::dialect::write::JsonOut;
use crate::units::Tokens;

/// The smallest budget that is taken.
const LEAST: u64 = 1024;

/// The limit on an answer's length where nobody says one: the API wants one, and no model that is
/// still offered has a lower one of its own.
pub(super) const USUAL_OUTPUT: u64 = 8192;

/// Hindrance: the answer has to be a tool call.
pub(super) const FORCED: &str = "it does not go together with a tool that must be called";

/// Hindrance: the model is amid calls of tools, and the thinking that led to them is not there.
pub(super) const THOUGHTLESS: &str = "the thinking before the last tool calls is not there";

/// What a model's name says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Model {
    version: Option<(u64, u64)>,
}

impl Model {
    /// `claude-opus-4-7`, `claude-3-7-sonnet-20250219`, `anthropic.claude-sonnet-4-6-v1`.
    pub(super) fn of(name: &str) -> Model {
        let Some((_, rest)) = name.split_once("claude") else { return Model { version: None } };
        let mut numbers = rest
            .split(['-', '.', '@', ':', '_'])
            .skip_while(|word| !is_number(word))
            // A date is no part of the version, and neither is what follows a word.
            .take_while(|word| is_number(word))
            .filter_map(|word| word.parse().ok());
        let version = numbers.next().map(|major| (major, numbers.next().unwrap_or(0)));
        Model { version }
    }

    fn is_at_least(self, version: (u64, u64)) -> bool {
        self.version.is_some_and(|own| own >= version)
    }

    /// Whether it can be told in words how much to think.
    pub(super) fn takes_efforts(self) -> bool {
        self.is_at_least((4, 6))
    }

    /// Whether it can be told in tokens.
    pub(super) fn takes_budgets(self) -> bool {
        !self.is_at_least((4, 7))
    }

    /// Whether temperature and the like may be set; what refuses budgets refuses them too.
    pub(super) fn is_sampled(self) -> bool {
        self.takes_budgets()
    }

    /// Whether its name has a version in it.
    pub(super) fn is_known(self) -> bool {
        self.version.is_some()
    }

    /// Whether it thinks unless told otherwise.
    pub(super) fn thinks_by_itself(self) -> bool {
        self.is_at_least((5, 0))
    }

    /// Whether it does not think unless told so, and takes no "do not" either.
    fn is_off_by_itself(self) -> bool {
        self.is_at_least((4, 7)) && !self.thinks_by_itself()
    }
}

fn is_number(word: &str) -> bool {
    matches!(word.len(), 1 | 2) && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// How a model is told to think.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Thinking {
    Disabled,
    Adaptive,
    Budget(u64),
}

/// What becomes of a wish for thinking.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Plan<'a> {
    pub thinking: Option<Thinking>,
    /// `output_config.effort`
    pub effort: Option<Text<'a>>,
    /// `summarized` or `omitted`
    pub display: Option<&'static str>,
    /// The limit on the answer's length, which the thinking counts into.
    pub max_tokens: u64,
}

impl<'a> Plan<'a> {
    /// The plan for a request of this dialect: as it came.
    pub(super) fn as_it_is(wish: &'a Reasoning<'_>, max_output: Option<Tokens>) -> Plan<'a> {
        let thinking = match (wish.enabled, wish.budget) {
            (Some(false), _) => Some(Thinking::Disabled),
            (Some(true), Some(Tokens(budget))) => Some(Thinking::Budget(budget)),
            (Some(true), None) => Some(Thinking::Adaptive),
            (None, _) => None,
        };
        Plan {
            thinking,
            effort: wish.effort.as_deref().map(Cow::Borrowed),
            display: display(wish),
            max_tokens: max_output.map_or(USUAL_OUTPUT, |Tokens(most)| most),
        }
    }

    /// The plan for this model. `limits`: the one that was given, and the model's own, as far as it is
    /// known. `hindrance`: why the model may not be given a budget. Without a
    /// budget, with an effort, the API takes all that hinders.
    pub(super) fn of(
        wish: &'a Reasoning<'_>,
        model: Model,
        limits: (Option<Tokens>, Option<Tokens>),
        hindrance: Option<&'static str>,
        losses: &mut Losses,
    ) -> Plan<'a> {
        let mut plan = Plan::default();
        let name = Param::Reasoning.name();
        if wish.is_off() {
            plan.thinking = (!model.is_off_by_itself()).then_some(Thinking::Disabled);
        } else if !wish.is_unset() {
            match hindrance.filter(|_| !model.takes_efforts()) {
                Some(why) => losses.note(name, LossKind::Dropped, why),
                None => plan.think(wish, model, losses),
            }
        }
        plan.limit(limits, losses);
        plan
    }

    fn think(&mut self, wish: &'a Reasoning<'_>, model: Model, losses: &mut Losses) {
        let name = Param::Reasoning.name();
        self.display = display(wish).or_else(|| {
            // The newest show their thinking only when asked, as the older ones do unasked.
            (!model.takes_budgets()).then_some("summarized")
        });
        if model.takes_efforts() {
            self.thinking = Some(Thinking::Adaptive);
            let Some(word) = wish.in_words() else { return };
            let effort: Text<'a> = match &*word {
                "minimal" => Cow::Borrowed("low"),
                "xhigh" if model.takes_budgets() => Cow::Borrowed("high"),
                "low" | "medium" | "high" | "xhigh" | "max" => Cow::Owned(word.to_string()),
                other => {
                    losses.note(name, LossKind::Dropped, format!("`{other}` is unknown there"));
                    return;
                }
            };
            if effort != word {
                losses.note(name, LossKind::Clamped, format!("`{word}` to `{effort}`"));
            } else if let (Some(budget), None) = (wish.budget, &wish.effort) {
                let note = format!("a budget of {budget} tokens is sent as the effort `{word}`");
                losses.note("reasoning.budget", LossKind::Emulated, note);
            }
            self.effort = Some(effort);
            return;
        }
        // Thinking that is merely switched on is as much as a medium effort.
        let measured = wish.in_tokens().map(|Tokens(budget)| budget);
        let budget = measured.unwrap_or(8 * LEAST).max(LEAST);
        match (&wish.effort, measured) {
            (Some(word), Some(_)) => {
                let note = format!("the effort `{word}` is sent as a budget of {budget} tokens");
                losses.note(name, LossKind::Emulated, note);
            }
            (Some(word), None) => {
                let note = format!("`{word}` is unknown there; it may take {budget} tokens");
                losses.note(name, LossKind::Emulated, note);
            }
            (None, Some(wanted)) if wanted < budget => {
                losses.note(name, LossKind::Clamped, format!("{wanted} to {budget} tokens"));
            }
            _ => {}
        }
        self.thinking = Some(Thinking::Budget(budget));
    }

    /// The limit on the whole answer must be above the budget. A limit that was given is kept, and
    /// the budget goes down to three quarters of it; only the smallest budget makes the limit rise.
    /// Where none was given it is the usual one, or the model's own where that is lower: a higher
    /// one is refused.
    fn limit(&mut self, limits: (Option<Tokens>, Option<Tokens>), losses: &mut Losses) {
        let given = match limits {
            (Some(Tokens(given)), _) => given,
            (None, longest) => {
                let thinking = match &self.thinking {
                    Some(Thinking::Budget(budget)) => *budget,
                    Some(Thinking::Adaptive) => 24 * LEAST,
                    _ => 0,
                };
                let usual = USUAL_OUTPUT.saturating_add(thinking);
                let most = longest.map_or(usual, |Tokens(longest)| usual.min(longest));
                let note = format!("a limit has to be there: {most} tokens");
                losses.note(Param::MaxOutput.name(), LossKind::Emulated, note);
                most
            }
        };
        self.max_tokens = given;
        let Some(Thinking::Budget(budget)) = &mut self.thinking else { return };
        if *budget < given {
            return;
        }
        let lower = (given / 4 * 3).max(LEAST);
        if lower < *budget {
            let note = format!("the limit on the answer leaves {lower} tokens for thinking");
            losses.note(Param::Reasoning.name(), LossKind::Clamped, note);
            *budget = lower;
        }
        if given <= *budget {
            self.max_tokens = budget.saturating_add(given);
            let note = format!("{given} to {}: thinking counts into it", self.max_tokens);
            losses.note(Param::MaxOutput.name(), LossKind::Clamped, note);
        }
    }

    /// Whether the model thinks, so that sampling is not free.
    pub(super) fn thinks(&self) -> bool {
        matches!(self.thinking, Some(Thinking::Adaptive | Thinking::Budget(_)))
    }

    /// The value of `thinking`.
    pub(super) fn write(&self, w: &mut JsonOut<'_>, thinking: &Thinking) {
        w.object(|w| {
            w.field_str(
                "type",
                match thinking {
                    Thinking::Disabled => "disabled",
                    Thinking::Adaptive => "adaptive",
                    Thinking::Budget(_) => "enabled",
                },
            );
            if let Thinking::Budget(budget) = thinking {
                w.field_int("budget_tokens", *budget);
            }
            w.maybe_str("display", self.display.filter(|_| *thinking != Thinking::Disabled));
        });
    }
}

fn display(wish: &Reasoning<'_>) -> Option<&'static str> {
    match wish.summary.as_deref()? {
        "omitted" => Some("omitted"),
        _ => Some("summarized"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(wish: &Reasoning<'_>, model: &str, most: Option<u64>) -> (Plan<'static>, usize) {
        let mut losses = Losses::default();
        let plan = Plan::of(wish, Model::of(model), (most.map(Tokens), None), None, &mut losses);
        let effort = plan.effort.map(|effort| Cow::Owned(effort.into_owned()));
        (Plan { effort, ..plan }, losses.into_vec().len())
    }

    fn effort(word: &'static str) -> Reasoning<'static> {
        Reasoning { effort: Some(word.into()), ..Reasoning::default() }
    }

    #[test]
    fn names_tell_versions() {
        for (name, version) in [
            ("claude-opus-4-7", Some((4, 7))),
            ("claude-3-7-sonnet-20250219", Some((3, 7))),
            ("claude-sonnet-4-20250514", Some((4, 0))),
            ("claude-haiku-4-5-20251001", Some((4, 5))),
            ("us.anthropic.claude-opus-4-6-v1:0", Some((4, 6))),
            ("anthropic/claude-sonnet-4.6", Some((4, 6))),
            ("claude-3-7-sonnet@20250219", Some((3, 7))),
            ("claude-sonnet-5", Some((5, 0))),
            ("claude-next", None),
            ("deepseek-v4-2", None),
        ] {
            assert_eq!(Model::of(name).version, version, "{name}");
        }
    }

    #[test]
    fn older_models_are_given_tokens_and_newer_ones_words() {
        let (old, losses) = plan(&effort("low"), "claude-haiku-4-5", Some(4000));
        assert_eq!((old.thinking, losses), (Some(Thinking::Budget(1024)), 1));
        let (new, losses) = plan(&effort("low"), "claude-sonnet-5", Some(4000));
        assert_eq!((new.thinking, losses), (Some(Thinking::Adaptive), 0));
        assert_eq!((new.effort.as_deref(), new.display), (Some("low"), Some("summarized")));
    }

    #[test]
    fn the_budget_fits_into_the_limit() {
        let fit = |most| {
            let (plan, _) = plan(&effort("high"), "claude-sonnet-4-5", most);
            (plan.thinking, plan.max_tokens)
        };
        assert_eq!(fit(Some(64_000)), (Some(Thinking::Budget(24_576)), 64_000));
        assert_eq!(fit(Some(8_000)), (Some(Thinking::Budget(6_000)), 8_000));
        assert_eq!(fit(Some(1_200)), (Some(Thinking::Budget(1_024)), 1_200));
        assert_eq!(fit(Some(300)), (Some(Thinking::Budget(1_024)), 1_324));
        assert_eq!(fit(None), (Some(Thinking::Budget(24_576)), 32_768));
    }

    #[test]
    fn without_a_limit_the_models_own_counts_where_it_is_lower() {
        let unlimited = |wish: &Reasoning<'_>, model: &str, longest: Option<u64>| {
            let mut losses = Losses::default();
            let limits = (None, longest.map(Tokens));
            let plan = Plan::of(wish, Model::of(model), limits, None, &mut losses);
            (plan.thinking.clone(), plan.max_tokens)
        };
        let quiet = Reasoning::default();
        assert_eq!(unlimited(&quiet, "claude-3-haiku", None), (None, 8_192));
        assert_eq!(unlimited(&quiet, "claude-3-haiku", Some(4_096)), (None, 4_096));
        assert_eq!(unlimited(&quiet, "claude-sonnet-4-5", Some(64_000)), (None, 8_192));
        // The budget fits into that limit as into one that was given.
        let budget = |budget| Some(Thinking::Budget(budget));
        let old = |longest| unlimited(&effort("high"), "claude-sonnet-4-5", longest);
        assert_eq!(old(Some(64_000)), (budget(24_576), 32_768));
        assert_eq!(old(Some(16_000)), (budget(12_000), 16_000));
        let endless = Reasoning { budget: Some(Tokens(u64::MAX)), ..Reasoning::default() };
        assert_eq!(unlimited(&endless, "claude-sonnet-4-5", None).1, u64::MAX);
    }

    #[test]
    fn no_thinking_is_said_where_it_can_be() {
        assert_eq!(
            plan(&effort("none"), "claude-opus-4-5", None).0.thinking,
            Some(Thinking::Disabled)
        );
        assert_eq!(plan(&effort("none"), "claude-opus-4-7", None).0.thinking, None);
        assert_eq!(
            plan(&effort("none"), "claude-sonnet-5", None).0.thinking,
            Some(Thinking::Disabled)
        );
        let plan = plan(&Reasoning::default(), "claude-sonnet-5", Some(5));
        assert_eq!(plan, (Plan { max_tokens: 5, ..Plan::default() }, 0));
    }
}
