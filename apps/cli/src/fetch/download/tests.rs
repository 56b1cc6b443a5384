//! Downloads from a server on this machine that does what servers do, and what they should not.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::*;

/// The file: more than one buffer of any party.
fn content() -> Vec<u8> {
    (0..300_000_u32).map(|i| (i ^ (i >> 8)) as u8).collect()
}

fn published() -> RemoteFile {
    let hash = Sha256::digest(content());
    let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    RemoteFile {
        name: "file",
        bytes: 300_000,
        sha256: digits.leak(),
    }
}

/// What a server does with one request.
#[derive(Clone, Copy)]
enum Answer {
    /// The part that was asked for.
    Whole,
    /// As much of it, then the connection breaks.
    Cut(usize),
    /// The whole file whatever was asked for.
    NoRanges,
    /// Another file of the same length.
    Changed,
    /// A file that is longer.
    Longer,
    /// No such file.
    NotFound,
}

/// A server for as many requests as it has answers; the start of each range that was asked for is noted.
struct Server {
    url: String,
    starts: Arc<Mutex<Vec<usize>>>,
}

impl Server {
    fn new(answers: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/file", listener.local_addr().unwrap());
        let starts = Arc::new(Mutex::new(Vec::new()));
        let (noted, answers) = (starts.clone(), answers.to_vec());
        thread::spawn(move || {
            for answer in answers {
                let (stream, _) = listener.accept().unwrap();
                serve(stream, answer, &noted);
            }
        });
        Self { url, starts }
    }

    fn starts(&self) -> Vec<usize> {
        self.starts.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, answer: Answer, starts: &Mutex<Vec<usize>>) {
    let lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut start = 0;
    for line in lines
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
    {
        if let Some(range) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
            start = range.trim_end_matches('-').parse().unwrap();
        }
    }
    starts.lock().unwrap().push(start);
    let mut body = content();
    let (status, from) = match answer {
        Answer::NotFound => ("404 Not Found", body.len()),
        Answer::NoRanges => ("200 OK", 0),
        _ if start > 0 => ("206 Partial Content", start),
        _ => ("200 OK", 0),
    };
    match answer {
        Answer::Changed => body[299_999] ^= 1,
        Answer::Longer => body.push(0),
        _ => {}
    }
    let range = match status.starts_with("206") {
        true => format!(
            "Content-Range: bytes {from}-{}/{}\r\n",
            body.len() - 1,
            body.len()
        ),
        false => String::new(),
    };
    let body = &body[from..];
    let sent = match answer {
        Answer::Cut(bytes) => &body[..bytes.min(body.len())],
        _ => body,
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{range}Connection: close\r\n\r\n",
        body.len()
    );
    // A client that has seen enough hangs up.
    let _ = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(sent));
}

/// What a download from these servers does to a new folder.
struct Trial {
    folder: tempfile::TempDir,
}

impl Trial {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("file")
    }

    fn fetch(&self, servers: &[&Server]) -> Result<ControlFlow<()>> {
        self.fetch_until(servers, u64::MAX)
    }

    /// Stops when more than so many bytes are there.
    fn fetch_until(&self, servers: &[&Server], most: u64) -> Result<ControlFlow<()>> {
        let urls: Vec<String> = servers.iter().map(|server| server.url.clone()).collect();
        let tell = &mut |bytes| match bytes > most {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        download(&agent(), &urls, &published(), &self.path(), tell)
    }

    #[track_caller]
    fn succeeds(&self, servers: &[&Server]) {
        assert_eq!(self.fetch(servers).unwrap(), ControlFlow::Continue(()));
        assert_eq!(fs::read(self.path()).unwrap(), content());
        assert!(!part_of(&self.path()).exists());
    }

    #[track_caller]
    fn fails(&self, servers: &[&Server], parts: &[&str]) {
        let message = self.fetch(servers).unwrap_err().to_string();
        for part in parts {
            assert!(message.contains(part), "{part} is not in: {message}");
        }
        assert!(!self.path().exists());
    }
}

