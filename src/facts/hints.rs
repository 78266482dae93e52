//! What clients and the machines in front of us say in headers.

use http::HeaderMap;

use crate::units::NanoDollars;

/// A header's value, where it is text.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// A tag out of `x-pointsman-tags: name=value, other=value`.
pub(super) fn tag<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get_all("x-pointsman-tags").iter().filter_map(|value| value.to_str().ok()).find_map(
        |tags| {
            tags.split(',').find_map(|tag| {
                let (key, value) = tag.split_once('=')?;
                (key.trim() == name).then(|| value.trim())
            })
        },
    )
}

/// `x-pointsman-max-cost: 0.02`, in dollars, with or without the sign.
pub(super) fn max_cost(headers: &HeaderMap) -> Option<NanoDollars> {
    dollars(header(headers, "x-pointsman-max-cost")?.trim_start_matches('$'))
}

/// Exact decimal dollars; `None` for what is no amount, or finer than a nano-dollar.
fn dollars(text: &str) -> Option<NanoDollars> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || part.len() > 9 || !digits(whole) || !digits(part) {
        return None;
    }
    let nano: u64 = format!("{part:0<9}").parse().ok()?;
    let whole: u64 = whole.parse().ok()?;
    Some(NanoDollars(whole.checked_mul(1_000_000_000)?.checked_add(nano)?))
}

/// The two-letter country that a content delivery network found out.
pub(super) fn country(headers: &HeaderMap) -> Option<&str> {
    ["cf-ipcountry", "cloudfront-viewer-country", "x-vercel-ip-country", "x-client-country"]
        .into_iter()
        .find_map(|name| header(headers, name))
}

/// The first product of the user agent: `OpenAI/Python 2.1` → `OpenAI`.
pub(super) fn app(headers: &HeaderMap) -> Option<&str> {
    header(headers, "x-pointsman-app").or_else(|| {
        let agent = header(headers, "user-agent")?;
        agent.split(['/', ' ']).next().filter(|name| !name.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_exact() {
        assert_eq!(dollars("0.02"), Some(NanoDollars(20_000_000)));
        assert_eq!(dollars("1"), Some(NanoDollars::from_dollars(1)));
        assert_eq!(dollars("0.0000000001"), None);
        assert_eq!(dollars("-1"), None);
        assert_eq!(dollars("1e3"), None);
        assert_eq!(dollars("99999999999999999999"), None);
    }

    #[test]
    fn tags_are_found_by_name() {
        let mut headers = HeaderMap::new();
        headers.append("x-pointsman-tags", "team=search, env = dev".parse().unwrap());
        headers.append("x-pointsman-tags", "more=1".parse().unwrap());
        assert_eq!(tag(&headers, "env"), Some("dev"));
        assert_eq!(tag(&headers, "more"), Some("1"));
        assert_eq!(tag(&headers, "nothing"), None);
    }
}
