//! Pictures: what can be told from a data URL without looking.

use super::{Question, Solution};

/// What is in the pictures of the last message.
pub(super) fn describe(question: &mut Question<'_>) -> Option<Solution> {
    if question.images.is_empty() {
        return None;
    }
    let described: Vec<String> = question.images.iter().map(|url| describe_one(url)).collect();
    let right = match described.as_slice() {
        [one] => format!("This is {one}."),
        several => format!("There are {} pictures:\n- {}", several.len(), several.join("\n- ")),
    };
    Some(Solution { right, wrong: "I see a cat on a sofa.".to_owned() })
}

const SCENES: &[&str] = &[
    "a harbour with sailing boats under a clear sky",
    "a bar chart with four columns, the third one the tallest",
    "a street at night with wet cobblestones",
    "a printed receipt with three items and a total",
    "a wooden table with two cups of coffee",
];

/// The kind and size where the data tells them; the scene is made up, the same for the same URL.
fn describe_one(url: &str) -> String {
    let hash = blake3::hash(url.as_bytes());
    let scene = SCENES[usize::from(hash.as_bytes()[0]) % SCENES.len()];
    match png_size(url) {
        Some((width, height)) => format!("a PNG of {width} × {height} pixels; it shows {scene}"),
        None => format!("a picture of {scene}"),
    }
}

/// Width and height of a PNG in a data URL (PNG specification, section 11.2.2: bytes 16 to 24).
fn png_size(url: &str) -> Option<(u32, u32)> {
    let data = url.strip_prefix("data:image/png;base64,")?;
    let mut bytes = Vec::with_capacity(24);
    for group in data.as_bytes().get(..32)?.chunks(4) {
        let bits = group.iter().try_fold(0u32, |bits, &c| Some(bits << 6 | sextet(c)?))?;
        bytes.extend_from_slice(&bits.to_be_bytes()[1..]);
    }
    let number =
        |at: usize| bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes);
    bytes.starts_with(b"\x89PNG").then_some((number(16)?, number(20)?))
}

fn sextet(c: u8) -> Option<u32> {
    Some(match c {
        b'A'..=b'Z' => u32::from(c - b'A'),
        b'a'..=b'z' => u32::from(c - b'a') + 26,
        b'0'..=b'9' => u32::from(c - b'0') + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_png_is_read() {
        let url =
            "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4";
        assert_eq!(png_size(url), Some((5, 5)));
        assert_eq!(png_size("data:image/png;base64,iVBO"), None);
        assert_eq!(png_size("https://example.com/x.png"), None);
    }
}
