//! Tenants behind their owner threads: durable answers, bounds, failing disks, erasure.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

mod desk;

mod around;
mod bounds;
mod clock;
mod disk;
mod durable;
mod follower;
mod models;
mod quota;
mod retention;
mod rules;
mod schema;
mod snapshots;
mod tenants;
