//! The secrets in a setting: sealed while stored, open while used.

use crate::Error;
use jfs_crypt::{Algorithm, CryptError, REMOVED, open_secret, seal_secret};
use jfs_types::Format;

/// Secrets to be set anew; `None` keeps what is there.
#[derive(Clone, Default)]
pub struct NewSecrets {
    /// Secret key of the object storage.
    pub secret_key: Option<String>,
    /// Session token of the object storage.
    pub session_token: Option<String>,
}

/// The setting with other secrets, sealed if it was sealed before. A secret that was removed from
/// the setting can be set again so.
pub fn with_secrets(format: &Format, new: NewSecrets) -> Result<Format, Error> {
    let mut changed = format.clone();
    let algorithm = algorithm(format)?;
    let sealed = format.key_encrypted && has_secrets(format);
    let replace = |field: &mut String, secret: Option<String>| -> Result<(), Error> {
        if let Some(secret) = secret {
            *field = match sealed {
                true => seal_secret(&secret, &format.uuid, algorithm).map_err(unusable)?,
                false => secret,
            };
        }
        Ok(())
    };
    replace(&mut changed.secret_key, new.secret_key)?;
    replace(&mut changed.session_token, new.session_token)?;
    sealed_if_new(format, changed)
}

/// A volume that had no secret so far has its first one sealed; one that has none any more has
/// nothing that is sealed.
fn sealed_if_new(old: &Format, changed: Format) -> Result<Format, Error> {
    match (has_secrets(old), has_secrets(&changed)) {
        (true, true) => Ok(changed),
        (_, false) => Ok(Format {
            key_encrypted: false,
            ..changed
        }),
        (false, true) => seal(Format {
            key_encrypted: false,
            ..changed
        }),
    }
}

/// Seals the secrets of a setting, if there are any and they are not sealed.
pub(crate) fn seal(mut format: Format) -> Result<Format, Error> {
    if format.key_encrypted || !has_secrets(&format) {
        return Ok(format);
    }
    let (algorithm, uuid) = (algorithm(&format)?, format.uuid.clone());
    for secret in secrets(&mut format) {
        *secret = seal_secret(secret, &uuid, algorithm).map_err(unusable)?;
    }
    format.key_encrypted = true;
    Ok(format)
}

/// The setting with its secrets open.
pub(crate) fn open(format: &Format) -> Result<Format, Error> {
    let mut format = format.clone();
    let (sealed, uuid) = (format.key_encrypted, format.uuid.clone());
    let algorithm = algorithm(&format)?;
    for secret in secrets(&mut format) {
        if sealed {
            *secret = open_secret(secret, &uuid, algorithm).map_err(unusable)?;
        } else if secret == REMOVED {
            return Err(unusable(CryptError::SecretRemoved));
        }
    }
    format.key_encrypted = false;
    Ok(format)
}

fn secrets(format: &mut Format) -> [&mut String; 3] {
    [
        &mut format.secret_key,
        &mut format.session_token,
        &mut format.encrypt_key,
    ]
}

fn has_secrets(format: &Format) -> bool {
    let secrets = [
        &format.secret_key,
        &format.session_token,
        &format.encrypt_key,
    ];
    secrets.iter().any(|secret| !secret.is_empty())
}

fn algorithm(format: &Format) -> Result<Algorithm, Error> {
    // Without any secret a strange name harms nobody.
    match has_secrets(format) {
        true => Algorithm::parse(&format.encrypt_algo).map_err(unusable),
        false => Ok(Algorithm::default()),
    }
}

fn unusable(e: CryptError) -> Error {
    Error::setting(format!("the secrets of the volume: {e}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn volume(algorithm: &str) -> Format {
        Format {
            uuid: "d2ce019c-17af-444f-bd48-be825268d364".into(),
            encrypt_algo: algorithm.into(),
            ..Format::default()
        }
    }

    #[test]
    fn sealed_and_open_again() {
        for algorithm in ["", "aes256gcm-rsa", "chacha20-rsa", "sm4gcm"] {
            let mut plain = volume(algorithm);
            plain.secret_key = "s3cret".into();
            plain.encrypt_key = "-----BEGIN".into();
            let sealed = seal(plain.clone()).unwrap();
            assert!(sealed.key_encrypted && sealed.session_token.is_empty());
            assert!(!sealed.to_json().contains("s3cret"), "{algorithm}");
            assert_eq!(open(&sealed).unwrap(), plain, "{algorithm}");
            let mut other = sealed;
            other.uuid = other.uuid.replace('d', "e");
            assert!(open(&other).is_err(), "{algorithm}: another volume's key");
        }
    }

    /// Sealed by the reference client.
    #[test]
    fn the_references_seal_opens() {
        let mut format = volume("aes256gcm-rsa");
        format.key_encrypted = true;
        format.secret_key = "2JyiT8P9vz8MbqofKLcN9PQnrOGB+4FOuBOgTC8vOcitvbXlFXW/XrDxKw==".into();
        assert_eq!(open(&format).unwrap().secret_key, "jfs-test-secret");
    }

    #[test]
    fn new_secrets_are_stored_as_the_old_ones() {
        let new = |secret: &str| NewSecrets {
            secret_key: Some(secret.into()),
            ..NewSecrets::default()
        };
        // Nothing before: sealed from now on.
        let first = with_secrets(&volume(""), new("one")).unwrap();
        assert!(first.key_encrypted);
        let second = with_secrets(&first, new("two")).unwrap();
        assert_eq!(open(&second).unwrap().secret_key, "two");
        // Old volumes have them in plain text, and keep that.
        let mut old = volume("");
        old.secret_key = "one".into();
        let kept = with_secrets(&old, new("two")).unwrap();
        assert_eq!(
            (kept.secret_key.as_str(), kept.key_encrypted),
            ("two", false)
        );
        // Left out of a dump: refused until it is set again.
        let mut dumped = first;
        dumped.secret_key = REMOVED.into();
        assert!(open(&dumped).unwrap_err().to_string().contains("removed"));
        assert!(open(&with_secrets(&dumped, new("three")).unwrap()).is_ok());
    }
}
