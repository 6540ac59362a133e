//! One record at a time into the state.

use event::rates::RateTable;
use event::record::{Activation, Channel, ConfigSection, Decision, Record, ServingPart, degraded};
use event::{Event, EventTime, Position, Schema};
use graph::sample::SampleParts;
use graph::{FeatureList, Graph, Input, Sample};
use lists::Lists;
use rules::RuleSet;

use crate::decide::{Facts, Judge};
use crate::lineup::Lineup;
use crate::policy::{NoScore, Policy, Scored};
use crate::read_rules::ReadRules;

/// What a record did, for the shell to act on.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// State advanced, nothing to do.
    None,
    /// The label came past the horizon: counted, not applied.
    LabelTooLate,
    /// Another model serves from here on. With [`Channel::Rebuilt`] the state is whole only after
    /// [`Engine::adopt_channel`].
    Activated(Activation),
    /// A config section changed to this version.
    Configured(ConfigSection, u32),
    /// A config record in the log does not parse; the section stays as it was.
    ConfigIgnored {
        section: ConfigSection,
        version: u32,
        reason: String,
    },
}

#[derive(Clone, Debug)]
pub struct Engine {
    pub(crate) graph: Graph,
    pub(crate) features: FeatureList,
    /// The policy document as it stands in the log; what a snapshot carries.
    pub(crate) policy_body: String,
    pub(crate) rates: RateTable,
    pub(crate) rates_version: u32,
    pub(crate) rules_body: String,
    /// Of the watch over drift, which reads it: nothing here does.
    pub(crate) drift_version: u32,
    pub(crate) drift_body: String,
    /// Read for what comes next; no state, it saves time.
    pub(crate) read_rules: Option<ReadRules>,
    pub(crate) rules_read: u64,
    pub(crate) lists_version: u32,
    pub(crate) judge: Judge,
    /// By event time.
    pub(crate) newest_event: Option<EventTime>,
    pub(crate) lineup: Lineup,
    /// SHA-256 of the producer whose suspicion the graph holds.
    pub(crate) channel: Option<[u8; 32]>,
    /// Events without suspicion when the channel was adopted.
    pub(crate) silent_before: u64,
    /// The log has named a rebuilt channel that has not been handed in yet.
    pub(crate) awaits_channel: bool,
    /// The position the next record must have.
    pub(crate) next: Position,
}

impl Engine {
    pub fn new(schema: &Schema) -> Engine {
        let features = FeatureList::new(schema);
        Engine {
            graph: Graph::new(schema),
            judge: Judge::new(schema, &features),
            features,
            policy_body: String::new(),
            rates: RateTable::default(),
            rates_version: 0,
            rules_body: String::new(),
            drift_version: 0,
            drift_body: String::new(),
            read_rules: None,
            rules_read: 0,
            lists_version: 0,
            newest_event: None,
            lineup: Lineup::default(),
            channel: None,
            silent_before: 0,
            awaits_channel: false,
            next: Position(0),
        }
    }

    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// What the numbers of a sample mean.
    pub fn features(&self) -> &FeatureList {
        &self.features
    }

    pub fn policy(&self) -> &Policy {
        self.judge.policy()
    }

    pub fn rules(&self) -> &RuleSet {
        self.judge.rules()
    }

    pub fn lists(&self) -> &Lists {
        self.judge.lists()
    }

    /// Event time of the newest event; `None`: there was none.
    pub fn newest_event(&self) -> Option<EventTime> {
        self.newest_event
    }

    pub fn judge(&self) -> &Judge {
        &self.judge
    }

    /// SHA-256 of the artifact that serves; `None` when no model does.
    pub fn champion(&self) -> Option<[u8; 32]> {
        self.lineup.champion()
    }

    /// Every model that serves, and as what.
    pub fn lineup(&self) -> &Lineup {
        &self.lineup
    }

    /// SHA-256 of the producer whose suspicion samples read; `None` when nobody speaks.
    pub fn channel(&self) -> Option<[u8; 32]> {
        self.channel
    }

    pub fn next(&self) -> Position {
        self.next
    }

    /// The event's amount in base currency, major units; `None` without an amount or a rate.
    pub fn base_amount(&self, event: &Event) -> Option<f32> {
        self.rates
            .to_base(event.amount?, self.graph.schema().base_currency)
    }

    /// Samples an event that is about to be applied: sees only the records before it (I2).
    pub fn sample(&mut self, event: &Event, parts: SampleParts, sample: &mut Sample) {
        self.expect_whole();
        let amount = self.base_amount(event);
        self.graph.sample(event, amount, parts, sample);
    }

