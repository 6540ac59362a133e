//! A folder of files against a server: planned, refused as a whole, applied as a whole, overtaken.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Output;
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::Client;
use crate::server::Server;

const POLICY: &str = "[thresholds]\nchallenge = 410\nreview = 710\ndecline = 910\n";
const RULES: &str = "[[rules]]\nid = \"stolen\"\nwhen = 'on_list(\"stolen\", device.id)'\nstatus = \"active\"\ndecision = \"decline\"\n";
const LISTS: &str = "[stolen]\non = \"device\"\nform = \"text\"\neffect = \"watch\"\n";

struct Folder(TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Folder {
        let folder = Folder(TempDir::new().unwrap());
        for (name, text) in files {
            folder.put(name, text);
        }
        folder
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    fn apply(&self, server: &Server, address: &str, token: &str, more: &[&str]) -> Output {
        let (url, path) = (format!("http://{address}"), self.path());
        let mut args = vec!["--json", "apply", "-f", path.to_str().unwrap()];
        args.extend(["--to", &url, "--token", token]);
        args.extend(more);
        server.command(&args).output().unwrap()
    }
}

fn told(done: &Output) -> Value {
    assert!(done.status.success(), "{done:?}");
    serde_json::from_slice(&done.stdout).unwrap()
}

fn refusal(done: &Output) -> String {
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    String::from_utf8(done.stderr.clone()).unwrap()
}

/// Versions of all that a folder may set.
fn versions(client: &mut Client) -> Vec<Value> {
    let paths = [
        "lists",
        "rates",
        "policy",
        "rules",
        "drift/settings",
        "casework",
    ];
    let version = |path: &str| client.get(&format!("/v1/{path}")).ok()["version"].clone();
    paths.map(version).to_vec()
}

#[test]
fn a_plan_with_one_bad_file_changes_nothing_and_a_good_one_is_in_force_as_a_whole() {
    let server = Server::start();
    let mut client = server.client();
    let token = server.token(&["--role", "engineer", "--role", "analyst", "--role", "admin"]);
    let folder = Folder::new(&[
        ("lists.toml", LISTS),
        ("rates.toml", "USD = 0.92\n"),
        ("rules.toml", RULES),
        (
            "policy.toml",
            "[thresholds]\nchallenge = 9\nreview = 5\ndecline = 7\n",
        ),
    ]);
    let apply = |more: &[&str]| folder.apply(&server, &server.address, &token, more);
    let before = versions(&mut client);
    for more in [&[][..], &["--yes"]] {
        let said = refusal(&apply(more));
        assert!(
            said.contains("policy: ") && said.contains("challenge <= review"),
            "{said}"
        );
        assert_eq!(versions(&mut client), before, "{more:?}");
    }
    folder.put("policy.toml", POLICY);
    // Settings that refuse keep all the others out as well.
    let mut settings = client.get("/v1/casework").ok();
    settings.as_object_mut().unwrap().remove("version");
    let settings = |checklist: Value| {
        let mut settings = settings.clone();
        settings["checklist"] = checklist;
        toml::to_string(&settings).unwrap()
    };
    folder.put("casework.toml", &settings(json!(["x".repeat(201)])));
    assert!(refusal(&apply(&["--yes"])).contains("casework.toml"));
    assert_eq!(versions(&mut client), before);
    folder.put("casework.toml", &settings(json!(["call her"])));
    folder.put("drift.toml", "window = \"15min\"\n");

    let plan = told(&apply(&[]));
    assert_eq!(
        (&plan["applied"], plan["changes"].as_array().unwrap().len()),
        (&json!(false), 6)
    );
    assert_eq!(versions(&mut client), before, "a plan changed something");
    assert_eq!(
        told(&apply(&["--yes", "--why", "release 41"]))["applied"],
        true
    );
    let after = versions(&mut client);
    let grown =
        |(before, after): (&Value, &Value)| after.as_u64().unwrap() - before.as_u64().unwrap();
    assert_eq!(
        before.iter().zip(&after).map(grown).collect::<Vec<_>>(),
        [1; 6]
    );
    assert_eq!(client.get("/v1/policy").ok()["text"], POLICY);
    assert_eq!(
        client.get("/v1/casework").ok()["checklist"],
        json!(["call her"])
    );
    assert_eq!(told(&apply(&["--yes"]))["changes"], json!([]));
    let page = client.get("/v1/audit?action=rules.set&limit=1").ok();
    if let Some(entry) = page["entries"].get(0) {
        assert_eq!(entry["why"], "release 41");
    }

    // The form of a list is fixed: told before anything is done.
    folder.put("lists.toml", &LISTS.replace("text", "prefix"));
    folder.put("rates.toml", "USD = 0.93\n");
    for more in [&[][..], &["--yes"]] {
        let said = refusal(&apply(more));
        assert!(
            said.contains("list_form_fixed") && said.contains("list stolen"),
            "{said}"
        );
    }
    assert_eq!(versions(&mut client), after);
}

#[test]
fn a_change_that_came_between_plan_and_doing_refuses_all_of_it() {
    let server = Server::start();
    let mut client = server.client();
    let token = server.token(&["--role", "engineer", "--role", "analyst"]);
    let folder = Folder::new(&[("lists.toml", LISTS), ("policy.toml", POLICY)]);
    let other = POLICY.replace("710", "720");
    let mut colleague = server.client().with("Content-Type", "application/toml");
    // A colleague sets the policy after the check and before the change.
    let address = relay(&server.address, "POST /v1/config HTTP", move || {
        let set = colleague.send("PUT", "/v1/policy", &[], Some(other.as_bytes()));
        set.unwrap().ok();
    });
    let held = client.get("/v1/lists").ok();
    let said = refusal(&folder.apply(&server, &address, &token, &["--yes"]));
    assert!(
        said.contains("version_moved") && said.contains("policy"),
        "{said}"
    );
    assert_eq!(client.get("/v1/lists").ok(), held);
    assert!(client.get("/v1/policy").text().contains("720"));

    // The same by the interface, where lists have changed.
    let plan = json!({
        "lists": { "version": 7, "definitions": {
            "stolen": { "on": "device", "form": "text", "effect": "watch" },
        } },
        "rates": { "text": "USD = 0.9\n" },
    });
    for path in ["/v1/config/validate", "/v1/config"] {
        let refused = client.post(path, &plan.to_string());
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (412, "version_moved")
        );
        assert_eq!(
            refused.json()["detail"],
            json!({ "version": 0, "part": "lists" })
        );
    }
    assert_eq!(client.get("/v1/rates").ok()["version"], 0);
    assert_eq!(client.post("/v1/config", "{}").code(), "empty_plan");
}

/// Passes one connection after the other on to the server; once, before a request that begins so, it does something.
fn relay(to: &str, before: &'static str, what: impl FnOnce() + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, to) = (listener.local_addr().unwrap().to_string(), to.to_owned());
    let mut what = Some(what);
    thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, mut server) = (client.unwrap(), TcpStream::connect(&to).unwrap());
            let (mut answers, mut out) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            let back = thread::spawn(move || {
                // A connection that is closed by either side has nothing more to say.
                let _ = std::io::copy(&mut answers, &mut out);
                let _ = out.shutdown(Shutdown::Write);
            });
            let mut bytes = vec![0; 1 << 16];
            while let Ok(read) = client.read(&mut bytes)
                && read > 0
            {
                if bytes[..read].starts_with(before.as_bytes())
                    && let Some(what) = what.take()
                {
                    what();
                }
                server.write_all(&bytes[..read]).unwrap();
            }
            let _ = server.shutdown(Shutdown::Write);
            back.join().unwrap();
        }
    });
    address
}
