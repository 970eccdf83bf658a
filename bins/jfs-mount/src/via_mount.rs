//! Being `/sbin/mount.juicefs`: the arguments that mount(8) gives to its helpers.

use anyhow::bail;
use clap::{Command, CommandFactory};
use jfs_commands::arguments::{flag_by_name, is_switch};
use jfs_commands::commands::MountCommand;
use jfs_commands::parse::prepared;

/// Options for mount(8) and for whoever reads fstab.
const DROPPED: &[&str] = &[
    "_netdev",
    "nofail",
    "rw",
    "defaults",
    "background",
    "auto",
    "noauto",
    "user",
    "nouser",
    "users",
    "owner",
    "group",
];
/// The same, with a value.
const ABOUT_TABLE: &[&str] = &["comment", "user", "helper", "uhelper"];
/// The names of older clients.
const RENAMED: &[(&str, &str)] = &[
    ("attrcacheto", "attr-cache"),
    ("entrycacheto", "entry-cache"),
    ("direntrycacheto", "dir-entry-cache"),
];

/// The command line of `mount` that `META-URL MOUNTPOINT [-fnsv] [-N NS] [-t TYPE] [-o OPTIONS]` means;
/// `None` for a dry run (`-f`). Fewer than two words ask for help. What cannot be done is refused.
pub(crate) fn translate(argv: &[String]) -> anyhow::Result<Option<Vec<String>>> {
    let [url, point, rest @ ..] = argv else {
        return Ok(Some(vec!["--help".to_string()]));
    };
    let known = prepared(MountCommand::command());
    let mut out = vec!["-d".to_string()];
    let mut fuse = Vec::new();
    let mut words = rest.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-o" => {
                let items = words.next().map_or("", String::as_str);
                let items = items.split(',').map(str::trim);
                if items.clone().any(|item| item == "remount") {
                    bail!(
                        "-o remount: a mount cannot be changed, unmount {point} and mount it anew"
                    );
                }
                items.for_each(|item| read(item, &known, &mut out, &mut fuse));
            }
            "-N" | "-t" => {
                words.next();
            }
            letters if letters.starts_with('-') && letters.contains('f') => return Ok(None),
            // -n, -s and -v are about mount(8) itself.
            _ => {}
        }
    }
    if !fuse.is_empty() {
        out.extend(["-o".to_string(), fuse.join(",")]);
    }
    out.extend([url.clone(), point.clone()]);
    Ok(Some(out))
}

/// One item of `-o`: a flag, something for others, or an option for FUSE.
fn read(item: &str, known: &Command, flags: &mut Vec<String>, fuse: &mut Vec<String>) {
    let (name, value) = match item.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (item, None),
    };
    let about_table = DROPPED.contains(&item) || ABOUT_TABLE.contains(&name);
    if item.is_empty() || about_table || name.starts_with("x-") || name.starts_with("X-") {
        return;
    }
    let renamed = RENAMED.iter().find(|(old, _)| *old == name);
    let name = renamed.map_or(name, |(_, new)| new);
    // Letters are options of FUSE.
    let flag = flag_by_name(known, name).filter(|_| name.len() > 1);
    match (flag, value) {
        // A flag that lacks its value is none of ours.
        (Some(flag), None) if is_switch(flag) => flags.push(format!("--{name}")),
        (Some(_), Some(value)) => flags.push(format!("--{name}={value}")),
        _ => fuse.push(item.to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn translated(line: &str) -> Option<String> {
        let argv: Vec<String> = line.split(' ').map(str::to_string).collect();
        translate(&argv).unwrap().map(|out| out.join(" "))
    }

    #[test]
    fn items_become_flags_or_go_to_fuse() {
        for (line, want) in [
            ("redis://h/1 /mnt", "-d redis://h/1 /mnt"),
            (
                "redis://h/1 /mnt -n -o rw,noatime,cache-size=0,read-only,attrcacheto=3,_netdev,nofail",
                "-d --cache-size=0 --read-only --attr-cache=3 -o noatime redis://h/1 /mnt",
            ),
            (
                "a /m -v -o verbose,x-systemd.automount,user=joe,comment=a,noauto,ro,max_read=4096 -t juicefs",
                "-d --verbose -o ro,max_read=4096 a /m",
            ),
            (
                "a /m -o writeback,no-color,background",
                "-d --writeback --no-color a /m",
            ),
            // As FUSE options they are refused by name later on.
            (
                "a /m -o v,cache-size,nothing=true",
                "-d -o v,cache-size,nothing=true a /m",
            ),
            (
                "a /m -o read-only=false,no-syslog=false,background=false,verbose=true",
                "-d --read-only=false --no-syslog=false --background=false --verbose=true a /m",
            ),
            ("a", "--help"),
        ] {
            assert_eq!(translated(line).unwrap(), want, "{line}");
        }
        assert_eq!(
            translated("a /m -sf -o rw"),
            None,
            "a dry run mounts nothing"
        );
        let words = ["a", "/m", "-n", "-o", "remount,ro"].map(str::to_string);
        let refused = translate(&words).unwrap_err().to_string();
        assert!(refused.contains("remount"), "{refused}");
    }

    /// As mount(8) passes them on: the address, the mount point, the options.
    #[test]
    fn the_lines_of_deploy_are_understood() {
        let table = include_str!("../../../deploy/fstab");
        let lines = table
            .lines()
            .filter(|l| !l.is_empty() && !l.starts_with('#'));
        let mut seen = 0;
        for line in lines {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [url, point, "juicefs", options, "0", "0"] = fields[..] else {
                panic!("{line}");
            };
            let argv = [url, point, "-o", options].map(str::to_string);
            let argv = translate(&argv).unwrap().unwrap();
            match jfs_commands::parse::<MountCommand>(&argv) {
                Ok(jfs_commands::Invocation::Run(args)) => {
                    let flags = &args.flags;
                    assert_eq!([&flags.meta_url, &flags.mountpoint], [url, point]);
                    assert_eq!(flags.fuse.options, "", "all of {options} are flags of ours");
                }
                other => panic!("{line}: {other:?}"),
            }
            seen += 1;
        }
        assert_eq!(seen, 3);
    }
}
