//! Mounting: our own mount(2) when root, fusermount3 otherwise, and serving until it ends.

use crate::credentials::{Credentials, Squash};
use crate::mountpoint::{resolve, umount};
use crate::options::{self, Parsed};
use crate::transport::fuser_session::{Features, FuserFs, Notices};
use fuser::{Config, Session, SessionACL};
use jfs_vfs::Vfs;
use nix::mount::MsFlags;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, socketpair,
};
use parking_lot::Mutex;
use std::fs::OpenOptions;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::runtime::Handle as Runtime;

/// Largest request the kernel sends (256 pages).
const IO_MAX: u32 = 1 << 20;
/// Smallest request size that makes sense.
const IO_MIN: u32 = 4096;

/// Threads that read requests. One keeps them in the order in which the kernel sends them: pieces of one
/// large read or write make sense in that order only. More are no faster.
const READERS: usize = 1;

/// How to mount.
#[derive(Clone, Debug)]
pub struct MountOptions {
    /// An existing directory; links to it are followed once, at the start.
    pub mountpoint: PathBuf,
    /// What `df` shows: `JuiceFS:NAME`.
    pub fsname: String,
    /// Largest read and write request, bytes; 4 KiB to 1 MiB. Default of the mount program 128 KiB.
    pub max_fuse_io: u32,
    /// Applies instead of the caller's umask.
    pub umask: Option<u16>,
    /// Answer requests for extended attributes. Always on with ACLs.
    pub xattr: bool,
    /// Let the kernel apply ACLs.
    pub acl: bool,
    /// Answer the ioctls that get and set inode flags.
    pub ioctl: bool,
    /// `-o` options.
    pub options: Vec<String>,
    /// Count requests of the super-user for somebody else (root_squash of NFS). What that one may do
    /// is checked here too.
    pub root_squash: Option<Squash>,
    /// Count everybody's requests for one user. Permissions are checked here, not by the kernel.
    pub all_squash: Option<Squash>,
    /// Have the kernel check permissions. Without, they are checked here, with the groups of the process,
    /// and the kernel lets pass what it has cached.
    pub default_permissions: bool,
    /// Mount read-only.
    pub read_only: bool,
    /// Whether other users than the one who mounts may use it.
    pub allow_other: bool,
    /// Where requests are served that memory cannot answer.
    pub runtime: Runtime,
}

/// Why it could not be mounted.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// An option cannot be used.
    #[error("{0}")]
    Option(String),
    /// /dev/fuse cannot be opened.
    #[error("/dev/fuse: {0}; is the fuse module loaded and may this user use it?")]
    Device(io::Error),
    /// The mount call failed.
    #[error("mount at {mountpoint}: {text}")]
    Mount {
        /// Where.
        mountpoint: String,
        /// What happened.
        text: String,
    },
    /// The kernel and we do not understand each other.
    #[error("FUSE session: {0}")]
    Session(io::Error),
}

/// A mount that is being served.
pub struct MountHandle {
    mountpoint: PathBuf,
    thread: Mutex<Option<JoinHandle<io::Result<()>>>>,
}

/// Mounts `vfs` and serves it on a thread of its own.
pub fn mount(vfs: Vfs, o: MountOptions) -> Result<MountHandle, MountError> {
    let mut parsed = options::parse(&o.options).map_err(MountError::Option)?;
    if !(IO_MIN..=IO_MAX).contains(&o.max_fuse_io) {
        let text = format!("--max-fuse-io {}: 4K to 1M is possible", o.max_fuse_io);
        return Err(MountError::Option(text));
    }
    if o.read_only {
        parsed.flags.insert(MsFlags::MS_RDONLY);
    }
    let allow_other = parsed.allow_other.unwrap_or(o.allow_other);
    let max_read = parsed.max_read.unwrap_or(o.max_fuse_io).min(o.max_fuse_io);
    let fsname = parsed.fsname.clone().unwrap_or_else(|| o.fsname.clone());
    let mountpoint = resolve(&o.mountpoint).map_err(|e| MountError::Mount {
        mountpoint: o.mountpoint.display().to_string(),
        text: e.to_string(),
    })?;
    let credentials = Credentials::new(o.root_squash, o.all_squash, !o.default_permissions);
    let plan = Plan {
        parsed: &parsed,
        kernel_checks: credentials.kernel_checks(),
        allow_other,
        max_read,
        fsname: &fsname,
        mountpoint: &mountpoint,
    };
    let fd = if nix::unistd::geteuid().is_root() {
        plan.as_root()?
    } else {
        plan.by_fusermount()?
    };

    let fs = FuserFs {
        vfs: vfs.clone(),
        runtime: o.runtime,
        max_io: o.max_fuse_io,
        umask: o.umask,
        credentials: Arc::new(credentials),
        features: Features {
            xattr: o.xattr || o.acl,
            acl: o.acl,
            ioctl: o.ioctl,
        },
    };
    let acl = if allow_other {
        SessionACL::All
    } else {
        SessionACL::Owner
    };
    let mut config = Config::default();
    config.acl = acl;
    config.n_threads = Some(READERS);
    let session = Session::from_fd(fs, fd, acl, config).map_err(|e| {
        let _ = umount(&mountpoint, true);
        MountError::Session(e)
    })?;
    vfs.serves(Box::new(Notices(session.notifier())));
    let thread = std::thread::Builder::new()
        .name("fuse-reader".into())
        .spawn(move || session.run())
        .map_err(MountError::Session)?;
    if o.max_fuse_io > 128 << 10 {
        raise_read_ahead(&mountpoint, o.max_fuse_io);
    }
    Ok(MountHandle {
        mountpoint,
        thread: Mutex::new(Some(thread)),
    })
}

