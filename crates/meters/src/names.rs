//! Which tenants have a name of their own in the metrics: as many as the operator allows, those that came first; the
//! others are told together as `other`, so that the number of series has a bound. Who is in `other` stays there, because
//! a sum that somebody leaves goes down, which counters never do.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

pub const OTHER: &str = "other";

#[derive(Debug)]
pub struct TenantNames {
    max: usize,
    held: RwLock<Held>,
}

#[derive(Debug, Default)]
struct Held {
    named: BTreeSet<String>,
    others: BTreeSet<String>,
}

impl Held {
    /// `None`: it has not come yet.
    fn of<'a>(&self, tenant: &'a str) -> Option<&'a str> {
        if self.named.contains(tenant) {
            return Some(tenant);
        }
        self.others.contains(tenant).then_some(OTHER)
    }
}

impl TenantNames {
    pub fn new(max: usize) -> TenantNames {
        TenantNames {
            max,
            held: RwLock::default(),
        }
    }

    /// The name that a tenant is told under, as long as it is there.
    pub fn of<'a>(&self, tenant: &'a str) -> &'a str {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = held.of(tenant) {
            return name;
        }
        drop(held);
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = held.of(tenant) {
            return name;
        }
        let has_room = held.named.len() < self.max;
        let (into, name) = match has_room {
            true => (&mut held.named, tenant),
            false => (&mut held.others, OTHER),
        };
        into.insert(tenant.to_owned());
        name
    }

    /// Forgets the names of tenants that are gone.
    pub fn keep(&self, is_there: impl Fn(&str) -> bool) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        held.named.retain(|name| is_there(name));
        held.others.retain(|name| is_there(name));
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
