//! The admin listener: off by default, a token like everywhere, and what it tells.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use prost::Message;
use serde_json::json;

use crate::client::Client;
use crate::server::{SOON, Server, payment};

const ON: &str = "[admin]\naddress = \"127.0.0.1:0\"\n";

fn inside(server: &Server) -> Client {
    let token = server.token(&["--role", "admin"]);
    plain(server).with("Authorization", &format!("Bearer {token}"))
}

fn plain(server: &Server) -> Client {
    Client::connect(server.admin_address.as_deref().unwrap()).unwrap()
}

#[test]
fn the_admin_listener_is_off_by_default_and_its_routes_are_nowhere_else() {
    let server = Server::start();
    assert_eq!(server.admin_address, None);
    let mut admin = server.admin();
    for route in gateway::admin::ROUTES {
        let answer = admin.send(route.method.as_str(), route.path, &[], None);
        assert_eq!(answer.unwrap().code(), "not_found", "{}", route.path);
    }
}

#[test]
fn every_admin_route_asks_for_an_administrators_token() {
    let server = Server::with(ON);
    let engineer = server.token(&["--role", "engineer"]);
    for route in gateway::admin::ROUTES {
        let ask = |mut client: Client| {
            let answer = client.send(route.method.as_str(), route.path, &[], Some(b""));
            let answer = answer.unwrap();
            (answer.status, answer.code())
        };
        let none = ask(plain(&server));
        assert_eq!(none, (401, "token_missing".to_owned()), "{}", route.path);
        let bearer = format!("Bearer {engineer}");
        let wrong = ask(plain(&server).with("Authorization", &bearer));
        assert_eq!(wrong, (403, "role_missing".to_owned()), "{}", route.path);
    }
    // What is served to clients is not served here.
    let answer = inside(&server).get("/v1/tenants");
    assert_eq!(answer.code(), "not_found");
}

#[test]
fn an_address_that_others_reach_is_refused_unless_it_is_asked_for() {
    for (remote, starts) in [("", false), ("remote = true\n", true)] {
        let dir = tempfile::TempDir::new().unwrap();
        let config = dir.path().join("config.toml");
        let text = format!("[admin]\naddress = \"0.0.0.0:0\"\n{remote}");
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringfence"));
        command.arg("--data").arg(dir.path().join("data"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--config"]);
        // Long enough to refuse; a server that starts is ended.
        let mut child = command
            .arg(&config)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let end = Instant::now() + SOON;
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if dir.path().join("data/default/log").exists() => break None,
                None => thread::sleep(Duration::from_millis(5)),
            }
            assert!(Instant::now() < end);
        };
        assert_eq!(status.is_none(), starts, "{remote:?} {status:?}");
        if status.is_none() {
            child.kill().unwrap();
        }
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.contains("admin.remote = true"), !starts, "{said}");
    }
}

#[test]
fn memory_threads_and_queues_are_told() {
    let server = Server::with(ON);
    let mut client = server.client();
    for number in 0..20 {
        client
            .post("/v1/decisions", &payment(number).to_string())
            .ok();
    }
    let mut inside = inside(&server);
    let memory = inside.get("/memory").ok();
    let resident = memory["resident_bytes"].as_u64().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let most: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(resident > 4 << 20 && resident <= most * 1024, "{memory}");
    let counted = &memory["allocator"];
    assert!(
        counted.as_object().is_some_and(|it| it.len() > 5),
        "{counted}"
    );
    let runtime = inside.get("/runtime").ok();
    let workers = runtime["workers"].as_array().unwrap();
    assert_eq!(workers.len(), 2);
    assert!(workers.iter().any(|it| it["busy_us"].as_u64() > Some(0)));
    let queues = inside.get("/queues").ok();
    let queue = &queues["tenants"][0];
    assert_eq!(queue["tenant"], "default");
    assert_eq!(queue["requests"], 0);
    assert_eq!(queue["requests_max"], 4096);
    assert_eq!(queue["refused"], json!({ "L1": 0, "L2": 0, "L3": 0 }));
    assert_eq!(queue["owner"]["doing"], "waiting");
    assert_eq!(queue["committer"]["doing"], "waiting");
    assert_eq!(inside.get("/stuck").ok(), json!({ "stuck": [] }));
    let refused = inside.get("/stuck?ms=x");
    assert_eq!(refused.code(), "parameter_format");
}

#[test]
fn how_much_is_told_changes_while_it_runs_and_no_id_is_in_it() {
    let server = Server::with(ON);
    let mut inside = inside(&server);
    let token = server.token(&[]);
    let mut client = server.client_of("default", &token);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{trace}-b7ad6b7169203331-01");
    let mut decide = |number: u32| {
        let mut event = payment(number);
        event["account"] = json!("somebody-rare");
        let body = event.to_string();
        let headers = [("traceparent", parent.as_str())];
        let answer = client.send("POST", "/v1/decisions", &headers, Some(body.as_bytes()));
        answer.unwrap().ok();
    };
    assert_eq!(inside.get("/log-level").ok(), json!({ "level": "warning" }));
    decide(1);
    let mut set = |level: &str| {
        let body = json!({ "level": level }).to_string();
        inside
            .send("PUT", "/log-level", &[], Some(body.as_bytes()))
            .unwrap()
    };
    assert_eq!(set("debug").ok(), json!({ "level": "debug" }));
    decide(2);
    // The line is written after the answer.
    let end = Instant::now() + SOON;
    let line = loop {
        let told = server.told();
        let found = told
            .lines()
            .find(|line| line.contains(trace))
            .map(str::to_owned);
        if let Some(line) = found {
            break line;
        }
        assert!(Instant::now() < end, "{told}");
        thread::sleep(Duration::from_millis(5));
    };
    assert!(line.contains("POST /v1/decisions 200"), "{line}");
    assert_eq!(set("error").ok(), json!({ "level": "error" }));
    let before = server.told().matches(trace).count();
    decide(3);
    let refused = set("loud");
    assert_eq!(refused.code(), "level_name");
    assert_eq!(refused.json()["detail"]["field"], "level");
    let told = server.told();
    assert_eq!(told.matches(trace).count(), before);
    for secret in [token.as_str(), "event_id", "somebody-rare"] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
}

