//! `--metrics`: the numbers of this mount at `http://ADDRESS/metrics`, in the Prometheus text format.

use crate::plan::Plan;
use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use jfs::View;
use jfs_telemetry::metrics::{PROMETHEUS_MEDIA_TYPE, prometheus_text};
use jfs_telemetry::scripted;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

/// Ports tried one after the other when the first is taken; then any free one.
const PORTS_TRIED: u16 = 100;
/// Connections served at the same time; more wait.
const CONNECTIONS_MAX: usize = 16;
/// Longest head of a request, bytes.
const REQUEST_MAX: usize = 8 << 10;
/// Most header lines of a request.
const HEADERS_MAX: usize = 64;
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
        Some(Err(e)) => bail!("--metrics \"{given}\": the port is wrong: {e}"),
        None => bail!("--metrics \"{given}\": HOST:PORT is needed"),
    }
}

/// The labels of the flag, `NAME:VALUE` joined by semicolons.
pub(crate) fn labels(given: &str) -> anyhow::Result<Vec<(String, String)>> {
    let items = given.split(';').filter(|item| !item.is_empty());
    items.map(label).collect()
}

fn label(item: &str) -> anyhow::Result<(String, String)> {
    let Some((name, value)) = item.split_once(':').filter(|(_, v)| !v.contains(':')) else {
        bail!("--custom-labels \"{item}\": NAME:VALUE is needed, with semicolons between several");
    };
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let rest = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.starts_with(first) || !name.chars().all(rest) {
        bail!("--custom-labels: \"{name}\" is no name: letters, digits and _ make one");
    }
    Ok((name.to_string(), value.to_string()))
}

/// All labels of a mount.
fn all_labels(plan: &Plan, volume: &jfs::Volume) -> Vec<(String, String)> {
    let host = hostname::get().unwrap_or_default();
    let values = [
        host.to_string_lossy().into_owned(),
        jfs_types::version::session_version(),
        plan.mountpoint.display().to_string(),
        volume.setting().name.clone(),
    ];
    let reserved = RESERVED.into_iter().map(str::to_string).zip(values);
    let mut all: Vec<(String, String)> = reserved.collect();
    for (name, value) in &plan.labels {
        if RESERVED.contains(&name.as_str()) {
            tracing::warn!("--custom-labels replaces \"{name}\", which all mounts have");
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
                tracing::info!("{}", scripted::metrics_listening(address));
                let task = tokio::spawn(serve(listener, volume.view().clone(), labels));
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

async fn serve(listener: TcpListener, view: View, labels: Vec<(String, String)>) {
    let (slots, labels) = (Arc::new(Semaphore::new(CONNECTIONS_MAX)), Arc::new(labels));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(CONNECTION_TIME)
        .max_buf_size(REQUEST_MAX)
        .max_headers(HEADERS_MAX)
        // As servers in Go write them, for scripts that compare letters.
        .title_case_headers(true)
        // A connection has one request, so that none holds its place for longer than that.
        .keep_alive(false);
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
        let (view, labels) = (view.clone(), labels.clone());
        let answers = service_fn(move |request: Request<Incoming>| {
            let answer = answer(&request, &view, &labels);
            async move { Ok::<_, Infallible>(answer) }
        });
        let connection = http.serve_connection(TokioIo::new(stream), answers);
        tokio::spawn(async move {
            // A slow or broken client loses its connection, nothing else.
            let _ = tokio::time::timeout(CONNECTION_TIME, connection).await;
            drop(slot);
        });
    }
}

/// The page, for any method: bodies of requests are not read, and hyper leaves out that of the answer to HEAD.
fn answer(
    request: &Request<Incoming>,
    view: &View,
    labels: &[(String, String)],
) -> Response<Full<Bytes>> {
    let (status, kind, text) = match request.uri().path() {
        "/metrics" => {
            let text = prometheus_text(view.metrics(), labels);
            (StatusCode::OK, PROMETHEUS_MEDIA_TYPE, text)
        }
        _ => {
            let text = "404 page not found\n".to_string();
            (StatusCode::NOT_FOUND, "text/plain", text)
        }
    };
    let mut answer = Response::new(Full::from(text));
    *answer.status_mut() = status;
    let kind = HeaderValue::from_static(kind);
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
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
        assert_eq!(error, "--metrics \"nonsense\": HOST:PORT is needed");
        assert!(address("h:65536").is_err());
        let pair = |k: &str, v: &str| (k.to_string(), v.to_string());
        assert_eq!(labels("").unwrap(), []);
        assert_eq!(labels("a:b;_c:").unwrap(), [pair("a", "b"), pair("_c", "")]);
        let error = labels("a:b;c").unwrap_err().to_string();
        assert!(
            error.starts_with("--custom-labels \"c\": NAME:VALUE"),
            "{error}"
        );
        assert!(labels("1a:b").is_err());
        assert!(labels("a:b:c").is_err());
    }
}
