//! Opens that meet the removal of the file by the same client: the file is there until it is closed, as
//! on a local disk, and nothing is left of it then.

use jfs_meta::{Meta, MetaConfig};
use jfs_tests::volume::{root, session_info};
use jfs_tests::{Client, Faulty, Held, Kind, Point, Rng, Volume, on_every_engine};
use jfs_types::*;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;

on_every_engine! {
    an_open_meets_an_unlink, an_open_meets_a_rename_over_it, an_open_meets_an_unlink_that_is_given_up,
    an_open_meets_an_unlink_of_one_of_two_names, an_open_meets_an_unlink_that_comes_too_late,
    an_open_meets_the_last_close, an_unlink_meets_an_open, an_unlink_meets_an_open_that_is_refused,
    opens_that_wait_are_given_up, an_unlink_meets_a_create, a_kept_attribute_opens_no_removed_file, opens_and_removals_all_the_time,
}

/// More than an open that does not wait takes. One that is slower makes a test weaker, not fail.
const A_WHILE: Duration = Duration::from_millis(50);

const LENGTH: u64 = 5000;

struct Scene {
    v: Volume,
    faulty: Arc<Faulty>,
    c: Client,
    /// A closed file of [`LENGTH`] bytes, `f` in the root.
    f: Ino,
}

async fn scene(kind: Kind, config: MetaConfig) -> Scene {
    let v = Volume::new(kind, 0).await;
    let faulty = Arc::new(Faulty::new(v.db.connect().await));
    let c = v.client_without_session(faulty.clone(), config);
    c.new_session(&session_info()).await.unwrap();
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    c.put_slice(f, 0, 0, LENGTH as u32).await.unwrap();
    Scene { v, faulty, c, f }
}

impl Scene {
    /// Begins `operation` and waits until it has come to `point`.
    async fn begun<F, T>(&self, point: Point, operation: impl FnOnce(Arc<Meta>) -> F) -> Begun<T>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let mut held = self.faulty.hold(point);
        let task = tokio::spawn(operation(self.c.meta.clone()));
        held.reached().await;
        Begun { held, task }
    }

    /// Begins to open the file and gives that some time.
    async fn opening(&self) -> JoinHandle<Result<(), Errno>> {
        let (meta, f) = (self.c.meta.clone(), self.f);
        let task = tokio::spawn(async move { meta.open(&root(), f, 0).await.map(|_| ()) });
        tokio::time::sleep(A_WHILE).await;
        task
    }

    /// Nothing but the root is left of the volume, in the engine and as data.
    async fn nothing_is_left(self) {
        self.c.do_work().await;
        let census = self.v.verify().await;
        assert_eq!(census.attrs.keys().collect::<Vec<_>>(), [&Ino::ROOT]);
        assert!(census.sustained.values().all(Vec::is_empty));
        assert!(census.deleted.is_empty() && census.unused.is_empty());
        assert!(census.chunks.is_empty());
        assert_eq!(census.counters[..2], [0, 0]);
    }
}

struct Begun<T> {
    held: Held,
    task: JoinHandle<T>,
}

impl<T> Begun<T> {
    async fn ended(self) -> T {
        self.held.release();
        self.task.await.unwrap()
    }
}

/// An open file is whole.
async fn is_whole(meta: &Meta, ino: Ino) {
    assert_eq!(meta.getattr(ino).await.unwrap().length, LENGTH);
    meta.forget_chunks(ino);
    assert_eq!(meta.read_chunk(ino, 0).await.unwrap().pieces.len(), 1);
}

async fn close(meta: &Meta, ino: Ino) {
    if let Some(ino) = meta.close(ino) {
        meta.delete_sustained(ino).await.unwrap();
    }
}

async fn unlink(meta: Arc<Meta>, name: &'static [u8]) -> Result<(), Errno> {
    meta.unlink(&root(), Ino::ROOT, name).await
}

