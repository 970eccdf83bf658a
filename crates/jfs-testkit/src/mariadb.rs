//! Private MariaDB servers for tests, each in a directory of its own on a free loopback port.

use crate::daemon::{Daemon, Program};
use crate::error::IoContext;
use crate::process::{is_program, on_path};
use crate::sql_client::{PASSWORD_USER, SqlClient, TlsFiles, USER, USER_PASSWORD, run_to_end};
use crate::template;
use crate::unprivileged::Unprivileged;
use crate::{KitError, Result, scratch_dir};
use nix::sys::signal::Signal;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const NAME: &str = "mariadbd";
/// Part of the template's name: to be raised when [`Mariadb::build`] changes.
const TEMPLATE: u32 = 1;
/// Clients of many tests at a time.
const CONNECTIONS_MAX: u32 = 500;
/// Longest wait of a removed database for transactions that still use it, in seconds.
const DROP_WAIT_S: u32 = 10;
/// Longest wait for the server's greeting.
const GREETING_LIMIT: Duration = Duration::from_secs(2);
/// Settings that the template and the server must agree on.
const LAYOUT: [&str; 1] = ["--innodb-log-file-size=48M"];

/// The ways in which a private MariaDB may differ.
#[derive(Debug, Clone, Default)]
pub struct MariadbOptions {
    /// Wait for the disk at every commit. Default: false; a commit survives [`MariadbServer::kill9`]
    /// either way, because the system keeps what was written.
    pub durable: bool,
    /// Offer TLS with these files. Default: none, no TLS.
    pub tls: Option<TlsFiles>,
    /// More options of the command line, each `--name=value`. Later ones win.
    pub settings: Vec<String>,
}

/// A MariaDB server of this process; ended when the value is dropped or the process dies.
///
/// The user [`crate::DATABASE_USER`] needs no password, [`crate::PASSWORD_USER`] does.
#[derive(Debug)]
pub struct MariadbServer {
    daemon: Daemon<Mariadb>,
}

#[derive(Debug)]
struct Mariadb {
    program: PathBuf,
    user: Unprivileged,
    options: MariadbOptions,
}

impl MariadbServer {
    /// Starts a server with default options and waits until it answers.
    pub fn start() -> Result<Self> {
        Self::start_with(MariadbOptions::default())
    }

    /// Starts a server with `options` and waits until it answers.
    pub fn start_with(options: MariadbOptions) -> Result<Self> {
        let program = Mariadb {
            program: program()?,
            user: Unprivileged::or_nobody("mysql")?,
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
        format!("mysql://{USER}@(127.0.0.1:{port})/{db}")
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.daemon.port()
    }

    /// The id of the server's process, as a list of one.
    pub fn pids(&self) -> Vec<i32> {
        self.daemon.pids()
    }

    /// The path of the server's Unix socket.
    pub fn socket(&self) -> PathBuf {
        socket(self.daemon.dir())
    }

    /// Everything that the server has logged since its last start.
    pub fn log(&self) -> String {
        self.daemon.log()
    }

    /// Makes an empty database with the server's defaults; the name is an identifier.
    pub fn create_database(&self, name: &str) -> Result<()> {
        self.execute("mysql", &format!("CREATE DATABASE {name}"))
    }

    /// Removes a database and cuts the connections to it. A missing database is fine.
    pub fn drop_database(&self, name: &str) -> Result<()> {
        // A connection that ends meanwhile is unknown: error 1094.
        self.execute(
            "mysql",
            &format!(
                "DELIMITER ;;
BEGIN NOT ATOMIC
  DECLARE CONTINUE HANDLER FOR 1094 BEGIN END;
  FOR one IN (SELECT id FROM information_schema.processlist WHERE db = '{name}') DO
    KILL one.id;
  END FOR;
END;;
SET lock_wait_timeout = {DROP_WAIT_S};;
DROP DATABASE IF EXISTS {name};;
"
            ),
        )
    }

    /// Runs statements as root in database `db`. Takes about 20 ms for the client program.
    pub fn execute(&self, db: &str, sql: &str) -> Result<()> {
        self.client(db).run(sql).map(drop)
    }

    /// Rows of a query, each a list of columns as text; NULL is the text `NULL`.
    pub fn query(&self, db: &str, sql: &str) -> Result<Vec<Vec<String>>> {
        self.client(db).run(sql).map(|text| SqlClient::rows(&text))
    }

    /// Ends the server in good order and cuts its connections. [`Self::restart`] starts it again.
    pub fn stop(&mut self) {
        self.daemon.stop();
    }

    /// Kills the server, as a power cut would. Without [`MariadbOptions::durable`] the system still
    /// keeps every commit.
    pub fn kill9(&mut self) -> Result<()> {
        self.daemon.kill9()
    }

    /// Starts the server again on the same port and files, after ending the running one.
    pub fn restart(&mut self) -> Result<()> {
        self.daemon.restart()
    }

    fn client(&self, db: &str) -> SqlClient {
        let mut mariadb = Command::new("mariadb");
        mariadb
            .args(["--no-defaults", "--batch", "--skip-column-names"])
            .args(["--user=root", "--connect-timeout=10"])
            .arg("--socket")
            .arg(self.socket())
            .arg(db)
            .env_remove("MYSQL_PWD");
        SqlClient { command: mariadb }
    }
}

impl Mariadb {
    /// Puts a fresh data directory and the file with the users into `dir`.
    fn fill(&self, dir: &Path) -> Result<()> {
        let name = format!("mariadb-{}-{TEMPLATE}", version(&self.program)?);
        template::fill(&name, &dir.join("data"), |data| self.build(dir, data))?;
        std::fs::write(dir.join("users.sql"), users()).doing(|| "writing users.sql".to_owned())?;
        match &self.options.tls {
            Some(tls) => tls.copy_for(self.user, dir),
            None => Ok(()),
        }
    }

