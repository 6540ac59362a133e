//! Where nothing is sent to, and TLS.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ringfence_webhooks::address::Reach;
use ringfence_webhooks::endpoint::{Host, Target};
use ringfence_webhooks::error::Invalid;
use ringfence_webhooks::settings::Settings;
use ringfence_webhooks::store::deliveries::{Attempt, State};
use tempfile::TempDir;

use crate::receiver::{OK, Receiver, until};
use crate::sender::{Sender, draft, settings};

fn strict() -> Settings {
    Settings {
        reach: Reach::default(),
        ..settings()
    }
}

#[test]
fn urls_that_are_not_taken_are_refused_with_the_reason() {
    for (url, reason) in [
        ("https://127.0.0.1/", "loopback"),
        ("https://10.1.2.3/", "private"),
        ("https://169.254.169.254/latest/meta-data", "link-local"),
        ("https://100.64.0.1/", "carrier-grade"),
        ("https://[::1]/", "loopback"),
        ("https://[::ffff:10.0.0.1]/", "private"),
        ("https://[::ffff:7f00:1]:8443/", "loopback"),
        ("https://[fd00:ec2::254]/", "private"),
        ("https://2130706433/", "usual form"),
        ("https://0x7f000001/", "usual form"),
        ("https://0x7f.1/", "usual form"),
        ("https://127.1/", "usual form"),
        ("https://017700000001/", "usual form"),
        ("https://127.0.0.1./", "usual form"),
        ("https://[fe80::1%25eth0]/", "URL"),
        ("https://a..b/", "usual form"),
        ("https://-a.example/", "usual form"),
        ("https://exämple.org/", "URL"),
        ("http://example.org/", "https"),
        ("ftp://example.org/", "https"),
        ("//example.org/", "https"),
        ("example.org", "https"),
        ("https://ann@example.org/", "user name"),
        ("https://ann:pw@example.org/", "user name"),
        ("https://example.org/#part", "fragment"),
        ("https://example.org:25/", "port"),
        ("https://example.org:0/", "port"),
        ("https://example.org:70000/", "65535"),
        ("https://example.org:/", "65535"),
        ("https://exam ple.org/", "URL"),
        ("https:///path", "URL"),
        ("", "URL"),
    ] {
        let refused = Target::parse(url, &Reach::default()).err();
        let text = refused.map(|it| it.to_string()).unwrap_or_default();
        assert!(text.contains(reason), "{url}: {text:?}");
    }
    let long = format!("https://example.org/{}", "a".repeat(2048));
    assert!(Target::parse(&long, &Reach::default()).is_err());
    let taken = Target::parse("https://Hooks.Example.org:8443/a?b=c", &Reach::default()).unwrap();
    assert_eq!(taken.host, Host::Name("hooks.example.org".to_owned()));
    assert_eq!((taken.port, &*taken.path), (8443, "/a?b=c"));
    let taken = Target::parse("https://[2606:4700::1111]", &Reach::default()).unwrap();
    assert_eq!((taken.port, &*taken.path), (443, "/"));
    // Nothing is changed by what is refused.
    let sender = Sender::start(strict());
    let secret = ringfence_webhooks::secret::Secret::generate().unwrap();
    let store = sender.tenant.store();
    let refused = store.create(&draft("https://10.0.0.1/"), &secret, &crate::sender::by());
    let refused = refused.err().map(|it| it.to_string());
    assert_eq!(
        refused.as_deref(),
        Some("url: its address 10.0.0.1 is private, and webhooks.allow does not have it")
    );
    assert!(store.endpoints().unwrap().is_empty());
    assert!(store.changes_after(0, 10).unwrap().is_empty());
}

/// The first attempt at an endpoint.
fn first(sender: &Sender) -> Attempt {
    sender.tell(1, 1);
    until(|| {
        let (_, mut attempts, _) = sender.tenant.store().delivery(1).unwrap();
        attempts.pop()
    })
}

#[test]
fn a_name_that_leads_inside_is_not_followed_there() {
    let receiver = Receiver::saying(OK);
    let port = receiver.address.port();
    let mut inside = settings();
    inside.reach.allow = vec!["10.0.0.0/8".parse().unwrap()];
    let sender = Sender::start(inside);
    // A name passes: where it leads is seen when it is looked up, at every connection.
    sender.endpoint(&format!("http://localhost:{port}/"));
    let attempt = first(&sender);
    assert_eq!(attempt.error.as_deref(), Some("address_refused"));
    assert!(attempt.detail.contains("loopback"), "{}", attempt.detail);
    assert_eq!(
        receiver
            .connections
            .load(std::sync::atomic::Ordering::SeqCst),
        0
    );

    let mut open = settings();
    open.reach.allow = vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
    let sender = Sender::start(open);
    sender.endpoint(&format!("http://localhost:{port}/"));
    sender.tell(1, 1);
    sender.wait_for(State::Delivered, 1);
    assert_eq!(
        receiver.seen()[0].header("host"),
        format!("localhost:{port}")
    );
}

