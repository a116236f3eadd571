//! Whatever stands in a configuration or a ceiling, reading it ends in bounded time
//! without a panic, and what is taken is complete: no path is left that starts at
//! whichever directory a daemon happens to be in.
#![no_main]

use std::path::Path;

use cofferdam_ceiling::Ceiling;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let place = Path::new("/etc/cofferdam/configuration.toml");
    if let Ok(config) = cofferdam_agent::config::Config::parse(place, text) {
        let paths = [&config.ceiling, &config.control, &config.signing_key, &config.journal];
        assert!(paths.into_iter().all(|path| path.is_absolute()), "{config:?}");
        assert!(config.listen.is_some() || !config.dial.is_empty(), "nobody could call it");
        drop((config.dialled_ports().count(), config.dials_names()));
    }
    if let Ok(config) = cofferdam_gateway::Config::parse(place, text) {
        let paths = [&config.signing_key, &config.journal, &config.state, &config.rules];
        assert!(paths.into_iter().all(|path| path.is_absolute()), "{config:?}");
        assert!(config.identity.is_some() != config.authority.is_some(), "one of both");
    }
    drop(Ceiling::parse(text));
});
