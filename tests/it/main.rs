//! The crate from outside, in one binary.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]

mod catalogue;
mod faults;
mod layering;
mod requests;
mod runs;
mod sandbox;
mod serving;
mod support;
mod syncs;
