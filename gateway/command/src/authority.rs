//! `cofferdam authority`: the certificate authority that hosts join a gateway by.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use cofferdam_authority::{GenerationEntry, Owner, OwnerError, State};
use cofferdam_gateway::config::{AuthorityConfig, Config};
use cofferdam_trust::SigningKey;
use serde::Serialize;

use crate::office::{OfficeError, authority, check_owner, person};
use crate::report::{Format, Report, complain, write_table};
use crate::time;

const INIT: &str = "\
An authority that holds its own root, where gateway.toml says in [authority]:
  runuser -u cofferdam-gateway -- cofferdam authority init

The root stays away from the gateway: the gateway gets an intermediate, and the disk
with the root is taken out again:
  cofferdam authority init --root /mnt/offline/root";

const SHOW: &str = "\
When does it end, and which roots do hosts believe?
  cofferdam authority show";

const ROTATE: &str = "\
A new root follows the one there is. It is announced to every host first, certifies
after a while, and the old one counts besides until no host can need it any more:
  cofferdam authority rotate
  cofferdam authority show

A new intermediate, before the year of the one there is ends:
  cofferdam authority rotate --root /mnt/offline/root";

/// What to do with the authority.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes what is missing of it and of the gateway's own keys, and keeps what is there.
    #[command(after_help = INIT)]
    Init(Arguments),
    /// Shows its generations: which one certifies, and which roots count.
    #[command(after_help = SHOW)]
    Show(Which),
    /// Lets a new generation follow, without losing a host.
    #[command(after_help = ROTATE)]
    Rotate(Arguments),
}

/// Which authority.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The gateway's configuration, of which `[authority]` counts.
    #[arg(long, value_name = "FILE", default_value = "/etc/cofferdam/gateway.toml")]
    config: PathBuf,
}

/// Which authority, and beneath which root.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Makes an intermediate beneath the root in this directory; the root is made where
    /// there is none, and is needed for nothing else.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

/// Its generations.
#[derive(Debug, Serialize)]
struct Shown {
    directory: PathBuf,
    generations: Vec<GenerationEntry>,
}

pub(crate) fn run(command: Command, format: Format) -> Result<ExitCode, OfficeError> {
    let (which, root, act) = match command {
        Command::Init(Arguments { which, root }) => (which, root, Act::Begin),
        Command::Rotate(Arguments { which, root }) => (which, root, Act::Rotate),
        Command::Show(which) => (which, None, Act::Show),
    };
    let AuthorityConfig { settings, .. } = authority(&which.config)?;
    if matches!(act, Act::Begin) {
        make_signing_key(&which.config)?;
    }
    let is_there = settings.state.exists();
    if !is_there && !matches!(act, Act::Begin) {
        return Err(OfficeError::Missing(settings.state));
    }
    check_owner(&settings.state)?;
    check_owner(&settings.directory)?;
    let state = State::open(&settings.state)?;
    let person = person();
    let owner = Owner::new(&state, &person);
    let generations = match act {
        Act::Begin => owner.begin(&settings, root.as_deref())?,
        Act::Rotate => owner.rotate(&settings, root.as_deref())?,
        Act::Show => owner.generations()?,
    };
    Ok(format.show(&Shown { directory: settings.directory, generations }))
}

/// The gateway's own signing key is the other thing that a first start needs.
fn make_signing_key(config: &Path) -> Result<(), OfficeError> {
    let path = Config::load(config)?.signing_key;
    if path.exists() {
        return Ok(());
    }
    check_owner(&path)?;
    SigningKey::generate().and_then(|key| key.save(&path)).map_err(OwnerError::from)?;
    complain(&format!("made the gateway's signing key `{}`", path.display()));
    Ok(())
}

enum Act {
    Begin,
    Rotate,
    Show,
}

impl Report for Shown {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "authority in {}\n", self.directory.display())?;
        let rows: Vec<_> = self.generations.iter().map(row).collect();
        write_table(
            out,
            ["GENERATION", "CERTIFIES", "COUNTS", "ENDS", "SHOWN", "ROOT (SHA-256)"],
            &rows,
        )
    }
}

fn row(it: &GenerationEntry) -> [String; 6] {
    let certifies = if it.certifies {
        "now".to_owned()
    } else {
        format!("from {}", time::from_unix(it.certifies_from))
    };
    let counts = it.retires_at.map(|at| format!("until {}", time::from_unix(at)));
    [
        it.generation.to_string(),
        certifies,
        counts.unwrap_or_else(|| "yes".to_owned()),
        time::from_unix(it.ends_at),
        if it.shown { "to hosts that join" } else { "" }.to_owned(),
        it.root.clone(),
    ]
}
