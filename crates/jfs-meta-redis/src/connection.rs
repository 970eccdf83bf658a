//! A connection to the server that has one user at a time.
//!
//! Commands go out and answers come in within the user's own task: no other task stands between it and
//! the socket, so a round trip costs no more wake-ups than the one by the answer. The protocol itself is
//! the library's.

use bytes::BytesMut;
use futures_util::future::select_ok;
use jfs_types::descriptors;
use redis::{
    Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, Pipeline, RedisError, RedisResult, Value,
    ValueCodec, cmd,
};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio_util::codec::Decoder;

/// Room for answers that a connection keeps between round trips, bytes.
const BUFFER_KEPT: usize = 64 << 10;
/// Least room offered to one read of the socket, bytes.
const READ_MIN: usize = 4 << 10;

/// The transport of a connection.
trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// One connection, authenticated, with its database selected.
pub(crate) struct Wire {
    stream: Box<dyn Stream>,
    codec: ValueCodec,
    received: BytesMut,
    /// The server's number for it, 0 when it would not say.
    id: i64,
}

impl Wire {
    /// Connects, with user, password and database of `info`: two round trips at most.
    pub(crate) async fn connect(info: &ConnectionInfo) -> RedisResult<Wire> {
        let stream: Box<dyn Stream> = match info.addr() {
            ConnectionAddr::Tcp(host, port) => match reach(host, *port).await {
                Err(e) if descriptors::free(&e) => Box::new(reach(host, *port).await?),
                connected => Box::new(connected?),
            },
            ConnectionAddr::Unix(path) => match UnixStream::connect(path).await {
                Err(e) if descriptors::free(&e) => Box::new(UnixStream::connect(path).await?),
                connected => Box::new(connected?),
            },
            other => {
                let text = format!("connections to {other} are not supported");
                return Err(io::Error::other(text).into());
            }
        };
        let mut wire = Wire {
            stream,
            codec: ValueCodec::default(),
            received: BytesMut::new(),
            id: 0,
        };
        wire.introduce(info).await?;
        Ok(wire)
    }

    /// The server's number for this connection, by which another one can kill it.
    pub(crate) fn id(&self) -> i64 {
        self.id
    }

    async fn introduce(&mut self, info: &ConnectionInfo) -> RedisResult<()> {
        let settings = info.redis_settings();
        if let Some(password) = settings.password() {
            let user = settings.username();
            match self.authenticate(user, password).await? {
                // Servers before 6.0 know no users.
                Some(e) if user.is_some() && is_too_old(&e) => {
                    self.authenticate(None, password).await?
                }
                refused => refused,
            }
            .map_or(Ok(()), Err)?;
        }
        let mut p = Pipeline::new();
        p.cmd("CLIENT").arg("ID");
        if settings.db() != 0 {
            p.cmd("SELECT").arg(settings.db());
        }
        for answer in self.send(&p).await? {
            match answer {
                Value::Int(id) => self.id = id,
                // Some users and some servers have no such command.
                Value::ServerError(e) if matches!(e.code(), "NOPERM" | "ERR") && self.id == 0 => {}
                Value::ServerError(e) => return Err(e.into()),
                _ => {}
            }
        }
        Ok(())
    }

    /// The reason when the server refuses the user.
    async fn authenticate(
        &mut self,
        user: Option<&str>,
        password: &str,
    ) -> RedisResult<Option<RedisError>> {
        let mut auth: Cmd = cmd("AUTH");
        if let Some(user) = user {
            auth.arg(user);
        }
        auth.arg(password);
        let mut p = Pipeline::new();
        p.add_command(auth);
        Ok(match self.send(&p).await?.pop() {
            Some(Value::ServerError(e))
                if user.is_none() && is_open(e.details().unwrap_or_default()) =>
            {
                None
            }
            Some(Value::ServerError(e)) if is_wrong(e.details().unwrap_or_default()) => {
                Some(RedisError::from((
                    ErrorKind::AuthenticationFailed,
                    "Redis refuses user or password",
                )))
            }
            // The server may be loading its data, or have too many clients.
            Some(Value::ServerError(e)) => Some(e.into()),
            _ => None,
        })
    }

