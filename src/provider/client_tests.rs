use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::super::resolved::Settings;
use super::super::table;
use super::*;
use crate::dialect::Dialect;

const PAUSE: Duration = Duration::from_secs(10);

const CHAT: Call<'_> = Call::Generate { dialect: Dialect::OpenAiChat, model: "m", stream: false };

/// A server that answers every connection with what `answer` does.
async fn serve<F, Fut>(answer: F) -> Provider
where
    F: Fn(TcpStream, String) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
            while !request.ends_with(b"{}") {
                match socket.read(&mut buffer).await {
                    Ok(read) if read > 0 => request.extend_from_slice(&buffer[..read]),
                    _ => break,
                }
            }
            answer(socket, String::from_utf8(request).unwrap()).await;
        }
    });
    provider(&base)
}

fn provider(base: &str) -> Provider {
    let settings = Settings {
        base_url: Some(base.into()),
        credential: Some("secret".into()),
        ..Settings::default()
    };
    Provider::resolve(table::entry("vllm").unwrap(), settings, &|_| None).unwrap().unwrap()
}

async fn send(provider: &Provider, extra: &HeaderMap) -> Result<Response, TransportError> {
    let client = Client::new(&ClientSettings::default()).unwrap();
    let extra = Extra { headers: extra, id: "r1" };
    client.send(provider, CHAT, Bytes::from_static(b"{}"), extra).await
}

#[tokio::test]
async fn only_listed_headers_go_up_and_come_down() {
    let (sent, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let provider = serve(move |mut socket, request| {
        sent.send(request).unwrap();
        async move {
            let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nset-cookie: a=b\r\n\
                x-ratelimit-remaining-tokens: 3\r\nserver: x\r\ncontent-length: 2\r\n\r\n[]";
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    let mut extra = HeaderMap::new();
    for (name, value) in [
        ("x-request-id", "theirs"),
        ("cookie", "c"),
        ("authorization", "mine"),
        ("x-forwarded-for", "1"),
    ] {
        extra.insert(name, HeaderValue::from_static(value));
    }
    let response = send(&provider, &extra).await.unwrap();
    let names: Vec<&str> = response.headers.keys().map(HeaderName::as_str).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(response.read(10, PAUSE).await.unwrap(), "[]");
    let request = seen.recv().await.unwrap().to_lowercase();
    assert!(request.starts_with("post /v1/chat/completions http/1.1"), "{request}");
    assert!(
        request.contains("authorization: bearer secret") && request.contains("x-request-id: r1")
    );
    assert!(request.contains("accept-encoding: identity"));
    for stripped in ["cookie", "mine", "x-forwarded", "referer"] {
        assert!(!request.contains(stripped), "{request}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_the_key_stays() {
    let provider = serve(|mut socket, _| async move {
        let answer = "HTTP/1.1 307 X\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
        socket.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    assert_eq!(send(&provider, &HeaderMap::new()).await.unwrap().status, 307);
}

#[tokio::test]
async fn troubles_have_their_class() {
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = send(&provider(&format!("http://{unused}")), &HeaderMap::new()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Connect);
    assert!(!error.what.contains("secret") && !error.what.contains("chat/completions"), "{error}");

    let provider = serve(|mut socket, _| async move {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";
        socket.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let response = send(&provider, &HeaderMap::new()).await.unwrap();
    assert_eq!(response.read(100, PAUSE).await.unwrap_err().class, ErrorClass::InvalidResponse);

    let provider = serve(|mut socket, _| async move {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlong";
        socket.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let response = send(&provider, &HeaderMap::new()).await.unwrap();
    assert_eq!(response.read(3, PAUSE).await.unwrap_err().class, ErrorClass::InvalidResponse);
}

#[tokio::test]
async fn dropping_the_response_closes_the_connection() {
    let (closed, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let provider = serve(move |mut socket, _| {
        let closed = closed.clone();
        async move {
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n";
            socket.write_all(head.as_bytes()).await.unwrap();
            let read = socket.read(&mut [0; 1]).await;
            closed.send(matches!(read, Ok(0) | Err(_))).unwrap();
        }
    })
    .await;
    let mut response = send(&provider, &HeaderMap::new()).await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "a");
    drop(response);
    let gone = tokio::time::timeout(Duration::from_secs(5), seen.recv()).await;
    assert_eq!(gone.unwrap(), Some(true));
}

#[tokio::test]
async fn the_built_in_provider_has_no_address() {
    let sim = Provider::resolve(table::entry("sim").unwrap(), Settings::default(), &|_| None);
    let error = send(&sim.unwrap().unwrap(), &HeaderMap::new()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Connect);
}
