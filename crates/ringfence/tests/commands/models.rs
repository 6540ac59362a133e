//! Model files and who serves.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use crate::world::Bench;

#[test]
fn a_model_written_aside_is_put_into_service_later() {
    let bench = Bench::new();
    bench.import();
    let train = |seed: &str, rest: &[&str]| {
        let args = ["train", "--rounds", "10", "--leaves", "7", "--seed", seed];
        let trained = bench.json(&[&args[..], rest].concat());
        trained["model"].as_str().unwrap().to_owned()
    };
    let serving = || {
        let models = bench.json(&["models", "list"]);
        let models = models.as_array().unwrap().clone();
        let mut serving = models.iter().filter(|it| it["serving"] == true);
        let one = serving.next().map(|it| it["model"].clone());
        assert!(serving.next().is_none());
        one.map(|model| model.as_str().unwrap().to_owned())
    };
    let first = train("1", &["--no-activate"]);
    assert_eq!(serving(), None);
    let second = train("2", &[]);
    assert_eq!(serving().as_ref(), Some(&second));
    assert_ne!(first, second);
    let switched = bench.json(&["models", "activate", &first[..8]]);
    assert_eq!(switched["model"].as_str(), Some(first.as_str()));
    assert_eq!(serving().as_ref(), Some(&first));
    for wrong in ["", "zz"] {
        assert_eq!(
            bench.run(&["models", "activate", wrong]).status.code(),
            Some(1)
        );
    }
    assert_eq!(serving(), Some(first));
}

#[test]
fn a_model_that_could_not_serve_is_refused_before_its_training() {
    let bench = Bench::new();
    bench.import();
    let mut decide = bench.command(&["decide"]);
    let mut writer = decide.stdin(Stdio::piped()).spawn().unwrap();
    // An answer, here a refusal, says that the writer has the log.
    let mut input = writer.stdin.take().unwrap();
    input.write_all(b"{}\n").unwrap();
    let mut answer = String::new();
    let output = writer.stdout.take().unwrap();
    BufReader::new(output).read_line(&mut answer).unwrap();
    assert!(answer.contains("error"), "{answer}");
    let args = ["train", "--rounds", "10", "--leaves", "7"];
    let output = bench.run(&args);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("--no-activate"), "{told}");
    assert!(!bench.path("data/default/models").exists());
    let aside = bench.json(&[&args[..], &["--no-activate"]].concat());
    assert_eq!(aside["activated"], false);
    drop(input);
    // One line of its input was refused.
    assert_eq!(writer.wait().unwrap().code(), Some(3));
}
