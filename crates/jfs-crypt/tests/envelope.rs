//! Envelopes: there and back, and what becomes of changed ones.
#![allow(clippy::unwrap_used, reason = "tests")]

use bytes::Bytes;
use jfs_crypt::{Algorithm, CryptError, Envelope, PrivateKey, open_secret, seal_secret};
use proptest::prelude::*;
use std::sync::LazyLock;

const ALGORITHMS: [Algorithm; 3] = [
    Algorithm::Aes256Gcm,
    Algorithm::ChaCha20Poly1305,
    Algorithm::Sm4Gcm,
];

fn envelope(algorithm: Algorithm) -> &'static Envelope {
    static ALL: LazyLock<[Envelope; 3]> = LazyLock::new(|| {
        ALGORITHMS.map(|algorithm| {
            let key = PrivateKey::from_pem(include_str!("keys/rsa.pem"), "").unwrap();
            Envelope::new(key, algorithm)
        })
    });
    let index = ALGORITHMS.iter().position(|a| *a == algorithm).unwrap();
    &ALL[index]
}

#[test]
fn layout() {
    for algorithm in ALGORITHMS {
        let envelope = envelope(algorithm);
        let sealed = envelope.seal(b"0123456789").unwrap();
        assert_eq!(sealed[..3], [1, 0, 12], "lengths of wrapped key and nonce");
        assert_eq!(sealed.len(), 3 + 256 + 12 + 10 + 16);
        assert_eq!(sealed.len() - 10, envelope.overhead_bytes());
        let again = envelope.seal(b"0123456789").unwrap();
        assert_ne!(sealed[3..], again[3..], "key and nonce are never the same");
        assert_eq!(envelope.open(envelope.seal(b"").unwrap()).unwrap(), "");
    }
}

#[test]
fn names() {
    for (name, want) in [
        ("", Some(Algorithm::Aes256Gcm)),
        ("aes256gcm-rsa", Some(Algorithm::Aes256Gcm)),
        ("chacha20-rsa", Some(Algorithm::ChaCha20Poly1305)),
        ("sm4gcm", Some(Algorithm::Sm4Gcm)),
        ("AES256GCM-RSA", None),
        ("rot13", None),
    ] {
        assert_eq!(Algorithm::parse(name).ok(), want, "{name}");
    }
}

/// Every byte matters.
#[test]
fn a_changed_byte_is_noticed() {
    for algorithm in ALGORITHMS {
        let sealed = envelope(algorithm).seal(&[7; 100]).unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.to_vec();
            changed[at] ^= 1;
            let error = envelope(algorithm).open(changed.into()).unwrap_err();
            assert!(
                matches!(error, CryptError::Damaged(_)),
                "byte {at}: {error}"
            );
        }
        for end in 0..sealed.len() {
            assert!(envelope(algorithm).open(sealed.slice(..end)).is_err());
        }
    }
}

#[test]
fn another_algorithm_or_key_does_not_open_it() {
    let sealed = envelope(Algorithm::Aes256Gcm).seal(b"x").unwrap();
    assert!(
        envelope(Algorithm::ChaCha20Poly1305)
            .open(sealed.clone())
            .is_err()
    );
    assert!(envelope(Algorithm::Sm4Gcm).open(sealed).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn there_and_back(data in proptest::collection::vec(any::<u8>(), 0..5000)) {
        for algorithm in ALGORITHMS {
            let sealed = envelope(algorithm).seal(&data).unwrap();
            // Shared bytes are copied, not written over.
            let shared = sealed.clone();
            prop_assert_eq!(&envelope(algorithm).open(sealed).unwrap(), &data);
            prop_assert_eq!(&envelope(algorithm).open(shared).unwrap(), &data);
        }
    }

    #[test]
    fn any_bytes_open_or_fail(
        data in proptest::collection::vec(any::<u8>(), 0..600),
        key_length in 0u16..600,
        nonce_length in 0u8..20,
    ) {
        let mut data = data;
        for algorithm in ALGORITHMS {
            let _ = envelope(algorithm).open(Bytes::from(data.clone()));
        }
        if data.len() > 3 {
            data[..2].copy_from_slice(&key_length.to_be_bytes());
            data[2] = nonce_length;
            let _ = envelope(Algorithm::Aes256Gcm).open(data.into());
        }
    }

    #[test]
    fn secrets(secret in ".{0,60}", noise in ".{0,60}") {
        let uuid = "d2ce019c-17af-444f-bd48-be825268d364";
        for algorithm in ALGORITHMS {
            let sealed = seal_secret(&secret, uuid, algorithm).unwrap();
            prop_assert_eq!(open_secret(&sealed, uuid, algorithm).unwrap(), secret.as_str());
            let _ = open_secret(&noise, uuid, algorithm);
        }
    }
}
