//! Whatever a bus answers, asking it for units ends in time, neither panics nor grows
//! past its bounds. The first byte says what is asked; the others are all that the bus
//! says behind its greeting.
#![no_main]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use cofferdam_services::{MAX_UNITS, UnitFilter, UnitStatus, Units};
use libfuzzer_sys::fuzz_target;

/// Where the bus listens, and the way to tell it what to say next.
static BUS: LazyLock<(PathBuf, Mutex<Sender<Vec<u8>>>)> = LazyLock::new(|| {
    let socket = PathBuf::from(format!("/tmp/cofferdam-fuzz-{}", std::process::id()));
    let listener = UnixListener::bind(&socket).expect("it listens");
    let (sender, said) = channel::<Vec<u8>>();
    std::thread::spawn(move || {
        for says in said {
            let (stream, _) = listener.accept().expect("a connection");
            // The other side hangs up whenever it has seen enough.
            let _ = converse(stream, &says);
        }
    });
    (socket, Mutex::new(sender))
});

fn converse(stream: UnixStream, says: &[u8]) -> std::io::Result<()> {
    let mut from = BufReader::new(stream.try_clone()?);
    let mut to = stream;
    let mut line = Vec::new();
    from.read_until(b'\n', &mut line)?;
    to.write_all(b"OK 0\r\n")?;
    to.write_all(says)?;
    to.shutdown(std::net::Shutdown::Write)?;
    from.read_to_end(&mut Vec::new()).map(drop)
}

fuzz_target!(|data: &[u8]| {
    let Some((question, says)) = data.split_first() else { return };
    let (socket, sender) = &*BUS;
    sender.lock().expect("one thread").send(says.to_vec()).expect("the bus is there");
    let units = Units::on(socket.clone()).with_time_limit(Duration::from_secs(2));
    if question % 2 == 0 {
        if let Ok(list) = units.list(&UnitFilter::default()) {
            assert!(list.units.len() <= MAX_UNITS);
        }
    } else if let Ok(UnitStatus::Loaded(loaded)) =
        units.status(&"web.service".parse().expect("a unit"))
    {
        assert!(loaded.state.description.len() <= 3 * (4 << 10));
        assert!(loaded.triggers.len() <= 100);
    }
});
