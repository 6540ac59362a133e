//! `[retention]`: how long each tenant's records are kept.

use std::collections::BTreeMap;

use event::Span;
use serde::Deserialize;

use super::units::Keep;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    keep: Keep,
    #[serde(default)]
    tenants: BTreeMap<String, TenantRetention>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TenantRetention {
    keep: Keep,
}

impl Retention {
    pub fn keep(&self) -> Option<Span> {
        self.keep.0
    }

    /// Of tenants that have their own.
    pub fn keep_of(&self) -> BTreeMap<String, Option<Span>> {
        let own = self.tenants.iter();
        own.map(|(name, it)| (name.clone(), it.keep.0)).collect()
    }
}
