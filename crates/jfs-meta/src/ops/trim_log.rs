//! Trimming the change log, by the age and the number of its entries.

use crate::engine::LogHead;
use crate::meta::Meta;
use crate::run::patiently;
use jfs_types::{Errno, Format};

/// Entries looked at in one step.
const STEP: usize = 1000;
/// Steps of one run: a million entries.
const STEPS_MAX: usize = 1000;

impl Meta {
    /// Removes the oldest entries of the change log: those older than `ChangeLogMaxAge`, and those beyond the
    /// newest `ChangeLogMaxLines`. Returns how many. Nothing on a volume without a change log. Three round
    /// trips for each 1000 entries; a million entries at most.
    pub async fn trim_change_log(&self) -> Result<u64, Errno> {
        let failed = |e| self.to_errno("trim_log", &e);
        let mut removed = 0;
        for _ in 0..STEPS_MAX {
            self.check_writable()?;
            let format = self.format();
            if !format.change_log {
                break;
            }
            let head = patiently(|| self.engine().log_head(STEP)).await;
            let head = head.map_err(failed)?;
            let old = expired(&head, &format, self.now().sec);
            let Some((last, _)) = old.last() else { break };
            let trimmed = patiently(|| self.engine().trim_log(*last)).await;
            trimmed.map_err(failed)?;
            removed += old.len() as u64;
            if old.len() < head.entries.len() {
                break;
            }
        }
        Ok(removed)
    }
}

/// The entries in front that have to go. Limits of 0 and less are none.
fn expired<'a>(head: &'a LogHead, format: &Format, now_sec: i64) -> &'a [(u64, String)] {
    let lines = format.change_log_max_lines;
    let surplus = match lines > 0 {
        true => head.total.saturating_sub(lines as u64),
        false => 0,
    };
    let age = format.change_log_max_age;
    let too_old = |(_, text): &(u64, String)| {
        let sec = text
            .split('.')
            .next()
            .and_then(|sec| sec.parse::<i64>().ok());
        // An entry without a time is nothing that a follower can read.
        age > 0 && sec.is_none_or(|sec| sec < now_sec.saturating_sub(age))
    };
    let aged = head
        .entries
        .iter()
        .take_while(|entry| too_old(entry))
        .count();
    let surplus = usize::try_from(surplus).unwrap_or(usize::MAX);
    &head.entries[..aged.max(surplus.min(head.entries.len()))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_old_or_too_much_goes() {
        let entry = |n: u64| (n, format!("{}.000000001|SET(a,1)|(1,{n})", 100 + n));
        let head = LogHead {
            total: 8,
            entries: (1..=5).map(entry).collect(),
        };
        let gone = |age, lines, now| {
            let format = Format {
                change_log: true,
                change_log_max_age: age,
                change_log_max_lines: lines,
                ..Format::default()
            };
            expired(&head, &format, now).len()
        };
        assert_eq!(gone(0, 0, 1000), 0);
        assert_eq!(
            (gone(10, 0, 111), gone(10, 0, 112), gone(10, 0, 114)),
            (0, 1, 3)
        );
        assert_eq!((gone(0, 8, 0), gone(0, 6, 0), gone(0, 1, 0)), (0, 2, 5));
        assert_eq!((gone(10, 6, 112), gone(10, 6, 114)), (2, 3));
        let damaged = LogHead {
            total: 1,
            entries: vec![(9, "nothing".into())],
        };
        let format = Format {
            change_log_max_age: 10,
            ..Format::default()
        };
        assert_eq!(expired(&damaged, &format, 0).len(), 1);
    }
}
