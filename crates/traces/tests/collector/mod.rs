//! A collector: takes messages over HTTP, keeps their bytes, answers with the statuses it was told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

pub struct Collector {
    pub endpoint: String,
    got: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Collector {
    /// One status for each message; the last for all after it.
    pub fn start(statuses: &'static [u16]) -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        let got: Arc<Mutex<Vec<_>>> = Arc::default();
        let kept = got.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let kept = kept.clone();
                thread::spawn(move || serve(stream.unwrap(), &kept, statuses));
            }
        });
        Collector { endpoint, got }
    }

    pub fn got(&self) -> Vec<Vec<u8>> {
        self.got.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, kept: &Mutex<Vec<Vec<u8>>>, statuses: &[u16]) {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut len, mut line) = (0, String::new());
        while reader.read_line(&mut line).unwrap_or(0) > 2 {
            let head = line.to_ascii_lowercase();
            if let Some(value) = head.strip_prefix("content-length:") {
                len = value.trim().parse().unwrap();
            }
            if let Some(value) = head.strip_prefix("content-type:") {
                assert_eq!(value.trim(), "application/x-protobuf");
            }
            line.clear();
        }
        if line.is_empty() {
            return;
        }
        let mut body = vec![0; len];
        reader.read_exact(&mut body).unwrap();
        let status = {
            let mut kept = kept.lock().unwrap();
            kept.push(body);
            statuses[(kept.len() - 1).min(statuses.len() - 1)]
        };
        let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n");
        reader.get_mut().write_all(answer.as_bytes()).unwrap();
    }
}
