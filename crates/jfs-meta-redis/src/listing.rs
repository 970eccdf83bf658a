//! Listing directories.

use crate::errors::{name_record, undecodable};
use crate::layout;
use crate::resp::Replies;
use crate::shared::Shared;
use jfs_meta::EngineError;
use jfs_meta::engine::{DirCursor, DirEntry, DirPage};
use jfs_meta::wire::{decode_attr, decode_entry};
use jfs_types::{Ino, Name};

/// Entries asked for at a time; the server may return some more.
const PAGE: &[u8] = b"10000";
/// Attributes per command: the server does nothing else while it runs one.
const ATTRS: usize = 1000;

/// See [`jfs_meta::Engine::list_dir`]. One round trip, with attributes two.
pub(crate) async fn page(
    shared: &Shared,
    dir: Ino,
    cursor: &DirCursor,
    with_attrs: bool,
) -> Result<DirPage, EngineError> {
    let mut cursor = match cursor {
        DirCursor::Start => 0,
        DirCursor::Token(token) => *token,
        DirCursor::After(_) => {
            return Err(EngineError::Fatal("a listing on Redis goes on at a token, not after a name".into()));
        }
    };
    let mut page = DirPage::default();
    loop {
        let (next, entries) = names(shared, dir, cursor).await?;
        page.entries = entries;
        page.next = (next != 0).then_some(DirCursor::Token(next));
        // The server may have looked at many places that were empty.
        if next == 0 || !page.entries.is_empty() {
            break;
        }
        cursor = next;
    }
    if with_attrs && !page.entries.is_empty() {
        add_attrs(shared, &mut page.entries).await?;
    }
    Ok(page)
}

async fn names(shared: &Shared, dir: Ino, cursor: u64) -> Result<(u64, Vec<DirEntry>), EngineError> {
    let (key, from) = (layout::dir(dir), layout::number(cursor));
    shared
        .ask(
            |r| r.call(&[b"HSCAN", &key, &from, b"COUNT", PAGE]),
            |replies| {
                let (next, fields) = scan_head(replies)?;
                let mut entries = Vec::with_capacity(fields / 2);
                for _ in 0..fields / 2 {
                    let name = Name::stored(replies.bytes()?);
                    let entry = decode_entry(replies.bytes()?)
                        .map_err(|e| name_record(undecodable(e), || format!("{key} {name}")))?;
                    entries.push(DirEntry { name, entry, attr: None });
                }
                Ok((next, entries))
            },
        )
        .await
        .map_err(|e| match e {
            EngineError::Corrupt { record, reason } if record == "a key" => {
                EngineError::Corrupt { record: key.to_string(), reason }
            }
            e => e,
        })
}

/// The head of a scan's reply: where it goes on, and how many values follow.
pub(crate) fn scan_head(replies: &mut Replies<'_>) -> Result<(u64, usize), EngineError> {
    let parts = replies.elements()?;
    let cursor = replies.bytes()?;
    match (parts, layout::parse_number(cursor)) {
        (2, Some(next)) => Ok((next, replies.elements()?)),
        _ => Err(EngineError::Fatal("a scan was answered with something else".to_string())),
    }
}

async fn add_attrs(shared: &Shared, entries: &mut [DirEntry]) -> Result<(), EngineError> {
    let inodes: Vec<Ino> = entries.iter().map(|e| e.entry.ino).collect();
    shared
        .ask(
            |r| {
                for some in inodes.chunks(ATTRS) {
                    r.begin(1 + some.len());
                    r.word(b"MGET");
                    some.iter().for_each(|ino| r.word(&layout::attr(*ino)));
                }
            },
            |replies| {
                for some in entries.chunks_mut(ATTRS) {
                    if replies.elements()? != some.len() {
                        return Err(EngineError::Fatal("MGET answered a different number".to_string()));
                    }
                    for e in some {
                        e.attr = replies.bulk()?.map(decode_attr).transpose().map_err(|bad| {
                            name_record(undecodable(bad), || layout::attr(e.entry.ino).to_string())
                        })?;
                    }
                }
                Ok(())
            },
        )
        .await
}
