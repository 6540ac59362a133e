//! Seeded world of people, devices, money and fraud; writes an observable stream and an oracle apart.
