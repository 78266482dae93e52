//! The header of a script: `// uses: input.tokens, task, header["x-team"]`.

/// An attribute that a script says it uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention<'a> {
    /// As written.
    pub text: &'a str,
    /// Its first byte in the source.
    pub start: usize,
}

/// The attributes that stand behind `uses:` in the comments at the top of a script, in order.
/// Anything else in these comments is for people.
pub fn mentions(source: &str) -> Vec<Mention<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    for line in source.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let trimmed = line.trim();
        if trimmed.is_empty() {
            continue;
        }
        let Some(comment) = trimmed.strip_prefix("//") else { break };
        let Some(list) = comment.trim_start_matches('/').trim_start().strip_prefix("uses:") else {
            continue;
        };
        // All of these are slices of the line, so their distance is their place.
        let offset = start + (list.as_ptr() as usize - line.as_ptr() as usize);
        found.extend(split(list).map(|(within, text)| Mention { text, start: offset + within }));
    }
    found
}

/// The parts between commas that stand outside of quotes, trimmed, with their places.
fn split(list: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut quoted = false;
    let mut ends: Vec<usize> = Vec::new();
    for (at, char) in list.char_indices() {
        match char {
            '"' => quoted = !quoted,
            ',' if !quoted => ends.push(at),
            _ => {}
        }
    }
    ends.push(list.len());
    let mut from = 0;
    ends.into_iter().filter_map(move |end| {
        let part = &list[from..end];
        let start = from + (part.len() - part.trim_start().len());
        from = end + 1;
        let part = part.trim();
        (!part.is_empty()).then_some((start, part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_are_read_from_the_comments_at_the_top() {
        let source = "// Risk.\n\n//  uses: input.tokens , header[\"a,b\"],\n// uses: task\n\
                      fn value(req) { 1 }\n// uses: nothing\n";
        let found = mentions(source);
        let texts: Vec<_> = found.iter().map(|mention| mention.text).collect();
        assert_eq!(texts, ["input.tokens", "header[\"a,b\"]", "task"]);
        for mention in found {
            assert!(source[mention.start..].starts_with(mention.text), "{mention:?}");
        }
        assert_eq!(mentions("fn value(req) { 1 }"), []);
        assert_eq!(mentions(""), []);
    }
}
