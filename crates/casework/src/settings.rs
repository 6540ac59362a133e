//! How a tenant works: what becomes an alert, what is grouped, how fast it must be looked at, by whom.

use std::collections::BTreeMap;

use event::record::DecisionKind;
use event::{Currency, EventTime, Schema, Span};
use serde::{Deserialize, Serialize};

use crate::Actor;
use crate::changes::{Change, record};
use crate::error::{CaseworkError, Refused, check_text};
use crate::store::{Casework, begin, read_settings, to_json, write_settings};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Counts up; `If-Match` of a change.
    #[serde(default)]
    pub version: i64,
    pub alerts: AlertSettings,
    pub grouping: GroupingSettings,
    pub severity: SeveritySettings,
    pub sla: SlaSettings,
    /// The first that fits names the skill of a new case; none: `general`.
    pub skills: Vec<SkillRule>,
    /// Copied to a new case.
    pub checklist: Vec<String>,
    pub claims: ClaimSettings,
    pub expiry: ExpirySettings,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertSettings {
    /// Decisions that become alerts; `approve` among them is refused.
    pub decisions: Vec<String>,
    /// Whether a rule that says so opens an alert of an approved event too.
    pub rules: bool,
    /// Taken for the probability of an event that no model has scored, in parts per million.
    pub unscored_ppm: u32,
    /// Taken for the amount of an event that has none or no known rate, in minor units of the base currency.
    pub amountless_minor: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupingSettings {
    /// Alerts of one entity whose events are at most this far apart belong together.
    pub window: Span,
    /// By entity kind: with alerts of more accounts than this within the window an entity links no further
    /// alert. 0: it never links. What is not named has `links_default`.
    pub links: BTreeMap<String, u32>,
    pub links_default: u32,
    /// Alerts a case holds at most.
    pub alerts_max: u32,
}

/// From which expected loss on a case is more than `low`, in minor units of the base currency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeveritySettings {
    pub medium: i64,
    pub high: i64,
    pub critical: i64,
}

