//! How cells end: because they were idle for too long, to make room for another
//! one, with their session, or with the agent. One that a run holds ends with
//! that run.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_proto::exec::v1::RunOwner;

use super::built::Built;
use super::stock::Spare;
use super::{Cells, SessionKey, Shared, Slot};

/// How often idle cells are looked for.
const SWEEP: Duration = Duration::from_secs(1);

impl Cells {
    /// Ends the spare or idle cell that was used least lately; false where
    /// there is none.
    pub(super) async fn make_room(&self) -> bool {
        let spare = self.lock().stock.pop();
        if let Some(spare) = spare {
            spare.cell.end(&self.warden).await;
            return true;
        }
        self.end_idle(|_| true).await
    }

    /// Ends the idle cell of these sessions that was used least lately; false where
    /// there is none.
    pub(super) async fn end_idle(&self, of: impl Fn(&SessionKey) -> bool) -> bool {
        let slots = self.slots(of);
        let mut idle = Vec::new();
        for slot in slots {
            let Ok(guard) = Arc::clone(&slot).try_lock_owned() else { continue };
            if let Some(shared) = guard.as_ref().filter(|shared| Arc::strong_count(shared) == 1) {
                idle.push((shared.used(), guard));
            }
        }
        let Some((_, mut oldest)) = idle.into_iter().min_by_key(|(used, _)| *used) else {
            return false;
        };
        if let Some(shared) = oldest.take().and_then(Arc::into_inner) {
            shared.cell.end(&self.warden).await;
        }
        true
    }

    fn slots(&self, of: impl Fn(&SessionKey) -> bool) -> Vec<Arc<Slot>> {
        let kept = self.lock();
        let sessions = kept.sessions.iter().filter(|((session, ..), _)| of(session));
        sessions.map(|(_, slot)| Arc::clone(slot)).collect()
    }

    /// Ends what was idle for too long, for as long as the agent lives.
    pub async fn look_after(self: Arc<Self>) {
        loop {
            tokio::time::sleep(SWEEP).await;
            self.sweep();
        }
    }

    fn sweep(&self) {
        let mut kept = self.lock();
        let (fresh, stale): (Vec<_>, Vec<_>) =
            std::mem::take(&mut kept.stock).into_iter().partition(Spare::is_fresh);
        kept.stock = fresh;
        let mut ended: Vec<Built> = stale.into_iter().map(|spare| spare.cell).collect();
        kept.sessions.retain(|_, slot| {
            let Ok(mut shared) = slot.try_lock() else { return true };
            if shared.as_ref().is_some_and(Shared::is_idle) {
                ended.extend(shared.take().and_then(Arc::into_inner).map(|shared| shared.cell));
            }
            // One that is being asked for right now is held by more than the map.
            shared.is_some() || Arc::strong_count(slot) > 1
        });
        drop(kept);
        for cell in ended {
            self.end(cell);
        }
    }

    /// Ends the cells that are kept for a session of this owner's, as this gateway
    /// names both; gives how many. One that a run still holds ends with that.
    pub async fn close(&self, gateway: &str, owner: &RunOwner, session: &str) -> usize {
        let is_its = |key: &SessionKey| {
            let SessionKey { user, client: _, project, session: name } = key;
            (&user.tenant, &user.user, project) == (&owner.tenant, &owner.user, &owner.project)
                && name == session
                && user.gateway == gateway
        };
        let slots: Vec<_> = self.lock().sessions.extract_if(|(key, ..), _| is_its(key)).collect();
        let mut closed = 0;
        for (_, slot) in slots {
            let Some(shared) = slot.lock().await.take() else { continue };
            closed += 1;
            if let Some(Shared { cell, .. }) = Arc::into_inner(shared) {
                cell.end(&self.warden).await;
            }
        }
        closed
    }

    /// Ends all that no run holds, and keeps none from now on.
    pub async fn stop(&self) {
        let (stock, sessions) = {
            let mut kept = self.lock();
            kept.stopping = true;
            (std::mem::take(&mut kept.stock), std::mem::take(&mut kept.sessions))
        };
        let spares = stock.into_iter().map(|spare| spare.cell);
        let mut cells: Vec<_> = spares.collect();
        for slot in sessions.into_values() {
            let shared = slot.lock().await.take();
            cells.extend(shared.and_then(Arc::into_inner).map(|shared| shared.cell));
        }
        let ending = cells.into_iter().map(|cell| {
            let warden = Arc::clone(&self.warden);
            tokio::spawn(async move { cell.end(&warden).await })
        });
        for ending in ending.collect::<Vec<_>>() {
            drop(ending.await);
        }
    }

    pub(super) fn let_go(&self, shared: Option<Arc<Shared>>) {
        if let Some(shared) = shared.and_then(Arc::into_inner) {
            self.end(shared.cell);
        }
    }

    pub(super) fn end(&self, cell: Built) {
        let warden = Arc::clone(&self.warden);
        tokio::spawn(async move { cell.end(&warden).await });
    }
}
