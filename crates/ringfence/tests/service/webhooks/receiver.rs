//! A receiver that answers with a status that the test sets, or does not answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Received {
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    status: u16,
}

pub struct Receiver {
    url: String,
    got: Arc<Mutex<Vec<Received>>>,
    status: Arc<AtomicU16>,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(held, _)| held == name);
        found.map_or("", |(_, value)| value)
    }
}

impl Receiver {
    /// With 0 it hangs.
    pub fn start(status: u16) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = Receiver {
            url: format!("http://{}/in", listener.local_addr().unwrap()),
            got: Arc::default(),
            status: Arc::new(AtomicU16::new(status)),
        };
        let (got, status) = (receiver.got.clone(), receiver.status.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (got, status) = (got.clone(), status.clone());
                // A server that is killed breaks off.
                thread::spawn(move || serve(stream.unwrap(), &got, &status));
            }
        });
        receiver
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }

    pub fn answer_with(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    pub fn got(&self) -> Vec<Received> {
        self.got.lock().unwrap().clone()
    }

    /// What it said 200 to.
    pub fn accepted(&self) -> Vec<Received> {
        let mut got = self.got();
        got.retain(|it| it.status == 200);
        got
    }
}

fn serve(stream: TcpStream, got: &Mutex<Vec<Received>>, status: &AtomicU16) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    loop {
        let (mut headers, mut length) = (Vec::new(), 0);
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|it| *it > 0)?;
        loop {
            line.clear();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            if name == "content-length" {
                length = value.parse().ok()?;
            }
            headers.push((name.to_owned(), value.to_owned()));
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let status = status.load(Ordering::SeqCst);
        got.lock().unwrap().push(Received {
            headers,
            body,
            status,
        });
        if status == 0 {
            thread::sleep(Duration::from_secs(120));
            return None;
        }
        let head = format!("HTTP/1.1 {status} Said\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(head.as_bytes()).ok()?;
    }
}
