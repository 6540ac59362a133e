//! Bulk imports of list items on a real server: slices, rejects, the end at the limit, decisions that go on.

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fs, thread};

use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::server::{Server, payment};

/// Of a tenant's lists (`crates/lists/src/lib.rs`).
const ITEMS_MAX: u64 = 2_000_000;
const ROOM: u64 = 1_000;

/// A file of these values, and as many rows before it as are wrong.
fn csv(values: std::ops::Range<u64>, wrong: usize) -> String {
    let mut text = "value,reason\n".to_owned() + &",nobody\n".repeat(wrong);
    for value in values {
        writeln!(text, "v{value},").unwrap();
    }
    text
}

fn import(client: &mut Client, text: &str) -> Answer {
    let media = [("Content-Type", "text/csv")];
    let sent = client.send("POST", "/v1/lists/many/csv", &media, Some(text.as_bytes()));
    sent.unwrap()
}

fn items(client: &mut Client) -> Value {
    client.get("/v1/lists").ok()["lists"][0]["items"].clone()
}

#[test]
fn an_import_that_ends_at_the_limit_tells_how_far_it_came_while_decisions_go_on() {
    let mut server = Server::start();
    let mut client = server.client();
    let list = json!({ "on": "device", "form": "text", "effect": "watch" }).to_string();
    let made = client.send("PUT", "/v1/lists/many", &[], Some(list.as_bytes()));
    made.unwrap().ok();

    let told = import(&mut client, &csv(0..2_500, 2)).ok();
    assert_eq!(
        (&told["put"], &told["rejected"]),
        (&json!(2_500), &json!(2))
    );
    let reject = &told["rejects"][0];
    assert_eq!(
        (&reject["line"], &reject["field"]),
        (&json!(2), &json!("value"))
    );

    let ended = AtomicBool::new(false);
    let decided = thread::scope(|scope| {
        let mut deciding = server.client();
        let ended = &ended;
        let decisions = scope.spawn(move || {
            let mut number = 0;
            while !ended.load(Ordering::Relaxed) {
                // On a machine with much else to do a deadline may pass: asked again, it is the same decision.
                let answer = deciding.post("/v1/decisions", &payment(number).to_string());
                match answer.status {
                    504 => assert_eq!(answer.code(), "deadline_exceeded"),
                    _ => {
                        answer.ok();
                        number += 1;
                    }
                }
            }
            number
        });
        let step = 100_000;
        for from in (2_500..ITEMS_MAX - ROOM).step_by(step as usize) {
            let until = (from + step).min(ITEMS_MAX - ROOM);
            let told = import(&mut client, &csv(from..until, 0)).ok();
            assert_eq!(told["put"], until - from, "{told}");
        }
        ended.store(true, Ordering::Relaxed);
        decisions.join().unwrap()
    });
    assert!(decided > 100, "{decided} decisions while the list grew");
    assert_eq!(items(&mut client), ITEMS_MAX - ROOM);

    // One slice has room; the two behind it have not.
    let text = csv(ITEMS_MAX..ITEMS_MAX + 2_500, 1);
    let refused = import(&mut client, &text);
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (400, "too_many_items")
    );
    let detail = &refused.json()["detail"];
    let number = |name: &str| detail[name].as_u64().unwrap();
    // A first line of names, one that is refused, a thousand that are put.
    assert_eq!(
        (number("put"), number("rejected"), number("line")),
        (1_000, 1, 1_003)
    );
    assert_eq!(
        (&detail["field"], &detail["rejects"][0]["line"]),
        (&json!("items"), &json!(2))
    );
    assert_eq!(items(&mut client), ITEMS_MAX);

    // The same from a terminal, with a server and without one.
    let file = server.data().with_file_name("more.csv");
    fs::write(&file, &text).unwrap();
    let (url, token) = (format!("http://{}", server.address), server.token(&[]));
    let file = file.to_str().unwrap();
    let args = [
        "lists", "import", "many", file, "--to", &url, "--token", &token,
    ];
    let output = server.command(&args).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("too_many_items") && said.contains("1000 items were put"),
        "{said}"
    );
    server.stop();
    let output = server
        .command(&["lists", "import", "many", file])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("1000 items are put and 1 lines refused, up to line 1002"),
        "{said}"
    );
}
