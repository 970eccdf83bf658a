//! Lost answers on demand.

use crate::scratch_volume::*;
use jfs_meta::EngineError;
use jfs_types::*;

#[tokio::test]
async fn a_lost_reply_means_done() {
    let bed = Bed::new().await;
    bed.engine.faults().lose_reply(2);
    write(&bed.engine, &[new_node(5)]).await;
    let result = attempt(&bed.engine, &[], &[new_node(6)]).await;
    assert!(
        matches!(result, Err(EngineError::MaybeCommitted(_))),
        "{result:?}"
    );
    assert!(attr(&bed.engine, 6).await.is_some());
    write(&bed.engine, &[new_node(7)]).await;
}

#[tokio::test]
async fn a_dropped_commit_means_not_done() {
    let bed = Bed::new().await;
    bed.engine.faults().drop_commit(1);
    let result = attempt(&bed.engine, &[], &[new_node(6)]).await;
    assert!(
        matches!(result, Err(EngineError::MaybeCommitted(_))),
        "{result:?}"
    );
    assert_eq!(attr(&bed.engine, 6).await, None);
    write(&bed.engine, &[new_node(6), new_entry(Ino::ROOT, "a", 6)]).await;
}

/// A refusal whose answer is lost is in doubt as well.
#[tokio::test]
async fn a_lost_conflict_is_in_doubt() {
    let bed = Bed::new().await;
    bed.engine.faults().lose_reply(1);
    let result = attempt(&bed.engine, &[], &[new_node(6), new_node(1)]).await;
    assert!(
        matches!(result, Err(EngineError::MaybeCommitted(_))),
        "{result:?}"
    );
    assert_eq!(attr(&bed.engine, 6).await, None);
    assert_eq!(bed.engine.faults().disarm(), 0);
}
