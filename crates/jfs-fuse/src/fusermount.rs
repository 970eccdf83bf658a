//! The program `fusermount3`. Users other than root mount and unmount with it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

const NAME: &str = "fusermount3";
/// Directories in which packages install the program. A service may have no `PATH`, or one without them.
const PLACES: &str = "/usr/bin:/bin";

/// A command that starts `fusermount3`. Looks in `PATH`, then in `/usr/bin` and `/bin`.
pub(crate) fn fusermount() -> Command {
    Command::new(program(std::env::var_os("PATH").as_deref()))
}

/// The path of the program. The bare name when no directory has it, so that the error of the start names it.
fn program(path: Option<&OsStr>) -> PathBuf {
    let places = [path.unwrap_or_default(), OsStr::new(PLACES)];
    let dirs = places.into_iter().flat_map(std::env::split_paths);
    dirs.filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(NAME))
        .find(|file| is_program(file))
        .unwrap_or_else(|| PathBuf::from(NAME))
}

fn is_program(file: &Path) -> bool {
    nix::unistd::access(file, nix::unistd::AccessFlags::X_OK).is_ok() && file.is_file()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn it_is_found_without_a_path() {
        let usual = program(None);
        assert!(usual == Path::new("/usr/bin").join(NAME) || usual == Path::new("/bin").join(NAME));
        for elsewhere in ["", "/nowhere", "relative:/nowhere:"] {
            assert_eq!(program(Some(OsStr::new(elsewhere))), usual, "{elsewhere}");
        }
    }

    #[test]
    fn the_path_comes_first() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(NAME);
        std::fs::write(&file, "#!/bin/sh\n").unwrap();
        let path = Some(dir.path().as_os_str());
        assert_ne!(program(path), file, "it cannot be executed");
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
        assert_eq!(program(path), file);
    }
}
