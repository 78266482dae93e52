use http::HeaderValue;
use proptest::prelude::*;

use super::*;

fn class(status: u16, body: &str) -> ErrorClass {
    read(status, &[], body).class
}

fn read(status: u16, headers: &[(&'static str, &str)], body: &str) -> UpstreamError {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, HeaderValue::from_str(value).unwrap());
    }
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_759_671_170);
    UpstreamError::from_response(status, &map, body.as_bytes(), now)
}

#[test]
fn nine_shapes_yield_their_message() {
    for body in [
        r#"{"error":{"message":"boom","type":"t","param":null,"code":"c"}}"#,
        r#"{"error":"boom"}"#,
        r#"{"code":"some words","error":"boom"}"#,
        r#"{"detail":"boom"}"#,
        r#"{"detail":[{"loc":["body","n"],"msg":"boom"}]}"#,
        r#"{"object":"error","message":"boom","type":"invalid_model","code":"1500"}"#,
        r#"{"message":"boom"}"#,
        r#"{"code":"InvalidParameter","message":"boom","request_id":"r"}"#,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"boom"},"request_id":"r"}"#,
        r#"[{"error":{"code":400,"message":"boom","status":"INVALID_ARGUMENT","details":[]}}]"#,
        "boom",
    ] {
        let error = read(400, &[], body);
        assert_eq!(error.message, "boom", "{body}");
        assert_eq!(error.class, ErrorClass::BadRequest, "{body}");
    }
}

#[test]
fn the_body_decides_before_the_status() {
    use ErrorClass::*;
    let code = |code: &str| format!(r#"{{"error":{{"message":"m","code":"{code}"}}}}"#);
    let message = |text: &str| format!(r#"{{"error":{{"message":"{text}"}}}}"#);
    assert_eq!(class(400, &code("context_length_exceeded")), ContextExceeded);
    assert_eq!(class(400, &code("content_filter")), ContentFiltered);
    assert_eq!(class(429, &code("insufficient_quota")), QuotaExhausted);
    assert_eq!(class(429, &code("whatever")), RateLimited);
    assert_eq!(class(400, &message("Incorrect API key provided: xx")), Auth);
    assert_eq!(class(503, &message("The model is overloaded. Try again later.")), Overloaded);
    assert_eq!(class(503, &message("nope")), ServerError);
    assert_eq!(class(529, "{}"), Overloaded);
    assert_eq!(class(402, &message("pay")), QuotaExhausted);
    assert_eq!(class(404, &code("model_not_found")), BadRequest);
    assert_eq!(class(403, &message("Content violates usage guidelines.")), ContentFiltered);
    assert_eq!(class(413, ""), BadRequest);
    assert_eq!(class(408, ""), Timeout);
    let google = r#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT",
        "details":[{"@type":"x","reason":"API_KEY_INVALID"}]}}"#;
    assert_eq!(class(400, google), Auth);
    let google = r#"{"error":{"code":429,"message":"You exceeded your current quota","status":"RESOURCE_EXHAUSTED",
        "details":[{"@type":"x","retryDelay":"34.5s"}]}}"#;
    let error = read(429, &[], google);
    assert_eq!(
        (error.class, error.retry_after),
        (RateLimited, Some(Duration::from_millis(34_500)))
    );
}

#[test]
fn an_error_under_status_200_has_a_status_of_its_own() {
    let error = UpstreamError::from_json(200, r#"{"code":502,"message":"upstream broke"}"#);
    assert_eq!((error.class, error.status), (ErrorClass::ServerError, 502));
    let error = UpstreamError::from_json(
        200,
        r#"{"error":{"message":"m","type":"invalid_request_error"}}"#,
    );
    assert_eq!(error.class, ErrorClass::BadRequest);
}

#[test]
fn what_a_gateway_wraps_is_read() {
    let error = read(
        400,
        &[],
        r#"{"error":{"message":"Provider returned error","code":400,"metadata":
        {"raw":"{\"error\":{\"message\":\"This model's maximum context length is 8192 tokens\"}}","provider_name":"X"}}}"#,
    );
    assert_eq!(error.class, ErrorClass::ContextExceeded);
    assert!(error.message.starts_with("Provider returned error: This model's"));
}

