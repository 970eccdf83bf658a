//! The entry of /etc/fstab that mounts a volume when the machine starts.

use anyhow::{Context, bail};
use jfs_commands::address::{absolute, meta_url};
use jfs_commands::commands::MountCommand;
use jfs_commands::{Parsed, mount_helper};
use nix::fcntl::{Flock, FlockArg};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

const FSTAB: &str = "/etc/fstab";
/// Longest wait for another mount that changes the table at the same time.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// Pause between two attempts to get the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// Flags that are about this call and not about the mount.
const LEFT_OUT: &[&str] = &[
    "background",
    "foreground",
    "update-fstab",
    "force",
    "help",
    "version",
];
/// Switches that are on unless an entry says otherwise.
const ON_BY_DEFAULT: &[&str] = &["hide-internal"];
/// Flags whose value is a path, relative to where this call was made.
const PATHS: &[&str] = &["log", "cache-dir"];

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    address: String,
    point: String,
    options: String,
}

impl Line {
    /// The entry that repeats this call; refused when no entry can.
    pub(crate) fn of(
        args: &Parsed<MountCommand>,
        cwd: &Path,
        point: String,
    ) -> anyhow::Result<Line> {
        Ok(Line {
            address: meta_url(&args.flags.meta_url, cwd),
            point,
            options: options(args, cwd)?,
        })
    }

    fn text(&self) -> String {
        let [address, point, options] =
            [&self.address, &self.point, &self.options].map(|field| escaped(field));
        format!("{address}  {point}  juicefs  {options}  0 0")
    }

    /// Whether a line of the table mounts the same volume at the same place.
    fn replaces(&self, line: &str) -> bool {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [address, point, kind, ..] = fields[..] else {
            return false;
        };
        let same = place(address) == place(&escaped(&self.address));
        kind == "juicefs" && same && point == escaped(&self.point)
    }
}

/// An address without the user and the password: passwords change, the volume stays.
fn place(address: &str) -> String {
    let masked = jfs_telemetry::mask_url(address);
    match masked.split_once("://") {
        Some((scheme, rest)) if scheme != "sqlite3" => {
            let rest = rest.split_once('@').map_or(rest, |(_, rest)| rest);
            format!("{scheme}://{rest}")
        }
        _ => masked,
    }
}

/// What was given, in the form of mount options: `_netdev,nofail` and then by name. A comma ends an option,
/// so no value can have one.
fn options(args: &Parsed<MountCommand>, cwd: &Path) -> anyhow::Result<String> {
    let mut items = Vec::new();
    for flag in args.arguments.effective() {
        let (name, text) = (flag.name.as_str(), &flag.value);
        if LEFT_OUT.contains(&name) {
            continue;
        }
        let first = items.len();
        match name {
            "o" => items.push(text.clone()),
            name if flag.is_switch => {
                // Off is what is meant by an entry without the switch, but for one that is on by default.
                match (flag.is_on(), ON_BY_DEFAULT.contains(&name)) {
                    (true, _) => items.push(name.to_string()),
                    (false, true) => items.push(format!("{name}=false")),
                    (false, false) => {}
                }
            }
            name if PATHS.contains(&name) && text != "memory" => {
                let paths = text
                    .split(':')
                    .map(|p| absolute(p, cwd).display().to_string());
                items.push(format!("{name}={}", paths.collect::<Vec<_>>().join(":")));
            }
            // Of a bucket only this machine knows whether it is a directory.
            "bucket" if cwd.join(text).is_dir() => {
                items.push(format!("{name}={}", absolute(text, cwd).display()));
            }
            name => items.push(format!("{name}={text}")),
        }
        if name != "o" && items[first..].iter().any(|item| item.contains(',')) {
            bail!(
                "--update-fstab cannot keep --{name} \"{text}\": a comma ends an option in {FSTAB}; \
                 give a value without one, or mount without --update-fstab"
            );
        }
    }
    items.retain(|item| !item.is_empty());
    items.sort();
    let fixed = ["_netdev", "nofail"].map(str::to_string);
    Ok(fixed.into_iter().chain(items).collect::<Vec<_>>().join(","))
}

/// Blanks end a field of the table.
fn escaped(field: &str) -> String {
    field
        .replace('\\', "\\134")
        .replace(' ', "\\040")
        .replace('\t', "\\011")
        .replace('\n', "\\012")
}

/// Adds or replaces the entry, and makes the helper. Warns about what cannot be done.
pub(crate) fn update(line: &Line) {
    if !nix::unistd::geteuid().is_root() {
        tracing::warn!("--update-fstab changes nothing: only root may write {FSTAB}");
        return;
    }
    if jfs_telemetry::mask_url(&line.address) != line.address {
        tracing::warn!(
            "{FSTAB} now holds the password of the metadata engine: make sure that only root can read it"
        );
    }
    let helper = make_helper(Path::new(mount_helper::PROGRAM));
    let written = write(Path::new(FSTAB), line);
    match (&helper, &written) {
        (Ok(()), Ok(())) => tracing::info!(
            "{FSTAB} has an entry for this mount: `mount {}` mounts it from now on",
            line.point
        ),
        _ => {
            for (what, result) in [(mount_helper::PROGRAM, helper), (FSTAB, written)] {
                if let Err(error) = result {
                    tracing::warn!("--update-fstab: {what}: {error:#}");
                }
            }
        }
    }
}

