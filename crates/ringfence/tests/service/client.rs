//! An HTTP/1.1 client of few lines: it keeps its connection, and sends what a library would refuse to.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(held, _)| held.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    pub fn lines(&self) -> Vec<Value> {
        let lines = self.text().lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The body of a success.
    pub fn ok(&self) -> Value {
        assert!(
            (200..300).contains(&self.status),
            "{} {}",
            self.status,
            self.text()
        );
        self.json()
    }

    /// The code of a refusal, whose form is checked.
    pub fn code(&self) -> String {
        assert!(self.status >= 400, "{} {}", self.status, self.text());
        let problem = self.json();
        let object = problem.as_object().unwrap();
        let mut keys: Vec<_> = object.keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(
            keys,
            ["code", "detail", "message", "retryable"],
            "{problem}"
        );
        assert!(problem["retryable"].is_boolean() && problem["message"].is_string());
        let retry_after = self.header("retry-after").is_some();
        let asks_again = [429, 503].contains(&self.status);
        assert!(
            !asks_again || retry_after,
            "{} without Retry-After",
            self.status
        );
        problem["code"].as_str().unwrap().to_owned()
    }
}

pub struct Client {
    reader: BufReader<TcpStream>,
    headers: Vec<(String, String)>,
}

impl Client {
    pub fn connect(address: &str) -> io::Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Client {
            reader: BufReader::new(stream),
            headers: Vec::new(),
        })
    }

    /// Sent with every request from now on.
    pub fn with(mut self, name: &str, value: &str) -> Client {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn send(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> io::Result<Answer> {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: test\r\n");
        let own = headers.iter().map(|(name, value)| (*name, *value));
        let kept = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in kept.chain(own) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = body {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body.unwrap_or_default());
        self.raw(&bytes)?;
        self.answer()
    }

    pub fn get(&mut self, target: &str) -> Answer {
        self.send("GET", target, &[], None).unwrap()
    }

    pub fn post(&mut self, target: &str, body: &str) -> Answer {
        self.send("POST", target, &[], Some(body.as_bytes()))
            .unwrap()
    }

    pub fn post_lines(&mut self, target: &str, body: &str) -> Answer {
        let media = [("Content-Type", "application/x-ndjson")];
        self.send("POST", target, &media, Some(body.as_bytes()))
            .unwrap()
    }

    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes)
    }

    pub fn answer(&mut self) -> io::Result<Answer> {
        let mut line = String::new();
        self.line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|text| text.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no status: {line:?}")))?;
        let mut headers = Vec::new();
        loop {
            line.clear();
            self.line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let mut answer = Answer {
            status,
            headers,
            body: Vec::new(),
        };
        let len = answer
            .header("content-length")
            .and_then(|it| it.parse().ok());
        answer.body = vec![0; len.unwrap_or(0)];
        self.reader.read_exact(&mut answer.body)?;
        Ok(answer)
    }

    fn line(&mut self, line: &mut String) -> io::Result<()> {
        if self.reader.read_line(line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}
