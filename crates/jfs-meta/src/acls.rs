//! ACL rules that this client has seen. Rules never change, so an entry stays true until its room is needed.

use jfs_types::AclRule;
use moka::sync::Cache;
use std::sync::Arc;

/// Most rules remembered, of each of the two maps.
const RULES_MAX: u64 = 16_384;

/// Rules by number and numbers by rule.
pub(crate) struct Acls {
    by_id: Cache<u32, Arc<AclRule>>,
    /// Keyed by the sorted rule.
    ids: Cache<AclRule, u32>,
}

impl Default for Acls {
    fn default() -> Acls {
        Acls {
            by_id: Cache::new(RULES_MAX),
            ids: Cache::new(RULES_MAX),
        }
    }
}

impl Acls {
    pub(crate) fn rule(&self, id: u32) -> Option<Arc<AclRule>> {
        self.by_id.get(&id)
    }

    pub(crate) fn id(&self, rule: &AclRule) -> Option<u32> {
        self.ids.get(&rule.sorted())
    }

    pub(crate) fn learn(&self, id: u32, rule: AclRule) -> Arc<AclRule> {
        self.ids.insert(rule.sorted(), id);
        let rule = Arc::new(rule);
        self.by_id.insert(id, rule.clone());
        rule
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(id: u32) -> AclRule {
        AclRule {
            owner: (id % 8) as u16,
            named_users: vec![jfs_types::AclEntry { id, perm: 7 }],
            ..AclRule::EMPTY
        }
    }

    #[test]
    fn a_rule_that_is_used_outlives_many_others() {
        let acls = Acls::default();
        let used = acls.learn(1, rule(1));
        for id in 2..=RULES_MAX as u32 * 3 {
            acls.learn(id, rule(id));
            assert_eq!(acls.rule(1).as_deref(), Some(&*used), "after {id} rules");
            assert_eq!(acls.id(&used), Some(1), "after {id} rules");
        }
        acls.by_id.run_pending_tasks();
        acls.ids.run_pending_tasks();
        assert!(acls.by_id.entry_count() <= RULES_MAX);
        assert!(acls.ids.entry_count() <= RULES_MAX);
    }
}
