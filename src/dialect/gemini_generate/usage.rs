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
    audio_in: u64,
    audio_cached: u64,
    audio_out: u64,
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
                    it.audio_in = it.audio_in.saturating_add(audio(scanner)?);
                    return Ok(());
                }
                "cacheTokensDetails" => {
                    it.audio_cached = audio(scanner)?;
                    return Ok(());
                }
                "candidatesTokensDetails" => {
                    it.audio_out = audio(scanner)?;
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
        let audio_in = self.audio_in.saturating_sub(self.audio_cached).min(fresh);
        let audio_out = self.audio_out.min(self.answer);
        self.known.then(|| Usage {
            input: Tokens(fresh - audio_in),
            cache_read: Tokens(cached),
            output: Tokens(self.answer - audio_out),
            reasoning: Tokens(self.thoughts),
            audio_in: Tokens(audio_in),
            audio_out: Tokens(audio_out),
            ..Usage::default()
        })
    }
}

/// How many tokens of a list by kinds are sound.
fn audio(scanner: &mut Scanner<'_>) -> Result<u64, JsonError> {
    let mut sum = 0u64;
    each(scanner, |scanner, _| {
        let (mut is_audio, mut tokens) = (false, 0);
        if scanner.kind()? == Kind::Object {
            scanner.object(|scanner, key| {
                match &*camel(&key.cow()) {
                    "modality" => {
                        is_audio = word(scanner, MODALITIES)?.as_deref() == Some("AUDIO");
                    }
                    "tokenCount" => tokens = count(scanner)?.unwrap_or(0),
                    _ => {}
                }
                Ok::<(), JsonError>(())
            })?;
        }
        sum = sum.saturating_add(if is_audio { tokens } else { 0 });
        Ok::<(), JsonError>(())
    })?;
    Ok(sum)
}

/// Usage as Google counts it.
pub(super) fn write(w: &mut JsonOut<'_>, usage: &Usage, tier: Option<&str>) {
    let prompt = usage.prompt().0;
    w.field_int("promptTokenCount", prompt);
    if usage.cache_read.0 > 0 {
        w.field_int("cachedContentTokenCount", usage.cache_read.0);
    }
    w.field_int("candidatesTokenCount", (usage.output + usage.audio_out).0);
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
