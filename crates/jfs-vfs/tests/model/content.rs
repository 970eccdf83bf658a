//! Bytes of a file, as simple as a sparse file can be: pages in a map.

use jfs_types::CHUNK_SIZE;
use std::collections::BTreeMap;
use std::ops::Range;

const PAGE: u64 = 4096;
/// Most bytes that are compared at once.
const WINDOW_MAX: u64 = 1 << 20;

#[derive(Clone, Default)]
pub(crate) struct Content {
    len: u64,
    pages: BTreeMap<u64, Vec<u8>>,
}

impl Content {
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn write(&mut self, off: u64, data: &[u8]) {
        let (mut at, mut rest) = (off, data);
        while !rest.is_empty() {
            let inside = (at % PAGE) as usize;
            let n = rest.len().min(PAGE as usize - inside);
            let page = self
                .pages
                .entry(at / PAGE)
                .or_insert_with(|| vec![0; PAGE as usize]);
            page[inside..inside + n].copy_from_slice(&rest[..n]);
            at += n as u64;
            rest = &rest[n..];
            self.len = self.len.max(at); // nothing written, nothing grown
        }
    }

    pub(crate) fn truncate(&mut self, len: u64) {
        self.len = len;
        self.pages.retain(|index, _| index * PAGE < len);
        if let Some(page) = self.pages.get_mut(&(len / PAGE)) {
            page[(len % PAGE) as usize..].fill(0);
        }
    }

    /// What a read gives: less than `size` bytes only at the end.
    pub(crate) fn read(&self, off: u64, size: u64) -> Vec<u8> {
        let size = self.len.saturating_sub(off).min(size);
        let mut out = vec![0; size as usize];
        let end = off + size;
        for (index, page) in self.pages.range(off / PAGE..end.div_ceil(PAGE)) {
            let start = index * PAGE;
            let (from, to) = (start.max(off), (start + PAGE).min(end));
            out[(from - off) as usize..(to - off) as usize]
                .copy_from_slice(&page[(from - start) as usize..(to - start) as usize]);
        }
        out
    }

    /// Ranges that are worth comparing: everything that was written and what lies around it, both
    /// ends, and the borders of chunks nearby. All of a small file.
    pub(crate) fn windows(&self) -> Vec<Range<u64>> {
        let mut spots: Vec<Range<u64>> =
            vec![0..PAGE, self.len.saturating_sub(PAGE)..self.len + 10];
        for index in self.pages.keys() {
            let start = index * PAGE;
            spots.push(start.saturating_sub(PAGE)..start + 2 * PAGE);
            let border = (start / CHUNK_SIZE + 1) * CHUNK_SIZE;
            spots.push(border - PAGE..border + PAGE);
        }
        spots.sort_by_key(|r| r.start);
        let mut windows: Vec<Range<u64>> = Vec::new();
        for spot in spots {
            match windows.last_mut() {
                Some(last) if spot.start <= last.end && spot.end - last.start <= WINDOW_MAX => {
                    last.end = last.end.max(spot.end);
                }
                _ => windows.push(spot),
            }
        }
        windows
    }
}
