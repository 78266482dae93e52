use std::sync::Arc;

use super::*;

fn with(params: &[(Param, Change)]) -> Conversation<'static> {
    let mut it = Conversation::new(Dialect::OpenAiChat);
    it.sampling.temperature = Some(0.7);
    it.reasoning.budget = Some(Tokens(20_000));
    it.apply(&Edits { params: params.to_vec(), ..Edits::default() });
    it
}

fn text(word: &str) -> ParamValue {
    ParamValue::Text(Arc::from(word))
}

#[test]
fn parameters_are_set_and_clamped() {
    let it = with(&[
        (Param::Temperature, Change::AtMost(ParamValue::Float(0.2))),
        (Param::TopP, Change::AtMost(ParamValue::Float(1.0))),
        (Param::MaxOutput, Change::AtMost(ParamValue::Int(500))),
        (Param::N, Change::AtLeast(ParamValue::Int(1))),
        (Param::Seed, Change::Replace(ParamValue::Int(-1))),
    ]);
    let sampling = &it.sampling;
    assert_eq!((sampling.temperature, sampling.top_p), (Some(0.2), None));
    assert_eq!((sampling.max_output, sampling.n), (Some(Tokens(500)), None));
    // A seed below zero is none that every dialect knows.
    assert_eq!(sampling.seed, None);
}

#[test]
fn thinking_is_compared_by_what_it_comes_to() {
    let low = with(&[(Param::Reasoning, Change::AtMost(text("low")))]);
    assert_eq!(low.reasoning.in_words().as_deref(), Some("low"));
    let high = with(&[(Param::Reasoning, Change::AtMost(text("high")))]);
    assert_eq!(high.reasoning.budget, Some(Tokens(20_000)), "it is not above");
    assert_eq!(low.reasoning.in_tokens(), Some(Tokens(1_024)));
    assert!(with(&[(Param::Reasoning, Change::Replace(text("none")))]).reasoning.is_off());
    assert!(with(&[(Param::Reasoning, Change::Remove)]).reasoning.is_unset());
}

#[test]
fn the_prompt_is_edited_where_it_stands() {
    let says = |edit: PromptEdit, system: bool| {
        let mut it = Conversation::new(Dialect::OpenAiChat);
        if system {
            it.messages.push(Message::new(Role::System, vec![Part::text("be brief")]));
        }
        it.messages.push(Message::new(Role::User, vec![Part::text("hi")]));
        it.apply(&Edits { prompt: vec![edit], ..Edits::default() });
        let (system, rest) = it.split_system();
        assert_eq!(rest.len(), 1);
        system.iter().map(|part| part.main_text()).collect::<String>()
    };
    let word = |word: &str| Arc::<str>::from(word);
    assert_eq!(says(PromptEdit::Prepend(word("A")), true), "A\n\nbe brief");
    assert_eq!(says(PromptEdit::Append(word("Z")), true), "be brief\n\nZ");
    assert_eq!(says(PromptEdit::Append(word("Z")), false), "Z");
    assert_eq!(says(PromptEdit::Replace(word("R")), true), "R");
}
