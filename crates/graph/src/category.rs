//! Values of one categorical attribute in order of first appearance, with how often and how often fraud.

use event::ids::text_key;

use crate::slab::NONE;
use crate::table::{Slot, Table};

/// Statistics of one value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Category {
    pub name: String,
    pub seen: u64,
    pub fraud: u64,
    pub legitimate: u64,
}

#[derive(Clone, Debug)]
pub struct Categories {
    values: Vec<Category>,
    /// A single shard: there are 4096 values at most.
    index: Table<CategorySlot, 0>,
    most: usize,
}

#[derive(Clone, Copy, Debug)]
struct CategorySlot {
    tag: u32,
    value: u32,
}

impl Slot for CategorySlot {
    const EMPTY: CategorySlot = CategorySlot {
        tag: 0,
        value: NONE,
    };

    fn is_empty(&self) -> bool {
        self.value == NONE
    }

    fn hash(&self) -> u64 {
        u64::from(self.tag) << 32
    }
}

fn hash(name: &str) -> u64 {
    text_key(name, 0) & 0xffff_ffff_0000_0000
}

impl Categories {
    pub fn new(most: u16) -> Categories {
        Categories {
            values: Vec::new(),
            index: Table::new(),
            most: usize::from(most),
        }
    }

    pub fn code(&self, name: &str) -> Option<usize> {
        let hash = hash(name);
        let tag = (hash >> 32) as u32;
        let same =
            |slot: &CategorySlot| slot.tag == tag && self.values[slot.value as usize].name == name;
        self.index.find(hash, same).map(|slot| slot.value as usize)
    }

    /// The value's entry; `None` when the attribute already has as many values as the schema allows.
    pub fn entry(&mut self, name: &str) -> Option<&mut Category> {
        if let Some(code) = self.code(name) {
            return Some(&mut self.values[code]);
        }
        if self.values.len() == self.most {
            return None;
        }
        let value = self.values.len() as u32;
        self.index.insert(CategorySlot {
            tag: (hash(name) >> 32) as u32,
            value,
        });
        self.values.push(Category {
            name: name.to_owned(),
            ..Category::default()
        });
        self.values.last_mut()
    }

    pub fn known_mut(&mut self, name: &str) -> Option<&mut Category> {
        self.code(name).map(|code| &mut self.values[code])
    }

    pub fn get(&self, code: usize) -> &Category {
        &self.values[code]
    }

    pub fn values(&self) -> &[Category] {
        &self.values
    }

    pub fn restore(most: u16, values: Vec<Category>) -> Categories {
        let mut restored = Categories::new(most);
        for value in values {
            if let Some(entry) = restored.entry(&value.name) {
                *entry = value;
            }
        }
        restored
    }
}
