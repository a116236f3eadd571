//! Whatever bytes a stranger sends first where hosts dial in, they are a preface, the
//! beginning of one, or refused; and reading them in pieces comes to the same.
#![no_main]

use cofferdam_trust::{MAX_PREFACE, Preface, Role};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    match Preface::parse(data) {
        Ok(Some(preface)) => {
            assert!(data.len() <= MAX_PREFACE);
            assert_eq!(preface.claimed().role(), Role::Agent);
            assert_eq!(preface.line().as_bytes(), data, "one host, one preface");
        }
        Ok(None) => assert!(data.len() < MAX_PREFACE && !data.contains(&b'\n')),
        Err(_) => {
            // What was refused stays refused, whatever follows.
            let longer = [data, b"x"].concat();
            assert!(!matches!(Preface::parse(&longer), Ok(Some(_))));
        }
    }
    for end in 0..data.len() {
        if Preface::parse(&data[..end]).is_err() {
            assert!(Preface::parse(data).is_err(), "refused at {end}, taken in the end");
        }
    }
});
