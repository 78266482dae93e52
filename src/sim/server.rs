//! The sim's accept loop.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::task::JoinSet;
use tower_service::Service;

use super::Settings;
use super::http::{Peer, router};

/// How long answers that are under way may still take after the shutdown.
const DRAIN: Duration = Duration::from_secs(2);
/// How long to wait when the system has no more sockets to give.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(50);

/// The sim on a socket of its own.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    settings: Settings,
}

impl Server {
    /// Listens at an address (`127.0.0.1:0` for a free port) with the usual settings. Connections
    /// are accepted from now on and answered from [`Server::serve`] on.
    ///
    /// # Errors
    /// The address cannot be resolved or is in use.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Server> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Server { listener, address, settings: Settings::default() })
    }

    /// The same server with other settings.
    pub fn with(self, settings: Settings) -> Server {
        Server { settings, ..self }
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Answers until the shutdown; then finishes what is under way, for at most two seconds.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let router = router(self.settings);
        let graceful = GracefulShutdown::new();
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(10));
        builder.http2().timer(TokioTimer::new());
        // Dropped at the end with whatever connections are left.
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((socket, peer)) => {
                        // Else small writes would wait for the reader's acknowledgement.
                        let _ = socket.set_nodelay(true);
                        let router = router.clone();
                        let service = service_fn(move |mut request: Request<Incoming>| {
                            request.extensions_mut().insert(Peer(peer));
                            router.clone().call(request)
                        });
                        let connection =
                            builder.serve_connection(TokioIo::new(socket), service).into_owned();
                        let connection = graceful.watch(connection);
                        connections.spawn(async move {
                            // The peer's broken connection is the peer's matter.
                            let _ = connection.await;
                        });
                    }
                    Err(_) => tokio::time::sleep(OUT_OF_SOCKETS).await,
                },
            }
            while connections.try_join_next().is_some() {}
        }
        drop(self.listener);
        let _ = tokio::time::timeout(DRAIN, graceful.shutdown()).await;
    }
}
