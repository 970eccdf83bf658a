//! An HTTP server that streams files of a volume: `GET` and `HEAD`, with ranges.
//!
//! Each connection is a task. A body is read piece by piece while the client takes it, so memory does not grow with
//! files. A client that goes away drops its body, and with it the open file.
//!
//! `cargo run -p jfs --example http_server` serves one request to itself, checks the answer, and ends. With a metadata URL
//! and an address (`... http_server redis://127.0.0.1/1 127.0.0.1:8080`) it serves until it is stopped.

mod support;

use futures_util::{Stream, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use jfs::{Error, ErrorKind, File, Fs, OpenOptions, Volume};
use std::convert::Infallible;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Connections at the same time.
const CONNECTIONS_MAX: usize = 256;
/// Longest life of a connection.
const CONNECTION_MAX: Duration = Duration::from_secs(3600);
/// Bytes of one piece of a body.
const PIECE: u64 = 256 << 10;
/// The user whose permissions count.
const NOBODY: u32 = 65534;

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    if let (Some(url), Some(address)) = (arguments.next(), arguments.next()) {
        let volume = Volume::open(&url, OpenOptions::new().read_only(true)).await?;
        let listener = TcpListener::bind(address).await?;
        tokio::select! {
            _ = serve(listener, volume.fs().as_user(NOBODY, NOBODY, &[])) => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        return Ok(volume.close().await?);
    }
    serve_itself().await
}

async fn serve(listener: TcpListener, fs: Fs) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        let Ok((connection, _)) = listener.accept().await else {
            continue;
        };
        let fs = fs.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(fs.clone(), request));
            let served = http1::Builder::new().serve_connection(TokioIo::new(connection), service);
            if let Ok(Err(e)) = tokio::time::timeout(CONNECTION_MAX, served).await {
                eprintln!("connection: {e}");
            }
            drop(place);
        });
    }
}

async fn answer(fs: Fs, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let answered = match *request.method() {
        Method::GET | Method::HEAD => file(&fs, &request).await,
        _ => Ok(plain(StatusCode::METHOD_NOT_ALLOWED)),
    };
    Ok(answered.unwrap_or_else(|e| match e.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => plain(StatusCode::NOT_FOUND),
        ErrorKind::PermissionDenied | ErrorKind::IsADirectory => plain(StatusCode::FORBIDDEN),
        _ => {
            eprintln!("{e}");
            plain(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }))
}

async fn file(fs: &Fs, request: &Request<Incoming>) -> Result<Response<Body>, Error> {
    let file = fs.open(request.uri().path()).await?;
    let length = file.metadata().await?.len();
    let asked = request.headers().get(RANGE).and_then(|r| r.to_str().ok());
    let (status, range) = match asked {
        None => (StatusCode::OK, 0..length),
        Some(text) => match parse_range(text, length) {
            Some(range) => (StatusCode::PARTIAL_CONTENT, range),
            None => return Ok(plain(StatusCode::RANGE_NOT_SATISFIABLE)),
        },
    };
    let mut response = Response::builder()
        .status(status)
        .header(ACCEPT_RANGES, "bytes")
        .header(CONTENT_LENGTH, range.end - range.start);
    if status == StatusCode::PARTIAL_CONTENT {
        let last = range.end - 1;
        let shown = format!("bytes {}-{last}/{length}", range.start);
        response = response.header(CONTENT_RANGE, shown);
    }
    let body = match *request.method() {
        Method::HEAD => empty(),
        _ => BodyExt::boxed_unsync(StreamBody::new(pieces(file, range))),
    };
    // The parts above are valid.
    Ok(response
        .body(body)
        .unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR)))
}

/// A range of a file, piece by piece. The file is closed when the stream ends or is dropped.
fn pieces(
    file: File,
    range: Range<u64>,
) -> impl Stream<Item = Result<Frame<Bytes>, std::io::Error>> + Send {
    stream::try_unfold((file, range), |(file, range)| async move {
        if range.is_empty() {
            return Ok(None);
        }
        let len = (range.end - range.start).min(PIECE);
        let piece = file.read_at(range.start, len as usize).await?;
        if piece.is_empty() {
            // The file was cut meanwhile.
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let rest = range.start + piece.len() as u64..range.end;
        Ok(Some((Frame::data(piece), (file, rest))))
    })
}

/// `bytes=5-9`, `bytes=5-` or `bytes=-5`, within the file.
fn parse_range(text: &str, length: u64) -> Option<Range<u64>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let range = match (first, last) {
        ("", suffix) => length.saturating_sub(suffix.parse().ok()?)..length,
        (first, "") => first.parse().ok()?..length,
        (first, last) => {
            let behind = last.parse::<u64>().ok()?.checked_add(1)?;
            first.parse().ok()?..behind.min(length)
        }
    };
    (!range.is_empty()).then_some(range)
}

fn plain(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(empty());
    *response.status_mut() = status;
    response
}

fn empty() -> Body {
    BodyExt::boxed_unsync(Full::new(Bytes::new()).map_err(|never| match never {}))
}

/// Serves a volume of its own and asks for a range of a file, a file that is missing, and one that others may not read.
async fn serve_itself() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let url = support::new_volume(dir.path()).await?;
    let volume = Volume::open(&url, OpenOptions::new()).await?;
    let fs = volume.fs();
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    fs.write("/film", &content).await?;
    let secret = fs.options().write(true).create_new(true).mode(0o600);
    secret.open("/secret").await?.close().await?;

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(serve(listener, fs.as_user(NOBODY, NOBODY, &[])));
    let ask = |path: &'static str, range: &'static str| async move {
        let mut connection = TcpStream::connect(address).await?;
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: jfs\r\nconnection: close\r\n{range}\r\n");
        connection.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await?;
        let head = answer.windows(4).position(|w| w == b"\r\n\r\n");
        let body = answer.split_off(head.map_or(0, |at| at + 4));
        Ok::<_, std::io::Error>((String::from_utf8_lossy(&answer).into_owned(), body))
    };
    let (head, body) = ask("/film", "range: bytes=1000000-1999999\r\n").await?;
    let (missing, _) = ask("/none", "").await?;
    let (refused, _) = ask("/secret", "").await?;
    server.abort();
    volume.close().await?;

    let first = head.lines().next().unwrap_or_default();
    println!("{first}: {} bytes", body.len());
    let right = first.contains("206")
        && body == content[1_000_000..2_000_000]
        && missing.contains("404")
        && refused.contains("403");
    match right {
        true => Ok(()),
        false => Err(format!("wrong answers: {head} {missing} {refused}").into()),
    }
}
