//! POSIX ACLs: stored once, inherited, changed by chmod, and asked for permission.

use super::operations::rule_for;
use jfs_meta::SetAttr;
use jfs_meta::engine::Key;
use jfs_tests::volume::root;
use jfs_tests::{Client, Kind, Volume, on_every_engine};
use jfs_types::acl::ABSENT;
use jfs_types::*;

on_every_engine! {
    setting_rules, rules_that_modes_can_say, equal_rules_are_one, acl_errors, chmod_changes_the_mask,
    inheriting, rules_decide, one_number_for_many_clients,
}

async fn set(c: &Client, ino: Ino, kind: AclKind, rule: &AclRule) -> Attr {
    c.set_acl(&root(), ino, kind, rule).await.unwrap()
}

async fn setting_rules(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let d = c.dir(Ino::ROOT, b"d").await;
    assert_eq!(c.get_acl(d, AclKind::Access).await, Err(Errno::ENODATA));
    v.tick();
    let rule = rule_for(4);
    let after = set(&c, d, AclKind::Access, &rule).await;
    assert_eq!((after.mode, after.ctime), (0o761, v.clock_now()));
    assert_ne!(after.mtime, after.ctime);
    assert_eq!(*c.get_acl(d, AclKind::Access).await.unwrap(), rule);
    assert_eq!(
        c.list_xattrs(d).await.unwrap(),
        [&b"system.posix_acl_access"[..]]
    );
    let after = set(&c, d, AclKind::Default, &rule_for(7)).await;
    assert_eq!(after.mode, 0o761, "a default rule changes no mode");
    // Another client has to ask the engine.
    let other = v.client().await;
    assert_eq!(
        *other.get_acl(d, AclKind::Default).await.unwrap(),
        rule_for(7)
    );
    assert_eq!(c.list_xattrs(d).await.unwrap().len(), 2);
    v.verify().await;
    // Setting the same again changes nothing.
    v.tick();
    assert_eq!(set(&c, d, AclKind::Default, &rule_for(7)).await, after);
    for kind in [AclKind::Access, AclKind::Default] {
        let after = set(&c, d, kind, &AclRule::empty()).await;
        assert_eq!(after.mode, 0o761, "the mode stays");
        assert_eq!(c.get_acl(d, kind).await, Err(Errno::ENODATA));
    }
    assert!(c.list_xattrs(d).await.unwrap().is_empty());
    v.verify().await;
}

async fn rules_that_modes_can_say(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    let minimal = AclRule {
        owner: 6,
        group: 4,
        mask: ABSENT,
        other: 0,
        ..AclRule::empty()
    };
    set(&c, f, AclKind::Access, &rule_for(4)).await;
    let after = set(&c, f, AclKind::Access, &minimal).await;
    assert_eq!((after.mode, after.access_acl), (0o640, 0));
    // A default rule is stored whatever it says.
    let d = c.dir(Ino::ROOT, b"d").await;
    set(&c, d, AclKind::Default, &minimal).await;
    assert_eq!(*c.get_acl(d, AclKind::Default).await.unwrap(), minimal);
    v.verify().await;
}

async fn equal_rules_are_one(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let (c, other) = (v.client().await, v.client().await);
    let mut ids = Vec::new();
    for n in 0..4u8 {
        let f = c.touch(Ino::ROOT, &[b'a' + n]).await.unwrap();
        let mut rule = rule_for(4);
        rule.named_users.push(AclEntry { id: 5, perm: 1 });
        if n % 2 == 1 {
            rule.named_users.reverse();
        }
        let client = if n < 2 { &c } else { &other };
        ids.push(set(client, f, AclKind::Access, &rule).await.access_acl);
    }
    assert_eq!(ids, [1; 4]);
    let d = c.dir(Ino::ROOT, b"dir").await;
    assert_eq!(
        set(&c, d, AclKind::Default, &rule_for(3)).await.default_acl,
        2
    );
    v.verify().await;
}

async fn acl_errors(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    let rule = rule_for(4);
    let (access, default) = (AclKind::Access, AclKind::Default);
    let stranger = Caller::user(5, 6);
    for (caller, ino, kind, errno) in [
        (&root(), Ino(999), access, Errno::ENOENT),
        (&stranger, f, access, Errno::EPERM),
        (&root(), f, default, Errno::EACCES),
        (&root(), Ino::TRASH, access, Errno::EPERM),
    ] {
        let got = c.set_acl(caller, ino, kind, &rule).await;
        assert_eq!(got.map(|_| ()), Err(errno), "{ino:?} {kind:?}");
    }
    assert_eq!(c.get_acl(Ino(999), access).await, Err(Errno::ENOENT));
    // Removing a missing rule is no error for any caller.
    set(&c, f, access, &AclRule::empty()).await;
    v.verify().await;
}

async fn chmod_changes_the_mask(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    let first = set(&c, f, AclKind::Access, &rule_for(4)).await.access_acl;
    let chmod = SetAttr {
        mode: Some(0o1624),
        ..SetAttr::default()
    };
    let after = c.setattr(&root(), f, &chmod).await.unwrap();
    assert_eq!(after.mode, 0o1624);
    assert_ne!(after.access_acl, first);
    let rule = c.get_acl(f, AclKind::Access).await.unwrap();
    let want = AclRule {
        owner: 6,
        mask: 2,
        other: 4,
        ..rule_for(4)
    };
    assert_eq!(*rule, want);
    v.verify().await;
}

