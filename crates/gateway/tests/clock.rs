//! A jump of the node's clock, as clients meet it: over a socket, with a clock that is moved.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

#[path = "support/edge.rs"]
mod edge;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use event::{EventTime, Span};
use node::clock::{Clock, Hands};
use ringfence_gateway::token::Role;
use tempfile::TempDir;

use edge::{Edge, send, token};

/// Status and body of a decision on an event of this time.
fn decide(address: SocketAddr, number: u32, at: EventTime) -> (u16, String) {
    let token = token("tester", "acme", &[Role::Decide]);
    let body = format!(
        r#"{{"event_id":"e{number}","event_type":"payment","event_timestamp":"{at}","account":"a","merchant":"m","amount":"1.50"}}"#
    );
    let head = "POST /v1/decisions HTTP/1.1\r\nX-Tenant-Id: acme";
    send(
        address,
        &format!("{head}\r\nAuthorization: Bearer {token}"),
        &body,
    )
}

#[test]
fn a_jump_ahead_is_believed_when_an_event_of_that_time_comes_and_not_before() {
    let start = EventTime::parse_iso("2026-01-10T12:00:00Z").unwrap();
    let hands = Arc::new(Hands::at(Instant::now()));
    hands.set_wall(start);
    let dir = TempDir::new().unwrap();
    let node = Arc::new(edge::node(dir.path(), Clock::moved_by(hands.clone())));
    let clock = node.clock().clone();
    let tell = Box::new(|text: &str| panic!("{text}"));
    let edge = Edge::serve(edge::app(node, tell, |note| panic!("{}", note.text)));
    let address = edge.address;

    assert_eq!(decide(address, 1, start).0, 200);
    let resumed = start.plus(Span::days(1));
    hands.set_wall(resumed);
    // Time goes on where it was: what is of now is decided, what nobody vouches for is refused.
    assert_eq!(decide(address, 2, start).0, 200);
    assert_eq!(clock.jumps(), (1, 0, true));
    let (status, refused) = decide(address, 3, resumed.plus(Span::days(1)));
    assert_eq!(status, 400);
    assert!(refused.contains("time_in_future"), "{refused}");
    assert!(
        clock.jumps().2,
        "a time that neither clock knows vouches for nothing"
    );
    // A client whose clock says the same as this one.
    assert_eq!(decide(address, 3, resumed.minus(Span::MAX_FUTURE)).0, 200);
    assert_eq!(clock.jumps(), (1, 0, false));
    assert_eq!(decide(address, 4, resumed).0, 200);

    edge.stop();
}
