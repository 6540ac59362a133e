//! The end of a window: every rule that has rows enough, then which findings may be believed, then what is told.

use std::collections::BTreeMap;

use super::example::examples;
use super::verdict::{Bench, Finding};
use super::window::Window;
use super::{ALERTS_MAX, Monitor, Observation};
use crate::alert::{Alert, Kind};
use crate::cells::Cells;
use crate::discovery::threshold;
use crate::reference::{DAY_MS, hour_of_week};

/// Event time without the rule after which an alert is over; of long windows, three of them.
const OVER_AFTER_MS: i64 = DAY_MS;
/// Over which `Settings::false_alerts` are spent.
const BUDGET_MS: i64 = 30 * DAY_MS;

impl Monitor {
    /// Closes the open piece of time.
    pub(super) fn close(&mut self, from: i64, until: i64) {
        let mut findings = Vec::new();
        (0..self.state.recent.len()).for_each(|segment| self.count(segment));
        let latest = (self.state.open).end(&self.reference, &self.sketched, (from, until));
        if latest.cells(0).rows > 0 {
            self.state.windows += 1;
            for segment in 0..self.reference.segments.len() {
                self.look(segment, latest.cells(segment), (from, until), &mut findings);
            }
            self.state.latest = Some(latest);
        }
        if let Some(readings) = &mut self.readings {
            let all = findings.iter().filter(|it| it.segment == 0);
            readings.extend(all.map(|it| Observation {
                column: it.column,
                reading: it.reading,
            }));
        }
        self.go_on_with_alerts(&findings, until);
        let believed = self.believe(findings, until - from);
        self.tell(believed, until);
    }

    fn look(
        &mut self,
        segment: usize,
        cells: &Cells,
        (from, until): (i64, i64),
        findings: &mut Vec<Finding>,
    ) {
        let (reference, state) = (&self.reference, &mut self.state);
        if cells.rows == 0 {
            return;
        }
        let (width, hour) = (reference.width(), hour_of_week(from));
        let middle = reference.from + (reference.until - reference.from) / 2;
        for (column, counts) in cells.counts().enumerate() {
            let at = segment * width + column;
            let (Some(baseline), Some(watched)) =
                (&reference.baselines[at], &mut state.watched[at])
            else {
                continue;
            };
            let is_score = column == reference.score();
            let counted = cells.counted(column, counts, is_score);
            let piece = Window {
                counted,
                expected: baseline.expect(hour, counted.rows),
                from,
                until,
            };
            let (scale_mean, scale_sd) = reference.measure_of(column);
            let bench = Bench {
                at: (segment as u16, column as u16),
                column: &reference.columns[column],
                scale_sd,
                scale_mean,
                baseline,
                limits: self.limits[column],
                settings: &self.settings,
                has_segments: reference.segments.len() > 1,
                middle,
            };
            bench.take(watched, &piece, findings);
        }
    }

    /// Alerts go on while their rule holds, and are over some time after.
    fn go_on_with_alerts(&mut self, findings: &[Finding], now: i64) {
        for alert in self
            .state
            .alerts
            .iter_mut()
            .filter(|it| it.over_at.is_none())
        {
            let quality = alert.reading.kind.is_data_quality();
            let same = |it: &&Finding| {
                let kind = it.reading.kind;
                let holds = if quality {
                    it.p < 0.01
                } else {
                    it.reading.streak > 0
                };
                it.column == alert.column
                    && it.segment == alert.segment
                    && if quality {
                        kind == alert.reading.kind
                    } else {
                        !kind.is_data_quality()
                    }
                    && holds
            };
            if findings.iter().any(|it| same(&it)) {
                alert.held_at = now;
            } else if now - alert.held_at
                > OVER_AFTER_MS.max(3 * (alert.reading.until - alert.reading.from))
            {
                alert.over_at = Some(now);
            }
        }
    }

    /// Findings that are too surprising for chance among all that were looked at. The level of all windows of 30 days
    /// together is the number of false alerts that they may bring.
    fn believe(&self, findings: Vec<Finding>, length_ms: i64) -> Vec<Finding> {
        let level = self.settings.false_alerts * length_ms as f64 / BUDGET_MS as f64;
        let mut p: Vec<f64> = findings.iter().map(|it| it.p).collect();
        let tests = p.len();
        p.retain(|it| *it <= level);
        let Some(limit) = threshold(&mut p, tests, level) else {
            return Vec::new();
        };
        findings.into_iter().filter(|it| it.p <= limit).collect()
    }