/// The outcome of an open in the middle of a removal.
async fn whole(s: &Scene, open: JoinHandle<Result<(), Errno>>) {
    open.await.unwrap().unwrap();
    is_whole(&s.c, s.f).await;
    close(&s.c, s.f).await;
}

async fn an_open_meets_an_unlink(kind: Kind) {
    for point in [Point::BeforeCommit, Point::AfterCommit] {
        let s = scene(kind, MetaConfig::default()).await;
        let removal = s.begun(point, |meta| unlink(meta, b"f")).await;
        let open = s.opening().await;
        removal.ended().await.unwrap();
        whole(&s, open).await;
        s.nothing_is_left().await;
    }
}

/// Several wait; one of them is given up in between.
async fn opens_that_wait_are_given_up(kind: Kind) {
    for others in [0, 2] {
        let s = scene(kind, MetaConfig::default()).await;
        let removal = s
            .begun(Point::BeforeCommit, |meta| unlink(meta, b"f"))
            .await;
        let given_up = s.opening().await;
        let mut opens = Vec::new();
        for _ in 0..others {
            opens.push(s.opening().await);
        }
        given_up.abort();
        assert!(given_up.await.is_err());
        removal.ended().await.unwrap();
        for open in opens {
            whole(&s, open).await;
        }
        s.nothing_is_left().await;
    }
}

async fn an_open_meets_a_rename_over_it(kind: Kind) {
    let s = scene(kind, MetaConfig::default()).await;
    s.c.touch(Ino::ROOT, b"new").await.unwrap();
    let rename = |meta: Arc<Meta>| async move {
        let (from, to) = ((Ino::ROOT, &b"new"[..]), (Ino::ROOT, &b"f"[..]));
        meta.rename(&root(), from, to, 0).await.map(|_| ())
    };
    let removal = s.begun(Point::BeforeCommit, rename).await;
    let open = s.opening().await;
    removal.ended().await.unwrap();
    whole(&s, open).await;
    s.c.unlink(&root(), Ino::ROOT, b"f").await.unwrap();
    s.nothing_is_left().await;
}

/// The file is there, and no open waits for a removal that does not come.
async fn an_open_meets_an_unlink_that_is_given_up(kind: Kind) {
    let s = scene(kind, MetaConfig::default()).await;
    let removal = s
        .begun(Point::BeforeCommit, |meta| unlink(meta, b"f"))
        .await;
    let open = s.opening().await;
    removal.task.abort();
    open.await.unwrap().unwrap();
    is_whole(&s.c, s.f).await;
    assert_eq!(s.c.close(s.f), None);
    s.c.unlink(&root(), Ino::ROOT, b"f").await.unwrap();
    s.nothing_is_left().await;
}

async fn an_open_meets_an_unlink_of_one_of_two_names(kind: Kind) {
    let s = scene(kind, MetaConfig::default()).await;
    s.c.link(&root(), s.f, Ino::ROOT, b"g").await.unwrap();
    let removal = s
        .begun(Point::BeforeCommit, |meta| unlink(meta, b"f"))
        .await;
    // It does not wait: the file stays whatever becomes of this.
    s.c.open(&root(), s.f, 0).await.unwrap();
    removal.ended().await.unwrap();
    is_whole(&s.c, s.f).await;
    s.c.unlink(&root(), Ino::ROOT, b"g").await.unwrap();
    is_whole(&s.c, s.f).await;
    close(&s.c, s.f).await;
    s.nothing_is_left().await;
}

/// The file gets another name before its last one is removed: the removal begins anew.
async fn an_open_meets_an_unlink_that_comes_too_late(kind: Kind) {
    let s = scene(kind, MetaConfig::default()).await;
    let other = s.v.client().await;
    let removal = s
        .begun(Point::BeforeCommit, |meta| unlink(meta, b"f"))
        .await;
    let open = s.opening().await;
    s.v.tick();
    other.link(&root(), s.f, Ino::ROOT, b"g").await.unwrap();
    removal.ended().await.unwrap();
    open.await.unwrap().unwrap();
    is_whole(&s.c, s.f).await;
    s.c.unlink(&root(), Ino::ROOT, b"g").await.unwrap();
    is_whole(&s.c, s.f).await;
    close(&s.c, s.f).await;
    s.nothing_is_left().await;
}