    /// Sends a pipeline and reads its answers, errors of the server among them: one round trip. After an
    /// error, and when it was not waited for, the connection is of no use any more.
    pub(crate) async fn send(&mut self, pipeline: &Pipeline) -> RedisResult<Vec<Value>> {
        let count = pipeline.len();
        self.stream
            .write_all(&pipeline.get_packed_pipeline())
            .await?;
        self.stream.flush().await?;
        let mut answers = Vec::with_capacity(count);
        let mut most = 0;
        while answers.len() < count {
            if let Some(value) = self.codec.decode(&mut self.received)? {
                answers.push(value);
                continue;
            }
            self.received.reserve(READ_MIN);
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(match answers.pop() {
                    // The last message of the server before it hung up is the reason.
                    Some(Value::ServerError(e)) => e.into(),
                    _ => broken("the server closed the connection"),
                });
            }
            most = most.max(self.received.len());
        }
        if !self.received.is_empty() {
            // The next request on this connection would read the rest as its own answer.
            return Err(broken("the server sent more than it was asked for"));
        }
        if most > BUFFER_KEPT {
            self.received = BytesMut::new();
        }
        Ok(answers)
    }
}

/// Connects to the first address of a host that answers; one that is silent holds up none of the others.
async fn reach(host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses = lookup_host((host, port)).await?;
    let tries: Vec<_> = addresses
        .map(|address| Box::pin(TcpStream::connect(address)))
        .collect();
    if tries.is_empty() {
        let text = format!("{host} has no address");
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    }
    let (stream, _) = select_ok(tries).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn broken(text: &'static str) -> RedisError {
    io::Error::new(io::ErrorKind::UnexpectedEof, text).into()
}

/// Whether a server knows AUTH with a password only.
fn is_too_old(e: &RedisError) -> bool {
    e.to_string().contains("wrong number of arguments")
}

/// Whether the server refuses the user or the password. The words are those of servers since 2.6.
fn is_wrong(details: &str) -> bool {
    let words = ["invalid username-password", "invalid password"];
    words.iter().any(|words| details.contains(words)) || is_open(details)
}

/// Whether the server asks for no password. Then any password is right, as with the reference.
fn is_open(details: &str) -> bool {
    let words = ["without any password configured", "no password is set"];
    words.iter().any(|words| details.contains(words))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use super::*;
    use redis::IntoConnectionInfo;
    use std::time::Duration;
    use tokio::net::TcpListener;

    /// A server of one connection that reads until it saw `asked`, then sends `said` in pieces of
    /// `step` bytes, for each of the turns; then it closes. Gives its URL without the scheme.
    async fn server(turns: Vec<(&'static str, &'static str)>, step: usize) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            for (asked, said) in turns {
                let mut seen = Vec::new();
                while !String::from_utf8_lossy(&seen).contains(asked) {
                    assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0, "{asked}");
                }
                for piece in said.as_bytes().chunks(step) {
                    stream.write_all(piece).await.unwrap();
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        });
        address
    }

    async fn connect(url: String) -> RedisResult<Wire> {
        Wire::connect(&url.into_connection_info()?).await
    }

    #[tokio::test]
    async fn answers_come_in_pieces_and_together() {
        let turns = vec![
            ("3\r\n", ":77\r\n+OK\r\n"),
            ("b\r\n", "$3\r\nabc\r\n*2\r\n:1\r\n-WRONGTYPE no\r\n"),
            ("c\r\n", "$-1\r\n"),
        ];
        for step in [1, 5, 1000] {
            let address = server(turns.clone(), step).await;
            let mut wire = connect(format!("redis://{address}/3")).await.unwrap();
            assert_eq!(wire.id(), 77);
            let mut p = Pipeline::new();
            p.cmd("GET").arg("a").cmd("EXEC").arg("b");
            let answers = wire.send(&p).await.unwrap();
            assert_eq!(answers[0], Value::BulkString(b"abc".to_vec()));
            let Value::Array(inner) = &answers[1] else {
                panic!("{answers:?}")
            };
            assert!(matches!(inner[1], Value::ServerError(_)), "{inner:?}");
            let mut p = Pipeline::new();
            p.cmd("GET").arg("c");
            assert_eq!(wire.send(&p).await.unwrap(), [Value::Nil]);
        }
    }

    #[tokio::test]
    async fn a_torn_answer_is_an_error() {
        for said in ["", "$3\r\nab", "$3\r\nabc\r\n", "no protocol\r\n"] {
            let address = server(vec![("ID\r\n", ":7\r\n"), ("b\r\n", said)], 3).await;
            let mut wire = connect(format!("redis://{address}")).await.unwrap();
            let mut p = Pipeline::new();
            p.cmd("GET").arg("a").cmd("GET").arg("b");
            let sent = wire.send(&p).await;
            assert!(sent.is_err(), "{said:?}: {sent:?}");
        }
    }

    #[tokio::test]
    async fn old_servers_are_asked_without_user() {
        let wrong = "-ERR wrong number of arguments for 'auth' command\r\n";
        let turns = vec![
            ("user\r\n$6\r\nsecret\r\n", wrong),
            ("AUTH\r\n$6\r\nsecret\r\n", "+OK\r\n"),
            ("ID\r\n", ":1\r\n"),
        ];
        let address = server(turns, 100).await;
        let url = format!("redis://user:secret@{address}");
        assert!(connect(url).await.is_ok());
        // A server without a password takes any.
        let open =
            "-ERR AUTH <password> called without any password configured for the default user\r\n";
        let address = server(vec![("secret\r\n", open), ("ID\r\n", ":1\r\n")], 100).await;
        assert!(connect(format!("redis://:secret@{address}")).await.is_ok());
        // Without a user there is nothing to leave out.
        let address = server(vec![("secret\r\n", wrong)], 100).await;
        let refused = connect(format!("redis://:secret@{address}")).await;
        assert!(refused.is_err());
    }

    #[tokio::test]
    async fn refusals_say_what_was_refused() {
        let wrong = "-WRONGPASS invalid username-password pair\r\n";
        let address = server(vec![("secret\r\n", wrong)], 100).await;
        let error = connect(format!("redis://:secret@{address}")).await.err();
        let error = error.unwrap();
        assert_eq!(error.kind(), ErrorKind::AuthenticationFailed);
        assert!(!error.to_string().contains("secret"), "{error}");
        let range = ":1\r\n-ERR DB index is out of range\r\n";
        let address = server(vec![("99\r\n", range)], 100).await;
        let error = connect(format!("redis://{address}/99")).await.err();
        assert!(error.unwrap().to_string().contains("out of range"));
        // Some refuse with one answer, whatever they were asked, and hang up.
        for (url, said, kind) in [
            ("redis://", "-DENIED protected mode\r\n", "DENIED"),
            (
                "redis://",
                "-ERR max number of clients reached\r\n",
                "clients",
            ),
            (
                "redis://:secret@",
                "-ERR max number of clients reached\r\n",
                "clients",
            ),
            ("redis://:secret@", "-LOADING wait\r\n", "Loading"),
        ] {
            let address = server(vec![("\r\n", said)], 100).await;
            let error = connect(format!("{url}{address}/2")).await.err().unwrap();
            assert!(format!("{error}").contains(kind), "{said}: {error}");
            assert_ne!(error.kind(), ErrorKind::AuthenticationFailed, "{said}");
        }
    }

    #[tokio::test]
    async fn what_nobody_asked_for_ends_the_connection() {
        let turns = vec![("ID\r\n", ":7\r\n"), ("a\r\n", "$1\r\nx\r\n$1\r\ny\r\n")];
        let address = server(turns, 100).await;
        let mut wire = connect(format!("redis://{address}")).await.unwrap();
        let mut p = Pipeline::new();
        p.cmd("GET").arg("a");
        let error = wire.send(&p).await.err().unwrap();
        assert!(error.to_string().contains("more than"), "{error}");
    }

    #[tokio::test]
    async fn room_for_a_large_answer_is_given_back() {
        let large: &'static str = format!("${}\r\n{}\r\n", 1 << 20, "x".repeat(1 << 20)).leak();
        let address = server(vec![("ID\r\n", ":7\r\n"), ("a\r\n", large)], 1 << 16).await;
        let mut wire = connect(format!("redis://{address}")).await.unwrap();
        let mut p = Pipeline::new();
        p.cmd("GET").arg("a");
        assert_eq!(wire.send(&p).await.unwrap().len(), 1);
        assert_eq!(wire.received.capacity(), 0);
    }
}