    /// Decides an event that has been applied at `position` and sampled before, and names what was degraded (I8).
    pub fn decide(
        &mut self,
        event: &Event,
        position: Position,
        sample: &Sample,
        scored: Result<Scored, NoScore>,
    ) -> Decision {
        let base_amount = self.base_amount(event);
        let facts = Facts {
            schema: self.graph.schema(),
            tabular: &sample.tabular,
            base_amount,
        };
        let mut decision = self.judge.decide(event, position, facts, scored);
        if event.amount.is_some() && base_amount.is_none() {
            decision.degraded |= degraded::NO_RATE;
        }
        if self.graph.is_past_windows(event.event_timestamp) {
            decision.degraded |= degraded::LATE_EVENT;
        }
        decision
    }

    /// Applies the record at `position`.
    pub fn apply(&mut self, position: Position, record: &Record) -> Effect {
        debug_assert_eq!(
            position, self.next,
            "records are applied in log order, none left out"
        );
        self.expect_whole();
        self.next = Position(position.0 + 1);
        match record {
            Record::Event(event) => {
                self.judge.lists.expire(event.received_at.millis());
                self.newest_event = self.newest_event.max(Some(event.event_timestamp));
                let amount = self.base_amount(event);
                self.graph.fold_event(Input {
                    event,
                    position,
                    amount,
                });
                Effect::None
            }
            Record::Label(label) => {
                if self.graph.fold_label(label) {
                    Effect::None
                } else {
                    Effect::LabelTooLate
                }
            }
            Record::Outcome(outcome) => {
                self.graph.fold_outcome(outcome);
                Effect::None
            }
            Record::Decision(decision) => {
                self.graph.fold_decision(decision);
                Effect::None
            }
            Record::Tick(tick) => {
                self.graph.advance(tick.at);
                self.judge.lists.expire(tick.at.millis());
                Effect::None
            }
            Record::Config(config) => self.configure(config),
            Record::Activation(activation) => {
                self.channel = self.lineup.follow(position, activation, self.channel);
                if activation.part == ServingPart::Champion {
                    self.switch_channel(activation.channel);
                }
                Effect::Activated(activation.clone())
            }
        }
    }

    fn switch_channel(&mut self, channel: Channel) {
        match channel {
            Channel::Kept { .. } => {}
            Channel::Empty => {
                self.silent_before = 0;
                self.graph.replace_suspicion(0, |_| 0);
            }
            Channel::Rebuilt { .. } => self.awaits_channel = true,
        }
    }

    /// What the producer of the activation applied last says of the records from `first` on, 0 for
    /// nothing, in place of all suspicion before.
    pub fn adopt_channel(&mut self, first: Position, scores: &[u16]) {
        let events = scores.iter().filter(|score| **score != 0).count() as u64;
        self.graph.replace_suspicion(events, |position| {
            let at = position.0.checked_sub(first.0);
            let score = at.and_then(|at| scores.get(usize::try_from(at).ok()?));
            score.copied().unwrap_or(0)
        });
        self.silent_before = self.silent();
        self.awaits_channel = false;
    }

    /// Whether the activation applied last has a channel that is to be handed in.
    pub fn awaits_channel(&self) -> bool {
        self.awaits_channel
    }

    /// Events since the channel was adopted of which its producer said nothing: they were imported, the
    /// model was at fault, or they came from before its time.
    pub fn unheard(&self) -> u64 {
        self.silent().saturating_sub(self.silent_before)
    }

    fn silent(&self) -> u64 {
        let counts = self.graph.counts();
        counts.events.saturating_sub(counts.suspicions)
    }

    /// A shell that left out the side file would go on with another state than the log's.
    pub(crate) fn expect_whole(&self) {
        assert!(
            !self.awaits_channel,
            "the channel named by the activation before {} was not handed in",
            self.next.0
        );
    }

    /// Leaves a record out: for who reads a log for something else than the state, which is not the log's any more.
    pub fn pass_over(&mut self, position: Position) {
        debug_assert_eq!(position, self.next);
        self.next = Position(position.0 + 1);
    }

    /// Keeps what a producer says of the event applied last, where its own decision record says nothing:
    /// a replay that rebuilds a channel.
    pub fn fold_suspicion(&mut self, position: Position, suspicion: u16) {
        self.graph.fold_suspicion(position, suspicion);
    }
}
