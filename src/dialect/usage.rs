//! What an answer used, in classes that do not overlap.

use super::json::{JsonError, Kind, Scanner};
use super::quirks::Quirks;
use crate::units::Tokens;

/// Token counts by class. The classes are disjoint, so [`Usage::total`] is their sum, and each can
/// be multiplied with its own price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Prompt tokens that no cache touched and that are neither sound nor images.
    pub input: Tokens,
    /// Prompt tokens read from the provider's cache.
    pub cache_read: Tokens,
    /// Prompt tokens written to the provider's cache (for five minutes, where that is said).
    pub cache_write: Tokens,
    /// Prompt tokens written to the provider's cache for an hour.
    pub cache_write_1h: Tokens,
    /// Answer tokens that are neither thinking nor sound nor images.
    pub output: Tokens,
    /// Thinking tokens.
    pub reasoning: Tokens,
    /// Sound in the prompt.
    pub audio_in: Tokens,
    /// Sound in the answer.
    pub audio_out: Tokens,
    /// Images in the prompt, where they are counted apart.
    pub image_in: Tokens,
    /// Images in the answer, where they are counted apart.
    pub image_out: Tokens,
}

/// How we know a [`Usage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageSource {
    /// The provider said so.
    Reported,
    /// We counted.
    Estimated,
    /// The provider said something before the answer broke off; the rest is unknown.
    Partial,
    /// Nobody knows.
    #[default]
    None,
}

impl Usage {
    /// All prompt tokens.
    pub fn prompt(&self) -> Tokens {
        let cached = self.cache_read + self.cache_write + self.cache_write_1h;
        self.input + cached + self.audio_in + self.image_in
    }

    /// All answer tokens, thinking included.
    pub fn completion(&self) -> Tokens {
        self.output + self.reasoning + self.audio_out + self.image_out
    }

    /// All tokens.
    pub fn total(&self) -> Tokens {
        self.prompt() + self.completion()
    }

    /// Reads an OpenAI-like usage object; nothing when it is no object or has no counts.
    ///
    /// Providers overlap their counts in different ways. What the figures themselves show is
    /// decided by them (which sum makes the total); only the rest needs a quirk:
    /// - thinking is inside the completion (OpenAI), unless the total says otherwise (xAI), or
    ///   there is more of it than of completion (Gemini behind some gateways, where the reported
    ///   cost shows that both are charged);
    /// - cached tokens are inside the prompt, unless there are more of them (Grok on Azure);
    /// - sound is inside the prompt, unless the total says otherwise (Mistral);
    /// - what only the total counts is thinking where [`Quirks::hidden_reasoning`] says so.
    ///
    /// # Errors
    /// Broken JSON.
    pub fn read(scanner: &mut Scanner<'_>, quirks: &Quirks) -> Result<Option<Usage>, JsonError> {
        Ok(Reported::read(scanner)?.map(|reported| reported.disjoint(quirks)))
    }
}

/// The counts as they were reported.
#[derive(Debug, Default)]
struct Reported {
    prompt: Option<u64>,
    completion: Option<u64>,
    total: Option<u64>,
    cache_read: u64,
    cache_write: u64,
    cache_write_1h: u64,
    reasoning: u64,
    audio_in: u64,
    audio_out: u64,
    image_in: u64,
    image_out: u64,
}

