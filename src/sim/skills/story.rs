//! Sums told as a story: `Anna has 3 apples and eats one. How many are left?`

/// Verbs after which a number is taken away; after any other it is added.
const LOSING: &[&str] = &[
    "ate", "away", "breaks", "broke", "donates", "drops", "eats", "gave", "gives", "leave",
    "leaves", "left", "lends", "lose", "loses", "lost", "pays", "remove", "removes", "sell",
    "sells", "sold", "spend", "spends", "spent", "take", "takes", "threw", "throws", "use", "used",
    "uses",
];

const NUMBERS: &[&str] =
    &["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];

/// The sum a story tells, as it would be written: `3 - 1`.
pub(super) fn expression(text: &str) -> Option<String> {
    // A longer text is not one story.
    if text.len() > 1_000 {
        return None;
    }
    let lower = text.to_lowercase();
    let (story, question) =
        lower.rsplit_once("how many").or_else(|| lower.rsplit_once("how much"))?;
    // Rates and shares are another kind of story.
    if ["each", "per ", "times", "every", "half", "twice"].iter().any(|word| lower.contains(word))
        || question.len() > 120
    {
        return None;
    }
    let mut sum = String::new();
    let mut count = 0;
    let mut losing = false;
    for word in story.split(|c: char| !(c.is_alphanumeric() || c == '.')) {
        let word = word.trim_end_matches('.');
        let spelled = NUMBERS.iter().position(|number| *number == word).map(|n| n.to_string());
        let digits = Some(word).filter(|word| word.parse::<f64>().is_ok()).map(str::to_owned);
        if LOSING.contains(&word) {
            losing = true;
        } else if let Some(number) = spelled.or(digits) {
            match (count, losing) {
                (0, _) => {}
                (_, true) => sum.push_str(" - "),
                (_, false) => sum.push_str(" + "),
            }
            sum.push_str(&number);
            count += 1;
            losing = false;
        }
    }
    (count > 1).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stories_become_sums() {
        for (story, sum) in [
            ("Anna has 3 apples, buys 4 more. How many has she?", Some("3 + 4")),
            ("There are twelve birds. How many?", None),
            ("Tom had 10 coins. He spent 4 and found two. How many are left?", Some("10 - 4 + 2")),
            ("Ten boxes hold 6 eggs each. How many eggs?", None),
            ("How many feet are in 3 meters?", None),
        ] {
            assert_eq!(expression(story).as_deref(), sum, "{story}");
        }
    }
}
