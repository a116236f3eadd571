//! Handles as people write them: in full, or as much of one as is clear.

use super::link::{Link, LinkError};
use super::listing::{Listing, Run, Which};
use super::start::Place;

/// Characters of a run's id that are shown, at least.
const SHOWN: usize = 8;
/// Characters of a whole run's id.
const WHOLE: usize = 36;

/// Why a run is not found.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandleError {
    /// There is none.
    #[error(
        "you have no run `{0}`, or it ended too long ago to be kept: `cofferdam ps --all` shows \
         those that you have"
    )]
    Unknown(String),
    /// There are several.
    #[error("`{given}` may be any of {found}: write more of it")]
    Several {
        /// What was written.
        given: String,
        /// What it may be.
        found: String,
    },
    /// It cannot be looked for.
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// The whole handle of the run that `given` means.
pub(crate) async fn resolve(link: &Link, given: &str) -> Result<String, HandleError> {
    if given.rsplit_once('/').is_some_and(|(_, id)| id.len() == WHOLE) {
        return Ok(given.to_owned());
    }
    let listing = Listing::fetch(link, &Place::default(), Which::All).await?;
    find(&listing.runs, given)
}

fn find(runs: &[Run], given: &str) -> Result<String, HandleError> {
    let (host, id) = given.rsplit_once('/').unwrap_or(("", given));
    let is_meant = |run: &&Run| {
        let (its_host, its_id) = run.process.rsplit_once('/').unwrap_or_default();
        !id.is_empty() && its_id.starts_with(id) && (host.is_empty() || its_host == host)
    };
    let found: Vec<&Run> = runs.iter().filter(is_meant).collect();
    match found.as_slice() {
        [] => Err(HandleError::Unknown(given.to_owned())),
        [one] => Ok(one.process.clone()),
        several => {
            let found: Vec<_> = several.iter().take(5).map(|run| run.process.as_str()).collect();
            let found = found.join(", ");
            Err(HandleError::Several { given: given.to_owned(), found })
        }
    }
}

/// Each run's handle, as short as it is clear among them.
pub(crate) fn short(runs: &[Run]) -> Vec<String> {
    let id =
        |run: &Run| run.process.rsplit_once('/').map_or(String::new(), |(_, id)| id.to_owned());
    let ids: Vec<String> = runs.iter().map(id).collect();
    let length = (SHOWN..WHOLE).find(|length| {
        let mut begins: Vec<_> = ids.iter().map(|id| id.get(..*length)).collect();
        begins.sort_unstable();
        begins.windows(2).all(|two| two[0] != two[1])
    });
    let cut = |run: &Run| {
        let (host, id) = run.process.rsplit_once('/').unwrap_or_default();
        format!("{host}/{}", id.get(..length.unwrap_or(WHOLE)).unwrap_or(id))
    };
    runs.iter().map(cut).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::listing::tests::run;
    use super::*;

    fn runs() -> Vec<Run> {
        let handles = [
            "web-1/3f2a91bc-0000-4000-8000-000000000001",
            "web-1/3f2a91bc-1000-4000-8000-000000000002",
            "db/77777777-0000-4000-8000-000000000003",
        ];
        handles.map(|handle| run(json!({ "process": handle }))).into()
    }

    #[test]
    fn as_much_of_a_handle_as_is_clear_is_enough() {
        assert_eq!(find(&runs(), "77").unwrap(), "db/77777777-0000-4000-8000-000000000003");
        assert!(find(&runs(), "db/7").is_ok() && find(&runs(), "web-1/3f2a91bc-1").is_ok());
        let several = find(&runs(), "3f2a").unwrap_err();
        assert!(several.to_string().contains("write more"), "{several}");
        for wrong in ["", "db/", "web-1/7", "99"] {
            assert!(matches!(find(&runs(), wrong), Err(HandleError::Unknown(_))), "{wrong}");
        }
    }

    #[test]
    fn handles_are_shown_as_short_as_they_are_clear() {
        assert_eq!(short(&runs()), ["web-1/3f2a91bc-0", "web-1/3f2a91bc-1", "db/77777777-0"]);
        assert_eq!(short(&runs()[2..]), ["db/77777777"]);
    }
}
