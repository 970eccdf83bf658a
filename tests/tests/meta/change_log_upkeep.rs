//! The change log: sessions and jobs, following the setting, and when entries go.

use super::change_log::{Tail, log, logged_volume, tail};
use jfs_meta::SetXattr;
use jfs_tests::volume::{root, session_info, setting};
use jfs_tests::{Kind, Volume, on_every_engine};
use jfs_types::*;
use std::time::Duration;

on_every_engine! { entries_of_sessions, entries_follow_the_setting, trimming }

async fn entries_of_sessions(kind: Kind) {
    let (v, c) = logged_volume(kind, 0).await;
    let texts: Vec<String> = log(&v).await.into_iter().map(|(_, text)| text).collect();
    let sid = c.session_id().unwrap();
    let expire = v.clock_now().sec + 60;
    assert!(
        texts[0].ends_with("|INCR_COUNTER(nextSession,1)|(0,1)"),
        "{texts:?}"
    );
    let new = format!("|NEWSESSION({sid},{expire},{{%22Version%22:%22");
    assert!(texts[1].contains(&new), "{texts:?}");
    assert!(texts[1].ends_with(&format!("|({sid},2)")), "{texts:?}");
    let me = root();
    let (f, _) = c.create(&me, Ino::ROOT, b"f", 0o644, 0).await.unwrap();
    v.tick();
    c.unlink(&me, Ino::ROOT, b"f").await.unwrap();
    let found = Tail { v: &v, seen: 0 }.take().await;
    let unlinked = format!("UNLINK(1,f,0,true,true):{f}");
    assert_eq!(found.last(), Some(&unlinked));
    let mut tail = tail(&v).await;
    c.heartbeat(&session_info()).await.unwrap();
    c.flush_changes().await;
    tail.expect(&[]).await;
    // What it keeps goes with it.
    let other = v.client().await;
    tail.take().await;
    c.close_session().await.unwrap();
    tail.expect(&[
        &format!("DELSUSTAINED({sid},{f})"),
        &format!("CLEANSESSION({sid})"),
    ])
    .await;
    let now = v.clock_now().sec;
    v.live_on(&other).await;
    let claims = tail.take().await;
    assert!(!claims.is_empty());
    let claim = |t: &String| {
        let sec = t.strip_prefix("SET(lastCleanupSessions,").unwrap();
        sec.strip_suffix(')').unwrap().parse::<i64>().unwrap() > now
    };
    assert!(claims.iter().all(claim), "{claims:?}");
    v.verify().await;
}

/// A log that is switched on while a client works has every change from then on.
async fn entries_follow_the_setting(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    c.touch(Ino::ROOT, b"a").await.unwrap();
    assert!(log(&v).await.is_empty());
    let mut on = v.format.clone();
    on.change_log = true;
    let (off, on) = (v.format.to_json(), on.to_json());
    v.engine
        .store_setting(off.as_bytes(), on.as_bytes())
        .await
        .unwrap();
    // No heartbeat in between.
    c.touch(Ino::ROOT, b"b").await.unwrap();
    let texts = Tail { v: &v, seen: 0 }.take().await;
    assert_eq!(texts, ["CREATE(1,b,0,0,1,420,0,,linux,false):3"]);
    v.engine
        .store_setting(on.as_bytes(), off.as_bytes())
        .await
        .unwrap();
    c.touch(Ino::ROOT, b"c").await.unwrap();
    assert_eq!(log(&v).await.len(), 1);
}

async fn trimming(kind: Kind) {
    let format = Format {
        change_log: true,
        change_log_max_age: 3600,
        change_log_max_lines: 5,
        ..setting()
    };
    let v = Volume::with_format(kind, format).await;
    let c = v.client().await;
    let before = log(&v).await.len();
    for n in 0..20 {
        c.set_xattr(Ino::ROOT, b"user.n", &[n], SetXattr::Any)
            .await
            .unwrap();
    }
    let all = log(&v).await;
    assert_eq!(all.len(), before + 20);
    let surplus = all.len() - 5;
    assert_eq!(c.trim_change_log().await.unwrap(), surplus as u64);
    let left = log(&v).await;
    assert_eq!(left, all[surplus..]);
    assert_eq!(c.trim_change_log().await.unwrap(), 0);
    // By age.
    v.clock.advance(Duration::from_secs(3500));
    c.set_xattr(Ino::ROOT, b"user.n", b"x", SetXattr::Any)
        .await
        .unwrap();
    assert_eq!(c.trim_change_log().await.unwrap(), 1);
    v.clock.advance(Duration::from_secs(101));
    assert_eq!(c.trim_change_log().await.unwrap(), 4);
    let left = log(&v).await;
    assert_eq!(left.len(), 1);
    assert!(left[0].0 > all[surplus + 4].0, "versions go on");
    v.clock.advance(Duration::from_secs(3601));
    assert_eq!(c.trim_change_log().await.unwrap(), 1);
    assert!(log(&v).await.is_empty());
    c.set_xattr(Ino::ROOT, b"user.n", b"y", SetXattr::Any)
        .await
        .unwrap();
    assert!(log(&v).await[0].0 > left[0].0, "versions go on");
}
