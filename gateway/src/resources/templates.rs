//! The templates of URIs (RFC 6570): how a client makes the URI of a file that is
//! listed nowhere.

use rmcp::model::ResourceTemplate;

use crate::call::Origin;
use crate::completion::Kind;
use crate::gateway::Gateway;
use crate::place::Place;

/// Files, and directories where the path ends with a slash.
pub(crate) const FILES: &str = "cofferdam://{host}/files/{project}/{+path}";
/// The same by a range of bytes.
pub(crate) const RANGES: &str = "cofferdam://{host}/files/{project}/{+path}{?offset,length}";
/// What runs printed.
pub(crate) const OUTPUTS: &str = "cofferdam://{host}/runs/{run}/{stream}{?offset}";

/// Those of which the caller may read something somewhere.
pub(crate) fn offered(gateway: &Gateway, origin: &Origin) -> Vec<ResourceTemplate> {
    let (policy, places) = (gateway.policy(), Place::all(&gateway.roster()));
    let mut templates = Vec::new();
    if policy.could_use(origin, &places, "read_file") {
        let files = ResourceTemplate::new(FILES, "file")
            .with_title("A file of a workspace")
            .with_description(
                "A file on a host, by its path in the project's workspace, percent-encoded; with \
                 a slash at the end a directory, whose entries have their URIs. At most 1 MiB at \
                 once; what is longer says where it goes on.",
            );
        let ranges = ResourceTemplate::new(RANGES, "file-range")
            .with_title("A part of a file")
            .with_description("The same from the byte `offset` on, at most `length` bytes.");
        templates.extend([files, ranges]);
    }
    if policy.could_use(origin, &places, "read_process") {
        let outputs = ResourceTemplate::new(OUTPUTS, "run-output")
            .with_title("What a process printed")
            .with_description(
                "What a process of yours printed, as far as its host keeps it: `stream` is \
                 `output` for both streams, `stdout` or `stderr`; `run` is the part of its handle \
                 after the slash. Subscribe to be told of new output and of its end.",
            );
        templates.push(outputs);
    }
    templates
}

/// How a variable of a template is completed, and where the caller could read what the
/// template is about; none: there is no such template for the caller, or it has no such
/// variable.
pub(crate) fn completed(
    gateway: &Gateway,
    origin: &Origin,
    template: &str,
    variable: &str,
) -> Option<(Kind, Vec<Place>)> {
    let (tool, kind) = match (template, variable) {
        (FILES | RANGES, "host") => ("read_file", Kind::Host),
        (FILES | RANGES, "project") => ("read_file", Kind::Project),
        (FILES | RANGES, "path") => ("read_file", Kind::UriPath),
        (RANGES, "offset" | "length") => ("read_file", Kind::Nothing),
        (OUTPUTS, "host") => ("read_process", Kind::Host),
        (OUTPUTS, "run") => ("read_process", Kind::Run),
        (OUTPUTS, "stream") => ("read_process", Kind::Stream),
        (OUTPUTS, "offset") => ("read_process", Kind::Nothing),
        _ => return None,
    };
    let policy = gateway.policy();
    let could = |place: &Place| policy.could_use(origin, std::slice::from_ref(place), tool);
    let places: Vec<Place> = Place::all(&gateway.roster()).into_iter().filter(could).collect();
    (!places.is_empty()).then_some((kind, places))
}
