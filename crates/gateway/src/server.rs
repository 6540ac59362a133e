//! Sockets: accepts within a cap, speaks HTTP/1.1 and h2, stops gracefully.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::app::App;
use crate::settings::Limits;
use crate::tls::Tls;

/// What a connection past the cap is told; it is closed then.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n\
Content-Type: application/json\r\nContent-Length: 93\r\n\r\n\
{\"code\":\"connections_max\",\"message\":\"too many connections\",\"detail\":null,\"retryable\":true}    ";

/// Serves until `stop` says so, then lets requests in flight finish within `grace`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    app: Arc<App>,
    tls: Option<Arc<Tls>>,
    mut stop: watch::Receiver<bool>,
    grace: Duration,
) {
    let limits = app.settings.limits.clone();
    let places = Arc::new(Semaphore::new(limits.connections_max));
    let http = Arc::new(http(&limits));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                after_failed_accept(&error).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            app.traffic.connections_refused.add(1);
            tokio::spawn(refuse(stream));
            continue;
        };
        app.traffic.connections.add(1);
        let (http, router, graceful) = (http.clone(), router.clone(), graceful.watcher());
        let acceptor = tls.as_ref().map(|tls| tls.acceptor());
        let handshake = limits.header_read;
        tokio::spawn(async move {
            // Answers are small and waited for.
            if stream.set_nodelay(true).is_ok() {
                connection(stream, acceptor, handshake, &http, router, graceful).await;
            }
            drop(place);
        });
    }
    drop(listener);
    // Past the grace the process ends under them; what was acknowledged is on disk.
    let _ = timeout(grace, graceful.shutdown()).await;
}

fn http(limits: &Limits) -> Builder<TokioExecutor> {
    let mut http = Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read)
        .max_buf_size(limits.header_bytes_max.max(8192))
        .max_headers(limits.headers_max);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.h2_streams_max)
        .max_header_list_size(limits.header_bytes_max as u32)
        .keep_alive_interval(limits.header_read)
        .keep_alive_timeout(limits.header_read);
    http
}

async fn connection(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    handshake: Duration,
    http: &Builder<TokioExecutor>,
    router: Router,
    graceful: Watcher,
) {
    match acceptor {
        None => speak(stream, http, router, graceful).await,
        Some(acceptor) => {
            // What is no TLS, or takes too long to become it, is dropped without a word.
            if let Ok(Ok(stream)) = timeout(handshake, acceptor.accept(stream)).await {
                speak(stream, http, router, graceful).await;
            }
        }
    }
}

async fn speak<S>(stream: S, http: &Builder<TokioExecutor>, router: Router, graceful: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(router);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    // A client that breaks off is no event; what it asked for is counted where it was handled.
    let _ = graceful.watch(connection).await;
}

async fn refuse(mut stream: TcpStream) {
    let written = timeout(Duration::from_secs(1), stream.write_all(FULL)).await;
    if let Ok(Ok(())) = written {
        // Nobody waits for the peer's farewell.
        let _ = stream.shutdown().await;
    }
}

/// Out of file descriptors: accepting again at once would spin.
async fn after_failed_accept(error: &io::Error) {
    let of_the_peer = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    );
    if !of_the_peer {
        sleep(Duration::from_millis(100)).await;
    }
}