async fn inheriting(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let me = root();
    let d = c.dir(Ino::ROOT, b"d").await;
    let id = set(&c, d, AclKind::Default, &rule_for(4)).await.default_acl;
    // The umask does not count below a directory with a default rule.
    let (f, made) = c.create(&me, d, b"f", 0o666, 0o077).await.unwrap();
    c.close(f);
    assert_eq!((made.mode, made.default_acl), (0o660, 0));
    let want = AclRule {
        owner: 6,
        mask: 6,
        other: 0,
        ..rule_for(4)
    };
    assert_eq!(*c.get_acl(f, AclKind::Access).await.unwrap(), want);
    let (sub, made) = c.mkdir(&me, d, b"sub", 0o1755, 0o077).await.unwrap();
    assert_eq!((made.mode, made.default_acl), (0o1741, id));
    assert_ne!(made.access_acl, 0);
    let (_, link) = c.symlink(&me, sub, b"link", b"t").await.unwrap();
    assert_eq!(
        (link.mode, link.access_acl, link.default_acl),
        (0o777, 0, 0)
    );
    let node = jfs_meta::NewNode {
        kind: FileType::Fifo,
        mode: 0o600,
        umask: 0,
        rdev: 0,
    };
    let (_, fifo) = c.mknod(&me, sub, b"fifo", node).await.unwrap();
    assert_eq!(fifo.mode, 0o600);
    assert_ne!(fifo.access_acl, 0);
    // One that modes can say leaves no rule behind, and may only take away.
    let minimal = AclRule {
        owner: 7,
        group: 5,
        mask: ABSENT,
        other: 0,
        ..AclRule::empty()
    };
    set(&c, d, AclKind::Default, &minimal).await;
    let (g, made) = c.create(&me, d, b"g", 0o666, 0o777).await.unwrap();
    c.close(g);
    assert_eq!((made.mode, made.access_acl), (0o640, 0));
    v.verify().await;
}

/// The rules of the reference's check, one user for each.
async fn rules_decide(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let d = c.dir(Ino::ROOT, b"d").await;
    c.touch(d, b"f").await.unwrap();
    let chown = SetAttr {
        uid: Some(7),
        gid: Some(8),
        ..SetAttr::default()
    };
    c.setattr(&root(), d, &chown).await.unwrap();
    let rule = AclRule {
        owner: 0,
        group: 5,
        mask: 7,
        other: 0,
        named_users: vec![AclEntry { id: 1000, perm: 3 }],
        named_groups: vec![AclEntry { id: 2000, perm: 4 }],
    };
    set(&c, d, AclKind::Access, &rule).await;
    let other = v.client().await;
    let cases = [
        (Caller::user(7, 8), 0),
        (Caller::user(1000, 9), 3),
        (Caller::user(5, 8), 5),
        (Caller::user(5, 2000), 4),
        (Caller::user(5, 9), 0),
        (Caller::root(), 7),
    ];
    for (caller, granted) in &cases {
        for mask in 1..8u8 {
            let want = if mask & granted == mask {
                Ok(())
            } else {
                Err(Errno::EACCES)
            };
            let uid = (caller.uid, caller.gid);
            assert_eq!(other.access(caller, d, mask).await, want, "{uid:?} {mask}");
        }
        // The operations ask the same.
        let may_write = granted & 3 == 3;
        assert_eq!(c.lookup(caller, d, b"f").await.is_ok(), granted & 1 != 0);
        let made = c.mkdir(caller, d, b"made", 0o700, 0).await;
        assert_eq!(made.map(|_| ()).is_ok(), may_write);
        if may_write {
            c.rename(caller, (d, b"made"), (d, b"moved"), 0)
                .await
                .unwrap();
            c.rmdir(caller, d, b"moved").await.unwrap();
        }
    }
    // Without group bits in the mode the rule is not asked.
    let chmod = SetAttr {
        mode: Some(0o707),
        ..SetAttr::default()
    };
    c.setattr(&root(), d, &chmod).await.unwrap();
    assert_eq!(c.access(&Caller::user(1000, 9), d, 7).await, Ok(()));
    v.verify().await;
}

async fn one_number_for_many_clients(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let first = v.client().await;
    let mut tasks = Vec::new();
    for n in 0..4u8 {
        let f = first.touch(Ino::ROOT, &[b'a' + n]).await.unwrap();
        let client = v.client().await;
        let meta = client.meta.clone();
        tasks.push(tokio::spawn(async move {
            let mut ids = Vec::new();
            for perm in 1..8 {
                let set = meta
                    .set_acl(&root(), f, AclKind::Access, &rule_for(perm))
                    .await;
                ids.push(set.unwrap().access_acl);
            }
            ids
        }));
    }
    let mut all: Vec<Vec<u32>> = Vec::new();
    for task in tasks {
        all.push(task.await.unwrap());
    }
    // Clients that add equal rules at the same time may store both. No number leads to another rule.
    let mut numbers: Vec<u32> = all.iter().flatten().copied().collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert!((7..=28).contains(&numbers.len()), "{numbers:?}");
    let late = v.client().await;
    let mut of_rules = Vec::new();
    for (perm, n) in (1..8).zip(0..) {
        let f = late.touch(Ino::ROOT, b"late").await.unwrap();
        let ids: Vec<u32> = all.iter().map(|ids| ids[n]).collect();
        for id in &ids {
            let found = v.engine.fetch(&[Key::Acl(*id)]).await.unwrap().remove(0);
            assert_eq!(found.into_acl().unwrap(), Some(rule_for(perm)));
        }
        // Later ones take a number that is there.
        let set = set(&late, f, AclKind::Access, &rule_for(perm)).await;
        of_rules.push((set.access_acl, ids));
        late.unlink(&root(), Ino::ROOT, b"late").await.unwrap();
    }
    assert!(
        of_rules.iter().all(|(id, ids)| ids.contains(id)),
        "{of_rules:?}"
    );
    v.verify().await;
}
