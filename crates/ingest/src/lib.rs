//! Reads CSV, JSONL and Parquet by a mapping and yields records in time order.