#[test]
fn a_whole_file_arrives_and_is_not_fetched_twice() {
    let trial = Trial::new();
    let server = Server::new(&[Answer::Whole]);
    trial.succeeds(&[&server]);
    trial.succeeds(&[]);
    assert_eq!(server.starts(), [0]);
}

#[test]
fn a_broken_connection_is_gone_on_from_where_it_broke() {
    let trial = Trial::new();
    let server = Server::new(&[Answer::Cut(100_000), Answer::Cut(70_000), Answer::Whole]);
    trial.succeeds(&[&server]);
    assert_eq!(server.starts(), [0, 100_000, 170_000]);
}

#[test]
fn what_a_stopped_download_leaves_is_kept_for_the_next() {
    let trial = Trial::new();
    let first = Server::new(&[Answer::Whole]);
    let outcome = trial.fetch_until(&[&first], 80_000).unwrap();
    assert_eq!(outcome, ControlFlow::Break(()));
    let kept = length(&part_of(&trial.path())).unwrap() as usize;
    assert!((80_000..300_000).contains(&kept), "{kept}");
    let second = Server::new(&[Answer::Whole]);
    trial.succeeds(&[&second]);
    assert_eq!(second.starts(), [kept]);
}

#[test]
fn a_server_without_ranges_sends_all_again() {
    let trial = Trial::new();
    let server = Server::new(&[Answer::Cut(100_000), Answer::NoRanges]);
    trial.succeeds(&[&server]);
    assert_eq!(server.starts(), [0, 100_000]);
}

#[test]
fn a_wrong_checksum_is_refused_and_the_next_mirror_is_asked() {
    let changed = || Server::new(&[Answer::Changed]);
    Trial::new().fails(&[&changed()], &["file", "checksum", "--mirror"]);
    Trial::new().succeeds(&[&changed(), &Server::new(&[Answer::Whole])]);

    // The start of another file is thrown away once it shows.
    let trial = Trial::new();
    fs::write(part_of(&trial.path()), [9; 1000]).unwrap();
    let server = Server::new(&[Answer::Whole, Answer::Whole]);
    trial.succeeds(&[&server]);
    assert_eq!(server.starts(), [1000, 0]);
}

#[test]
fn servers_that_fail_are_all_named_with_the_reason() {
    let (missing, longer) = (
        Server::new(&[Answer::NotFound]),
        Server::new(&[Answer::Longer]),
    );
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/file", listener.local_addr().unwrap());
        Server {
            url,
            starts: Arc::default(),
        }
    };
    let parts = [&missing.url, "404", &longer.url, "more than", &closed.url];
    Trial::new().fails(&[&missing, &longer, &closed], &parts);

    // A connection that brings nothing new is not tried again; what came before is kept and said.
    let trial = Trial::new();
    let server = Server::new(&[Answer::Cut(5000), Answer::Cut(0)]);
    trial.fails(&[&server], &["5000 of 300000 bytes are kept"]);
    assert_eq!(server.starts(), [0, 5000]);
}

#[test]
fn what_the_machine_refuses_says_what_to_do() {
    let full = local(io::ErrorKind::StorageFull.into(), Path::new("file"));
    assert!(full.to_string().contains("free some space"), "{full}");

    // No file can be made where its folder is a file; no server is to blame, so no other one is asked.
    let trial = Trial::new();
    let file = trial.folder.path().join("taken");
    fs::write(&file, "").unwrap();
    let servers = [Server::new(&[Answer::Whole]), Server::new(&[Answer::Whole])];
    let urls: Vec<String> = servers.iter().map(|server| server.url.clone()).collect();
    let tell = &mut |_| ControlFlow::Continue(());
    let error = download(&agent(), &urls, &published(), &file.join("file"), tell).unwrap_err();
    assert!(error.to_string().contains("cannot write"), "{error}");
    assert!(servers[1].starts().is_empty());
}
