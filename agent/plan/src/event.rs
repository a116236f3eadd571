//! What a cell tells the agent over its control socket: the builder's last word,
//! then PID 1's. The agent treats all of it as claims of a process that runs
//! beside untrusted code. Never runs as root.

use crate::codec::{Decode, DecodeError, Encode, Frame, Reader, Writer};
use crate::report::{BuildFailure, BuildStep, Layer, LayerReport};
use crate::run::{LoopbackHold, RunEnding, RunId, RunStep};

/// What a cell says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CellEvent {
    /// The cell is built, and these are its layers.
    Ready(Vec<LayerReport>),
    /// The cell could not be built.
    BuildFailed(BuildFailure),
    /// A run's program has been executed. Descriptors: a pidfd of its first
    /// process, and where it has a terminal, that terminal's other end.
    Started {
        /// Which.
        run: RunId,
        /// How far the kernel holds it to its plan's loopback.
        loopback: LoopbackHold,
    },
    /// A run's program could not be executed.
    FailedToStart {
        /// Which.
        run: RunId,
        /// Where.
        step: RunStep,
        /// errno(3); 0 where none applies.
        errno: i32,
    },
    /// A run ended, and nothing of it is left.
    Ended {
        /// Which.
        run: RunId,
        /// How.
        ending: RunEnding,
    },
    /// A listening socket was made in the cell's network namespace; it travels
    /// as a descriptor. Port 0: it could not be made.
    Listening {
        /// On 127.0.0.1.
        port: u16,
    },
    /// All requests before [`Check`](crate::CellRequest::Check) were heard, and what
    /// was to be said of them stands before this.
    Heard,
}

impl Frame for CellEvent {
    const MAX_FRAME: usize = 8 * 1024;
}

impl Encode for CellEvent {
    fn encode(&self, w: &mut Writer) {
        match self {
            Self::Ready(layers) => {
                w.u8(1);
                w.list(layers, |w, report| {
                    w.u8(report.layer as u8);
                    w.bool(report.effective);
                    w.bytes(report.detail.as_bytes());
                });
            }
            Self::BuildFailed(failure) => failure.encode(w),
            Self::Started { run, loopback } => {
                w.u8(3);
                w.array(&run.0);
                loopback.encode(w);
            }
            Self::FailedToStart { run, step, errno } => {
                w.u8(4);
                w.array(&run.0);
                step.encode(w);
                w.u32(errno.cast_unsigned());
            }
            Self::Ended { run, ending } => {
                w.u8(5);
                w.array(&run.0);
                ending.encode(w);
            }
            Self::Listening { port } => {
                w.u8(6);
                w.array(&port.to_le_bytes());
            }
            Self::Heard => w.u8(7),
        }
    }
}

impl Decode for CellEvent {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match r.u8("cell event")? {
            1 => Ok(Self::Ready(r.list("layers", Layer::ALL.len(), |r| {
                Ok(LayerReport {
                    layer: r.one_of("layer", &Layer::ALL)?,
                    effective: r.bool("layer.effective")?,
                    detail: r.text("layer.detail", 256)?,
                })
            })?)),
            2 => Ok(Self::BuildFailed(BuildFailure {
                step: r.one_of("build step", &BuildStep::ALL)?,
                errno: r.u32("errno")?.cast_signed(),
                detail: r.text("detail", 1024)?,
            })),
            3 => Ok(Self::Started {
                run: RunId(r.array("run")?),
                loopback: LoopbackHold::decode(r)?,
            }),
            4 => Ok(Self::FailedToStart {
                run: RunId(r.array("run")?),
                step: RunStep::decode_number(r.u8("run step")?)?,
                errno: r.u32("errno")?.cast_signed(),
            }),
            5 => Ok(Self::Ended { run: RunId(r.array("run")?), ending: RunEnding::decode(r)? }),
            6 => Ok(Self::Listening { port: u16::from_le_bytes(r.array("port")?) }),
            7 => Ok(Self::Heard),
            other => Err(DecodeError::Unknown("cell event", other.into())),
        }
    }
}
