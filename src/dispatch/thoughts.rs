//! Thinking that clients of another dialect have no place for.
//!
//! Thinking models want their thoughts back with the results of the tools they called, and some
//! refuse to go on without. A client that speaks the model's own dialect brings them along; others
//! drop the fields that they do not know. What every client does bring back is the call's id: so the
//! thoughts are kept under it for a while, and put back when it comes.

use std::sync::Arc;
use std::time::Duration;

use crate::dialect::answer::Answer;
use crate::dialect::conversation::{Conversation, Role};
use crate::dialect::part::{Body, Part, ToolCall};
use crate::ids::TenantId;

/// How long a tool may take.
const KEPT_FOR: Duration = Duration::from_secs(3_600);
/// The bytes of all thoughts together.
const MOST_BYTES: u64 = 64 << 20;

type Key = (TenantId, Box<str>);

/// What a model thought before it called a tool, and what it signed the call with.
#[derive(Debug)]
struct Thought {
    before: Vec<Part<'static>>,
    call: Part<'static>,
}

/// The thoughts of all tenants, each reachable with the id of the call that they led to.
#[derive(Clone)]
pub struct Thoughts(moka::sync::Cache<Key, Arc<Thought>>);

impl Default for Thoughts {
    fn default() -> Thoughts {
        let weight = |(_, id): &Key, thought: &Arc<Thought>| {
            let size: usize = thought.before.iter().chain([&thought.call]).map(size).sum();
            u32::try_from(size + id.len() + 128).unwrap_or(u32::MAX)
        };
        let kept = moka::sync::Cache::builder().weigher(weight).max_capacity(MOST_BYTES);
        Thoughts(kept.time_to_live(KEPT_FOR).build())
    }
}

fn size(part: &Part<'_>) -> usize {
    part.main_text().len() + part.signature.as_ref().map_or(0, |signature| signature.value.len())
}

impl Thought {
    /// Whether this is the call that it led to, and not another one whose provider counts its calls
    /// anew in every conversation. Clients may write the arguments in another way.
    fn is_of(&self, call: &ToolCall<'_>) -> bool {
        let Body::Call(known) = &self.call.body else { return false };
        let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
        let blank = |text: &str| matches!(text.trim(), "" | "{}");
        let same = || {
            known.arguments == call.arguments
                || (blank(&known.arguments) && blank(&call.arguments))
                || json(&known.arguments).is_some_and(|it| Some(it) == json(&call.arguments))
        };
        known.name == call.name && same()
    }
}

impl Thoughts {
    /// Keeps what an answer thought before its calls: some providers want it back signed, some as it
    /// was.
    pub fn keep(&self, tenant: &TenantId, answer: &Answer) {
        let Some(choice) = answer.primary() else { return };
        let mut before: Vec<Part<'static>> = Vec::new();
        for part in &choice.parts {
            match &part.body {
                Body::Thinking { .. } => before.push(part.clone()),
                Body::Call(call)
                    if !call.id.is_empty() && (!before.is_empty() || part.signature.is_some()) =>
                {
                    let thought =
                        Thought { before: std::mem::take(&mut before), call: part.clone() };
                    let key = (tenant.clone(), call.id.as_ref().into());
                    self.0.insert(key, Arc::new(thought));
                }
                _ => {}
            }
        }
    }

