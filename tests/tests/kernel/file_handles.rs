//! File handles, which NFS servers hand out: they lead to their inode after the kernel has forgotten it.

use super::local_volume::{LocalVolume, Meta, ours};
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Kernel's `struct file_handle` with room for the longest.
#[repr(C)]
#[derive(Clone, Copy)]
struct Handle {
    bytes: u32,
    kind: i32,
    data: [u8; 128],
}

#[expect(unsafe_code, reason = "name_to_handle_at has no safe form")]
fn handle_of(path: &Path) -> Handle {
    let name = CString::new(path.as_os_str().as_bytes()).unwrap();
    let mut handle = Handle {
        bytes: 128,
        kind: 0,
        data: [0; 128],
    };
    let mut mount = 0i32;
    // SAFETY: the name ends with a NUL; the kernel stores a handle and a number.
    let done = unsafe {
        let (handle, mount) = (&raw mut handle, &raw mut mount);
        libc::syscall(
            libc::SYS_name_to_handle_at,
            libc::AT_FDCWD,
            name.as_ptr(),
            handle,
            mount,
            0,
        )
    };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
    handle
}

#[expect(unsafe_code, reason = "open_by_handle_at has no safe form")]
fn open(root: &Path, mut handle: Handle) -> io::Result<File> {
    let root = File::open(root).unwrap();
    // SAFETY: the handle is readable; a descriptor that comes back is new.
    unsafe {
        let handle = &raw mut handle;
        let fd = libc::syscall(
            libc::SYS_open_by_handle_at,
            root.as_raw_fd(),
            handle,
            libc::O_RDONLY,
        );
        match i32::try_from(fd) {
            Ok(fd) if fd >= 0 => Ok(File::from_raw_fd(fd)),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// What a handle opens: the content of a file, or where a directory is.
fn opened(root: &Path, handle: Handle) -> Result<String, i32> {
    let mut file = open(root, handle).map_err(|e| e.raw_os_error().unwrap())?;
    if file.metadata().unwrap().is_dir() {
        let path = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap();
        return Ok(path.strip_prefix(root).unwrap().display().to_string());
    }
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    Ok(text)
}

fn tree(root: &Path) -> [(Handle, &'static str); 4] {
    fs::create_dir_all(root.join("a/b")).unwrap();
    fs::write(root.join("a/b/file"), "content").unwrap();
    fs::write(root.join("other"), "other").unwrap();
    fs::hard_link(root.join("other"), root.join("a/linked")).unwrap();
    [
        (handle_of(&root.join("a/b/file")), "content"),
        (handle_of(&root.join("a/b")), "a/b"),
        (handle_of(&root.join("a/linked")), "other"),
        (handle_of(root), ""),
    ]
}

#[test]
fn handles_lead_to_what_the_kernel_has_forgotten() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &["--trash-days", "0"]);
    let mount = volume.mount(&ours(), &[]);
    let handles = tree(mount.path());
    fs::write(mount.at("gone"), "x").unwrap();
    let gone = handle_of(&mount.at("gone"));
    fs::remove_file(mount.at("gone")).unwrap();
    let renamed = handle_of(&mount.at("a/b"));
    mount.unmount().unwrap();

    let mount = volume.mount(&ours(), &["--negative-entry-cache", "60"]);
    for (handle, what) in handles {
        assert_eq!(opened(mount.path(), handle), Ok(what.to_string()));
    }
    assert_eq!(opened(mount.path(), gone), Err(libc::ESTALE));
    fs::rename(mount.at("a/b"), mount.at("moved")).unwrap();
    mount.unmount().unwrap();

    for flags in [
        &[][..],
        &["--root-squash", "65534:65534"],
        &["--non-default-permission"],
    ] {
        let mount = volume.mount(&ours(), flags);
        assert_eq!(
            opened(mount.path(), renamed),
            Ok("moved".to_string()),
            "{flags:?}"
        );
        assert_eq!(
            opened(mount.path(), handles[0].0),
            Ok("content".to_string())
        );
        mount.unmount().unwrap();
    }
    // Below another root only what is there.
    let mount = volume.mount(&ours(), &["--subdir", "/a"]);
    assert_eq!(
        opened(mount.path(), handles[2].0),
        Ok("other".to_string()),
        "one of its names"
    );
    for outside in [handles[0].0, renamed] {
        assert_eq!(opened(mount.path(), outside), Err(libc::ESTALE));
    }
    mount.unmount().unwrap();
}
