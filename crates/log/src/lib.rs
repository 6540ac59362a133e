//! Append-only checksummed record log with group commit, key index and snapshots.
