//! The warden, from here: whether its socket is there, and whose it is.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::Path;

use cofferdam_abilities::Ability;
use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;

use super::prerequisites::{missing, partial, there};

const NAME: &str = "agent.warden";
const START: &str = "systemctl enable --now cofferdam-warden.socket";

/// Connects and hangs up again; the warden takes no notice but a log line.
pub(super) fn warden(path: Option<&Path>) -> Ability {
    let Some(path) = path else {
        return partial(NAME, "the configuration names no socket: `warden` is not set")
            .means("the agent starts only where it inherits one, as from `cofferdam dev`")
            .fix("warden = \"/run/cofferdam/warden.sock\" in the configuration");
    };
    let shown = path.display();
    match path.metadata() {
        Ok(metadata) if metadata.file_type().is_socket() => {}
        Ok(_) => {
            return missing(NAME, format!("`{shown}` is no socket"))
                .means("no cell can be built")
                .fix(START);
        }
        Err(error) => {
            return missing(NAME, format!("cannot find `{shown}`: {error}"))
                .means("no cell can be built")
                .fix(START);
        }
    }
    match UnixStream::connect(path) {
        Ok(socket) => owner(path, socket_peercred(&socket).map(|peer| peer.uid.as_raw()).ok()),
        Err(error) => missing(NAME, format!("cannot connect to `{shown}`: {error}"))
            .means("no cell can be built")
            .fix(format!("{START}; it must let uid {} connect", geteuid().as_raw())),
    }
}

/// A warden of root's, or of one's own; anybody else's would see every plan.
fn owner(path: &Path, listener: Option<u32>) -> Ability {
    let shown = path.display();
    let place = path.parent().and_then(|place| place.metadata().ok()).map(|it| it.uid());
    let own = geteuid().as_raw();
    let trusted = |uid: u32| uid == 0 || uid == own;
    match (listener, place) {
        (Some(uid), Some(place)) if !trusted(uid) || !trusted(place) => {
            missing(NAME, format!("uid {uid} listens at `{shown}`, in a directory of uid {place}"))
                .means("somebody else answers in the warden's place")
                .fix(format!("{START}, in a directory that root owns"))
        }
        (Some(0), Some(_)) => {
            there(NAME, format!("`{shown}`: root listens")).means("cells have users of their own")
        }
        (Some(_), Some(_)) => partial(NAME, format!("`{shown}`: a rootless warden listens"))
            .means("cells share the warden's user; outcomes say what is weaker")
            .fix(START),
        (None, _) | (_, None) => missing(NAME, format!("`{shown}`: whose it is cannot be told"))
            .means("it is not trusted")
            .fix(START),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use cofferdam_abilities::State;

    use super::*;

    #[test]
    fn a_socket_is_judged_by_who_listens() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("warden.sock");
        assert_eq!(warden(Some(&path)).state, State::Missing);
        let listener = UnixListener::bind(&path).unwrap();
        let root = geteuid().is_root();
        let expected = if root { State::Full } else { State::Partial };
        assert_eq!(warden(Some(&path)).state, expected);
        drop(listener);
        assert_eq!(warden(Some(&path)).state, State::Missing);
        assert_eq!(owner(&path, Some(4242)).state, State::Missing);
        assert_eq!(owner(&path, None).state, State::Missing);
    }

    #[test]
    fn what_is_no_socket_is_told() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(warden(Some(dir.path())).state, State::Missing);
        assert_eq!(warden(None).state, State::Partial);
    }
}
