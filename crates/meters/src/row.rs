//! Tables: which number of a crate's counters is told under which name.

use crate::{Exposition, Family};

/// What is told of several tenants together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fold {
    Sum,
    Max,
}

/// One family with one label, the tenant's, and where its value stands in the counters `C`.
#[derive(Debug)]
pub struct Row<C: 'static> {
    pub family: Family,
    read: fn(&C) -> u64,
    fold: Fold,
}

/// The label that all of a tenant's numbers have.
pub const TENANT: &[&str] = &["tenant"];

impl<C> Row<C> {
    pub const fn counter(name: &'static str, help: &'static str, read: fn(&C) -> u64) -> Row<C> {
        Row::sum(Family::counter(name, help), read)
    }

    pub const fn gauge(name: &'static str, help: &'static str, read: fn(&C) -> u64) -> Row<C> {
        Row::sum(Family::gauge(name, help), read)
    }

    /// A family with a unit; of several tenants the sum is told.
    pub const fn sum(family: Family, read: fn(&C) -> u64) -> Row<C> {
        Row {
            family: family.by(TENANT),
            read,
            fold: Fold::Sum,
        }
    }

    /// Of several tenants the largest.
    pub const fn max(family: Family, read: fn(&C) -> u64) -> Row<C> {
        Row {
            family: family.by(TENANT),
            read,
            fold: Fold::Max,
        }
    }
}

/// Tenants that are told under one name: one, or all that have no name of their own.
pub type Group<'a, C> = (String, Vec<&'a C>);

/// Writes a table.
pub fn write<C>(out: &mut Exposition, table: &'static [Row<C>], groups: &[Group<'_, C>]) {
    for row in table {
        let mut series = out.family(&row.family);
        for (tenant, members) in groups {
            let values = members.iter().map(|counters| (row.read)(counters));
            let value = match row.fold {
                Fold::Sum => values.sum(),
                Fold::Max => values.max().unwrap_or(0),
            };
            series.value(&[tenant], value);
        }
    }
}

pub fn families<C>(table: &'static [Row<C>]) -> impl Iterator<Item = &'static Family> {
    table.iter().map(|row| &row.family)
}
