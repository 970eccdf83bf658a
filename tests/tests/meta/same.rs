//! The same operations leave the same records on every engine, times and numbers included.

use jfs_meta::SetAttr;
use jfs_tests::volume::root;
use jfs_tests::{Client, Kind, Rng, Volume};
use jfs_types::*;

#[test]
fn one_script_one_state() {
    let mut states: Vec<(Kind, String)> = Vec::new();
    for kind in Kind::ALL {
        jfs_tests::run(kind, async |kind| {
            let text = script(kind).await;
            assert!(
                text.lines().count() > 300,
                "the script leaves something to compare"
            );
            for (other, state) in &states {
                assert_eq!(*state, text, "{other:?} and {kind:?} differ");
            }
            states.push((kind, text));
        });
    }
}

/// 600 random operations of one client, with the trash, then what is left of it without the work
/// that a background would do.
async fn script(kind: Kind) -> String {
    let v = Volume::new(kind, 1).await;
    let c = v.client().await;
    let mut rng = Rng::new(0x5eed);
    let mut dirs = vec![Ino::ROOT];
    let mut files: Vec<Ino> = Vec::new();
    let names: [&[u8]; 7] = [
        b"a",
        b"b",
        b"c",
        b"\xff\xfe",
        b"name with space",
        &[b'L'; 255],
        b"z'\"\\",
    ];
    let mut answers = String::new();
    for n in 0..600 {
        if rng.below(3) == 0 {
            v.tick();
        }
        let dir = *rng.pick(&dirs);
        let name = *rng.pick(&names);
        let answer = step(&c, &mut rng, dir, name, &mut dirs, &mut files, &names).await;
        answers += &format!("{n} {answer}\n");
    }
    let census = v.verify().await;
    answers + &census.text()
}

async fn step(
    c: &Client,
    rng: &mut Rng,
    dir: Ino,
    name: &[u8],
    dirs: &mut Vec<Ino>,
    files: &mut Vec<Ino>,
    names: &[&[u8]],
) -> String {
    let me = root();
    let file = if files.is_empty() {
        Ino(999_999)
    } else {
        *rng.pick(files)
    };
    match rng.below(14) {
        0..=2 => {
            let made = c.touch(dir, name).await;
            files.extend(made);
            format!("create {made:?}")
        }
        3 | 4 => {
            let made = c.mkdir(&me, dir, name, 0o755, 0).await.map(|(ino, _)| ino);
            dirs.extend(made);
            format!("mkdir {made:?}")
        }
        5 => format!("symlink {:?}", c.symlink(&me, dir, name, name).await),
        6 => format!("link {:?}", c.link(&me, file, dir, name).await),
        7 => format!("unlink {:?}", c.unlink(&me, dir, name).await),
        8 => format!("rmdir {:?}", c.rmdir(&me, dir, name).await),
        9 | 10 => {
            let to = (*rng.pick(dirs), *rng.pick(names));
            let flags = rng.below(2) as u32;
            format!("rename {:?}", c.rename(&me, (dir, name), to, flags).await)
        }
        11 => {
            let (index, pos, len) = (
                rng.below(3) as u32,
                rng.below(1 << 20) as u32,
                1 + rng.below(1 << 20) as u32,
            );
            format!("write {:?}", c.put_slice(file, index, pos, len).await)
        }
        12 => format!(
            "truncate {:?}",
            c.truncate(&me, file, rng.below(3 * CHUNK_SIZE)).await
        ),
        _ => {
            let set = SetAttr {
                mode: Some(rng.below(0o10000) as u16),
                uid: Some(rng.below(9) as u32),
                ..SetAttr::default()
            };
            format!("setattr {:?}", c.setattr(&me, file, &set).await)
        }
    }
}
