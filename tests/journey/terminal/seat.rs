//! Somebody who sits at a terminal: a pseudo-terminal, a program on it, hands and eyes.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cofferdam_tests::dev::Dev;
use cofferdam_tests::programs::program;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

/// A terminal with a program on it.
pub(crate) struct Seat {
    keys: File,
    /// The program's end, so that its settings can be looked at.
    line: OwnedFd,
    seen: Arc<Mutex<Vec<u8>>>,
    read: usize,
    before: Termios,
    pub(crate) process: Child,
}

impl Seat {
    /// `cofferdam` with these arguments, on a terminal of 30 rows and 100 columns.
    pub(crate) fn take(dev: &Dev, arguments: &[&str]) -> Self {
        let keys = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keys).unwrap();
        unlockpt(&keys).unwrap();
        let name = ptsname(&keys, Vec::new()).unwrap().into_string().unwrap();
        let line = File::options().read(true).write(true).open(name).unwrap();
        size(&keys, 30, 100);
        let before = tcgetattr(&line).unwrap();
        // A session of its own with this terminal, as a person's shell has it.
        let process = Command::new("setsid")
            .args(["--ctty", "--wait"])
            .arg(program("cofferdam"))
            .args(arguments)
            .env("COFFERDAM_URL", dev.told("mcp_url"))
            .env("COFFERDAM_TOKEN", dev.told("token"))
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .stdin(Stdio::from(line.try_clone().unwrap()))
            .stdout(Stdio::from(line.try_clone().unwrap()))
            .stderr(Stdio::from(line.try_clone().unwrap()))
            .spawn()
            .unwrap();
        let keys = File::from(keys);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (mut eyes, kept) = (keys.try_clone().unwrap(), Arc::clone(&seen));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = eyes.read(&mut buffer) {
                kept.lock().unwrap().extend_from_slice(&buffer[..length]);
            }
        });
        Self { keys, line: line.into(), seen, read: 0, before, process }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        size(&self.keys, rows, columns);
    }

    /// Everything that was shown.
    pub(crate) fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    /// Waits until `text` is shown, after what was waited for before; gives what was
    /// shown up to there.
    pub(crate) fn see(&mut self, text: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(40);
        loop {
            let seen = self.seen();
            let new = &seen[self.read.min(seen.len())..];
            if let Some(at) = new.find(text) {
                let shown = new[..at + text.len()].to_owned();
                self.read += at + text.len();
                return shown;
            }
            assert!(Instant::now() < deadline, "`{text}` is not shown: {new:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether keys reach the program as they are.
    pub(crate) fn is_raw(&self) -> bool {
        let now = tcgetattr(&self.line).unwrap();
        !now.local_modes.contains(rustix::termios::LocalModes::ICANON)
    }

    /// Waits for the end; the exit code. The terminal has to be as it was.
    pub(crate) fn leave(&mut self) -> i32 {
        let deadline = Instant::now() + Duration::from_secs(40);
        let status = loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end: {:?}", self.seen());
            std::thread::sleep(Duration::from_millis(10));
        };
        let now = tcgetattr(&self.line).unwrap();
        assert_eq!(now.local_modes, self.before.local_modes);
        assert_eq!(now.input_modes, self.before.input_modes);
        assert_eq!(now.output_modes, self.before.output_modes);
        status.code().unwrap()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

fn size(terminal: &impl std::os::fd::AsFd, rows: u16, columns: u16) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).unwrap();
}
