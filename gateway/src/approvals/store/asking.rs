//! Questions to people, and the use of what they agreed to.

use rusqlite::{Transaction, params};

use super::super::request::{Question, Request, Scope, State};
use super::error::ApprovalError;
use super::row::{COLUMNS, find, new_id, raw, request, set_state, to_json};
use super::{Asked, Bounds, Store};

impl Store {
    /// The open request for this question by this caller, or a new one. Where
    /// `record` fails, none is made.
    ///
    /// What was refused stays refused for as long as people would have had to
    /// answer: nobody is asked the same again and again until they give in.
    pub(crate) fn ask<E: From<ApprovalError>>(
        &self,
        question: &Question,
        bounds: Bounds,
        now: u64,
        record: impl FnOnce(&Request) -> Result<(), E>,
    ) -> Result<Asked, E> {
        let asker = &question.asker;
        self.change(|transaction| {
            let known = find(
                transaction,
                "binding = ?1 AND token_id = ?2 AND state IN ('pending', 'refused')
                 AND expires_at > ?3 ORDER BY state DESC",
                params![question.binding, asker.token_id, now],
            )?;
            if let Some(request) = known {
                return Ok(Asked { request, is_new: false });
            }
            check_bounds(transaction, &asker.user, bounds, now)?;
            forget_oldest(transaction, &asker.user).map_err(ApprovalError::from)?;
            let request = Request {
                id: new_id(),
                state: State::Pending,
                scope: None,
                created_at: now,
                expires_at: now.saturating_add(question.open_seconds()),
                votes: Vec::new(),
                question: question.clone(),
            };
            let failed = |error| E::from(ApprovalError::from(error));
            let text = to_json(question)?;
            transaction
                .execute(
                    "INSERT INTO request (id, binding, token_id, session, user, state, created_at,
                     expires_at, question)
                 VALUES (?1, ?2, ?3, ?4, ?5, 'pending', ?6, ?7, ?8)",
                    params![
                        request.id,
                        question.binding,
                        asker.token_id,
                        asker.session,
                        asker.user,
                        request.created_at,
                        request.expires_at,
                        text,
                    ],
                )
                .map_err(failed)?;
            record(&request)?;
            Ok(Asked { request, is_new: true })
        })
    }

    /// Uses what people agreed to, where it is `usable`; none: they have not.
    /// Agreed to once, it is used up by this, whatever comes after.
    pub(crate) fn take(
        &self,
        binding: &str,
        token_id: &str,
        session: &str,
        now: u64,
        usable: impl Fn(&Request) -> bool,
    ) -> Result<Option<Request>, ApprovalError> {
        self.change(|transaction| {
            let found = {
                // What was agreed to once goes before what may be used again.
                let mut statement = transaction.prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM request
                     WHERE binding = ?1 AND token_id = ?2 AND state = 'approved'
                         AND expires_at > ?4 AND (scope = 'once' OR session = ?3)
                     ORDER BY scope, created_at"
                ))?;
                let rows = statement.query_map(params![binding, token_id, session, now], raw)?;
                let mut requests = rows.map(|row| request(row?));
                requests.find(|request| request.as_ref().map_or(true, &usable)).transpose()?
            };
            if let Some(request) = &found
                && request.scope != Some(Scope::Session)
            {
                set_state(transaction, &request.id, State::Used)?;
            }
            Ok(found)
        })
    }
}

/// How long a request that was taken back still counts as one of its user's, in
/// seconds: asking and taking back in turn would tire out whoever is told.
const TAKEN_BACK: u64 = 15 * 60;

/// Requests of one user that are kept after they are over; records keep all.
const KEPT_OF_USER: usize = 500;

/// However often somebody asks, they fill no disk.
fn forget_oldest(transaction: &Transaction<'_>, user: &str) -> rusqlite::Result<()> {
    let kept = i64::try_from(KEPT_OF_USER).unwrap_or(i64::MAX);
    transaction
        .execute(
            "DELETE FROM request WHERE id IN (
                 SELECT id FROM request
                 WHERE user = ?1 AND state NOT IN ('pending', 'approved')
                 ORDER BY created_at DESC, id LIMIT -1 OFFSET ?2)",
            params![user, kept],
        )
        .map(drop)
}

fn check_bounds(
    transaction: &Transaction<'_>,
    user: &str,
    bounds: Bounds,
    now: u64,
) -> Result<(), ApprovalError> {
    let count = |of: Option<&str>| -> rusqlite::Result<usize> {
        transaction.query_row(
            "SELECT count(*) FROM request
             WHERE (state = 'pending' AND expires_at > ?2
                     OR state = 'withdrawn' AND created_at > ?3)
                 AND (?1 IS NULL OR user = ?1)",
            params![of, now, now.saturating_sub(TAKEN_BACK)],
            |row| row.get(0),
        )
    };
    if count(Some(user))? >= bounds.each {
        let message = format!(
            "{user} has {} requests for approval open, or taken back a moment ago",
            bounds.each
        );
        return Err(ApprovalError::TooMany(message));
    }
    if count(None)? >= bounds.all {
        let message = format!("{} requests for approval are open", bounds.all);
        return Err(ApprovalError::TooMany(message));
    }
    Ok(())
}
