//! Connections to receivers: to checked addresses only, by the machine's certificates.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OnceCell, Semaphore};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{self, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::{Failure, Outcome};
use crate::address::Reach;
use crate::endpoint::{Host, Target};
use crate::error::WebhookError;
use crate::settings::Settings;

/// Head of an answer: one more byte or field is no answer.
const HEAD_BYTES_MAX: usize = 16 * 1024;
const HEAD_FIELDS_MAX: usize = 64;
/// Addresses of a name that are tried.
const ADDRESSES_TRIED: usize = 3;
/// A name server that does not answer holds a thread for as long as the system's resolver likes.
pub const LOOKUPS_MAX: usize = 8;
/// After so long a connection is not used again: names may lead elsewhere by then.
const IDLE_MAX: Duration = Duration::from_secs(20);
const AGE_MAX: Duration = Duration::from_secs(300);

pub struct Connector {
    reach: Reach,
    connect: Duration,
    /// Made with the first https:// endpoint: reading the machine's authorities takes a start's worth of time.
    tls: OnceCell<TlsConnector>,
    lookups: Arc<Semaphore>,
}

/// An open connection; closed when dropped.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
    opened: Instant,
    used: Instant,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    pub async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, hyper::Error> {
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await;
        self.used = Instant::now();
        answer
    }

    pub fn is_usable(&self) -> bool {
        !self.sender.is_closed()
            && self.used.elapsed() < IDLE_MAX
            && self.opened.elapsed() < AGE_MAX
    }
}

impl Connector {
    pub fn new(settings: &Settings) -> Result<Connector, WebhookError> {
        let tls = OnceCell::new();
        if let Some(path) = &settings.authorities {
            let made = trusting(of_file(path)?)?;
            // Nobody has it yet, so that it is empty.
            let _ = tls.set(made);
        }
        Ok(Connector {
            reach: settings.reach.clone(),
            connect: settings.connect,
            tls,
            lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)),
        })
    }

    pub async fn connect(
        &self,
        target: &Target,
        until: time::Instant,
    ) -> Result<Connection, Outcome> {
        let until = until.min(time::Instant::now() + self.connect);
        let opened = timeout_at(until, self.open(target)).await;
        opened.unwrap_or_else(|_| {
            let detail = "not connected in time";
            Err(Outcome::failed(Failure::ConnectTimeout, detail))
        })
    }

    async fn open(&self, target: &Target) -> Result<Connection, Outcome> {
        let stream = self.reach(self.addresses(target).await?).await?;
        if !target.tls {
            return speak(stream).await;
        }
        let name = match &target.host {
            Host::Address(address) => ServerName::from(*address),
            Host::Name(name) => ServerName::try_from(name.clone())
                .map_err(|error| Outcome::failed(Failure::Tls, error))?,
        };
        let tls = self.tls.get_or_try_init(async || trusting(of_machine()));
        let tls = tls.await;
        let tls = tls.map_err(|error| Outcome::failed(Failure::Tls, error))?;
        match tls.connect(name, stream).await {
            Ok(stream) => speak(stream).await,
            Err(error) => Err(Outcome::failed(Failure::Tls, error)),
        }
    }

    /// Where the target is. One address that is not allowed refuses all: a name that leads inside and outside at
    /// once is no accident.
    async fn addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, Outcome> {
        let found = match &target.host {
            Host::Address(address) => vec![SocketAddr::new(*address, target.port)],
            Host::Name(name) => self.look_up(name.clone(), target.port).await?,
        };
        for address in &found {
            if let Some(range) = self.reach.refuses(address.ip()) {
                let detail = format!("{} is {range}", address.ip());
                return Err(Outcome::failed(Failure::AddressRefused, detail));
            }
        }
        Ok(found)
    }

    async fn look_up(&self, name: String, port: u16) -> Result<Vec<SocketAddr>, Outcome> {
        let unknown = |detail: String| Outcome::failed(Failure::NameUnknown, detail);
        let turn = self.lookups.clone().acquire_owned().await;
        let turn = turn.map_err(|error| unknown(error.to_string()))?;
        let asked = spawn_blocking(move || {
            // Given back when the resolver is done, not when nobody waits for it any more.
            let _turn = turn;
            let found = (name.as_str(), port).to_socket_addrs();
            found.map(Iterator::collect::<Vec<_>>)
        });
        match asked.await {
            Ok(Ok(found)) if !found.is_empty() => Ok(found),
            Ok(Ok(_)) => Err(unknown("the name has no address".to_owned())),
            Ok(Err(error)) => Err(unknown(error.to_string())),
            Err(error) => Err(unknown(error.to_string())),
        }
    }

    async fn reach(&self, addresses: Vec<SocketAddr>) -> Result<TcpStream, Outcome> {
        let mut failed = Outcome::failed(Failure::ConnectFailed, "no address");
        for address in addresses.into_iter().take(ADDRESSES_TRIED) {
            let reached = TcpStream::connect(address).await;
            match reached.and_then(|stream| stream.set_nodelay(true).map(|()| stream)) {
                Ok(stream) => return Ok(stream),
                Err(error) => failed = Outcome::failed(Failure::ConnectFailed, error),
            }
        }
        Err(failed)
    }
}

async fn speak<S>(stream: S) -> Result<Connection, Outcome>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut http = Builder::new();
    http.max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEAD_FIELDS_MAX);
    let (sender, connection) = http
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| Outcome::failed(Failure::ConnectFailed, error))?;
    let driver = tokio::spawn(async move {
        // What goes wrong on it is told to the request that was on its way.
        let _ = connection.await;
    });
    let now = Instant::now();
    Ok(Connection {
        sender,
        driver,
        opened: now,
        used: now,
    })
}

fn trusting(authorities: RootCertStore) -> Result<TlsConnector, WebhookError> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| WebhookError::Roots(error.to_string()))?
        .with_root_certificates(authorities)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// A machine without any fails at every https:// endpoint, with a reason.
fn of_machine() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn of_file(path: &Path) -> Result<RootCertStore, WebhookError> {
    let wrong = |error: &dyn std::fmt::Display| {
        WebhookError::Roots(format!(
            "{} (webhooks.authorities): {error}",
            path.display()
        ))
    };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| wrong(&error))?;
        roots.add(certificate).map_err(|error| wrong(&error))?;
    }
    if roots.is_empty() {
        return Err(wrong(&"it holds no certificate"));
    }
    Ok(roots)
}
