//! The trial that `format` gives a bucket.

use crate::{ErrorKind, ObjectError, ObjectStore};
use bytes::Bytes;

/// Bytes of the test object.
const TEST_BYTES: usize = 100;

/// Put, get, compare, delete; first of all the bucket is made if it is missing. The object is removed
/// even when the comparison fails.
pub(crate) async fn run(store: &ObjectStore) -> Result<(), ObjectError> {
    let key = format!("testing/{}", name());
    #[expect(
        clippy::disallowed_methods,
        reason = "any bytes will do for a test object"
    )]
    let data: Bytes = (0..TEST_BYTES).map(|_| rand::random::<u8>()).collect();
    let step = |what: &'static str| {
        move |e: ObjectError| ObjectError {
            message: format!("{what}: {}", e.message),
            ..e
        }
    };
    store.create().await.map_err(step("make the bucket"))?;
    store
        .put(&key, data.clone())
        .await
        .map_err(step("write a test object"))?;
    let back = store
        .get(&key, None)
        .await
        .map_err(step("read the test object back"));
    let deleted = store
        .delete(&key)
        .await
        .map_err(step("delete the test object"));
    if back? != data {
        let message = "the test object came back different";
        return Err(ObjectError::new(ErrorKind::Permanent, key, message));
    }
    deleted
}

/// Ten letters or digits.
#[expect(
    clippy::disallowed_methods,
    reason = "only makes the key of a test object unique"
)]
fn name() -> String {
    const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    (0..10)
        .map(|_| char::from(LETTERS[rand::random_range(0..LETTERS.len())]))
        .collect()
}
