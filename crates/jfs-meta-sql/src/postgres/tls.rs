//! TLS to the server, in the modes that libpq names.

use jfs_meta::EngineError;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The part of the server's certificate that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// No TLS.
    Off,
    /// TLS where the server offers it, with any certificate.
    Prefer,
    /// TLS with any certificate.
    Unverified,
    /// TLS with a certificate of a known authority for any host.
    VerifyChain,
    /// TLS with a certificate of a known authority for this host.
    VerifyAll,
}

/// A way to wrap sockets into TLS.
#[derive(Clone)]
pub(super) struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Reads the certificates: of `authorities` where given, of the system otherwise, and certificate and key of the client.
    pub(super) fn new(
        mode: Mode,
        authorities: Option<&Path>,
        identity: Option<(&Path, &Path)>,
    ) -> Result<Tls, EngineError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|e| EngineError::Fatal(format!("TLS: {e}")))?;
        let check: Arc<dyn ServerCertVerifier> = match mode {
            Mode::Off | Mode::Prefer | Mode::Unverified => Arc::new(Unverified(provider)),
            Mode::VerifyChain | Mode::VerifyAll => {
                let roots = Arc::new(roots(authorities)?);
                let known = WebPkiServerVerifier::builder_with_provider(roots, provider)
                    .build()
                    .map_err(|e| EngineError::Fatal(format!("sslrootcert: {e}")))?;
                match mode {
                    Mode::VerifyAll => known,
                    _ => Arc::new(AnyHost(known)),
                }
            }
        };
        let builder = builder.dangerous().with_custom_certificate_verifier(check);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates("sslcert", certificate)?;
                let key = PrivateKeyDer::from_pem_file(key)
                    .map_err(|e| EngineError::Fatal(format!("sslkey {}: {e}", key.display())))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|e| EngineError::Fatal(format!("sslcert and sslkey: {e}")))?
            }
        };
        Ok(Tls(Arc::new(config)))
    }
}

fn certificates(option: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, EngineError> {
    let shown = path.display();
    let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match all {
        Ok(all) if all.is_empty() => Err(EngineError::Fatal(format!(
            "{option} {shown}: there is no certificate in it"
        ))),
        Ok(all) => Ok(all),
        Err(e) => Err(EngineError::Fatal(format!("{option} {shown}: {e}"))),
    }
}

/// The certificates of authorities.
fn roots(authorities: Option<&Path>) -> Result<RootCertStore, EngineError> {
    let mut roots = RootCertStore::empty();
    match authorities.filter(|path| *path != Path::new("system")) {
        Some(path) => {
            for certificate in certificates("sslrootcert", path)? {
                roots.add(certificate).map_err(|e| {
                    EngineError::Fatal(format!("sslrootcert {}: {e}", path.display()))
                })?;
            }
        }
        None => {
            // One that cannot be used counts as one that is missing.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    match roots.is_empty() {
        false => Ok(roots),
        true => Err(EngineError::Fatal(
            "this machine has no certificates of authorities: name a file with sslrootcert in the PostgreSQL URL".into(),
        )),
    }
}

/// Accepts every certificate whose owner proves to have the key.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Accepts certificates of known authorities for any host.
#[derive(Debug)]
struct AnyHost(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyHost {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let checked = self
            .0
            .verify_server_cert(certificate, between, host, ocsp, now);
        match checked {
            // The host is what is looked at last.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            checked => checked,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

impl<S> MakeTlsConnect<S> for Tls
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Wrapped<S>;
    type TlsConnect = ToHost;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> Result<ToHost, io::Error> {
        // Sockets of this machine have no name and no TLS.
        let host = ServerName::try_from(host.to_string()).or_else(|e| match host.is_empty() {
            true => ServerName::try_from("localhost"),
            false => Err(e),
        });
        Ok(ToHost {
            config: self.0.clone(),
            host: host.map_err(io::Error::other)?,
        })
    }
}

/// TLS to one host.
pub(super) struct ToHost {
    config: Arc<ClientConfig>,
    host: ServerName<'static>,
}

impl<S> TlsConnect<S> for ToHost
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Wrapped<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Wrapped<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        let connecting = TlsConnector::from(self.config).connect(self.host, stream);
        Box::pin(async move { Ok(Wrapped(Box::new(connecting.await?))) })
    }
}

/// A socket inside of TLS.
pub(super) struct Wrapped<S>(Box<TlsStream<S>>);

impl<S: AsyncRead + AsyncWrite + Unpin> tokio_postgres::tls::TlsStream for Wrapped<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Wrapped<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wrapped<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
