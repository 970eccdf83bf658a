//! What the process asks of the C library and the kernel before it serves.
#![allow(unsafe_code, reason = "mallopt and setrlimit have no safe form here")]

/// Arenas of the allocator; each keeps its own free memory.
const ARENAS: libc::c_int = 2;
/// Allocations from this size on are mapped and given back at once. Fixed, because by itself the
/// limit grows up to 32 MiB and block buffers would then stay.
const MAP_FROM_BYTES: libc::c_int = 1 << 20;
/// Free memory at the top of the heap beyond this is given back.
const TRIM_FROM_BYTES: libc::c_int = 1 << 20;

/// Keeps the resident memory small. Called before other threads run.
pub(crate) fn tune_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes plain numbers; no other thread allocates yet.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, ARENAS);
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAP_FROM_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, TRIM_FROM_BYTES);
    }
}

/// As many open files as the administrator allows: cached blocks and connections need them.
pub(crate) fn raise_file_limit() {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointers are to a valid struct of the right type for the calls.
    let done = unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 && {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit) == 0
        }
    };
    if !done {
        tracing::debug!("cannot raise the limit of open files");
    }
}