    /// One alert per column, for data quality and for drift; the most surprising segment speaks for the others.
    fn tell(&mut self, believed: Vec<Finding>, now: i64) {
        let mut groups: BTreeMap<(u8, u16), Vec<Finding>> = BTreeMap::new();
        for finding in believed {
            // Data quality first: what it explains is no drift.
            let order = match finding.reading.kind {
                Kind::Unit => 0,
                Kind::NewCategory => 1,
                Kind::Missing => 2,
                Kind::Spread | Kind::Shape | Kind::Distance => 3,
            };
            groups
                .entry((order, finding.column))
                .or_default()
                .push(finding);
        }
        for ((_, column), mut group) in groups {
            let kind = group[0].reading.kind;
            group.retain(|it| !self.is_explained(it));
            if group.is_empty() {
                continue;
            }
            if let Some(told) = self.told(column, kind) {
                let first = told.segment;
                told.also_in
                    .extend(group.iter().map(|it| it.segment).filter(|it| *it != first));
                told.also_in.sort_unstable();
                told.also_in.dedup();
                continue;
            }
            group.sort_by(|a, b| a.p.total_cmp(&b.p).then(a.segment.cmp(&b.segment)));
            let alert = self.alert(&group, now);
            self.state.given += 1;
            if self.state.alerts.len() == ALERTS_MAX {
                self.state.alerts.pop_front();
            }
            self.state.alerts.push_back(alert.clone());
            self.fresh.push(alert);
        }
    }

    fn alert(&self, group: &[Finding], now: i64) -> Alert {
        let first = &group[0];
        let (segment, column) = (usize::from(first.segment), usize::from(first.column));
        let recent = &self.state.recent;
        let of = match segment {
            0 => &recent[..],
            own => &recent[own..=own],
        };
        let ruler = &self.reference.ruler;
        let what = (first.reading.kind, column);
        let mut also_in: Vec<u16> = group[1..].iter().map(|it| it.segment).collect();
        also_in.sort_unstable();
        also_in.dedup();
        also_in.retain(|it| *it != first.segment);
        Alert {
            number: self.state.given,
            column: first.column,
            segment: first.segment,
            reading: first.reading,
            p: first.p,
            also_in,
            examples: examples(of.iter(), ruler, what, &first.window),
            at: now,
            position: self.state.next,
            held_at: now,
            over_at: None,
        }
    }

    /// What goes on already.
    fn told(&mut self, column: u16, kind: Kind) -> Option<&mut Alert> {
        let quality = kind.is_data_quality();
        let alerts = self.state.alerts.iter_mut();
        let mut open = alerts.filter(|it| it.over_at.is_none() && it.column == column);
        open.find(|it| match quality {
            true => it.reading.kind == kind,
            false => !it.reading.kind.is_data_quality(),
        })
    }

    /// Whether a field that it is made from is known to be wrong, or was when what it counts came: a sum of 30 days has a
    /// fault's events in it for as long. What is wrong with a field is news of its own, whatever else is, but for the
    /// events of a fault that is over, which a segment with few rows looks at later.
    fn is_explained(&self, finding: &Finding) -> bool {
        let (columns, column) = (&self.reference.columns, usize::from(finding.column));
        let (own, reading) = (&columns[column], &finding.reading);
        let mut alerts = self.state.alerts.iter();
        if reading.kind.is_data_quality() {
            return alerts.any(|it| {
                let same = it.column == finding.column && it.reading.kind == reading.kind;
                same && it.over_at.is_some() && finding.latest < it.held_at
            });
        }
        // A score is made from all there is.
        let is_score = column == self.reference.score();
        // A streak may have begun with the fault: the latest of its windows tells.
        let since = finding.latest - own.memory_ms();
        alerts.any(|it| {
            let cause = &columns[usize::from(it.column)];
            let made_from = is_score || cause.sources & own.sources != 0;
            let same = it.column == finding.column || made_from;
            it.reading.kind.is_data_quality()
                && same
                && (it.over_at.is_none() || since < it.held_at)
        })
    }
}
