//! The packs against real programs: whatever line starts a program of the caller's
//! is one that the packs deny.
//!
//! Each line is run in a workspace that is laid out by somebody hostile, with a
//! canary that leaves a file. That a trap works is shown, not believed; so is that
//! the lines which are permitted are none. What is not installed is skipped, and
//! said.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod bench;

use bench::{Bench, Trap};

/// Lines of git that have it run `gpg.program`, which is the canary, and such as
/// might: in a repository whose commit and tag are signed.
const GIT: [&str; 34] = [
    "log --show-signature",
    "log --format=%G?",
    "log --format=%GK",
    "log --format=%+G?",
    "log --format=%-G?",
    "log --format=%·G?",
    "log --pretty=format:x%GS",
    "log --format=%<(5)%Cred%%G?",
    "log --format=%<(5)%Cred%G?",
    "log --format=%+%G?",
    "log --format=%%G?",
    "log --format=%x25G?",
    "log --format=%C(%G?)",
    "log --format=%n%b%an",
    "log --format=%w(20,1,1)%s",
    "log --oneline --graph --decorate",
    "show --format=%·GF HEAD",
    "rev-list --format=%+G? HEAD",
    "shortlog --group=format:%G? HEAD",
    "shortlog --group=author HEAD",
    "for-each-ref --sort=signature",
    "for-each-ref --sort=-signature:grade",
    "for-each-ref --sort signature",
    "for-each-ref --sort=refname",
    "for-each-ref --format=%(signature)",
    "for-each-ref --format=%(refname)",
    "branch --sort=signature",
    "branch --sort=-committerdate",
    "tag -l --sort=signature",
    "tag -v signed",
    "verify-commit HEAD",
    "merge --verify-signatures HEAD",
    "describe --always --dirty",
    "status --short",
];

/// Lines of other programs, behind what lays out the workspace for them.
const OTHERS: [(&str, &str); 33] = [
    ("", "find . -exec ./canary ;"),
    ("", "find . -execdir ./canary ;"),
    ("", "find . -name canary -ok ./canary ;"),
    ("", "find . -name x"),
    ("tar cf a.tar canary", "tar xf a.tar --to-command=./canary"),
    ("tar cf a.tar canary", "tar xf a.tar --to-com=./canary"),
    ("", "tar cf a.tar canary --checkpoint=1 --checkpoint-action=exec=./canary"),
    ("", "tar cf a.tar -I ./canary canary"),
    ("", "tar cf a.tar --use-compress-program=./canary canary"),
    ("", "tar cf a.tar --rsh-command=./canary host:a.tar"),
    ("", "tar cf a.tar canary"),
    ("", "sed 1e./canary canary"),
    ("", "sed -n 1e·./canary canary"),
    ("", "sed s/#/.\\/canary/e canary"),
    ("", "sed -n 1p canary"),
    ("", "awk BEGIN{system(\"./canary\")}"),
    ("", "xargs ./canary"),
    ("", "env ./canary"),
    ("seq 200000 > numbers", "sort -R -S 32k --compress-program=./canary numbers"),
    ("echo 'x: ; $(HOSTCC)' > Makefile", "make HOSTCC=./canary"),
    ("echo 'x: ; $(CROSS_COMPILE)canary' > Makefile", "make CROSS_COMPILE=./"),
    ("echo 'x: ; $(INSTALL)' > Makefile", "make INSTALL=./canary"),
    ("echo 'x: ; $(GENERATOR)' > Makefile", "make GENERATOR=./canary"),
    ("echo 'x: ; true' > Makefile", "make SHELL=./canary"),
    ("echo 'x: ; true' > Makefile", "make --eval=$(shell·./canary)"),
    ("echo 'x: ; true' > Makefile", "make CFLAGS=$(shell·./canary)·x V=1"),
    ("echo 'x: ; true' > Makefile", "make x"),
    ("echo 'int x;' > a.c", "gcc -wrapper ./canary -c a.c"),
    ("echo 'int x;' > a.c; ln -s canary as", "gcc -B. -c a.c"),
    ("echo 'int x;' > a.c; echo '-wrapper ./canary -c a.c' > args", "gcc @args"),
    (
        "echo 'int x;' > a.c; echo '*cc1: ./canary' > specs; sed -i 's/^\\*cc1: /*cc1_options:\\n/' specs",
        "gcc -c a.c",
    ),
    ("echo x | gzip > a.gz; mkdir bin; ln -s ../canary bin/gzip", "rg -zl x ."),
    ("echo x > a", "rg --pre ./canary x ."),
];

#[test]
fn no_line_of_git_that_starts_gpg_is_permitted() {
    let Some(bench) = Bench::with_signatures() else { return };
    let lines: Vec<_> = GIT.iter().map(|line| Trap::of(&format!("git {line}"))).collect();
    let sprung = bench.try_all(&lines);
    // Some of these came with newer gits.
    assert!(sprung >= 8, "only {sprung} lines started gpg: the test shows nothing");
}

#[test]
fn no_line_that_starts_a_program_of_the_workspace_is_permitted() {
    let mut sprung = 0;
    for (setup, line) in OTHERS {
        sprung += Bench::new(setup).try_all(&[Trap::of(line)]);
    }
    assert!(sprung >= 12, "only {sprung} lines ran the canary: the test shows nothing");
}
