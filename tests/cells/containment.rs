//! What a command inside a cell tries, and what must happen.

use crate::Bench;

fn refused(line: &str) {
    let mut bench = Bench::new();
    let (code, output) = bench.shell(line);
    assert_ne!(code, Some(0), "`{line}` was not refused: {output}");
}

#[test]
fn the_shadow_file_cannot_be_read() {
    refused("cat /etc/shadow");
}

#[test]
fn nothing_outside_the_workspace_can_be_written() {
    for place in ["/", "/usr", "/etc", "/dev", "/proc/sys/kernel", "/.cell", "/home"] {
        refused(&format!("echo x > {place}/cofferdam-was-here"));
    }
}
