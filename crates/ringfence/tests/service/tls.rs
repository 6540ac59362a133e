//! TLS and h2 with curl as the peer, and a certificate that is replaced while the server runs.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A self-signed certificate for 127.0.0.1; `None` without openssl.
fn certificate(folder: &Path, name: &str) -> Option<()> {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args([
            "-days",
            "2",
            "-subj",
            "/CN=test",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ])
        .args([
            "-keyout",
            &format!("{name}.key"),
            "-out",
            &format!("{name}.pem"),
        ])
        .current_dir(folder)
        .output();
    made.is_ok_and(|it| it.status.success()).then_some(())
}

fn curl(folder: &Path, trusted: &str, args: &[&str]) -> Output {
    Command::new("curl")
        .args([
            "-s",
            "-m",
            "20",
            "--cacert",
            trusted,
            "-w",
            "%{http_version} %{http_code}",
            "-o",
            "/dev/null",
        ])
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap()
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        self.0.wait().unwrap();
    }
}

#[test]
fn tls_speaks_h2_and_http_1_and_takes_a_new_certificate_while_it_runs() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let tools = certificate(path, "first").and(certificate(path, "second"));
    if tools.is_none() || Command::new("curl").arg("-V").output().is_err() {
        println!("SKIPPED: tls_speaks...: openssl or curl is missing");
        return;
    }
    let config =
        "[tls]\ncertificates = \"now.pem\"\nkey = \"now.key\"\n[auth]\nreload = \"100ms\"\n";
    fs::write(path.join("config.toml"), config).unwrap();
    let put = |name: &str| {
        for end in ["pem", "key"] {
            fs::copy(
                path.join(format!("{name}.{end}")),
                path.join(format!("now.{end}")),
            )
            .unwrap();
        }
    };
    put("first");
    let mut server = Command::new(env!("CARGO_BIN_EXE_ringfence"))
        .args([
            "--data",
            "data",
            "--json",
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--config",
            "config.toml",
        ])
        .current_dir(path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let _server = Running(server);
    let mut said = String::new();
    for line in lines {
        said.push_str(&line.unwrap());
        if said.ends_with('}') {
            break;
        }
    }
    let said: Value = serde_json::from_str(&said).unwrap();
    let url = format!("{}/healthz", said["url"].as_str().unwrap());
    assert!(url.starts_with("https://"));
    let told = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(told(&curl(path, "first.pem", &["--http2", &url])), "2 200");
    assert_eq!(
        told(&curl(path, "first.pem", &["--http1.1", &url])),
        "1.1 200"
    );
    assert!(!curl(path, "second.pem", &[&url]).status.success());
    let plain = url.replace("https", "http");
    assert!(!curl(path, "first.pem", &[&plain]).status.success());

    // Rubbish leaves the certificate in use; a sound pair replaces it.
    fs::write(path.join("now.pem"), "no certificate").unwrap();
    thread::sleep(Duration::from_millis(400));
    assert_eq!(told(&curl(path, "first.pem", &[&url])), "2 200");
    put("second");
    let end = Instant::now() + Duration::from_secs(30);
    while told(&curl(path, "second.pem", &[&url])) != "2 200" {
        assert!(Instant::now() < end, "the new certificate was not taken");
        thread::sleep(Duration::from_millis(50));
    }
    assert!(!curl(path, "first.pem", &[&url]).status.success());
}
