//! Modules of the C library's name service: nsswitch.conf(5) names them, the C
//! library opens them when somebody asks for a user or host.

use super::Work;
use crate::bounds;
use crate::elf::Machine;
use crate::error::TooMuch;
use crate::need::Why;

/// Built into the C library since glibc 2.34; older ones have them as modules.
const SETTINGS: &str = "/etc/nsswitch.conf";

impl Work<'_> {
    /// Takes the modules that are named there.
    pub(super) fn name_service(&mut self, machine: Machine) -> Result<(), TooMuch> {
        let text = self.reading.bytes(SETTINGS.as_ref(), bounds::TEXT)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        for service in services(&text) {
            let why = Why::NameService { service: service.to_owned() };
            self.open_library(format!("libnss_{service}.so.2").as_ref(), machine, &why)?;
        }
        Ok(())
    }
}

/// The services of all databases, without the actions in brackets.
fn services(text: &str) -> Vec<&str> {
    let mut services = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let Some((_, named)) = line.split_once(':') else { continue };
        let mut in_action = false;
        for word in named.split_whitespace() {
            in_action |= word.starts_with('[');
            let plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if !in_action && plain && !services.contains(&word) {
                services.push(word);
            }
            in_action &= !word.ends_with(']');
        }
    }
    services.truncate(32);
    services
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_is_named_once_and_actions_are_none() {
        let text = "# passwd: no\npasswd: files systemd\nhosts: files mymachines [!UNAVAIL=return x] dns # a\n../x\nnet: ../../evil";
        assert_eq!(services(text), ["files", "systemd", "mymachines", "dns"]);
    }
}
