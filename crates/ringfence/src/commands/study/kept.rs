//! What an arm did in a world, on disk: a file each, under a name that it has once it is whole.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use learning::study::course::Course;
use learning::study::{Arm, Design};
use serde::{Deserialize, Serialize};
use simulator::Params;

pub struct Kept {
    pub folder: PathBuf,
    pub params: Params,
    settings: Settings,
}

/// By which a course was made; another one's is never mixed in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Settings {
    program: String,
    design: Design,
    world: String,
}

#[derive(Serialize, Deserialize)]
struct File {
    settings: Settings,
    course: Course,
}

impl Kept {
    pub fn new(folder: &Path, seed: u64, params: &Params, design: &Design) -> Result<Kept> {
        debug_assert_eq!(params.seed, seed);
        Ok(Kept {
            folder: folder.to_owned(),
            params: params.clone(),
            settings: Settings {
                program: env!("CARGO_PKG_VERSION").to_owned(),
                design: design.clone(),
                world: params.to_toml()?,
            },
        })
    }

    fn path(&self, arm: Arm) -> PathBuf {
        let name = format!("world-{}-{}.json", self.params.seed, arm.name());
        self.folder.join(name)
    }

    /// `None` when this arm has not served this world yet.
    pub fn read(&self, arm: Arm) -> Result<Option<Course>> {
        let path = self.path(arm);
        if !path.exists() {
            return Ok(None);
        }
        let shown = path.display();
        let text = fs::read(&path).with_context(|| format!("cannot read {shown}"))?;
        let file: File = serde_json::from_slice(&text)
            .with_context(|| format!("{shown} is no result of this study"))?;
        if file.settings != self.settings {
            bail!("{shown} was made with other settings: choose another --out, or remove it");
        }
        Ok(Some(file.course))
    }

    pub fn write(&self, arm: Arm, course: &Course) -> Result<()> {
        let path = self.path(arm);
        let draft = path.with_extension("partial");
        let file = File {
            settings: self.settings.clone(),
            course: course.clone(),
        };
        let shown = path.display();
        fs::write(&draft, serde_json::to_vec(&file)?)
            .and_then(|()| fs::rename(&draft, &path))
            .with_context(|| format!("cannot write {shown}"))
    }
}
