//! The examples, run: each checks what it did.

use std::path::PathBuf;
use std::process::Command;

const EXAMPLES: [&str; 5] = [
    "copy_tree",
    "embed",
    "http_server",
    "import_tree",
    "shared_counter",
];

#[test]
fn the_examples_run() {
    // Beside the directory of the tests.
    let tests = std::env::current_exe().ok();
    let top = tests.and_then(|exe| Some(exe.parent()?.parent()?.to_path_buf()));
    let examples: PathBuf = top.unwrap_or_default().join("examples");
    for name in EXAMPLES {
        let program = examples.join(name);
        assert!(
            program.exists(),
            "{} is missing: `cargo test -p jfs` builds it",
            program.display()
        );
        let run = Command::new(&program).output();
        let run = run.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(
            run.status.success(),
            "{name}: {}\n{}{}",
            run.status,
            String::from_utf8_lossy(&run.stdout),
            String::from_utf8_lossy(&run.stderr)
        );
    }
}
