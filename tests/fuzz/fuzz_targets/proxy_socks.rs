//! Whatever a run sends as SOCKS, reading it ends without a panic, takes no more
//! than is there, and a message is read the same with or without what follows.
#![no_main]

use cofferdam_proxy::socks::{self, MAX_REQUEST, Read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(Read::Whole((), length)) = socks::greeting(data) {
        assert!(length <= data.len());
        assert_eq!(socks::greeting(&data[..length]), Ok(Read::Whole((), length)));
    }
    match socks::request(data) {
        Ok(Read::Whole(target, length)) => {
            assert!(length <= data.len() && length <= MAX_REQUEST);
            assert_eq!(target.to_string().parse().as_ref(), Ok(&target), "one spelling");
            assert_eq!(socks::request(&data[..length]), Ok(Read::Whole(target, length)));
            assert_eq!(socks::request(&data[..length - 1]), Ok(Read::More));
        }
        Ok(Read::More) => assert!(data.len() < MAX_REQUEST),
        Err(error) => assert!(error.reply().len() <= 10),
    }
});
