//! A network, and trees beside it.

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::{Context, Result};
use event::Schema;
use graph::FeatureList;
use learning::boost::BoostConfig;
use learning::dataset::Rows;
use learning::fit::{Fitted, HybridPlan, Plan, Step, fit_hybrid};
use learning::neural::config::NeuralConfig;
use learning::neural::early_stop::Progress;

use super::Ground;
use crate::cli::{Cli, ModelKind, TrainArgs};
use crate::show;

/// A training that was killed goes on from its last epoch: its checkpoint lies in the tenant's folder until
/// the model is there.
pub fn hybrid(
    cli: &Cli,
    ground: &Ground<'_>,
    (rows, schema, features): (&Rows, &Schema, &FeatureList),
    (trees, plan): (&BoostConfig, Plan),
    args: &TrainArgs,
) -> Result<Fitted> {
    let network = NeuralConfig {
        epochs: args.epochs,
        hidden: args.hidden,
        learning_rate: args.network_learning_rate,
        dropout: args.dropout,
        seed: args.seed,
        ..NeuralConfig::default()
    };
    let checkpoint = checkpoint(ground)?;
    let made = HybridPlan {
        trees,
        network: &network,
        plan,
        with_trees: args.model == ModelKind::HybridTrees,
        suspicion: args.producer || args.producer_of.is_some(),
        checkpoint: Some(&checkpoint),
    };
    let grow = show::bar(trees.rounds as u64, "trees", "rounds", cli.quiet);
    let learn = show::bar(0, "network", "rows", cli.quiet);
    let fitted = fit_hybrid(rows, schema, features, made, |step| {
        match step {
            Step::Trees(it) => grow.set_position(it.round as u64),
            Step::Network(Progress::Resumed { epoch }) => {
                learn.println(format!(
                    "going on after epoch {epoch} of a training that was cut off"
                ));
            }
            Step::Network(Progress::Rows { epoch, done, of }) => {
                learn.set_length((of * args.epochs) as u64);
                learn.set_position(((epoch - 1) * of + done) as u64);
            }
            Step::Network(Progress::Epoch {
                epoch,
                loss,
                ap,
                best,
            }) => {
                learn.set_message(format!(
                    "epoch {epoch}: loss {loss:.4}, validation AP {ap:.3}, best {best:.3}"
                ));
            }
        }
        ControlFlow::Continue(())
    })?;
    grow.finish_and_clear();
    learn.finish_and_clear();
    fs::remove_file(&checkpoint)
        .with_context(|| format!("cannot remove {}", checkpoint.display()))?;
    Ok(fitted)
}

fn checkpoint(ground: &Ground<'_>) -> Result<PathBuf> {
    let folder = &ground.folder;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder.join("hybrid.checkpoint"))
}