/// The inode of a file without a name is deleted while a process that still knows the inode opens it.
async fn an_open_meets_the_last_close(kind: Kind) {
    for open_first in [false, true] {
        let s = scene(kind, MetaConfig::default()).await;
        let f = s.f;
        s.c.open(&root(), f, 0).await.unwrap();
        s.c.unlink(&root(), Ino::ROOT, b"f").await.unwrap();
        assert_eq!(s.c.close(f), Some(f));
        if open_first {
            s.c.open(&root(), f, 0).await.unwrap();
            s.c.delete_sustained(f).await.unwrap();
            is_whole(&s.c, f).await;
            close(&s.c, f).await;
        } else {
            let delete = move |meta: Arc<Meta>| async move { meta.delete_sustained(f).await };
            let deletion = s.begun(Point::BeforeCommit, delete).await;
            let open = s.opening().await;
            deletion.ended().await.unwrap();
            whole(&s, open).await;
        }
        s.nothing_is_left().await;
    }
}

async fn an_unlink_meets_an_open(kind: Kind) {
    let s = scene(kind, MetaConfig::default()).await;
    let f = s.f;
    let open = move |meta: Arc<Meta>| async move { meta.open(&root(), f, 0).await.map(|_| ()) };
    let open = s.begun(Point::AfterFetch, open).await;
    s.c.unlink(&root(), Ino::ROOT, b"f").await.unwrap();
    open.held.release();
    whole(&s, open.task).await;
    s.nothing_is_left().await;
}

/// The file was kept for an open that fails, or for one that was cancelled.
async fn an_unlink_meets_an_open_that_is_refused(kind: Kind) {
    for given_up in [false, true] {
        let s = scene(kind, MetaConfig::default()).await;
        let f = s.f;
        let stranger = Caller::user(9, 9);
        let open = move |meta: Arc<Meta>| async move { meta.open(&stranger, f, 1).await };
        let open = s.begun(Point::AfterFetch, open).await;
        s.c.unlink(&root(), Ino::ROOT, b"f").await.unwrap();
        if given_up {
            open.task.abort();
            assert!(open.task.await.unwrap_err().is_cancelled());
            s.c.close_session().await.unwrap();
        } else {
            let refused = open.ended().await.map(|_| ());
            assert_eq!(refused, Err(Errno::EACCES));
        }
        assert_eq!(s.c.getattr(f).await.map(|_| ()), Err(Errno::ENOENT));
        s.nothing_is_left().await;
    }
}

/// A new file is open before a removal can find its name.
async fn an_unlink_meets_a_create(kind: Kind) {
    let s = scene(kind, MetaConfig::default()).await;
    s.c.unlink(&root(), Ino::ROOT, b"f").await.unwrap();
    let create = |meta: Arc<Meta>| async move {
        let made = meta.create(&root(), Ino::ROOT, b"new", 0o644, 0).await;
        made.map(|(ino, _)| ino)
    };
    let creation = s.begun(Point::AfterCommit, create).await;
    let removal = tokio::spawn(unlink(s.c.meta.clone(), b"new"));
    let ino = creation.ended().await.unwrap();
    removal.await.unwrap().unwrap();
    s.c.put_slice(ino, 0, 0, LENGTH as u32).await.unwrap();
    is_whole(&s.c, ino).await;
    close(&s.c, ino).await;
    s.nothing_is_left().await;
}

