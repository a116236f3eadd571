//! The command line: what there is, and what its help says. Each command's own
//! arguments stand in the command's file.

use clap::{Parser, Subcommand};

use crate::{
    approve, attach, audit, authority, call, cp, dev, doctor, gateway, host, logs, mcp, migrate,
    pki, policy, profile, ps, run, shell, token, top,
};

const EXAMPLES: &str = "\
Try everything on this machine, with nothing to set up:
  cofferdam dev

Run a command in a sandbox, from another terminal:
  cofferdam run --url URL --token-file FILE -- git status

Work on a host:
  cofferdam shell HOST

Each command has its own help with examples: cofferdam help call";

/// Lets AI coding agents work on real Linux hosts, in sandboxes, by rules, with
/// records.
#[derive(Debug, Parser)]
#[command(
    name = "cofferdam",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = EXAMPLES
)]
pub(crate) struct Arguments {
    /// Prints the result as JSON, for scripts.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What there is to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Starts everything on this machine, to try it out: warden, agent, gateway.
    Dev(dev::Arguments),
    /// Calls a tool of a gateway, as an MCP client would.
    Call(call::Arguments),
    /// Runs a command on a host, as if it ran here.
    Run(run::Arguments),
    /// Opens a shell on a host, in a sandbox, in this terminal.
    Shell(shell::Arguments),
    /// Joins a run of yours.
    Attach(attach::Arguments),
    /// Shows what a run of yours printed, and prints.
    Logs(logs::Arguments),
    /// Lists your runs.
    Ps(ps::Arguments),
    /// Shows your runs as they go on, on a whole screen.
    Top(top::Arguments),
    /// Copies files of any size between here and hosts.
    Cp(cp::Arguments),
    /// Answers calls that wait for people to agree.
    Approve(approve::Arguments),
    /// Gives MCP clients that speak stdio a gateway.
    Mcp(mcp::Arguments),
    /// Tells about the hosts behind a gateway, and lets them in and out.
    #[command(subcommand)]
    Host(host::Command),
    /// Says which gateways hosts are to believe.
    #[command(subcommand)]
    Gateway(gateway::Command),
    /// Makes the authority that hosts join a gateway by, and looks after it.
    #[command(subcommand)]
    Authority(authority::Command),
    /// Tells what a gateway needs on its machine, what mends it, and what ends soon.
    Doctor(doctor::Arguments),
    /// Checks rules, and explains what they say.
    #[command(subcommand)]
    Policy(policy::Command),
    /// Tells what profiles there are, what they mean, and what this kernel
    /// enforces.
    #[command(subcommand)]
    Profile(profile::Command),
    /// Verifies, shows and compares journals.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Reads the files of earlier systems, and writes rules, a ceiling and hosts.
    Migrate(migrate::Arguments),
    /// Makes certificates and signing keys for gateways and agents.
    #[command(subcommand)]
    Pki(pki::Command),
    /// Makes, lists and revokes the tokens that MCP clients show a gateway.
    #[command(subcommand)]
    Token(token::Command),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_and_argument_has_a_help_text() {
        fn check(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            assert!(command.get_about().is_some(), "`{path}` says nothing about itself");
            for argument in command.get_arguments() {
                let id = argument.get_id();
                assert!(argument.get_help().is_some(), "`{path}` does not explain `{id}`");
            }
            command.get_subcommands().for_each(|inner| check(inner, &path));
        }
        check(&Arguments::command(), "");
    }

    #[test]
    fn every_command_that_does_something_has_an_example() {
        fn check(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            let mut inner = command.get_subcommands().peekable();
            if inner.peek().is_none() {
                assert!(command.get_after_help().is_some(), "`{path}` has no example");
            }
            inner.for_each(|inner| check(inner, &path));
        }
        check(&Arguments::command(), "");
    }
}
