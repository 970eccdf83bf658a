//! Directory handles: listings page by page, in bounded memory.

mod kernel_listings;
mod listing;
mod open_directories;
mod sorted;

use crate::reply::{AttrReply, DirItem, DirItems};
use crate::vfs::Vfs;
use jfs_meta::engine::{DirCursor, DirEntry, DirPage};
use jfs_meta::{SetAttr, SetTime};
use jfs_types::{Caller, Errno, FileType, Ino, Name};
pub(crate) use kernel_listings::KernelListings;
use listing::Dropped;
use listing::Fetch;
pub(crate) use listing::Listing;
pub(crate) use open_directories::OpenDirectories;
use sorted::Collect;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Where the number of the listing is in a position that the kernel may keep.
const LISTING_SHIFT: u32 = 32;
const POSITION_MASK: u64 = (1 << LISTING_SHIFT) - 1;
/// Listings are numbered so far, then anew: positions stay positive.
const LISTINGS_MAX: u64 = 1 << 30;

/// What all listings of a mount share.
#[derive(Default)]
pub(crate) struct Dirs {
    pub(crate) kernel_listings: KernelListings,
    pub(crate) open_directories: OpenDirectories,
    number: AtomicU64,
}

impl Vfs {
    /// Opens a directory for listing.
    ///
    /// Where permissions are checked here: EACCES without the one to read, ENOTDIR, ENOENT; one round
    /// trip. Otherwise none, and no errors.
    pub async fn opendir(&self, caller: &Caller, ino: Ino) -> Result<u64, Errno> {
        if let Some(fh) = self.try_opendir(caller, ino) {
            return Ok(fh);
        }
        let dir = self.real(ino);
        if !self.inner.meta.getattr(dir).await?.is_dir() {
            return Err(Errno::ENOTDIR);
        }
        let read = jfs_meta::perm::READ;
        self.inner.meta.access(caller, dir, read).await?;
        Ok(self.open_dir(dir))
    }

    fn open_dir(&self, dir: Ino) -> u64 {
        // The kernel may go on with what it has of this listing.
        let kept = self.inner.dirs.kernel_listings.of(dir);
        self.inner.dirs.open_directories.open(dir);
        self.inner.handles.open_dir(dir, kept)
    }

    /// As [`Vfs::opendir`] where nothing has to be checked.
    pub fn try_opendir(&self, caller: &Caller, ino: Ino) -> Option<u64> {
        let unchecked = !caller.check_permission;
        unchecked.then(|| self.open_dir(self.real(ino)))
    }

    /// Whether what the kernel has cached of a directory's listing may be used once more, for
    /// [`crate::VfsConfig::readdir_cache`].
    pub fn may_keep_listing(&self, ino: Ino) -> bool {
        self.inner.dirs.kernel_listings.of(self.real(ino)).is_some()
    }

    /// Some items of an open directory, from position `offset` on, `.` and `..` first; none at the end.
    /// Each item says at which position the listing goes on after it.
    ///
    /// An entry that exists during the whole of a listing is in it exactly once. A listing begins when
    /// `offset` is 0; its positions stay valid until then. Memory: one page of the directory (2,000
    /// to 10,000 entries), and some 8 to 24 bytes per entry listed, for up to 2^20 entries.
    ///
    /// Errors: EBADF for a handle that is not open. Any number of tasks may use one handle.
    pub async fn readdir(&self, fh: u64, offset: u64) -> Result<DirItems, Errno> {
        let handle = self.inner.handles.get(fh).ok_or(Errno::EBADF)?;
        let known = handle.listing.lock().clone();
        let known = known.filter(|l| l.position(offset).is_some());
        let listing =
            match known.or_else(|| self.inner.dirs.kernel_listings.find(handle.ino, offset)) {
                Some(listing) => listing,
                None => self.begin(handle.ino).await?,
            };
        *handle.listing.lock() = Some(listing.clone());
        // A position of a listing that nobody knows any more is taken for one of this listing.
        let mut position = listing.position(offset).unwrap_or(offset & POSITION_MASK);
        loop {
            match listing.at(&mut position) {
                Ok(items) => return Ok(items),
                Err(fetch) => self.fetch_page(&listing, fetch).await?,
            }
        }
    }

