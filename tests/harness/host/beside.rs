//! Several hosts of one gateway: they believe one authority and one gateway's
//! certificate and signing key, and have their workspaces on one disk, as a project
//! has one path on all of its hosts.

use std::fs;

use cofferdam_trust::Authority;

use super::files::make_identity;
use super::{Host, Setup};

impl Host {
    /// Starts another host that the gateway of this one may call, too. Its name has
    /// to be another.
    ///
    /// # Panics
    /// When it has the same name, or does not become ready.
    #[must_use]
    pub fn beside(&self, setup: Setup) -> Self {
        let mut host = self.prepared_beside(setup);
        host.start_again();
        host
    }

    /// The same, which starts nothing.
    ///
    /// # Panics
    /// When it has the same name.
    #[must_use]
    pub fn prepared_beside(&self, setup: Setup) -> Self {
        assert_ne!(setup.name, self.setup.name, "hosts of a gateway have names of their own");
        Self::prepare_beside(setup, Some(self))
    }

    pub(super) fn share_keys(&self, first: &Self) {
        let authority = Authority::open(&first.place().join("ca")).expect("its authority");
        make_identity(&authority, &self.agent(), &self.place().join("agent"));
        for file in fs::read_dir(first.place().join("gateway")).expect("the gateway's files") {
            let file = file.expect("a file");
            let own = self.place().join("gateway").join(file.file_name());
            fs::copy(file.path(), own).expect("a copy");
        }
    }
}
