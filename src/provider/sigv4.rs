//! AWS's Signature Version 4, as far as a request with a body and no odd headers needs it.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>
//!
//! AWS's own crate would do it too, at the price of thirty more crates; the primitives come from
//! AWS's library, which TLS brings along.

use std::fmt::Write as _;

use aws_lc_rs::{digest, hmac};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::address::escaped;

/// What an account signs with.
#[derive(Clone)]
pub(super) struct Keys {
    pub id: String,
    pub secret: SecretString,
    /// Comes with keys that hold for some hours only.
    pub token: Option<SecretString>,
}

/// Where a signature holds.
#[derive(Clone)]
pub(super) struct Scope {
    pub region: String,
    pub service: &'static str,
}

/// The headers that sign a request.
#[derive(Debug)]
pub(super) struct Signed {
    pub authorization: String,
    pub date: String,
}

/// When it was signed.
pub(super) const DATE: &str = "x-amz-date";
/// The token of keys that hold for some hours only.
pub(super) const TOKEN: &str = "x-amz-security-token";

/// Signs a request that is sent now. Of its headers the host, the date and the account's token are
/// signed, which the caller has to send.
pub(super) fn sign(
    keys: &Keys,
    scope: &Scope,
    method: &str,
    url: &Url,
    body: &[u8],
    now: jiff::Timestamp,
) -> Signed {
    let date = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let mut headers = vec![("host", host(url)), (DATE, date.clone())];
    if let Some(token) = &keys.token {
        headers.push((TOKEN, token.expose_secret().to_owned()));
    }
    let authorization = authorization(keys, scope, method, url, &headers, body, &date);
    Signed { authorization, date }
}

/// The host as the HTTP client writes it: with the port where that is not the scheme's own.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or(host.to_owned(), |port| format!("{host}:{port}"))
}

/// The value of the header. `headers` are those to be signed, in the order of their names.
fn authorization(
    keys: &Keys,
    scope: &Scope,
    method: &str,
    url: &Url,
    headers: &[(&str, String)],
    body: &[u8],
    date: &str,
) -> String {
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let canonical = canonical(method, url, headers, &names, body);
    let day = date.split('T').next().unwrap_or_default();
    let Scope { region, service } = scope;
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let hash = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{hash}");
    let secret = format!("AWS4{}", keys.secret.expose_secret());
    let key = [day, region, service, "aws4_request"]
        .into_iter()
        .fold(secret.into_bytes(), |key, part| mac(&key, part));
    let signature = hex(&mac(&key, &text));
    let id = &keys.id;
    format!(
        "AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
}

/// The request in the one spelling that both sides agree on.
fn canonical(
    method: &str,
    url: &Url,
    headers: &[(&str, String)],
    signed: &str,
    body: &[u8],
) -> String {
    // The path is escaped once more than it is sent, and several slashes are one: so it is for all
    // services but S3.
    let path = url.path();
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    let end = if path.ends_with('/') && !names.is_empty() { "/" } else { "" };
    let path = format!("/{}{end}", names.join("/"));
    let path = escaped(&path, b"/");
    let mut query: Vec<(String, String)> = url
        .query_pairs()
        .map(|(name, value)| (escaped(&name, b"").into_owned(), escaped(&value, b"").into_owned()))
        .collect();
    query.sort();
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let query = query.join("&");
    let mut lines = String::new();
    for (name, value) in headers {
        let _ = writeln!(lines, "{name}:{}", value.trim());
    }
    let hash = hex(digest::digest(&digest::SHA256, body).as_ref());
    format!("{method}\n{path}\n{query}\n{lines}\n{signed}\n{hash}")
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The account of AWS's published test suite.
    fn example() -> (Keys, Scope) {
        let keys = Keys {
            id: "AKIDEXAMPLE".into(),
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            token: None,
        };
        (keys, Scope { region: "us-east-1".into(), service: "service" })
    }

    fn signature(method: &str, url: &str, more: &[(&str, &str)], body: &str) -> String {
        let (keys, scope) = example();
        let mut headers = vec![
            ("host", "example.amazonaws.com".to_owned()),
            (DATE, "20150830T123600Z".to_owned()),
        ];
        headers.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        headers.sort();
        let url = Url::parse(&format!("https://example.amazonaws.com{url}")).unwrap();
        let date = "20150830T123600Z";
        let header = authorization(&keys, &scope, method, &url, &headers, body.as_bytes(), date);
        header.rsplit_once("Signature=").unwrap().1.to_owned()
    }

    #[test]
    fn the_published_test_vectors_hold() {
        for (name, method, url, more, body, expected) in [
            (
                "get-vanilla",
                "GET",
                "/",
                &[][..],
                "",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "get-vanilla-query-order-key-case",
                "GET",
                "/?Param2=value2&Param1=value1",
                &[],
                "",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                "get-slashes",
                "GET",
                "//example//",
                &[],
                "",
                "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
            ),
            (
                "post-vanilla",
                "POST",
                "/",
                &[],
                "",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "post-x-www-form-urlencoded",
                "POST",
                "/",
                &[("content-type", "application/x-www-form-urlencoded")],
                "Param1=value1",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
        ] {
            assert_eq!(signature(method, url, more, body), expected, "{name}");
        }
    }

    #[test]
    fn a_request_is_signed_with_its_date_and_token() {
        let (mut keys, mut scope) = example();
        keys.token = Some("TOKEN".into());
        scope.service = "bedrock";
        let url = Url::parse("https://h:8443/model/amazon.nova-lite-v1%3A0/converse").unwrap();
        let now: jiff::Timestamp = "2015-08-30T12:36:00Z".parse().unwrap();
        let signed = sign(&keys, &scope, "POST", &url, b"{}", now);
        assert_eq!(signed.date, "20150830T123600Z");
        insta::assert_snapshot!(signed.authorization, @"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date;x-amz-security-token, Signature=25b01b9ee5d7687ba7270a5ed0568e152964a2fc39a69e46a7cd66a3ae0fffda");
        let names = "host;x-amz-date";
        let headers = [("host", host(&url)), (DATE, signed.date.clone())];
        insta::assert_snapshot!(canonical("POST", &url, &headers, names, b"{}"), @r"
        POST
        /model/amazon.nova-lite-v1%253A0/converse

        host:h:8443
        x-amz-date:20150830T123600Z

        host;x-amz-date
        44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a
        ");
    }
}
