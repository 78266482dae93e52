//! The accept loop over real sockets.

use super::*;
use axum::routing::get;
use bytes::Bytes;
use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio::time::timeout;

const LIMITS: AcceptLimits = AcceptLimits {
    header_read_timeout: Duration::from_millis(300),
    max_connections: 8,
    drain: Duration::from_secs(10),
};

struct Server {
    address: SocketAddr,
    stop: watch::Sender<Stop>,
    served: JoinHandle<Drained>,
}

fn router() -> Router {
    let ticks = || async {
        Body::from_stream(stream::unfold(0, |n| async move {
            sleep(Duration::from_millis(50)).await;
            (n < 12).then(|| (Ok::<_, io::Error>(Bytes::from(format!("tick{n} "))), n + 1))
        }))
    };
    let broken = || async {
        Body::from_stream(stream::unfold(0, |n| async move {
            assert!(n < 2, "the stream breaks here");
            Some((Ok::<_, io::Error>(Bytes::from_static(b"part ")), n + 1))
        }))
    };
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/ticks", get(ticks))
        .route("/broken", get(broken))
        .route("/forever", get(|| async { pending::<&str>().await }))
        .route(
            "/who",
            get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() }),
        )
        .route("/panic", get(|| async { if true { panic!("on purpose") } else { "never" } }))
}

async fn start(limits: AcceptLimits) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(Stop::Run);
    let served = tokio::spawn(serve(listener, router(), limits, None, stopped));
    Server { address, stop, served }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

async fn ask(stream: &mut TcpStream, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
}

/// Reads until `end` is seen or the connection is closed.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    while !text.contains(end) {
        match timeout(Duration::from_secs(8), stream.read(&mut buffer)).await.expect("no answer") {
            Ok(0) | Err(_) => break,
            Ok(count) => text.push_str(&String::from_utf8_lossy(&buffer[..count])),
        }
    }
    text
}

const NEVER: &str = "\u{0}never";

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    let server = start(LIMITS).await;
    let mut stream = server.connect().await;
    for _ in 0..3 {
        ask(&mut stream, "/").await;
        assert!(read_until(&mut stream, "hello").await.starts_with("HTTP/1.1 200"));
    }
    ask(&mut stream, "/who").await;
    assert!(read_until(&mut stream, "127.0.0.1").await.contains("127.0.0.1"));
}

#[tokio::test]
async fn slow_clients_are_cut() {
    let server = start(LIMITS).await;
    // Nothing at all; the beginning of either protocol; headers without an end.
    for words in ["", "P", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/1.1\r\nhost: t\r\nx: "] {
        let mut stream = server.connect().await;
        stream.write_all(words.as_bytes()).await.unwrap();
        let start = Instant::now();
        let answer = read_until(&mut stream, NEVER).await;
        assert!(!answer.contains("200 OK"), "{words:?} was answered: {answer}");
        assert!(start.elapsed() < Duration::from_secs(3), "{words:?}: {:?}", start.elapsed());
    }
    // One byte now and then does not help.
    let mut stream = server.connect().await;
    let start = Instant::now();
    for byte in b"GET / HTTP/1.1\r\nx-header-that-takes-its-time: aaaaaaaaaaaaaaaaaaaa".iter() {
        if stream.write_all(&[*byte]).await.is_err() {
            break;
        }
        sleep(Duration::from_millis(40)).await;
    }
    assert!(!read_until(&mut stream, NEVER).await.contains("200 OK"));
    assert!(start.elapsed() < Duration::from_secs(5));
    // A long answer is not a slow client.
    let mut stream = server.connect().await;
    ask(&mut stream, "/ticks").await;
    assert!(read_until(&mut stream, "tick11").await.contains("tick11"));
}

