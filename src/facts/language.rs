//! Which language a text is in: by its script, and among the Latin ones by their commonest words.

/// The commonest words that few other languages share.
const STOP_WORDS: [(&str, &[&str]); 7] = [
    (
        "en",
        &[
            "the", "and", "is", "of", "to", "what", "how", "with", "for", "you", "this", "that",
            "are", "please",
        ],
    ),
    (
        "de",
        &[
            "der", "die", "das", "und", "ist", "nicht", "ein", "eine", "mit", "wie", "ich", "für",
            "bitte", "was",
        ],
    ),
    (
        "fr",
        &[
            "le", "la", "les", "et", "est", "une", "des", "pour", "que", "dans", "vous", "avec",
            "je", "comment",
        ],
    ),
    (
        "es",
        &[
            "el", "los", "las", "y", "es", "una", "por", "para", "con", "cómo", "qué", "como",
            "del", "está",
        ],
    ),
    (
        "it",
        &[
            "il", "gli", "e", "è", "una", "per", "che", "non", "con", "come", "della", "sono",
            "di", "questo",
        ],
    ),
    (
        "pt",
        &[
            "o", "os", "as", "e", "é", "uma", "para", "não", "com", "como", "você", "do", "da",
            "isso",
        ],
    ),
    (
        "nl",
        &[
            "de", "het", "een", "en", "is", "niet", "van", "voor", "met", "hoe", "wat", "ik",
            "dat", "zijn",
        ],
    ),
];

/// What [`detect`] can say.
pub(super) const KNOWN: &[&str] = &[
    "en", "de", "fr", "es", "it", "pt", "nl", "ru", "el", "he", "ar", "hi", "th", "ko", "ka", "ja",
    "zh",
];

/// How much of the text is looked at, in characters.
const WINDOW: usize = 2_000;

/// The ISO 639-1 code, where it is clear enough.
pub(super) fn detect(text: &str) -> Option<&'static str> {
    by_script(text).or_else(|| by_words(text))
}

fn by_script(text: &str) -> Option<&'static str> {
    let (mut letters, mut kana, mut han) = (0usize, 0usize, 0usize);
    let mut others: [(&'static str, usize); 8] =
        [("ru", 0), ("el", 0), ("he", 0), ("ar", 0), ("hi", 0), ("th", 0), ("ko", 0), ("ka", 0)];
    for c in text.chars().take(WINDOW).filter(|c| c.is_alphabetic()) {
        letters += 1;
        let script = match c as u32 {
            0x0400..=0x04ff => 0,
            0x0370..=0x03ff => 1,
            0x0590..=0x05ff => 2,
            0x0600..=0x06ff => 3,
            0x0900..=0x097f => 4,
            0x0e00..=0x0e7f => 5,
            0xac00..=0xd7af | 0x1100..=0x11ff => 6,
            0x10a0..=0x10ff => 7,
            0x3040..=0x30ff => {
                kana += 1;
                continue;
            }
            0x4e00..=0x9fff | 0x3400..=0x4dbf => {
                han += 1;
                continue;
            }
            _ => continue,
        };
        others[script].1 += 1;
    }
    if letters == 0 {
        return None;
    }
    // Japanese mixes kana into Chinese characters; Chinese never does.
    if (kana + han) * 3 > letters {
        return Some(if kana * 5 > kana + han { "ja" } else { "zh" });
    }
    others.into_iter().find(|(_, found)| found * 2 > letters).map(|(code, _)| code)
}

fn by_words(text: &str) -> Option<&'static str> {
    let mut hits = [0usize; STOP_WORDS.len()];
    let mut words = 0usize;
    let window = &text[..text.floor_char_boundary(WINDOW)];
    for word in window.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()) {
        words += 1;
        let word = word.to_lowercase();
        for (language, (_, stop_words)) in STOP_WORDS.iter().enumerate() {
            hits[language] += usize::from(stop_words.contains(&word.as_str()));
        }
    }
    let (best, most) = hits.iter().enumerate().max_by_key(|(_, hits)| **hits)?;
    let second =
        hits.iter().enumerate().filter(|(i, _)| *i != best).map(|(_, hits)| *hits).max()?;
    (*most >= 2 && *most * 12 >= words && *most > second).then_some(STOP_WORDS[best].0)
}

#[cfg(test)]
mod tests {
    use super::detect;

    #[test]
    fn languages() {
        for (expected, text) in [
            (Some("en"), "What is the capital of France, and how do you get to it?"),
            (Some("de"), "Was ist die Hauptstadt von Frankreich und wie komme ich dahin?"),
            (
                Some("fr"),
                "Quelle est la capitale de la France et comment y aller pour les vacances?",
            ),
            (Some("es"), "¿Cuál es la capital de Francia y cómo se llega por los trenes?"),
            (Some("zh"), "法国的首都是哪里？"),
            (Some("ja"), "フランスの首都はどこですか？"),
            (Some("ru"), "Какая столица Франции?"),
            (Some("ko"), "프랑스의 수도는 어디입니까?"),
            (Some("ar"), "ما هي عاصمة فرنسا؟"),
            (None, "x = 1"),
            (None, ""),
        ] {
            assert_eq!(detect(text), expected, "{text}");
            assert!(expected.is_none_or(|language| super::KNOWN.contains(&language)));
        }
    }
}
