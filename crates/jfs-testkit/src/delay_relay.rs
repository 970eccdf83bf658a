//! A relay that makes a server look far away: every reply comes later by a fixed time.
//!
//! The relay delays and does not throttle. Bytes that the server sends together arrive together, and
//! requests pass at once, so an exchange of many pipelined commands is delayed once.

use crate::Result;
use crate::error::IoContext;
use nix::sys::prctl::set_timerslack;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// The system may end a pause later by this many nanoseconds; its default is 50 µs.
const TIMER_SLACK_NS: u64 = 1;
/// Replies of one connection that are under way; a sender waits beyond that.
const UNDER_WAY_MAX: usize = 1024;
const PIECE: usize = 1 << 16;

/// A relay from a free port of 127.0.0.1 to a server on 127.0.0.1; it ends with this value or the process.
#[derive(Debug)]
pub struct DelayRelay {
    port: u16,
    ended: Arc<AtomicBool>,
}

impl DelayRelay {
    /// Relays to the server's `port` and delays each reply by `delay`.
    pub fn start(port: u16, delay: Duration) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.doing(|| "starting a relay".to_owned())?;
        let address = listener.local_addr();
        let own = address.doing(|| "starting a relay".to_owned())?.port();
        let ended = Arc::new(AtomicBool::new(false));
        let stop = ended.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                // A server that is away refuses its clients, and so does the relay.
                let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
                if let (Ok(client), Ok(server)) = (client, server) {
                    let _ = relay(client, server, delay);
                }
            }
        });
        Ok(Self { port: own, ended })
    }

    /// The relay's own port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for DelayRelay {
    /// Takes no more connections; those that are open go on until either side closes them.
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

/// Starts the threads of one connection.
fn relay(client: TcpStream, server: TcpStream, delay: Duration) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut requests_from, mut requests_to) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut requests_from, &mut requests_to);
        let _ = requests_to.shutdown(Shutdown::Write);
    });
    let (under_way, arriving) = mpsc::sync_channel::<(Instant, Vec<u8>)>(UNDER_WAY_MAX);
    let (mut replies_from, mut replies_to) = (server, client);
    std::thread::spawn(move || {
        let mut piece = vec![0; PIECE];
        while let Ok(n @ 1..) = replies_from.read(&mut piece) {
            if under_way
                .send((Instant::now() + delay, piece[..n].to_vec()))
                .is_err()
            {
                return;
            }
        }
    });
    std::thread::spawn(move || {
        let _ = set_timerslack(TIMER_SLACK_NS);
        for (due, bytes) in arriving {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if replies_to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = replies_to.shutdown(Shutdown::Both);
    });
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_millis(50);

    /// A server that sends back what it gets, until the client closes.
    fn echo() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                std::thread::spawn(move || {
                    let mut back = stream.try_clone().unwrap();
                    std::io::copy(&mut stream, &mut back).unwrap();
                });
            }
        });
        port
    }

    #[test]
    fn replies_that_are_under_way_together_are_delayed_once() {
        let relay = DelayRelay::start(echo(), DELAY).unwrap();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, relay.port())).unwrap();
        stream.set_nodelay(true).unwrap();
        let start = Instant::now();
        for n in 0..20 {
            stream.write_all(&[n]).unwrap();
            // Apart enough for replies of their own.
            std::thread::sleep(DELAY / 20);
        }
        let mut replies = [0; 20];
        stream.read_exact(&mut replies).unwrap();
        let took = start.elapsed();
        assert_eq!(replies, std::array::from_fn(|n| n as u8));
        assert!((DELAY..DELAY * 10).contains(&took), "{took:?}");
        let start = Instant::now();
        for n in 0..3 {
            stream.write_all(&[n]).unwrap();
            stream.read_exact(&mut replies[..1]).unwrap();
        }
        let took = start.elapsed();
        assert!(took >= DELAY * 3, "{took:?}: one after the other");
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(
            stream.read(&mut replies).unwrap(),
            0,
            "the end passes through"
        );
        let port = relay.port();
        drop(relay);
        let refused = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
        let closed = refused.and_then(|mut stream| stream.read(&mut replies));
        assert!(!matches!(closed, Ok(1..)), "{closed:?}");
    }
}
