//! Which layers a host last said it holds a cell with: rules may require some.
//!
//! A host says so with each run and when it is asked to describe itself; until
//! then nothing is known, and a rule that requires a layer permits nothing there.
//! What it said belongs to the last cell: the next one may lack more.

use std::collections::BTreeSet;
use std::sync::RwLock;

use cofferdam_policy::LAYERS;
use cofferdam_proto::exec::v1::Layer;

/// What one host said last.
#[derive(Debug, Default)]
pub(super) struct SaidLayers(RwLock<Option<BTreeSet<String>>>);

impl SaidLayers {
    /// Takes what the host says. A host that says nothing leaves it as it is.
    pub(super) fn learn(&self, said: &[Layer]) {
        if said.is_empty() {
            return;
        }
        let held = said
            .iter()
            .filter(|layer| layer.effective && LAYERS.contains(&layer.name.as_str()))
            .map(|layer| layer.name.clone())
            .collect();
        // After a panic while it was written nothing is known any more.
        if let Ok(mut known) = self.0.write() {
            *known = Some(held);
        }
    }

    /// The layers that hold; none: not known.
    pub(super) fn known(&self) -> Option<BTreeSet<String>> {
        self.0.read().ok()?.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(name: &str, effective: bool) -> Layer {
        Layer { name: name.to_owned(), effective, ..Layer::default() }
    }

    #[test]
    fn nothing_is_known_until_a_host_says_it_and_the_last_word_counts() {
        let said = SaidLayers::default();
        assert_eq!(said.known(), None);
        said.learn(&[layer("landlock", true), layer("cgroup", false), layer("made-up", true)]);
        assert_eq!(said.known(), Some(BTreeSet::from(["landlock".to_owned()])));
        said.learn(&[]);
        assert!(said.known().is_some());
        said.learn(&[layer("landlock", false)]);
        assert_eq!(said.known(), Some(BTreeSet::new()));
    }
}
