//! Why a backtest was not made.

use thiserror::Error;

#[derive(Debug, Error)]
pub enum BacktestError {
    #[error(transparent)]
    Node(#[from] node::NodeError),
    #[error(transparent)]
    Config(#[from] engine::ConfigError),
    #[error("the window must end after it begins, got {from} to {until}")]
    Window { from: String, until: String },
    #[error("costs.{field} must be {must}, got {got}")]
    Cost {
        field: &'static str,
        must: &'static str,
        got: f64,
    },
    #[error("the window {from} to {until} holds no {what}; the log goes from {first} to {last}")]
    Empty {
        /// What would count: an event, or its decision.
        what: &'static str,
        from: String,
        until: String,
        first: String,
        last: String,
    },
    #[error("the window holds more than {0} events: choose a shorter one")]
    TooMany(usize),
    #[error("alerts a day must be above 0, got {0}")]
    Budget(f64),
    #[error("no event of the window has a score: train a model, or choose a later window")]
    NoScores,
    #[error("no model to compare: none serves, and none is named")]
    NoModel,
    #[error("at most {max} models can be compared, got {got}")]
    TooManyModels { max: usize, got: usize },
    #[error("cancelled")]
    Cancelled,
}

impl BacktestError {
    /// The field of the request that is wrong, where it is one.
    pub fn field(&self) -> Option<String> {
        match self {
            BacktestError::Config(error) => error.field(),
            BacktestError::Window { .. } | BacktestError::Empty { .. } => Some("from".to_owned()),
            BacktestError::TooMany(_) => Some("until".to_owned()),
            BacktestError::Cost { field, .. } => Some(format!("costs.{field}")),
            BacktestError::Budget(_) => Some("alerts_per_day".to_owned()),
            BacktestError::TooManyModels { .. } => Some("models".to_owned()),
            BacktestError::Node(_)
            | BacktestError::NoScores
            | BacktestError::NoModel
            | BacktestError::Cancelled => None,
        }
    }

    /// Stable machine-readable code.
    pub fn code(&self) -> &'static str {
        match self {
            BacktestError::Node(error) => error.code(),
            BacktestError::Config(error) => error.code(),
            BacktestError::Window { .. } => "window",
            BacktestError::Cost { .. } => "cost",
            BacktestError::Empty { .. } => "window_empty",
            BacktestError::TooMany(_) => "window_too_large",
            BacktestError::Budget(_) => "alert_budget",
            BacktestError::NoScores => "no_scores",
            BacktestError::NoModel => "no_model",
            BacktestError::TooManyModels { .. } => "models_max",
            BacktestError::Cancelled => "cancelled",
        }
    }
}
