use super::*;

const EXAMPLE: &str = include_str!("../../../packaging/config/gateway.toml");

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
fn the_shipped_example_is_a_configuration() {
    let config = parse(EXAMPLE).unwrap();
    assert_eq!(config.rules, Path::new("/etc/cofferdam/rules.toml"));
    assert_eq!(config.roster.projects["website"].hosts, ["build-1"]);
    assert_eq!(config.front.public.as_deref(), Some("cofferdam.example.org"));
    assert!(config.front.hosts.contains(&"cofferdam.example.org".to_owned()));
    assert!(config.front.origins.contains(&"https://cofferdam.example.org:*".to_owned()));
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
    let (head, rest) = EXAMPLE.split_once("[identity]").unwrap();
    let (identity, rest) = rest.split_once("# [authority]").unwrap();
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
    // Its projects wait for hosts that enrol.
    let (before, rest) = tail.split_once("[[host]]").unwrap();
    let (_, after) = rest.split_once("[[project]]").unwrap();
    let tail = format!("{before}[[project]]{after}").replace("hosts = [\"build-1\"]", "");
    let waiting = parse(&format!("{head}\n{least}\n{tail}")).unwrap();
    assert!(waiting.roster.projects["website"].hosts.is_empty());
    let (message, _) = refused(&format!("{head}\n[identity]{identity}\n{tail}"));
    assert!(message.contains("no host is configured"), "{message}");

    let (message, _) = refused(&format!("{}\n[identity]{identity}", with(&least)));
    assert!(message.contains("leave `[identity]` out"), "{message}");
    let (message, _) = refused(&with(""));
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
    let public = EXAMPLE.replace("127.0.0.1:8460", "0.0.0.0:8460");
    assert!(parse(&public).is_ok());
    let (start, rest) = public.split_once("\n[tls]\n").unwrap();
    let (_, end) = rest.split_once("\n[identity]\n").unwrap();
    let plain = format!("{start}\n[identity]\n{end}");
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
    for (from, to, expected) in table {
        let text = EXAMPLE.replacen(from, to, 1);
        assert_ne!(text, EXAMPLE, "{from}");
        let (message, line) = refused(&text);
        assert!(message.contains(expected), "{to}: {message}");
        assert!(line.is_some(), "{to}: {message}");
    }
}

#[test]
fn names_are_unique() {
    let host = EXAMPLE.find("[[host]]").unwrap()..EXAMPLE.find("[[project]]").unwrap();
    let twice = format!("{EXAMPLE}\n{}", &EXAMPLE[host]);
    assert!(refused(&twice).0.contains("second host"), "{}", refused(&twice).0);
}

#[test]
fn a_loopback_gateway_answers_to_loopback_names_only() {
    let text = EXAMPLE.replace("[\"cofferdam.example.org\"]", "[]");
    let front = parse(&text).unwrap().front;
    assert_eq!(front.hosts, ["localhost", "127.0.0.1", "[::1]"]);
    assert!(front.origins.iter().all(|origin| origin.ends_with(":*")));
}
