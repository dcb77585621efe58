//! A target in the clear that fails now and then.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// Something that takes JSON, and refuses every third time after it has taken it: what it took then
/// comes again.
pub struct Receiver {
    pub port: u16,
    /// Header and body of each request.
    pub taken: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Receiver {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let taken = Arc::<Mutex<Vec<(String, Value)>>>::default();
        let shared = Arc::clone(&taken);
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                // Whoever was killed half-way has delivered nothing.
                let request = stream
                    .ok()
                    .and_then(|stream| request(&stream).map(|r| (stream, r)));
                if let Some((mut stream, request)) = request {
                    shared.lock().unwrap().push(request);
                    let status = if number % 3 == 2 {
                        "503 Later"
                    } else {
                        "200 OK"
                    };
                    let head = "Content-Length: 0\r\nConnection: close";
                    let _ = write!(stream, "HTTP/1.1 {status}\r\n{head}\r\n\r\n");
                }
            }
        });
        Self { port, taken }
    }
}

fn request(stream: &TcpStream) -> Option<(String, Value)> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        (reader.read_line(&mut head).ok()? > 0).then_some(())?;
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().unwrap())
    });
    let mut body = vec![0; length?];
    reader.read_exact(&mut body).ok()?;
    Some((head, serde_json::from_slice(&body).unwrap()))
}
