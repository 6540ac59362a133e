//! Bytes to state.

use std::collections::VecDeque;
use std::io::Read;

use event::record::Verdict;
use event::schema::{Domain, ROLES_MAX};
use event::{EventTime, Position, Record, Schema};

use crate::category::{Categories, Category};
use crate::fold::{News, Waiting};
use crate::hub::Hub;
use crate::interaction::Interaction;
use crate::interner::{NameRef, NameSlot, NameTable, Names};
use crate::known::Known;
use crate::node::{Amounts, Node, OwnEvents, Profile};
use crate::pair::{Pair, PairTable};
use crate::ring::{Ring64, RingRef};
use crate::slab::Slab;
use crate::state::{Counts, Graph};
use crate::table::{Slot, Table};

use super::{LAYOUT_VERSION, SnapshotError};

type Result<T> = std::result::Result<T, SnapshotError>;

/// Counts beyond this are damage, not data; nothing is allocated for them.
const COUNT_MAX: u32 = 1 << 31;

pub struct In<'a> {
    from: &'a mut dyn Read,
}

impl In<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        self.from.read_exact(&mut array)?;
        Ok(array)
    }

    fn u8(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn f32(&mut self) -> Result<f32> {
        Ok(f32::from_bits(self.u32()?))
    }

    fn time(&mut self) -> Result<EventTime> {
        Ok(EventTime::from_millis(i64::from_le_bytes(self.array()?)))
    }

    fn maybe_time(&mut self) -> Result<Option<EventTime>> {
        let held = self.u8()? != 0;
        let time = self.time()?;
        Ok(held.then_some(time))
    }

    fn count(&mut self, what: &'static str) -> Result<u32> {
        let count = self.u32()?;
        if count > COUNT_MAX {
            Err(SnapshotError::Malformed { what })
        } else {
            Ok(count)
        }
    }

    fn slab<T: Clone + Default>(
        &mut self,
        each: impl Fn(&mut Self) -> Result<T>,
    ) -> Result<Slab<T>> {
        let used = self.count("slab size")?;
        let free_len = self.count("free list")?;
        let mut free = Vec::new();
        for _ in 0..free_len {
            let slot = self.u32()?;
            if slot >= used {
                return Err(SnapshotError::Malformed { what: "free slot" });
            }
            free.push(slot);
        }
        let mut slab = Slab::new();
        for _ in 0..used {
            let value = each(self)?;
            let slot = slab.take();
            *slab.get_mut(slot) = value;
        }
        slab.set_free(free);
        Ok(slab)
    }

    fn table<S: Slot>(&mut self, each: impl Fn(&mut Self) -> Result<S>) -> Result<Table<S>> {
        let mut shards = Vec::with_capacity(Table::<S>::SHARDS);
        for _ in 0..Table::<S>::SHARDS {
            let len = self.count("shard size")? as usize;
            if len != 0 && !len.is_power_of_two() {
                return Err(SnapshotError::Malformed { what: "shard size" });
            }
            let mut slots = Vec::new();
            for _ in 0..len {
                slots.push(if self.u8()? == 0 {
                    S::EMPTY
                } else {
                    each(self)?
                });
            }
            shards.push(slots);
        }
        Ok(Table::restore(shards))
    }

    fn ring<const N: usize>(&mut self) -> Result<[Interaction; N]> {
        let mut items = [Interaction::default(); N];
        for item in &mut items {
            *item = Interaction::read(&self.array()?);
        }
        Ok(items)
    }

    fn amounts(&mut self) -> Result<Amounts> {
        let count = self.u32()?;
        Ok(Amounts {
            count,
            mean: self.f32()?,
            variance: self.f32()?,
            max: self.f32()?,
        })
    }

    fn node(&mut self) -> Result<Node> {
        let [first_seen, last_seen, touched] = [self.time()?, self.time()?, self.time()?];
        let events = self.u32()?;
        let fraud_known = self.u16()?;
        let [kind, class, len, name_len] = self.array()?;
        let block = self.u32()?;
        let [hub, known, profile] = [self.u32()?, self.u32()?, self.u32()?];
        let name = NameRef {
            block: self.u32()?,
            len: name_len,
        };
        let born = Position(self.u64()?);
        let flow = [self.f32()?, self.f32()?];
        Ok(Node {
            first_seen,
            last_seen,
            touched,
            events,
            fraud_known,
            kind,
            ring: RingRef { block, class, len },
            hub,
            known,
            flow,
            amounts: self.amounts()?,
            profile,
            name,
            born,
        })
    }

    fn profile(&mut self) -> Result<Profile> {
        let profile = Profile {
            last_login: self.maybe_time()?,
            last_change: self.maybe_time()?,
            last_new_device: self.maybe_time()?,
            last_new_payee: self.maybe_time()?,
            last_declined: self.maybe_time()?,
            place: None,
            own: OwnEvents {
                events: self.u32()?,
                payments: self.u32()?,
                transfers: self.u32()?,
                deposits: self.u32()?,
            },
        };
        let held = self.u8()? != 0;
        let place = (self.f32()?, self.f32()?, self.time()?);
        Ok(Profile {
            place: held.then_some(place),
            ..profile
        })
    }

    fn known(&mut self) -> Result<Known> {
        let mut known = Known {
            newest_day: self.u64()? as i64,
            ..Known::default()
        };
        for cell in 0..known.fraud.len() {
            known.fraud[cell] = self.u16()?;
        }
        for cell in 0..known.legitimate.len() {
            known.legitimate[cell] = self.u16()?;
        }
        known.fraud_total = self.u32()?;
        known.legitimate_total = self.u32()?;
        for at in 0..known.times.len() {
            known.times[at] = self.time()?;
        }
        known.times_len = self.u8()?.min(crate::known::TIMES as u8);
        known.earliest_dropped = self.maybe_time()?;
        Ok(known)
    }

    fn hub(&mut self) -> Result<Hub> {
        let mut hub = Hub::default();
        for cell in hub.cells.iter_mut().flatten() {
            cell.epoch = self.u64()? as i64;
            cell.count = [self.u32()?, self.u32()?];
            cell.moved = [self.u32()?, self.u32()?];
            cell.declined = self.u32()?;
            cell.sum = [self.f32()?, self.f32()?];
            cell.max = self.f32()?;
        }
        hub.newest_day = self.u64()? as i64;
        for value in &mut hub.days {
            *value = self.u32()?;
        }
        for stamp in hub.peers.iter_mut().flatten().chain(&mut hub.devices) {
            *stamp = self.u32()? as i32;
        }
        Ok(hub)
    }

    fn categories(&mut self, most: u16) -> Result<Categories> {
        let mut values = Vec::new();
        for _ in 0..self.count("categories")?.min(u32::from(most)) {
            let len = self
                .count("category name")?
                .min(event::EntityId::MAX_BYTES as u32);
            let mut bytes = vec![0; len as usize];
            self.from.read_exact(&mut bytes)?;
            let name = String::from_utf8(bytes).map_err(|_| SnapshotError::Malformed {
                what: "category name",
            })?;
            let [seen, fraud, legitimate] = [self.u64()?, self.u64()?, self.u64()?];
            values.push(Category {
                name,
                seen,
                fraud,
                legitimate,
            });
        }
        Ok(Categories::restore(most, values))
    }

    fn names(&mut self) -> Result<(Names, NameTable)> {
        let mut chunks = Vec::new();
        for _ in 0..self.count("name chunks")? {
            let mut chunk = vec![0; Names::CHUNK_BYTES].into_boxed_slice();
            self.from.read_exact(&mut chunk)?;
            chunks.push(chunk);
        }
        let used_blocks = self.u32()?;
        let mut free = Vec::new();
        for _ in 0..Names::CLASSES {
            let mut blocks = Vec::new();
            for _ in 0..self.count("free names")? {
                blocks.push(self.u32()?);
            }
            free.push(blocks);
        }
        let table = self.table(|from| {
            Ok(NameSlot {
                tag: from.u32()?,
                node: from.u32()?,
            })
        })?;
        let names = Names::restore(chunks, used_blocks, free);
        Ok((
            names.ok_or(SnapshotError::Malformed { what: "free names" })?,
            table,
        ))
    }

    fn pairs(&mut self) -> Result<PairTable> {
        self.table(|from| {
            Ok(Pair {
                from: from.u32()?,
                to: from.u32()?,
                first: from.time()?,
                last: from.time()?,
                count: from.u16()?,
                moved: from.u16()?,
                sum: from.f32()?,
            })
        })
    }

    fn waiting(&mut self) -> Result<Vec<Waiting>> {
        let mut waiting = Vec::new();
        for _ in 0..self.count("waiting events")? {
            let len = self.count("waiting event")? as usize;
            if len > event::codec::RECORD_BYTES_MAX {
                return Err(SnapshotError::Malformed {
                    what: "waiting event",
                });
            }
            let mut bytes = vec![0; len];
            self.from.read_exact(&mut bytes)?;
            let Ok(Record::Event(event)) = event::codec::decode(&bytes) else {
                return Err(SnapshotError::Malformed {
                    what: "waiting event",
                });
            };
            let position = Position(self.u64()?);
            let amount = Some(self.f32()?).filter(|amount| !amount.is_nan());
            waiting.push(Waiting {
                event,
                position,
                amount,
                news: self.news()?,
            });
        }
        Ok(waiting)
    }

    fn news(&mut self) -> Result<News> {
        Ok(News {
            suspicion: self.u16()?,
            declined: self.u8()? != 0,
            stopped: self.u8()? != 0,
            verdict: match self.u8()? {
                0 => None,
                1 => Some(Verdict::Legitimate),
                2 => Some(Verdict::Fraud),
                _ => return Err(SnapshotError::Malformed { what: "verdict" }),
            },
        })
    }
}

