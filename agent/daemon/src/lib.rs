//! cofferdam-agent: the unprivileged network daemon of a host.
