//! Which environment variables a request may set.
//!
//! Some names change which program runs or what a granted program executes
//! before it does what its arguments say. They are the profile's to set; a
//! request may set one only where the profile lists it.

use std::collections::{BTreeMap, BTreeSet};

/// The longest name, in bytes.
const MAX_NAME: usize = 256;

/// Variables that a profile may set: with a request's they must fit into a plan.
const MAX_SET: usize = 256;

/// Names that are the profile's.
const RESERVED: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "PWD",
    "IFS",
    "ENV",
    "BASH_ENV",
    "BASHOPTS",
    "SHELLOPTS",
    "PS4",
    "PROMPT_COMMAND",
    "CDPATH",
    "GLOBIGNORE",
    "GLIBC_TUNABLES",
    "GCONV_PATH",
    "LOCPATH",
    "NLSPATH",
    "MALLOC_TRACE",
    "RESOLV_HOST_CONF",
    "HOSTALIASES",
    "LOCALDOMAIN",
    "GETCONF_DIR",
    "TMPDIR",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "MANPAGER",
    "LESSOPEN",
    "LESSCLOSE",
    "BROWSER",
    "PYTHONSTARTUP",
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONINSPECT",
    "PYTHONBREAKPOINT",
    "PYTHONWARNINGS",
    "PERL5OPT",
    "PERL5LIB",
    "PERLLIB",
    "PERL5DB",
    "RUBYOPT",
    "RUBYLIB",
    "NODE_OPTIONS",
    "NODE_PATH",
    "JAVA_TOOL_OPTIONS",
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "CLASSPATH",
    "MAVEN_OPTS",
    "GRADLE_OPTS",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC",
    "RUSTDOC",
    "RUSTFLAGS",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "CC",
    "CXX",
    "LD",
    "MAKEFLAGS",
    "MAKEFILES",
    "MFLAGS",
    "LUA_INIT",
    "LUA_PATH",
    "LUA_CPATH",
    "PHPRC",
    "PHP_INI_SCAN_DIR",
    "ZDOTDIR",
    "FPATH",
    "TCLLIBPATH",
    "R_PROFILE",
    "R_PROFILE_USER",
    "SSH_ASKPASS",
    "SUDO_ASKPASS",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "DOTNET_STARTUP_HOOKS",
    "COR_PROFILER",
    "CORECLR_PROFILER",
    "TERMINFO",
    "TERMINFO_DIRS",
    "TERMCAP",
    "INPUTRC",
    "OPENSSL_CONF",
    "OPENSSL_MODULES",
    "OPENSSL_ENGINES",
    "COMPILER_PATH",
    "GCC_EXEC_PREFIX",
];

/// Beginnings of names that are the profile's.
const RESERVED_PREFIXES: &[&str] =
    &["LD_", "GIT_", "BASH_FUNC_", "DYLD_", "LUA_INIT_", "CARGO_TARGET_", "COFFERDAM_"];

/// Why a variable is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VariableError {
    /// Not a variable's name.
    #[error("is not a name: letters, digits and `_`, not starting with a digit, at most 256")]
    Name,
    /// The profile's to set.
    #[error(
        "is reserved: it changes which programs run; a profile can list it in `environment.allow`"
    )]
    Reserved,
}

/// Checks a name that a request sets; `allowed` is what the profile lists.
///
/// # Errors
/// See [`VariableError`].
pub fn check_request(name: &str, allowed: &BTreeSet<String>) -> Result<(), VariableError> {
    if !is_name(name) {
        return Err(VariableError::Name);
    }
    let reserved =
        RESERVED.contains(&name) || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    if reserved && !allowed.contains(name) {
        return Err(VariableError::Reserved);
    }
    Ok(())
}

/// Checks what a profile sets and lists.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn check_profile(
    set: &BTreeMap<String, String>,
    allow: &BTreeSet<String>,
) -> Result<(), String> {
    if let Some(name) = set.keys().chain(allow).find(|name| !is_name(name)) {
        return Err(format!("has `{name}`, which is no variable's name"));
    }
    if set.len() > MAX_SET {
        return Err(format!("sets {} variables; at most {MAX_SET}", set.len()));
    }
    match set.iter().find(|(_, value)| value.contains('\0') || value.len() > 32 * 1024) {
        Some((name, _)) => Err(format!("has a value for `{name}` that is too long or has a NUL")),
        None => Ok(()),
    }
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_change_which_programs_run_are_reserved() {
        for name in ["PATH", "LD_PRELOAD", "GIT_SSH_COMMAND", "BASH_ENV", "NODE_OPTIONS"] {
            assert_eq!(
                check_request(name, &BTreeSet::new()),
                Err(VariableError::Reserved),
                "{name}"
            );
            assert_eq!(check_request(name, &[name.to_owned()].into()), Ok(()), "{name}");
        }
        assert_eq!(check_request("CI", &BTreeSet::new()), Ok(()));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for name in ["", "1A", "A B", "A=B", "A\0", "É", &"A".repeat(257)] {
            assert_eq!(
                check_request(name, &[name.to_owned()].into()),
                Err(VariableError::Name),
                "{name}"
            );
        }
    }
}
