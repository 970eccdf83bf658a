//! One event as one line of text.

use crate::level::Level;
use crate::mask::mask_text;
use std::fmt::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};
use tracing::Event;
use tracing::field::{Field, Visit};

/// The parts that are equal in all lines of a process.
pub(crate) struct Style {
    /// `[ID] ` before the line when there is an id.
    pub(crate) log_id: Option<String>,
    pub(crate) colours: bool,
    pub(crate) pid: u32,
}

/// The parts of an event that a line shows.
pub(crate) struct Parts {
    pub(crate) level: Level,
    message: String,
    fields: String,
    /// The source that a library names which logs through `log`.
    module: Option<String>,
    file: Option<String>,
    line: Option<u64>,
}

impl Parts {
    pub(crate) fn of(event: &Event<'_>) -> Parts {
        let meta = event.metadata();
        let mut parts = Parts {
            level: Level::from(*meta.level()),
            message: String::new(),
            fields: String::new(),
            module: None,
            file: None,
            line: None,
        };
        event.record(&mut parts);
        if parts.module.is_none() {
            parts.module = meta.module_path().map(str::to_string);
        }
        if parts.file.is_none() {
            parts.file = meta.file().map(str::to_string);
            parts.line = meta.line().map(u64::from);
        }
        // Messages of libraries quote addresses, too.
        parts.message = mask_text(&parts.message);
        parts.fields = mask_text(&parts.fields);
        parts
    }

    /// The message of the event, with its source file and line.
    pub(crate) fn text(&self) -> String {
        let style = Style {
            log_id: None,
            colours: false,
            pid: 0,
        };
        let line = self.render(&style, UNIX_EPOCH);
        let text = line.split_once(">: ").map_or("", |(_, text)| text);
        text.trim_end().to_string()
    }

    /// The line with its newline. Line breaks inside a message stay: settings span lines.
    pub(crate) fn render(&self, style: &Style, now: SystemTime) -> String {
        let mut out = String::with_capacity(128 + self.message.len());
        if let Some(id) = &style.log_id {
            let _ = write!(out, "[{id}] ");
        }
        push_time(&mut out, now);
        let label = self.level.label();
        let _ = if style.colours {
            write!(
                out,
                " juicefs[{}] <\x1b[1;{}m{label}\x1b[0m>: ",
                style.pid,
                self.level.colour()
            )
        } else {
            write!(out, " juicefs[{}] <{label}>: ", style.pid)
        };
        let module = self
            .module
            .as_deref()
            .unwrap_or("main")
            .rsplit("::")
            .next()
            .unwrap_or("main");
        let file = self
            .file
            .as_deref()
            .unwrap_or("main.rs")
            .rsplit('/')
            .next()
            .unwrap_or("main.rs");
        let line = self.line.unwrap_or(0);
        let _ = writeln!(
            out,
            "{}{} [{module}@{file}:{line}]",
            self.message, self.fields
        );
        out
    }

    fn set(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => {
                let _ = write!(self.message, "{value:?}");
            }
            name if name.starts_with("log.") => {}
            name => {
                let _ = write!(self.fields, " {name}={value:?}");
            }
        }
    }
}

impl Visit for Parts {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(value),
            "log.module_path" => self.module = Some(value.to_string()),
            "log.file" => self.file = Some(value.to_string()),
            _ => self.set(field, &value),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "log.line" => self.line = Some(value),
            _ => self.set(field, &value),
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        match field.name() {
            "fatal" if value => self.level = Level::Fatal,
            _ => self.set(field, &value),
        }
    }
}

/// `YYYY.MM.DD hh:mm:ss.micros` in local time: how lines of the access log begin.
pub fn local_stamp(now: SystemTime) -> String {
    let mut out = String::with_capacity(26);
    push_stamp(&mut out, now, '.');
    out
}

/// `YYYY/MM/DD hh:mm:ss.micros` in local time.
/// Local time as the log daemon takes it: `Jan  2 03:04:05`.
pub(crate) fn syslog_stamp(now: SystemTime) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let t = local_time(now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
    let month = usize::try_from(t.tm_mon).ok().and_then(|m| MONTHS.get(m));
    let month = month.copied().unwrap_or("Jan");
    format!(
        "{month} {:2} {:02}:{:02}:{:02}",
        t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec
    )
}

fn push_time(out: &mut String, now: SystemTime) {
    push_stamp(out, now, '/');
}

fn push_stamp(out: &mut String, now: SystemTime, between: char) {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let t = local_time(since.as_secs());
    let _ = write!(
        out,
        "{:04}{between}{:02}{between}{:02} {:02}:{:02}:{:02}.{:06}",
        i64::from(t.tm_year) + 1900,
        t.tm_mon + 1,
        t.tm_mday,
        t.tm_hour,
        t.tm_min,
        t.tm_sec,
        since.subsec_micros()
    );
}

#[allow(unsafe_code, reason = "the C library knows the local time zone")]
fn local_time(seconds: u64) -> libc::tm {
    let seconds = seconds as libc::time_t;
    // SAFETY: `tm` is plain data for which all zeroes is a value, and both pointers are valid for
    // the call. `localtime_r` reads the environment; nothing in this process writes it once
    // threads run.
    unsafe {
        let mut tm: libc::tm = std::mem::zeroed();
        libc::localtime_r(&seconds, &mut tm);
        tm
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::time::Duration;

    fn parts(level: Level, message: &str) -> Parts {
        Parts {
            level,
            message: message.to_string(),
            fields: String::new(),
            module: Some("jfs_cli::commands::format".to_string()),
            file: Some("bins/jfs/src/commands/format.rs".to_string()),
            line: Some(42),
        }
    }

    #[test]
    fn a_line_has_the_references_shape() {
        let style = Style {
            log_id: None,
            colours: false,
            pid: 4711,
        };
        let now = UNIX_EPOCH + Duration::new(86_400 * 200, 1_234_000);
        let line = parts(Level::Info, "Meta address: redis://h/1").render(&style, now);
        let (time, rest) = line.split_at("1970/07/20 00:00:00.001234".len());
        assert!(
            time.starts_with("1970/07/") && time.ends_with(".001234"),
            "{line}"
        );
        assert_eq!(
            time.replace(|c: char| c.is_ascii_digit(), "9"),
            "9999/99/99 99:99:99.999999"
        );
        assert_eq!(
            rest,
            " juicefs[4711] <INFO>: Meta address: redis://h/1 [format@format.rs:42]\n"
        );
    }

    #[test]
    fn id_and_colours() {
        let style = Style {
            log_id: Some("abc".to_string()),
            colours: true,
            pid: 1,
        };
        let line = parts(Level::Warning, "odd").render(&style, UNIX_EPOCH);
        assert!(line.starts_with("[abc] 19"), "{line}");
        assert!(
            line.contains(" juicefs[1] <\u{1b}[1;33mWARNING\u{1b}[0m>: odd ["),
            "{line}"
        );
    }
}
