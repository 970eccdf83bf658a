//! `--metrics`: the numbers of this mount at `http://ADDRESS/metrics`, in the Prometheus text format.

use crate::plan::Plan;
use anyhow::{Context, bail};
use jfs::Vfs;
use jfs_telemetry::metrics::prometheus_text;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

/// Ports tried one after the other when the first is taken; then any free one.
const PORTS_TRIED: u16 = 100;
/// Connections served at the same time; more wait.
const CONNECTIONS_MAX: usize = 16;
/// Longest request, bytes.
const REQUEST_MAX: usize = 8 << 10;
/// Time for one request and its answer.
const CONNECTION_TIME: Duration = Duration::from_secs(10);
/// Pause after a connection could not be taken.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Labels that every mount has.
const RESERVED: [&str; 4] = ["instance", "juicefs_version", "mp", "vol_name"];

/// The address of the flag, checked; empty for none.
pub(crate) fn address(given: &str) -> anyhow::Result<String> {
    if given.is_empty() {
        return Ok(String::new());
    }
    let port = given.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
    match port {
        Some(Ok(_)) => Ok(given.to_string()),
        Some(Err(e)) => bail!("metrics format error \"{given}\": port: {e}"),
        None => bail!("metrics format error \"{given}\": address {given}: missing port in address"),
    }
}

/// The labels of the flag, `NAME:VALUE` joined by semicolons.
pub(crate) fn labels(given: &str) -> anyhow::Result<Vec<(String, String)>> {
    let items = given.split(';').filter(|item| !item.is_empty());
    items.map(label).collect()
}

fn label(item: &str) -> anyhow::Result<(String, String)> {
    let Some((name, value)) = item.split_once(':').filter(|(_, v)| !v.contains(':')) else {
        bail!("invalid label format: \"{item}\"");
    };
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let rest = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.starts_with(first) || !name.chars().all(rest) {
        bail!("invalid label name: \"{name}\"");
    }
    Ok((name.to_string(), value.to_string()))
}

/// All labels of a mount.
fn all_labels(plan: &Plan, volume: &jfs::Volume) -> Vec<(String, String)> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let values = [
        host.trim().to_string(),
        jfs_types::version::session_version(),
        plan.mountpoint.display().to_string(),
        volume.setting().name.clone(),
    ];
    let reserved = RESERVED.into_iter().map(str::to_string).zip(values);
    let mut all: Vec<(String, String)> = reserved.collect();
    for (name, value) in &plan.labels {
        if RESERVED.contains(&name.as_str()) {
            tracing::warn!("overriding reserved label: \"{name}\"");
        }
        all.retain(|(known, _)| known != name);
        all.push((name.clone(), value.clone()));
    }
    all
}

/// Serves metrics until it is dropped.
pub(crate) struct Exporter {
    address: SocketAddr,
    task: AbortHandle,
}

impl Exporter {
    /// Starts listening. A mount works without metrics: when that fails it is logged.
    pub(crate) async fn start(plan: &Plan, volume: &jfs::Volume) -> Option<Exporter> {
        if plan.metrics.is_empty() {
            return None;
        }
        let labels = all_labels(plan, volume);
        let started = listen(&plan.metrics).await.and_then(|listener| {
            let address = listener.local_addr().context("the address listened on")?;
            Ok((listener, address))
        });
        match started {
            Ok((listener, address)) => {
                tracing::info!("Prometheus metrics listening on \"{address}\"");
                let task = tokio::spawn(serve(listener, volume.vfs().clone(), labels));
                let task = task.abort_handle();
                Some(Exporter { address, task })
            }
            Err(error) => {
                tracing::error!("no metrics at \"{}\": {error:#}", plan.metrics);
                None
            }
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Listens at the address, or at the next free port of the same host.
async fn listen(address: &str) -> anyhow::Result<TcpListener> {
    let (host, port) = address.rsplit_once(':').context("an address has a port")?;
    let host = match host.trim_start_matches('[').trim_end_matches(']') {
        "" => "0.0.0.0",
        host => host,
    };
    let port: u16 = port.parse().context("port")?;
    for more in 0..PORTS_TRIED {
        let Some(port) = port.checked_add(more) else {
            break;
        };
        match TcpListener::bind((host, port)).await {
            Err(e) if e.kind() == io::ErrorKind::AddrInUse => {}
            done => return done.with_context(|| format!("listen on {host}:{port}")),
        }
    }
    let any = TcpListener::bind((host, 0)).await;
    any.with_context(|| format!("listen on any port of {host}"))
}

async fn serve(listener: TcpListener, vfs: Vfs, labels: Vec<(String, String)>) {
    let (slots, labels) = (Arc::new(Semaphore::new(CONNECTIONS_MAX)), Arc::new(labels));
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(e) => {
                tracing::debug!("metrics connection: {e}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (vfs, labels) = (vfs.clone(), labels.clone());
        tokio::spawn(async move {
            let answered = answer(stream, &vfs, &labels);
            // A slow or broken client loses its connection, nothing else.
            let _ = tokio::time::timeout(CONNECTION_TIME, answered).await;
            drop(slot);
        });
    }
}

async fn answer(mut stream: TcpStream, vfs: &Vfs, labels: &[(String, String)]) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|w| w == b"\r\n\r\n") {
        if request.len() >= REQUEST_MAX {
            let text = "431 Request Header Fields Too Large";
            return send(&mut stream, text, "text/plain", "request too long\n", true).await;
        }
        let mut part = [0; 1024];
        match stream.read(&mut part).await? {
            0 => return Ok(()),
            n => request.extend_from_slice(part.get(..n).unwrap_or_default()),
        }
    }
    let line = request.split(|b| *b == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line).into_owned();
    let mut words = line.split(' ');
    let (method, target) = (words.next(), words.next().unwrap_or_default());
    let body = !matches!(method, Some("HEAD"));
    let path = target.split('?').next().unwrap_or_default();
    if !words.next().is_some_and(|w| w.starts_with("HTTP/1.")) {
        let text = "400 Bad Request";
        return send(&mut stream, text, "text/plain", "not HTTP/1\n", true).await;
    }
    if path != "/metrics" {
        let text = "404 page not found\n";
        return send(&mut stream, "404 Not Found", "text/plain", text, body).await;
    }
    let text = prometheus_text(&vfs.metrics(), labels);
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    send(&mut stream, "200 OK", kind, &text, body).await
}

async fn send(
    stream: &mut TcpStream,
    status: &str,
    kind: &str,
    text: &str,
    body: bool,
) -> io::Result<()> {
    let length = text.len();
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    );
    if body {
        answer.push_str(text);
    }
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn flags_are_checked() {
        assert_eq!(address("").unwrap(), "");
        assert_eq!(address("127.0.0.1:1").unwrap(), "127.0.0.1:1");
        let error = address("nonsense").unwrap_err().to_string();
        assert_eq!(
            error,
            "metrics format error \"nonsense\": address nonsense: missing port in address"
        );
        assert!(address("h:65536").is_err());
        let pair = |k: &str, v: &str| (k.to_string(), v.to_string());
        assert_eq!(labels("").unwrap(), []);
        assert_eq!(labels("a:b;_c:").unwrap(), [pair("a", "b"), pair("_c", "")]);
        let error = labels("a:b;c").unwrap_err().to_string();
        assert_eq!(error, "invalid label format: \"c\"");
        assert!(labels("1a:b").is_err());
        assert!(labels("a:b:c").is_err());
    }
}
