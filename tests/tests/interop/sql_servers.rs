//! Volumes on PostgreSQL and MariaDB: each client reads what the other has written, both work on one volume at
//! the same time, and a mount is killed.

use super::further_kinds::made_by;
use super::killed_mount::{Cache, killed_while_writing};
use super::local_volume::{LocalVolume, Meta, ours, reference};
use super::mounts::an_open_sees_what_was_closed_before;
use super::taking_turns::taking_turns;
use super::volumes::there_and_back;
use std::os::unix::fs::MetadataExt;

/// Makes each of these functions a test on each server.
macro_rules! on_sql_servers {
    ($($name:ident),* $(,)?) => {
        mod postgres { $( #[test] fn $name() { super::$name(super::Meta::Postgres); } )* }
        mod mariadb { $( #[test] fn $name() { super::$name(super::Meta::Mariadb); } )* }
    };
}

on_sql_servers! {
    ours_read_by_the_reference,
    the_references_read_by_us,
    further_kinds_of_ours,
    further_kinds_of_the_reference,
    both_clients_take_turns,
    an_open_sees_what_another_mount_has_closed,
    what_does_not_fit_is_refused,
    a_mount_is_killed_under_writers,
    a_mount_without_a_disk_cache_is_killed_under_writers,
}

fn ours_read_by_the_reference(meta: Meta) {
    let small_blocks = ["--block-size", "64K", "--compress", "lz4"];
    let flags = [&small_blocks[..], &["--trash-days", "0"]].concat();
    there_and_back(meta, &ours(), &flags, 1 << 16);
}

fn the_references_read_by_us(meta: Meta) {
    let flags = ["--block-size", "1M", "--trash-days", "1"];
    there_and_back(meta, &reference(), &flags, 1 << 20);
}

fn further_kinds_of_ours(meta: Meta) {
    made_by(meta, &ours());
}

fn further_kinds_of_the_reference(meta: Meta) {
    made_by(meta, &reference());
}

fn both_clients_take_turns(meta: Meta) {
    taking_turns(meta);
}

fn an_open_sees_what_another_mount_has_closed(meta: Meta) {
    an_open_sees_what_was_closed_before(meta);
}

/// Owners are kept in signed columns of 32 bits, and names of extended attributes as text. Both clients refuse
/// others and leave the file as it is.
fn what_does_not_fit_is_refused(meta: Meta) {
    let volume = LocalVolume::new(meta);
    volume.format(&reference(), &[]);
    for client in [reference(), ours()] {
        let mount = volume.mount(&client, &["--enable-xattr"]);
        let file = mount.at("file");
        std::fs::write(&file, b"kept").unwrap();
        std::os::unix::fs::chown(&file, Some(7), Some(i32::MAX as u32)).unwrap();
        let refused = std::os::unix::fs::chown(&file, Some(1 << 31), Some(8));
        let refused = refused.unwrap_err().raw_os_error();
        let who = client.program().display();
        assert_eq!(refused, Some(libc::EIO), "{who}");
        let any = rustix::fs::XattrFlags::empty();
        let refused = rustix::fs::setxattr(&file, &b"user.\xff"[..], b"v", any);
        assert_eq!(refused, Err(rustix::io::Errno::IO), "{who}");
        let kept = file.metadata().unwrap();
        assert_eq!((kept.uid(), kept.gid()), (7, i32::MAX as u32));
        assert!(jfs_testkit::xattrs(&file).unwrap().is_empty());
        mount.unmount().unwrap();
    }
    volume.fsck();
}

fn a_mount_is_killed_under_writers(meta: Meta) {
    killed_while_writing(meta, Cache::Disk);
}

fn a_mount_without_a_disk_cache_is_killed_under_writers(meta: Meta) {
    killed_while_writing(meta, Cache::None);
}
