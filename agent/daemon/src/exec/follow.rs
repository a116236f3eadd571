//! A run as a stream of events: started, output, finished.

use cofferdam_proto::exec::v1::run_event::Event;
use cofferdam_proto::exec::v1::{Gap, Output, RunEvent, Stream as WireStream};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::pipeline::Followed;
use crate::registry::{Run, State};
use crate::spool::{Piece, Stream as OutputStream};

/// Follows a run until it has ended and all of its output was read. Dropping
/// the stream stops the reading.
pub(super) fn events(
    followed: Followed,
) -> impl Stream<Item = Result<RunEvent, Status>> + Send + 'static {
    // One event waits here, the rest in the spool, where it is bounded.
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        tokio::select! {
            () = follow(followed, &sender) => {}
            () = sender.closed() => {}
        }
    });
    ReceiverStream::new(receiver)
}

async fn follow(followed: Followed, events: &mpsc::Sender<Result<RunEvent, Status>>) {
    let Followed { run, mut reader } = followed;
    let say = |event| {
        let event = RunEvent { event: Some(event) };
        async move { events.send(Ok(event)).await.is_ok() }
    };
    let begun = reached(&run, |state| !matches!(state, State::Starting)).await;
    let started = match begun {
        Some(State::Running(started)) => Some(started),
        Some(State::Ended(started, _)) => started,
        Some(State::Refused(fault)) => {
            drop(events.send(Err(fault.into_status())).await);
            return;
        }
        Some(State::Starting) | None => return,
    };
    if let Some(started) = started
        && !say(Event::Started(started)).await
    {
        return;
    }
    while let Some(piece) = reader.next().await {
        if !say(event(piece)).await {
            return;
        }
    }
    let ended = reached(&run, |state| matches!(state, State::Ended(..))).await;
    if let Some(State::Ended(_, finished)) = ended {
        say(Event::Finished(*finished)).await;
    }
}

/// Waits for a state; `None` where the run is gone without it.
async fn reached(run: &Run, condition: impl FnMut(&State) -> bool) -> Option<State> {
    run.state().wait_for(condition).await.ok().map(|state| state.clone())
}

fn event(piece: Piece) -> Event {
    match piece {
        Piece::Output { stream, offset, data } => {
            Event::Output(Output { stream: wire(stream).into(), offset, data: data.into() })
        }
        Piece::Gap { stream, offset, length } => {
            Event::Gap(Gap { stream: wire(stream).into(), offset, length })
        }
    }
}

fn wire(stream: OutputStream) -> WireStream {
    match stream {
        OutputStream::Stdout => WireStream::Stdout,
        OutputStream::Stderr => WireStream::Stderr,
    }
}
