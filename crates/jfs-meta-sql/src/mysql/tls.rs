//! TLS to the server: which certificates are good, and which ones the client shows.

use jfs_meta::EngineError;
use mysql_async::{ClientIdentity, SslOpts};
use std::path::Path;

/// The use of TLS.
pub(super) enum Tls {
    /// None.
    Off,
    /// Where the server offers it, or always.
    On {
        /// The driver's settings.
        options: SslOpts,
        /// A server without TLS is refused.
        needed: bool,
    },
}

impl Tls {
    /// Reads the certificates: of `authorities` where given, of the system otherwise, and certificate and key of the client. Without
    /// `checked` the server's certificate may be any.
    pub(super) fn new(
        checked: bool,
        needed: bool,
        authorities: Option<&Path>,
        identity: Option<(&Path, &Path)>,
    ) -> Result<Tls, EngineError> {
        let mut options = SslOpts::default();
        if checked {
            let roots = match authorities {
                Some(path) => vec![read("tls-ca-cert-file", path)?.into()],
                None => system_roots()?,
            };
            options = options
                .with_root_certs(roots)
                .with_disable_built_in_roots(true);
        } else {
            options = options
                .with_danger_accept_invalid_certs(true)
                .with_danger_skip_domain_validation(true);
        }
        if let Some((certificate, key)) = identity {
            let certificate = read("tls-cert-file", certificate)?;
            let key = read("tls-key-file", key)?;
            let identity = ClientIdentity::new(certificate.into(), key.into());
            options = options.with_client_identity(Some(identity));
        }
        Ok(Tls::On { options, needed })
    }
}

fn read(option: &str, path: &Path) -> Result<Vec<u8>, EngineError> {
    std::fs::read(path).map_err(|e| EngineError::Fatal(format!("{option} {}: {e}", path.display())))
}

/// The certificates of authorities that this machine knows.
fn system_roots<T: From<Vec<u8>>>() -> Result<Vec<T>, EngineError> {
    let found = rustls_native_certs::load_native_certs().certs;
    match found.is_empty() {
        false => Ok(found.into_iter().map(|c| c.to_vec().into()).collect()),
        true => Err(EngineError::Fatal(
            "this machine has no certificates of authorities: name a file with tls-ca-cert-file in the MySQL URL".into(),
        )),
    }
}