    /// Puts thoughts back in front of the calls that they led to, where a client did not bring them.
    pub fn restore(&self, tenant: &TenantId, conversation: &mut Conversation<'_>) {
        let answers = conversation.messages.iter_mut();
        for message in answers.filter(|message| message.role == Role::Assistant) {
            let thinks = |part: &Part<'_>| matches!(part.body, Body::Thinking { .. });
            // Unsigned thinking is what clients keep of it; the signed one takes its place.
            let brought = message.parts.iter().any(|part| thinks(part) && part.signature.is_some());
            let mut at = 0;
            while at < message.parts.len() {
                let Body::Call(call) = &message.parts[at].body else {
                    at += 1;
                    continue;
                };
                let thought = self.0.get(&(tenant.clone(), call.id.as_ref().into()));
                let Some(thought) = thought.filter(|thought| thought.is_of(call)) else {
                    at += 1;
                    continue;
                };
                if message.parts[at].signature.is_none() {
                    message.parts[at].signature.clone_from(&thought.call.signature);
                }
                if !brought && !thought.before.is_empty() {
                    let unsigned = |part: &Part<'_>| thinks(part) && part.signature.is_none();
                    let before = message.parts[..at].iter().filter(|part| unsigned(part)).count();
                    message.parts.retain(|part| !unsigned(part));
                    at -= before;
                    // Thoughts come before what was said on the way to the call.
                    let to = message.parts[..at]
                        .iter()
                        .rposition(|part| matches!(part.body, Body::Call(_)))
                        .map_or(0, |call| call + 1);
                    message.parts.splice(to..to, thought.before.iter().cloned());
                    at += thought.before.len();
                }
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;
    use crate::dialect::answer::Choice;
    use crate::dialect::conversation::Message;
    use crate::dialect::part::Signature;

    fn signed(part: Part<'static>, value: &'static str) -> Part<'static> {
        part.signed(Some(Signature { dialect: Dialect::AnthropicMessages, value: value.into() }))
    }

    fn answer() -> Answer {
        let parts = vec![
            signed(Part::thinking("hm"), "s1"),
            Part::text("let me see"),
            Part::call("c1", "f", "{}"),
            signed(Part::call("c2", "f", "{}"), "s2"),
        ];
        Answer { choices: vec![Choice { parts, ..Choice::default() }], ..Answer::default() }
    }

    fn asked_with(parts: Vec<Part<'static>>, tenant: &str) -> Vec<Part<'static>> {
        let thoughts = Thoughts::default();
        thoughts.keep(&TenantId::new("t"), &answer());
        let mut conversation = Conversation::new(Dialect::OpenAiChat);
        conversation.messages.push(Message::new(Role::Assistant, parts));
        thoughts.restore(&TenantId::new(tenant), &mut conversation);
        conversation.messages.remove(0).parts
    }

    #[test]
    fn thoughts_come_back_with_the_calls_id() {
        let plain = || {
            vec![Part::text("let me see"), Part::call("c1", "f", "{}"), Part::call("c2", "f", "{}")]
        };
        assert_eq!(asked_with(plain(), "t"), answer().choices[0].parts);
        let mut unsigned = plain();
        unsigned.insert(0, Part::thinking("hm"));
        assert_eq!(asked_with(unsigned, "t"), answer().choices[0].parts);
        assert_eq!(asked_with(plain(), "another"), plain(), "nobody else's");
        assert_eq!(asked_with(answer().choices[0].parts.clone(), "t"), answer().choices[0].parts);
    }

    #[test]
    fn thoughts_between_calls_come_back_between_them() {
        let parts = vec![
            signed(Part::thinking("first"), "s1"),
            Part::call("c1", "f", "{}"),
            signed(Part::thinking("second"), "s2"),
            signed(Part::thinking("third"), "s3"),
            Part::call("c2", "f", "{}"),
        ];
        let choice = Choice { parts: parts.clone(), ..Choice::default() };
        let answer = Answer { choices: vec![choice], ..Answer::default() };
        let thoughts = Thoughts::default();
        thoughts.keep(&TenantId::new("t"), &answer);
        for with_thinking in [false, true] {
            let mut brought = vec![Part::call("c1", "f", "{}"), Part::call("c2", "f", "{}")];
            if with_thinking {
                brought.insert(0, Part::thinking("first"));
            }
            let mut conversation = Conversation::new(Dialect::OpenAiChat);
            conversation.messages.push(Message::new(Role::Assistant, brought));
            thoughts.restore(&TenantId::new("t"), &mut conversation);
            assert_eq!(conversation.messages[0].parts, parts);
        }
    }

    #[test]
    fn another_call_of_the_same_id_gets_no_thoughts() {
        let other = || vec![Part::call("c1", "f", r#"{"a":1}"#)];
        assert_eq!(asked_with(other(), "t"), other());
        let spaced = asked_with(vec![Part::call("c1", "f", " { } ")], "t");
        assert_eq!(spaced.len(), 2, "the same in other words");
    }
}
