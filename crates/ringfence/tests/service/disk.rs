//! A full disk, for real: a file system of a few MiB that fills up, and is given room again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::server::{Server, payment};

/// A small file system in memory, gone with the test.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where this user may not mount.
    fn over(path: &Path) -> Option<SmallDisk> {
        fs::create_dir_all(path).unwrap();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"])
            .arg(path);
        let mounted = mount.output().is_ok_and(|it| it.status.success());
        mounted.then(|| SmallDisk(path.to_path_buf()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|it| it.success()));
    }
}

#[test]
fn a_full_disk_makes_the_tenant_read_only_and_room_brings_it_back() {
    let mut server = Server::with("[tenants]\nretry = \"50ms\"\n");
    server.stop();
    let Some(_disk) = SmallDisk::over(&server.data()) else {
        println!("SKIPPED: a_full_disk...: this user may not mount a tmpfs");
        return;
    };
    server.launch();
    let mut client = server.client();
    let mut acknowledged = Vec::new();
    let ballast = server.data().join("ballast");
    fs::write(&ballast, vec![0; 4 << 20]).unwrap();
    let mut number = 0;
    let refused = loop {
        let answer = client.post("/v1/decisions", &payment(number).to_string());
        if answer.status != 200 {
            break answer;
        }
        acknowledged.push((number, answer.json()));
        number += 1;
        assert!(number < 100_000, "the disk never filled up");
    };
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (503, "storage_failed")
    );
    assert!(
        !refused.text().contains("data"),
        "a path got out: {}",
        refused.text()
    );
    // Questions are answered, writes are refused by their own code.
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let found = client.get("/v1/decisions/e0");
        if found.status == 200 {
            break;
        }
        assert!(Instant::now() < end, "{}", found.text());
        thread::sleep(Duration::from_millis(10));
    }
    let refused = client.post("/v1/decisions", &payment(number + 1).to_string());
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (503, "read_only")
    );
    fs::remove_file(&ballast).unwrap();
    loop {
        let answer = client.post("/v1/decisions", &payment(number + 2).to_string());
        if answer.status == 200 {
            break;
        }
        assert!(Instant::now() < end, "{}", answer.text());
        thread::sleep(Duration::from_millis(10));
    }
    for (number, first) in acknowledged.iter().step_by(37) {
        let again = client
            .post("/v1/decisions", &payment(*number).to_string())
            .ok();
        assert_eq!(again["duplicate"], true, "lost: {first}");
        assert_eq!(again["position"], first["position"]);
    }
    server.stop();
}
