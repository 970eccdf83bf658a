//! Extended attributes.

use jfs_meta::SetXattr;
use jfs_tests::volume::root;
use jfs_tests::{Kind, Volume, on_every_engine};
use jfs_types::*;

on_every_engine! { setting_and_removing, xattr_errors, names_and_values_of_every_shape, they_go_with_the_inode, one_creator }

async fn setting_and_removing(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    let before = c.getattr(f).await.unwrap();
    v.tick();
    assert_eq!(c.get_xattr(f, b"user.a").await, Err(Errno::ENODATA));
    assert!(c.list_xattrs(f).await.unwrap().is_empty());
    c.set_xattr(f, b"user.a", b"1", SetXattr::Create)
        .await
        .unwrap();
    assert_eq!(
        c.set_xattr(f, b"user.a", b"2", SetXattr::Create).await,
        Err(Errno::EEXIST)
    );
    c.set_xattr(f, b"user.a", b"3", SetXattr::Replace)
        .await
        .unwrap();
    assert_eq!(c.get_xattr(f, b"user.a").await.unwrap(), &b"3"[..]);
    assert_eq!(
        c.set_xattr(f, b"user.b", b"4", SetXattr::Replace).await,
        Err(Errno::ENODATA)
    );
    for (name, value) in [
        (&b"user.b"[..], &b"5"[..]),
        (b"trusted.z", b"6"),
        (b"user.a", b"7"),
    ] {
        c.set_xattr(f, name, value, SetXattr::Any).await.unwrap();
    }
    let names = [&b"trusted.z"[..], b"user.a", b"user.b"];
    assert_eq!(c.list_xattrs(f).await.unwrap(), names);
    c.remove_xattr(f, b"user.a").await.unwrap();
    assert_eq!(c.remove_xattr(f, b"user.a").await, Err(Errno::ENODATA));
    assert_eq!(c.get_xattr(f, b"user.a").await, Err(Errno::ENODATA));
    assert_eq!(c.list_xattrs(f).await.unwrap().len(), 2);
    assert_eq!(c.getattr(f).await.unwrap(), before, "no time changes");
    v.verify().await;
}

async fn xattr_errors(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let any = SetXattr::Any;
    assert_eq!(
        c.set_xattr(Ino::ROOT, b"", b"v", any).await,
        Err(Errno::EINVAL)
    );
    assert_eq!(c.get_xattr(Ino::ROOT, b"").await, Err(Errno::EINVAL));
    assert_eq!(c.remove_xattr(Ino::ROOT, b"").await, Err(Errno::EINVAL));
    let long = [b'n'; 256];
    assert_eq!(
        c.set_xattr(Ino::ROOT, &long, b"v", any).await,
        Err(Errno::ERANGE)
    );
    assert_eq!(c.get_xattr(Ino::ROOT, &long).await, Err(Errno::ERANGE));
    let big = vec![0; 65_537];
    assert_eq!(
        c.set_xattr(Ino::ROOT, b"n", &big, any).await,
        Err(Errno::ERANGE)
    );
    let nowhere = Ino(999);
    assert_eq!(
        c.set_xattr(nowhere, b"n", b"v", any).await,
        Err(Errno::ENOENT)
    );
    assert_eq!(c.list_xattrs(nowhere).await, Err(Errno::ENOENT));
    assert_eq!(c.get_xattr(nowhere, b"n").await, Err(Errno::ENODATA));
    assert_eq!(c.remove_xattr(nowhere, b"n").await, Err(Errno::ENODATA));
    v.verify().await;
}

async fn names_and_values_of_every_shape(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    // SQL servers store names as text.
    let first: &[u8] = match kind.is_sql_server() {
        true => "user.ü".as_bytes(),
        false => b"user.\xff\xfe",
    };
    if kind.is_sql_server() {
        let refused = c
            .set_xattr(Ino::ROOT, b"user.\xff", b"v", SetXattr::Any)
            .await;
        assert_eq!(refused, Err(Errno::EIO));
    }
    let names: [&[u8]; 5] = [first, b"with space", &[b'n'; 255], b"user.A", b"user.a"];
    // MySQL's blobs end one byte before the kernel's values.
    let large: &[u8] = match kind {
        Kind::Mariadb => &[7; 65_535],
        _ => &[7; 65_536],
    };
    if kind == Kind::Mariadb {
        let refused = c
            .set_xattr(Ino::ROOT, b"user.a", &[7; 65_536], SetXattr::Any)
            .await;
        assert_eq!(refused, Err(Errno::EIO));
    }
    let values: [&[u8]; 5] = [b"", b"\0\x01\xff", large, b"text", b"\0"];
    for (name, value) in names.iter().zip(values) {
        c.set_xattr(Ino::ROOT, name, value, SetXattr::Create)
            .await
            .unwrap();
    }
    for (name, value) in names.iter().zip(values) {
        let got = c.get_xattr(Ino::ROOT, name).await.unwrap();
        assert!(got == value, "{name:?}");
    }
    let mut sorted = names;
    sorted.sort_unstable();
    assert_eq!(c.list_xattrs(Ino::ROOT).await.unwrap(), sorted);
    v.verify().await;
}

/// With the last name, by the trash and back, and of a file that stays open.
async fn they_go_with_the_inode(kind: Kind) {
    for trash_days in [0, 1] {
        let v = Volume::new(kind, trash_days).await;
        let c = v.client().await;
        let me = root();
        for (n, name) in [&b"f"[..], b"d", b"open"].into_iter().enumerate() {
            let ino = match n {
                1 => c.dir(Ino::ROOT, name).await,
                _ => c.touch(Ino::ROOT, name).await.unwrap(),
            };
            c.set_xattr(ino, b"user.a", b"v", SetXattr::Any)
                .await
                .unwrap();
            if n == 2 {
                c.open(&me, ino, 0).await.unwrap();
            }
            match n {
                1 => c.rmdir(&me, Ino::ROOT, name).await.unwrap(),
                _ => c.unlink(&me, Ino::ROOT, name).await.unwrap(),
            }
            let stays = trash_days > 0 || n == 2;
            assert_eq!(c.get_xattr(ino, b"user.a").await.is_ok(), stays);
            if let Some(ino) = (n == 2).then(|| c.close(ino)).flatten() {
                c.delete_sustained(ino).await.unwrap();
            }
        }
        let census = v.verify().await;
        assert_eq!(census.xattrs.len(), 3 * trash_days as usize);
    }
}

/// Of several clients that create one name, one wins.
async fn one_creator(kind: Kind) {
    for round in 0..10u8 {
        let v = Volume::new(kind, 0).await;
        let clients = [v.client().await, v.client().await, v.client().await];
        let tasks: Vec<_> = clients
            .iter()
            .map(|c| {
                let meta = c.meta.clone();
                let set = async move {
                    meta.set_xattr(Ino::ROOT, b"user.a", &[round], SetXattr::Create)
                        .await
                };
                tokio::spawn(set)
            })
            .collect();
        let mut won = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(()) => won += 1,
                Err(e) => assert_eq!(e, Errno::EEXIST),
            }
        }
        assert_eq!(won, 1);
    }
}
