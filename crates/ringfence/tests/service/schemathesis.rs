//! schemathesis reads the OpenAPI document and sends what it makes up from it: no answer may be a failure
//! inside, and none may differ from what is documented.

use std::path::PathBuf;
use std::process::Command;

use gateway::token::Role;

use crate::server::Server;

/// Where `scripts/setup test` puts the Python tools.
fn schemathesis() -> Option<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target"),
        PathBuf::from,
    );
    let found = target.join("python-peers/bin/schemathesis");
    found.exists().then_some(found)
}

#[test]
fn what_schemathesis_makes_up_is_answered_as_documented() {
    let Some(schemathesis) = schemathesis() else {
        // The gates have set it up.
        let required = std::env::var("RINGFENCE_REQUIRE_PYTHON").is_ok_and(|it| it == "1");
        assert!(
            !required,
            "schemathesis is not installed: run scripts/setup test"
        );
        println!("SKIPPED: schemathesis is not installed: run scripts/setup test");
        return;
    };
    let server = Server::start();
    let url = format!("http://{}", server.address);
    let all: Vec<&str> = Role::ALL
        .iter()
        .flat_map(|it| ["--role", it.name()])
        .collect();
    // A token for every tenant has one role, so the tenant's routes and the node's are two runs.
    let runs = [
        (
            server.token(&all),
            "--exclude-path-regex",
            "^/v1/tenants|^/metrics",
        ),
        (
            server.token(&["--role", "admin"]),
            "--include-path-regex",
            "^/v1/tenants|^/metrics",
        ),
    ];
    for (token, choice, paths) in runs {
        let output = Command::new(&schemathesis)
            .args(["run", &format!("{url}/openapi.json"), "--url", &url])
            .args([choice, paths, "--phases", "examples,coverage,fuzzing"])
            .args(["--max-examples", "15", "--seed", "6", "--no-color"])
            .args(["--header", "X-Tenant-Id: default"])
            // One it would make up is rightly answered 504.
            .args(["--header", "X-Deadline-Ms: 2000"])
            .args(["--header", &format!("Authorization: Bearer {token}")])
            .args([
                "--checks",
                "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
            ])
            .env("SCHEMATHESIS_HOOKS", "schemathesis_hooks")
            .env("PYTHONPATH", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/service"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(server.data())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{said}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
