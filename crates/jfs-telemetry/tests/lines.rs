//! Lines as a process writes them. A subscriber is installed once per process, so there is one
//! test that looks at everything.
#![allow(clippy::unwrap_used, reason = "tests")]

use jfs_telemetry::{Level, LogOptions, Output, init};

mod noisy {
    pub(super) fn speak() {
        tracing::info!(target: "fuser::session", "request formatted");
        tracing::warn!(target: "fuser::session", "odd request");
        tracing::warn!(target: "opendal_core::layers::complete", "must be a bug");
    }
}

#[test]
fn events_become_lines_of_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("juicefs.log");
    let options = LogOptions {
        level: Level::Info,
        log_id: Some("random".to_string()),
        no_color: false,
        output: Output::File(path.clone()),
        syslog: None,
    };
    let logs = init(options.clone()).unwrap();
    assert!(init(options).is_err(), "a second subscriber is refused");
    tracing::info!("Data use {}", "file:///x/");
    tracing::debug!("not shown");
    tracing::warn!(retries = 3, name = "a b", "slow");
    noisy::speak();
    jfs_telemetry::fatal!("cannot open {:?}", "x");
    assert!(!logs.colours());

    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let tails: Vec<&str> = lines.iter().map(|l| &l[l.find('<').unwrap()..]).collect();
    let places: Vec<&str> = tails.iter().map(|t| &t[..t.rfind(':').unwrap()]).collect();
    assert_eq!(
        places,
        [
            "<INFO>: Data use file:///x/ [lines@lines.rs",
            "<WARNING>: slow retries=3 name=\"a b\" [lines@lines.rs",
            "<WARNING>: odd request [noisy@lines.rs",
            "<FATAL>: cannot open \"x\" [lines@lines.rs",
        ]
    );
    let id = &lines[0][1..37];
    assert_eq!(
        id.split('-').map(str::len).collect::<Vec<_>>(),
        [8, 4, 4, 4, 12]
    );
    for line in lines {
        assert!(line.starts_with(&format!("[{id}] ")), "{line}");
        assert!(
            line.contains(&format!(" juicefs[{}] <", std::process::id())),
            "{line}"
        );
    }
}