    fn build(&self, dir: &Path, data: &Path) -> Result<()> {
        std::fs::create_dir(data).doing(|| format!("making {}", data.display()))?;
        self.user.own(data)?;
        let mut install = Command::new("mariadb-install-db");
        install
            .args(["--no-defaults", "--skip-test-db"])
            .args(["--auth-root-authentication-method=normal"])
            .args(["--innodb-flush-method=nosync", "--debug-no-sync"])
            .args(LAYOUT)
            .arg(format!("--datadir={}", data.display()))
            .current_dir(dir);
        self.user.apply(&mut install);
        run_to_end(&mut install, "").map(drop)
    }
}

impl Program for Mariadb {
    const NAME: &'static str = NAME;
    const ORDERLY: Signal = Signal::SIGTERM;
    const AT_ONCE: Signal = Signal::SIGKILL;

    fn command(&self, dir: &Path, port: u16) -> Result<Command> {
        let mut command = Command::new(&self.program);
        command
            .arg("--no-defaults")
            .arg(format!("--datadir={}", dir.join("data").display()))
            .arg(format!("--socket={}", socket(dir).display()))
            .arg(format!("--pid-file={}", dir.join("pid").display()))
            .arg(format!("--init-file={}", dir.join("users.sql").display()))
            .arg(format!("--tmpdir={}", dir.display()))
            .arg(format!("--port={port}"))
            .args(["--bind-address=127.0.0.1", "--skip-name-resolve"])
            .arg(format!("--max-connections={CONNECTIONS_MAX}"))
            // As Debian's package sets it; the program's own default is latin1.
            .arg("--character-set-server=utf8mb4")
            .args(["--innodb-buffer-pool-size=128M", "--skip-slave-start"])
            .args(LAYOUT);
        if !self.options.durable {
            // Commits go to the system at once, to the disk every second.
            command.arg("--innodb-flush-log-at-trx-commit=2");
        }
        if self.options.tls.is_some() {
            command
                .arg(format!("--ssl-cert={}", dir.join("server.crt").display()))
                .arg(format!("--ssl-key={}", dir.join("server.key").display()));
        }
        command.args(&self.options.settings);
        self.user.apply(&mut command);
        Ok(command)
    }

    fn answers(&self, dir: &Path, _: u16) -> bool {
        // The first packet of a connection: three bytes of length, a number, and the protocol, 10.
        let mut greeting = [0; 5];
        let asked = UnixStream::connect(socket(dir)).and_then(|mut stream| {
            stream.set_read_timeout(Some(GREETING_LIMIT))?;
            stream.read_exact(&mut greeting)
        });
        asked.is_ok() && greeting[4] == 10
    }

    fn port_taken(line: &str) -> bool {
        line.contains("Address already in use") || line.contains("Do you already have another")
    }
}

fn socket(dir: &Path) -> PathBuf {
    dir.join("mariadb.sock")
}

/// Statements that the server runs at each start, one a line. Rights are those of a database's owner, not
/// of an administrator, for whom `read_only` would not hold.
fn users() -> String {
    let mut sql =
        String::from("DELETE FROM mysql.global_priv WHERE User = '';\nFLUSH PRIVILEGES;\n");
    for (user, secret) in [
        (USER, String::new()),
        (PASSWORD_USER, format!(" IDENTIFIED BY '{USER_PASSWORD}'")),
    ] {
        sql += &format!("CREATE USER IF NOT EXISTS '{user}'@'%'{secret};\n");
        sql += &format!("GRANT ALL PRIVILEGES ON `%`.* TO '{user}'@'%';\n");
    }
    sql
}

fn program() -> Result<PathBuf> {
    let sbin = || Some(PathBuf::from("/usr/sbin").join(NAME)).filter(|path| is_program(path));
    let needed = ["mariadb-install-db", "mariadb"];
    on_path(NAME)
        .or_else(sbin)
        .filter(|_| needed.iter().all(|program| on_path(program).is_some()))
        .ok_or(KitError::MissingProgram {
            program: NAME,
            remedy: "scripts/install-deps --tests",
        })
}

fn version(program: &Path) -> Result<String> {
    let mut command = Command::new(program);
    command.args(["--no-defaults", "--version"]);
    let text = run_to_end(&mut command, "")?;
    // "mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)"
    let version = text.split_whitespace().nth(2);
    Ok(version.unwrap_or("unknown").to_owned())
}
