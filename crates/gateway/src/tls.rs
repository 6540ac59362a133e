//! TLS with a certificate that can be replaced while connections run.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use thiserror::Error;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM, the server's own certificate first.
    pub certificates: PathBuf,
    pub key: PathBuf,
}

#[derive(Debug, Error)]
#[error("TLS: {}: {why}", path.display())]
pub struct TlsError {
    path: PathBuf,
    why: String,
}

pub struct Tls {
    files: TlsFiles,
    current: RwLock<TlsAcceptor>,
}

impl Tls {
    pub fn load(files: TlsFiles) -> Result<Tls, TlsError> {
        let current = RwLock::new(read(&files)?);
        Ok(Tls { files, current })
    }

    /// For connections from now on; with an error the certificate in use stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        let fresh = read(&self.files)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    pub fn acceptor(&self) -> TlsAcceptor {
        let current = self.current.read();
        current.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn files(&self) -> &TlsFiles {
        &self.files
    }
}

fn read(files: &TlsFiles) -> Result<TlsAcceptor, TlsError> {
    let at = |path: &PathBuf| {
        let path = path.clone();
        move |why: String| TlsError { path, why }
    };
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(&files.certificates)
        .map_err(|error| at(&files.certificates)(error.to_string()))?
        .collect();
    let certificates = certificates.map_err(|error| at(&files.certificates)(error.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| at(&files.key)(error.to_string()))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| at(&files.key)(error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(certificates, key);
    let mut config = config.map_err(|error| at(&files.key)(error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
