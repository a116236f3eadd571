//! A directory with all that is in it.
//!
//! Symbolic links are not followed and not made: they, and what is neither file nor
//! directory, are left out and named. Names that come from a host are hostile: none
//! leads out of the directory that is copied to.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use cofferdam_gateway::client::{Client, JsonObject, path_bytes, path_text};
use serde_json::{Value, json};

use super::end::End;
use super::{Copied, CopyError, Desk, fetch, here, send};
use crate::call::refusal;

/// Levels that are gone down.
const DEPTH: u32 = 32;
/// Entries of one page.
const PAGE: u32 = 5_000;

/// Copies a directory; what is a file is copied as one.
pub(super) async fn copy(
    desk: &Desk,
    client: &Client,
    from: End,
    to: End,
) -> Result<Copied, CopyError> {
    match (from, to) {
        (End::Local(from), to) if !from.is_dir() => super::one(desk, End::Local(from), to).await,
        (End::Local(from), End::Remote { host, path }) => {
            let walk = Walk { desk, client, host };
            walk.up(&from, &path).await
        }
        (End::Remote { host, path }, End::Local(to)) => {
            let walk = Walk { desk, client, host: host.clone() };
            match walk.list(&path, None).await? {
                Some(first) => walk.down(&path, &to, first).await,
                None => super::one(desk, End::Remote { host, path }, End::Local(to)).await,
            }
        }
        _ => Err(CopyError::Usage(
            "a directory is copied between here and a host; from one host to another by way of a \
             directory here",
        )),
    }
}

struct Walk<'a> {
    desk: &'a Desk,
    client: &'a Client,
    host: String,
}

impl Walk<'_> {
    /// From here to the host.
    async fn up(&self, from: &Path, to: &[u8]) -> Result<Copied, CopyError> {
        let mut copied = Copied::default();
        let mut waiting = vec![(from.to_owned(), to.to_vec())];
        while let Some((directory, to)) = waiting.pop() {
            self.make(&to).await?;
            let entries = fs::read_dir(&directory).map_err(here("list", &directory))?;
            let entries: Result<Vec<_>, _> = entries.collect();
            let mut entries = entries.map_err(here("list", &directory))?;
            entries.sort_by_key(fs::DirEntry::file_name);
            for entry in entries {
                let path = entry.path();
                let to = join(&to, entry.file_name().as_bytes());
                let kind = entry.file_type().map_err(here("look at", &path))?;
                if kind.is_dir() {
                    waiting.push((path, to));
                } else if kind.is_file() {
                    let (file, mode) = send::open(&path)?;
                    let shown = format!("{}:{}", self.host, String::from_utf8_lossy(&to));
                    let place = self.desk.place(self.host.clone(), to);
                    let done = send::from(self.desk, &place, &file, mode).await?;
                    copied.add(path.display().to_string(), shown, done);
                } else {
                    copied.left_out.push(path.display().to_string());
                }
            }
        }
        Ok(copied)
    }

    /// From the host to here; `first` is the first page of what is there.
    async fn down(&self, from: &[u8], to: &Path, first: Page) -> Result<Copied, CopyError> {
        let mut copied = Copied::default();
        fs::create_dir_all(to).map_err(here("make the directory", to))?;
        let mut page = first;
        loop {
            for Entry { path, kind } in page.entries {
                let shown = format!("{}:{}", self.host, String::from_utf8_lossy(&path));
                let Some(beneath) = beneath(from, &path) else {
                    copied.left_out.push(shown);
                    continue;
                };
                let target = to.join(beneath);
                match kind.as_str() {
                    "directory" => {
                        fs::create_dir_all(&target).map_err(here("make the directory", &target))?;
                    }
                    "regular" => {
                        let place = self.desk.place(self.host.clone(), path);
                        let done = fetch::to_file(self.desk, &place, &target).await?;
                        copied.add(shown, target.display().to_string(), done);
                    }
                    _ => copied.left_out.push(shown),
                }
            }
            match page.next {
                None => return Ok(copied),
                Some(next) => match self.list(from, Some(next)).await? {
                    Some(more) => page = more,
                    None => return Err(CopyError::Changed(String::from_utf8_lossy(from).into())),
                },
            }
        }
    }

    async fn make(&self, path: &[u8]) -> Result<(), CopyError> {
        if path == b"." {
            return Ok(());
        }
        let arguments = json!({ "path": path_text(path), "make_parents": true });
        self.call("make_directory", arguments).await?;
        Ok(())
    }

    /// A page of what is beneath a directory; none where it is a file.
    async fn list(&self, path: &[u8], after: Option<String>) -> Result<Option<Page>, CopyError> {
        let mut arguments = json!({
            "path": path_text(path), "depth": DEPTH, "include_hidden": true, "max_entries": PAGE,
        });
        if let Some(after) = after {
            arguments["after"] = json!(after);
        }
        let answer = match self.call("list_directory", arguments).await {
            Ok(answer) => answer,
            Err(Told { reason, .. }) if reason == "FILE_WRONG_KIND" => return Ok(None),
            Err(told) => return Err(told.into()),
        };
        let entries = answer["entries"].as_array().map(Vec::as_slice).unwrap_or_default();
        let entries = entries.iter().filter_map(|entry| {
            let path = path_bytes(entry["path"].as_str()?)?;
            Some(Entry { path, kind: entry["kind"].as_str()?.to_owned() })
        });
        let next = answer["next"].as_str().map(str::to_owned);
        Ok(Some(Page { entries: entries.collect(), next }))
    }

    async fn call(&self, tool: &str, arguments: Value) -> Result<Value, Told> {
        let mut arguments = match arguments {
            Value::Object(arguments) => arguments,
            _ => JsonObject::new(),
        };
        arguments.insert("host".to_owned(), json!(self.host));
        if let Some(project) = &self.desk.project {
            arguments.insert("project".to_owned(), json!(project));
        }
        let told = |message: String| Told { reason: String::new(), message };
        let result = self.client.call(tool, arguments).await;
        let result = result.map_err(|error| told(error.to_string()))?;
        let answer = result.structured_content.clone().unwrap_or_default();
        match result.is_error {
            Some(true) => {
                let reason = answer["error"]["reason"].as_str().unwrap_or_default().to_owned();
                Err(Told { reason, message: refusal(&result) })
            }
            _ => Ok(answer),
        }
    }
}

