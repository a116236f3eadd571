//! A cell in the hands of one call.

use std::collections::BTreeSet;
use std::sync::Arc;

use cofferdam_plan::LayerReport;
use cofferdam_proto::exec::v1::Layer;
use tokio::sync::OwnedSemaphorePermit;

use super::Shared;
use crate::cell::{BuildError, Cell};
use crate::disks::Room;
use crate::warden::Warden;
use crate::worker::resident::Desk;

/// A cell, for the time of one call. When the last one lets go of a cell that
/// nobody keeps, the cell ends.
#[derive(Debug)]
pub struct Held {
    pub(super) shared: Option<Arc<Shared>>,
    pub(super) warden: Arc<Warden>,
    pub(super) _turn: Option<OwnedSemaphorePermit>,
}

impl Held {
    /// How the protected paths of its workspace stand, for an outcome; `None`
    /// where it protects none.
    pub async fn protection(&self) -> Option<Layer> {
        match self.shared.as_ref().and_then(|shared| shared.cell.places.as_ref()) {
            Some(places) => Some(places.layer().await),
            None => None,
        }
    }

    /// Where its file worker is kept.
    #[must_use]
    pub fn desk(&self) -> &Desk {
        match &self.shared {
            Some(shared) => &shared.desk,
            None => unreachable!("only the drop takes it"),
        }
    }

    /// How its workspace stands on its disk; `None` where it cannot write there. Asks
    /// the file system.
    #[must_use]
    pub fn room(&self) -> Option<std::io::Result<Room>> {
        let disk = self.shared.as_ref().and_then(|shared| shared.cell.disk.as_ref());
        disk.map(|disk| tokio::task::block_in_place(|| disk.room()))
    }
}

impl std::ops::Deref for Held {
    type Target = Cell;

    fn deref(&self) -> &Cell {
        match &self.shared {
            Some(shared) => &shared.cell,
            None => unreachable!("only the drop takes it"),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            shared.touch();
            if let Some(Shared { cell, .. }) = Arc::into_inner(shared) {
                let warden = Arc::clone(&self.warden);
                tokio::spawn(async move { cell.end(&warden).await });
            }
        }
    }
}

/// Why a cell with these layers is not what a grant requires: one of the layers that
/// it wants is missing, or weaker than it should be.
pub(super) fn weaker(
    layers: &[LayerReport],
    required: &BTreeSet<cofferdam_plan::Layer>,
) -> Option<BuildError> {
    let report = |layer| layers.iter().find(|report| report.layer == layer);
    required.iter().find_map(|layer| match report(*layer) {
        Some(report) if report.effective => None,
        other => {
            let detail = other.map_or("it is missing", |report| &report.detail).to_owned();
            Some(BuildError::Weaker { layer: layer.name(), detail })
        }
    })
}

#[cfg(test)]
mod tests {
    use cofferdam_plan::Layer;

    use super::*;

    #[test]
    fn a_layer_that_a_grant_wants_is_there_in_full_or_the_cell_is_refused() {
        let layers = [
            LayerReport::effective(Layer::Landlock, "ABI 7"),
            LayerReport::degraded(Layer::Cgroup, "this host does not limit swap"),
        ];
        let refused = |wanted: &[Layer]| {
            let wanted = wanted.iter().copied().collect();
            weaker(&layers, &wanted).map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(refused(&[]), "");
        assert_eq!(refused(&[Layer::Landlock]), "");
        let swap = refused(&[Layer::Landlock, Layer::Cgroup]);
        assert!(swap.contains("`cgroup`") && swap.contains("swap"), "{swap}");
        assert!(refused(&[Layer::Seccomp]).contains("missing"));
    }
}
