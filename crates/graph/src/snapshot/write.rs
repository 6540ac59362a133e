//! State to bytes.

use std::io::{self, Write};

use event::record::Verdict;
use event::{EventTime, Record};

use crate::category::Categories;
use crate::hub::Hub;
use crate::interaction::Interaction;
use crate::known::Known;
use crate::node::{Amounts, Node, Profile};
use crate::slab::Slab;
use crate::state::Graph;
use crate::table::Slot;

use super::LAYOUT_VERSION;

pub struct Out<'a> {
    to: &'a mut dyn Write,
}

impl Out<'_> {
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(bytes)
    }

    fn u8(&mut self, value: u8) -> io::Result<()> {
        self.bytes(&[value])
    }

    fn u16(&mut self, value: u16) -> io::Result<()> {
        self.bytes(&value.to_le_bytes())
    }

    fn u32(&mut self, value: u32) -> io::Result<()> {
        self.bytes(&value.to_le_bytes())
    }

    fn u64(&mut self, value: u64) -> io::Result<()> {
        self.bytes(&value.to_le_bytes())
    }

    fn f32(&mut self, value: f32) -> io::Result<()> {
        self.u32(value.to_bits())
    }

    fn time(&mut self, value: EventTime) -> io::Result<()> {
        self.bytes(&value.millis().to_le_bytes())
    }

    fn maybe_time(&mut self, value: Option<EventTime>) -> io::Result<()> {
        self.u8(u8::from(value.is_some()))?;
        self.time(value.unwrap_or_default())
    }

    fn slab<T: Clone + Default>(
        &mut self,
        slab: &Slab<T>,
        each: impl Fn(&mut Self, &T) -> io::Result<()>,
    ) -> io::Result<()> {
        self.u32(slab.used())?;
        self.u32(slab.free_list().len() as u32)?;
        for slot in slab.free_list() {
            self.u32(*slot)?;
        }
        for slot in 0..slab.used() {
            each(self, slab.get(slot))?;
        }
        Ok(())
    }

    fn shards<'s, S: Slot + 's>(
        &mut self,
        shards: impl ExactSizeIterator<Item = &'s [S]>,
        each: impl Fn(&mut Self, &S) -> io::Result<()>,
    ) -> io::Result<()> {
        for slots in shards {
            self.u32(slots.len() as u32)?;
            for slot in slots {
                self.u8(u8::from(!slot.is_empty()))?;
                if !slot.is_empty() {
                    each(self, slot)?;
                }
            }
        }
        Ok(())
    }

    fn ring<const N: usize>(&mut self, items: &[Interaction; N]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(N * Interaction::BYTES);
        for item in items {
            item.write(&mut bytes);
        }
        self.bytes(&bytes)
    }

    fn amounts(&mut self, amounts: &Amounts) -> io::Result<()> {
        self.u32(amounts.count)?;
        self.f32(amounts.mean)?;
        self.f32(amounts.variance)?;
        self.f32(amounts.max)
    }

    fn node(&mut self, node: &Node) -> io::Result<()> {
        for time in [node.first_seen, node.last_seen, node.touched] {
            self.time(time)?;
        }
        self.u32(node.events)?;
        self.u16(node.fraud_known)?;
        self.bytes(&[node.kind, node.ring.class, node.ring.len, node.name.len])?;
        for value in [
            node.ring.block,
            node.hub,
            node.known,
            node.profile,
            node.name.block,
        ] {
            self.u32(value)?;
        }
        self.u64(node.born.0)?;
        self.f32(node.flow[0])?;
        self.f32(node.flow[1])?;
        self.amounts(&node.amounts)
    }

    fn profile(&mut self, profile: &Profile) -> io::Result<()> {
        let times = [
            profile.last_login,
            profile.last_change,
            profile.last_new_device,
            profile.last_new_payee,
            profile.last_declined,
        ];
        for time in times {
            self.maybe_time(time)?;
        }
        let own = profile.own;
        for count in [own.events, own.payments, own.transfers, own.deposits] {
            self.u32(count)?;
        }
        self.u8(u8::from(profile.place.is_some()))?;
        let (latitude, longitude, time) = profile.place.unwrap_or_default();
        self.f32(latitude)?;
        self.f32(longitude)?;
        self.time(time)
    }

    fn known(&mut self, known: &Known) -> io::Result<()> {
        self.u64(known.newest_day as u64)?;
        for count in known.fraud.iter().chain(&known.legitimate) {
            self.u16(*count)?;
        }
        self.u32(known.fraud_total)?;
        self.u32(known.legitimate_total)?;
        for time in known.times {
            self.time(time)?;
        }
        self.u8(known.times_len)?;
        self.maybe_time(known.earliest_dropped)
    }

    fn hub(&mut self, hub: &Hub) -> io::Result<()> {
        for cell in hub.cells.iter().flatten() {
            self.u64(cell.epoch as u64)?;
            for value in cell.count.iter().chain(&cell.moved) {
                self.u32(*value)?;
            }
            self.u32(cell.declined)?;
            for value in [cell.sum[0], cell.sum[1], cell.max] {
                self.f32(value)?;
            }
        }
        self.u64(hub.newest_day as u64)?;
        for value in hub.days {
            self.u32(value)?;
        }
        for stamp in hub.peers.iter().flatten().chain(&hub.devices) {
            self.u32(*stamp as u32)?;
        }
        Ok(())
    }

    fn categories(&mut self, categories: &Categories) -> io::Result<()> {
        self.u32(categories.values().len() as u32)?;
        for value in categories.values() {
            self.u32(value.name.len() as u32)?;
            self.bytes(value.name.as_bytes())?;
            for count in [value.seen, value.fraud, value.legitimate] {
                self.u64(count)?;
            }
        }
        Ok(())
    }
}

