//! The decay study as a user runs it, on one small world: what it prints, draws and keeps, and that it goes
//! on where it stopped.

use std::fs;

use serde_json::Value;

use crate::html;
use crate::world::Bench;

const ARMS: [&str; 5] = ["never", "monthly", "triggered", "random", "oracle"];

fn study(bench: &Bench, more: &[&str]) -> Value {
    let args = [
        "study",
        "decay",
        "--out",
        "out",
        "--worlds",
        "1",
        "--seed",
        "101",
        "--days",
        "20",
        "--params",
        "small.toml",
    ];
    bench.json(&[&args, more].concat())
}

#[test]
fn a_study_compares_five_arms_and_goes_on_where_it_stopped() {
    let bench = Bench::new();
    fs::write(
        bench.path("small.toml"),
        "accounts = 600\nprevalence = 0.01\n",
    )
    .unwrap();
    let told = study(&bench, &["--html", "page.html", "--plots", "plots"]);
    let arms = told["arms"].as_array().unwrap();
    assert!(arms.iter().map(|it| &it["arm"]).eq(ARMS));
    let course = |arm: &str| &told["courses"][arm]["101"];
    let money = |arm: &str| -> f64 {
        let days = course(arm)["days"].as_array().unwrap();
        days.iter().map(|it| it["money"].as_f64().unwrap()).sum()
    };
    let first = |arm: &str| course(arm)["days"][0]["money_caught"].as_f64().unwrap();
    for arm in ARMS {
        // one world for all of them, and one model to begin with
        assert_eq!(money(arm), money("never"), "{arm}");
        assert_eq!(first(arm), first("never"), "{arm}");
        assert_eq!(course(arm)["days"].as_array().unwrap().len(), 14 + 20);
    }
    let trained = |arm: &str| course(arm)["retrained"].as_array().unwrap().len();
    assert_eq!((trained("never"), trained("oracle")), (0, 3));
    assert_eq!(trained("random"), trained("triggered"));
    assert_ne!(course("oracle")["days"], course("never")["days"]);

    let text = fs::read_to_string(bench.path("page.html")).unwrap();
    let page = html::parse(&text);
    html::check_alone(&page, &text);
    let figure = html::of_class(&page, "figure", "recall")[0];
    let drawn = html::data(figure);
    let mut wanted = Vec::new();
    for arm in arms {
        let name = arm["arm"].as_str().unwrap();
        for point in arm["weekly"].as_array().unwrap() {
            let at = |place: usize| point[place].as_f64().unwrap();
            wanted.push((name.to_owned(), at(0), at(1)));
        }
    }
    assert_eq!(wanted.len(), 5 * 14);
    assert_eq!(drawn, wanted);
    for name in ["recall.svg", "survival.svg"] {
        let text = fs::read_to_string(bench.path("plots").join(name)).unwrap();
        let picture = html::parse(&text);
        let curves = html::of_class(&picture, "polyline", "curve");
        assert_eq!(curves.len(), 5, "{name}");
        assert!(
            !text
                .replace("http://www.w3.org/2000/svg", "")
                .contains("://")
        );
    }

    // what is kept is read, and what is gone is done again, to the bit
    let kept = |arm: &str| bench.path(&format!("out/world-101-{arm}.json"));
    fs::remove_file(kept("monthly")).unwrap();
    let stamp = |arm: &str| fs::metadata(kept(arm)).unwrap().modified().unwrap();
    let before = stamp("oracle");
    assert_eq!(study(&bench, &[]), told);
    assert_eq!(stamp("oracle"), before);
    assert!(kept("monthly").exists());
    // nothing of the world is left
    assert_eq!(fs::read_dir(bench.path("out")).unwrap().count(), 5);

    let mut other = bench.command(&["study", "decay", "--out", "out", "--worlds", "1"]);
    let refused = other.args(["--seed", "101"]).output().unwrap();
    let error = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{error}");
    assert!(
        error.contains("world-101-never.json was made with other settings"),
        "{error}"
    );
}
