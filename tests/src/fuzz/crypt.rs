//! Contents of encrypted volumes, and keys from users.

use bytes::Bytes;
use jfs_crypt::{Algorithm, Envelope, PrivateKey, open_secret, seal_secret};
use std::sync::LazyLock;

/// Protects the keys among the seeds.
const PASSPHRASE: &str = "fixture-passphrase";

const ALGORITHMS: [Algorithm; 3] = [
    Algorithm::Aes256Gcm,
    Algorithm::ChaCha20Poly1305,
    Algorithm::Sm4Gcm,
];

/// The key of the small encrypted volumes among the fixtures.
static ENVELOPES: LazyLock<Vec<Envelope>> = LazyLock::new(|| {
    let pem = include_str!("../../../fuzz/seeds/pem/mini");
    let key = || PrivateKey::from_pem(pem, PASSPHRASE).unwrap();
    ALGORITHMS.map(|a| Envelope::new(key(), a)).into()
});

/// One byte says which cipher, the rest is the object.
pub(super) fn envelope(data: &[u8]) {
    let Some((which, stored)) = data.split_first() else {
        return;
    };
    let envelope = &ENVELOPES[usize::from(*which) % ALGORITHMS.len()];
    if let Ok(opened) = envelope.open(Bytes::copy_from_slice(stored)) {
        assert_eq!(opened.len() + envelope.overhead_bytes(), stored.len());
    }
}

/// The UUID of the volume, a zero byte, the sealed secret.
pub(super) fn secret(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (uuid, sealed) = text.split_once('\0').unwrap_or(("", &text));
    for algorithm in ALGORITHMS {
        if let Ok(secret) = open_secret(sealed, uuid, algorithm) {
            let again = seal_secret(&secret, uuid, algorithm).unwrap();
            assert_eq!(open_secret(&again, uuid, algorithm).unwrap(), secret);
        }
    }
}

pub(super) fn pem(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let _ = PrivateKey::from_pem(&text, PASSPHRASE);
}
