use crate::place::{Place, kind, pattern};
use jfs::{BufferOptions, ErrorKind, OpenOptions};
use std::io::SeekFrom;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_written_sought_and_read() {
    let place = Place::new().await;
    let volume = place.open().await;
    let fs = volume.fs();
    let options = fs.options().read(true).write(true).create_new(true);
    let mut file = options.open("/f").await.unwrap();
    file.write_all(b"hello").await.unwrap();
    // Past the end: zeros between.
    assert_eq!(file.seek(SeekFrom::Current(3)).await.unwrap(), 8);
    file.write_all(b"world").await.unwrap();
    assert_eq!(file.seek(SeekFrom::End(-5)).await.unwrap(), 8);
    let mut tail = String::new();
    file.read_to_string(&mut tail).await.unwrap();
    assert_eq!(tail, "world");
    file.rewind().await.unwrap();
    let mut all = Vec::new();
    file.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"hello\0\0\0world");
    assert!(file.seek(SeekFrom::Current(-100)).await.is_err());
    // What was read ahead is not shown after a write.
    file.rewind().await.unwrap();
    let mut first = [0];
    file.read_exact(&mut first).await.unwrap();
    file.write_at(1, "E").await.unwrap();
    file.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"E");
    assert_eq!(file.metadata().await.unwrap().len(), 13);
    file.close().await.unwrap();
    volume.close().await.unwrap();
    let volume = place.open().await;
    let content = volume.fs().read("/f").await.unwrap();
    assert_eq!(content, b"hEllo\0\0\0world");
    volume.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_of_an_open_are_those_of_tokio() {
    let place = Place::new().await;
    let volume = place.open().await;
    let fs = volume.fs();
    fs.write("/f", "0123456789").await.unwrap();

    let mut file = fs.options().append(true).open("/f").await.unwrap();
    file.write_all(b"ab").await.unwrap();
    file.write_at(0, "c").await.unwrap();
    file.close().await.unwrap();
    assert_eq!(fs.read_to_string("/f").await.unwrap(), "0123456789abc");

    let file = fs.options().write(true).open("/f").await.unwrap();
    assert_eq!(kind(file.read_at(0, 1).await), ErrorKind::NotOpenFor);
    file.set_len(4).await.unwrap();
    file.set_len(6).await.unwrap();
    file.close().await.unwrap();
    assert_eq!(fs.read("/f").await.unwrap(), b"0123\0\0");

    let file = fs.open("/f").await.unwrap();
    assert_eq!(kind(file.write_at(0, "x").await), ErrorKind::NotOpenFor);
    assert_eq!(kind(file.set_len(0).await), ErrorKind::InvalidInput);
    drop(file);

    fs.create("/f").await.unwrap().close().await.unwrap();
    assert_eq!(fs.metadata("/f").await.unwrap().len(), 0);

    let new = fs.options().write(true).create_new(true);
    assert_eq!(kind(new.open("/f").await), ErrorKind::AlreadyExists);
    fs.symlink("nowhere", "/dangling").await.unwrap();
    assert_eq!(kind(new.open("/dangling").await), ErrorKind::AlreadyExists);
    // Without `create_new` the target of the link is made.
    fs.write("/dangling", "x").await.unwrap();
    assert_eq!(fs.read("/nowhere").await.unwrap(), b"x");

    let none = fs.options();
    let contradictions = [
        none.clone(),
        none.clone().read(true).create(true),
        none.clone().read(true).truncate(true),
        none.clone().append(true).truncate(true),
    ];
    for options in contradictions {
        assert_eq!(kind(options.open("/f").await), ErrorKind::InvalidInput);
    }
    assert_eq!(kind(fs.open("/none").await), ErrorKind::NotFound);
    assert_eq!(kind(fs.open("/").await), ErrorKind::IsADirectory);
    assert_eq!(kind(fs.create("/new/").await), ErrorKind::IsADirectory);
    volume.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_go_through_small_buffers() {
    let place = Place::new().await;
    let buffers = BufferOptions::new().size_bytes(8 << 20);
    let options = OpenOptions::new().buffers(buffers);
    let volume = place.open_with(options).await;
    let fs = volume.fs();
    let content = pattern(40 << 20);
    let mut file = fs.create("/large").await.unwrap();
    let copied = tokio::io::copy(&mut &content[..], &mut file).await.unwrap();
    assert_eq!(copied, content.len() as u64);
    file.shutdown().await.unwrap();
    drop(file);
    let mut file = fs.open("/large").await.unwrap();
    let (mut read, mut piece) = (Vec::new(), vec![0; 77_777]);
    loop {
        match file.read(&mut piece).await.unwrap() {
            0 => break,
            n => read.extend_from_slice(&piece[..n]),
        }
    }
    assert!(read == content, "{} bytes", read.len());
    let range = file.read_at((40 << 20) - 5, 100).await.unwrap();
    assert_eq!(range, content[content.len() - 5..]);
    assert!(file.read_at(1 << 40, 5).await.unwrap().is_empty());
    volume.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_shares_the_stored_blocks() {
    let place = Place::new().await;
    let volume = place.open().await;
    let fs = volume.fs();
    let content = pattern(3 << 20);
    fs.write("/from", &content).await.unwrap();
    let blocks = place.blocks();
    assert_eq!(blocks, 3);
    fs.write("/to", "longer ago").await.unwrap();
    let before = place.blocks();
    let copied = fs.copy("/from", "/to").await.unwrap();
    assert_eq!(copied, content.len() as u64);
    assert!(place.blocks() <= before, "a copy stores nothing");
    assert!(fs.read("/to").await.unwrap() == content);
    // From now on they differ.
    let file = fs.options().write(true).open("/to").await.unwrap();
    file.write_at(0, "changed").await.unwrap();
    file.close().await.unwrap();
    assert!(fs.read("/from").await.unwrap() == content);
    assert_eq!(&fs.read("/to").await.unwrap()[..7], b"changed");
    assert_eq!(
        kind(fs.copy("/from", "/from").await),
        ErrorKind::InvalidInput
    );
    assert!(fs.read("/from").await.unwrap() == content);
    volume.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attributes_of_files() {
    use std::os::unix::fs::PermissionsExt;
    use std::time::{Duration, UNIX_EPOCH};
    let place = Place::new().await;
    let volume = place.open().await;
    let fs = volume.fs();
    fs.write("/f", "x").await.unwrap();
    assert_eq!(fs.metadata("/f").await.unwrap().mode(), 0o100644);
    let mode = std::fs::Permissions::from_mode(0o640);
    fs.set_permissions("/f", mode).await.unwrap();
    fs.chown("/f", Some(5), None).await.unwrap();
    let time = UNIX_EPOCH + Duration::new(1_000_000_000, 7);
    fs.set_times("/f", None, Some(time)).await.unwrap();
    let found = fs.metadata("/f").await.unwrap();
    assert_eq!((found.mode(), found.uid(), found.gid()), (0o100640, 5, 0));
    assert_eq!(found.modified(), time);
    assert!(found.is_file() && found.nlink() == 1);

    assert_eq!(fs.xattr("/f", "user.colour").await.unwrap(), None);
    fs.set_xattr("/f", "user.colour", "blue").await.unwrap();
    let value = fs.xattr("/f", "user.colour").await.unwrap();
    assert_eq!(value.as_deref(), Some(&b"blue"[..]));
    assert_eq!(fs.list_xattrs("/f").await.unwrap(), ["user.colour"]);
    fs.remove_xattr("/f", "user.colour").await.unwrap();
    assert!(fs.list_xattrs("/f").await.unwrap().is_empty());
    volume.close().await.unwrap();
}
