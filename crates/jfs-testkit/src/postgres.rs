//! Private PostgreSQL servers for tests, each in a directory of its own on a free loopback port.

use crate::daemon::{Daemon, Program};
use crate::error::IoContext;
use crate::process::{is_program, on_path};
use crate::sql_client::{PASSWORD_USER, SqlClient, TlsFiles, USER, USER_PASSWORD, run_to_end};
use crate::template;
use crate::unprivileged::Unprivileged;
use crate::{KitError, Result, scratch_dir};
use nix::sys::signal::Signal;
use std::path::{Path, PathBuf};
use std::process::Command;

const NAME: &str = "postgres";
/// The superuser, for the local socket only.
const SUPERUSER: &str = "postgres";
/// Part of the template's name: to be raised when [`Postgres::build`] changes.
const TEMPLATE: u32 = 1;
/// Clients of many tests at a time.
const CONNECTIONS_MAX: u32 = 500;

/// The ways in which a private PostgreSQL may differ.
#[derive(Debug, Clone, Default)]
pub struct PostgresOptions {
    /// Wait for the disk at every commit. Default: false; a commit survives [`PostgresServer::kill9`]
    /// either way, because the system keeps what was written.
    pub durable: bool,
    /// Offer TLS with these files. Default: none, no TLS.
    pub tls: Option<TlsFiles>,
    /// More settings, each `name=value`, as in `postgresql.conf`. Later ones win.
    pub settings: Vec<String>,
}

/// A PostgreSQL server of this process; ended when the value is dropped or the process dies.
///
/// The user [`crate::DATABASE_USER`] needs no password, [`crate::PASSWORD_USER`] does.
#[derive(Debug)]
pub struct PostgresServer {
    daemon: Daemon<Postgres>,
}

#[derive(Debug)]
struct Postgres {
    programs: PathBuf,
    user: Unprivileged,
    options: PostgresOptions,
}

impl PostgresServer {
    /// Starts a server with default options and waits until it answers.
    pub fn start() -> Result<Self> {
        Self::start_with(PostgresOptions::default())
    }

    /// Starts a server with `options` and waits until it answers.
    pub fn start_with(options: PostgresOptions) -> Result<Self> {
        let program = Postgres {
            programs: programs()?,
            user: Unprivileged::or_nobody("postgres")?,
            options,
        };
        let dir = scratch_dir()?;
        program.user.own(dir.path())?;
        program.fill(dir.path())?;
        let daemon = Daemon::start(program, dir)?;
        Ok(Self { daemon })
    }

    /// The metadata URL of database `db`, for a user without password and a connection without TLS.
    pub fn url(&self, db: &str) -> String {
        self.url_at(self.port(), db)
    }

    /// As [`Self::url`], through another port of 127.0.0.1, where a relay listens.
    pub fn url_at(&self, port: u16, db: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{port}/{db}?sslmode=disable")
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.daemon.port()
    }

    /// The ids of the server's processes, the one that the others come from first.
    pub fn pids(&self) -> Vec<i32> {
        self.daemon.pids()
    }

    /// The directory of the server's Unix socket; its name is `.s.PGSQL.PORT`.
    pub fn socket_dir(&self) -> &Path {
        self.daemon.dir()
    }

    /// Everything that the server has logged since its last start.
    pub fn log(&self) -> String {
        self.daemon.log()
    }

    /// Makes an empty database that belongs to [`crate::DATABASE_USER`]; the name is an identifier in small letters.
    pub fn create_database(&self, name: &str) -> Result<()> {
        let made = format!("CREATE DATABASE {name} OWNER {USER} TEMPLATE template0");
        self.execute("postgres", &made)
    }

    /// Makes a database with the content of database `template`, to which nothing may be connected.
    pub fn copy_database(&self, template: &str, name: &str) -> Result<()> {
        let made = format!("CREATE DATABASE {name} OWNER {USER} TEMPLATE {template}");
        self.execute("postgres", &made)
    }

    /// Removes a database and cuts the connections to it. A missing database is fine.
    pub fn drop_database(&self, name: &str) -> Result<()> {
        let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        self.execute("postgres", &drop)
    }

    /// Runs statements as the superuser in database `db`. Takes about 20 ms for the client program.
    pub fn execute(&self, db: &str, sql: &str) -> Result<()> {
        self.client(db).run(sql).map(drop)
    }

    /// Rows of a query, each a list of columns as text; NULL is the empty text.
    pub fn query(&self, db: &str, sql: &str) -> Result<Vec<Vec<String>>> {
        self.client(db).run(sql).map(|text| SqlClient::rows(&text))
    }

    /// Ends the server in good order and cuts its connections. [`Self::restart`] starts it again.
    pub fn stop(&mut self) {
        self.daemon.stop();
    }

    /// Kills the server and all its processes, as a power cut would. Without
    /// [`PostgresOptions::durable`] the system still keeps every commit.
    pub fn kill9(&mut self) -> Result<()> {
        self.daemon.kill9()
    }

    /// Starts the server again on the same port and files, after ending the running one.
    pub fn restart(&mut self) -> Result<()> {
        self.daemon.restart()
    }

