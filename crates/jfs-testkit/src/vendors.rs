//! The object stores of Tencent (COS) and Alibaba (OSS) on loopback, under their own host names.
//!
//! A script runs in a network and a mount namespace of its own, where the vendors' host names lead to a server that
//! `vendors.py` is. The server has a certificate of an authority that exists for this test only; programs trust it through
//! `SSL_CERT_FILE`. It checks every signature by the vendor's published algorithm.

use crate::error::IoContext;
use crate::{KitError, Result, scratch_dir};
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

const SERVER: &str = include_str!("vendors.py");

/// Makes an authority and a certificate for all names of the vendors that tests use.
const CERTIFICATES: &str = r#"
set -e
new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "$@" 2>> openssl.log; }
new -x509 -days 2 -subj "/CN=authority of a test" -keyout authority.key -out authority.pem
new -subj "/CN=vendors" -keyout server.key -out server.csr
names=DNS:service.cos.myqcloud.com
for name in cos.ap-nanjing.myqcloud.com oss-cn-hangzhou.aliyuncs.com oss-cn-hangzhou-internal.aliyuncs.com \
    oss-cn-shanghai.aliyuncs.com
do names="$names,DNS:*.$name"; done
printf 'subjectAltName=%s\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n' "$names" > extensions
openssl x509 -req -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 2 \
    -extfile extensions -out server.crt 2>> openssl.log
cat server.crt server.key > server.pem
"#;

/// Before the script of a test: names, the server, the authority. All processes end with the namespace.
const AROUND: &str = r#"
set -e
mount --bind "$VENDORS/hosts" /etc/hosts
python3 "$VENDORS/vendors.py" "$VENDORS" https:127.0.0.1:443 http:127.0.0.1:80 > "$VENDORS/out" 2>&1 &
for try in $(seq 200); do ! grep -q ready "$VENDORS/out" || break; sleep 0.05; done
grep -q ready "$VENDORS/out" || { cat "$VENDORS/out"; exit 1; }
export SSL_CERT_FILE="$VENDORS/authority.pem"
bash -c "$SCRIPT"
"#;

/// The vendors, as long as the value lives. What is stored lasts for one script.
#[derive(Debug)]
pub struct Vendors(TempDir);

/// The output of a script, and its success.
#[derive(Debug)]
pub struct Ran {
    /// Whether the exit code is 0.
    pub ok: bool,
    /// Standard output and standard error.
    pub text: String,
}

impl Vendors {
    /// Vendors with these hosts (a bucket's name included) and these pairs of keys.
    pub fn new(hosts: &[&str], keys: &[(&str, &str)]) -> Result<Vendors> {
        let dir = scratch_dir()?;
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).doing(|| format!("writing {}", path.display()))
        };
        write("vendors.py", SERVER)?;
        let names = hosts.iter().map(|host| format!("127.0.0.1 {host}\n"));
        write("hosts", &names.collect::<String>())?;
        let pairs = keys.iter().map(|(id, secret)| format!("{id} {secret}\n"));
        write("keys", &pairs.collect::<String>())?;
        write("requests", "")?;
        let made = Command::new("bash")
            .args(["-c", CERTIFICATES])
            .current_dir(dir.path())
            .output();
        let made = made.doing(|| "running bash".to_owned())?;
        if !made.status.success() {
            let log = std::fs::read_to_string(dir.path().join("openssl.log"));
            return Err(KitError::Failed {
                what: "openssl makes no certificates".to_owned(),
                output: log.unwrap_or_default(),
            });
        }
        Ok(Vendors(dir))
    }

    /// Checks the checker: it finds the signatures of the vendors' published examples.
    pub fn published_examples(&self) -> Result<Ran> {
        let mut command = Command::new("python3");
        run(command.arg(self.0.path().join("vendors.py")))
    }

    /// Runs a script of bash where the hosts lead to the server.
    pub fn run(&self, script: &str, directory: &Path, env: &[(&str, &str)]) -> Result<Ran> {
        let mut command = Command::new("unshare");
        command
            .args([
                "--mount",
                "--net",
                "--pid",
                "--mount-proc",
                "--fork",
                "--kill-child",
            ])
            .args(["bash", "-c", AROUND])
            .current_dir(directory)
            .env("VENDORS", self.0.path())
            .env("SCRIPT", script)
            .envs(env.iter().copied());
        run(&mut command)
    }

    /// Every request so far, oldest first: `method`, `host`, `path`, `query`, `tls`, `headers`, `scheme` of the signature,
    /// `signature` (`good` or the error's code), `status`.
    pub fn requests(&self) -> Result<Vec<serde_json::Value>> {
        let path = self.0.path().join("requests");
        let text =
            std::fs::read_to_string(&path).doing(|| format!("reading {}", path.display()))?;
        let parsed = text.lines().map(serde_json::from_str);
        parsed
            .collect::<std::result::Result<_, _>>()
            .map_err(|e| KitError::BadData {
                file: path.clone(),
                reason: e.to_string(),
            })
    }

    /// The file with the failures to come, a line `METHOD STATUS CODE` each.
    pub fn faults(&self) -> std::path::PathBuf {
        self.0.path().join("faults")
    }
}

fn run(command: &mut Command) -> Result<Ran> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.doing(|| format!("running {:?}", command.get_program()))?;
    Ok(Ran {
        ok: output.status.success(),
        text: String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_checker_finds_the_signatures_of_the_published_examples() {
        let vendors = Vendors::new(&[], &[]).unwrap();
        let ran = vendors.published_examples().unwrap();
        assert!(ran.ok, "{}", ran.text);
    }
}