    /// As [`Vfs::readdir`] when the items are in memory.
    pub fn try_readdir(&self, fh: u64, offset: u64) -> Option<DirItems> {
        let listing = self.inner.handles.get(fh)?.listing.lock().clone()?;
        listing.at(&mut listing.position(offset)?).ok()
    }

    /// Closes a directory handle.
    pub fn releasedir(&self, fh: u64) {
        if let Some(handle) = self.inner.handles.close(fh) {
            self.inner.dirs.open_directories.close(handle.ino);
        }
    }

    /// What is shown of a directory that does not exist any more, to those who have it open or stand in it.
    /// Nothing of one that another client has removed and nobody has open here: its name may lead to a new one.
    pub(crate) fn removed_dir(&self, ino: Ino) -> Option<AttrReply> {
        let known = self.inner.meta.removed_dir(ino);
        let mut attr = known.or_else(|| self.inner.dirs.open_directories.attr(ino))?;
        attr.nlink = 0;
        Some(AttrReply {
            ino: self.shown(ino),
            attr,
            ttl: Duration::ZERO,
        })
    }

    /// Changes what is shown of a removed directory. Nothing of it is stored any more, and the kernel has
    /// checked who asks.
    pub(crate) fn change_removed_dir(&self, ino: Ino, set: &SetAttr) -> Option<AttrReply> {
        let mut reply = self.removed_dir(ino)?;
        let (attr, now) = (&mut reply.attr, self.inner.meta.now());
        let time = |set: Option<SetTime>, old| match set {
            None => old,
            Some(SetTime::Now) => now,
            Some(SetTime::At(time)) => time,
        };
        attr.mode = set.mode.map_or(attr.mode, |mode| mode & 0o7777);
        attr.uid = set.uid.unwrap_or(attr.uid);
        attr.gid = set.gid.unwrap_or(attr.gid);
        attr.atime = time(set.atime, attr.atime);
        attr.mtime = time(set.mtime, attr.mtime);
        attr.ctime = now;
        self.inner.dirs.open_directories.note(ino, attr);
        self.inner.meta.set_removed_dir(ino, attr.clone());
        Some(reply)
    }

    /// Begins a listing and reads what it begins with.
    async fn begin(&self, dir: Ino) -> Result<Arc<Listing>, Errno> {
        let dot = |name: &[u8]| DirItem {
            ino: self.shown(dir),
            kind: FileType::Directory,
            name: Name::stored(name),
            attr: None,
            next: 0,
        };
        let mut head = vec![dot(b"."), dot(b"..")];
        head.extend(self.special_items(dir).await);
        if !self.inner.config.readdir_cache {
            let listing = Arc::new(Listing::new(dir, 0, head));
            self.read_first(&listing).await?;
            return Ok(listing);
        }
        let number = self.inner.dirs.number.fetch_add(1, Ordering::Relaxed) % LISTINGS_MAX + 1;
        let listing = Arc::new(Listing::new(dir, number << LISTING_SHIFT, head));
        let skip = self.inner.meta.config().skip_dir_mtime;
        let at_rest = match self.inner.meta.getattr(dir).await {
            Ok(attr) => kernel_listings::at_rest(&attr, self.inner.meta.now(), skip),
            // Removed while it is open: it shows as empty.
            Err(Errno::ENOENT) => false,
            Err(e) => return Err(e),
        };
        self.read_first(&listing).await?;
        self.inner.dirs.kernel_listings.begins(&listing, at_rest);
        Ok(listing)
    }

