//! What is told beside what the edge knows itself: a part of the process adds a source when it is wired.

use crate::{Exposition, Family};

type Write = Box<dyn Fn(&mut Exposition) + Send + Sync>;

/// Families, and who writes all of them at a scrape.
pub struct Source {
    pub families: Vec<&'static Family>,
    write: Write,
}

impl Source {
    pub fn new(
        families: Vec<&'static Family>,
        write: impl Fn(&mut Exposition) + Send + Sync + 'static,
    ) -> Source {
        Source {
            families,
            write: Box::new(write),
        }
    }
}

#[derive(Default)]
pub struct Registry {
    sources: Vec<Source>,
}

impl Registry {
    pub fn add(&mut self, source: Source) {
        self.sources.push(source);
    }

    pub fn write(&self, out: &mut Exposition) {
        for source in &self.sources {
            (source.write)(out);
        }
    }
}
