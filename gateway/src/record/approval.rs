//! The steps of requests for approval.

use cofferdam_journal::{Approval, ApprovalStep, Call, Digest, Entry, Subject};

use super::{Recorder, recorded_claims};
use crate::approvals::{Question, Request, Vote};
use crate::fault::Fault;

impl Recorder {
    /// Records a step; `by` is whose answer it is.
    pub(crate) fn approval(
        &self,
        request: &Request,
        step: ApprovalStep,
        by: Option<&Vote>,
    ) -> Result<(), Fault> {
        let entry = Entry::Approval(approval(request, step, by)?);
        self.journal.append(entry).map_err(Fault::Unrecorded)?;
        self.metrics.approval(step);
        Ok(())
    }
}

fn approval(request: &Request, step: ApprovalStep, by: Option<&Vote>) -> Result<Approval, Fault> {
    let Question { binding, asker, run_id, project, host, tool, arguments, rules, .. } =
        &request.question;
    let digest = |text: &str| {
        text.parse::<Digest>().map_err(|_| Fault::Internal("a digest is none".to_owned()))
    };
    let subject = Subject {
        user: asker.user.clone(),
        groups: asker.groups.clone(),
        client: asker.client.clone(),
        tenant: asker.tenant.clone(),
        claims: recorded_claims(&asker.claims),
    };
    let arguments = arguments.as_object();
    Ok(Approval {
        call: Call {
            run_id: run_id.clone(),
            subject: Some(subject),
            project: project.clone(),
            host: host.clone(),
            session: asker.session.clone(),
            tool: tool.clone(),
            // The whole of it stands in the record of the request only.
            action: match step {
                ApprovalStep::Requested => crate::call::for_record(tool, arguments),
                _ => serde_json::Value::Null,
            },
            policy_version: request.question.policy_version,
            ..Call::default()
        },
        request: request.id.clone(),
        step,
        binding: digest(binding)?,
        rules: rules.clone(),
        policy_digest: digest(&request.question.policy_digest)?,
        signed_version: request.question.signed_version,
        by: by.map(|vote| Subject {
            user: vote.voter.user.clone(),
            groups: vote.voter.groups.clone(),
            ..Subject::default()
        }),
        through: by.map(|vote| vote.through.clone()).unwrap_or_default(),
        scope: request.scope.map(|scope| scope.name().to_owned()).unwrap_or_default(),
        note: by.map(|vote| vote.note.clone()).unwrap_or_default(),
    })
}
