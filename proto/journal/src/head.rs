//! The head file: which record the journal had when it was last signed.
//!
//! Replaced atomically after each checkpoint is durable. A journal that lacks
//! the record that its head names was cut short.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cofferdam_trust::{Purpose, SigningKey, TrustedKeys};
use serde::{Deserialize, Serialize};

use crate::broken::Fault;
use crate::chain::checkpoint_text;
use crate::digest::Digest;
use crate::directory::Directory;

const MAX_HEAD: u64 = 4096;

/// The content of the head file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Head {
    pub(crate) hash: Digest,
    key_id: String,
    pub(crate) seq: u64,
    signature: String,
}

impl Head {
    /// Signs the record `seq` as the last one.
    pub(crate) fn sign(key: &SigningKey, owner: &str, seq: u64, hash: Digest) -> Self {
        let signature = key.sign(Purpose::Head, &checkpoint_text(owner, seq, hash));
        let signature = BASE64_STANDARD.encode(signature);
        Self { hash, key_id: key.key_id(), seq, signature }
    }

    /// Whether one of `keys` signed it.
    pub(crate) fn verify(&self, keys: &TrustedKeys, owner: &str) -> Result<(), Fault> {
        let text = checkpoint_text(owner, self.seq, self.hash);
        let signed = BASE64_STANDARD.decode(&self.signature).is_ok_and(|signature| {
            let key = keys.get(&self.key_id);
            key.is_some_and(|key| key.verifies(Purpose::Head, &text, &signature))
        });
        if signed { Ok(()) } else { Err(Fault::Signature { what: "head" }) }
    }

    /// Reads the head file; none where there is none.
    pub(crate) fn read(directory: &Path) -> Result<Option<Self>, Fault> {
        let file = match File::open(path(directory)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut text = String::new();
        file.take(MAX_HEAD).read_to_string(&mut text)?;
        let head =
            serde_json::from_str(&text).map_err(|error| Fault::BadHead(error.to_string()))?;
        Ok(Some(head))
    }

    /// Replaces the head file, durably.
    pub(crate) fn write(&self, directory: &Directory) -> io::Result<()> {
        let target = path(directory.path());
        let draft = target.with_extension("head.new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&draft)?;
        writeln!(file, "{}", serde_json::to_string(self)?)?;
        file.sync_data()?;
        fs::rename(&draft, &target)?;
        directory.sync()
    }
}

/// Where the head file of a journal is.
pub(crate) fn path(directory: &Path) -> PathBuf {
    directory.join("journal.head")
}
