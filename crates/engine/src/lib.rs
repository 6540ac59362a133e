//! The pure core: records in, effects out; policy and state digest.
