//! The rows of hosts: read as a whole, changed, written as a whole.

use std::collections::BTreeMap;

use cofferdam_trust::VerifyingKey;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{StateError, digest};
use crate::host::{Host, Project, Standing};

const COLUMNS: &str = "name, standing, alarm, labels, projects, invited_address, \
    reported_address, signing_key, request_key, chain, agent_version, counter, last_renewal, \
    reattested, invited_at, enrolled_at, certified_at, certificate_ends_at";

/// All that is known of one host.
#[derive(Debug, Clone)]
pub(crate) struct HostRow {
    pub(crate) name: String,
    pub(crate) standing: Standing,
    pub(crate) alarm: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) projects: Vec<Project>,
    pub(crate) invited_address: Option<String>,
    pub(crate) reported_address: Option<String>,
    pub(crate) signing_key: Option<VerifyingKey>,
    /// Digest of the key that its certificate is for.
    pub(crate) request_key: Option<[u8; 32]>,
    /// Its newest certificate with what stands between it and the root, PEM.
    pub(crate) chain: Option<String>,
    pub(crate) agent_version: String,
    /// The highest that a renewal had.
    pub(crate) counter: u64,
    /// Digest of the newest renewal.
    pub(crate) last_renewal: Option<[u8; 32]>,
    pub(crate) reattested: u32,
    pub(crate) invited_at: u64,
    pub(crate) enrolled_at: Option<u64>,
    pub(crate) certified_at: Option<u64>,
    pub(crate) certificate_ends_at: Option<u64>,
}

impl HostRow {
    /// One that was invited now.
    pub(crate) fn invited(name: &str, now: u64) -> Self {
        Self {
            name: name.to_owned(),
            standing: Standing::Invited,
            alarm: None,
            labels: BTreeMap::new(),
            projects: Vec::new(),
            invited_address: None,
            reported_address: None,
            signing_key: None,
            request_key: None,
            chain: None,
            agent_version: String::new(),
            counter: 0,
            last_renewal: None,
            reattested: 0,
            invited_at: now,
            enrolled_at: None,
            certified_at: None,
            certificate_ends_at: None,
        }
    }

    /// The host of this name.
    pub(crate) fn find(connection: &Connection, name: &str) -> Result<Option<Self>, StateError> {
        let mut statement =
            connection.prepare_cached(&format!("SELECT {COLUMNS} FROM host WHERE name = ?1"))?;
        statement.query_row([name], |row| Ok(read(row))).optional()?.transpose()
    }

    /// Every host, by name.
    pub(crate) fn all(connection: &Connection) -> Result<Vec<Self>, StateError> {
        let mut statement =
            connection.prepare_cached(&format!("SELECT {COLUMNS} FROM host ORDER BY name"))?;
        let rows = statement.query_map([], |row| Ok(read(row)))?;
        rows.map(|row| row?).collect()
    }

    /// Writes it, in the place of what was there.
    pub(crate) fn save(&self, connection: &Connection) -> Result<(), StateError> {
        connection
            .prepare_cached(&format!(
                "INSERT OR REPLACE INTO host ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, \
                 ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)"
            ))?
            .execute(params![
                self.name,
                self.standing.name(),
                self.alarm,
                serde_json::to_string(&self.labels)?,
                serde_json::to_string(&self.projects)?,
                self.invited_address,
                self.reported_address,
                self.signing_key.map(|key| key.to_string()),
                self.request_key,
                self.chain,
                self.agent_version,
                self.counter,
                self.last_renewal,
                self.reattested,
                self.invited_at,
                self.enrolled_at,
                self.certified_at,
                self.certificate_ends_at,
            ])?;
        Ok(())
    }

    /// Forgets the host of this name.
    pub(crate) fn remove(connection: &Connection, name: &str) -> Result<(), StateError> {
        connection.execute("DELETE FROM host WHERE name = ?1", [name])?;
        Ok(())
    }

    /// Where it is reached.
    pub(crate) fn address(&self) -> Option<&String> {
        self.invited_address.as_ref().or(self.reported_address.as_ref())
    }

    /// As people and scripts see it.
    pub(crate) fn shown(&self) -> Host {
        Host {
            name: self.name.clone(),
            standing: self.standing,
            alarm: self.alarm.clone(),
            labels: self.labels.clone(),
            projects: self.projects.clone(),
            address: self.address().cloned(),
            signing_key: self.signing_key.map(|key| key.to_string()),
            agent_version: self.agent_version.clone(),
            reattested: self.reattested,
            invited_at: self.invited_at,
            enrolled_at: self.enrolled_at,
            certified_at: self.certified_at,
            certificate_ends_at: self.certificate_ends_at,
        }
    }
}

fn read(row: &Row<'_>) -> Result<HostRow, StateError> {
    let standing: String = row.get(1)?;
    let (labels, projects): (String, String) = (row.get(3)?, row.get(4)?);
    let signing_key: Option<String> = row.get(7)?;
    let (request_key, last_renewal): (Option<Vec<u8>>, Option<Vec<u8>>) =
        (row.get(8)?, row.get(12)?);
    let damaged = |what: &str| StateError::Damaged(format!("a host's {what} is none"));
    Ok(HostRow {
        name: row.get(0)?,
        standing: Standing::from_name(&standing).ok_or_else(|| damaged("standing"))?,
        alarm: row.get(2)?,
        labels: serde_json::from_str(&labels)?,
        projects: serde_json::from_str(&projects)?,
        invited_address: row.get(5)?,
        reported_address: row.get(6)?,
        signing_key: signing_key
            .map(|key| key.parse().map_err(|_| damaged("signing key")))
            .transpose()?,
        request_key: request_key.as_deref().map(digest).transpose()?,
        chain: row.get(9)?,
        agent_version: row.get(10)?,
        counter: row.get(11)?,
        last_renewal: last_renewal.as_deref().map(digest).transpose()?,
        reattested: row.get(13)?,
        invited_at: row.get(14)?,
        enrolled_at: row.get(15)?,
        certified_at: row.get(16)?,
        certificate_ends_at: row.get(17)?,
    })
}
