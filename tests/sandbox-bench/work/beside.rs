//! Inside and outside in turns, and outside once more, which shows how far two
//! times of the very same thing lie apart on this machine.

use std::time::Duration;

use crate::order::Order;
use crate::ratios::Ratios;

/// Rounds before the first that counts.
const WARM_UP: usize = 2;

/// Where something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Inside,
    Outside,
}

/// Times of the same round at the same index.
pub(crate) struct Beside {
    pub(crate) inside: Vec<Duration>,
    pub(crate) outside: Vec<Duration>,
    /// Outside, a second time.
    pub(crate) control: Vec<Duration>,
}

impl Beside {
    /// Takes so many rounds, each in another order.
    pub(crate) fn take(
        rounds: usize,
        mut once: impl FnMut(Side) -> anyhow::Result<Duration>,
    ) -> anyhow::Result<Self> {
        let mut order = Order::new();
        let mut taken = [Vec::new(), Vec::new(), Vec::new()];
        for round in 0..WARM_UP + rounds {
            for which in order.of(taken.len()) {
                let took = once(if which == 0 { Side::Inside } else { Side::Outside })?;
                if round >= WARM_UP {
                    taken[which].push(took);
                }
            }
        }
        let [inside, outside, control] = taken;
        Ok(Self { inside, outside, control })
    }

    /// Of inside to outside.
    pub(crate) fn ratios(&self) -> Ratios {
        Ratios::of(self.inside.iter().copied().zip(self.outside.iter().copied()))
    }

    /// Of outside to outside: what is not the sandbox's.
    pub(crate) fn noise(&self) -> Ratios {
        Ratios::of(self.control.iter().copied().zip(self.outside.iter().copied()))
    }
}
