//! Which tenants have a name of their own in the metrics: as many as the operator allows, those that came first; the
//! others are told together as `other`, so that the number of series has a bound.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

pub const OTHER: &str = "other";

#[derive(Debug)]
pub struct TenantNames {
    max: usize,
    held: RwLock<BTreeSet<String>>,
}

impl TenantNames {
    pub fn new(max: usize) -> TenantNames {
        TenantNames {
            max,
            held: RwLock::default(),
        }
    }

    /// The name that a tenant is told under. One that has its own keeps it as long as it is there.
    pub fn of<'a>(&self, tenant: &'a str) -> &'a str {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        if held.contains(tenant) {
            return tenant;
        }
        if held.len() >= self.max {
            return OTHER;
        }
        drop(held);
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= self.max && !held.contains(tenant) {
            return OTHER;
        }
        held.insert(tenant.to_owned());
        tenant
    }

    /// Forgets the names of tenants that are gone.
    pub fn keep(&self, is_there: impl Fn(&str) -> bool) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        held.retain(|name| is_there(name));
    }

    /// Tenants by the name they are told under, in the order of those names.
    pub fn group<T>(&self, tenants: impl Iterator<Item = (String, T)>) -> Vec<(String, Vec<T>)> {
        let mut groups: Vec<(String, Vec<T>)> = Vec::new();
        for (tenant, item) in tenants {
            let name = self.of(&tenant);
            match groups.iter_mut().find(|(held, _)| held == name) {
                Some((_, members)) => members.push(item),
                None => groups.push((name.to_owned(), vec![item])),
            }
        }
        groups.sort_by(|(one, _), (other, _)| one.cmp(other));
        groups
    }
}