impl Graph {
    /// Rebuilds a graph that [`Graph::write_snapshot`] wrote under the same schema.
    pub fn read_snapshot(schema: &Schema, from: &mut dyn Read) -> Result<Graph> {
        let mut from = In { from };
        let got = from.u32()?;
        if got != LAYOUT_VERSION {
            return Err(SnapshotError::Version {
                got,
                expected: LAYOUT_VERSION,
            });
        }
        let hash = event::schema::SchemaHash(from.array()?);
        if hash != schema.hash() {
            let (got, expected) = (hash.hex(), schema.hash().hex());
            return Err(SnapshotError::Schema { got, expected });
        }
        let mut graph = Graph::new(schema);
        graph.now = from.time()?;
        graph.counts = Counts {
            events: from.u64()?,
            fraud_known: from.u64()?,
            legitimate_known: from.u64()?,
            labels_too_late: from.u64()?,
            events_past_windows: from.u64()?,
            suspicions: from.u64()?,
        };
        graph.node_hand = from.u32()?;
        graph.pair_hand = (from.u32()?, from.u32()?);
        (graph.names, graph.name_table) = from.names()?;
        graph.nodes = from.slab(In::node)?;
        graph.rings.size4 = from.slab(In::ring)?;
        graph.rings.size8 = from.slab(In::ring)?;
        graph.rings.size16 = from.slab(In::ring)?;
        graph.rings.size32 = from.slab(In::ring)?;
        graph.rings.size64 = from.slab(|from| from.ring().map(Ring64))?;
        graph.hubs = from.slab(In::hub)?;
        graph.known = from.slab(In::known)?;
        graph.profiles = from.slab(In::profile)?;
        graph.pairs = from.pairs()?;
        for (ix, attribute) in schema.attributes.iter().enumerate() {
            if let (Some(held), Domain::Categorical { max_values }) =
                (&mut graph.categories[ix], &attribute.domain)
            {
                *held = from.categories(*max_values)?;
            }
        }
        for _ in 0..from.count("cohorts")? {
            let amounts = from.amounts()?;
            graph.cohorts.push(amounts);
        }
        graph.waiting = from.waiting()?;
        graph.undecided = VecDeque::new();
        for _ in 0..from.count("undecided events")? {
            let position = Position(from.u64()?);
            let mut nodes = [0; ROLES_MAX];
            for node in &mut nodes {
                *node = from.u32()?;
            }
            graph.undecided.push_back((position, nodes));
        }
        Ok(graph)
    }
}