/// Time from the opening of a case to its disposition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlaSettings {
    pub low: Span,
    pub medium: Span,
    pub high: Span,
    pub critical: Span,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkillRule {
    pub skill: String,
    /// Empty: every event type.
    #[serde(default)]
    pub event_types: Vec<String>,
    /// Empty: with any tags or none.
    #[serde(default)]
    pub tags: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimSettings {
    /// How long a claim holds after the holder's last change.
    pub lock: Span,
    /// Cases one analyst holds at a time.
    pub claims_max: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpirySettings {
    /// An open case that nobody has worked on and nothing has changed for so long is closed.
    pub unworked: Span,
    /// A closed case is removed so long after its last change.
    pub closed: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Low,
    Medium,
    High,
    Critical,
}

pub const SKILL_BYTES_MAX: usize = 48;
pub const CHECKLIST_ITEMS_MAX: usize = 32;
pub const CHECKLIST_BYTES_MAX: usize = 200;
pub const SKILL_RULES_MAX: usize = 64;
/// Names in one rule, kinds in one table.
const NAMES_MAX: usize = 64;
/// A case's alerts are read and moved as one.
pub const ALERTS_OF_CASE_MAX: u32 = 2000;
const LINKS_MAX: u32 = 1000;
const NO_SKILL: &str = "general";

impl Settings {
    /// What a tenant has before it sets anything.
    pub fn initial(base: Currency) -> Settings {
        let major = |amount: i64| amount * base.minor_per_major();
        let links = [("ip", 10), ("location", 0), ("merchant", 0), ("device", 50)];
        let links = links.map(|(kind, accounts)| (kind.to_owned(), accounts));
        Settings {
            version: 0,
            alerts: AlertSettings {
                decisions: vec!["review".to_owned(), "decline".to_owned()],
                rules: true,
                unscored_ppm: 50_000,
                amountless_minor: major(100),
            },
            grouping: GroupingSettings {
                window: Span::days(7),
                links: links.into(),
                links_default: 50,
                alerts_max: 500,
            },
            severity: SeveritySettings {
                medium: major(100),
                high: major(1_000),
                critical: major(10_000),
            },
            sla: SlaSettings {
                low: Span::hours(72),
                medium: Span::hours(24),
                high: Span::hours(4),
                critical: Span::hours(1),
            },
            skills: Vec::new(),
            checklist: Vec::new(),
            claims: ClaimSettings {
                lock: Span::minutes(15),
                claims_max: 50,
            },
            expiry: ExpirySettings {
                unworked: Span::days(180),
                closed: Span::days(1825),
            },
        }
    }

    /// Whether it can be worked with, and fits the tenant's schema.
    pub fn check(&self, schema: &Schema) -> Result<(), Refused> {
        for name in &self.alerts.decisions {
            if DecisionKind::parse(name).is_none_or(|kind| kind == DecisionKind::Approve) {
                return Err(unknown(
                    "alerts.decisions",
                    name,
                    "challenge, review, decline",
                ));
            }
        }
        within(
            "alerts.unscored_ppm",
            self.alerts.unscored_ppm <= 1_000_000,
            "at most 1000000",
            self.alerts.unscored_ppm,
        )?;
        let amountless = self.alerts.amountless_minor;
        let amount_fits = (0..=event::Money::MAX_MINOR).contains(&amountless);
        within(
            "alerts.amountless_minor",
            amount_fits,
            ">= 0 and <= 10^13 minor units",
            amountless,
        )?;
        let grouping = &self.grouping;
        within(
            "grouping.links",
            grouping.links.len() <= NAMES_MAX,
            "at most 64 kinds",
            grouping.links.len(),
        )?;
        for (kind, accounts) in &grouping.links {
            within(
                &format!("grouping.links.{kind}"),
                *accounts <= LINKS_MAX,
                "at most 1000",
                accounts,
            )?;
        }
        within(
            "grouping.links_default",
            grouping.links_default <= LINKS_MAX,
            "at most 1000",
            grouping.links_default,
        )?;
        let alerts_fit = (1..=ALERTS_OF_CASE_MAX).contains(&grouping.alerts_max);
        within(
            "grouping.alerts_max",
            alerts_fit,
            "1 to 2000",
            grouping.alerts_max,
        )?;
        let SeveritySettings {
            medium,
            high,
            critical,
        } = self.severity;
        let rising = 0 <= medium && medium <= high && high <= critical;
        let got = format!("{medium} / {high} / {critical}");
        within("severity", rising, "0 <= medium <= high <= critical", got)?;
        within(
            "claims.claims_max",
            (1..=10_000).contains(&self.claims.claims_max),
            "1 to 10000",
            self.claims.claims_max,
        )?;
        self.check_names(schema)
    }

    fn check_names(&self, schema: &Schema) -> Result<(), Refused> {
        within(
            "skills",
            self.skills.len() <= SKILL_RULES_MAX,
            "at most 64 rules",
            self.skills.len(),
        )?;
        for rule in &self.skills {
            check_text("skills.skill", &rule.skill, SKILL_BYTES_MAX, false)?;
            let names = rule.event_types.len() + rule.tags.len();
            within(
                "skills",
                names <= NAMES_MAX,
                "at most 64 names a rule",
                names,
            )?;
            for name in &rule.event_types {
                if schema.event_type(name).is_none() {
                    let known = schema.event_types.iter().map(|it| it.name.as_str());
                    let known = known.collect::<Vec<_>>().join(", ");
                    return Err(unknown("skills.event_types", name, &known));
                }
            }
            for tag in &rule.tags {
                check_text("skills.tags", tag, SKILL_BYTES_MAX, false)?;
            }
        }
        within(
            "checklist",
            self.checklist.len() <= CHECKLIST_ITEMS_MAX,
            "at most 32 items",
            self.checklist.len(),
        )?;
        for item in &self.checklist {
            check_text("checklist", item, CHECKLIST_BYTES_MAX, false)?;
        }
        Ok(())
    }

    pub(crate) fn is_alert(&self, verdict: DecisionKind) -> bool {
        self.alerts.decisions.iter().any(|it| it == verdict.name())
    }

    /// How many accounts an entity of this kind may link.
    pub(crate) fn links(&self, kind: &str) -> u32 {
        let own = self.grouping.links.get(kind);
        own.copied().unwrap_or(self.grouping.links_default)
    }

    pub(crate) fn severity(&self, loss_minor: i64) -> Severity {
        match loss_minor {
            loss if loss >= self.severity.critical => Severity::Critical,
            loss if loss >= self.severity.high => Severity::High,
            loss if loss >= self.severity.medium => Severity::Medium,
            _ => Severity::Low,
        }
    }

    pub(crate) fn sla(&self, severity: Severity) -> Span {
        match severity {
            Severity::Low => self.sla.low,
            Severity::Medium => self.sla.medium,
            Severity::High => self.sla.high,
            Severity::Critical => self.sla.critical,
        }
    }

    pub(crate) fn skill(&self, event_type: &str, tags: &[String]) -> &str {
        let fits = |rule: &&SkillRule| {
            let type_fits =
                rule.event_types.is_empty() || rule.event_types.iter().any(|it| it == event_type);
            let tags_fit = rule.tags.is_empty() || rule.tags.iter().any(|it| tags.contains(it));
            type_fits && tags_fit
        };
        self.skills
            .iter()
            .find(fits)
            .map_or(NO_SKILL, |rule| &rule.skill)
    }
}

impl From<event::record::Severity> for Severity {
    fn from(of_rule: event::record::Severity) -> Severity {
        match of_rule {
            event::record::Severity::Low => Severity::Low,
            event::record::Severity::Medium => Severity::Medium,
            event::record::Severity::High => Severity::High,
        }
    }
}

impl Severity {
    const ALL: [Severity; 4] = [
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
    ];

    /// As the store keeps it, so that it can be compared there.
    pub(crate) fn rank(self) -> i64 {
        self as i64
    }

    pub(crate) fn of_rank(rank: i64) -> Option<Severity> {
        Severity::ALL.into_iter().find(|it| it.rank() == rank)
    }

    pub fn name(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }

    pub fn parse(text: &str) -> Option<Severity> {
        Severity::ALL.into_iter().find(|it| it.name() == text)
    }
}

impl Casework {
    /// Puts other settings in the place of those of a version. Cases that are there stay as they are.
    pub fn set_settings(
        &mut self,
        actor: &Actor,
        version: i64,
        mut settings: Settings,
        why: &str,
        schema: &Schema,
        now: EventTime,
    ) -> Result<Settings, CaseworkError> {
        settings.check(schema)?;
        let base = self.base;
        let tx = begin(&mut self.db)?;
        let before = read_settings(&tx, base)?;
        if before.version != version {
            let (held, given) = (before.version, version);
            return Err(Refused::StaleSettings { held, given }.into());
        }
        settings.version = version + 1;
        write_settings(&tx, &settings)?;
        record(
            &tx,
            &Change {
                at: now,
                actor: &actor.name,
                action: "settings.changed",
                target: "settings",
                before: Some(to_json("settings", &before)?),
                after: Some(to_json("settings", &settings)?),
                why: (!why.is_empty()).then_some(why),
            },
        )?;
        tx.commit()?;
        Ok(settings)
    }
}

fn within(
    field: &str,
    holds: bool,
    expected: &'static str,
    value: impl ToString,
) -> Result<(), Refused> {
    if holds {
        return Ok(());
    }
    Err(Refused::Value {
        field: field.to_owned(),
        expected,
        value: value.to_string(),
    })
}

fn unknown(field: &'static str, value: &str, known: &str) -> Refused {
    Refused::Unknown {
        field,
        value: value.chars().take(64).collect(),
        known: known.to_owned(),
    }
}
