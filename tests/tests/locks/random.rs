//! Random operations of eight owners on one file, against the model: Linux as the judge of the model, then two clients
//! with four owners each.

use super::model::{BYTES, Model, last_byte};
use super::operation::{Operation, Span};
use super::owners::{Clients, Owners, local};
use jfs_tests::{Kind, Rng, on_every_engine};
use jfs_vfs::LockType;
use std::time::Duration;

on_every_engine! { random_operations }

const OWNERS: [char; 8] = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
/// Most descriptors can do both.
const MODES: [&str; 5] = ["rw", "rw", "rw", "r", "w"];
const STEPS: usize = 400;
const DONE: Duration = Duration::from_secs(20);

#[test]
fn the_model_is_like_linux() {
    jfs_tests::run(Kind::Memory, |_| async {
        let (_dir, place) = local();
        let mut owners = Owners::at(&[place]);
        for seed in 0..10 {
            // Linux may find any lock that is in the way, ours finds the first.
            compare(&mut owners, seed, |said, right| {
                right.iter().any(|r| r == said)
            })
            .await;
        }
    });
}

async fn random_operations(kind: Kind) {
    let clients = Clients::new(kind, 2).await;
    let mut owners = Owners::at(&clients.places());
    for seed in 0..3 {
        compare(&mut owners, seed, |said, right| {
            let unknown = |r: &String| format!("? {}", r.split_once(' ').map_or("", |(_, r)| r));
            let first = &right[0];
            // Of several locks that begin at one byte any is the first.
            let start = |r: &str| r.split(' ').nth(2).map(str::to_string);
            right
                .iter()
                .filter(|r| start(r) == start(first))
                .any(|r| r == said || unknown(r) == said)
        })
        .await;
    }
    owners.begin_file().await;
    clients.check_nothing_is_held().await;
    clients.close().await;
}

async fn compare(owners: &mut Owners, seed: u64, is_right: impl Fn(&str, &[String]) -> bool) {
    let (mut model, mut rng) = (Model::default(), Rng::new(seed));
    owners.begin_file().await;
    let mut refused = 0;
    for n in 0..STEPS {
        let owner = *rng.pick(&OWNERS);
        let operation = any(&model, owner, &mut rng);
        owners.begin(owner, &operation).await;
        let said = owners.reply(owner, DONE).await.unwrap();
        let right = model.apply(owner, &operation);
        let at = format!("seed {seed}, step {n}: {owner} {operation:?}");
        assert!(is_right(&said, &right), "{at}: {said:?}, not {right:?}");
        refused += usize::from(said == "EAGAIN");
    }
    assert!(
        (STEPS / 20..STEPS / 2).contains(&refused),
        "{refused} refused"
    );
}

fn any(model: &Model, owner: char, rng: &mut Rng) -> Operation {
    let open = model.descriptors(owner);
    if open.is_empty() || open.len() < 3 && rng.below(20) == 0 {
        let mode = *rng.pick(&MODES);
        return Operation::Open(mode);
    }
    let fd = *rng.pick(&open);
    let kinds = [LockType::Read, LockType::Write, LockType::Unlock];
    let kind = *rng.pick(&kinds);
    let start = rng.below(BYTES as u64) as usize;
    let end = (start + rng.below(8) as usize).min(BYTES - 1);
    let start = start.min(BYTES - 2) as u64;
    let span = |kind| Span(kind, start, last_byte(end));
    match rng.below(16) {
        0 => Operation::Close(fd),
        1..=3 => Operation::Flock(fd, kind, false),
        4..=6 => Operation::Get(fd, span(*rng.pick(&kinds[..2]))),
        _ => Operation::Set(fd, span(kind), false),
    }
}
