//! Vocabulary of Ringfence: ids, money, time, records, tenant schema and their binary codec.
