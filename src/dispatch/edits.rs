//! From a plan's settings to the changes made in the request's bytes.

use std::sync::Arc;

use crate::catalog::Model;
use crate::dialect::Edits;
use crate::dialect::edits::{Change, Param, ParamValue, PromptEdit};
use crate::dialect::shape::RequestShape;
use crate::policy::program::Settings;
use crate::policy::schema::Attr;
use crate::policy::syntax::tree::{PromptPlace, SetParamOp};

/// The changes for one target. `probabilities`: the plan's checks look at log-probabilities.
pub fn edits(
    model: &Model,
    settings: &Settings,
    shape: &RequestShape,
    probabilities: bool,
) -> Edits {
    let mut params = Vec::new();
    for parameter in &settings.parameters {
        // A model that does not think cannot be told how hard to.
        if parameter.name == Param::Reasoning && !model.capabilities.reasoning {
            continue;
        }
        let value = parameter.value.clone();
        let change = match parameter.op {
            SetParamOp::Replace => Change::Replace(value),
            SetParamOp::AtMost => Change::AtMost(value),
            SetParamOp::AtLeast => Change::AtLeast(value),
        };
        params.push((parameter.name, change));
    }
    // What no model of the target can write must not be asked of it.
    let longest = ParamValue::Int(i64::try_from(model.max_output.0).unwrap_or(i64::MAX));
    let sets_output =
        shape.max_output.is_some() || params.iter().any(|(param, _)| *param == Param::MaxOutput);
    if sets_output && model.max_output.0 > 0 {
        params.push((Param::MaxOutput, Change::AtMost(longest)));
    }
    Edits {
        model: (*model.upstream_name != *shape.model).then(|| model.upstream_name.clone()),
        stream: None,
        include_usage: true,
        longest: Some(model.max_output).filter(|longest| longest.0 > 0),
        logprobs: probabilities && model.capabilities.logprobs && !shape.logprobs,
        params,
        prompt: settings
            .prompts
            .iter()
            .map(|prompt| {
                let text: Arc<str> = prompt.text.clone();
                match prompt.place {
                    PromptPlace::Prepend => PromptEdit::Prepend(text),
                    PromptPlace::Append => PromptEdit::Append(text),
                    PromptPlace::Replace => PromptEdit::Replace(text),
                }
            })
            .collect(),
    }
}

/// Whether a condition looks at log-probabilities, which then must be asked for.
pub fn asks_for_probabilities(cond: &crate::policy::cond::Cond) -> bool {
    cond.mentions(Attr::LogprobMean) || cond.mentions(Attr::LogprobMin)
}
