//! Imports of small files made on the spot.

#![allow(clippy::unwrap_used)]

mod agree;
mod bad_files;
mod bad_rows;
mod mapping;
mod pairs;
mod support;