#[test]
fn web_pages_are_not_the_credentials_fault() {
    let page = "<!DOCTYPE html><title>Sign in</title>";
    assert_eq!(class(403, page), ErrorClass::InvalidResponse);
    assert_eq!(class(200, page), ErrorClass::InvalidResponse);
    assert_eq!(class(502, page), ErrorClass::ServerError);
    assert_eq!(read(404, &[], page).code, "upstream_not_api");
    assert!(is_html(&HeaderMap::new(), b"  <html>"));
}

#[test]
fn pauses_in_all_spellings() {
    let pause = |headers: &[(&'static str, &str)]| {
        read(429, headers, "{}").retry_after.map(|pause| pause.as_millis())
    };
    assert_eq!(pause(&[("retry-after", "2")]), Some(2_000));
    assert_eq!(pause(&[("retry-after", "1"), ("retry-after-ms", "0")]), Some(1_000));
    assert_eq!(pause(&[("retry-after-ms", "250")]), Some(250));
    assert_eq!(pause(&[("retry-after", "9999999")]), Some(60_000));
    assert_eq!(pause(&[("retry-after", "-3")]), Some(0));
    assert_eq!(pause(&[("retry-after", "Sun, 05 Oct 2025 13:32:58 GMT")]), Some(8_000));
    assert_eq!(pause(&[("retry-after", "Sun, 05 Oct 2025 13:30:00 GMT")]), Some(0));
    assert_eq!(pause(&[("retry-after", "soon")]), None);
    assert_eq!(pause(&[("x-ratelimit-reset", "1759671180000")]), Some(10_000));
    assert_eq!(pause(&[("x-ratelimit-reset", "1759671180")]), Some(10_000));
    assert_eq!(
        pause(&[
            ("x-ratelimit-reset-requests", "6m0s"),
            ("x-ratelimit-remaining-requests", "7"),
            ("x-ratelimit-reset-tokens", "1.5s"),
            ("x-ratelimit-remaining-tokens", "0"),
        ]),
        Some(1_500),
    );
    assert_eq!(pause(&[]), None);
    // A bad request has nothing to wait for.
    assert_eq!(read(400, &[("retry-after", "2")], "{}").retry_after, None);
}

proptest! {
    #[test]
    fn nothing_a_provider_sends_is_too_much(status in 100u16..1000, body in any::<Vec<u8>>(), header in "[ -~]{0,12}") {
        let mut headers = HeaderMap::new();
        for name in ["retry-after", "retry-after-ms", "x-ratelimit-reset"] {
            headers.insert(name, HeaderValue::from_str(&header).unwrap());
        }
        let error = UpstreamError::from_response(status, &headers, &body, SystemTime::UNIX_EPOCH);
        prop_assert!(error.retry_after.unwrap_or_default() <= MAX_RETRY_AFTER);
    }
}

#[test]
fn amazon_names_the_error_in_a_header() {
    use ErrorClass::*;
    let named = |status: u16, name: &str, message: &str| {
        let kind = format!("{name}:http://internal.amazon.com/coral/com.amazon.bedrock/");
        let body = format!(r#"{{"message":"{message}"}}"#);
        let error = read(status, &[("x-amzn-errortype", &kind)], &body);
        assert_eq!((&*error.code, &*error.message), (name, message));
        error.class
    };
    assert_eq!(named(429, "ThrottlingException", "m"), RateLimited);
    assert_eq!(named(503, "ServiceUnavailableException", "m"), Overloaded);
    assert_eq!(named(424, "ModelErrorException", "m"), ServerError);
    assert_eq!(named(408, "ModelTimeoutException", "m"), Timeout);
    assert_eq!(named(400, "ServiceQuotaExceededException", "m"), QuotaExhausted);
    assert_eq!(named(400, "ValidationException", "m"), BadRequest);
    assert_eq!(named(403, "AccessDeniedException", "m"), Auth);
    let message = "Number of input tokens exceeds maximum length.";
    assert_eq!(named(400, "ValidationException", message), ContextExceeded);
}
