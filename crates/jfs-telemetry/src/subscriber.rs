//! The process's one subscriber.

use crate::level::Level;
use crate::line::{Parts, Style};
use crate::sink::{Output, Sink};
use crate::syslog::Syslog;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;
use thiserror::Error;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

/// Libraries that say little of use below warnings, and much: the FUSE library formats every
/// request at debug level.
const NOISY: &[&str] = &["fuser", "opendal", "opendal_core", "mio", "redis"];
/// Libraries whose errors come back to the caller, who logs them with what they are about.
const SILENT: &[&str] = &["rustls_platform_verifier", "opendal_core::layers::complete"];

/// What is logged, how, and where.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// The lowest level shown.
    pub level: Level,
    /// Shown as `[ID]` before each line; `random` becomes a UUID.
    pub log_id: Option<String>,
    /// Never colour lines. Otherwise they are coloured on a terminal.
    pub no_color: bool,
    /// Where lines go.
    pub output: Output,
    /// The log daemon's socket, when lines go there as well. Default none.
    pub syslog: Option<PathBuf>,
}

impl Default for LogOptions {
    fn default() -> LogOptions {
        LogOptions {
            level: Level::Info,
            log_id: None,
            no_color: false,
            output: Output::Stderr,
            syslog: None,
        }
    }
}

/// Logging could not be set up.
#[derive(Debug, Error)]
pub enum InitError {
    /// The process has a subscriber already.
    #[error("logging is set up already")]
    Twice,
}

/// A handle on the running log. Cheap to clone.
#[derive(Clone)]
pub struct Logs {
    shared: Arc<Shared>,
}

impl Logs {
    /// Opens the log file again, after rotation moved it away. Does nothing for standard error.
    pub fn reopen(&self) -> io::Result<()> {
        self.shared.sink.reopen()
    }

    /// Whether lines are coloured: messages may be as well.
    pub fn colours(&self) -> bool {
        self.shared.style.colours
    }
}

struct Shared {
    style: Style,
    level: Level,
    sink: Sink,
    syslog: Option<Syslog>,
}

/// Installs the subscriber; once per process. Lines of threads that are running go out at once,
/// there is no buffer.
pub fn init(options: LogOptions) -> Result<Logs, InitError> {
    let (sink, error) = Sink::open(&options.output);
    let log_id = options
        .log_id
        .filter(|id| !id.is_empty())
        .map(|id| match id.as_str() {
            "random" => uuid::Uuid::new_v4().to_string(),
            // Who forgets a value gives the address instead.
            _ => crate::mask::mask_text(&id),
        });
    let colours = !options.no_color && sink.is_terminal();
    let style = Style {
        log_id,
        colours,
        pid: std::process::id(),
    };
    let shared = Arc::new(Shared {
        style,
        level: options.level,
        sink,
        syslog: options
            .syslog
            .map(|path| Syslog::open(&path, std::process::id())),
    });
    let mut targets = Targets::new().with_default(options.level.filter());
    for name in NOISY {
        targets = targets.with_target(*name, options.level.max(Level::Warning).filter());
    }
    for name in SILENT {
        targets = targets.with_target(*name, tracing::level_filters::LevelFilter::OFF);
    }
    Registry::default()
        .with(targets)
        .with(Lines(Arc::clone(&shared)))
        .try_init()
        .map_err(|_| InitError::Twice)?;
    if let (Some(error), Output::File(path)) = (error, &options.output) {
        let path = path.display();
        tracing::warn!("log file {path}: {error}; the mount goes on without it");
    }
    Ok(Logs { shared })
}

struct Lines(Arc<Shared>);

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let parts = Parts::of(event);
        // FATAL lines are error events to the filter above, so the last step is taken here.
        if parts.level >= self.0.level {
            #[expect(
                clippy::disallowed_methods,
                reason = "log lines carry the time of the machine"
            )]
            let now = SystemTime::now();
            let line = parts.render(&self.0.style, now);
            self.0.sink.write(line.as_bytes());
            if let Some(syslog) = &self.0.syslog {
                syslog.send(parts.level, &parts.text(), now);
            }
        }
    }
}
