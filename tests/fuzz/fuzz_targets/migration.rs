//! Whatever stands in the files of an earlier system, what is made of them can be taken:
//! rules, ceiling and hosts are read by their own parsers, and no name of an old file
//! writes a line of its own into them.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // Two files, with a NUL between them, which JSON has nowhere.
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let (agent, servers) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let files = cofferdam_command::migrated(agent, servers).expect("what comes out can be taken");
    let hosts = files.iter().find(|(name, _)| *name == "gateway-hosts.toml");
    let Some((_, text)) = hosts else { return };
    let table: toml::Table = text.parse().expect("TOML");
    assert!(table.keys().all(|key| key == "host" || key == "project"), "{text}");
    for (list, keys) in
        [("host", ["name", "agent", ""]), ("project", ["name", "workspace", "hosts"])]
    {
        let entries = table[list].as_array().expect("a list");
        let mut names = BTreeSet::new();
        for entry in entries {
            let entry = entry.as_table().expect("a table");
            assert!(entry.keys().all(|key| keys.contains(&key.as_str())), "{text}");
            assert!(names.insert(entry["name"].as_str()), "a name stands twice: {text}");
        }
    }
});