/// Why a tool did not do it.
struct Told {
    reason: String,
    message: String,
}

impl From<Told> for CopyError {
    fn from(told: Told) -> Self {
        Self::Refused(told.message)
    }
}

/// Entries of a directory.
struct Page {
    entries: Vec<Entry>,
    next: Option<String>,
}

struct Entry {
    path: Vec<u8>,
    kind: String,
}

/// Where `path` lies beneath `from`: plain names only.
fn beneath(from: &[u8], path: &[u8]) -> Option<PathBuf> {
    let (from, path) = (Path::new(OsStr::from_bytes(from)), Path::new(OsStr::from_bytes(path)));
    let rest = if from == Path::new(".") { path } else { path.strip_prefix(from).ok()? };
    let plain = rest.components().all(|part| matches!(part, Component::Normal(_)));
    (plain && rest.components().next().is_some()).then(|| rest.to_owned())
}

fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory == b"." {
        return name.to_vec();
    }
    let mut path = directory.to_vec();
    while path.len() > 1 && path.ends_with(b"/") {
        path.pop();
    }
    if path != b"/" {
        path.push(b'/');
    }
    path.extend(name);
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_host_lead_nowhere_else() {
        let found = |from: &str, path: &str| beneath(from.as_bytes(), path.as_bytes());
        assert_eq!(found("src", "src/a/b").unwrap(), Path::new("a/b"));
        assert_eq!(found(".", "a").unwrap(), Path::new("a"));
        assert_eq!(found("/w/src/", "/w/src/a").unwrap(), Path::new("a"));
        for (from, path) in [
            ("src", "other/a"),
            ("src", "src"),
            ("src", "src/../../etc/passwd"),
            (".", "/etc/passwd"),
            (".", "../a"),
            ("src", "/src/a"),
        ] {
            assert_eq!(found(from, path), None, "{from} {path}");
        }
    }

    #[test]
    fn paths_on_a_host_are_joined_with_one_slash() {
        assert_eq!(join(b".", b"a"), b"a");
        assert_eq!(join(b"src/", b"a"), b"src/a");
        assert_eq!(join(b"/", b"a"), b"/a");
    }
}
