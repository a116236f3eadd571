//! Answers to requests, and requests that are taken back.

use rusqlite::params;

use super::super::request::{Request, Scope, State, Verdict, Vote};
use super::error::ApprovalError;
use super::row::{get, own, set_state, to_json};
use super::{SESSION_SECONDS, Store};

impl Store {
    /// Counts an answer to the request `id`, whose binding was shown to whoever
    /// answers, and tells how it stands then. Where `record` fails, nothing is
    /// counted.
    pub(crate) fn vote<E: From<ApprovalError>>(
        &self,
        id: &str,
        binding: &str,
        vote: Vote,
        record: impl FnOnce(&Request) -> Result<(), E>,
    ) -> Result<Request, E> {
        self.change(|transaction| {
            let mut request = get(transaction, id)?;
            check_vote(&request, binding, &vote)?;
            let (verdict, now) = (vote.verdict, vote.at);
            request.votes.push(vote);
            let open = request.open_seconds();
            if verdict == Verdict::Refuse {
                request.state = State::Refused;
                // What held for a session is not refused for as long.
                request.expires_at = request.expires_at.min(now.saturating_add(open));
            } else if request.missing() == 0 {
                request.state = State::Approved;
                let scope = request.agreed_scope();
                request.scope = Some(scope);
                // From now on there is as much time to use it as there was to
                // answer.
                let seconds = match scope {
                    Scope::Once => open,
                    Scope::Session => SESSION_SECONDS,
                };
                request.expires_at = now.saturating_add(seconds);
            }
            let failed = |error| E::from(ApprovalError::from(error));
            let votes = to_json(&request.votes)?;
            transaction
                .execute(
                    "UPDATE request SET state = ?2, scope = ?3, expires_at = ?4, votes = ?5
                 WHERE id = ?1",
                    params![
                        id,
                        request.state.name(),
                        request.scope.map(Scope::name),
                        request.expires_at,
                        votes,
                    ],
                )
                .map_err(failed)?;
            record(&request)?;
            Ok(request)
        })
    }

    /// Takes an open request back, as who asked; or gives up what was agreed to.
    pub(crate) fn withdraw(&self, id: &str, token_id: &str) -> Result<Request, ApprovalError> {
        self.change(|transaction| {
            let mut request = own(transaction, id, token_id)?;
            match request.state {
                State::Pending | State::Approved => {}
                state => {
                    return Err(ApprovalError::Over { id: id.to_owned(), state: state.name() });
                }
            }
            set_state(transaction, id, State::Withdrawn)?;
            request.state = State::Withdrawn;
            Ok(request)
        })
    }
}

fn check_vote(request: &Request, binding: &str, vote: &Vote) -> Result<(), ApprovalError> {
    let id = || request.id.clone();
    // What was agreed to can be refused for as long as it can be used, also by
    // whoever agreed.
    let takes_back = request.state == State::Approved && vote.verdict == Verdict::Refuse;
    if request.state != State::Pending && !takes_back {
        return Err(ApprovalError::Over { id: id(), state: request.state.name() });
    }
    if request.expires_at <= vote.at {
        return Err(ApprovalError::Over { id: id(), state: State::Expired.name() });
    }
    if request.question.binding != binding {
        return Err(ApprovalError::AnotherAction(id()));
    }
    let answered = request.votes.iter().any(|known| known.voter.user == vote.voter.user);
    if answered && vote.verdict == Verdict::Approve {
        return Err(ApprovalError::Twice { id: id(), user: vote.voter.user.clone() });
    }
    // Who counts for no rule that asks has no say, not even to refuse.
    let asker = &request.question.asker.user;
    let mut why = None;
    for demand in &request.question.demands {
        match demand.counts(asker, &vote.voter) {
            Ok(()) => return Ok(()),
            Err(uncounted) => why = Some(uncounted),
        }
    }
    match why {
        Some(uncounted) => Err(uncounted.into()),
        None => Err(ApprovalError::Broken(format!("the request `{}` has no demand", request.id))),
    }
}
