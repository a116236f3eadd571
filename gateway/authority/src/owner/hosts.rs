//! What the owner does with a host.

use cofferdam_journal::PeerStep;
use cofferdam_trust::JoinToken;
use rusqlite::Connection;

use super::{Invitation, Invited, Owner, OwnerError, found};
use crate::host::{self, Standing};
use crate::state::{Certificates, Generation, HostRow, Moment, StateError, TokenRow, TokenState};

/// A judgement inside of a transaction.
type Judged<T> = Result<Result<T, OwnerError>, StateError>;

impl Owner<'_> {
    /// Makes a join token for a host. For one that did not show its token yet it takes
    /// the place of the one before.
    ///
    /// # Errors
    /// Where the name is taken, or something said of the host cannot be taken.
    pub fn invite(&self, invitation: &Invitation) -> Result<Invited, OwnerError> {
        let Invitation { host, labels, projects, address, valid: _ } = invitation;
        host::check_name(host)?;
        host::check_labels(labels)?;
        host::check_projects(projects)?;
        if let Some(address) = address {
            host::address(address)?;
        }
        self.state.change(|it| self.invite_in(it, invitation, Moment::now()))?
    }

    fn invite_in(&self, it: &Connection, asked: &Invitation, now: Moment) -> Judged<Invited> {
        let Invitation { host: name, labels, projects, address, valid } = asked;
        let generations = Generation::all(it)?;
        let Some(shown) = Generation::shown(&generations, now) else {
            return Ok(Err(OwnerError::NoAuthority));
        };
        if let Some(there) = HostRow::find(it, name)?
            && there.standing != Standing::Invited
        {
            let (name, standing) = (name.clone(), there.standing);
            return Ok(Err(OwnerError::NameTaken { name, standing }));
        }
        let token = match JoinToken::generate(name, shown.root) {
            Ok(token) => token,
            Err(error) => return Ok(Err(error.into())),
        };
        TokenRow::withdraw(it, name)?;
        let expires_at = now.after(*valid).seconds();
        let (digest, host) = (token.digest(), name.clone());
        TokenRow { digest, host, expires_at, state: TokenState::Open, keys: None }.save(it)?;
        HostRow {
            labels: labels.clone(),
            projects: projects.clone(),
            invited_address: address.clone(),
            ..HostRow::invited(name, now.seconds())
        }
        .save(it)?;
        let detail = format!("a join token that counts {} seconds", valid.as_secs());
        self.event(name, PeerStep::Invited, detail, now).note(it)?;
        Ok(Ok(Invited { token, expires_at }))
    }

    /// Lets in a host that showed its token.
    ///
    /// # Errors
    /// Where it is not pending.
    pub fn approve(&self, name: &str) -> Result<(), OwnerError> {
        self.act(name, PeerStep::Approved, "", |host| match host.standing {
            Standing::Pending => {
                host.standing = Standing::Approved;
                Ok(())
            }
            Standing::Invited => Err("it has not shown its token yet"),
            Standing::Approved | Standing::Joined => Err("nothing is left to approve"),
            Standing::Refused | Standing::Revoked => {
                Err("remove it and invite it again, if it is to come in after all")
            }
        })
    }

    /// Does not let in a host; its token counts no more.
    ///
    /// # Errors
    /// Where it has its certificate already.
    pub fn refuse(&self, name: &str, why: &str) -> Result<(), OwnerError> {
        self.act(name, PeerStep::Refused, why, |host| match host.standing {
            Standing::Invited | Standing::Pending | Standing::Approved => {
                host.standing = Standing::Refused;
                Ok(())
            }
            Standing::Joined => Err("it has its certificate; revoke it"),
            Standing::Refused | Standing::Revoked => Err("nothing is left to refuse"),
        })
    }

    /// Makes a host count for nothing, from now on, with all of its certificates.
    ///
    /// # Errors
    /// Where it is revoked already.
    pub fn revoke(&self, name: &str, why: &str) -> Result<(), OwnerError> {
        self.act(name, PeerStep::Revoked, why, |host| {
            if host.standing == Standing::Revoked {
                return Err("nothing is left to revoke");
            }
            host.standing = Standing::Revoked;
            Ok(())
        })
    }

    /// Says that all is well with a host: an alarm is over, certificates that it got
    /// after the last one lapsed are forgiven, and its next renewal is believed
    /// whatever counter it has.
    ///
    /// # Errors
    /// Where it has not joined.
    pub fn trust(&self, name: &str) -> Result<(), OwnerError> {
        self.act(name, PeerStep::Trusted, "", |host| match host.standing {
            Standing::Joined => {
                (host.alarm, host.counter, host.reattested) = (None, 0, 0);
                Ok(())
            }
            Standing::Pending | Standing::Approved => Err("approve or refuse it"),
            Standing::Invited => Err("it has not shown its token yet"),
            Standing::Refused | Standing::Revoked => {
                Err("remove it and invite it again, if it is to come in after all")
            }
        })
    }

    /// Forgets a host; its certificates count for nothing until the last of them has
    /// ended, and its name is free.
    ///
    /// # Errors
    /// Where there is none of this name.
    pub fn remove(&self, name: &str) -> Result<(), OwnerError> {
        let now = Moment::now();
        self.state.change(|it| {
            let host = match found(it, name)? {
                Ok(host) => host,
                Err(unknown) => return Ok(Err(unknown)),
            };
            Certificates(it).revoke(name)?;
            TokenRow::disown(it, name)?;
            HostRow::remove(it, name)?;
            let detail = format!("was {}", host.standing.name());
            self.event(name, PeerStep::Removed, detail, now).note(it)?;
            Ok(Ok(()))
        })?
    }

    /// Changes one host, or says why not.
    fn act(
        &self,
        name: &str,
        step: PeerStep,
        why: &str,
        change: impl FnOnce(&mut HostRow) -> Result<(), &'static str>,
    ) -> Result<(), OwnerError> {
        let now = Moment::now();
        self.state.change(|it| {
            let mut host = match found(it, name)? {
                Ok(host) => host,
                Err(unknown) => return Ok(Err(unknown)),
            };
            let standing = host.standing;
            if let Err(advice) = change(&mut host) {
                let name = name.to_owned();
                return Ok(Err(OwnerError::Standing { name, standing, advice }));
            }
            if matches!(host.standing, Standing::Refused | Standing::Revoked) {
                Certificates(it).revoke(name)?;
                TokenRow::withdraw(it, name)?;
            }
            host.save(it)?;
            self.event(name, step, why.to_owned(), now).note(it)?;
            Ok(Ok(()))
        })?
    }
}
