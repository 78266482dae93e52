//! Connections: taken, kept within limits, and let go in good order.
//!
//! An accept loop of our own, because axum's sets no timeout for headers, knows no limit of
//! connections and does not end a drain.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use futures_util::FutureExt;
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tower_service::Service;

use super::lanes::Lanes;

/// All headers of a request together, in bytes; more is answered with 431.
const HEADER_BYTES: usize = 64 * 1024;

/// Requests at once on one HTTP/2 connection.
const STREAMS: u32 = 100;

/// How often an HTTP/2 client is asked whether it is still there, and how long it may think.
const PING: Duration = Duration::from_secs(20);

/// The first and the longest pause after the system refused a connection.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// What an accept loop should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Go on.
    Run,
    /// Take no new connections and finish what is in flight.
    Drain,
    /// Return at once.
    Now,
}

/// What clients may take.
#[derive(Debug, Clone, Copy)]
pub struct AcceptLimits {
    /// Until a request's headers are there; also between requests on one connection.
    pub header_read_timeout: Duration,
    /// Connections open at once; further ones wait in the system's queue.
    pub max_connections: usize,
    /// How long requests in flight may go on after [`Stop::Drain`].
    pub drain: Duration,
}

impl From<&crate::config::Limits> for AcceptLimits {
    fn from(limits: &crate::config::Limits) -> Self {
        AcceptLimits {
            header_read_timeout: limits.header_read_timeout,
            max_connections: limits.max_connections,
            drain: limits.drain,
        }
    }
}

/// How an accept loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut because their time was up. 0 is a clean end.
    pub cut: usize,
}

/// Answers on `listener` with `router` until `stop` says otherwise; returns when the last connection
/// is closed, the drain time is over, or at [`Stop::Now`]. Handlers find the client's address as
/// [`ConnectInfo<SocketAddr>`]. A panic in a handler is answered with 500. Connections are served on
/// `lanes`; without any, on the caller's own runtime.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: AcceptLimits,
    lanes: Option<&Lanes>,
    mut stop: watch::Receiver<Stop>,
) -> Drained {
    let builder = Arc::new(builder(&limits));
    // Tokio's semaphore has an upper bound of its own, far above any number of sockets.
    let permits = limits.max_connections.clamp(1, Semaphore::MAX_PERMITS);
    let permits = Arc::new(Semaphore::new(permits));
    let mut connections = JoinSet::new();
    let watching = stop.clone();
    loop {
        tokio::select! {
            biased;
            () = reached(&mut stop, Stop::Drain) => break,
            Some(ended) = connections.join_next(), if !connections.is_empty() => log_end(ended),
            (stream, peer, permit) = accept(&listener, &permits) => {
                let (router, builder) = (router.clone(), Arc::clone(&builder));
                let (limit, stop) = (limits.header_read_timeout, watching.clone());
                let Ok(stream) = stream.into_std() else { continue };
                let serving = async move {
                    // It belongs to the runtime that serves it.
                    match TcpStream::from_std(stream) {
                        Ok(stream) => connection(stream, peer, router, &builder, limit, stop).await,
                        Err(error) => tracing::warn!(%error, "a connection cannot be served"),
                    }
                    drop(permit);
                };
                match lanes {
                    Some(lanes) => connections.spawn_on(serving, lanes.next()),
                    None => connections.spawn(serving),
                };
            }
        }
    }
    // Closed now, so that clients turn elsewhere at once.
    drop(listener);
    let mut time_is_up = pin!(sleep(limits.drain));
    loop {
        tokio::select! {
            biased;
            ended = connections.join_next() => match ended {
                Some(ended) => log_end(ended),
                None => break,
            },
            () = reached(&mut stop, Stop::Now) => break,
            () = &mut time_is_up => break,
        }
    }
    let cut = connections.len();
    connections.shutdown().await;
    Drained { cut }
}

/// Waits for the signals that end a process: the first SIGTERM or SIGINT starts the drain, the
/// second ends it at once. Returns after the second, or when nobody listens any more.
///
/// # Errors
/// A system that lets no handler be installed.
pub async fn signals(stop: watch::Sender<Stop>) -> io::Result<()> {
    let mut ends = Ends::new()?;
    for next in [Stop::Drain, Stop::Now] {
        tokio::select! {
            name = ends.next() => tracing::info!(signal = name, "{}", match next {
                Stop::Now => "stopping at once",
                _ => "draining; a second signal stops at once",
            }),
            () = stop.closed() => return Ok(()),
        }
        stop.send_replace(next);
    }
    Ok(())
}

