//! The `-o` options of a FUSE mount.

use nix::mount::MsFlags;

/// The `-o` options as the mount call takes them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parsed {
    pub(crate) flags: MsFlags,
    pub(crate) allow_other: Option<bool>,
    pub(crate) max_read: Option<u32>,
    pub(crate) fsname: Option<String>,
    pub(crate) nonempty: bool,
}

/// Symbolic links are not followed (Linux 5.10); older kernels ignore it.
const NO_SYMFOLLOW: MsFlags = MsFlags::from_bits_retain(256);

/// Reads the options; an unknown one is an error that names it.
pub(crate) fn parse(options: &[String]) -> Result<Parsed, String> {
    let mut p = Parsed {
        flags: MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        allow_other: None,
        max_read: None,
        fsname: None,
        nonempty: false,
    };
    let all = options
        .iter()
        .flat_map(|o| o.split(','))
        .map(str::trim)
        .filter(|o| !o.is_empty());
    for option in all {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        match key {
            "ro" => p.flags.insert(MsFlags::MS_RDONLY),
            "rw" => p.flags.remove(MsFlags::MS_RDONLY),
            "suid" => p.flags.remove(MsFlags::MS_NOSUID),
            "nosuid" => p.flags.insert(MsFlags::MS_NOSUID),
            "dev" => p.flags.remove(MsFlags::MS_NODEV),
            "nodev" => p.flags.insert(MsFlags::MS_NODEV),
            "exec" => p.flags.remove(MsFlags::MS_NOEXEC),
            "noexec" => p.flags.insert(MsFlags::MS_NOEXEC),
            "sync" => p.flags.insert(MsFlags::MS_SYNCHRONOUS),
            "async" => p.flags.remove(MsFlags::MS_SYNCHRONOUS),
            "dirsync" => p.flags.insert(MsFlags::MS_DIRSYNC),
            "atime" => p.flags.remove(MsFlags::MS_NOATIME),
            "noatime" => p.flags.insert(MsFlags::MS_NOATIME),
            "diratime" => p.flags.remove(MsFlags::MS_NODIRATIME),
            "nodiratime" => p.flags.insert(MsFlags::MS_NODIRATIME),
            "relatime" => p.flags.insert(MsFlags::MS_RELATIME),
            "strictatime" => p.flags.insert(MsFlags::MS_STRICTATIME),
            "allow_other" => p.allow_other = Some(true),
            "noallow_other" => p.allow_other = Some(false),
            "nonempty" => p.nonempty = true,
            "default_permissions" => {}
            "lazytime" => p.flags.insert(MsFlags::MS_LAZYTIME),
            "nosymfollow" => p.flags.insert(NO_SYMFOLLOW),
            // The kernel's default; mount(8) passes these words on.
            "norelatime" | "nostrictatime" | "nolazytime" | "symfollow" | "nomand"
            | "noiversion" | "loud" => {}
            "writeback_cache" | "debug" | "allow_root" | "auto_unmount" | "kernel_cache"
            | "direct_io" | "clone_fd" | "remount" => {
                return Err(format!("FUSE option -o {option} is not supported"));
            }
            "fsname" => p.fsname = Some(value.to_string()).filter(|name| !name.is_empty()),
            "subtype" if value == "juicefs" => {}
            "max_read" => {
                let n = value
                    .parse()
                    .map_err(|_| format!("-o max_read={value}: a number of bytes is needed"))?;
                p.max_read = Some(n);
            }
            // For mount(8) and fstab, not for the kernel.
            "_netdev" | "nofail" | "auto" | "noauto" | "user" | "nouser" | "users" | "defaults" => {
            }
            _ => return Err(format!("unknown FUSE option -o {option}")),
        }
    }
    Ok(p)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn known_and_unknown_options() {
        let options = |s: &str| parse(&[s.to_string()]);
        let p = options("ro,suid,noexec,max_read=4096").unwrap();
        assert_eq!(
            p.flags,
            MsFlags::MS_RDONLY | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC
        );
        assert_eq!(p.max_read, Some(4096));
        assert_eq!(options("allow_other").unwrap().allow_other, Some(true));
        assert_eq!(options("what").unwrap_err(), "unknown FUSE option -o what");
        let refused = options("ro,writeback_cache").unwrap_err();
        assert_eq!(refused, "FUSE option -o writeback_cache is not supported");
        assert_eq!(options("fsname=").unwrap().fsname, None);
        let p = options("norelatime,lazytime,nosymfollow").unwrap();
        assert!(p.flags.contains(MsFlags::MS_LAZYTIME | NO_SYMFOLLOW));
        assert!(options("max_read=x").is_err());
        assert_eq!(options("").unwrap(), parse(&[]).unwrap());
    }
}
