//! Extended attributes.
//!
//! Names and values are bytes. The names of ACLs are not known here: see [`super::acl`].

use super::acl::names_of_acls;
use crate::change_log::Event;
use crate::engine::{Answer, Key, Write, hold, own};
use crate::meta::Meta;
use crate::proof::Proof;
use crate::run::Operation;
use crate::txn::{Stop, Txn};
use bytes::Bytes;
use jfs_types::{Errno, Ino};

/// Longest name, bytes.
const NAME_MAX: usize = 255;
/// Longest value, bytes.
const VALUE_MAX: usize = 65536;

/// The expectation of [`Meta::set_xattr`] about an existing value. The numbers are those of the flags of
/// setxattr(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SetXattr {
    /// Either.
    Any = 0,
    /// Nothing: EEXIST otherwise.
    Create = 1,
    /// A value: ENODATA otherwise.
    Replace = 2,
}

struct Set {
    ino: Ino,
    name: Bytes,
    value: Bytes,
    how: SetXattr,
}

struct Remove {
    ino: Ino,
    name: Bytes,
}

impl Meta {
    /// Sets an extended attribute; no time changes, as with the reference client. EINVAL for an empty
    /// name, ERANGE for a name above 255 or a value above 65536 bytes.
    pub async fn set_xattr(
        &self,
        ino: Ino,
        name: &[u8],
        value: &[u8],
        how: SetXattr,
    ) -> Result<(), Errno> {
        refuse_trash(ino)?;
        let name = checked(name)?;
        if value.len() > VALUE_MAX {
            return Err(Errno::ERANGE);
        }
        let value = Bytes::copy_from_slice(value);
        let op = Set {
            ino,
            name,
            value,
            how,
        };
        self.transact(&op).await
    }

    /// Value of an extended attribute; ENODATA when there is none. One round trip.
    pub async fn get_xattr(&self, ino: Ino, name: &[u8]) -> Result<Bytes, Errno> {
        let key = Key::Xattr(ino, checked(name)?);
        let answers = self.within("getxattr", self.fetch(&[key])).await?;
        match answers.into_iter().next().map(Answer::into_bytes) {
            Some(Ok(Some(value))) => Ok(value),
            Some(Ok(None)) => Err(Errno::ENODATA),
            _ => Err(Errno::EIO),
        }
    }

    /// Names of all extended attributes, sorted, then those of the ACLs. ENOENT without an inode. One
    /// round trip.
    pub async fn list_xattrs(&self, ino: Ino) -> Result<Vec<Bytes>, Errno> {
        if ino == Ino::TRASH {
            return Err(Errno::ENODATA);
        }
        let keys = [Key::Xattrs(ino), Key::Attr(ino)];
        let mut answers = self
            .within("listxattr", self.fetch(&keys))
            .await?
            .into_iter();
        let names = answers.next().map(Answer::into_names);
        let attr = answers.next().map(Answer::into_attr);
        match (names, attr) {
            (Some(Ok(mut names)), Some(Ok(Some(attr)))) => {
                names.extend(names_of_acls(&attr));
                Ok(names)
            }
            (_, Some(Ok(None))) => Err(Errno::ENOENT),
            _ => Err(Errno::EIO),
        }
    }

    /// Removes an extended attribute; ENODATA when there is none.
    pub async fn remove_xattr(&self, ino: Ino, name: &[u8]) -> Result<(), Errno> {
        refuse_trash(ino)?;
        let name = checked(name)?;
        self.transact(&Remove { ino, name }).await
    }
}

/// `.trash` and its hour directories stay as they are.
fn refuse_trash(ino: Ino) -> Result<(), Errno> {
    match ino.is_trash() {
        true => Err(Errno::EPERM),
        false => Ok(()),
    }
}

fn checked(name: &[u8]) -> Result<Bytes, Errno> {
    match name.len() {
        0 => Err(Errno::EINVAL),
        1..=NAME_MAX => Ok(Bytes::copy_from_slice(name)),
        _ => Err(Errno::ERANGE),
    }
}

impl Operation for Set {
    type Out = ();
    const NAME: &'static str = "setxattr";

    fn locks(&self) -> Vec<Ino> {
        vec![self.ino]
    }

    async fn attempt(&self, _: &Meta, tx: &mut Txn) -> Result<(), Stop> {
        // Without an inode the attribute would stay for ever.
        let key = Key::Xattr(self.ino, self.name.clone());
        tx.load(&[hold(Key::Attr(self.ino)), own(key.clone())])
            .await?;
        if tx.attr(self.ino)?.is_none() {
            return Err(Errno::ENOENT.into());
        }
        let exists = tx.bytes(&key)?.is_some();
        match self.how {
            SetXattr::Create if exists => return Err(Errno::EEXIST.into()),
            SetXattr::Replace if !exists => return Err(Errno::ENODATA.into()),
            _ => {}
        }
        tx.log(&Event::SetXattr {
            ino: self.ino,
            name: &self.name,
            value: &self.value,
            flags: self.how as u8,
        });
        tx.write(Write::PutXattr {
            ino: self.ino,
            name: self.name.clone(),
            value: self.value.clone(),
        })
    }

    fn proof(&self, _: &()) -> Proof {
        let value = self.value.clone();
        let ours = move |a: &Answer| matches!(a, Answer::Bytes(Some(v)) if *v == value);
        Proof::Record(Key::Xattr(self.ino, self.name.clone()), Box::new(ours))
    }
}

impl Operation for Remove {
    type Out = ();
    const NAME: &'static str = "removexattr";

    fn locks(&self) -> Vec<Ino> {
        vec![self.ino]
    }

    async fn attempt(&self, _: &Meta, tx: &mut Txn) -> Result<(), Stop> {
        let key = Key::Xattr(self.ino, self.name.clone());
        tx.load(&[own(key.clone())]).await?;
        if tx.bytes(&key)?.is_none() {
            return Err(Errno::ENODATA.into());
        }
        tx.log(&Event::RemoveXattr {
            ino: self.ino,
            name: &self.name,
        });
        tx.write(Write::DelXattr {
            ino: self.ino,
            name: self.name.clone(),
        })
    }

    fn proof(&self, _: &()) -> Proof {
        Proof::bytes_are_gone(Key::Xattr(self.ino, self.name.clone()))
    }
}
