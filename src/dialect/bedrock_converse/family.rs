//! What the models behind Bedrock take, as far as their names show it: the one body for all of them
//! has places that only some of them allow to be filled.

/// A family of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Anthropic's Claude of this version; 3.0 where its name does not say.
    Claude {
        /// Such as 4 of 4.6.
        major: u32,
        /// Such as 6 of 4.6.
        minor: u32,
    },
    /// Amazon's Nova of the second generation, which thinks, or of the first.
    Nova {
        /// It can think.
        thinks: bool,
    },
    /// OpenAI's open models.
    GptOss,
    /// Any other, or one behind a name of the account's own.
    Other,
}

/// Parts of the names of other models that follow a schema to the letter
/// (<https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html>).
const STRUCTURED: [&str; 13] = [
    "openai.gpt-oss",
    "qwen.qwen3",
    "deepseek.v3",
    "google.gemma-3",
    "minimax.",
    "moonshot",
    "nvidia.nemotron",
    "zai.glm",
    "magistral",
    "ministral",
    "voxtral",
    "mistral-large-3",
    "devstral",
];

impl Family {
    /// The family that a model's id or ARN speaks of.
    pub(super) fn of(model: &str) -> Family {
        if let Some((_, name)) = model.split_once("claude-") {
            let (major, minor) = version(name);
            Family::Claude { major, minor }
        } else if model.contains("anthropic") {
            Family::Claude { major: 3, minor: 0 }
        } else if model.contains("amazon.nova") {
            Family::Nova { thinks: model.contains("nova-2") }
        } else if model.contains("gpt-oss") {
            Family::GptOss
        } else {
            Family::Other
        }
    }

    pub(super) fn is_claude(self) -> bool {
        matches!(self, Family::Claude { .. })
    }

    /// Whether it is a Claude of this version or later.
    pub(super) fn is_claude_since(self, since: (u32, u32)) -> bool {
        matches!(self, Family::Claude { major, minor } if (major, minor) >= since)
    }

    /// Whether it takes marks of what is to be cached.
    pub(super) fn caches(self) -> bool {
        matches!(self, Family::Claude { .. } | Family::Nova { .. })
    }

    /// Whether answers, and arguments of strict tools, follow a schema to the letter.
    pub(super) fn is_structured(self, model: &str) -> bool {
        self.is_claude_since((4, 5)) || STRUCTURED.iter().any(|name| model.contains(name))
    }

    /// Whether results of tools may say that they failed.
    pub(super) fn takes_status(self) -> bool {
        self.caches()
    }
}

/// The version in what follows `claude-`: `3-7-sonnet-20250219`, `sonnet-4-5-20250929`, `v2`,
/// `sonnet-5`. Longer numbers are dates.
fn version(name: &str) -> (u32, u32) {
    let mut numbers = name
        .split(|char: char| !char.is_ascii_alphanumeric())
        .map(|word| word.parse::<u32>().ok().filter(|_| word.len() <= 2))
        .skip_while(Option::is_none)
        .map_while(|number| number);
    // Those before the third are called `v2` and `instant`.
    (numbers.next().unwrap_or(2), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_show_the_family() {
        for (model, version) in [
            ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", (3, 7)),
            ("anthropic.claude-3-sonnet-20240229-v1:0", (3, 0)),
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", (4, 5)),
            ("us.anthropic.claude-sonnet-4-20250514-v1:0", (4, 0)),
            ("us.anthropic.claude-sonnet-4-6", (4, 6)),
            ("us.anthropic.claude-sonnet-5", (5, 0)),
            (
                "arn:aws:bedrock:us-east-1:0:inference-profile/us.anthropic.claude-3-7-sonnet-20250219-v1:0",
                (3, 7),
            ),
            ("anthropic.claude-v2", (2, 0)),
        ] {
            let (major, minor) = version;
            assert_eq!(Family::of(model), Family::Claude { major, minor }, "{model}");
        }
        assert_eq!(Family::of("us.amazon.nova-2-lite-v1:0"), Family::Nova { thinks: true });
        assert_eq!(Family::of("amazon.nova-lite-v1:0"), Family::Nova { thinks: false });
        assert_eq!(Family::of("openai.gpt-oss-120b-1:0"), Family::GptOss);
        assert_eq!(Family::of("meta.llama3-2-1b-instruct-v1:0"), Family::Other);
        assert!(Family::Other.is_structured("mistral.mistral-large-3-675b-instruct"));
        assert!(!Family::Other.is_structured("us.mistral.pixtral-large-2502-v1:0"));
    }
}
