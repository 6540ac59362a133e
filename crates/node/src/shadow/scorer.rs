//! The thread that scores: every shadow on every sample, into the shadows' files.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::TryRecvError;
use std::thread;
use std::time::{Duration, Instant};

use graph::{FeatureGroup, FeatureList, Sample};
use model::artifact::ArtifactError;

use super::Ground;
use super::board::{Board, Lane};
use super::handover::{Handed, Intake};
use super::store::{Entry, ScoreWriter};
use crate::clock::cpu_time;
use crate::{Champion, NodeError};

/// How long the thread sleeps when it finds nothing: it doubles up to the longer one.
const NAP: Duration = Duration::from_millis(1);
const NAP_MAX: Duration = Duration::from_millis(16);
/// When scores are in their file at the latest.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

pub(super) struct Scorer {
    ground: Ground,
    board: Arc<Board>,
    intake: Intake,
    /// Of the board, as `shadows` follows it.
    changes: Option<u64>,
    shadows: Vec<Shadow>,
    /// Places of suspicion in the tabular part.
    suspicion: Vec<usize>,
    flush_at: Instant,
}

struct Shadow {
    lane: Arc<Lane>,
    /// `None`: it cannot be loaded, or its file not be opened.
    ready: Option<(Champion, ScoreWriter)>,
}

impl Shadow {
    fn reads_channel(&self) -> bool {
        let ready = self.ready.as_ref();
        ready.is_some_and(|(model, _)| model.voice().is_some())
    }
}

impl Scorer {
    pub fn new(ground: Ground, board: Arc<Board>, intake: Intake) -> Scorer {
        let suspicion = places_of_suspicion(&ground.shape.features);
        Scorer {
            ground,
            board,
            intake,
            changes: None,
            shadows: Vec::new(),
            suspicion,
            flush_at: Instant::now() + FLUSH_EVERY,
        }
    }

    /// Until the owner lets go of its end.
    pub fn run(mut self) {
        let mut nap = NAP;
        while !self.intake.closed.load(Ordering::Acquire) {
            match self.intake.full.try_recv() {
                Ok(handed) => {
                    nap = NAP;
                    // Now, so that who had entered when it was handed over scores it.
                    self.follow();
                    self.score(handed);
                }
                Err(TryRecvError::Empty) => {
                    self.follow();
                    thread::sleep(nap);
                    nap = (nap * 2).min(NAP_MAX);
                }
                Err(TryRecvError::Disconnected) => break,
            }
            if Instant::now() >= self.flush_at {
                self.flush();
            }
        }
        let left = self.intake.full.try_iter().count() as u64;
        self.board.taken.add(left);
        self.board.dropped.add(left);
        self.flush();
    }

    /// Loads what is wanted and lets go of what is not. What is in trouble is loaded anew: somebody may have mended it.
    fn follow(&mut self) {
        if self.changes == Some(self.board.changes()) {
            return;
        }
        let (changes, wanted) = self.board.wanted();
        self.changes = Some(changes);
        self.flush();
        let mut held = std::mem::take(&mut self.shadows);
        held.retain(|it| it.lane.trouble().is_none());
        for artifact in wanted {
            let at = held.iter().position(|it| it.lane.artifact == artifact);
            let shadow = at.map(|at| held.swap_remove(at));
            let shadow = shadow.unwrap_or_else(|| self.shadow(artifact));
            self.shadows.push(shadow);
        }
        let lanes = self.shadows.iter().map(|it| it.lane.clone());
        let loaded = || self.shadows.iter().filter_map(|it| it.ready.as_ref());
        let reads_arrays = loaded().any(|(model, _)| model.has_network());
        self.board.follow(changes, lanes.collect(), !reads_arrays);
    }

    fn shadow(&self, artifact: [u8; 32]) -> Shadow {
        let known = self.board.lane(&artifact);
        let lane = known.unwrap_or_else(|| Arc::new(Lane::new(artifact)));
        let ready = self.ready(artifact, &lane);
        lane.set_trouble(ready.as_ref().err().map(told));
        Shadow {
            lane,
            ready: ready.ok(),
        }
    }

    fn ready(&self, artifact: [u8; 32], lane: &Lane) -> Result<(Champion, ScoreWriter), NodeError> {
        let Ground {
            place,
            shape,
            settings,
        } = &self.ground;
        let path = place.model(&artifact);
        let model = Champion::load(&path, &shape.schema, &shape.features)?;
        if model.artifact() != artifact {
            let held = event::hex(&model.artifact());
            return Err(NodeError::OtherModel { path, held });
        }
        let (writer, found) = ScoreWriter::open(place, artifact, settings.bytes_max)?;
        lane.faults.add(u64::from(found.damaged));
        Ok((model, writer))
    }

    fn score(&mut self, mut handed: Box<Handed>) {
        // First those that read the sample as it is, then those for which nobody has spoken.
        for reads_channel in [true, false] {
            if handed.channel && !reads_channel {
                handed.sample.forget_suspicion(&self.suspicion);
            }
            for shadow in &mut self.shadows {
                if shadow.reads_channel() == reads_channel {
                    shadow.score(&handed);
                }
            }
        }
        self.board.taken.add(1);
        // The owner may be gone; then nobody needs the box.
        let _ = self.intake.empty.try_send(handed);
    }

    fn flush(&mut self) {
        self.flush_at = Instant::now() + FLUSH_EVERY;
        for shadow in &mut self.shadows {
            let Some((_, writer)) = &mut shadow.ready else {
                continue;
            };
            let written = writer.flush();
            if written.is_ok() {
                shadow.lane.set_trouble(None);
            }
            shadow.lane.noted(written);
        }
    }
}

impl Shadow {
    fn score(&mut self, handed: &Handed) {
        let Some((model, writer)) = &mut self.ready else {
            return;
        };
        let lane = &self.lane;
        let began = cpu_time();
        let said = said(model, &handed.sample);
        let took = cpu_time().saturating_sub(began);
        lane.time.add_time(took);
        let Some(said) = said else {
            lane.failed.add(1);
            return;
        };
        lane.scored.add(1);
        lane.noted(writer.push(&Entry {
            position: handed.position,
            at: handed.at,
            check: handed.check,
            score: said.score,
            probability_ppm: said.probability_ppm,
            nanos: u32::try_from(took.as_nanos()).unwrap_or(u32::MAX),
            deciding_nanos: handed.deciding_nanos,
        }));
    }
}

/// As a champion that keeps to its time would score.
fn said(model: &mut Champion, sample: &Sample) -> Option<crate::champion::Score> {
    match model.has_network() {
        true => model.score(sample),
        false => model.score_by_trees(sample),
    }
}

impl Lane {
    /// A file that takes no scores is told of; what it did not take is lost.
    fn noted(&self, written: Result<(), NodeError>) {
        if let Err(error) = written {
            self.faults.add(1);
            self.set_trouble(Some(told(&error)));
        }
    }
}

/// For those who may not know where files lie.
fn told(error: &NodeError) -> String {
    match error {
        NodeError::Model(ArtifactError::Io { source, .. }) => {
            format!("its model file cannot be read: {source}")
        }
        NodeError::Io { what, source, .. } => format!("cannot {what} its scores: {source}"),
        NodeError::OtherModel { .. } => "its model file holds another model".to_owned(),
        other => other.to_string(),
    }
}

fn places_of_suspicion(features: &FeatureList) -> Vec<usize> {
    let all = features.features().iter().enumerate();
    let own = all.filter(|(_, it)| it.group == FeatureGroup::Suspicion);
    own.map(|(at, _)| at).collect()
}
