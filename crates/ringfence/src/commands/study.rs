//! `ringfence study decay`: worlds in, one table out.

mod kept;
mod world;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use learning::study::summary::{Courses, Summary};
use learning::study::{Arm, Design, figure};
use simulator::Params;

use self::kept::Kept;
use crate::cli::{Cli, DecayArgs, Study, StudyArgs};
use crate::show;

/// What `--still` leaves out of the worlds.
const STILL: &str = "[drift]\nseasonality = 0.0\nprice_level_per_year = 0.0\nmodus_days = 0\n";

pub fn run(cli: &Cli, args: &StudyArgs) -> Result<ExitCode> {
    match &args.what {
        Study::Decay(args) => decay(cli, args),
    }
}

fn decay(cli: &Cli, args: &DecayArgs) -> Result<ExitCode> {
    let design = Design::new(args.days);
    let settings = Settings::read(args, &design)?;
    fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    if let Some(directory) = &args.plots {
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
    }
    let arms = if args.still {
        &[Arm::Never][..]
    } else {
        &Arm::ALL
    };
    let mut courses = Courses::new();
    for seed in args.seed..args.seed + args.worlds {
        let kept = Kept::new(&args.out, seed, &settings.params(seed)?, &design)?;
        for (arm, course) in world::courses(cli, &kept, &design, arms)? {
            courses.entry(arm).or_default().insert(seed, course);
        }
    }
    let Some(summary) = Summary::new(&design, &courses) else {
        bail!("the arms have not all served the same worlds");
    };
    if let Some(path) = &args.html {
        write(path, &figure::page(&summary))?;
    }
    if let Some(directory) = &args.plots {
        let plots = [figure::recall(&summary), figure::survival(&summary)];
        for plot in plots {
            write(&directory.join(format!("{}.svg", plot.id)), &plot.picture())?;
        }
    }
    if cli.json {
        let mut value = serde_json::to_value(&summary)?;
        value["courses"] = by_name(&courses)?;
        show::json(&value)?;
    } else {
        write!(show::out(), "{}", summary.table())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn by_name(courses: &Courses) -> Result<serde_json::Value> {
    let named: BTreeMap<&str, _> = courses
        .iter()
        .map(|(arm, it)| (Arm::name(*arm), it))
        .collect();
    Ok(serde_json::to_value(named)?)
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Parameters of the worlds, the seed apart.
struct Settings {
    file: String,
    last: String,
}

impl Settings {
    fn read(args: &DecayArgs, design: &Design) -> Result<Settings> {
        let file = match &args.params {
            Some(path) => fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?,
            None => String::new(),
        };
        let drift = if args.still { STILL } else { "" };
        let days = design.world_days();
        let settings = Settings {
            file,
            last: format!("days = {days}\n{drift}"),
        };
        // before the first world: what makes no world is told now
        settings.params(args.seed)?;
        Ok(settings)
    }

    fn params(&self, seed: u64) -> Result<Params> {
        let preset = Params::preset_text("decay")?;
        let own = format!("seed = {seed}\n{}", self.last);
        let params = Params::layered([preset, &self.file, &own])?;
        params.validate()?;
        if params.banks != 1 {
            bail!("banks must be 1 for a study, got {}", params.banks);
        }
        Ok(params)
    }
}
