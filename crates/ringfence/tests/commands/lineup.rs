//! The life of models by commands, in a directory that no server has open.

use serde_json::Value;

use crate::world::Bench;

/// Status by model, as `models ls` tells it.
fn status(bench: &Bench, model: &str) -> String {
    let rows = bench.json(&["models", "ls"]);
    let mut rows = rows.as_array().unwrap().iter();
    let row = rows.find(|it| it["model"] == *model);
    row.map_or_else(
        || "gone".to_owned(),
        |it| it["status"].as_str().unwrap().to_owned(),
    )
}

#[test]
fn a_model_goes_through_its_life_and_the_log_remembers_who_and_why() {
    let bench = Bench::new();
    bench.import();
    let train = |seed: &str| {
        let args = [
            "train",
            "--rounds",
            "10",
            "--leaves",
            "7",
            "--no-reference",
            "--seed",
            seed,
        ];
        let trained = bench.json(&args);
        trained["model"].as_str().unwrap().to_owned()
    };
    let (one, two) = (train("1"), train("2"));
    assert_eq!(status(&bench, &one), "candidate");
    assert_eq!(status(&bench, &two), "champion");

    let shown = bench.json(&["models", "show", &two[..8]]);
    let lineage: &Value = &shown["lineage"];
    assert_eq!(lineage["parent"], one, "{lineage}");
    assert_eq!(lineage["seed"], 2);
    assert!(lineage["samples"].as_u64() > lineage["frauds"].as_u64());
    // Trained on the same rows, they say so.
    let first = bench.json(&["models", "show", &one]);
    assert_eq!(lineage["data_digest"], first["lineage"]["data_digest"]);
    assert_eq!(lineage["data_digest"].as_str().unwrap().len(), 64);

    let said = |args: &[&str]| {
        let done = bench.run(args);
        assert_eq!(done.status.code(), Some(1), "{args:?}");
        String::from_utf8_lossy(&done.stderr).into_owned()
    };
    bench.json(&["models", "challenge", &one[..8], "--share", "0.1"]);
    assert_eq!(status(&bench, &one), "challenger");
    for share in ["0", "1.5", "NaN"] {
        assert!(said(&["models", "challenge", &one, "--share", share]).contains("--share"));
    }
    assert!(said(&["models", "delete", &one]).contains("is not retired"));
    assert!(said(&["models", "retire", &two]).contains("is the champion"));
    bench.json(&["models", "withdraw", &one]);
    bench.json(&["models", "rollback", "--why", "too many reviews"]);
    assert_eq!(status(&bench, &one), "champion");
    bench.json(&["models", "rollback"]);
    assert_eq!(status(&bench, &two), "champion");

    let file = bench.path("one.model");
    let file = file.to_str().unwrap();
    bench.json(&["models", "export", file, "--artifact", "--model", &one]);
    bench.json(&["models", "retire", &one]);
    assert!(said(&["models", "activate", &one]).contains("is retired"));
    bench.json(&["models", "delete", &one]);
    assert_eq!(status(&bench, &one), "gone");
    let taken = bench.json(&["models", "import", file]);
    assert_eq!(
        (&taken["model"], &taken["activated"]),
        (&Value::from(one.as_str()), &Value::from(false))
    );
    assert_eq!(status(&bench, &one), "candidate");

    let dumped = bench.run(&["log", "dump", "--kind", "activation"]);
    let dumped = String::from_utf8(dumped.stdout).unwrap();
    let lines: Vec<Value> = dumped
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let told: Vec<(&str, &str)> = lines
        .iter()
        .map(|it| (it["part"].as_str().unwrap(), it["why"].as_str().unwrap()))
        .collect();
    let expected = [
        ("champion", ""),
        ("champion", ""),
        ("challenger", ""),
        ("challenger", ""),
        ("champion", "too many reviews"),
        ("champion", ""),
        ("retired", ""),
        ("retired", ""),
    ];
    assert_eq!(told, expected);
    assert!(lines.iter().all(|it| it["author"] == "command line"));
}
