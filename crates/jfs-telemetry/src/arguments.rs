//! The visible parts of a process: its arguments, which every user can read in `/proc`, and its
//! environment, which the same user can.
//!
//! A program calls [`take`] first of all. It answers the arguments as they were given and leaves
//! masked ones in their place. Programs that start each other hand the true arguments over by a
//! file in memory ([`Handover`]), so that the new process never shows them, not even for a moment.
#![allow(
    unsafe_code,
    reason = "the kernel shows the memory in which arguments were passed"
)]

use crate::mask::{is_secret, mask_arguments, remember};
use std::ffi::{CStr, OsStr, OsString};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Names the descriptor with the true arguments for a new process.
const FD: &str = "JFS_ARGUMENTS_FD";
/// The kernel's name of that file.
const FILE: &CStr = c"jfs-arguments";
/// Places of the addresses of arguments and environment among the numbers of `/proc/self/stat`,
/// counted from the state on.
const ARGUMENTS_AT: usize = 45;
const ENVIRONMENT_AT: usize = 47;
/// Variables whose names sound like secrets and are none.
const NO_SECRETS: [&str; 2] = ["PWD", "OLDPWD"];

/// The arguments of this process, the program's name included, as they were given. From now on
/// `/proc` shows them with secrets masked, and variables of the environment that hold secrets not at
/// all. Called once, before other threads run.
pub fn take() -> Vec<OsString> {
    let shown: Vec<OsString> = std::env::args_os().collect();
    hide_environment();
    if let Some(given) = handed_over(&shown) {
        remember(words(&given).zip(words(&shown)));
        return given;
    }
    let masked = masked(&shown);
    remember(words(&shown).zip(words(&masked)));
    if masked != shown {
        let all = |words: &[OsString]| {
            let words = words.iter().flat_map(|w| w.as_bytes().iter().chain(&[0]));
            words.copied().collect::<Vec<u8>>()
        };
        let (old, mut new) = (all(&shown), all(&masked));
        if new.len() > old.len() {
            // A secret has one byte at least.
            let short: Vec<OsString> = masked.iter().map(|w| shorter(w)).collect();
            new = all(&short);
        }
        new.resize(old.len(), 0);
        overwrite(ARGUMENTS_AT, &old, &new);
    }
    shown
}

fn words(arguments: &[OsString]) -> impl Iterator<Item = String> {
    let texts = arguments.iter().map(|w| w.to_string_lossy().into_owned());
    texts.collect::<Vec<_>>().into_iter()
}

fn shorter(word: &OsStr) -> OsString {
    word.to_string_lossy().replace("****", "*").into()
}

/// The arguments as others may see them. The program's name stays.
fn masked(arguments: &[OsString]) -> Vec<OsString> {
    // Every program refuses arguments that are not UTF-8. Until then they are masked as well as
    // possible.
    let text = |word: &OsString| word.to_string_lossy().into_owned();
    let words: Vec<String> = arguments.iter().skip(1).map(text).collect();
    let shown = mask_arguments(&words);
    let changed = words.iter().zip(shown).zip(arguments.iter().skip(1));
    let changed = changed.map(|((word, shown), given)| match *word == shown {
        true => given.clone(),
        false => shown.into(),
    });
    arguments.iter().take(1).cloned().chain(changed).collect()
}

/// Writes over the memory that the kernel shows, if it holds what it should.
fn overwrite(place: usize, old: &[u8], new: &[u8]) {
    let Some(at) = place_of(place, old.len()) else {
        return;
    };
    // SAFETY: the kernel says that this process got its arguments (or its environment) there when it
    // was started: bytes on its stack that stay writable as long as it lives. Only this thread runs,
    // and no reference to them is held: `std::env` copies. Each string keeps its end, since the last
    // byte written is a zero.
    unsafe {
        let memory = std::slice::from_raw_parts_mut(at, old.len());
        if memory == old && new.len() == old.len() && new.last() == Some(&0) {
            memory.copy_from_slice(new);
        }
    }
}

/// The address of the `len` bytes that the kernel shows; `None` when it shows another number of them.
fn place_of(place: usize, len: usize) -> Option<*mut u8> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, numbers) = stat.rsplit_once(") ")?;
    let mut numbers = numbers.split_whitespace().skip(place);
    let start: usize = numbers.next()?.parse().ok()?;
    let end: usize = numbers.next()?.parse().ok()?;
    (start != 0 && end.checked_sub(start) == Some(len)).then_some(start as *mut u8)
}