/// A link to the front door beside this program, or to this program. What is there stays.
fn make_helper(helper: &Path) -> anyhow::Result<()> {
    if helper.symlink_metadata().is_ok() {
        return Ok(());
    }
    let here = std::env::current_exe().context("cannot find this program's own file")?;
    let front = here.with_file_name("jfs");
    let target = if front.is_file() { front } else { here };
    match symlink(target, helper) {
        // Another mount was faster.
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made.context("symlink"),
    }
}

/// Replaces the table as a whole, so that a machine that loses its power keeps the old or the new one. Two mounts that do
/// so at the same time take turns, so that both entries are kept. The table may be a link; owner and mode stay.
fn write(table: &Path, line: &Line) -> anyhow::Result<()> {
    let table = match table.symlink_metadata() {
        Ok(_) => &table
            .canonicalize()
            .with_context(|| format!("{} is a link that leads nowhere", table.display()))?,
        Err(_) => table,
    };
    let _turn = lock(table)?;
    let before = match std::fs::read_to_string(table) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(e).context("read"),
    };
    let after = replaced(&before, line);
    if after == before {
        return Ok(());
    }
    let secret = jfs_telemetry::mask_url(&line.address) != line.address;
    let old = table.metadata().ok();
    let mode = match &old {
        Some(meta) => meta.permissions().mode(),
        // A new table is readable by all users, unless its line holds a password.
        None if secret => 0o600,
        None => 0o644,
    };
    let fresh = table.with_extension("jfs-tmp");
    // The lock is held, so a file of that name was left by a process that was killed.
    let _ = std::fs::remove_file(&fresh);
    let written = (|| {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode & 0o600)
            .open(&fresh)?;
        if let Some(old) = &old {
            fchown(&file, Some(old.uid()), Some(old.gid()))?;
        }
        file.set_permissions(std::fs::Permissions::from_mode(mode & 0o777))?;
        file.write_all(after.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&fresh, table)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&fresh);
    }
    written.with_context(|| format!("write {}", table.display()))
}

/// Locks the directory of the table: the table itself is another file after each change.
fn lock(table: &Path) -> anyhow::Result<Flock<File>> {
    let dir = table.parent().unwrap_or(Path::new("/"));
    let mut file = File::open(dir).with_context(|| format!("open {}", dir.display()))?;
    let deadline = Instant::now() + LOCK_WAIT;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(turn) => return Ok(turn),
            Err((_, error)) if Instant::now() >= deadline => {
                return Err(error).with_context(|| format!("lock {}", dir.display()));
            }
            Err((back, _)) => file = back,
        }
        std::thread::sleep(LOCK_PAUSE);
    }
}

