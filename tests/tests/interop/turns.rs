//! Both clients on one Redis volume at the same time, taking turns: each sees at once what the other
//! has closed.

use super::place::{Meta, Place, ours, reference};
use jfs_testkit::content;
use jfs_tests::Rng;
use jfs_tests::compare::{Facts, differences};
use jfs_tests::steps::{perform, small_steps};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// No caching of attributes and entries: a look is a question.
const FRESH: [&str; 6] = [
    "--attr-cache",
    "0",
    "--entry-cache",
    "0",
    "--dir-entry-cache",
    "0",
];

#[test]
fn taking_turns_on_redis() {
    let place = Place::new(Meta::Redis);
    place.format(&reference(), &["--block-size", "64K", "--trash-days", "0"]);
    let (we, they) = (
        place.mount(&ours(), &FRESH),
        place.mount(&reference(), &FRESH),
    );
    let mut rng = Rng::new(3);
    for round in 0..40u64 {
        let (doer, other) = if round % 2 == 0 {
            (we.path(), they.path())
        } else {
            (they.path(), we.path())
        };
        turn(round, doer, other, &mut rng);
    }
    // Each a whole tree, then everything side by side.
    perform(&small_steps("ours", 1 << 16, 11), we.path()).unwrap();
    perform(&small_steps("theirs", 1 << 16, 12), they.path()).unwrap();
    assert_eq!(
        differences(we.path(), they.path(), Facts::MOUNTS),
        Vec::<String>::new()
    );
    we.unmount().unwrap();
    they.unmount().unwrap();
    place.fsck();
}

/// One client changes something, the other looks at once.
fn turn(round: u64, doer: &Path, other: &Path, rng: &mut Rng) {
    let shared = "shared";
    let whole = |path: &Path| std::fs::read(path).unwrap();
    match round % 10 {
        0 | 1 => {
            let data = content(round, 1 + rng.below(300_000) as usize);
            std::fs::write(doer.join(shared), &data).unwrap();
            assert!(whole(&other.join(shared)) == data, "round {round}: written");
        }
        2 | 3 => {
            let mut expected = whole(&doer.join(shared));
            let data = content(round, 1 + rng.below(100_000) as usize);
            let mut file = OpenOptions::new()
                .append(true)
                .open(doer.join(shared))
                .unwrap();
            file.write_all(&data).unwrap();
            file.sync_all().unwrap();
            expected.extend(&data);
            // Synced, not closed: whoever opens it now sees it.
            assert!(
                whole(&other.join(shared)) == expected,
                "round {round}: appended"
            );
        }
        4 | 5 => {
            let file = OpenOptions::new()
                .write(true)
                .open(doer.join(shared))
                .unwrap();
            let length = rng.below(400_000);
            file.set_len(length).unwrap();
            drop(file);
            assert_eq!(other.join(shared).metadata().unwrap().len(), length);
            assert!(
                whole(&other.join(shared)) == whole(&doer.join(shared)),
                "round {round}: cut or grown"
            );
        }
        6 | 7 => {
            let mut expected = whole(&other.join(shared));
            expected.resize(expected.len().max(70_000), 0);
            let file = OpenOptions::new()
                .write(true)
                .open(doer.join(shared))
                .unwrap();
            let length = expected.len() as u64;
            file.set_len(length).unwrap();
            let at = rng.below(length - 65_000);
            let data = content(round, 65_000);
            file.write_all_at(&data, at).unwrap();
            drop(file);
            expected[at as usize..at as usize + data.len()].copy_from_slice(&data);
            assert!(
                whole(&other.join(shared)) == expected,
                "round {round}: written in place"
            );
        }
        _ => {
            let dir = format!("dir-{round}");
            std::fs::create_dir(doer.join(&dir)).unwrap();
            File::create(other.join(&dir).join("by-the-other")).unwrap();
            std::fs::hard_link(doer.join(shared), doer.join(&dir).join("link")).unwrap();
            assert_eq!(other.join(shared).metadata().unwrap().nlink(), 2);
            std::fs::rename(
                other.join(&dir).join("link"),
                other.join(&dir).join("moved"),
            )
            .unwrap();
            assert!(doer.join(&dir).join("link").metadata().is_err());
            std::fs::remove_file(doer.join(&dir).join("moved")).unwrap();
            assert_eq!(other.join(shared).metadata().unwrap().nlink(), 1);
            assert_eq!(
                std::fs::remove_dir(other.join(&dir))
                    .unwrap_err()
                    .raw_os_error(),
                Some(libc_enotempty())
            );
        }
    }
}

fn libc_enotempty() -> i32 {
    39
}
