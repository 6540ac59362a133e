//! A noisy neighbour: tenant A far past its rate takes nothing from tenant B.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::server::{Server, payment};

#[test]
fn a_tenant_far_past_its_rate_costs_another_no_request() {
    let server = Server::with(
        "[rate]\nper_second = 20\nburst = 20\n[rate.tenants.quiet]\nper_second = 10000\nburst = 10000\n",
    );
    let token = server.new_tenant("quiet");
    let stop = Arc::new(AtomicBool::new(false));
    let (sent, limited) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let noisy: Vec<_> = (0..4)
        .map(|sender| {
            let mut client = server.client();
            let (stop, sent, limited) = (stop.clone(), sent.clone(), limited.clone());
            thread::spawn(move || {
                let mut number = sender * 1_000_000;
                while !stop.load(Ordering::SeqCst) {
                    let answer = client.post("/v1/decisions", &payment(number).to_string());
                    sent.fetch_add(1, Ordering::SeqCst);
                    number += 1;
                    match answer.status {
                        200 => {}
                        429 => {
                            limited.fetch_add(1, Ordering::SeqCst);
                        }
                        other => panic!("{other} {}", answer.text()),
                    }
                }
            })
        })
        .collect();
    let mut quiet = server.client_of("quiet", token.trim());
    let mut number = 0;
    // Until the noise has been 20 times what is allowed, and at least 300 requests.
    while number < 300 || sent.load(Ordering::SeqCst) < 1_000 {
        quiet
            .post("/v1/decisions", &payment(number).to_string())
            .ok();
        number += 1;
    }
    stop.store(true, Ordering::SeqCst);
    for sender in noisy {
        sender.join().unwrap();
    }
    assert!(limited.load(Ordering::SeqCst) > 500);
}
