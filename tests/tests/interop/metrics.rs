//! `--metrics`: what Prometheus would fetch.

use super::local_volume::{LocalVolume, Meta, ours};
use jfs_testkit::{Mount, MountArgs, content};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Where a mount says it listens.
fn address(mount: &Mount) -> String {
    let log = mount.log();
    let line = log
        .lines()
        .find(|l| l.contains("Prometheus metrics listening on"));
    let quoted = line.unwrap_or_else(|| panic!("{log}")).split('"').nth(1);
    quoted.unwrap().to_string()
}

fn ask(address: &str, request: &[u8]) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream.write_all(request).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_string(), body.to_string())
}

fn get(address: &str, path: &str) -> (String, String) {
    ask(
        address,
        format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes(),
    )
}

/// Samples by name and labels; panics when a line is none.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with("# "));
    let parse = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(
            name.starts_with("juicefs_") && name.ends_with('}'),
            "{line}"
        );
        (name.to_string(), value.parse::<f64>().unwrap())
    };
    lines.map(parse).collect()
}

#[test]
fn two_mounts_show_their_numbers_at_two_ports() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &["--block-size", "64K"]);
    let one = volume.mount(&ours(), &["--custom-labels", "team:blue;zone:7"]);
    let two = volume.mount(&ours(), &[]);
    let (first, second) = (address(&one), address(&two));
    assert_ne!(first, second);
    for n in 0..5u64 {
        std::fs::write(one.at(format!("f{n}")), content(n, 100_000)).unwrap();
    }
    let (head, text) = get(&first, "/metrics");
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(
        head.contains("Content-Type: text/plain; version=0.0.4"),
        "{head}"
    );
    let all = samples(&text);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let version = ours().run(&["version"]).unwrap().stdout;
    let version = version.trim().rsplit(' ').next().unwrap().to_string();
    let mp = one.path().display();
    let labels = |own: &str| {
        let host = host.trim();
        format!(
            "instance=\"{host}\",juicefs_version=\"{version}\",{own}mp=\"{mp}\",team=\"blue\",vol_name=\"vol\",zone=\"7\""
        )
    };
    let value = |name: &str, own: &str| {
        let key = format!("{name}{{{}}}", labels(own));
        *all.get(&key)
            .unwrap_or_else(|| panic!("no {key} in {text}"))
    };
    assert_eq!(value("juicefs_fuse_ops_total", "method=\"create\","), 5.0);
    assert_eq!(value("juicefs_fuse_written_size_bytes_sum", ""), 500_000.0);
    assert_eq!(
        value("juicefs_object_request_data_bytes", "method=\"PUT\","),
        500_000.0
    );
    assert!(value("juicefs_memory", "") > 1e6);
    let (count, last) = (
        value("juicefs_fuse_ops_durations_histogram_seconds_count", ""),
        format!(
            "juicefs_fuse_ops_durations_histogram_seconds_bucket{{{},le=\"+Inf\"}}",
            labels("")
        ),
    );
    assert_eq!(all.get(&last), Some(&count));

    let (_, other) = get(&second, "/metrics?x=y");
    assert!(!other.contains("team="), "{other}");
    assert!(!other.contains("method=\"create\""), "{other}");
    one.unmount().unwrap();
    assert!(
        TcpStream::connect(&first).is_err(),
        "nobody listens after the unmount"
    );
    two.unmount().unwrap();
}

#[test]
fn odd_clients_of_the_metrics_do_no_harm() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &[]);
    let mount = volume.mount(&ours(), &[]);
    let at = address(&mount);
    let (head, body) = get(&at, "/");
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    assert_eq!(body, "404 page not found\n");
    let (head, body) = ask(&at, b"HEAD /metrics HTTP/1.1\r\n\r\n");
    assert!(
        head.starts_with("HTTP/1.1 200 ") && body.is_empty(),
        "{head}"
    );
    let (head, _) = ask(&at, b"nonsense\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    let (head, _) = ask(&at, &vec![b'a'; 8 << 10]);
    assert!(head.starts_with("HTTP/1.1 431 "), "{head}");
    // Clients that say nothing hold every place; each is sent away when its time is over.
    let silent: Vec<_> = (0..20).map(|_| TcpStream::connect(&at).unwrap()).collect();
    let mut patient = TcpStream::connect(&at).unwrap();
    patient
        .set_read_timeout(Some(Duration::from_secs(50)))
        .unwrap();
    patient.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    patient.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
    drop(silent);
    mount.unmount().unwrap();
}

#[test]
fn metrics_can_be_off_and_must_make_sense() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &[]);
    let mount = volume.mount(&ours(), &["--metrics", ""]);
    assert!(!mount.log().contains("Prometheus"), "{}", mount.log());
    mount.unmount().unwrap();
    for (flags, said) in [
        (
            ["--metrics", "nonsense"],
            "metrics format error \"nonsense\"",
        ),
        (["--custom-labels", "a:b;c"], "invalid label format: \"c\""),
    ] {
        let arguments = MountArgs::new(volume.url()).flags(flags);
        let error = ours().mount(arguments).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}
