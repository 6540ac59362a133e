//! What a tenant's opening finds amiss is told to whoever runs the server.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::models::{STARTER, identity};
use crate::server::{SOON, Server, payment};

#[test]
fn a_champion_whose_file_is_damaged_is_told_of_at_the_start() {
    let mut server = Server::start();
    let path = format!("default/models/{}.model", identity(STARTER));
    let path = server.data().join(path);
    server.stop();
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert!(!server.told().contains("champion"), "{}", server.told());
    server.launch();
    let until = Instant::now() + SOON;
    let says = "tenant default: champion not loaded, decisions fall back";
    while !server.told().contains(says) {
        assert!(Instant::now() < until, "{}", server.told());
        thread::sleep(Duration::from_millis(10));
    }
    let mut client = server.client();
    let decided = client.post("/v1/decisions", &payment(1).to_string()).ok();
    assert_eq!(decided["source"], "fallback");
}
