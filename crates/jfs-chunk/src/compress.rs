//! Block compression, as the volume's setting says.

use bytes::Bytes;

/// How blocks are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Compression {
    /// As they are.
    #[default]
    None,
    /// One LZ4 block, always, even when it is larger than the input.
    Lz4,
    /// One Zstandard frame of level 1.
    Zstd,
}

impl Compression {
    /// Stored form of a block.
    pub(crate) fn encode(self, data: &Bytes) -> Result<Bytes, String> {
        match self {
            Compression::None => Ok(data.clone()),
            Compression::Lz4 => {
                let mut out = vec![0; lz4_flex::block::get_maximum_output_size(data.len())];
                let n =
                    lz4_flex::block::compress_into(data, &mut out).map_err(|e| e.to_string())?;
                out.truncate(n);
                Ok(out.into())
            }
            Compression::Zstd => zstd::bulk::compress(data, 1)
                .map(Bytes::from)
                .map_err(|e| e.to_string()),
        }
    }

    /// The block from its stored form; an error unless it has exactly `size` bytes. Never panics, and
    /// needs memory for `size` bytes, whatever the stored form announces.
    pub fn decode(self, stored: Bytes, size: usize) -> Result<Bytes, String> {
        let data = match self {
            Compression::None => stored,
            Compression::Lz4 => {
                let mut out = vec![0; size];
                let n = lz4_flex::block::decompress_into(&stored, &mut out)
                    .map_err(|e| e.to_string())?;
                out.truncate(n);
                out.into()
            }
            Compression::Zstd => zstd::bulk::decompress(&stored, size)
                .map(Bytes::from)
                .map_err(|e| e.to_string())?,
        };
        if data.len() != size {
            return Err(format!("{} bytes where {size} are needed", data.len()));
        }
        Ok(data)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Compression; 3] = [Compression::None, Compression::Lz4, Compression::Zstd];

    #[test]
    fn one_byte_block_as_the_reference_stores_it() {
        assert_eq!(
            Compression::Lz4.encode(&Bytes::from_static(b"x")).unwrap(),
            b"\x10x"[..]
        );
    }

    proptest! {
        #[test]
        fn there_and_back(data in proptest::collection::vec(any::<u8>(), 0..3000), runs in 0usize..5000) {
            let mut data = data;
            data.extend(std::iter::repeat_n(7, runs));
            let data = Bytes::from(data);
            for c in ALL {
                let stored = c.encode(&data).unwrap();
                prop_assert_eq!(&c.decode(stored.clone(), data.len()).unwrap(), &data);
                prop_assert!(c.decode(stored, data.len() + 1).is_err());
            }
        }

        #[test]
        fn any_bytes_decode_or_fail(data in proptest::collection::vec(any::<u8>(), 0..300), size in 0usize..1000) {
            for c in ALL {
                let _ = c.decode(Bytes::from(data.clone()), size);
            }
        }
    }
}
