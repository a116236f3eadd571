//! One program by each way and each tool: once in each round, in another order
//! each time.

use std::time::Duration;

use anyhow::Context;
use cofferdam_tests::measure::spawn;
use cofferdam_tests::warden;

use crate::cells::{Cells, Took, Way};
use crate::order::Order;
use crate::rest::Rest;
use crate::tools::{Absent, Place, Tool, Tools};

/// Rounds before the first that counts.
const WARM_UP: usize = 5;

/// What takes turns.
#[derive(Clone, Copy)]
enum Turn<'a> {
    Bare,
    Ours(Way),
    Tool(&'a Tool),
}

/// What each took, in the order of the rounds.
pub(crate) struct Turns {
    pub(crate) bare: Vec<Duration>,
    pub(crate) ours: Vec<(Way, Vec<Took>)>,
    pub(crate) tools: Vec<(Tool, Vec<Duration>)>,
    pub(crate) absent: Vec<Absent>,
    /// Times that were taken although something else went on.
    pub(crate) disturbed: usize,
}

/// Takes so many rounds.
pub(crate) fn take(rounds: usize) -> anyhow::Result<Turns> {
    let (_directory, workspace) = warden::workspace();
    let mut cells = Cells::start(&workspace)?;
    let (_made, place) = Place::make()?;
    let tools = Tools::find(&place);
    let mut turns = vec![Turn::Bare];
    turns.extend(Way::ALL.map(Turn::Ours));
    turns.extend(tools.present.iter().map(Turn::Tool));
    let (mut order, mut rest) = (Order::new(), Rest::default());
    let mut taken = vec![Vec::with_capacity(rounds); turns.len()];
    for round in 0..WARM_UP + rounds {
        for which in order.of(turns.len()) {
            let took = turns[which].take(&mut cells, &place, &mut rest)?;
            if round >= WARM_UP {
                taken[which].push(took);
            }
        }
    }
    let ended = |taken: &Vec<Took>| taken.iter().map(|took| took.ended).collect();
    let (first, others) = taken.split_first().context("a bare spawn takes turns")?;
    let (ours, others) = others.split_at(Way::ALL.len());
    Ok(Turns {
        bare: ended(first),
        ours: Way::ALL.into_iter().zip(ours.iter().cloned()).collect(),
        tools: tools.present.into_iter().zip(others.iter().map(ended)).collect(),
        absent: tools.absent,
        disturbed: rest.disturbed(),
    })
}

impl Turn<'_> {
    fn take(self, cells: &mut Cells, place: &Place, rest: &mut Rest) -> anyhow::Result<Took> {
        if let Turn::Ours(way) = self {
            cells.prepare(way).with_context(|| format!("{way:?}, before it"))?;
        }
        rest.take()?;
        // Everyone starts on a processor that is awake, with the program at hand.
        spawn::bare()?;
        let outside = |ended| Took { ended, gone: None };
        match self {
            Turn::Bare => spawn::bare().map(outside),
            Turn::Ours(way) => {
                let took = cells.run(way).with_context(|| format!("{way:?}"))?;
                cells.tidy(way);
                Ok(took)
            }
            Turn::Tool(tool) => tool.run(place).map(outside),
        }
    }
}