fn replaced(before: &str, line: &Line) -> String {
    let mut done = false;
    let mut out = String::new();
    for old in before.lines() {
        match line.replaces(old) {
            true if done => continue,
            true => out.push_str(&line.text()),
            false => out.push_str(old),
        }
        done |= line.replaces(old);
        out.push('\n');
    }
    if !done {
        out.push_str(&line.text());
        out.push('\n');
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use jfs_commands::{Invocation, parse};

    fn line(words: &str) -> Line {
        let argv: Vec<String> = words.split(' ').map(str::to_string).collect();
        match parse::<MountCommand>(&argv) {
            Ok(Invocation::Run(args)) => {
                let point = absolute(&args.flags.mountpoint, Path::new("/home/u"));
                Line::of(&args, Path::new("/home/u"), point.display().to_string()).unwrap()
            }
            other => panic!("{words}: {other:?}"),
        }
    }

    /// As the reference writes it, but with absolute paths and with names that it reads again.
    #[test]
    fn the_entry_repeats_the_call() {
        for (words, want) in [
            (
                "-d sqlite3://v.db ./m --cache-dir memory --no-usage-report --update-fstab --attr-cache 2 \
                 -o noatime,debug --read-only --log x.log -v",
                "sqlite3:///home/u/v.db  /home/u/m  juicefs  _netdev,nofail,attr-cache=2,cache-dir=memory,\
                 log=/home/u/x.log,no-usage-report,noatime,debug,read-only,verbose  0 0",
            ),
            (
                "redis://h/1 /m --cache-dir=c:/d --update-fstab -q --umask 022 --read-only=false",
                "redis://h/1  /m  juicefs  _netdev,nofail,cache-dir=/home/u/c:/d,quiet,umask=022  0 0",
            ),
        ] {
            assert_eq!(line(words).text(), want, "{words}");
        }
    }

    #[test]
    fn a_bucket_that_is_a_directory_is_absolute() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("objects")).unwrap();
        let argv = ["a", "/m", "--bucket", "objects"].map(str::to_string);
        let Ok(Invocation::Run(args)) = parse::<MountCommand>(&argv) else {
            panic!("arguments")
        };
        let made = options(&args, dir.path()).unwrap();
        assert!(made.ends_with(&format!("bucket={}/objects", dir.path().display())));
        let made = options(&args, Path::new("/nowhere")).unwrap();
        assert!(made.ends_with("bucket=objects"));
    }

    #[test]
    fn a_value_with_a_comma_is_refused() {
        for (words, named) in [
            ("a /m --cache-dir /x/a,b", "--cache-dir \"/x/a,b\""),
            (
                "a /m --custom-labels a:b,c:d",
                "--custom-labels \"a:b,c:d\"",
            ),
            ("a /m --log /x,y.log", "--log \"/x,y.log\""),
        ] {
            let argv: Vec<String> = words.split(' ').map(str::to_string).collect();
            let Ok(Invocation::Run(args)) = parse::<MountCommand>(&argv) else {
                panic!("arguments")
            };
            let said = Line::of(&args, Path::new("/"), "/m".to_string());
            let said = said.unwrap_err().to_string();
            assert!(said.contains(named), "{said}");
        }
        assert!(line("a /m -o noatime,ro").text().contains(",noatime,ro "));
    }

    #[test]
    fn a_new_password_replaces_the_old_one() {
        let entry = line("redis://:new@h:1/1 /m");
        for (old, same) in [
            ("redis://:old@h:1/1", true),
            ("redis://us:old@h:1/1", true),
            ("redis://h:1/1", true),
            ("redis://:new@h:1/2", false),
            ("redis://:new@h2:1/1", false),
            ("rediss://:new@h:1/1", false),
        ] {
            let old = format!("{old} /m juicefs x 0 0");
            assert_eq!(entry.replaces(&old), same, "{old}");
        }
        assert!(!line("sqlite3:///a@b /m").replaces("sqlite3:///c@b /m juicefs x 0 0"));
    }

    #[test]
    fn a_table_that_is_a_link_stays_one_and_keeps_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("real")).unwrap();
        let (table, real) = (dir.path().join("fstab"), dir.path().join("real/table"));
        std::fs::write(&real, "# comment\n").unwrap();
        std::fs::set_permissions(&real, PermissionsExt::from_mode(0o640)).unwrap();
        if nix::unistd::geteuid().is_root() {
            std::os::unix::fs::chown(&real, Some(12), Some(34)).unwrap();
        }
        let before = real.metadata().unwrap();
        symlink("real/table", &table).unwrap();
        write(&table, &line("redis://h/1 /m")).unwrap();
        assert_eq!(std::fs::read_link(&table).unwrap(), Path::new("real/table"));
        let after = real.metadata().unwrap();
        let of = |m: &std::fs::Metadata| (m.uid(), m.gid(), m.mode());
        assert_eq!(of(&after), of(&before));
        assert_eq!(std::fs::read_to_string(&real).unwrap().lines().count(), 2);
        std::fs::remove_file(&real).unwrap();
        let said = write(&table, &line("redis://h/1 /m")).unwrap_err();
        assert!(said.to_string().contains("leads nowhere"), "{said}");
    }

    #[test]
    fn only_the_own_entry_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let table = dir.path().join("fstab");
        let old = "# comment\nredis://h/1 /m juicefs foo 0 0\nredis://h/1 /m ext4 x 0 0\n\nb /m juicefs x 0 0";
        std::fs::write(&table, old).unwrap();
        std::fs::set_permissions(&table, PermissionsExt::from_mode(0o600)).unwrap();
        let entry = line("redis://h/1 /m --update-fstab");
        write(&table, &entry).unwrap();
        let want = "# comment\nredis://h/1  /m  juicefs  _netdev,nofail  0 0\nredis://h/1 /m ext4 x 0 0\n\n\
            b /m juicefs x 0 0\n";
        assert_eq!(std::fs::read_to_string(&table).unwrap(), want);
        assert_eq!(
            table.metadata().unwrap().permissions().mode() & 0o777,
            0o600
        );
        // Twice is once; another place is another entry.
        write(&table, &entry).unwrap();
        assert_eq!(std::fs::read_to_string(&table).unwrap(), want);
        let mut other = entry;
        other.point = "/m m".to_string();
        write(&table, &other).unwrap();
        let text = std::fs::read_to_string(&table).unwrap();
        assert_eq!(
            text,
            format!("{want}redis://h/1  /m\\040m  juicefs  _netdev,nofail  0 0\n")
        );
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn mounts_that_add_entries_at_the_same_time_keep_all() {
        let dir = tempfile::tempdir().unwrap();
        let table = dir.path().join("fstab");
        std::fs::write(&table, "# comment\n").unwrap();
        std::fs::write(table.with_extension("jfs-tmp"), "left by a killed process").unwrap();
        std::thread::scope(|scope| {
            for n in 0..8 {
                let table = &table;
                scope.spawn(move || {
                    write(table, &line(&format!("redis://h/{n} /m --update-fstab"))).unwrap();
                });
            }
        });
        let text = std::fs::read_to_string(&table).unwrap();
        assert_eq!(text.lines().count(), 9, "{text}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
