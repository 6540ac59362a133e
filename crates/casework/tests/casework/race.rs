//! Several connections to one file at once, as a server has them.

use std::sync::Barrier;
use std::thread;

use ringfence_casework::queue::Claimable;
use ringfence_casework::{Action, Actor};

use crate::bench::{Desk, Log, at, open, refusal, transfer};

fn apart(cases: usize) -> (Desk, Vec<i64>) {
    let mut log = Log::new();
    let ids = (0..cases)
        .map(|case| log.decided(&transfer(&format!("a{case}"), &format!("b{case}"))))
        .collect();
    (Desk::of(&log), ids)
}

fn person(number: usize) -> Actor {
    Actor {
        name: format!("person{number}"),
        is_admin: false,
    }
}

#[test]
fn of_two_who_claim_one_case_at_the_same_version_exactly_one_gets_it() {
    let (desk, ids) = apart(30);
    for id in ids {
        let start = Barrier::new(2);
        let claims: Vec<_> = thread::scope(|scope| {
            let claims: Vec<_> = (0..2)
                .map(|number| {
                    let (start, path) = (&start, &desk.path);
                    scope.spawn(move || {
                        let mut casework = open(path);
                        start.wait();
                        refusal(casework.act(&person(number), id, 1, &Action::Claim, at(1)))
                    })
                })
                .collect();
            claims.into_iter().map(|it| it.join().unwrap()).collect()
        });
        let lost: Vec<_> = claims.iter().filter_map(|it| it.as_ref().err()).collect();
        assert_eq!(lost.len(), 1, "{claims:?}");
        assert_eq!(lost[0].code(), "version_moved");
        let won = claims.iter().find_map(|it| it.as_ref().ok()).unwrap();
        assert_eq!(desk.case(id), *won);
        assert_eq!(won.version, 2);
    }
}

#[test]
fn those_who_ask_for_the_next_case_never_get_the_same() {
    let (desk, ids) = apart(40);
    let mut got: Vec<i64> = thread::scope(|scope| {
        let people: Vec<_> = (0..4)
            .map(|number| {
                let path = &desk.path;
                scope.spawn(move || {
                    let mut casework = open(path);
                    let mut got = Vec::new();
                    let which = Claimable::default();
                    while let Some(case) =
                        casework.claim_next(&person(number), &which, at(1)).unwrap()
                    {
                        got.push(case.id);
                    }
                    got
                })
            })
            .collect();
        people
            .into_iter()
            .flat_map(|it| it.join().unwrap())
            .collect()
    });
    got.sort_unstable();
    assert_eq!(got, ids);
}
