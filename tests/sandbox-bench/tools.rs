//! The sandboxes that a user could take instead, as they are installed here.
//!
//! Each gets as much of a cell as it can give: mount, PID, IPC, UTS and network
//! namespaces, a read-only view of the host's programs, a private /tmp, no
//! capabilities, its seccomp filter. What one of them cannot give it does not
//! get, and its command line, which is printed, shows it.

mod bundle;
mod lines;

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use cofferdam_tests::measure::run::null;
use tempfile::TempDir;

use lines::Line;

/// One that is here and works.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    /// What it says of its version.
    pub(crate) version: String,
    program: PathBuf,
    line: Line,
}

/// One that is not, and why.
pub(crate) struct Absent {
    pub(crate) name: &'static str,
    pub(crate) why: String,
}

/// All of them.
pub(crate) struct Tools {
    pub(crate) present: Vec<Tool>,
    pub(crate) absent: Vec<Absent>,
}

/// What the tools' command lines name.
pub(crate) struct Place {
    /// `WORKSPACE`: writable in the sandbox.
    workspace: PathBuf,
    /// `ROOT`: a root directory with mount points in it, for those that need one.
    root: PathBuf,
    /// `BUNDLE`: a directory with the `config.json` of the OCI runtimes.
    bundle: PathBuf,
    /// `FILTER`: the cells' own seccomp program, as instructions.
    filter: PathBuf,
}

impl Tools {
    /// Looks for each, and tries it once.
    pub(crate) fn find(place: &Place) -> Self {
        let (mut present, mut absent) = (Vec::new(), Vec::new());
        for line in lines::all() {
            let name = line.name;
            match Tool::find(line, place) {
                Ok(tool) => present.push(tool),
                Err(why) => absent.push(Absent { name, why: format!("{why:#}") }),
            }
        }
        Self { present, absent }
    }
}

impl Tool {
    fn find(line: Line, place: &Place) -> anyhow::Result<Self> {
        let Line { name, program, package, .. } = &line;
        let Some(path) = look_up(program) else {
            bail!("`{program}` is not installed; `apt-get install {package}`");
        };
        let told = Command::new(&path).arg("--version").output();
        let told = told.with_context(|| format!("cannot start `{}`", path.display()))?;
        let version = String::from_utf8_lossy(&told.stdout);
        let version = version.lines().next().unwrap_or_default().trim().to_owned();
        let tool = Self { name, version, program: path, line };
        let tried = tool.command(place)?.stderr(Stdio::piped()).output()?;
        let said = String::from_utf8_lossy(&tried.stderr);
        let said = said.lines().next().unwrap_or("it says nothing").trim();
        // The report says nothing of where it was made.
        let said = said.replace(&*place.workspace.to_string_lossy(), "WORKSPACE");
        ensure!(tried.status.success(), "{} does not work here: {said}", tool.version);
        Ok(tool)
    }

    /// From start to exit.
    pub(crate) fn run(&self, place: &Place) -> anyhow::Result<Duration> {
        let mut command = self.command(place)?;
        let began = Instant::now();
        let status = command.status().with_context(|| format!("cannot start {}", self.name))?;
        let took = began.elapsed();
        ensure!(status.success(), "{} ended with {status}", self.name);
        Ok(took)
    }

    fn command(&self, place: &Place) -> anyhow::Result<Command> {
        let stdin = if self.line.takes_filter { File::open(&place.filter) } else { null() };
        let mut command = Command::new(&self.program);
        command.args(self.line.arguments.iter().map(|word| place.put(word)));
        command.stdin(stdin?).stdout(null()?).stderr(null()?);
        Ok(command)
    }

    /// As one would type it, with names for the place's paths.
    pub(crate) fn typed(&self) -> String {
        let arguments = self.line.arguments.join(" ");
        let stdin = if self.line.takes_filter { " < FILTER" } else { "" };
        format!("{} {arguments}{stdin}", self.program.display())
    }
}

impl Place {
    /// Makes everything that the tools need; beside this program, because
    /// several of them hide what lies in directories for temporary files.
    pub(crate) fn make() -> anyhow::Result<(TempDir, Self)> {
        let own = std::env::current_exe()?;
        let own = own.parent().context("this program lies in no directory")?;
        let directory = TempDir::new_in(own)
            .with_context(|| format!("cannot make a directory in `{}`", own.display()))?;
        let beneath = |name: &str| directory.path().join(name);
        let place = Self {
            workspace: beneath("workspace"),
            root: beneath("bundle/root"),
            bundle: beneath("bundle"),
            filter: beneath("filter.bpf"),
        };
        std::fs::create_dir(&place.workspace)?;
        bundle::make(&place)?;
        let filter = cofferdam_filter::by_name("cell").context("there is no filter `cell`")?;
        let program = filter.programs.iter().find(|program| program.logged);
        let program = program.context("the filter has no program")?;
        std::fs::write(&place.filter, program.code.as_flattened())?;
        Ok((directory, place))
    }

    /// A word of a command line with the place's paths in it.
    fn put(&self, word: &str) -> String {
        let Self { workspace, root, bundle, filter: _ } = self;
        [("WORKSPACE", workspace), ("ROOT", root), ("BUNDLE", bundle)]
            .into_iter()
            .fold(word.to_owned(), |word, (name, path)| {
                word.replace(name, &path.display().to_string())
            })
    }
}

fn look_up(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    directories.map(|directory| directory.join(program)).find(|file| file.is_file())
}
