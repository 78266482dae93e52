//! What attempts cost, and what is left of the request's allowance.

use crate::catalog::{Model, Pieces, cost, worst_case};
use crate::dialect::{Answer, Usage, UsageSource};
use crate::facts::{RequestFacts, tokens};
use crate::policy::eval::output_limit;
use crate::policy::program::Settings;
use crate::units::{NanoDollars, Tokens};

/// The money one request may cost, all attempts together.
pub struct Purse {
    left: Option<NanoDollars>,
}

impl Purse {
    /// With this much in it; `None` is no limit.
    pub fn new(most: Option<NanoDollars>) -> Purse {
        Purse { left: most }
    }

    /// Whether the worst case of one more attempt is covered. An unpriced model never is, where
    /// there is a limit.
    pub fn affords(&self, model: &Model, facts: &RequestFacts, settings: &Settings) -> bool {
        self.affords_all([model], facts, settings)
    }

    /// Whether the worst cases of attempts that are under way at the same time are covered together.
    pub fn affords_all<'m>(
        &self,
        models: impl IntoIterator<Item = &'m Model>,
        facts: &RequestFacts,
        settings: &Settings,
    ) -> bool {
        let Some(left) = self.left else { return true };
        let shape = facts.inputs().request.shape();
        let limit = output_limit(shape.max_output, settings);
        let worst = |model| worst_case(model, facts.input_tokens(), shape.images, limit);
        let together: Option<NanoDollars> = models.into_iter().map(worst).sum();
        together.is_some_and(|together| times(together, shape.n) <= left)
    }

    /// Takes out what an attempt cost.
    pub fn spend(&mut self, amount: Option<NanoDollars>) {
        if let (Some(left), Some(amount)) = (&mut self.left, amount) {
            *left = left.saturating_sub(amount);
        }
    }
}

/// Several answers cost several times.
pub fn times(worst: NanoDollars, n: u32) -> NanoDollars {
    NanoDollars(worst.0.saturating_mul(u64::from(n.max(1))))
}

/// What this use costs; `None` for a model without a price.
pub fn cost_of(model: &Model, usage: &Usage, images: u32) -> Option<NanoDollars> {
    Some(cost(model.prices.as_ref()?, usage, Pieces { images, requests: 1 }))
}

/// What an attempt used that was called off before its answer began: the prompt, by an estimate.
pub fn sent(facts: &RequestFacts) -> Usage {
    Usage { input: facts.input_tokens(), ..Usage::default() }
}

/// The answer with its usage; estimated where the provider reported none.
pub fn with_usage(mut answer: Answer, facts: &RequestFacts) -> Answer {
    if answer.usage_source != UsageSource::None {
        return answer;
    }
    let mut output = Tokens(0);
    for choice in &answer.choices {
        output += tokens::estimate(&choice.text());
        output += tokens::estimate(&choice.reasoning());
        for call in choice.tool_calls() {
            output += tokens::estimate(&call.arguments);
        }
    }
    // An estimate never claims more than was allowed.
    let most = facts.inputs().request.shape().max_output.unwrap_or(Tokens(u64::MAX));
    let choices = answer.choices.len().max(1) as u64;
    let output = output.min(Tokens(most.0.saturating_mul(choices)));
    answer.usage = Usage { input: facts.input_tokens(), output, ..Usage::default() };
    answer.usage_source = UsageSource::Estimated;
    answer
}