/// With `--open-cache` an open may not ask the engine at all.
async fn a_kept_attribute_opens_no_removed_file(kind: Kind) {
    let config = MetaConfig {
        open_cache: Duration::from_secs(3600),
        ..MetaConfig::default()
    };
    let s = scene(kind, config).await;
    s.c.open(&root(), s.f, 0).await.unwrap();
    let removal = s
        .begun(Point::BeforeCommit, |meta| unlink(meta, b"f"))
        .await;
    // The file was open when the removal looked: it stays through later opens and closes.
    assert_eq!(s.c.close(s.f), None);
    s.c.open(&root(), s.f, 0).await.unwrap();
    removal.ended().await.unwrap();
    s.c.open(&root(), s.f, 0).await.unwrap();
    assert_eq!(s.c.close(s.f), None);
    is_whole(&s.c, s.f).await;
    // What the last answer would allow is refused all the same, and counts as no handle.
    let refused = s.c.open(&Caller::user(9, 9), s.f, 1).await;
    assert_eq!(refused.map(|_| ()), Err(Errno::EACCES));
    close(&s.c, s.f).await;
    s.nothing_is_left().await;
}

/// Rounds of each of the tasks.
const ROUNDS: u64 = 150;

async fn opens_and_removals_all_the_time(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let faulty = Arc::new(Faulty::yielding(v.db.connect().await, 5));
    let c = v.racing_client(faulty.clone()).await;
    let opened = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::new();
    for n in 0..2 {
        tasks.push(tokio::spawn(make_and_remove(c.meta.clone(), Rng::new(n))));
        tasks.push(tokio::spawn(open_and_read(c.meta.clone(), opened.clone())));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert!(opened.load(Ordering::Relaxed) > 0);
    let s = Scene {
        v,
        faulty,
        c,
        f: Ino(0),
    };
    s.nothing_is_left().await;
}

const NAMES: [&[u8]; 2] = [b"a", b"b"];

/// Makes files, removes them by unlink and by renames over them, sometimes of several names.
async fn make_and_remove(meta: Arc<Meta>, mut rng: Rng) {
    let me = root();
    for _ in 0..ROUNDS {
        let name = *rng.pick(&NAMES);
        let Ok((ino, _)) = meta.create(&me, Ino::ROOT, name, 0o644, 0).await else {
            remove(&meta, name).await;
            continue;
        };
        let id = meta.new_slice_id().await.unwrap();
        let record = jfs_tests::volume::slice(id, 0, LENGTH as u32);
        let written = meta.write_chunk(ino, 0, record, meta.now()).await;
        written.expect("it is open");
        if rng.below(3) == 0 {
            let second = *rng.pick(&NAMES);
            let _ = meta.link(&me, ino, Ino::ROOT, second).await;
        }
        close(&meta, ino).await;
        let to = *rng.pick(&NAMES);
        if rng.below(2) == 0 {
            let _ = meta
                .rename(&me, (Ino::ROOT, name), (Ino::ROOT, to), 0)
                .await;
        }
        remove(&meta, name).await;
    }
    for name in NAMES {
        remove(&meta, name).await;
    }
}

async fn remove(meta: &Meta, name: &[u8]) {
    match meta.unlink(&root(), Ino::ROOT, name).await {
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(e) => panic!("unlink: {e}"),
    }
}

/// Looks names up and opens what they lead to.
async fn open_and_read(meta: Arc<Meta>, opened: Arc<AtomicU64>) {
    let me = root();
    for n in 0..2 * ROUNDS {
        let name = NAMES[n as usize % 2];
        let Ok((ino, _)) = meta.lookup(&me, Ino::ROOT, name).await else {
            continue;
        };
        match meta.open(&me, ino, 0).await {
            Ok(_) => {}
            Err(Errno::ENOENT) => continue,
            Err(e) => panic!("open: {e}"),
        }
        let length = meta.getattr(ino).await.expect("it is open").length;
        meta.forget_chunks(ino);
        let view = meta.read_chunk(ino, 0).await.expect("it is open");
        assert!(length == 0 || view.records == 1);
        opened.fetch_add(1, Ordering::Relaxed);
        close(&meta, ino).await;
    }
}
