//! `cofferdam policy`, as a person or a pipeline runs it.

mod desk;
mod diff;
mod replay;
mod shadow;
mod test;
