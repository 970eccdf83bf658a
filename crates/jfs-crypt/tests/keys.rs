//! Private keys in every form that users have, and what is refused.
#![allow(clippy::unwrap_used, reason = "tests")]

use jfs_crypt::{Algorithm, CryptError, Envelope, PrivateKey};
use std::path::Path;

const PASSPHRASE: &str = "sesame";

fn pem(name: &str) -> String {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys");
    std::fs::read_to_string(dir.join(format!("{name}.pem"))).unwrap()
}

fn read(name: &str, passphrase: &str) -> Result<PrivateKey, CryptError> {
    PrivateKey::from_pem(&pem(name), passphrase)
}

#[test]
fn one_key_in_every_form() {
    let first = Envelope::new(read("rsa", "").unwrap(), Algorithm::default());
    let sealed = first.seal(b"contents").unwrap();
    for (name, protected) in [
        ("rsa", false),
        ("rsa-aes128", true),
        ("rsa-aes192", true),
        ("rsa-aes256", true),
        ("rsa-des3", true),
        ("pkcs8", false),
        ("pkcs8-aes256", true),
        ("pkcs8-des3", true),
        ("pkcs8-scrypt", true),
    ] {
        let key = read(name, PASSPHRASE).unwrap_or_else(|e| panic!("{name}: {e}"));
        let envelope = Envelope::new(key, Algorithm::default());
        assert_eq!(envelope.open(sealed.clone()).unwrap(), "contents", "{name}");
        let without = read(name, "");
        let wrong = read(name, "Sesame");
        if protected {
            assert_eq!(
                without.unwrap_err(),
                CryptError::PassphraseMissing,
                "{name}"
            );
            assert_eq!(wrong.unwrap_err(), CryptError::PassphraseWrong, "{name}");
        } else {
            // A passphrase for an unprotected key is ignored.
            assert!(without.is_ok() && wrong.is_ok(), "{name}");
        }
    }
}

/// Around the key there may be text, and lines may end as on Windows.
#[test]
fn surroundings_do_not_matter() {
    let text = format!("Bag Attributes\n  name: x\n{}\n", pem("pkcs8"));
    assert!(PrivateKey::from_pem(&text, "").is_ok());
    let text = pem("rsa-aes256").replace('\n', "\r\n");
    assert!(PrivateKey::from_pem(&text, PASSPHRASE).is_ok());
    let text = format!("{}{}", pem("public"), pem("rsa"));
    assert!(PrivateKey::from_pem(&text, "").is_ok());
}

#[test]
fn other_keys_are_refused_by_name() {
    for (name, want) in [
        (
            "sm2",
            "SM2 keys are not supported: an RSA private key is needed",
        ),
        (
            "ec",
            "elliptic curve keys are not supported: an RSA private key is needed",
        ),
        (
            "public",
            "PUBLIC KEY keys are not supported: an RSA private key is needed",
        ),
        ("small", "RSA keys of 2048 to 8192 bits are supported"),
        (
            "pkcs8-pbes1",
            "the protection of the private key is not supported",
        ),
    ] {
        let error = read(name, PASSPHRASE).unwrap_err();
        assert!(
            matches!(error, CryptError::KeyUnsupported(_)),
            "{name}: {error:?}"
        );
        assert!(error.to_string().starts_with(want), "{name}: {error}");
    }
    let sealed = pem("rsa-aes256").replace("AES-256-CBC", "CAMELLIA-256-CBC");
    let error = PrivateKey::from_pem(&sealed, PASSPHRASE).unwrap_err();
    assert!(error.to_string().contains("CAMELLIA-256-CBC"), "{error}");
}

/// Whatever is no key is an error, and neither the key nor the passphrase is in its text.
#[test]
fn no_text_makes_it_panic() {
    let whole = pem("rsa-aes256");
    for text in ["", "no key", "-----BEGIN RSA PRIVATE KEY-----\n", "\0"] {
        assert!(PrivateKey::from_pem(text, PASSPHRASE).is_err(), "{text:?}");
    }
    for end in (0..whole.len()).step_by(7) {
        let _ = PrivateKey::from_pem(&whole[..end], PASSPHRASE);
    }
    for name in ["rsa", "pkcs8", "pkcs8-aes256", "rsa-aes256"] {
        let text = pem(name);
        for at in (0..text.len()).step_by(31) {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            if let Err(error) = PrivateKey::from_pem(&changed, PASSPHRASE) {
                let shown = format!("{error} {error:?}");
                assert!(!shown.contains(PASSPHRASE) && shown.len() < 200, "{shown}");
            }
        }
    }
    let key = read("rsa", "").unwrap();
    assert_eq!(format!("{key:?}"), "PrivateKey(RSA, 2048 bits)");
}
