//! The table of the locks that this client holds and waits for.

#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn wish(ino: u64, owner: u64, kind: LockType) -> Wish {
    Wish {
        ino: Ino(ino),
        fh: owner,
        what: LockKind::Posix,
        owner,
        record: LockRecord {
            kind,
            pid: 0,
            start: 0,
            end: 9,
        },
    }
}

fn holder(owner: u64) -> LockHolder {
    LockHolder { sid: 1, owner }
}

fn granted(before: bool, holds: bool) -> Result<LockReply, Errno> {
    let before = match before {
        true => vec![wish(1, 1, LockType::Write).record],
        false => Vec::new(),
    };
    Ok(LockReply::Granted { before, holds })
}

#[test]
fn the_number_of_waiting_requests_has_an_end() {
    let locks = Locks::default();
    let mut queue = Vec::new();
    for n in 0..WAITERS_MAX as u64 {
        queue.push(locks.enlist(&wish(n % 10, n, LockType::Read)).unwrap());
    }
    let one_more = wish(1, 1, LockType::Read);
    assert!(matches!(locks.enlist(&one_more), Err(Errno::ENOLCK)));
    queue.pop();
    queue.push(locks.enlist(&one_more).unwrap());
    assert!(!locks.is_unused());
    drop(queue);
    assert!(locks.is_unused());
    assert!(locks.table.lock().files.is_empty());
}

#[test]
fn the_number_of_holders_has_an_end() {
    let locks = Locks::default();
    for n in 0..RECORD_HOLDERS_MAX as u64 {
        let wish = wish(1 + n % 7, n, LockType::Write);
        assert_eq!(locks.check_room(&wish), Ok(()));
        locks.note(&wish, &granted(false, true));
    }
    let known = wish(1, 0, LockType::Read);
    assert_eq!(locks.check_room(&known), Ok(()));
    let new = wish(1, 1, LockType::Read);
    assert_eq!(locks.check_room(&new), Err(Errno::ENOLCK));
    let unlock = wish(1, 0, LockType::Unlock);
    assert_eq!(locks.check_room(&unlock), Ok(()));
    locks.note(&unlock, &granted(true, false));
    assert_eq!(locks.check_room(&new), Ok(()));
    for n in 1..RECORD_HOLDERS_MAX as u64 {
        let unlock = wish(1 + n % 7, n, LockType::Unlock);
        locks.note(&unlock, &granted(true, false));
    }
    assert!(locks.is_unused());
    assert!(locks.table.lock().records.is_empty());
}

/// An unlock between the question and its answer: the answer is not believed, and no circle is made of it.
#[test]
fn an_answer_that_is_out_of_date_is_no_deadlock() {
    let locks = Locks::default();
    locks.note(&wish(1, 1, LockType::Write), &granted(false, true));
    locks.note(&wish(2, 2, LockType::Write), &granted(false, true));
    let one = locks.enlist(&wish(2, 1, LockType::Write)).unwrap();
    one.begin();
    assert_eq!(one.blocked_by(&[holder(2)], 1), Verdict::Wait);
    let two = locks.enlist(&wish(1, 2, LockType::Write)).unwrap();
    two.begin();
    locks.note(&wish(1, 1, LockType::Unlock), &granted(true, false));
    assert_eq!(two.blocked_by(&[holder(1)], 1), Verdict::AskAgain);
    two.begin();
    assert_eq!(two.blocked_by(&[holder(1)], 1), Verdict::Deadlock);
    // The other one is waited for no more.
    locks.note(&wish(2, 2, LockType::Unlock), &granted(true, false));
    two.begin();
    assert_eq!(two.blocked_by(&[holder(1)], 1), Verdict::Wait);
}

/// A commit whose fate is unknown may have made a lock, which the close must drop.
#[test]
fn a_lock_in_doubt_counts_as_held() {
    let locks = Locks::default();
    let place = (Ino(1), LockKind::Posix);
    for (failure, held) in [
        (Errno::ENOENT, false),
        (Errno::ENOLCK, false),
        (Errno::EIO, true),
    ] {
        locks.note(&wish(1, 1, LockType::Write), &Err(failure));
        assert_eq!(locks.may_hold(place, 1), held, "{failure:?}");
    }
    locks.note(&wish(1, 1, LockType::Unlock), &Err(Errno::EIO));
    assert!(locks.may_hold(place, 1));
}

/// Owners with equal numbers in other sessions are others.
#[test]
fn owners_of_other_sessions_close_no_circle() {
    let locks = Locks::default();
    let one = locks.enlist(&wish(2, 1, LockType::Write)).unwrap();
    one.begin();
    let elsewhere = LockHolder { sid: 9, owner: 1 };
    assert_eq!(one.blocked_by(&[elsewhere], 1), Verdict::Wait);
    assert_eq!(
        one.blocked_by(&[elsewhere, holder(1)], 1),
        Verdict::Deadlock
    );
}
