//! What is not measured, what is looked at again, and parts of the events.

use super::*;

/// What nothing is known of is no reason to let it pass.
#[test]
fn what_cannot_be_measured_holds() {
    type Spoil = fn(&mut Judged);
    let spoiled: [(Gate, Spoil); 2] = [
        (Gate::Alerts, |it| it.candidate.thresholds.clear()),
        // Of frauds alone no slope is known.
        (Gate::Calibration, |it| it.fraud.fill(true)),
    ];
    for (gate, spoil) in spoiled {
        let mut it = judged(&world().honest, false);
        spoil(&mut it);
        let report = judge(&it, &Bounds::default(), 0);
        assert_eq!(failing(&report), [gate], "{}", report.text());
        assert_eq!(report.verdict, Verdict::Hold);
    }
}

/// A candidate that is looked at until it passes has to show more at each look.
#[test]
fn every_further_look_asks_for_more() {
    let mut noisy = judged(&world().honest, false);
    let mut random = Random::new(9);
    for log_odds in &mut noisy.candidate.log_odds {
        *log_odds += 0.35 * random.normal();
    }
    let low = |exam: usize| {
        let report = judge(&noisy, &Bounds::default(), exam);
        let low = of(&report, Gate::Ranking)[0].value.unwrap();
        (report.candidate.ap - report.champion.ap, low)
    };
    let (difference, alone) = low(0);
    // Standard normal quantiles of 2.5 % by 1, by 2 and by 30, as any table has them.
    for (exam, quantile) in [(1, 2.241_403), (5, 3.144_0)] {
        let (_, looked) = low(exam);
        let stretch = (difference - looked) / (difference - alone);
        assert!((stretch - quantile / 1.959_964).abs() < 1e-3, "{stretch}");
    }
    // What the interval of one look would let pass, the fifth does not.
    let bounds = Bounds {
        ap_loss_max: -(alone + low(5).1) / 2.0,
        ..Bounds::default()
    };
    let outcomes = [0, 5].map(|exam| {
        let report = judge(&noisy, &bounds, exam);
        of(&report, Gate::Ranking)[0].outcome
    });
    assert_eq!(outcomes, [Outcome::Pass, Outcome::Hold]);
}

/// The payments of one channel of four are ranked by chance.
#[test]
fn one_channel_does_not_pay_for_the_others() {
    let mut it = judged(&world().honest, false);
    let names = ["payment/app", "payment/web", "transfer"];
    it.segment_names = names.map(str::to_owned).to_vec();
    it.segments = (0..it.fraud.len())
        .map(|row| match (it.event_types[row], row % 4) {
            (1, _) => 2,
            (_, 0) => 1,
            _ => 0,
        })
        .collect();
    let mut random = Random::new(4);
    for (row, segment) in it.segments.iter().enumerate() {
        if *segment == 1 {
            it.candidate.log_odds[row] = -6.0 + random.normal();
        }
    }
    let bounds = Bounds {
        segment_frauds_min: 20,
        segment_loss_max: 0.25,
        ..Bounds::default()
    };
    let report = judge(&it, &bounds, 0);
    let found = of(&report, Gate::Segment).into_iter();
    let said: Vec<_> = found
        .map(|it| (it.of.as_deref().unwrap(), it.outcome))
        .collect();
    let wanted = [
        ("payment", Outcome::Pass),
        ("transfer", Outcome::Pass),
        ("payment/app", Outcome::Pass),
        ("payment/web", Outcome::Refuse),
    ];
    assert_eq!(said, wanted, "{}", report.text());
}

#[test]
fn one_event_type_does_not_pay_for_the_others() {
    let mut it = judged(&world().honest, false);
    let mut random = Random::new(4);
    for (row, event_type) in it.event_types.iter().enumerate() {
        if *event_type == 1 {
            it.candidate.log_odds[row] += 1.2 * random.normal();
        }
    }
    let report = judge(&it, &Bounds::default(), 0);
    let said: Vec<_> = of(&report, Gate::Segment)
        .into_iter()
        .map(|it| (it.of.clone().unwrap(), it.outcome))
        .collect();
    assert_eq!(
        said,
        [
            ("payment".to_owned(), Outcome::Pass),
            ("transfer".to_owned(), Outcome::Refuse)
        ],
        "{}",
        report.text()
    );
    // Below the floor of frauds it is told and not judged.
    let bounds = Bounds {
        segment_frauds_min: 5_000,
        ..Bounds::default()
    };
    let report = judge(&it, &bounds, 0);
    let unjudged = of(&report, Gate::Segment);
    assert!(unjudged.iter().all(|it| it.outcome == Outcome::Unjudged));
}