/// Decides as fast as it can, until told to end.
fn keep_busy(server: &Server) -> (Arc<AtomicBool>, thread::JoinHandle<u32>) {
    let (ended, mut client) = (Arc::new(AtomicBool::new(false)), server.client());
    let until = ended.clone();
    let busy = thread::spawn(move || {
        let mut number = 0;
        while !until.load(Ordering::Relaxed) {
            let lines: Vec<String> = (number..number + 100)
                .map(|number| payment(number).to_string())
                .collect();
            number += 100;
            let answer = client.post_lines("/v1/decisions:batch", &lines.join("\n"));
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
        number
    });
    (ended, busy)
}

/// A stack of a decision. What was inlined has no path before its name.
fn is_of_a_decision(thread: &str, functions: &[&str]) -> bool {
    let at = |part: &str| functions.iter().position(|it| it.contains(part));
    let (owner, decides) = (at("ringfence_node::owner::start"), at("decide_in_time"));
    thread == "ringfence-owner" && owner.is_some() && owner < decides
}

#[test]
fn a_profile_of_a_busy_server_names_what_decides_in_every_format() {
    let server = Server::with(ON);
    let (ended, busy) = keep_busy(&server);
    let take = |query: &str| {
        let answer = inside(&server).get(&format!("/profile?{query}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer
    };
    let collapsed = take("seconds=2&hz=199&format=collapsed");
    let stacks = collapsed.text().lines().map(|line| {
        let (stack, count) = line.rsplit_once(' ').unwrap();
        let (thread, functions) = stack.split_once(';').unwrap();
        (
            thread,
            functions.split(';').collect::<Vec<_>>(),
            count.parse::<u64>().unwrap(),
        )
    });
    let stacks: Vec<_> = stacks.collect();
    let all: u64 = stacks.iter().map(|(_, _, count)| count).sum();
    let deciding = stacks
        .iter()
        .filter(|(thread, functions, _)| is_of_a_decision(thread, functions));
    let deciding: u64 = deciding.map(|(_, _, count)| count).sum();
    assert!(deciding * 20 > all, "{deciding} of {all}");

    let picture = take("seconds=1&format=flamegraph");
    assert_eq!(picture.header("content-type"), Some("image/svg+xml"));
    let document = roxmltree::Document::parse(picture.text()).unwrap();
    let titles = document.descendants().filter(|it| it.has_tag_name("title"));
    assert!(
        titles
            .filter_map(|it| it.text())
            .any(|it| it.starts_with("ringfence-owner "))
    );

    let encoded = take("seconds=1");
    let profile = gateway::profile::proto::Encoded::decode(encoded.body.as_slice()).unwrap();
    let text = |index: i64| profile.string_table[index as usize].as_str();
    let stacks = profile.sample.iter().map(|sample| {
        let function = |id: &u64| {
            let location = profile.location.iter().find(|it| it.id == *id).unwrap();
            let function = location.line[0].function_id;
            text(
                profile
                    .function
                    .iter()
                    .find(|it| it.id == function)
                    .unwrap()
                    .name,
            )
        };
        // The innermost first.
        let functions: Vec<&str> = sample.location_id.iter().rev().map(function).collect();
        (text(sample.label[0].str), functions)
    });
    let found = stacks.filter(|(thread, functions)| is_of_a_decision(thread, functions));
    assert!(found.count() > 0);
    ended.store(true, Ordering::Relaxed);
    assert!(busy.join().unwrap() > 0);
}

#[test]
fn one_profile_is_taken_at_a_time_and_one_that_nobody_waits_for_ends() {
    let server = Server::with(ON);
    let token = server.token(&["--role", "admin"]);
    let mut first = plain(&server);
    let head = "GET /profile?seconds=60 HTTP/1.1\r\nHost: test";
    let head = format!("{head}\r\nAuthorization: Bearer {token}\r\n\r\n");
    first.raw(head.as_bytes()).unwrap();
    let mut second = inside(&server);
    let end = Instant::now() + SOON;
    let busy = loop {
        let answer = second.get("/profile?seconds=1&hz=1");
        if answer.status != 200 {
            break answer;
        }
        assert!(Instant::now() < end);
    };
    assert_eq!(
        (busy.status, busy.code().as_str()),
        (409, "profile_running")
    );
    drop(first);
    while second.get("/profile?seconds=1&hz=1").status != 200 {
        assert!(Instant::now() < end);
        thread::sleep(Duration::from_millis(20));
    }
    for query in [
        "seconds=0",
        "seconds=61",
        "hz=1000",
        "format=svg",
        "hertz=1",
    ] {
        let refused = second.get(&format!("/profile?{query}"));
        assert_eq!(refused.status, 400, "{query}");
    }
}

#[test]
fn the_admin_listener_ends_with_the_server() {
    let mut server = Server::with(ON);
    let address = server.admin_address.clone().unwrap();
    server.stop();
    let after = TcpStream::connect(&address).map_err(|error| error.kind());
    assert_eq!(after.err(), Some(ErrorKind::ConnectionRefused));
}