    fn client(&self, db: &str) -> SqlClient {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-A", "-t", "-q", "-F", "\t", "-v", "ON_ERROR_STOP=1"])
            .args(["-U", SUPERUSER, "-d", db, "-f", "-"])
            .arg("-h")
            .arg(self.socket_dir())
            .arg("-p")
            .arg(self.port().to_string())
            // The superuser repairs what a test has made read-only.
            .env(
                "PGOPTIONS",
                "-c default_transaction_read_only=off -c client_min_messages=warning",
            )
            .env("PGCONNECT_TIMEOUT", "10");
        for name in ["PGHOST", "PGSSLMODE", "PGSERVICE", "PGPASSWORD"] {
            psql.env_remove(name);
        }
        SqlClient { command: psql }
    }
}

impl Postgres {
    /// Puts a fresh data directory and the rules of access into `dir`.
    fn fill(&self, dir: &Path) -> Result<()> {
        let name = format!("postgres-{}-{TEMPLATE}", version(&self.programs)?);
        template::fill(&name, &dir.join("data"), |data| self.build(dir, data))?;
        std::fs::write(dir.join("hba.conf"), access_rules())
            .doing(|| "writing hba.conf".to_owned())?;
        let Some(tls) = &self.options.tls else {
            return Ok(());
        };
        tls.copy_for(self.user, dir)
    }

    fn build(&self, dir: &Path, data: &Path) -> Result<()> {
        let mut initdb = Command::new(self.programs.join("initdb"));
        initdb
            .args(["--username", SUPERUSER, "--auth", "trust", "--no-sync"])
            .args(["--no-locale", "--encoding", "UTF8", "--no-instructions"])
            .arg("--pgdata")
            .arg(data);
        self.run(initdb, dir, "")?;
        let mut single = Command::new(self.programs.join(NAME));
        single.args(["--single", "-j", "-F", "-D"]).arg(data);
        single.arg("postgres");
        let users = format!(
            "CREATE ROLE {USER} LOGIN;\n\nCREATE ROLE {PASSWORD_USER} LOGIN IN ROLE {USER} PASSWORD '{USER_PASSWORD}';\n\n"
        );
        self.run(single, dir, &users)
    }

    /// Runs a program of the server to its end, as the server's user.
    fn run(&self, mut command: Command, dir: &Path, input: &str) -> Result<()> {
        self.user.apply(&mut command);
        command.env("LC_ALL", "C").current_dir(dir);
        run_to_end(&mut command, input).map(drop)
    }
}

impl Program for Postgres {
    const NAME: &'static str = NAME;
    const ORDERLY: Signal = Signal::SIGINT;
    const AT_ONCE: Signal = Signal::SIGQUIT;

    fn command(&self, dir: &Path, port: u16) -> Result<Command> {
        let mut command = Command::new(self.programs.join(NAME));
        command.arg("-D").arg(dir.join("data"));
        let mut set = |setting: String| {
            command.arg("-c").arg(setting);
        };
        set(format!("port={port}"));
        set("listen_addresses=127.0.0.1".into());
        set(format!("unix_socket_directories={}", dir.display()));
        set(format!("hba_file={}", dir.join("hba.conf").display()));
        set(format!("max_connections={CONNECTIONS_MAX}"));
        set("shared_buffers=64MB".into());
        set("dynamic_shared_memory_type=mmap".into());
        set("jit=off".into());
        if !self.options.durable {
            set("fsync=off".into());
            set("full_page_writes=off".into());
        }
        if self.options.tls.is_some() {
            set("ssl=on".into());
            set(format!(
                "ssl_cert_file={}",
                dir.join("server.crt").display()
            ));
            set(format!("ssl_key_file={}", dir.join("server.key").display()));
        }
        self.options.settings.iter().cloned().for_each(set);
        command.env("LC_ALL", "C");
        self.user.apply(&mut command);
        Ok(command)
    }

    fn answers(&self, dir: &Path, _: u16) -> bool {
        // The last line of the server's own state file. Before, a connection gets "starting up".
        let state = std::fs::read_to_string(dir.join("data/postmaster.pid")).unwrap_or_default();
        state.lines().last().is_some_and(|l| l.trim() == "ready")
    }

    fn port_taken(line: &str) -> bool {
        line.contains("Address already in use")
    }
}

fn access_rules() -> String {
    format!(
        "local all all trust\nhost all {USER} 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
    )
}

/// The directory of the server's programs: on `PATH`, else the newest of Debian's.
fn programs() -> Result<PathBuf> {
    let debian = std::fs::read_dir("/usr/lib/postgresql").ok();
    let mut versions: Vec<PathBuf> = debian
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|dir| is_program(&dir.join(NAME)) && is_program(&dir.join("initdb")))
        .collect();
    versions.sort_by_key(|dir| {
        let version = dir.parent().and_then(Path::file_name);
        version.and_then(|v| v.to_str()?.parse::<u32>().ok())
    });
    let newest = versions.pop();
    let found = newest.or_else(|| Some(on_path("initdb")?.parent()?.to_owned()));
    let missing = KitError::MissingProgram {
        program: NAME,
        remedy: "scripts/install-deps --tests",
    };
    found.filter(|_| on_path("psql").is_some()).ok_or(missing)
}

fn version(programs: &Path) -> Result<String> {
    let mut command = Command::new(programs.join(NAME));
    command.arg("--version");
    let text = run_to_end(&mut command, "")?;
    // "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
    let version = text.split_whitespace().nth(2);
    Ok(version.unwrap_or("unknown").to_owned())
}
