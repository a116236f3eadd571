//! Records what a real system bus says, for the tests of units.
//!
//! `record FILE list [PATTERN…]` or `record FILE status UNIT` asks this host's systemd
//! through a relay and writes each answer to the file: its length in four bytes,
//! little-endian, then all that the bus sent between one call and the next. Prints what
//! was understood.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::Duration;

use cofferdam_services::{UnitFilter, Units};

const BUS: &str = "/run/dbus/system_bus_socket";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("a file to record to is missing")?;
    let question = arguments.next().ok_or("`list` or `status` is missing")?;
    let socket = format!("{file}.socket");
    let listener = UnixListener::bind(&socket)?;
    let relay = thread::spawn(move || relay(&listener));
    let units = Units::on(socket.clone().into());
    if question == "list" {
        let patterns = arguments.map(|pattern| pattern.parse()).collect::<Result<_, _>>()?;
        println!("{:#?}", units.list(&UnitFilter { patterns, states: Vec::new() }));
    } else {
        let unit = arguments.next().ok_or("a unit is missing")?.parse()?;
        println!("{:#?}", units.status(&unit));
    }
    fs::remove_file(&socket)?;
    let recorded = relay.join().map_err(|_| "the relay failed")??;
    fs::write(&file, recorded)?;
    Ok(())
}

/// Relays one conversation. Each side waits for the other, so that what comes after
/// something was sent is its answer.
fn relay(listener: &UnixListener) -> io::Result<Vec<u8>> {
    let (mut client, _) = listener.accept()?;
    let mut bus = UnixStream::connect(BUS)?;
    let mut recorded = Vec::new();
    loop {
        let asked = quiet(&mut client)?;
        if asked.is_empty() {
            return Ok(recorded);
        }
        bus.write_all(&asked)?;
        // After `BEGIN` the bus says nothing; the first call comes at once.
        let answered = quiet(&mut bus)?;
        if !answered.is_empty() {
            let length = u32::try_from(answered.len()).map_err(io::Error::other)?;
            recorded.extend(length.to_le_bytes());
            recorded.extend(&answered);
            client.write_all(&answered)?;
        }
    }
}

/// All that comes until nothing does for a moment.
fn quiet(from: &mut UnixStream) -> io::Result<Vec<u8>> {
    from.set_read_timeout(Some(Duration::from_millis(100)))?;
    let mut came = Vec::new();
    let mut some = [0; 4096];
    loop {
        match from.read(&mut some) {
            Ok(0) => return Ok(came),
            Ok(bytes) => came.extend(&some[..bytes]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(came),
            Err(error) => return Err(error),
        }
    }
}