#[test]
fn a_name_without_an_address_and_a_closed_port_are_told_apart() {
    let sender = Sender::start(settings());
    sender.endpoint("http://no-such-host.invalid/");
    assert_eq!(first(&sender).error.as_deref(), Some("name_unknown"));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let sender = Sender::start(settings());
    sender.endpoint(&format!("http://{address}/"));
    assert_eq!(first(&sender).error.as_deref(), Some("connect_failed"));
}

#[test]
fn an_endpoint_whose_address_is_not_allowed_any_more_gets_nothing() {
    let receiver = Receiver::saying(OK);
    let sender = Sender::start(settings());
    sender.endpoint(&receiver.url());
    sender.deliverer.stop(Duration::from_secs(5));
    let sender = Sender::over(sender.folder, strict());
    let attempt = first(&sender);
    assert_eq!(attempt.error.as_deref(), Some("url_refused"));
    assert!(receiver.seen().is_empty());
    assert!(matches!(
        Target::parse(&receiver.url(), &Reach::default()),
        Err(Invalid::Url { .. })
    ));
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        self.0.wait().unwrap();
    }
}

fn openssl(folder: &Path, arguments: &str) -> Option<()> {
    let made = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(folder)
        .output();
    made.is_ok_and(|it| it.status.success()).then_some(())
}

const TLS_RECEIVER: &str = r#"
import http.server, ssl, sys
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Hook)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1] + ".pem", sys.argv[1] + ".key")
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
"#;

/// Python's TLS with a certificate of one name.
fn tls_receiver(folder: &Path, name: &str) -> (Running, u16) {
    use std::io::{BufRead, BufReader};
    let mut child = Command::new("python3")
        .args(["-c", TLS_RECEIVER, name])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let output = child.stdout.take().unwrap();
    BufReader::new(output).read_line(&mut line).unwrap();
    (Running(child), line.trim().parse().unwrap())
}

#[test]
fn a_receiver_must_show_a_certificate_of_its_name_by_an_authority_that_is_trusted() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let authority = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
                     -subj /CN=authority -keyout authority.key -out authority.pem";
    let mut made = openssl(path, authority);
    for (name, alternative) in [
        ("right", "DNS:localhost,IP:127.0.0.1"),
        ("wrong", "DNS:other.example"),
    ] {
        fs::write(path.join("ext"), format!("subjectAltName={alternative}\n")).unwrap();
        let request = format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x -keyout {name}.key -out {name}.csr"
        );
        let sign = format!(
            "x509 -req -in {name}.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 2 \
             -extfile ext -out {name}.pem"
        );
        made = made
            .and_then(|()| openssl(path, &request))
            .and_then(|()| openssl(path, &sign));
    }
    if made.is_none() {
        println!("SKIPPED: a_receiver_must_show...: openssl is missing");
        return;
    }
    let mut trusting = settings();
    trusting.reach.http = false;
    trusting.attempt = Duration::from_secs(5);
    trusting.reach.allow.push("::1/128".parse().unwrap());
    let mut doubting = trusting.clone();
    trusting.authorities = Some(path.join("authority.pem"));
    doubting.authorities = None;
    let (_right, right) = tls_receiver(path, "right");
    let (_wrong, wrong) = tls_receiver(path, "wrong");
    for (settings, url, error) in [
        (&trusting, format!("https://127.0.0.1:{right}/"), None),
        (&trusting, format!("https://localhost:{right}/"), None),
        (
            &trusting,
            format!("https://127.0.0.1:{wrong}/"),
            Some("tls_failed"),
        ),
        (
            &doubting,
            format!("https://127.0.0.1:{right}/"),
            Some("tls_failed"),
        ),
    ] {
        let sender = Sender::start(settings.clone());
        sender.endpoint(&url);
        let attempt = first(&sender);
        assert_eq!(attempt.error.as_deref(), error, "{url}: {}", attempt.detail);
    }
    // What is no TLS at all.
    let plain = Receiver::saying(OK);
    let sender = Sender::start(trusting.clone());
    sender.endpoint(&format!("https://{}/", plain.address));
    assert_eq!(first(&sender).error.as_deref(), Some("tls_failed"));
    trusting.authorities = Some(path.join("ext"));
    let host = ringfence_webhooks::deliverer::Host {
        clock: Box::new(crate::sender::now),
        tell: Box::new(drop),
    };
    let refused = ringfence_webhooks::Deliverer::start(trusting, host).err();
    let text = refused.map(|it| it.to_string()).unwrap_or_default();
    assert!(text.contains("webhooks.authorities"), "{text}");
}
