//! Certificates for the TLS of private servers, made by the program `openssl`.

use crate::process::require;
use crate::sql_client::{TlsFiles, run_to_end};
use crate::{Result, scratch_dir};
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// Makes an authority, and a certificate of it for the loopback.
const SCRIPT: &str = r#"
set -e
new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "$@"; }
new -x509 -days 2 -subj "/CN=authority of a test" -keyout authority.key -out authority.pem
new -subj "/CN=a server" -keyout server.key -out server.csr
printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n' > extensions
openssl x509 -req -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 2 \
    -extfile extensions -out server.crt
"#;

/// An authority that exists for one test, and a server's certificate for 127.0.0.1 and `localhost`, valid
/// for two days.
#[derive(Debug)]
pub struct Certificates(TempDir);

impl Certificates {
    /// Makes new ones.
    pub fn new() -> Result<Certificates> {
        let dir = scratch_dir()?;
        require("openssl", "apt-get install openssl")?;
        let mut sh = Command::new("sh");
        run_to_end(sh.args(["-c", SCRIPT]).current_dir(dir.path()), "")?;
        Ok(Certificates(dir))
    }

    /// The certificate of the authority, a PEM file that a client is told to trust.
    pub fn authority(&self) -> PathBuf {
        self.0.path().join("authority.pem")
    }

    /// The files of the server.
    pub fn server(&self) -> TlsFiles {
        TlsFiles {
            certificate: self.0.path().join("server.crt"),
            key: self.0.path().join("server.key"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{DATABASE_USER, MariadbOptions, MariadbServer, PostgresOptions, PostgresServer};

    /// The servers' own clients accept the certificate of the right authority, and of no other.
    #[test]
    fn servers_show_their_certificates() {
        let (right, wrong) = (Certificates::new().unwrap(), Certificates::new().unwrap());
        let tls = Some(right.server());
        let postgres = PostgresServer::start_with(PostgresOptions {
            tls: tls.clone(),
            ..PostgresOptions::default()
        });
        let mariadb = MariadbServer::start_with(MariadbOptions {
            tls,
            ..MariadbOptions::default()
        });
        let (postgres, mariadb) = (postgres.unwrap(), mariadb.unwrap());
        for (certificates, good) in [(&right, true), (&wrong, false)] {
            let authority = certificates.authority();
            let mut psql = Command::new("psql");
            psql.args(["-X", "-c", "SELECT 1", "-d"]).arg(format!(
                "host=127.0.0.1 port={} user={DATABASE_USER} dbname=postgres sslmode=verify-full sslrootcert={}",
                postgres.port(),
                authority.display()
            ));
            assert_eq!(run_to_end(&mut psql, "").is_ok(), good, "psql");
            let mut client = Command::new("mariadb");
            client
                .args(["--no-defaults", "--protocol=tcp", "--host=127.0.0.1"])
                .args(["--ssl-verify-server-cert", "-e", "SELECT 1"])
                .arg(format!("--user={DATABASE_USER}"))
                .arg(format!("--port={}", mariadb.port()))
                .arg(format!("--ssl-ca={}", authority.display()));
            let ran = run_to_end(&mut client, "");
            assert_eq!(ran.is_ok(), good, "mariadb: {ran:?}");
        }
    }
}
