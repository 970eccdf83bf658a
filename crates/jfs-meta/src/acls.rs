//! ACL rules this client has seen. They never change, so they are kept; there are few.

use jfs_types::AclRule;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Most rules remembered; beyond that all are forgotten and learned again.
const RULES_MAX: usize = 16_384;

#[derive(Default)]
struct Known {
    by_id: HashMap<u32, Arc<AclRule>>,
    /// Keyed by the sorted rule.
    ids: HashMap<AclRule, u32>,
}

/// The memory.
#[derive(Default)]
pub(crate) struct Acls {
    known: Mutex<Known>,
}

impl Acls {
    pub(crate) fn rule(&self, id: u32) -> Option<Arc<AclRule>> {
        self.known.lock().by_id.get(&id).cloned()
    }

    pub(crate) fn id(&self, rule: &AclRule) -> Option<u32> {
        self.known.lock().ids.get(&rule.sorted()).copied()
    }

    pub(crate) fn learn(&self, id: u32, rule: AclRule) -> Arc<AclRule> {
        let mut known = self.known.lock();
        if known.by_id.len() >= RULES_MAX {
            *known = Known::default();
        }
        known.ids.insert(rule.sorted(), id);
        let rule = Arc::new(rule);
        known.by_id.insert(id, rule.clone());
        rule
    }
}