impl Reported {
    fn read(scanner: &mut Scanner<'_>) -> Result<Option<Reported>, JsonError> {
        if scanner.kind()? != Kind::Object {
            return Ok(None);
        }
        let mut it = Reported::default();
        scanner.object(|scanner, key| {
            match &*key.cow() {
                "prompt_tokens" => it.prompt = scanner.count()?,
                "completion_tokens" => it.completion = scanner.count()?,
                // Responses' names; beside the others they say the same.
                "input_tokens" => it.prompt = it.prompt.or(scanner.count()?),
                "output_tokens" => it.completion = it.completion.or(scanner.count()?),
                "total_tokens" => it.total = scanner.count()?,
                // The same count may stand under several names; they agree or one is 0.
                "cached_tokens"
                | "num_cached_tokens"
                | "prompt_cache_hit_tokens"
                | "cache_read_input_tokens" => raise(&mut it.cache_read, scanner.count()?),
                "cache_creation_input_tokens" => raise(&mut it.cache_write, scanner.count()?),
                "reasoning_tokens" => raise(&mut it.reasoning, scanner.count()?),
                "cache_creation" if scanner.kind()? == Kind::Object => {
                    it.read_cache_creation(scanner)?;
                }
                // Writer spells them without the `s`.
                "prompt_tokens_details" | "prompt_token_details" | "input_tokens_details"
                    if scanner.kind()? == Kind::Object =>
                {
                    it.read_prompt_details(scanner)?;
                }
                "completion_tokens_details"
                | "completion_token_details"
                | "output_tokens_details"
                    if scanner.kind()? == Kind::Object =>
                {
                    it.read_completion_details(scanner)?;
                }
                _ => {}
            }
            Ok::<(), JsonError>(())
        })?;
        let known = it.prompt.is_some() || it.completion.is_some() || it.total.is_some();
        Ok(known.then_some(it))
    }

    fn read_cache_creation(&mut self, scanner: &mut Scanner<'_>) -> Result<(), JsonError> {
        scanner.object(|scanner, key| {
            if key.raw == "ephemeral_1h_input_tokens" {
                raise(&mut self.cache_write_1h, scanner.count()?);
            }
            Ok(())
        })
    }

    fn read_prompt_details(&mut self, scanner: &mut Scanner<'_>) -> Result<(), JsonError> {
        scanner.object(|scanner, key| {
            match key.raw {
                "cached_tokens" => raise(&mut self.cache_read, scanner.count()?),
                "cache_write_tokens" | "cache_creation_tokens" => {
                    raise(&mut self.cache_write, scanner.count()?);
                }
                "audio_tokens" => raise(&mut self.audio_in, scanner.count()?),
                "image_tokens" => raise(&mut self.image_in, scanner.count()?),
                _ => {}
            }
            Ok(())
        })
    }

    fn read_completion_details(&mut self, scanner: &mut Scanner<'_>) -> Result<(), JsonError> {
        scanner.object(|scanner, key| {
            match key.raw {
                "reasoning_tokens" => raise(&mut self.reasoning, scanner.count()?),
                "audio_tokens" => raise(&mut self.audio_out, scanner.count()?),
                "image_tokens" => raise(&mut self.image_out, scanner.count()?),
                _ => {}
            }
            Ok(())
        })
    }

    fn disjoint(self, quirks: &Quirks) -> Usage {
        let total = self.total.unwrap_or(0);
        // Where only one side and the total are there, the other side is the rest.
        let prompt =
            self.prompt.unwrap_or_else(|| total.saturating_sub(self.completion.unwrap_or(0)));
        let completion = self.completion.unwrap_or_else(|| total.saturating_sub(prompt));

        let sum = prompt.saturating_add(completion);
        let surplus = total.saturating_sub(sum);
        let reasoning_outside = self.reasoning > completion
            || (surplus > 0
                && (surplus == self.reasoning || surplus == self.reasoning + self.audio_in));
        let audio_outside = self.audio_in > 0
            && surplus > 0
            && (surplus == self.audio_in || surplus == self.reasoning + self.audio_in);
        let explained = reasoning_outside || audio_outside;
        let hidden = if quirks.hidden_reasoning && !explained { surplus } else { 0 };

        // Take each part out of the whole it lies in; never more than is left of it.
        let mut input = prompt;
        let mut part = |count: u64, inside: bool| {
            let taken = if inside { count.min(input) } else { count };
            input -= if inside { taken } else { 0 };
            Tokens(taken)
        };
        let cache_read = part(self.cache_read, self.cache_read <= prompt);
        let cache_write_1h = part(self.cache_write_1h, true);
        let cache_write = part(self.cache_write.saturating_sub(self.cache_write_1h), true);
        let audio_in = part(self.audio_in, !audio_outside);
        let image_in = part(self.image_in, true);

        let mut output = completion;
        let mut part = |count: u64, inside: bool| {
            let taken = if inside { count.min(output) } else { count };
            output -= if inside { taken } else { 0 };
            Tokens(taken)
        };
        let reasoning = part(self.reasoning, !reasoning_outside) + Tokens(hidden);
        let audio_out = part(self.audio_out, true);
        let image_out = part(self.image_out, true);
        Usage {
            input: Tokens(input),
            cache_read,
            cache_write,
            cache_write_1h,
            output: Tokens(output),
            reasoning,
            audio_in,
            audio_out,
            image_in,
            image_out,
        }
    }
}

