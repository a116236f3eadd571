//! Random rules, out of few names so that they meet each other often.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// A rule as TOML, and what tests have to know of it.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) effect: &'static str,
    pub(crate) scope: &'static str,
    body: String,
}

impl Rule {
    /// The same in the usual scope, with nothing that makes a difference between
    /// allow rules but what they permit.
    pub(crate) fn plain(&self) -> Self {
        let said = |line: &&str| !line.starts_with("grant") && !line.starts_with("ask_if");
        let body = self.body.lines().filter(said).collect::<Vec<_>>().join("\n") + "\n";
        Self { scope: "organisation", body: silent(&body), ..self.clone() }
    }

    fn text(&self) -> String {
        let Self { id, effect, scope, body } = self;
        format!("[[rule]]\nid = '{id}'\neffect = '{effect}'\nscope = '{scope}'\n{body}\n")
    }
}

/// Without what the programs of a rule open. Only there are these written so.
fn silent(body: &str) -> String {
    [
        ", mode='read'",
        ", mode='write'",
        ", recursive=false",
        ", opens=[{beneath='directory',mode='read'}]",
        ", opens=[{beneath='workspace/a',mode='write'}]",
    ]
    .iter()
    .fold(body.to_owned(), |body, said| body.replace(said, ""))
    .lines()
    .filter(|line| !line.starts_with("opened_by"))
    .fold(String::new(), |body, line| body + line + "\n")
}

/// A rule file of these rules.
pub(crate) fn file(rules: &[Rule]) -> String {
    let all: String = rules.iter().map(Rule::text).collect();
    format!(
        "version = 1\nprofiles = ['readonly', 'default', 'build']\n\
         [sets]\npair = ['git', 'ls']\npeople = ['ann', 'b*']\nunits = ['app-*.service', 'a*.timer']\n\
         [roles]\nops = {{ groups = ['devs'], users = ['ann'] }}\n\
         any = [{{ roles = ['ops'] }}, {{ claims = {{ team = ['x*'] }} }}]\n{all}"
    )
}

/// Up to so many rules, with ids of their own.
pub(crate) fn some(most: usize) -> impl Strategy<Value = Vec<Rule>> {
    proptest::collection::vec(rule(), 0..=most).prop_map(|mut rules| {
        for (number, rule) in rules.iter_mut().enumerate() {
            // Not in the order of the file.
            rule.id = format!("r{}{number}", (number * 7) % 10);
        }
        rules
    })
}

/// A rule; its id is to be set.
fn rule() -> impl Strategy<Value = Rule> {
    select(&["allow", "allow", "allow", "ask", "deny"][..]).prop_flat_map(of)
}

/// A rule of this effect; its id is to be set.
pub(crate) fn of(effect: &'static str) -> impl Strategy<Value = Rule> {
    let scope = select(&["organisation", "organisation", "project", "user", "system"][..]);
    scope.prop_flat_map(move |scope| {
        let kept = if effect == "deny" { Just(String::new()).boxed() } else { kept().boxed() };
        (selectors(), names(), kept).prop_map(move |(selectors, names, kept)| {
            let open =
                silent(&names).is_empty() && !selectors.contains("tools") && effect != "deny";
            // An allow rule has to be about something.
            let tools = if open { "tools = ['list_hosts', 'execute_command']\n" } else { "" };
            // What looks at arguments has to be about programs.
            let lines = kept.lines().filter(|line| {
                (effect == "allow" && names.contains("programs =")) || !line.starts_with("ask_if")
            });
            let kept = lines.collect::<Vec<_>>().join("\n");
            let names = if effect == "deny" { silent(&names) } else { names };
            let body = format!("{selectors}{names}{tools}{kept}");
            Rule { id: "r".to_owned(), effect, scope, body }
        })
    })
}

/// One of these, or none.
fn maybe(weight: u32, texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![
        10 - weight => Just(String::new()),
        weight => select(texts).prop_map(|text| format!("{text}\n")),
    ]
}

fn selectors() -> impl Strategy<Value = String> {
    let subjects = maybe(
        3,
        &[
            "subjects = { users = ['ann'] }",
            "subjects = { users = ['@people'] }",
            "subjects = { groups = ['d*'] }",
            "subjects = { groups = ['admins'], users = ['ann'] }",
            "subjects = { tenants = ['t?'] }",
            "subjects = { clients = ['*'] }",
            "subjects = { roles = ['ops'] }",
            "subjects = { roles = ['any'] }",
            "subjects = { claims = { team = ['x1', 'y'] } }",
        ],
    );
    let hosts = maybe(
        2,
        &[
            "hosts = { names = ['web-*'] }",
            "hosts = { names = ['db'] }",
            "hosts = { labels = { stage = 'prod*' } }",
            "hosts = { names = ['web-?'], labels = { stage = 'test', zone = 'a' } }",
        ],
    );
    let projects = maybe(2, &["projects = ['web']", "projects = ['d**']"]);
    let tools = maybe(
        2,
        &[
            "tools = ['execute_command']",
            "tools = ['start_process', 'read_process']",
            "tools = ['write_process', 'list_processes', 'execute_command']",
            "tools = ['read_file', 'search_files']",
            "tools = ['list_hosts', 'get_system_info', 'check_command_exists']",
            "tools = ['read_service']",
        ],
    );
    (subjects, hosts, projects, tools)
        .prop_map(|(subjects, hosts, projects, tools)| [subjects, hosts, projects, tools].concat())
}

