//! The language: cases in a folder, the interpreter of the `cel` crate as the reference, hostile input, messages.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

mod world;

mod cases;
mod reference;

mod documents;
mod effects;
mod hostile;
