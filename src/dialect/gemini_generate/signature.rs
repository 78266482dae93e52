//! Signatures of thoughts. Google's are bytes in base64, and typed clients decode them: so what
//! another dialect signed is wrapped in base64 too.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::dialect::Dialect;
use crate::dialect::part::{Signature, Text};

/// What Google documents for calls that have no signature of its own, in base64 as its SDKs send it.
/// <https://ai.google.dev/gemini-api/docs/thought-signatures>
pub(super) const PLACEHOLDER: &str = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=";

/// How the base64 of every wrapped signature begins: `pointsman`.
const WRAPPED: &str = "cG9pbnRzbWFu";

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A signature as it stands in a message.
pub(super) fn read(value: Text<'_>) -> Signature<'_> {
    if value.starts_with(WRAPPED)
        // Clients may write it in the alphabet for URLs.
        && let Ok(bytes) = BASE64.decode(value.replace('-', "+").replace('_', "/"))
        && let Ok(text) = String::from_utf8(bytes)
    {
        let signature = Signature::read(Dialect::GeminiGenerate, Cow::Owned(text));
        if signature.dialect != Dialect::GeminiGenerate {
            return signature;
        }
    }
    Signature { dialect: Dialect::GeminiGenerate, value }
}

/// A signature as it is written for a client.
pub(super) fn written<'s>(signature: &'s Signature<'_>) -> Text<'s> {
    match signature.dialect {
        Dialect::GeminiGenerate => Cow::Borrowed(&signature.value),
        _ => Cow::Owned(BASE64.encode(&*signature.written(Dialect::GeminiGenerate))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_signatures_are_base64_and_come_back() {
        let signed =
            |dialect, value: &str| Signature { dialect, value: Cow::Owned(value.to_owned()) };
        for value in ["", "x", "ÿÿ>?~", "EqQB+/=="] {
            let foreign = signed(Dialect::AnthropicMessages, value);
            let wire = written(&foreign).into_owned();
            assert!(wire.starts_with(WRAPPED));
            assert_eq!(read(wire.clone().into()), foreign);
            let for_urls = wire.replace('+', "-").replace('/', "_");
            assert_eq!(read(for_urls.trim_end_matches('=').to_owned().into()), foreign);
        }
        let own = signed(Dialect::GeminiGenerate, "CmIB/+8=");
        assert_eq!(written(&own), "CmIB/+8=");
        assert_eq!(read("CmIB/+8=".into()), own);
        assert_eq!(read("cG9pbnRzbWFu!".into()).value, "cG9pbnRzbWFu!");
    }

    #[test]
    fn the_placeholder_is_what_google_documents() {
        assert_eq!(BASE64.decode(PLACEHOLDER).unwrap(), b"skip_thought_signature_validator");
    }
}
