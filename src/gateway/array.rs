//! Google's streams without `alt=sse`: one JSON array whose items are the events.

use std::convert::Infallible;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderValue, header};

use crate::dialect::sse::{Framer, MAX_LARGE_EVENT};

/// The same answer with its events as the items of an array. What is no event stream stays as it is.
pub fn of_events(response: Response) -> Response {
    let is_events = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    if !is_events {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let json = HeaderValue::from_static("application/json; charset=UTF-8");
    parts.headers.insert(header::CONTENT_TYPE, json);
    let items = Items { framer: Framer::new(MAX_LARGE_EVENT), any: false };
    let state = (body.into_data_stream(), items);
    let items = futures_util::stream::unfold(Some(state), |state| async move {
        let (mut events, mut items) = state?;
        match events.next().await {
            Some(Ok(chunk)) => {
                let out = items.push(&chunk);
                Some((Ok::<Bytes, Infallible>(out), Some((events, items))))
            }
            // A stream of ours ends; it does not fail.
            Some(Err(_)) | None => Some((Ok(items.end()), None)),
        }
    });
    Response::from_parts(parts, Body::from_stream(items))
}

struct Items {
    framer: Framer,
    any: bool,
}

impl Items {
    fn push(&mut self, chunk: &Bytes) -> Bytes {
        let mut out = Vec::with_capacity(chunk.len());
        // Our own events are never too long.
        let _ = self.framer.push(chunk);
        while let Some(frame) = self.framer.next() {
            if !frame.data.is_empty() {
                out.extend_from_slice(if self.any { b",\r\n" } else { b"[" });
                out.extend_from_slice(&frame.data);
                self.any = true;
            }
        }
        Bytes::from(out)
    }

    fn end(&mut self) -> Bytes {
        Bytes::from_static(if self.any { b"]" } else { b"[]" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn events_become_items() {
        let chunks = ["data: {\"a\":1}\n\nda", "ta: {\"b\":2}\r\n\r\n", ": comment\n\n"];
        let stream = futures_util::stream::iter(chunks.map(Ok::<&str, Infallible>));
        let mut response = Response::new(Body::from_stream(stream));
        let events = HeaderValue::from_static("text/event-stream; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, events);
        let body = of_events(response).into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "[{\"a\":1},\r\n{\"b\":2}]");
    }
}