fn raise(to: &mut u64, count: Option<u64>) {
    *to = (*to).max(count.unwrap_or(0));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(json: &str) -> Usage {
        read_with(json, &Quirks::NONE)
    }

    fn read_with(json: &str, quirks: &Quirks) -> Usage {
        Usage::read(&mut Scanner::new(json), quirks).unwrap().unwrap()
    }

    fn usage(parts: [u64; 8]) -> Usage {
        let [
            input,
            cache_read,
            cache_write,
            cache_write_1h,
            output,
            reasoning,
            audio_in,
            audio_out,
        ] = parts.map(Tokens);
        Usage {
            input,
            cache_read,
            cache_write,
            cache_write_1h,
            output,
            reasoning,
            audio_in,
            audio_out,
            ..Usage::default()
        }
    }

    // The figures of these tests are recorded ones.

    #[test]
    fn openai_counts_parts_inside() {
        let it = read(
            r#"{"completion_tokens":339,"completion_tokens_details":{"audio_tokens":0,"reasoning_tokens":256},
                "prompt_tokens":176,"prompt_tokens_details":{"audio_tokens":0,"cached_tokens":128},"total_tokens":515}"#,
        );
        assert_eq!(it, usage([48, 128, 0, 0, 83, 256, 0, 0]));
        assert_eq!(it.total(), Tokens(515));
        let it = read(
            r#"{"completion_tokens":4,"prompt_tokens":4020,"prompt_tokens_details":{"cache_write_tokens":4012,
                "cached_tokens":0},"total_tokens":4024}"#,
        );
        assert_eq!(it, usage([8, 0, 4012, 0, 4, 0, 0, 0]));
    }

    #[test]
    fn deepseek_says_hit_and_miss() {
        let it = read(
            r#"{"completion_tokens":32,"prompt_cache_hit_tokens":256,"prompt_cache_miss_tokens":116,
                "prompt_tokens":372,"total_tokens":404}"#,
        );
        assert_eq!(it, usage([116, 256, 0, 0, 32, 0, 0, 0]));
    }

    #[test]
    fn xai_counts_thinking_outside_the_completion() {
        let it = read(
            r#"{"prompt_tokens":257,"completion_tokens":15,"total_tokens":499,
                "prompt_tokens_details":{"text_tokens":257,"cached_tokens":160},
                "completion_tokens_details":{"reasoning_tokens":227}}"#,
        );
        assert_eq!(it, usage([97, 160, 0, 0, 15, 227, 0, 0]));
        assert_eq!(it.total(), Tokens(499));
    }

    #[test]
    fn more_thinking_than_completion_is_charged_besides() {
        // The recorded cost of this one is 61 × $0.30/Mtok + (10 + 96) × $2.50/Mtok.
        let it = read(
            r#"{"prompt_tokens":61,"completion_tokens":10,"total_tokens":71,
                "completion_tokens_details":{"reasoning_tokens":96}}"#,
        );
        assert_eq!((it.output, it.reasoning), (Tokens(10), Tokens(96)));
    }

    #[test]
    fn more_cached_than_prompt_lies_outside() {
        let it = read(
            r#"{"prompt_tokens":7,"completion_tokens":8,"total_tokens":15,
                "prompt_tokens_details":{"text_tokens":7,"cached_tokens":161}}"#,
        );
        assert_eq!(it, usage([7, 161, 0, 0, 8, 0, 0, 0]));
    }

    #[test]
    fn mistral_counts_sound_outside_the_prompt_and_openai_inside() {
        let it = read(
            r#"{"prompt_audio_seconds":4,"prompt_tokens":9,"total_tokens":585,"completion_tokens":201,
                "prompt_tokens_details":{"cached_tokens":0,"audio_tokens":375}}"#,
        );
        assert_eq!(it, usage([9, 0, 0, 0, 201, 0, 375, 0]));
        let it = read(
            r#"{"prompt_tokens":59,"completion_tokens":123,"total_tokens":182,
                "prompt_tokens_details":{"audio_tokens":43,"text_tokens":16}}"#,
        );
        assert_eq!(it, usage([16, 0, 0, 0, 123, 0, 43, 0]));
    }

    #[test]
    fn images_are_counted_apart_where_they_are() {
        // Grok on Azure: what was cached lies outside, what was seen inside.
        let it = read(
            r#"{"prompt_tokens":504,"completion_tokens":91,"total_tokens":595,
                "prompt_tokens_details":{"cached_tokens":560,"text_tokens":248,"image_tokens":256}}"#,
        );
        assert_eq!((it.input, it.image_in), (Tokens(248), Tokens(256)));
        assert_eq!(it.prompt(), Tokens(504 + 560));
        let it = read(
            r#"{"prompt_tokens":9,"completion_tokens":1300,"total_tokens":1309,
                "completion_tokens_details":{"image_tokens":1290}}"#,
        );
        assert_eq!((it.output, it.image_out), (Tokens(10), Tokens(1290)));
    }

    #[test]
    fn gemini_hides_thinking_in_the_total() {
        let json = r#"{"completion_tokens":6,"prompt_tokens":66,"total_tokens":100}"#;
        let quirks = Quirks { hidden_reasoning: true, ..Quirks::NONE };
        assert_eq!(read_with(json, &quirks), usage([66, 0, 0, 0, 6, 28, 0, 0]));
        assert_eq!(read(json), usage([66, 0, 0, 0, 6, 0, 0, 0]));
    }

    #[test]
    fn nulls_and_foreign_shapes_are_no_usage() {
        for json in ["null", "{}", "[]", "3", r#"{"prompt_tokens":null}"#] {
            assert_eq!(
                Usage::read(&mut Scanner::new(json), &Quirks::NONE).unwrap(),
                None,
                "{json}"
            );
        }
    }

    proptest! {
        #[test]
        fn parts_never_lose_what_was_reported(
            prompt in 0u64..1000, completion in 0u64..1000, extra in 0u64..500,
            cached in 0u64..1500, written in 0u64..1500, thought in 0u64..1500, heard in 0u64..500,
        ) {
            let it = read(&format!(
                r#"{{"prompt_tokens":{prompt},"completion_tokens":{completion},"total_tokens":{},
                   "prompt_tokens_details":{{"cached_tokens":{cached},"cache_write_tokens":{written},"audio_tokens":{heard}}},
                   "completion_tokens_details":{{"reasoning_tokens":{thought}}}}}"#,
                prompt + completion + extra,
            ));
            prop_assert!(it.prompt() >= Tokens(prompt));
            prop_assert!(it.completion() >= Tokens(completion));
            prop_assert!(it.total() <= Tokens(prompt + completion + cached + thought + heard));
        }
    }
}