#[tokio::test]
async fn too_many_headers_are_refused() {
    let server = start(LIMITS).await;
    let many = (0..101).map(|n| format!("x-{n}: a\r\n")).collect::<String>();
    let large = format!("x: {}\r\n", "a".repeat(HEADER_BYTES));
    for headers in [many, large] {
        let mut stream = server.connect().await;
        let request = format!("GET / HTTP/1.1\r\nhost: t\r\n{headers}\r\n");
        // The server may close before all is sent.
        let _ = stream.write_all(request.as_bytes()).await;
        let answer = read_until(&mut stream, "\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    let mut stream = server.connect().await;
    ask(&mut stream, "/").await;
    assert!(read_until(&mut stream, "hello").await.contains("hello"));
}

#[tokio::test]
async fn a_panic_is_a_500_and_nothing_more() {
    let server = start(LIMITS).await;
    let mut stream = server.connect().await;
    ask(&mut stream, "/panic").await;
    let answer = read_until(&mut stream, "internal_error").await;
    assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
    assert!(!answer.contains("on purpose"));
    ask(&mut stream, "/").await;
    assert!(read_until(&mut stream, "hello").await.contains("200 OK"));
    // In the middle of a stream it is an answer without its end.
    ask(&mut stream, "/broken").await;
    let answer = read_until(&mut stream, NEVER).await;
    assert!(!answer.contains("\r\n0\r\n"), "{answer}");
    let mut stream = server.connect().await;
    ask(&mut stream, "/").await;
    assert!(read_until(&mut stream, "hello").await.contains("200 OK"));
}

#[tokio::test]
async fn a_drain_finishes_streams_and_takes_nothing_new() {
    let server = start(LIMITS).await;
    let mut idle = server.connect().await;
    ask(&mut idle, "/").await;
    read_until(&mut idle, "hello").await;
    let mut busy = server.connect().await;
    ask(&mut busy, "/ticks").await;
    read_until(&mut busy, "tick1 ").await;

    server.stop.send_replace(Stop::Drain);
    assert_eq!(read_until(&mut idle, NEVER).await, "", "an idle connection is closed");
    assert!(TcpStream::connect(server.address).await.is_err(), "a new one is refused");
    let rest = read_until(&mut busy, NEVER).await;
    assert!(rest.contains("tick11") && rest.ends_with("0\r\n\r\n"), "{rest}");
    assert_eq!(server.served.await.unwrap(), Drained { cut: 0 });
}

#[tokio::test]
async fn a_drain_ends_when_its_time_is_up_or_at_the_second_word() {
    let server = start(AcceptLimits { drain: Duration::from_millis(200), ..LIMITS }).await;
    let mut stuck = server.connect().await;
    ask(&mut stuck, "/forever").await;
    sleep(Duration::from_millis(100)).await;
    server.stop.send_replace(Stop::Drain);
    assert_eq!(server.served.await.unwrap(), Drained { cut: 1 });
    assert_eq!(read_until(&mut stuck, NEVER).await, "");

    let server = start(LIMITS).await;
    let mut stuck = server.connect().await;
    ask(&mut stuck, "/forever").await;
    sleep(Duration::from_millis(100)).await;
    server.stop.send_replace(Stop::Drain);
    sleep(Duration::from_millis(50)).await;
    assert!(!server.served.is_finished());
    server.stop.send_replace(Stop::Now);
    let ended = timeout(Duration::from_secs(2), server.served).await.expect("at once").unwrap();
    assert_eq!(ended, Drained { cut: 1 });
}

#[tokio::test]
async fn connections_over_the_limit_wait_for_their_turn() {
    let limits =
        AcceptLimits { max_connections: 1, header_read_timeout: Duration::from_secs(20), ..LIMITS };
    let server = start(limits).await;
    let mut first = server.connect().await;
    ask(&mut first, "/").await;
    read_until(&mut first, "hello").await;
    let mut second = server.connect().await;
    ask(&mut second, "/").await;
    let mut byte = [0];
    let early = timeout(Duration::from_millis(200), second.read(&mut byte)).await;
    assert!(early.is_err(), "answered although the house is full");
    drop(first);
    assert!(read_until(&mut second, "hello").await.contains("hello"));
}

#[tokio::test]
async fn http_2_is_spoken_to_those_who_begin_with_it() {
    let server = start(LIMITS).await;
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let answer = client.get(format!("http://{}/ticks", server.address)).send().await.unwrap();
    assert_eq!(answer.version(), http::Version::HTTP_2);
    server.stop.send_replace(Stop::Drain);
    assert!(answer.text().await.unwrap().contains("tick11"), "the drain lets it finish");
    let large = "a".repeat(HEADER_BYTES + 1);
    let server = start(LIMITS).await;
    let url = format!("http://{}/", server.address);
    let refused = client.get(&url).header("x", large).send().await.map(|answer| answer.status());
    assert!(refused.as_ref().map_or(true, |status| *status == 431), "{refused:?}");
    let panicked = client.get(format!("{url}panic")).send().await.unwrap();
    assert_eq!(panicked.status(), 500);
    assert_eq!(client.get(&url).send().await.unwrap().text().await.unwrap(), "hello");
}

#[cfg(unix)]
#[tokio::test]
async fn the_first_signal_drains_and_the_second_stops() {
    let (stop, mut stopped) = watch::channel(Stop::Run);
    let waiting = tokio::spawn(signals(stop));
    sleep(Duration::from_millis(100)).await;
    for stage in [Stop::Drain, Stop::Now] {
        let pid = std::process::id().to_string();
        std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        timeout(Duration::from_secs(5), reached(&mut stopped, stage)).await.expect("in time");
        assert_eq!(*stopped.borrow(), stage);
    }
    waiting.await.unwrap().unwrap();
}

#[test]
fn only_errors_about_one_connection_are_ignored() {
    // 24 is EMFILE, 103 is ECONNABORTED on Linux.
    assert!(!is_about_one_connection(&io::Error::from_raw_os_error(24)));
    assert!(is_about_one_connection(&io::ErrorKind::ConnectionAborted.into()));
}
