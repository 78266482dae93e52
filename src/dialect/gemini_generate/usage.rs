//! Google's way of counting: what the cache held lies inside the prompt, what tools brought and what
//! was thought lie outside of prompt and answer.

use super::names::{MODALITIES, camel, count, each, word};
use crate::dialect::json::{JsonError, Kind, Scanner};
use crate::dialect::usage::Usage;
use crate::dialect::write::JsonOut;
use crate::units::Tokens;

/// What `usageMetadata` says.
#[derive(Debug, Default)]
pub(super) struct Reported<'a> {
    known: bool,
    prompt: u64,
    cached: u64,
    tools: u64,
    answer: u64,
    thoughts: u64,
    fresh: Kinds,
    cached_kinds: Kinds,
    written: Kinds,
    pub(super) tier: Option<std::borrow::Cow<'a, str>>,
}

impl<'a> Reported<'a> {
    pub(super) fn read(scanner: &mut Scanner<'a>) -> Result<Reported<'a>, JsonError> {
        let mut it = Reported::default();
        scanner.object(|scanner, key| {
            let name = key.cow();
            let to = match &*camel(&name) {
                "promptTokenCount" => &mut it.prompt,
                "cachedContentTokenCount" => &mut it.cached,
                "toolUsePromptTokenCount" => &mut it.tools,
                "candidatesTokenCount" => &mut it.answer,
                "thoughtsTokenCount" => &mut it.thoughts,
                "promptTokensDetails" | "toolUsePromptTokensDetails" => {
                    it.fresh.read(scanner)?;
                    return Ok(());
                }
                "cacheTokensDetails" => {
                    it.cached_kinds = Kinds::default();
                    it.cached_kinds.read(scanner)?;
                    return Ok(());
                }
                "candidatesTokensDetails" => {
                    it.written = Kinds::default();
                    it.written.read(scanner)?;
                    return Ok(());
                }
                "serviceTier" => {
                    it.tier = scanner.text()?;
                    return Ok(());
                }
                _ => return Ok(()),
            };
            if let Some(tokens) = count(scanner)? {
                (*to, it.known) = (tokens, true);
            }
            Ok::<(), JsonError>(())
        })?;
        Ok(it)
    }

    /// The counts in classes that do not overlap; nothing where there are none.
    pub(super) fn disjoint(&self) -> Option<Usage> {
        let cached = self.cached.min(self.prompt);
        let fresh = self.prompt.saturating_add(self.tools) - cached;
        let audio_in = self.fresh.audio.saturating_sub(self.cached_kinds.audio).min(fresh);
        let image_in = self.fresh.image.saturating_sub(self.cached_kinds.image);
        let image_in = image_in.min(fresh - audio_in);
        let audio_out = self.written.audio.min(self.answer);
        let image_out = self.written.image.min(self.answer - audio_out);
        self.known.then(|| Usage {
            input: Tokens(fresh - audio_in - image_in),
            cache_read: Tokens(cached),
            output: Tokens(self.answer - audio_out - image_out),
            reasoning: Tokens(self.thoughts),
            audio_in: Tokens(audio_in),
            audio_out: Tokens(audio_out),
            image_in: Tokens(image_in),
            image_out: Tokens(image_out),
            ..Usage::default()
        })
    }
}

/// How many tokens of a list by kinds are sound, and how many images.
#[derive(Debug, Default)]
struct Kinds {
    audio: u64,
    image: u64,
}

impl Kinds {
    /// Adds a list: the prompt's own, and that of what tools brought into it.
    fn read(&mut self, scanner: &mut Scanner<'_>) -> Result<(), JsonError> {
        each(scanner, |scanner, _| {
            let (mut kind, mut tokens) = (None, 0);
            if scanner.kind()? == Kind::Object {
                scanner.object(|scanner, key| {
                    match &*camel(&key.cow()) {
                        "modality" => kind = word(scanner, MODALITIES)?,
                        "tokenCount" => tokens = count(scanner)?.unwrap_or(0),
                        _ => {}
                    }
                    Ok::<(), JsonError>(())
                })?;
            }
            let to = match kind.as_deref() {
                Some("AUDIO") => &mut self.audio,
                Some("IMAGE") => &mut self.image,
                _ => return Ok(()),
            };
            *to = to.saturating_add(tokens);
            Ok::<(), JsonError>(())
        })
    }
}

/// Usage as Google counts it.
pub(super) fn write(w: &mut JsonOut<'_>, usage: &Usage, tier: Option<&str>) {
    let prompt = usage.prompt().0;
    w.field_int("promptTokenCount", prompt);
    if usage.cache_read.0 > 0 {
        w.field_int("cachedContentTokenCount", usage.cache_read.0);
    }
    w.field_int("candidatesTokenCount", (usage.output + usage.audio_out + usage.image_out).0);
    if usage.reasoning.0 > 0 {
        w.field_int("thoughtsTokenCount", usage.reasoning.0);
    }
    w.field_int("totalTokenCount", usage.total().0);
    details(w, "promptTokensDetails", prompt - usage.audio_in.0, usage.audio_in.0);
    if usage.audio_out.0 > 0 {
        details(w, "candidatesTokensDetails", usage.output.0, usage.audio_out.0);
    }
    w.maybe_str("serviceTier", tier);
}

fn details(w: &mut JsonOut<'_>, name: &str, text: u64, audio: u64) {
    w.field_array(name, |w| {
        for (modality, tokens) in [("TEXT", text), ("AUDIO", audio)] {
            if tokens > 0 {
                w.object(|w| {
                    w.field_str("modality", modality);
                    w.field_int("tokenCount", tokens);
                });
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::write::object;

    fn read(json: &str) -> Option<Usage> {
        Reported::read(&mut Scanner::new(json)).unwrap().disjoint()
    }

    #[test]
    fn classes_are_disjoint_and_come_back() {
        let usage = read(
            r#"{"promptTokenCount":100,"cachedContentTokenCount":40,"toolUsePromptTokenCount":7,
                "candidatesTokenCount":20,"thoughtsTokenCount":5,"totalTokenCount":132,
                "promptTokensDetails":[{"modality":"TEXT","tokenCount":70},{"modality":4,"tokenCount":30}],
                "cacheTokensDetails":[{"modality":"AUDIO","tokenCount":10}],
                "candidatesTokensDetails":[{"modality":"AUDIO","tokenCount":8}]}"#,
        )
        .unwrap();
        let classes = [usage.input, usage.cache_read, usage.audio_in, usage.output];
        assert_eq!(classes, [47, 40, 20, 12].map(Tokens));
        assert_eq!((usage.reasoning, usage.audio_out), (Tokens(5), Tokens(8)));
        assert_eq!(usage.total(), Tokens(132));
        let written = object(64, |w| write(w, &usage, None));
        assert_eq!(read(std::str::from_utf8(&written).unwrap()), Some(usage));
    }

    #[test]
    fn where_nothing_is_counted_there_is_no_usage() {
        assert_eq!(read(r#"{"trafficType":"ON_DEMAND"}"#), None);
        assert_eq!(read(r#"{"promptTokenCount":3}"#).unwrap().input, Tokens(3));
    }
}
