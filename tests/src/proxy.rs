//! A relay in front of a Redis server that cuts a connection in the middle of a commit: for finding out
//! what a client makes of an answer that never comes.

use crate::Fault;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What ends every commit on the wire.
const EXEC: &[u8] = b"EXEC\r\n";

/// The relay. It ends with the runtime that it was started on.
pub struct Proxy {
    port: u16,
    plan: Arc<Plan>,
}

#[derive(Default)]
struct Plan {
    commits: AtomicI64,
    lost: Mutex<bool>,
    struck: AtomicU64,
}

impl Proxy {
    /// Relays a free loopback port to `server`, also on the loopback.
    pub async fn start(server: u16) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let plan = Arc::new(Plan::default());
        let shared = plan.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, server, shared.clone()));
            }
        });
        Proxy { port, plan }
    }

    /// Where to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The connection of the `n`-th commit from now on is cut: after the server has carried it out, or
    /// (with any other fault) before it hears of it.
    pub fn cut(&self, n: u64, fault: Fault) {
        *self.plan.lost.lock() = fault == Fault::Lost;
        self.plan.struck.store(0, Ordering::SeqCst);
        self.plan.commits.store(n as i64, Ordering::SeqCst);
    }

    /// No cuts from now on. Whether the planned one took place.
    pub fn disarm(&self) -> bool {
        self.plan.commits.store(0, Ordering::SeqCst);
        self.plan.struck.swap(0, Ordering::SeqCst) > 0
    }
}

/// One connection, until either side or the plan ends it.
async fn relay(mut client: TcpStream, server: u16, plan: Arc<Plan>) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server)).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut request, mut reply) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            n = client.read(&mut request) => {
                let n = n.unwrap_or(0);
                if n == 0 {
                    return;
                }
                let commits = request[..n].windows(EXEC.len()).any(|w| w == EXEC);
                let cut = commits && plan.commits.fetch_sub(1, Ordering::SeqCst) == 1;
                if cut {
                    plan.struck.fetch_add(1, Ordering::SeqCst);
                    if *plan.lost.lock() && server.write_all(&request[..n]).await.is_ok() {
                        // The first byte of the answer says that the commit has been carried out.
                        let _ = server.read(&mut reply).await;
                    }
                    return;
                }
                if server.write_all(&request[..n]).await.is_err() {
                    return;
                }
            }
            n = server.read(&mut reply) => {
                let n = n.unwrap_or(0);
                if n == 0 || client.write_all(&reply[..n]).await.is_err() {
                    return;
                }
            }
        }
    }
}
