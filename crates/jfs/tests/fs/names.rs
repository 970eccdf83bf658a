use crate::place::{Place, kind};
use jfs::{ErrorKind, Fs};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_made_moved_and_removed() {
    let place = Place::new().await;
    let volume = place.open().await;
    let fs = volume.fs();
    fs.create_dir("/d").await.unwrap();
    assert_eq!(kind(fs.create_dir("/d").await), ErrorKind::AlreadyExists);
    assert_eq!(kind(fs.create_dir("/x/y").await), ErrorKind::NotFound);
    fs.write("/d/a", "a").await.unwrap();
    fs.write("/d/b", "b").await.unwrap();
    // Over what is there; an open file stays good.
    let open = fs.open("/d/b").await.unwrap();
    fs.rename("/d/a", "/d/b").await.unwrap();
    assert_eq!(fs.read("/d/b").await.unwrap(), b"a");
    assert_eq!(open.read_at(0, 9).await.unwrap(), b"b"[..]);
    assert!(!fs.try_exists("/d/a").await.unwrap());
    assert_eq!(
        kind(fs.rename("/d/none", "/d/c").await),
        ErrorKind::NotFound
    );
    assert_eq!(kind(fs.rename("/d", "/d/e").await), ErrorKind::InvalidInput);

    fs.hard_link("/d/b", "/second").await.unwrap();
    assert_eq!(fs.metadata("/second").await.unwrap().nlink(), 2);
    assert_eq!(
        kind(fs.hard_link("/d/b", "/second").await),
        ErrorKind::AlreadyExists
    );

    assert_eq!(kind(fs.remove_file("/d").await), ErrorKind::IsADirectory);
    assert_eq!(
        kind(fs.remove_dir("/d").await),
        ErrorKind::DirectoryNotEmpty
    );
    assert_eq!(
        kind(fs.remove_dir("/second").await),
        ErrorKind::NotADirectory
    );
    assert_eq!(kind(fs.remove_dir("/").await), ErrorKind::Busy);
    fs.remove_file("/d/b").await.unwrap();
    fs.remove_dir("/d").await.unwrap();
    assert_eq!(fs.read("/second").await.unwrap(), b"a");
    assert_eq!(
        kind(fs.metadata("/second/x").await),
        ErrorKind::NotADirectory
    );
    let long = format!("/{}", "n".repeat(256));
    assert_eq!(kind(fs.create_dir(long).await), ErrorKind::NameTooLong);
    assert_eq!(kind(fs.metadata("").await), ErrorKind::NotFound);
    drop(open);
    volume.close().await.unwrap();
}

async fn chain(fs: &Fs, links: usize) {
    fs.write("/chain-0", "end").await.unwrap();
    for n in 1..=links {
        let target = format!("chain-{}", n - 1);
        fs.symlink(target, format!("/chain-{n}")).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_are_followed_forty_times() {
    let place = Place::new().await;
    let volume = place.open().await;
    let fs = volume.fs();
    chain(&fs, 41).await;
    assert_eq!(fs.read("/chain-40").await.unwrap(), b"end");
    assert_eq!(kind(fs.read("/chain-41").await), ErrorKind::TooManyLinks);
    fs.symlink("/two", "/one").await.unwrap();
    fs.symlink("/one", "/two").await.unwrap();
    for answer in [
        kind(fs.metadata("/one").await),
        kind(fs.metadata("/one/below").await),
        kind(fs.create("/two").await),
    ] {
        assert_eq!(answer, ErrorKind::TooManyLinks);
    }
    let itself = fs.symlink_metadata("/one").await.unwrap();
    assert!(itself.is_symlink());
    assert_eq!(fs.read_link("/one").await.unwrap().as_os_str(), "/two");
    fs.remove_file("/one").await.unwrap();
    assert!(!fs.try_exists("/two").await.unwrap());
    volume.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tree_decides_where_dots_and_slashes_lead() {
    let place = Place::new().await;
    let volume = place.open().await;
    let fs = volume.fs();
    fs.create_dir_all("/a/b/c").await.unwrap();
    fs.write("/a/b/here", "in b").await.unwrap();
    fs.write("/here", "in the root").await.unwrap();
    fs.symlink("a/b/c", "/link").await.unwrap();
    // Above the target of the link, not above the link.
    assert_eq!(fs.read("/link/../here").await.unwrap(), b"in b");
    assert_eq!(fs.read("/../../here").await.unwrap(), b"in the root");
    assert_eq!(fs.read("//a/./b//here").await.unwrap(), b"in b");
    // A slash at the end asks for a directory.
    assert!(fs.symlink_metadata("/link").await.unwrap().is_symlink());
    assert!(fs.symlink_metadata("/link/").await.unwrap().is_dir());
    assert_eq!(kind(fs.metadata("/here/").await), ErrorKind::NotADirectory);
    assert_eq!(kind(fs.open("/here/").await), ErrorKind::NotADirectory);
    assert_eq!(
        kind(fs.remove_file("/here/").await),
        ErrorKind::NotADirectory
    );
    fs.create_dir("/a/new/").await.unwrap();
    fs.remove_dir("/a/new/").await.unwrap();
    volume.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_is_held_by_its_inode() {
    let place = Place::new().await;
    let volume = place.open().await;
    let fs = volume.fs();
    fs.create_dir_all("/a/b").await.unwrap();
    fs.write("/top", "top").await.unwrap();
    let dir = fs.open_dir("/a/b").await.unwrap();
    dir.write("f", "f").await.unwrap();
    fs.rename("/a", "/z").await.unwrap();
    assert_eq!(dir.read("f").await.unwrap(), b"f");
    assert_eq!(dir.read("/top").await.unwrap(), b"top");
    assert_eq!(dir.read("../../top").await.unwrap(), b"top");
    assert_eq!(fs.read("/z/b/f").await.unwrap(), b"f");
    assert_eq!(kind(fs.open_dir("/top").await), ErrorKind::NotADirectory);
    volume.close().await.unwrap();
}
