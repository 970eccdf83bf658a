use crate::place::{Place, kind};
use jfs::ErrorKind;
use std::time::Duration;

/// Longer than a lock takes that is free.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locks_exclude_other_clients_and_end_with_the_file() {
    let place = Place::new().await;
    let (here, there) = (place.open().await, place.open().await);
    here.fs().write("/f", "x").await.unwrap();
    let busy = ErrorKind::WouldBlock;
    let mine = here.fs().open("/f").await.unwrap();
    let theirs = there.fs().open("/f").await.unwrap();

    mine.lock().await.unwrap();
    assert_eq!(kind(theirs.try_lock().await), busy);
    assert_eq!(kind(theirs.try_lock_shared().await), busy);
    // Another file of the same client is another owner.
    let second = here.fs().open("/f").await.unwrap();
    assert_eq!(kind(second.try_lock().await), busy);
    mine.unlock().await.unwrap();
    second.lock_shared().await.unwrap();
    theirs.try_lock_shared().await.unwrap();
    assert_eq!(kind(mine.try_lock().await), busy);
    theirs.close().await.unwrap();
    // Dropped: given back in the background.
    drop(second);
    let waited = tokio::time::timeout(SOON, mine.lock()).await;
    waited.expect("the locks of closed files are gone").unwrap();
    mine.close().await.unwrap();
    here.close().await.unwrap();
    there.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranges_are_locked_byte_by_byte() {
    let place = Place::new().await;
    let (here, there) = (place.open().await, place.open().await);
    here.fs().write("/f", "x").await.unwrap();
    let reader = here.fs().open("/f").await.unwrap();
    let refused = kind(reader.try_lock_range(0..1, true).await);
    assert_eq!(refused, ErrorKind::NotOpenFor);
    reader.close().await.unwrap();
    let both = |fs: jfs::Fs| fs.options().read(true).write(true);
    let mine = both(here.fs()).open("/f").await.unwrap();
    let theirs = both(there.fs()).open("/f").await.unwrap();
    mine.lock_range(10..20, true).await.unwrap();
    theirs.try_lock_range(..10, true).await.unwrap();
    theirs.try_lock_range(20.., false).await.unwrap();
    let busy = kind(theirs.try_lock_range(19..=19, false).await);
    assert_eq!(busy, ErrorKind::WouldBlock);
    let empty = kind(mine.lock_range(5..5, true).await);
    assert_eq!(empty, ErrorKind::InvalidInput);
    mine.unlock_range(15..20).await.unwrap();
    theirs.try_lock_range(19..=19, false).await.unwrap();
    mine.close().await.unwrap();
    theirs.try_lock_range(.., true).await.unwrap();
    drop(theirs);
    here.close().await.unwrap();
    there.close().await.unwrap();
}
