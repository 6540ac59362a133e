//! Arguments for models: their files, and who serves as what.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{CalibrationName, Change, CompareArgs, ShadowArgs};

/// Models: their files, which of them serves as what, exchange with LightGBM and ONNX Runtime.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence models ls
  ringfence models activate 3f2a --to http://127.0.0.1:7878 --token $(ringfence token)
  ringfence models challenge 3f2a --share 0.05   5 % of the accounts, of requests of L2 and L3
  ringfence models shadow 3f2a                   it scores beside the others and decides nothing
  ringfence models compare                       what each would have caught
  ringfence models rollback --why 'too many reviews'
  ringfence models export 3f2a.model --artifact --model 3f2a
  ringfence models export model.txt              the serving model, for Python's lightgbm.Booster
  ringfence models export --onnx model.onnx      all of it, for any ONNX runtime
  ringfence models import model.txt              trained in Python on the file of `ringfence samples`")]
pub struct ModelsArgs {
    #[command(subcommand)]
    pub what: Models,
    #[command(flatten)]
    pub change: Change,
}

#[derive(Debug, Subcommand)]
pub enum Models {
    /// Model files, and which of them is champion, challenger, shadow, retired or candidate.
    #[command(alias = "list")]
    Ls,
    /// All that a model file says of itself.
    Show {
        /// Model version, or its first digits.
        model: String,
    },
    /// Put a model file into service, with its own thresholds as the policy.
    Activate {
        /// Model version, or its first digits.
        model: String,
    },
    /// Give a model a share of the decisions; again for another share.
    Challenge {
        /// Model version, or its first digits.
        model: String,
        /// Of the accounts, above 0 and at most 1.
        #[arg(long)]
        share: f64,
        /// Of which requests; L1, the payment path, only when named.
        #[arg(long, value_delimiter = ',', default_values = ["L2", "L3"], value_parser = ["L1", "L2", "L3"])]
        levels: Vec<String>,
    },
    /// The challenger takes no share any more.
    Withdraw {
        /// Model version, or its first digits.
        model: String,
    },
    /// Let a model score what is decided, without a say in it.
    Shadow(ShadowArgs),
    /// Models held against each other on what was decided live: what each caught, what it would have, how sure that
    /// is (docs/models-compare.md).
    Compare(CompareArgs),
    /// A model is not to serve again; a challenger or shadow leaves its place.
    Retire {
        /// Model version, or its first digits.
        model: String,
    },
    /// A retired model is a candidate again.
    Reinstate {
        /// Model version, or its first digits.
        model: String,
    },
    /// Put the champion before this one into service again.
    Rollback,
    /// Remove the file of a retired model.
    Delete {
        /// Model version, or its first digits.
        model: String,
    },
    /// Train the starter model that is built into this program: `make starter`.
    #[command(hide = true)]
    Starter {
        /// File to write.
        file: PathBuf,
    },
    /// Write a model for use elsewhere: its trees as a LightGBM text model, whose raw score is the log-odds before
    /// calibration, with --onnx or --artifact the whole of it.
    Export {
        /// File to write.
        file: PathBuf,
        /// Network, trees and calibration as an ONNX file (docs/onnx.md).
        #[arg(long, conflicts_with = "artifact")]
        onnx: bool,
        /// The model file itself, for `models import` of another tenant with the same schema.
        #[arg(long)]
        artifact: bool,
        /// Model version, or its first digits; the serving model without it.
        #[arg(long)]
        model: Option<String>,
    },
    /// Make the side files of suspicion channels that the log names and that are missing or damaged again,
    /// from the log and the model files.
    Rebuild,
    /// Take in a model file, as a candidate; or a LightGBM text model with a binary objective and numeric splits,
    /// calibrated on the latest part of the history, and put into service. Its features are matched by name.
    Import {
        /// Model file, or LightGBM text model.
        file: PathBuf,
        /// First event to calibrate from (ISO-8601): the last 15 % of what follows is used.
        #[arg(long)]
        from: Option<String>,
        /// End of these events (ISO-8601).
        #[arg(long)]
        until: Option<String>,
        #[arg(long, value_enum, default_value_t = CalibrationName::Platt)]
        calibration: CalibrationName,
        /// Of a LightGBM model: write the model file, but leave the serving model as it is.
        #[arg(long)]
        no_activate: bool,
    },
}
