//! One event as one line of text.

use crate::level::Level;
use crate::mask::mask_text;
use std::fmt::{self, Write};
use std::time::SystemTime;
use time::{OffsetDateTime, UtcOffset};
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
        let line = self.render(&style, SystemTime::UNIX_EPOCH);
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

/// Local time as the log daemon takes it: `Jan  2 03:04:05`.
pub(crate) fn syslog_stamp(now: SystemTime) -> String {
    let t = local_time(now);
    // The first three letters of the month.
    let (month, day) = (t.month().to_string(), t.day());
    let (hour, minute, second) = t.to_hms();
    format!("{month:.3} {day:2} {hour:02}:{minute:02}:{second:02}")
}

/// `YYYY/MM/DD hh:mm:ss.micros` in local time.
fn push_time(out: &mut String, now: SystemTime) {
    push_stamp(out, now, '/');
}

fn push_stamp(out: &mut String, now: SystemTime, between: char) {
    let t = local_time(now);
    let (year, month, day) = t.to_calendar_date();
    let month = u8::from(month);
    let (hour, minute, second, micros) = t.to_hms_micro();
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "{year:04}{between}{month:02}{between}{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06}"
    );
}

/// `now` in the time zone of this machine, or in UTC where the zone is not known. The offset is asked for
/// each time: summer time begins and ends while a mount runs.
fn local_time(now: SystemTime) -> OffsetDateTime {
    let utc = OffsetDateTime::from(now);
    let offset = UtcOffset::local_offset_at(utc).unwrap_or(UtcOffset::UTC);
    utc.checked_to_offset(offset).unwrap_or(utc)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

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

    /// The C library, which reads the zone from the same places, says the same.
    #[test]
    #[allow(unsafe_code, reason = "the C library is what is compared with")]
    fn stamps_are_in_local_time() {
        for seconds in [0u32, 951_827_696, 1_500_000_000, 1_790_000_000, u32::MAX] {
            let now = UNIX_EPOCH + Duration::new(seconds.into(), 7_000);
            let seconds = libc::time_t::from(seconds);
            // SAFETY: `tm` is plain data for which all zeroes is a value; both pointers are valid.
            let tm = unsafe {
                let mut tm: libc::tm = std::mem::zeroed();
                libc::localtime_r(&seconds, &mut tm);
                tm
            };
            let (year, month) = (tm.tm_year + 1900, tm.tm_mon + 1);
            let (day, time) = (tm.tm_mday, (tm.tm_hour, tm.tm_min, tm.tm_sec));
            let clock = format!("{:02}:{:02}:{:02}", time.0, time.1, time.2);
            let stamp = format!("{year}.{month:02}.{day:02} {clock}.000007");
            assert_eq!(local_stamp(now), stamp);
            let syslog = syslog_stamp(now);
            assert!(
                syslog.ends_with(&format!(" {day:>2} {clock}")) && syslog.len() == 15,
                "{syslog}"
            );
        }
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
