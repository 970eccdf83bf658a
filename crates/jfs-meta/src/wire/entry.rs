//! The value of a directory entry: type byte and inode.

use super::WireError;
use jfs_types::{Entry, FileType, Ino};

/// Encodes an entry: 9 bytes.
pub fn encode_entry(e: Entry) -> [u8; 9] {
    let mut b = [0; 9];
    b[0] = e.kind as u8;
    b[1..].copy_from_slice(&e.ino.0.to_be_bytes());
    b
}

/// Decodes an entry. Never panics.
pub fn decode_entry(bytes: &[u8]) -> Result<Entry, WireError> {
    let (kind, ino) = match bytes {
        [kind, ino @ ..] if ino.len() == 8 => (*kind, ino),
        _ => {
            return Err(WireError(format!(
                "entry of {} bytes, 9 expected",
                bytes.len()
            )));
        }
    };
    let kind = FileType::from_number(kind)
        .ok_or_else(|| WireError(format!("entry with file type {kind}")))?;
    let mut be = [0; 8];
    be.copy_from_slice(ino);
    Ok(Entry {
        kind,
        ino: Ino(u64::from_be_bytes(be)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_bytes_there_and_back() {
        let e = Entry {
            kind: FileType::Socket,
            ino: Ino(0x0102_0304_0506_0708),
        };
        assert_eq!(encode_entry(e), [7, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(decode_entry(&encode_entry(e)), Ok(e));
        for bad in [&[][..], &[1; 8], &[1; 10], &[0; 9], &[8; 9]] {
            assert!(decode_entry(bad).is_err());
        }
    }
}
