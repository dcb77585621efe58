//! A real MQTT broker (mosquitto).

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::port::free_port;

pub struct Broker {
    pub port: u16,
    process: Child,
    _folder: tempfile::TempDir,
}

impl Broker {
    /// At a port that nobody uses. `None` as for [`Self::start`].
    pub fn anywhere(passwords: bool) -> Option<Self> {
        Self::start(free_port(), passwords)
    }

    /// `None` where there is no mosquitto; where there are recordings, there has to be one.
    pub fn start(port: u16, passwords: bool) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("mosquitto.conf");
        let mut text = format!(
            "listener {port} 127.0.0.1\nallow_anonymous {}\n",
            !passwords
        );
        if passwords {
            let file = folder.path().join("passwords");
            let made = Command::new("mosquitto_passwd")
                .args(["-b", "-c"])
                .arg(&file)
                .args(["reader", "secret"])
                .output();
            if made.is_ok() {
                // The broker gives its rights up before it reads the file.
                let _ = Command::new("chmod").arg("644").arg(&file).status();
                let _ = Command::new("chmod").arg("755").arg(folder.path()).status();
                text = format!("{text}password_file {}\n", file.display());
            }
        }
        std::fs::write(&config, text).unwrap();
        let program = ["mosquitto", "/usr/sbin/mosquitto"]
            .into_iter()
            .find(|program| Command::new(program).arg("-h").output().is_ok());
        let Some(program) = program else {
            assert!(
                std::env::var_os("DCNET_SHARED").is_none(),
                "mosquitto is not installed"
            );
            eprintln!("skipped: mosquitto is not installed");
            return None;
        };
        let process = Command::new(program)
            .arg("-c")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let broker = Self {
            port,
            process,
            _folder: folder,
        };
        for _ in 0..100 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(broker);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("mosquitto did not start");
    }

    /// Publishes, in order.
    pub fn publish(&self, options: &[&str], messages: &[(&str, &str)]) {
        for (topic, payload) in messages {
            let mut publishing = Command::new("mosquitto_pub")
                .args(["-p", &self.port.to_string(), "-t", topic, "-s"])
                .args(options)
                .stdin(Stdio::piped())
                .spawn()
                .unwrap();
            let mut input = publishing.stdin.take().unwrap();
            input.write_all(payload.as_bytes()).unwrap();
            drop(input);
            assert!(publishing.wait().unwrap().success());
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