/// Programs, paths and units; where there is none, tools.
fn names() -> impl Strategy<Value = String> {
    let which = select(
        &[
            "name = 'git'",
            "name = 'ls'",
            "names = ['@pair', 'rm']",
            "path = '/usr/bin/git'",
            "path = '/opt/git'",
            "under = '/usr/'",
            "under = '/opt/'",
            "any = true",
        ][..],
    );
    let args = select(
        &[
            "",
            "",
            ", args = []",
            ", args = ['log', { rest = true }]",
            ", args = [{ one_of = ['log', 'push'] }, { optional = '-f' }]",
            ", args = [{ rest = { glob = '*.rs' } }]",
            ", args = [{ flag = '-n', value = { number = { min = 1, max = 9 } } }, { rest = true }]",
            ", args = [{ optional = { flag = '--depth', value = { any = true } } }, { any = true }]",
            ", args = [{ regex = '[a-z]{3}' }, { rest = { beneath = 'workspace' } }]",
            ", args = [{ rest = true }, '-f', { rest = true }]",
            ", args = [{ any_of = ['log', { glob = 'p*' }] }, { rest = { none_of = ['-f'] } }]",
            ", args = [{ rest = { any_of = [{ beneath = '/', mode='read' }, { glob = '-*' }] } }]",
            ", args = [{ rest = { beneath = 'workspace', mode='read' } }, { any = true }]",
            ", args = ['log', { rest = { beneath = '/', mode='write', recursive=false } }]",
            ", args = [{ flag = '-n', value = { beneath = '/', mode='read' } }, { optional = { flag = '--depth', value = { beneath = 'workspace/a', mode='write' } } }, { rest = true }]",
            ", args = [{ rest = true }, { optional = { beneath = 'workspace/a', mode='write' } }]",
            ", args = [{ rest = true }], opens=[{beneath='directory',mode='read'}]",
            ", opens=[{beneath='workspace/a',mode='write'}]",
            ", args = [{ rest = { any_of = [{ beneath = 'workspace', mode='read' }, { any = true }] } }]",
        ][..],
    );
    let program = (which, args).prop_map(|(which, args)| format!("{{ {which}{args} }}"));
    let root = select(
        &["workspace", "workspace/a", "workspace/a/b", "/etc", "/srv", "/srv/shop/a", "/"][..],
    );
    let path = (root, select(&["read", "write"][..]))
        .prop_map(|(root, mode)| format!("{{ beneath = '{root}', mode = '{mode}' }}"));
    let programs = proptest::collection::vec(program, 0..3);
    let paths = proptest::collection::vec(path, 0..3);
    (programs, paths, units(), opened()).prop_map(|(programs, paths, services, opened)| {
        let list = |key: &str, all: Vec<String>| match all.len() {
            0 => String::new(),
            _ => format!("{key} = [{}]\n", all.join(", ")),
        };
        list("programs", programs) + &list("paths", paths) + &services + &opened
    })
}

/// What programs open that the rule does not permit.
fn opened() -> impl Strategy<Value = String> {
    maybe(
        2,
        &[
            "opened_by = [{ name = 'git', args = [{ rest = { beneath = '/', mode='read' } }] }]",
            "opened_by = [{ any = true, opens=[{beneath='directory',mode='read', recursive=false}] }]",
        ],
    )
}

/// Units of services.
fn units() -> impl Strategy<Value = String> {
    maybe(
        3,
        &[
            "services = ['nginx.service']",
            "services = ['nginx.service', 'app-*.service']\njournal = true",
            "services = ['app-?.service']",
            "services = ['app-a.*', 'nginx.service']\njournal = true",
            "services = ['*.service']",
            "services = ['*']\njournal = true",
            "services = ['@units']\njournal = false",
        ],
    )
}

/// What only allow and ask rules say.
fn kept() -> impl Strategy<Value = String> {
    let shell = maybe(6, &["shell = 'parsed'", "shell = 'parsed'", "shell = 'opaque'"]);
    let environment = maybe(2, &["environment = ['RUST_*']", "environment = ['*', 'PATH']"]);
    let conditions = maybe(
        2,
        &[
            "valid = { from = '2026-01-01T00:00:00Z' }",
            "valid = { until = '2026-01-01T00:00:00Z' }",
            "require = ['landlock']",
            "require = ['seccomp', 'landlock']",
            "ask_if = ['push', { glob = '*.rs' }]",
        ],
    );
    let grant = subsequence(
        vec![
            "profile = 'readonly'",
            "workspace_access = 'write'",
            "limits = { processes = 4 }",
            "programs = ['/usr/bin/git', '/bin/']",
            "network = ['a.org:443', 'b.org:22']",
        ],
        0..=3,
    );
    (shell, environment, conditions, grant).prop_map(|(shell, environment, conditions, grant)| {
        let grant = if grant.is_empty() {
            String::new()
        } else {
            format!("grant = {{ {} }}\n", grant.join(", "))
        };
        [shell, environment, conditions, grant].concat()
    })
}
