use super::*;

const EXAMPLE: &str = include_str!("../../../packaging/config/gateway.toml");

/// The example with the comments taken off its `[table]`.
fn with_table(text: &str, table: &str) -> String {
    let (before, rest) = text.split_once(&format!("# {table}\n")).unwrap();
    let (section, after) = rest.split_once("\n\n").unwrap();
    let section = format!("\n{section}").replace("\n# ", "\n");
    format!("{before}{table}{section}\n\n{after}")
}

/// The example as an owner makes it who has certificates made by hand, and names hosts.
pub(crate) fn by_hand() -> String {
    let (before, rest) = EXAMPLE.split_once("[authority]\n").unwrap();
    let (_, after) = rest.split_once("\n\n").unwrap();
    let text = format!("{before}\n{after}").replace("# hosts = ", "hosts = ");
    ["[tls]", "[identity]", "[[host]]"].iter().fold(text, |text, table| with_table(&text, table))
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new("/etc/cofferdam/gateway.toml"), text)
}

/// The message and the line of what is wrong.
fn refused(text: &str) -> (String, Option<usize>) {
    match parse(text).unwrap_err() {
        error @ ConfigError::Value { line, .. } => (error.to_string(), Some(line)),
        error => (error.to_string(), None),
    }
}

fn line_of(text: &str, needle: &str) -> usize {
    1 + text.lines().position(|line| line.contains(needle)).unwrap()
}

#[test]
fn the_shipped_example_is_a_configuration_whose_hosts_enrol() {
    let config = parse(EXAMPLE).unwrap();
    assert_eq!(config.rules, Path::new("/etc/cofferdam/rules.toml"));
    assert_eq!(config.front.public.as_deref(), Some("cofferdam.example.org"));
    assert!(config.front.hosts.contains(&"cofferdam.example.org".to_owned()));
    assert!(config.front.origins.contains(&"https://cofferdam.example.org:*".to_owned()));
    // Clients on the same machine need no name and no TLS.
    assert!(config.listen.ip().is_loopback() && config.tls.is_none());
    assert!(config.front.hosts.contains(&"127.0.0.1".to_owned()));
    // Its projects wait for hosts that enrol.
    assert!(config.authority.is_some() && config.identity.is_none());
    assert!(config.roster.hosts.is_empty());
    assert!(config.roster.projects["website"].hosts.is_empty());
    // What it writes is where the package makes a place for the gateway's user.
    let place = Path::new("/var/lib/cofferdam-gateway");
    for path in [&config.signing_key, &config.journal, &config.state] {
        assert!(path.starts_with(place), "{}", path.display());
    }
}

#[test]
fn the_example_for_certificates_by_hand_is_a_configuration() {
    let config = parse(&by_hand()).unwrap();
    assert_eq!(config.roster.projects["website"].hosts, ["build-1"]);
    assert!(config.tls.is_some() && config.authority.is_none() && config.identity.is_some());
}

#[test]
fn every_key_that_the_example_has_in_a_comment_is_right_with_the_comment_taken_off() {
    let is_table = |line: &str| line.starts_with('[') && line.ends_with(']');
    let is_key = |line: &str| {
        let name = line.split(" = ").next().unwrap_or_default();
        line.contains(" = ") && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    };
    let bare = |line: &'static str| match line.strip_prefix("# ") {
        Some(rest) if is_table(rest) || is_key(rest) => rest,
        _ => line,
    };
    // `rules` stands there twice: as plain files, and as a bundle.
    let lines = EXAMPLE.lines().filter(|line| *line != "rules = \"rules.toml\"").map(bare);
    let all = lines.collect::<Vec<_>>().join("\n");
    for one_of_two in ["\n[identity]\n", "\n[authority]\n"] {
        let (before, rest) = all.split_once(one_of_two).unwrap();
        let (_, after) = rest.split_once("\n\n").unwrap();
        let config = parse(&format!("{before}\n{after}")).unwrap();
        assert_eq!(config.rules, Path::new("/etc/cofferdam/policy.bundle"));
        assert!(config.hosts_listen.is_some() && config.metrics_listen.is_some());
        assert!(config.approvals.webhook.is_some());
    }
}

#[test]
fn whom_to_ask_is_one_line() {
    let with = |contact: &str| format!("contact = {contact}\n{EXAMPLE}");
    let config = parse(&with("\"ops, ops@example.org\"")).unwrap();
    assert_eq!(config.contact.as_deref(), Some("ops, ops@example.org"));
    for bad in ["\"\"", "\"a\\nb\"", &format!("\"{}\"", "x".repeat(201))] {
        let (message, line) = refused(&with(bad));
        assert!(message.contains("`contact`: it must be one line"), "{message}");
        assert_eq!(line, Some(1));
    }
}

#[test]
fn the_limits_of_the_example_are_the_defaults() {
    let (without, _) = EXAMPLE.split_once("[limits]").unwrap();
    assert_eq!(parse(without).unwrap().limits, parse(EXAMPLE).unwrap().limits);
}

#[test]
fn the_sessions_of_the_example_are_the_defaults() {
    let (head, rest) = EXAMPLE.split_once("[sessions]").unwrap();
    let (_, tail) = rest.split_once("# People who agree").unwrap();
    let sessions = parse(EXAMPLE).unwrap().sessions;
    assert_eq!(parse(&format!("{head}#{tail}")).unwrap().sessions, sessions);
}