/// The signals that ask a process to end.
#[cfg(unix)]
struct Ends {
    term: tokio::signal::unix::Signal,
    int: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Ends {
    fn new() -> io::Result<Ends> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Ends { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.term.recv() => "SIGTERM",
            _ = self.int.recv() => "SIGINT",
        }
    }
}

#[cfg(not(unix))]
struct Ends;

#[cfg(not(unix))]
impl Ends {
    fn new() -> io::Result<Ends> {
        Ok(Ends)
    }
    async fn next(&mut self) -> &'static str {
        match tokio::signal::ctrl_c().await {
            Ok(()) => "Ctrl-C",
            Err(_) => pending().await,
        }
    }
}

fn builder(limits: &AcceptLimits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read_timeout)
        .keep_alive(true)
        .max_buf_size(HEADER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADER_BYTES as u32)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}

/// Resolves when `stop` is at least at this stage. Never, if its sender is gone before.
async fn reached(stop: &mut watch::Receiver<Stop>, stage: Stop) {
    if stop.wait_for(|now| *now >= stage).await.is_err() {
        pending::<()>().await;
    }
}

/// The next connection, once there is room for one.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let Ok(permit) = Arc::clone(permits).acquire_owned().await else {
        // Only a closed semaphore refuses, and this one is never closed.
        return pending().await;
    };
    let (mut pause, longest) = PAUSES;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, permit),
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                // Out of file descriptors or memory: the queue stays as it is, so asking again at
                // once would only burn the processor that could free some.
                tracing::warn!(%error, pause_ms = pause.as_millis(), "cannot accept connections");
                sleep(pause).await;
                pause = (pause * 2).min(longest);
            }
        }
    }
}

/// Whether the error belongs to the connection that was about to be accepted, so that the next one
/// may be fine.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

fn log_end(ended: Result<(), tokio::task::JoinError>) {
    if ended.is_err_and(|error| error.is_panic()) {
        tracing::error!("a connection ended in a panic; the others go on");
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    builder: &Builder<TokioExecutor>,
    limit: Duration,
    mut stop: watch::Receiver<Stop>,
) {
    // Tokens are small and wanted now. A socket that refuses is about to fail anyway.
    let _ = stream.set_nodelay(true);
    let asked = Arc::new(AtomicBool::new(false));
    let service = {
        let asked = Arc::clone(&asked);
        service_fn(move |request| {
            asked.store(true, Ordering::Relaxed);
            respond(router.clone(), peer, request)
        })
    };
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    // Hyper's own timer starts once it knows the protocol; this one also ends the connections that
    // never say enough for that, and HTTP/2 ones that never ask for anything.
    let mut first = pin!(sleep_until(Instant::now() + limit));
    let (mut waiting, mut draining) = (true, false);
    loop {
        tokio::select! {
            ended = &mut connection => {
                if let Err(error) = ended {
                    tracing::debug!(%peer, error = %error, "connection closed");
                }
                return;
            }
            () = &mut first, if waiting => {
                if !asked.load(Ordering::Relaxed) {
                    tracing::debug!(%peer, "no request in time, connection closed");
                    return;
                }
                waiting = false;
            }
            () = reached(&mut stop, Stop::Drain), if !draining => {
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

fn respond(
    mut router: Router,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Body>, Infallible>> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    let place = (request.method().clone(), request.uri().path().to_owned());
    // The router is a clone of its own, so nothing half-done is seen after a panic.
    let answer = AssertUnwindSafe(async move { router.call(request).await }).catch_unwind();
    async move {
        match answer.await {
            Ok(answer) => answer,
            Err(_) => {
                tracing::error!(method = %place.0, path = place.1, "a handler panicked");
                Ok(internal_error())
            }
        }
    }
}

fn internal_error() -> Response<Body> {
    let body = r#"{"error":{"message":"the gateway failed on this request; it was logged","type":"server_error","code":"internal_error"}}"#;
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, json);
    answer
}

#[cfg(test)]
#[path = "accept_tests.rs"]
mod tests;
