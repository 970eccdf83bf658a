//! Database servers of the metadata benchmark, and the way to them.

use anyhow::Result;
use jfs_testkit::{
    DelayRelay, MariadbOptions, MariadbServer, PostgresOptions, PostgresServer, RedisOptions,
    RedisServer,
};
use std::time::Duration;

/// The kind of database server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerKind {
    Redis,
    Postgres,
    Mariadb,
}

impl ServerKind {
    pub(super) const ALL: [ServerKind; 3] = [Self::Redis, Self::Postgres, Self::Mariadb];

    pub(super) fn parse(word: &str) -> Option<ServerKind> {
        let named = |kind: &ServerKind| kind.to_string().eq_ignore_ascii_case(word);
        Self::ALL.into_iter().find(named)
    }
}

impl std::fmt::Display for ServerKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Redis => "Redis",
            Self::Postgres => "Postgres",
            Self::Mariadb => "Mariadb",
        })
    }
}

/// The way between clients and server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// The loopback.
    Direct,
    /// A relay on the loopback that delays each reply.
    Delayed,
}

impl Link {
    pub(super) const ALL: [Link; 2] = [Self::Direct, Self::Delayed];

    pub(super) fn parse(word: &str) -> Option<Link> {
        match word {
            "direct" => Some(Self::Direct),
            "delayed" => Some(Self::Delayed),
            _ => None,
        }
    }
}

enum Running {
    Redis(RedisServer),
    Postgres(PostgresServer),
    Mariadb(MariadbServer),
}

/// A private server, perhaps behind a relay.
pub(super) struct Server {
    running: Running,
    relay: Option<DelayRelay>,
}

impl Server {
    pub(super) fn start(
        kind: ServerKind,
        delay: Option<Duration>,
        durable: bool,
    ) -> Result<Server> {
        let running = match kind {
            ServerKind::Redis => Running::Redis(RedisServer::start_with(RedisOptions {
                append_only: true,
                load_rdb: None,
            })?),
            ServerKind::Postgres => {
                Running::Postgres(PostgresServer::start_with(PostgresOptions {
                    durable,
                    ..PostgresOptions::default()
                })?)
            }
            ServerKind::Mariadb => Running::Mariadb(MariadbServer::start_with(MariadbOptions {
                durable,
                ..MariadbOptions::default()
            })?),
        };
        if let (Running::Redis(redis), true) = (&running, durable) {
            redis.command(0, &[b"CONFIG", b"SET", b"appendfsync", b"always"])?;
        }
        let port = match &running {
            Running::Redis(server) => server.port(),
            Running::Postgres(server) => server.port(),
            Running::Mariadb(server) => server.port(),
        };
        let relay = delay.map(|delay| DelayRelay::start(port, delay));
        Ok(Server {
            running,
            relay: relay.transpose()?,
        })
    }

    /// Makes an empty database of this name, with this number on Redis, and returns its metadata URL.
    pub(super) fn database(&self, name: &str, number: u32) -> Result<String> {
        let relayed = self.relay.as_ref().map(DelayRelay::port);
        Ok(match &self.running {
            Running::Redis(server) => {
                let port = relayed.unwrap_or(server.port());
                format!("redis://127.0.0.1:{port}/{number}")
            }
            Running::Postgres(server) => {
                server.create_database(name)?;
                server.url_at(relayed.unwrap_or(server.port()), name)
            }
            Running::Mariadb(server) => {
                server.create_database(name)?;
                server.url_at(relayed.unwrap_or(server.port()), name)
            }
        })
    }
}
