//! What the process asks of the C library and the kernel before it serves, and what it does not take over
//! from who started it.
#![allow(
    unsafe_code,
    reason = "mallopt, madvise, signals and limits have no safe form here"
)]

/// The name of a limit, whose type is the C library's choice.
#[cfg(target_env = "gnu")]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
type Resource = libc::c_int;

/// Keeps the resident memory of glibc's allocator small. Called before other threads run.
#[cfg(target_env = "gnu")]
pub(crate) fn tune_memory() {
    /// Arenas of the allocator; each keeps its own free memory.
    const ARENAS: libc::c_int = 2;
    /// Allocations from this size on are mapped and given back at once. Fixed, because by itself the
    /// limit grows up to 32 MiB and block buffers would then stay.
    const MAP_FROM_BYTES: libc::c_int = 1 << 20;
    /// Free memory at the top of the heap beyond this is given back.
    const TRIM_FROM_BYTES: libc::c_int = 1 << 20;
    // SAFETY: mallopt takes plain numbers; no other thread allocates yet.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, ARENAS);
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAP_FROM_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, TRIM_FROM_BYTES);
    }
}

/// Other allocators give memory back by themselves.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn tune_memory() {}

/// Unmaps the pages of code that only the start needed, most of the resident memory of an idle mount. They stay in the
/// page cache and come back when they are run again, without a read from the disk.
pub(crate) fn release_startup_code() {
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else {
        return;
    };
    for (start, length) in maps.lines().filter_map(code_of_a_file) {
        // SAFETY: the range is a mapping of a file that is never written through it, so its pages hold what the
        // file holds.
        unsafe {
            libc::madvise(start as *mut libc::c_void, length, libc::MADV_DONTNEED);
        }
    }
}

/// Start and length of the mapping in a line of `/proc/PID/maps` when that is code from a file.
fn code_of_a_file(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (range, rights) = (fields.next()?, fields.next()?);
    let path = fields.nth(3)?;
    if rights != "r-xp" || !path.starts_with('/') {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    Some((start, end.checked_sub(start)?))
}

/// Limits of a shell that make no sense for a service. Open files: cached blocks and connections need
/// them. The size of files, memory and time would end it by a signal, or in the middle of a write.
const LIMITS: [Resource; 5] = [
    libc::RLIMIT_NOFILE,
    libc::RLIMIT_FSIZE,
    libc::RLIMIT_AS,
    libc::RLIMIT_DATA,
    libc::RLIMIT_CPU,
];

/// Resets inherited process state that a service must not depend on. Blocked signals are unblocked. Soft
/// limits are raised to the hard ones. SIGCHLD gets its default, so that children can be waited for.
/// Called before other threads run.
pub(crate) fn settle() {
    let none = nix::sys::signal::SigSet::empty();
    let _ = none.thread_set_mask();
    // SAFETY: no handler is installed, and no other thread runs.
    unsafe {
        // Ignored, ends of children could not be waited for.
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        // A write past a limit fails then, and can be told.
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
    LIMITS.into_iter().for_each(raise);
}

/// Whether who started this process wants it to outlive the terminal (`nohup`).
pub(crate) fn ignores_hangup() -> bool {
    // SAFETY: all zeroes is a value of the struct, and the call only fills it in.
    unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        libc::sigaction(libc::SIGHUP, std::ptr::null(), &mut now) == 0
            && now.sa_sigaction == libc::SIG_IGN
    }
}

/// Most descriptors that this process may have open.
pub(crate) fn descriptors_max() -> u64 {
    nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)
        .map_or(u64::MAX, |(soft, _)| soft)
}

/// As much as the administrator allows.
fn raise(resource: Resource) {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointers are to a valid struct of the right type for the calls.
    unsafe {
        if libc::getrlimit(resource, &mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(resource, &limit);
        }
    }
}

/// For a daemon of the super-user, as far as the kernel lets it: the last to be ended when memory is
/// short, since every program on the mount hangs without it; and its own allocations must not wait
/// for pages that it has to write out itself.
pub(crate) fn protect() {
    const LAST: &str = "-1000";
    const PR_SET_IO_FLUSHER: libc::c_int = 57;
    if let Err(error) = std::fs::write("/proc/self/oom_score_adj", LAST) {
        tracing::debug!("oom_score_adj stays: {error}");
    }
    // SAFETY: takes plain numbers.
    unsafe { libc::prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_from_files_is_released() {
        let line = "7f00aa000000-7f00aa003000 r-xp 00026000 fe:00 131 /usr/lib/libc.so.6";
        assert_eq!(code_of_a_file(line), Some((0x7f00_aa00_0000, 0x3000)));
        for other in [
            "7f00aa000000-7f00aa003000 r--p 00026000 fe:00 131 /usr/lib/libc.so.6",
            "7ffd0c1d2000-7ffd0c1d4000 r-xp 00000000 00:00 0 [vdso]",
            "7f00aa000000-7f00aa003000 r-xp 00000000 00:00 0",
            "",
        ] {
            assert_eq!(code_of_a_file(other), None);
        }
    }
}
