//! Work done as another user, in a thread of its own.

use std::io;

/// Runs `work` with the user, the group of the same number and these supplementary groups. The kernel
/// keeps them for each thread; the library's functions would change all threads.
#[expect(unsafe_code, reason = "credentials of one thread have no safe form")]
pub(super) fn run_as<T: Send>(uid: u32, groups: &[u32], work: impl FnOnce() -> T + Send) -> T {
    let done = |answer: libc::c_long| assert_eq!(answer, 0, "{}", io::Error::last_os_error());
    std::thread::scope(|scope| {
        let run = || {
            if uid != 0 || !groups.is_empty() {
                // SAFETY: the list is readable; the others are numbers.
                unsafe {
                    done(libc::syscall(
                        libc::SYS_setgroups,
                        groups.len(),
                        groups.as_ptr(),
                    ));
                    done(libc::syscall(libc::SYS_setresgid, uid, uid, uid));
                    done(libc::syscall(libc::SYS_setresuid, uid, uid, uid));
                }
            }
            work()
        };
        scope.spawn(run).join().unwrap()
    })
}