    async fn read_first(&self, listing: &Listing) -> Result<(), Errno> {
        let start = (DirCursor::Start, listing.len());
        let mut page = self.page(listing.dir, &start.0).await?;
        if self.inner.config.sort_dir {
            match page.next {
                // Engines with an order have this one.
                Some(DirCursor::After(_)) => {}
                Some(_) => return self.sort(listing, page).await,
                None => page.entries.sort_by(|a, b| a.name.cmp(&b.name)),
            }
        }
        listing.add(start, self.items(page.entries), page.next);
        Ok(())
    }

    /// Reads all names of a directory after its first page, to show them in order.
    async fn sort(&self, listing: &Listing, first: DirPage) -> Result<(), Errno> {
        let mut names = Collect::default();
        let mut next = first.next.clone();
        for e in &first.entries {
            names.add(e.name.clone(), e.entry);
        }
        while let Some(cursor) = next {
            let page = self
                .inner
                .meta
                .readdir(&UNCHECKED, listing.dir, &cursor, false);
            let page = page.await?;
            for e in page.entries {
                if !names.add(e.name, e.entry) {
                    tracing::warn!("{:?} has too many entries to be sorted", listing.dir);
                    let start = (DirCursor::Start, listing.len());
                    listing.add(start, self.items(first.entries), first.next);
                    return Ok(());
                }
            }
            next = page.next;
        }
        listing.set_sorted(names.sorted());
        Ok(())
    }

    async fn fetch_page(&self, listing: &Listing, fetch: Fetch) -> Result<(), Errno> {
        match fetch {
            Fetch::Next(cursor, at) => {
                let page = self.page(listing.dir, &cursor).await?;
                listing.add((cursor, at), self.items(page.entries), page.next);
            }
            Fetch::Again(dropped) => self.read_again(listing, dropped).await?,
            Fetch::Sorted(from) => {
                let (first, names) = listing.sorted_part(from);
                let inos: Vec<Ino> = names.iter().map(|(_, entry)| entry.ino).collect();
                let attrs = self.inner.meta.getattrs(&inos).await?;
                let entries = names.into_iter().zip(attrs);
                let entries = entries.map(|((name, entry), attr)| DirEntry { name, entry, attr });
                listing.show_sorted(first, self.items(entries.collect()));
            }
        }
        Ok(())
    }

    async fn read_again(&self, listing: &Listing, dropped: Dropped) -> Result<(), Errno> {
        let places = listing.places(&dropped);
        let mut found = Vec::new();
        let mut cursor = dropped.cursor.clone();
        loop {
            let page = self.page(listing.dir, &cursor).await?;
            let placed = page.entries.into_iter().filter_map(|e| {
                let place = listing.place(&places, &e.name)?;
                Some((place, e))
            });
            let (at, entries): (Vec<u64>, Vec<DirEntry>) = placed.unzip();
            found.extend(at.into_iter().zip(self.items(entries)));
            match page.next {
                Some(next) if !dropped.ends_at(Some(&next)) => cursor = next,
                _ => break,
            }
        }
        listing.put_back(&dropped, found);
        Ok(())
    }

    /// A page of a directory whose reading was allowed when it was opened.
    async fn page(&self, dir: Ino, cursor: &DirCursor) -> Result<DirPage, Errno> {
        self.inner.meta.readdir(&UNCHECKED, dir, cursor, true).await
    }

    /// Entries as they are known outside; the kernel is told their attributes.
    fn items(&self, entries: Vec<DirEntry>) -> Vec<DirItem> {
        let item = |e: DirEntry| {
            let attr = e.attr.map(|attr| self.tell_kernel(e.entry.ino, attr));
            DirItem {
                ino: self.shown(e.entry.ino),
                kind: e.entry.kind,
                name: e.name,
                attr,
                next: 0,
            }
        };
        entries.into_iter().map(item).collect()
    }
}

/// The mount itself, after the caller was checked.
static UNCHECKED: Caller = Caller {
    uid: 0,
    gid: 0,
    groups: Vec::new(),
    pid: 0,
    check_permission: false,
};
