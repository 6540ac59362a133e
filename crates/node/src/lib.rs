//! Owns a tenant's directory: opens, recovers, decides, commits.
