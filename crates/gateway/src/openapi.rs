//! The interface as OpenAPI 3.1, kept by hand; tests hold it against the table of routes and run its examples.

pub const DOCUMENT: &str = include_str!("../openapi.json");
