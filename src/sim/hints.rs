//! What a prompt mentions: names, places, numbers, addresses. JSON answers and tool arguments are
//! filled from these, so that they look as if the prompt had been understood.

/// Places the sim has heard of, with the country each is the capital or a city of.
pub(super) const PLACES: &[(&str, &str)] = &[
    ("Amsterdam", "Netherlands"),
    ("Athens", "Greece"),
    ("Auckland", "New Zealand"),
    ("Bangkok", "Thailand"),
    ("Barcelona", "Spain"),
    ("Beijing", "China"),
    ("Berlin", "Germany"),
    ("Boston", "United States"),
    ("Brussels", "Belgium"),
    ("Budapest", "Hungary"),
    ("Cairo", "Egypt"),
    ("Chicago", "United States"),
    ("Copenhagen", "Denmark"),
    ("Delhi", "India"),
    ("Dublin", "Ireland"),
    ("Geneva", "Switzerland"),
    ("Hamburg", "Germany"),
    ("Helsinki", "Finland"),
    ("Istanbul", "Türkiye"),
    ("Lagos", "Nigeria"),
    ("Lisbon", "Portugal"),
    ("London", "United Kingdom"),
    ("Los Angeles", "United States"),
    ("Madrid", "Spain"),
    ("Melbourne", "Australia"),
    ("Mexico City", "Mexico"),
    ("Milan", "Italy"),
    ("Moscow", "Russia"),
    ("Mumbai", "India"),
    ("Munich", "Germany"),
    ("Nairobi", "Kenya"),
    ("New York", "United States"),
    ("Oslo", "Norway"),
    ("Paris", "France"),
    ("Prague", "Czechia"),
    ("Rome", "Italy"),
    ("San Francisco", "United States"),
    ("Seattle", "United States"),
    ("Seoul", "South Korea"),
    ("Singapore", "Singapore"),
    ("Stockholm", "Sweden"),
    ("Sydney", "Australia"),
    ("Tokyo", "Japan"),
    ("Toronto", "Canada"),
    ("Vienna", "Austria"),
    ("Warsaw", "Poland"),
    ("Zurich", "Switzerland"),
];

/// What a prompt mentions, in the order of mention.
#[derive(Debug, Clone, Default)]
pub(super) struct Hints {
    pub(super) prompt: String,
    /// The prompt's answer in words, for members like `answer` or `summary`.
    pub(super) answer: String,
    pub(super) places: Vec<String>,
    pub(super) names: Vec<String>,
    pub(super) numbers: Vec<f64>,
    pub(super) emails: Vec<String>,
}

/// Words that stand capitalised without being names.
const NOT_NAMES: &[&str] = &[
    "a", "an", "and", "are", "call", "can", "compare", "convert", "could", "do", "does", "extract",
    "find", "for", "from", "get", "give", "hello", "hi", "how", "i", "i'm", "in", "is", "it",
    "json", "let", "list", "look", "make", "my", "now", "of", "ok", "on", "please", "provide",
    "reply", "return", "schedule", "send", "show", "so", "tell", "the", "then", "they", "this",
    "to", "use", "we", "what", "what's", "when", "where", "which", "who", "why", "will", "with",
    "write", "you",
];

impl Hints {
    /// Reads a prompt.
    pub(super) fn of(prompt: &str, answer: &str) -> Hints {
        let mut hints = Hints {
            prompt: prompt.trim().to_owned(),
            answer: answer.to_owned(),
            ..Hints::default()
        };
        let mut name: Vec<&str> = Vec::new();
        // A long document is read only at its beginning: nobody fills a form from page 400.
        for word in prompt.split_whitespace().take(5_000) {
            let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
            let starts_new = word.starts_with(|c: char| !c.is_alphanumeric());
            if starts_new {
                hints.flush(&mut name);
            }
            if bare.contains('@') && bare.contains('.') {
                hints.emails.push(bare.to_owned());
            } else if let Some(number) = read_number(bare) {
                hints.numbers.push(number);
            } else if bare.starts_with(char::is_uppercase)
                && !NOT_NAMES.contains(&bare.to_lowercase().as_str())
            {
                name.push(bare.strip_suffix("'s").unwrap_or(bare));
            } else {
                hints.flush(&mut name);
            }
            if word.ends_with(|c: char| !c.is_alphanumeric()) {
                hints.flush(&mut name);
            }
        }
        hints.flush(&mut name);
        hints
    }

    fn flush(&mut self, words: &mut Vec<&str>) {
        if words.is_empty() {
            return;
        }
        let name = words.join(" ");
        words.clear();
        let (list, name) = match PLACES.iter().find(|(place, _)| name.eq_ignore_ascii_case(place)) {
            Some((place, _)) => (&mut self.places, (*place).to_owned()),
            None => (&mut self.names, name),
        };
        if !list.contains(&name) {
            list.push(name);
        }
    }

    /// The same prompt, read as if only this place were mentioned.
    pub(super) fn about(mut self, place: &str) -> Hints {
        self.places = vec![place.to_owned()];
        self
    }
}

fn read_number(word: &str) -> Option<f64> {
    let plain = word.replace(',', "");
    plain.starts_with(|c: char| c.is_ascii_digit()).then(|| plain.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_places_numbers_and_addresses() {
        let hints = Hints::of(
            "Extract: Anna Schmidt, 34, moved from New York to Berlin. Mail: anna@example.org",
            "",
        );
        assert_eq!(hints.names, ["Anna Schmidt", "Mail"]);
        assert_eq!(hints.places, ["New York", "Berlin"]);
        assert_eq!(hints.numbers, [34.0]);
        assert_eq!(hints.emails, ["anna@example.org"]);
    }
}