impl Graph {
    /// Writes the whole state.
    pub fn write_snapshot(&self, to: &mut dyn Write) -> io::Result<()> {
        let mut out = Out { to };
        out.u32(LAYOUT_VERSION)?;
        out.bytes(&self.plan.schema.hash().0)?;
        out.time(self.now)?;
        let counts = self.counts;
        for count in [
            counts.events,
            counts.fraud_known,
            counts.legitimate_known,
            counts.labels_too_late,
            counts.events_past_windows,
            counts.suspicions,
        ] {
            out.u64(count)?;
        }
        for hand in [self.node_hand, self.pair_hand.0, self.pair_hand.1] {
            out.u32(hand)?;
        }
        self.write_names(&mut out)?;
        out.slab(&self.nodes, |out, node| out.node(node))?;
        out.slab(&self.rings.size4, |out, ring| out.ring(ring))?;
        out.slab(&self.rings.size8, |out, ring| out.ring(ring))?;
        out.slab(&self.rings.size16, |out, ring| out.ring(ring))?;
        out.slab(&self.rings.size32, |out, ring| out.ring(ring))?;
        out.slab(&self.rings.size64, |out, ring| out.ring(&ring.0))?;
        out.slab(&self.hubs, |out, hub| out.hub(hub))?;
        out.slab(&self.known, |out, known| out.known(known))?;
        out.slab(&self.profiles, |out, profile| out.profile(profile))?;
        out.shards(self.pairs.shards(), |out, pair| {
            out.u32(pair.from)?;
            out.u32(pair.to)?;
            out.time(pair.first)?;
            out.time(pair.last)?;
            out.u16(pair.count)?;
            out.u16(pair.moved)?;
            out.f32(pair.sum)
        })?;
        for categories in self.categories.iter().flatten() {
            out.categories(categories)?;
        }
        out.u32(self.cohorts.len() as u32)?;
        for amounts in &self.cohorts {
            out.amounts(amounts)?;
        }
        self.write_waiting(&mut out)
    }

    fn write_names(&self, out: &mut Out<'_>) -> io::Result<()> {
        out.u32(self.names.chunks.len() as u32)?;
        for chunk in &self.names.chunks {
            out.bytes(chunk)?;
        }
        out.u32(self.names.used_blocks)?;
        for blocks in &self.names.free {
            out.u32(blocks.len() as u32)?;
            for block in blocks {
                out.u32(*block)?;
            }
        }
        out.shards(self.name_table.shards(), |out, slot| {
            out.u32(slot.tag)?;
            out.u32(slot.node)
        })
    }

    fn write_waiting(&self, out: &mut Out<'_>) -> io::Result<()> {
        out.u32(self.waiting.len() as u32)?;
        let mut bytes = Vec::new();
        for it in &self.waiting {
            bytes.clear();
            event::codec::encode(&Record::Event(it.event.clone()), &mut bytes);
            out.u32(bytes.len() as u32)?;
            out.bytes(&bytes)?;
            out.u64(it.position.0)?;
            out.f32(it.amount.unwrap_or(f32::NAN))?;
            out.u16(it.news.suspicion)?;
            out.u8(u8::from(it.news.declined))?;
            out.u8(u8::from(it.news.stopped))?;
            out.u8(match it.news.verdict {
                None => 0,
                Some(Verdict::Legitimate) => 1,
                Some(Verdict::Fraud) => 2,
            })?;
        }
        out.u32(self.undecided.len() as u32)?;
        for (position, nodes) in &self.undecided {
            out.u64(position.0)?;
            for node in nodes {
                out.u32(*node)?;
            }
        }
        Ok(())
    }
}
