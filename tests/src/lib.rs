//! Harness, end-to-end, containment, coverage, budget and benchmark tests.