#[test]
fn the_approvals_of_the_example_are_the_defaults_and_its_webhook_is_one() {
    let (head, rest) = EXAMPLE.split_once("[approvals]").unwrap();
    let (section, tail) = rest.split_once("# How much of everything").unwrap();
    let approvals = parse(EXAMPLE).unwrap().approvals;
    assert_eq!(parse(&format!("{head}#{tail}")).unwrap().approvals, approvals);
    let (before, webhook) = section.split_once("# [approvals.webhook]").unwrap();
    let webhook = webhook.replace("\n# ", "\n");
    let with = format!("{head}[approvals]{before}[approvals.webhook]{webhook}#{tail}");
    let webhook = parse(&with).unwrap().approvals.webhook.unwrap();
    assert_eq!(webhook.secret, Path::new("/etc/cofferdam/webhook.secret"));
    let (message, _) = refused(&with.replace("https://chat", "http://chat"));
    assert!(message.contains("loopback only"), "{message}");
}

#[test]
fn the_example_of_an_authority_holds_the_defaults_and_takes_the_place_of_the_identity() {
    let (head, rest) = EXAMPLE.split_once("[authority]").unwrap();
    let (authority, tail) = rest.split_once("\n\n").unwrap();
    let directory = "/var/lib/cofferdam-gateway/authority";
    let least = format!("[authority]\nlisten = \"0.0.0.0:8463\"\ndirectory = \"{directory}\"\n");
    let written = format!("[authority]{}", authority.replace("\n# ", "\n"));
    // What stands before the table explains it and is no key.
    let explained = written.lines().filter(|it| it.contains(" = ") || it.starts_with('['));
    let written = explained.collect::<Vec<_>>().join("\n");
    let with = |table: &str| format!("{head}\n{table}\n{tail}");
    let config = parse(&with(&written)).unwrap();
    assert_eq!(config.identity, None);
    let mut shown = config.authority.unwrap();
    assert_eq!(shown.address.take().as_deref(), Some("gateway.example.org:8463"));
    assert_eq!(Some(shown), parse(&with(&least)).unwrap().authority);
    let (message, _) = refused(&with_table(&with(""), "[identity]"));
    assert!(message.contains("no host is configured"), "{message}");

    let (message, _) = refused(&with_table(&with(&least), "[identity]"));
    assert!(message.contains("leave `[identity]` out"), "{message}");
    let (message, _) = refused(&with_table(&with(""), "[[host]]"));
    assert!(message.contains("`[authority]`, which certifies"), "{message}");
    let (message, _) = refused(&with(&format!("{least}certificate_seconds = 9000000\n")));
    assert!(message.contains("authority.certificate_seconds"), "{message}");
    let (message, _) = refused(&with(&format!("{least}overlap_seconds = 60\n")));
    assert!(message.contains("authority.overlap_seconds"), "{message}");
    let (message, _) = refused(&with(&format!("{least}trust_domain = \"Big\"\n")));
    assert!(message.contains("authority.trust_domain"), "{message}");
}

#[test]
fn an_unknown_key_is_refused_with_its_line() {
    let (message, _) = refused(&EXAMPLE.replace("body_bytes", "body_size"));
    assert!(message.contains("body_size") && message.contains("line"), "{message}");
    assert!(message.contains("/etc/cofferdam/gateway.toml"), "{message}");
}

#[test]
fn a_public_address_without_tls_is_refused_unless_told_otherwise() {
    let plain = EXAMPLE.replace("127.0.0.1:8460", "0.0.0.0:8460");
    assert!(parse(&with_table(&plain, "[tls]")).is_ok());
    let (message, line) = refused(&plain);
    assert!(message.contains("insecure_plaintext"), "{message}");
    assert_eq!(line, Some(line_of(&plain, "0.0.0.0")));
    let told = plain.replace("insecure_plaintext = false", "insecure_plaintext = true");
    assert!(parse(&told).is_ok());
    assert!(parse(&plain.replace("0.0.0.0:8460", "[::1]:8460")).is_ok());
}

#[test]
fn what_cannot_be_meant_is_refused_with_line_and_key() {
    let table = [
        ("name = \"main\"", "name = \"-main\"", "key `name`"),
        ("name = \"build-1\"", "name = \"build-2\"", "key `host.agent`"),
        ("agent/build-1\"", "gateway/build-1\"", "key `host.agent`"),
        ("example.org:8461\"", "example.org\"", "key `host.address`"),
        ("key = \"ed25519:11q", "key = \"ed25519:", "key `host.key`"),
        ("\"/srv/cofferdam/website\"", "\"website\"", "key `project.workspace`"),
        ("\"/srv/cofferdam/website\"", "\"/srv/../etc\"", "key `project.workspace`"),
        ("hosts = [\"build-1\"]", "hosts = [\"build-9\"]", "there are: build-1"),
        ("hosts = [\"build-1\"]", "hosts = []", "the list is empty"),
        ("allowed_origins = []", "allowed_origins = [\"x\"]", "key `allowed_origins`"),
        ("[\"cofferdam.example.org\"]", "[\"http://x/\"]", "key `public_names`"),
    ];
    let good = by_hand();
    for (from, to, expected) in table {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        let (message, line) = refused(&text);
        assert!(message.contains(expected), "{to}: {message}");
        assert!(line.is_some(), "{to}: {message}");
    }
}

#[test]
fn names_are_unique() {
    let text = by_hand();
    let host = text.find("\n[[host]]").unwrap()..text.find("[[project]]").unwrap();
    let twice = format!("{text}\n{}", &text[host]);
    assert!(refused(&twice).0.contains("second host"), "{}", refused(&twice).0);
}

#[test]
fn a_loopback_gateway_answers_to_loopback_names_only() {
    let text = EXAMPLE.replace("[\"cofferdam.example.org\"]", "[]");
    let front = parse(&text).unwrap().front;
    assert_eq!(front.hosts, ["localhost", "127.0.0.1", "[::1]"]);
    assert!(front.origins.iter().all(|origin| origin.ends_with(":*")));
}
