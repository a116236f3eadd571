//! A root that is kept elsewhere: hosts join, renew and are served while it is away, and
//! what needs it says so.

use std::fs;

use cofferdam_tests::dev::until;
use cofferdam_tests::host::Setup;

use super::{Joined, lives, said};

#[test]
fn hosts_join_and_renew_while_the_root_is_away_and_a_rotation_says_that_it_needs_it() {
    let mut joined = Joined::prepare(&(lives(5) + "announce_seconds = 2\n"));
    let place = joined.directory.path().canonicalize().unwrap();
    let (stick, drawer) = (place.join("stick"), place.join("drawer"));
    let root = stick.join("root").display().to_string();
    fs::create_dir(&stick).unwrap();
    let made = joined.gateway.cofferdam(&["authority", "init", "--root", &root]);
    assert!(made.status.success(), "{}", said(&made));
    // Its key is on the stick alone, and that is taken out.
    assert!(!joined.gateway.place.join("authority/root.key").exists());
    fs::rename(&stick, &drawer).unwrap();
    joined.start_gateway();
    let host = joined.join(Setup::default());
    let ann = joined.gateway.token("ann");
    assert!(joined.works(&ann, host));
    until("it renews", || joined.steps("renewed") >= 2);
    // Nothing of the gateway's machine is the root's key.
    let key = fs::read_to_string(drawer.join("root/ca.key")).unwrap();
    for file in fs::read_dir(joined.gateway.place.join("authority")).unwrap().flatten() {
        let text = fs::read_to_string(file.path()).unwrap_or_default();
        assert!(!text.contains(key.lines().nth(1).unwrap()), "{}", file.path().display());
    }

    for words in [vec!["authority", "rotate"], vec!["authority", "rotate", "--root", &root]] {
        let refused = joined.gateway.cofferdam(&words);
        let told = said(&refused);
        assert!(!refused.status.success(), "{told}");
        assert!(told.contains("kept elsewhere") && told.contains("--root"), "{told}");
    }
    assert!(!stick.exists(), "no other root is made where it was looked for");
    assert_eq!(joined.steps("rotated"), 1);

    fs::rename(&drawer, &stick).unwrap();
    let rotated = joined.gateway.cofferdam(&["authority", "rotate", "--root", &root]);
    assert!(rotated.status.success(), "{}", said(&rotated));
    fs::rename(&stick, &drawer).unwrap();
    joined.gateway.kill();
    joined.start_gateway();
    let before = joined.steps("renewed");
    super::within(40, "it renews by the next one", || joined.steps("renewed") >= before + 3);
    let shown = said(&joined.gateway.cofferdam(&["authority", "show"]));
    assert!(shown.contains("2 ") && joined.works(&ann, host), "{shown}");
    let other = joined.join(Setup { name: "other".to_owned(), ..Setup::default() });
    assert!(joined.works(&ann, other));
}
