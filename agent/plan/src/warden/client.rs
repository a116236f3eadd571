//! The agent's half of the warden's messages. Never runs as root.

use super::{Leaf, Refusal, WardenEvent, WardenRequest};
use crate::cell::CellId;
use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};

impl Refusal {
    const ALL: [Self; 5] =
        [Self::Ceiling, Self::Plan, Self::Exhausted, Self::Protection, Self::System];
}

impl Reader<'_> {
    /// One of `all`, by its place.
    ///
    /// # Errors
    /// Where there is none at that place.
    pub fn one_of<T: Copy>(&mut self, field: &'static str, all: &[T]) -> Result<T, DecodeError> {
        let number = self.u8(field)?;
        let unknown = DecodeError::Unknown(field, number.into());
        all.get(usize::from(number)).copied().ok_or(unknown)
    }
}

impl Encode for WardenRequest {
    fn encode(&self, w: &mut Writer) {
        match self {
            Self::Build(plan) => {
                w.u8(1);
                plan.encode(w);
            }
            Self::Destroy(cell) => {
                w.u8(2);
                w.array(&cell.0);
            }
            Self::MakeLeaf(leaf, limits) => {
                w.u8(3);
                leaf.encode(w);
                limits.encode(w);
            }
            Self::RemoveLeaf(leaf, end) => {
                w.u8(4);
                leaf.encode(w);
                w.bool(*end);
            }
            Self::Records => w.u8(5),
            Self::Adopt(cell) => {
                w.u8(6);
                w.array(&cell.0);
            }
        }
    }
}

impl Decode for WardenEvent {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match r.u8("warden event")? {
            1 => Ok(Self::Building {
                cell: CellId(r.array("cell")?),
                uid: r.u32("uid")?,
                cgroup: r.text("cgroup", 1024)?,
            }),
            2 => Ok(Self::Refused {
                cell: CellId(r.array("cell")?),
                refusal: r.one_of("refusal", &Refusal::ALL)?,
                detail: r.text("detail", 1024)?,
            }),
            3 => Ok(Self::Gone { cell: CellId(r.array("cell")?) }),
            4 => Ok(Self::Leaf {
                leaf: Leaf::decode(r)?,
                there: r.bool("there")?,
                detail: r.text("detail", 1024)?,
            }),
            5 => Ok(Self::Records(r.text("why", 1024)?)),
            other => Err(DecodeError::Unknown("warden event", other.into())),
        }
    }
}
