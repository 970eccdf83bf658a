//! A relay in front of a metadata server that cuts a connection in the middle of a commit: for finding out
//! what a client makes of an answer that never comes.

mod commits;

use self::commits::Commits;
use crate::Fault;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// The protocol of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Redis.
    Redis,
    /// PostgreSQL, without TLS.
    Postgres,
    /// MySQL and MariaDB, without TLS and compression.
    Mysql,
}

/// The relay. It ends with the runtime that it was started on.
pub struct Proxy {
    port: u16,
    plan: Arc<Plan>,
}

/// The fault of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The server carries it out, and the client hears nothing.
    Answer,
    /// The server never hears of it.
    Request,
    /// As `Answer`; the client waits for it until [`Proxy::let_go`].
    AnswerHeld,
    /// The client is told at once that the connection is broken, the server hears of the commit only at
    /// [`Proxy::let_go`].
    RequestHeld,
}

struct Plan {
    commits: AtomicI64,
    cut: Mutex<Cut>,
    struck: AtomicU64,
    held: Notify,
    let_go: Notify,
    delivered: Notify,
}

impl Proxy {
    /// Relays a free loopback port to `server`, also on the loopback.
    pub async fn start(server: u16, wire: Wire) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let plan = Arc::new(Plan {
            commits: AtomicI64::new(0),
            cut: Mutex::new(Cut::Request),
            struck: AtomicU64::new(0),
            held: Notify::new(),
            let_go: Notify::new(),
            delivered: Notify::new(),
        });
        let shared = plan.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, server, wire, shared.clone()));
            }
        });
        Proxy { port, plan }
    }

    /// The address for clients.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The connection of the `n`-th commit from now on is cut: after the server has carried it out, or
    /// (with any other fault) before it hears of it.
    pub fn fail(&self, n: u64, fault: Fault) {
        let lost = fault == Fault::Lost;
        self.cut(n, if lost { Cut::Answer } else { Cut::Request });
    }

    /// The connection of the `n`-th commit from now on is cut.
    pub fn cut(&self, n: u64, cut: Cut) {
        *self.plan.cut.lock() = cut;
        self.plan.struck.store(0, Ordering::SeqCst);
        self.plan.commits.store(n as i64, Ordering::SeqCst);
    }

    /// Waits until a commit is held.
    pub async fn held(&self) {
        self.plan.held.notified().await;
    }

    /// Goes on with the one that was held first.
    pub fn let_go(&self) {
        self.plan.let_go.notify_one();
    }

    /// Goes on with a request that was held, and waits until the server has answered it or hung up.
    pub async fn deliver(&self) {
        self.let_go();
        self.plan.delivered.notified().await;
    }

    /// No cuts from now on. Whether the planned one took place.
    pub fn disarm(&self) -> bool {
        self.plan.commits.store(0, Ordering::SeqCst);
        self.plan.struck.swap(0, Ordering::SeqCst) > 0
    }
}

/// One connection, until either side or the plan ends it.
async fn relay(mut client: TcpStream, server: u16, wire: Wire, plan: Arc<Plan>) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server)).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let mut commits = Commits::of(wire);
    let (mut request, mut reply) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            n = client.read(&mut request) => {
                let n = n.unwrap_or(0);
                if n == 0 {
                    return;
                }
                let cut = (0..commits.count(&request[..n]))
                    .any(|_| plan.commits.fetch_sub(1, Ordering::SeqCst) == 1);
                if cut {
                    plan.struck.fetch_add(1, Ordering::SeqCst);
                    let cut = *plan.cut.lock();
                    return strike(cut, client, server, &request[..n], &plan).await;
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

/// Cuts a connection whose client has just sent a commit, the end of `request`.
async fn strike(cut: Cut, client: TcpStream, mut server: TcpStream, request: &[u8], plan: &Plan) {
    let mut client = Some(client);
    if cut == Cut::RequestHeld {
        client.take();
        plan.held.notify_one();
        plan.let_go.notified().await;
    }
    if cut != Cut::Request && server.write_all(request).await.is_ok() {
        // The server reads the end of the stream when it has carried out what came before, and hangs up.
        let _ = server.shutdown().await;
        let mut unheard = vec![0; 1 << 16];
        while server.read(&mut unheard).await.is_ok_and(|n| n > 0) {}
    }
    if cut == Cut::AnswerHeld {
        plan.held.notify_one();
        plan.let_go.notified().await;
    }
    if cut == Cut::RequestHeld {
        plan.delivered.notify_one();
    }
}
