//! What a host's programs read: keys, profiles, configuration, ceiling.

use std::fs;
use std::path::Path;
use std::time::Duration;

use cofferdam_trust::{Authority, Lifetime, SigningKey};

use super::{GATEWAY, Host};
use crate::warden::is_root;

/// The profile that the others inherit from; the probe is added to it.
const WIDEST: &str = "build-network";
const PROFILES: [(&str, &str); 6] = [
    ("build", include_str!("../../../agent/profile/profiles/build.toml")),
    (WIDEST, include_str!("../../../agent/profile/profiles/build-network.toml")),
    ("default", include_str!("../../../agent/profile/profiles/default.toml")),
    ("default-network", include_str!("../../../agent/profile/profiles/default-network.toml")),
    ("readonly", include_str!("../../../agent/profile/profiles/readonly.toml")),
    ("strict", include_str!("../../../agent/profile/profiles/strict.toml")),
];

impl Host {
    pub(super) fn make_keys(&self) {
        let place = self.place();
        let authority = Authority::create(&place.join("ca")).expect("an authority");
        make_identity(&authority, &self.agent(), &place.join("agent"));
        make_identity(&authority, GATEWAY, &place.join("gateway"));
    }

    /// The shipped profiles, and the probe among their programs. An ordinary
    /// user's host cannot give all that they ask for.
    pub(super) fn make_profiles(&self) {
        let place = self.place().join("agent/profiles");
        // As a directory: of single programs a cell takes none that lies beneath
        // /tmp, where it may have written it.
        let probe = self.place().join("probe");
        let more = [&probe].into_iter().chain(&self.setup.programs);
        let more = more.map(|at| format!("\"{}/\", ", at.display())).collect::<Vec<_>>().concat();
        for (name, text) in PROFILES {
            let mut text = text.to_owned();
            if name == WIDEST {
                for key in ["show = [", "execute = ["] {
                    assert!(text.contains(key), "`{key}` in {name}.toml");
                    text = text.replacen(key, &format!("{key}{more}"), 1);
                }
                if !is_root() {
                    text.push_str("\n[enforcement]\nmay_lack = \"all\"\n");
                }
            }
            fs::write(place.join(format!("{name}.toml")), text).expect("a profile");
        }
        for (name, text) in &self.setup.profiles {
            fs::write(place.join(format!("{name}.toml")), text).expect("a profile");
        }
    }

    pub(super) fn configuration(&self) -> String {
        format!(
            "name = \"{name}\"\nlisten = \"{listen}\"\nceiling = \"../ceiling.toml\"\n\
             profiles = \"profiles\"\nworker = \"{worker}\"\n\
             signing = {{ key = \"signing.key\" }}\njournal = {{ directory = \"journal\" }}\n\
             {trusted}\
             limits = {{ runs = {runs}, stock = {stock}, kept_seconds = {kept_seconds} }}\n{proxy}",
            name = self.setup.name,
            proxy = if self.setup.proxy.is_some() { "proxy = \"proxy.sock\"\n" } else { "" },
            worker = self.reachable("cofferdam-files").display(),
            listen = self.setup.listen,
            trusted = self.trusted(),
            runs = self.setup.runs,
            stock = self.setup.stock,
            kept_seconds = self.setup.kept_seconds,
        )
    }

    /// Who it is, and whom it believes.
    fn trusted(&self) -> String {
        if self.setup.joins {
            return "identity = { directory = \"identity\" }\ncontrol = \"control.sock\"\n"
                .to_owned();
        }
        let name = &self.setup.name;
        let gateway = SigningKey::load(&self.place().join("gateway/signing.key")).expect("a key");
        format!(
            "identity = {{ certificate = \"{name}.crt\", key = \"{name}.key\", authorities = \"ca.crt\" }}\n\
             gateways = {{ keys = [\"{}\"] }}\n",
            gateway.public_key()
        )
    }

    pub(super) fn ceiling(&self) -> String {
        let names: Vec<_> = PROFILES.iter().map(|(name, _)| *name).collect();
        let own = self.setup.profiles.iter().map(|(name, _)| name.as_str());
        let names: Vec<_> = names.into_iter().chain(own).collect();
        let (worker, probe) = (self.reachable("cofferdam-files"), self.place().join("probe"));
        let more = [worker, probe].into_iter().chain(self.setup.programs.iter().cloned());
        let more = more.map(|at| format!(", \"{}\"", at.display())).collect::<Vec<_>>().concat();
        format!(
            "version = 1\n\
             peers = {{ {peers} }}\n\
             workspaces = {{ roots = [\"{work}\"], allow_root_owned = false, allow_execute = true }}\n\
             view = {{ read = [\"/usr\", \"/etc\"{more}] }}\n\
             programs = {{ execute = [\"/usr\"{more}] }}\n\
             profiles = {{ allow = {names:?} }}\n\
             network = {{ allow_host = false, proxy = {destinations:?} }}\n\
             enforcement = {{ allow_degraded = {degraded} }}\n\
             [limits]\ncells = {cells}\nmemory = \"2GiB\"\nprocesses = 512\ncpu_millis = 2000\n\
             wall = \"10m\"\noutput = \"16MiB\"\nfile_size = \"1GiB\"\nopen_files = 4096\n\
             scratch = \"1GiB\"\n",
            peers = if self.setup.joins {
                "enrolled = true".to_owned()
            } else {
                format!("gateways = [\"{GATEWAY}\"]")
            },
            work = self.work.display(),
            degraded = self.setup.allow_degraded,
            destinations =
                self.setup.proxy.as_ref().map_or(&[][..], |proxy| &proxy.destinations[..]),
            cells = self.setup.cells,
        )
    }
}

/// Certificate, key and signing key of one, as `cofferdam pki init` lays them out.
pub(super) fn make_identity(authority: &Authority, name: &str, place: &Path) {
    let hour = Lifetime::from_now(Duration::from_hours(1));
    let issued = authority.issue(&name.parse().expect("a name"), hour);
    issued.expect("a certificate").write(place).expect("its files");
    fs::write(place.join("ca.crt"), authority.certificate_pem()).expect("a file");
    let key = SigningKey::generate().expect("a key");
    key.save(&place.join("signing.key")).expect("its file");
}
