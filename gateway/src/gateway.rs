//! One gateway: everything that calls share, opened in the order in which one
//! needs the other, before anything listens.

use std::sync::Arc;

use arc_swap::ArcSwap;
use cofferdam_metrics::Lapsing;
use cofferdam_trust::{DEFAULT_TRUST_DOMAIN, Identity, IdentityError, NameError, PeerName, Role};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admission::Admission;
use crate::approvals::{Approvals, OpenApprovalsError};
use crate::config::{Config, IdentityFiles};
use crate::decide::{Judged, Policies, Policy, PolicyError};
use crate::holds::Holds;
use crate::hosts::{Hosts, HostsError};
use crate::joining::{Joining, JoiningError};
use crate::lapses;
use crate::metrics::Metrics;
use crate::notice::{Notice, NoticeError};
use crate::pipeline;
use crate::record::{Left, Recorder, RecorderError};
use crate::resources::subscription::Seats;
use crate::roster::{Difference, Differences, Roster};
use crate::runs_changed::RunsChanged;
use crate::sessions::{SessionError, Sessions};
use crate::tokens::{TokenError, TokenStore};

/// A gateway that is ready to take calls.
#[derive(Debug)]
pub(crate) struct Gateway {
    config: Config,
    tokens: TokenStore,
    sessions: Sessions,
    policies: Policies,
    approvals: Approvals,
    recorder: Recorder,
    hosts: Hosts,
    /// Which hosts and projects there are now.
    roster: ArcSwap<Roster>,
    roster_changed: watch::Sender<()>,
    roster_differences: Differences,
    notice: Notice,
    /// The authority that hosts join by, where the gateway has one.
    joining: Option<Joining>,
    admission: Admission,
    /// Resources that are read at a time: each is much longer than a tool's answer.
    readings: Admission,
    seats: Seats,
    runs_changed: RunsChanged,
    metrics: Arc<Metrics>,
    loaded: lapses::Loaded,
    /// Calls and watches under way.
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

/// Why a gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The identity towards agents.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The certificate is another gateway's.
    #[error(
        "the certificate `{certificate}` names `{found}`; the configuration's `name` is `{name}`: \
         issue a certificate for spiffe://{domain}/gateway/{name}, or change `name`"
    )]
    AnotherName {
        /// The certificate's file.
        certificate: std::path::PathBuf,
        /// Whom it names.
        found: String,
        /// The configured name.
        name: String,
        /// The certificate's trust domain.
        domain: String,
    },
    /// The tokens.
    #[error(transparent)]
    Tokens(#[from] TokenError),
    /// The sessions.
    #[error(transparent)]
    Sessions(#[from] SessionError),
    /// The rules.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The requests for approval.
    #[error(transparent)]
    Approvals(#[from] OpenApprovalsError),
    /// The journal.
    #[error(transparent)]
    Recorder(#[from] RecorderError),
    /// Which rules decide cannot be recorded.
    #[error("cannot record which rules decide: {0}")]
    Unrecorded(#[source] cofferdam_journal::AppendError),
    /// The hosts.
    #[error(transparent)]
    Hosts(#[from] HostsError),
    /// What holds hosts back.
    #[error(transparent)]
    Notice(#[from] NoticeError),
    /// Neither a certificate nor an authority.
    #[error("nothing says who the gateway is: it needs `[identity]` or `[authority]`")]
    Nobody,
    /// A name that no gateway can have.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The authority.
    #[error(transparent)]
    Joining(#[from] JoiningError),
}

impl Gateway {
    /// Opens everything that `config` names. Reads the whole journal, so it
    /// belongs on a thread that may block.
    pub(crate) fn open(
        config: Config,
        shutdown: &CancellationToken,
    ) -> Result<Arc<Self>, OpenError> {
        let files = config.identity.as_ref();
        let certified = files.map(|files| load_identity(&config.name, files)).transpose()?;
        let name = match &certified {
            Some(identity) => identity.name().clone(),
            None => own_name(&config)?,
        };
        let rules = Judged::load(&config)?;
        let tokens = TokenStore::open(&config.state)?;
        let sessions = Sessions::open(&config.sessions)?;
        let approvals = Approvals::open(&config.approvals, shutdown)?;
        let holds = Holds::beside(&config.state);
        let holds = Holds::open(&holds).map_err(NoticeError::from)?;
        let metrics = Arc::new(Metrics::default());
        let loaded = lapses::Loaded::of(&config, certified.as_ref());
        let (recorder, Left { lost, going_on }) = Recorder::open(&config, &name, &metrics)?;
        let policies = Policies::begin(&config, rules, &recorder).map_err(OpenError::Unrecorded)?;
        let tasks = TaskTracker::new();
        let joining = config.authority.as_ref();
        let joining = joining.map(|it| Joining::open(&config, it, &name, &recorder)).transpose()?;
        let identity = certified.or_else(|| joining.as_ref().map(Joining::identity));
        let identity = identity.ok_or(OpenError::Nobody)?;
        let hosts = Hosts::new(identity, &tasks, shutdown);
        let notice = Notice::new(holds);
        // Who is held back is known before anybody can be reached.
        notice.look(&hosts, &recorder)?;
        if let Some(joining) = &joining {
            joining.revoke(&hosts);
        }
        if let Some(error) = hosts.take(&config.roster.hosts).into_iter().next() {
            return Err(error.into());
        }
        let admission = Admission::new(&config.limits);
        let readings = Admission::of_readings(&config.limits);
        let gateway = Arc::new(Self {
            roster: ArcSwap::from_pointee(config.roster.clone()),
            roster_changed: watch::Sender::default(),
            roster_differences: Differences::default(),
            config,
            tokens,
            sessions,
            policies,
            approvals,
            recorder,
            hosts,
            notice,
            joining,
            admission,
            readings,
            seats: Seats::default(),
            runs_changed: RunsChanged::default(),
            metrics,
            loaded,
            tasks,
            shutdown: shutdown.clone(),
        });
        gateway.take_enrolled();
        gateway.hosts.end_lost(&lost);
        for (host, open, owner) in going_on {
            pipeline::see_to_the_end(&gateway, &host, open, owner);
        }
        Ok(gateway)
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn tokens(&self) -> &TokenStore {
        &self.tokens
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// The policy that is in force now. A call takes it once.
    pub(crate) fn policy(&self) -> Arc<Policy> {
        self.policies.now()
    }

    pub(crate) fn policies(&self) -> &Policies {
        &self.policies
    }

    pub(crate) fn approvals(&self) -> &Approvals {
        &self.approvals
    }

    pub(crate) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    pub(crate) fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// Which hosts and projects there are now.
    pub(crate) fn roster(&self) -> Arc<Roster> {
        self.roster.load_full()
    }

    /// Changes each time that there are other hosts or projects.
    pub(crate) fn roster_changes(&self) -> watch::Receiver<()> {
        self.roster_changed.subscribe()
    }

    /// Which places are others between two of its rosters.
    pub(crate) fn difference(&self, before: &Arc<Roster>, now: &Arc<Roster>) -> Arc<Difference> {
        self.roster_differences.between(before, now)
    }

    /// The authority that hosts join by, where there is one.
    pub(crate) fn joining(&self) -> Option<&Joining> {
        self.joining.as_ref()
    }

    /// Has the hosts that joined beside those of the configuration.
    pub(crate) fn take_enrolled(&self) {
        let Some(joining) = &self.joining else { return };
        let (all, left_out) = self.config.roster.with(joining.enrolled());
        for why in left_out {
            tracing::warn!("a host that joined is not used as its invitation says: {why}");
        }
        for error in self.hosts.take(&all.hosts) {
            tracing::error!(%error, "a host that joined cannot be used");
        }
        if **self.roster.load() != all {
            self.roster.store(Arc::new(all));
            self.roster_changed.send_replace(());
        }
    }

    /// Looks whether somebody said something about hosts.
    pub(crate) fn look_around(&self) -> Result<(), NoticeError> {
        self.notice.look(&self.hosts, &self.recorder)
    }

    pub(crate) fn admission(&self) -> &Admission {
        &self.admission
    }

    /// Places for readings of resources.
    pub(crate) fn readings(&self) -> &Admission {
        &self.readings
    }

    /// What is watched for subscribers.
    pub(crate) fn seats(&self) -> &Seats {
        &self.seats
    }

    /// Who is told that their runs are others now.
    pub(crate) fn runs_changed(&self) -> &RunsChanged {
        &self.runs_changed
    }

    /// What is counted.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// What of the gateway's ends by itself, and when.
    pub(crate) fn lapses(&self) -> Vec<Lapsing> {
        self.loaded.with(self.joining())
    }

    /// Cancelled when the gateway stops.
    pub(crate) fn shutdown(&self) -> &CancellationToken {
        &self.shutdown
    }

    /// Calls and watches under way.
    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }
}

/// The name of a gateway that its authority certifies.
fn own_name(config: &Config) -> Result<PeerName, NameError> {
    let domain = config.authority.as_ref().map_or(DEFAULT_TRUST_DOMAIN, |it| &it.trust_domain);
    PeerName::new(domain, Role::Gateway, &config.name)
}

fn load_identity(name: &str, files: &IdentityFiles) -> Result<Identity, OpenError> {
    let identity = Identity::load(&files.own.certificate, &files.own.key, &files.authorities)?;
    let own = identity.name();
    if own.name() != name || own.role() != Role::Gateway {
        return Err(OpenError::AnotherName {
            certificate: files.own.certificate.clone(),
            found: own.to_string(),
            name: name.to_owned(),
            domain: own.trust_domain().to_owned(),
        });
    }
    Ok(identity)
}