/// Moves variables that hold secrets to memory that is not shown.
#[expect(
    clippy::disallowed_methods,
    reason = "the values stay the same, and no other thread runs yet"
)]
fn hide_environment() {
    let Ok(old) = std::fs::read("/proc/self/environ") else {
        return;
    };
    let mut new = Vec::with_capacity(old.len());
    for item in old.split_inclusive(|b| *b == 0) {
        let text = item.strip_suffix(&[0]).unwrap_or(item);
        let equals = text.iter().position(|b| *b == b'=').unwrap_or(text.len());
        let name = OsStr::from_bytes(&text[..equals]);
        let secret = name
            .to_str()
            .is_some_and(|name| is_secret(name) && !NO_SECRETS.contains(&name));
        match (secret, std::env::var_os(name)) {
            (true, Some(value)) => {
                // SAFETY: no other thread runs yet, by this module's contract.
                unsafe { std::env::set_var(name, value) };
                let stars = text.iter().enumerate();
                new.extend(stars.map(|(at, b)| if at > equals { b'*' } else { *b }));
                new.extend_from_slice(&item[text.len()..]);
            }
            _ => new.extend_from_slice(item),
        }
    }
    if new != old {
        overwrite(ENVIRONMENT_AT, &old, &new);
    }
}

/// Arguments for a program that is about to be started.
pub struct Handover {
    shown: Vec<OsString>,
    file: Option<File>,
}

impl Handover {
    /// Prepares arguments (without the program's name). On kernels without files in memory they are
    /// passed openly and the new process masks them itself.
    pub fn of(arguments: &[String]) -> Handover {
        let open = || arguments.iter().map(OsString::from).collect();
        let shown: Vec<OsString> = mask_arguments(arguments)
            .iter()
            .map(OsString::from)
            .collect();
        let nothing_to_hide = arguments
            .iter()
            .map(OsString::from)
            .eq(shown.iter().cloned());
        match (nothing_to_hide, hold(arguments)) {
            (false, Ok(file)) => Handover {
                shown,
                file: Some(file),
            },
            _ => Handover {
                shown: open(),
                file: None,
            },
        }
    }

    /// The arguments that the new process shows.
    pub fn shown(&self) -> &[OsString] {
        &self.shown
    }

    /// The variable that the new process needs; it must be absent when this is `None`.
    pub fn variable(&self) -> (&'static str, Option<String>) {
        (FD, self.descriptor().map(|fd| fd.to_string()))
    }

    /// The descriptor that the new process needs.
    pub fn descriptor(&self) -> Option<RawFd> {
        self.file.as_ref().map(File::as_raw_fd)
    }

    /// Lets the descriptor pass to whatever this process becomes by exec.
    pub fn pass_on(&self) -> std::io::Result<()> {
        match self.descriptor() {
            // SAFETY: a plain system call about a descriptor that is open.
            Some(fd) if unsafe { libc::fcntl(fd, libc::F_SETFD, 0) } < 0 => {
                Err(std::io::Error::last_os_error())
            }
            _ => Ok(()),
        }
    }
}

fn hold(arguments: &[String]) -> std::io::Result<File> {
    // SAFETY: the name is a C string.
    let fd = unsafe { libc::memfd_create(FILE.as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us.
    let mut file = unsafe { File::from_raw_fd(fd) };
    for argument in arguments {
        file.write_all(argument.as_bytes())?;
        file.write_all(&[0])?;
    }
    file.rewind()?;
    Ok(file)
}

/// The arguments that the parent process has handed over, if the shown arguments are the masked form of
/// them.
fn handed_over(shown: &[OsString]) -> Option<Vec<OsString>> {
    let fd: RawFd = std::env::var(FD).ok()?.parse().ok().filter(|fd| *fd > 2)?;
    // The variable may come from another program, and so may the descriptor.
    let name = std::fs::read_link(format!("/proc/self/fd/{fd}")).ok()?;
    if !name.to_string_lossy().contains("jfs-arguments") {
        return None;
    }
    // SAFETY: this file is made by `hold` alone, for the program that it starts: this one. Nothing
    // else in this process knows the number.
    let mut file = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    let words = bytes.split_inclusive(|b| *b == 0);
    let words =
        words.map(|word| OsString::from_vec(word.strip_suffix(&[0]).unwrap_or(word).to_vec()));
    let given: Vec<OsString> = shown.iter().take(1).cloned().chain(words).collect();
    (masked(&given) == shown).then_some(given)
}
