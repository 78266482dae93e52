//! Requests of dialects that no client speaks: each recorded one is put into words of `openai.chat`
//! by hand, and what is sent then says the same as what was recorded.

use bytes::Bytes;
use pointsman::dialect::{Dialect, Edits, Passage, Quirks, Request, openai_chat};
use serde_json::{Map, Value, json};

use crate::corpus::Exchange;

/// What a provider is sent for a request of `openai.chat`.
pub fn sent(provider: Dialect, chat: &Value) -> Value {
    let request = openai_chat::Request::read(Bytes::from(chat.to_string())).unwrap();
    let passage = Passage::of(Dialect::OpenAiChat, &[provider]).unwrap();
    let request = Request::from(request);
    let encoded = passage.encode(&request, &Edits::default(), &Quirks::NONE, |_| {}).unwrap();
    serde_json::from_slice(&encoded.body).unwrap()
}

/// Checks one exchange; `chat` gives nothing for what `openai.chat` has no words for. Says whether
/// it was compared.
pub fn check(
    exchange: &Exchange,
    provider: Dialect,
    chat: impl Fn(&Exchange, &Value) -> Option<Value>,
    plain: impl Fn(Value) -> Value,
) -> bool {
    let Some(recorded) = &exchange.request else { return false };
    let Some(chat) = chat(exchange, recorded) else { return false };
    let sent = plain(sent(provider, &chat));
    assert_eq!(sent, plain(recorded.clone()), "{} as {chat:#}", exchange.id);
    true
}

/// Takes out of every object what says nothing: nulls, and empty lists and objects.
pub fn without_empties(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(without_empties).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, without_empties(value)))
            .filter(|(_, value)| !matches!(value, Value::Null) && *value != json!([]))
            .collect::<Map<_, _>>()
            .into(),
        Value::Number(number) => json!(number.as_f64()),
        other => other,
    }
}

/// Takes the nulls out of an object that looking for fields may have left there.
pub fn prune(value: &mut Value) {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
}
