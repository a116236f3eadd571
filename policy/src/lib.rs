//! Decides: pure rules over subjects and actions, without I/O, clock or globals.