impl MountHandle {
    /// Waits until the file system is unmounted. Returns at once when somebody has waited already.
    pub fn wait(&self) -> io::Result<()> {
        let Some(thread) = self.thread.lock().take() else {
            return Ok(());
        };
        thread
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the reader thread panicked")))
    }

    /// Whether requests are still being served.
    pub fn is_serving(&self) -> bool {
        self.thread
            .lock()
            .as_ref()
            .is_some_and(|t| !t.is_finished())
    }

    /// Unmounts; open files keep it alive until they are closed.
    pub fn unmount(&self) -> io::Result<()> {
        match umount(&self.mountpoint, false) {
            Err(e) if e.raw_os_error() == Some(libc::EBUSY) => umount(&self.mountpoint, true),
            other => other,
        }
    }

    /// Where it is mounted.
    pub fn mountpoint(&self) -> &Path {
        &self.mountpoint
    }
}

struct Plan<'a> {
    parsed: &'a Parsed,
    kernel_checks: bool,
    allow_other: bool,
    max_read: u32,
    fsname: &'a str,
    mountpoint: &'a Path,
}

impl Plan<'_> {
    fn failed(&self, text: impl Into<String>) -> MountError {
        MountError::Mount {
            mountpoint: self.mountpoint.display().to_string(),
            text: text.into(),
        }
    }

    /// mount(2) with type `fuse.juicefs`, which tools look for.
    fn as_root(&self) -> Result<OwnedFd, MountError> {
        let device = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_CLOEXEC)
            .open("/dev/fuse")
            .map_err(MountError::Device)?;
        let mut data = format!(
            "fd={},rootmode=40000,user_id={},group_id={},max_read={}",
            device.as_raw_fd(),
            nix::unistd::getuid(),
            nix::unistd::getgid(),
            self.max_read
        );
        if self.kernel_checks {
            data.push_str(",default_permissions");
        }
        if self.allow_other {
            data.push_str(",allow_other");
        }
        nix::mount::mount(
            Some(self.fsname),
            self.mountpoint,
            Some("fuse.juicefs"),
            self.parsed.flags,
            Some(&*data),
        )
        .map_err(|e| self.failed(e.desc()))?;
        Ok(device.into())
    }

    /// fusermount3 mounts for ordinary users and hands the descriptor over a socket.
    fn by_fusermount(&self) -> Result<OwnedFd, MountError> {
        let (ours, theirs) = socketpair(
            AddressFamily::Unix,
            SockType::Stream,
            None,
            SockFlag::empty(),
        )
        .map_err(|e| self.failed(e.desc()))?;
        nix::fcntl::fcntl(
            &ours,
            nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC),
        )
        .map_err(|e| self.failed(e.desc()))?;
        let mut options = format!(
            "fsname={},subtype=juicefs,max_read={}",
            self.fsname, self.max_read
        );
        if self.kernel_checks {
            options.push_str(",default_permissions");
        }
        for (flag, on, off) in [
            (MsFlags::MS_RDONLY, "ro", "rw"),
            (MsFlags::MS_NOEXEC, "noexec", "exec"),
            (MsFlags::MS_SYNCHRONOUS, "sync", "async"),
            (MsFlags::MS_NOATIME, "noatime", "atime"),
        ] {
            options.push(',');
            options.push_str(if self.parsed.flags.contains(flag) {
                on
            } else {
                off
            });
        }
        if self.allow_other {
            options.push_str(",allow_other");
        }
        let out = Command::new("fusermount3")
            .args(["-o", &options, "--"])
            .arg(self.mountpoint)
            // A program with more rights has no use for what else is set here.
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("_FUSE_COMMFD", theirs.as_raw_fd().to_string())
            .output()
            .map_err(|e| {
                self.failed(format!(
                    "fusermount3 cannot be started ({e}): install the package fuse3"
                ))
            })?;
        drop(theirs);
        if !out.status.success() {
            return Err(self.failed(String::from_utf8_lossy(&out.stderr).trim().to_string()));
        }
        receive_fd(&ours).map_err(|e| self.failed(format!("fusermount3 sent no descriptor: {e}")))
    }
}

#[expect(
    unsafe_code,
    reason = "a descriptor received from another process has no owner yet"
)]
fn receive_fd(socket: &OwnedFd) -> io::Result<OwnedFd> {
    let mut byte = [0];
    let mut vector = [IoSliceMut::new(&mut byte)];
    let mut space = nix::cmsg_space!([std::os::fd::RawFd; 1]);
    let message = recvmsg::<()>(
        socket.as_raw_fd(),
        &mut vector,
        Some(&mut space),
        MsgFlags::MSG_CMSG_CLOEXEC,
    )?;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = control
            && let Some(fd) = fds.first()
        {
            // SAFETY: the kernel has just made this descriptor for us; nobody else has it.
            return Ok(unsafe { OwnedFd::from_raw_fd(*fd) });
        }
    }
    Err(io::Error::other("no descriptor in the message"))
}

/// Lets the kernel read ahead as far as a request reaches; it offers only 128 KiB by itself.
fn raise_read_ahead(mountpoint: &Path, bytes: u32) {
    let Ok(stat) = nix::sys::stat::stat(mountpoint) else {
        return;
    };
    let (major, minor) = (
        nix::sys::stat::major(stat.st_dev),
        nix::sys::stat::minor(stat.st_dev),
    );
    let path = format!("/sys/class/bdi/{major}:{minor}/read_ahead_kb");
    if let Err(e) = std::fs::write(&path, (bytes / 1024).to_string()) {
        tracing::debug!("{path}: {e}");
    }
}
