//! What a host answers to a tool's question, as it is: for resources and completions,
//! which show it in their own way.
//!
//! [`Raw`] of a tool asks exactly what the tool asks, from the same input, so that rules
//! and records see no difference.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::time::Duration;

use cofferdam_journal::Ending;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use crate::hosts::{HostError, Proven, Question};
use crate::input::BadInput;
use crate::place::Place;
use crate::record::RecordedIntent;
use crate::result::Answer;
use crate::tools::{About, Acted, Asked, HostTool, Job, WatchFiles};

/// The tool `T`, with the host's own answer.
pub(crate) struct Raw<T>(PhantomData<T>);

/// An answer that is shown to nobody as it is.
pub(crate) struct Told<A>(pub(crate) A);

impl<T: HostTool<Wire: Question>> HostTool for Raw<T>
where
    <T::Wire as Question>::Answer: 'static,
{
    type Input = T::Input;
    type Wire = T::Wire;
    type Output = Told<<T::Wire as Question>::Answer>;

    const ABOUT: About = T::ABOUT;

    fn ask(input: Self::Input, place: &Place) -> Result<Asked<Self::Wire>, BadInput> {
        T::ask(input, place)
    }

    fn wait(input: &Self::Input) -> Option<Duration> {
        T::wait(input)
    }

    fn fit(wire: &mut Self::Wire, budget: usize) {
        T::fit(wire, budget);
    }

    /// Whoever subscribed to a file waits all the time, and is bounded in another way.
    fn holds_place() -> bool {
        T::ABOUT.name != WatchFiles::ABOUT.name
    }

    async fn act(
        job: Job<'_>,
        intent: &RecordedIntent<Self::Wire>,
    ) -> Result<Acted<Self::Output>, HostError> {
        let Proven { answer, receipt } = job.host.ask(intent, job.cancelled).await?;
        let answer = Told(answer);
        Ok(Acted { answer, ending: Ending::Completed, usage: None, sandbox: None, receipt })
    }
}

impl<A> Serialize for Told<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit_struct("Told")
    }
}

impl<A> JsonSchema for Told<A> {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Told")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({})
    }
}

impl<A: 'static> Answer for Told<A> {
    fn headline(&self) -> String {
        "it was answered".to_owned()
    }
}
