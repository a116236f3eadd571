//! Python's virtual environments: `pyvenv.cfg` beside or above the interpreter
//! says where the base installation is (PEP 405).

use std::path::{Path, PathBuf};

use super::Work;
use crate::bounds;
use crate::error::TooMuch;
use crate::need::Why;
use crate::reading::Place;
use crate::rules::Scripts;

const SETTINGS: &str = "pyvenv.cfg";

impl Work<'_> {
    /// Takes the modules of the environment that the interpreter stands in, under
    /// its own name or that of a link to it, and the base interpreter.
    pub(super) fn virtual_environment(
        &mut self,
        real: &Path,
        links: &[(PathBuf, PathBuf)],
        depth: (usize, usize),
    ) -> Result<(), TooMuch> {
        let names = links.iter().map(|(link, _)| link.as_path()).chain([real]);
        let is_python = |path: &&Path| {
            path.file_name().is_some_and(|it| it.as_encoded_bytes().starts_with(b"python"))
        };
        let directories: Vec<PathBuf> = names
            .filter(is_python)
            .filter_map(Path::parent)
            .flat_map(|directory| directory.ancestors().take(2))
            .map(Path::to_owned)
            .collect();
        for directory in directories {
            let file = directory.join(SETTINGS);
            let Some(text) = self.reading.bytes(&file, bounds::TEXT)? else { continue };
            let why = Why::VirtualEnvironment { file: file.clone() };
            self.data(&file, &why)?;
            for lib in ["lib", "lib64"] {
                self.want_tree(&directory.join(lib), &why, Scripts::Modules);
            }
            if let Some(base) = self.base(&String::from_utf8_lossy(&text)) {
                self.queue(&base, why, depth)?;
            }
        }
        Ok(())
    }

    /// The interpreter of the base installation.
    fn base(&mut self, text: &str) -> Option<PathBuf> {
        let home = setting(text, "home").map(Path::new).filter(|home| home.is_absolute())?;
        let version = setting(text, "version").or(setting(text, "version_info")).unwrap_or("3");
        let short: Vec<&str> = version.split('.').take(2).collect();
        let names = [format!("python{}", short.join(".")), "python3".to_owned()];
        names.into_iter().map(|name| home.join(name)).find(|path| {
            let place = self.reading.follow(path);
            place.as_ref().is_some_and(Place::is_file)
        })
    }
}

/// The value of a `key = value` line.
fn setting<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines
        .map(|(name, value)| (name.trim(), value.trim()))
        .find(|(name, _)| *name == key)
        .map(|it| it.1)
}
