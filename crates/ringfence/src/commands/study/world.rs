//! One world: simulated, imported and replayed once for all arms that have not served it yet.

use std::ops::ControlFlow;

use anyhow::{Context, Result};
use learning::study::course::Course;
use learning::study::learner::Model;
use learning::study::material::Material;
use learning::study::{self, Arm, Design};
use simulator::Lines;

use super::kept::Kept;
use crate::cli::Cli;
use crate::commands::simulate::imported;
use crate::show;

/// More threads plan no faster: one makes the events.
const THREADS: usize = 2;

pub fn courses(
    cli: &Cli,
    kept: &Kept,
    design: &Design,
    arms: &[Arm],
) -> Result<Vec<(Arm, Course)>> {
    let mut courses = Vec::new();
    let mut world: Option<World> = None;
    let mut triggered = 0;
    for &arm in arms {
        let course = match kept.read(arm)? {
            Some(course) => course,
            None => {
                let world = match &mut world {
                    Some(world) => world,
                    empty => empty.insert(World::new(cli, kept, design)?),
                };
                let course = world.served(cli, kept, design, (arm, triggered))?;
                kept.write(arm, &course)?;
                course
            }
        };
        if arm == Arm::Triggered {
            triggered = course.retrained.len();
        }
        courses.push((arm, course));
    }
    Ok(courses)
}

struct World {
    material: Material,
    first: Model,
}

impl World {
    fn new(cli: &Cli, kept: &Kept, design: &Design) -> Result<World> {
        let material = replayed(cli, kept, design)?;
        let first = study::first(&material, design)?;
        Ok(World { material, first })
    }

    fn served(
        &self,
        cli: &Cli,
        kept: &Kept,
        design: &Design,
        (arm, triggered): (Arm, usize),
    ) -> Result<Course> {
        let seed = kept.params.seed;
        let what = format!("world {seed}, {}", arm.name());
        let bar = show::bar(u64::from(design.days), &what, "days", cli.quiet);
        let who = (arm, (seed, triggered));
        let course = study::serve(&self.material, design, &self.first, who, |day| {
            bar.set_position(u64::from(day));
            ControlFlow::Continue(())
        })
        .with_context(|| what.clone())?;
        bar.finish_and_clear();
        Ok(course)
    }
}

/// The world is gone again when its samples are there.
fn replayed(cli: &Cli, kept: &Kept, design: &Design) -> Result<Material> {
    let seed = kept.params.seed;
    let scratch = tempfile::Builder::new()
        .prefix("world-")
        .tempdir_in(&kept.folder)
        .with_context(|| format!("cannot make a folder in {}", kept.folder.display()))?;
    let world = scratch.path().join("world");
    simulator::write_world(&kept.params, THREADS, &world, Lines::Written, |_| Ok(()))?;
    let place = imported::import(cli, &world, scratch.path())?;
    let oracle = imported::oracle(&world)?;
    let bar = show::bar(0, &format!("world {seed}, replay"), "records", cli.quiet);
    let material = Material::collect(&place, &oracle, design, |done, of| {
        bar.set_length(of);
        bar.set_position(done);
        ControlFlow::Continue(())
    })?;
    bar.finish_and_clear();
    Ok(material)
}
