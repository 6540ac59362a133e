//! Sets of rules that are being read, which takes long: of each tenant one, so that none waits for another's.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug, Default)]
pub struct Readers(Arc<Mutex<BTreeSet<String>>>);

/// The right of a tenant to have a set read, until it is dropped.
#[derive(Debug)]
pub struct Reading {
    held: Arc<Mutex<BTreeSet<String>>>,
    tenant: String,
}

impl Readers {
    /// `None`: one of this tenant is being read.
    pub fn begin(&self, tenant: &str) -> Option<Reading> {
        let mut reading = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reading.insert(tenant.to_owned()).then(|| Reading {
            held: self.0.clone(),
            tenant: tenant.to_owned(),
        })
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut reading = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        reading.remove(&self.tenant);
    }
}
