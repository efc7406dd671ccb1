//! Runs: the loop of `fit` opened up, custom steps, and runs that are interrupted and resumed.

#[path = "support/folder.rs"]
mod folder;
#[path = "runs/killed.rs"]
mod killed;
#[path = "runs/ledgers.rs"]
mod ledgers;
#[path = "runs/loops.rs"]
mod loops;
#[path = "runs/resumed.rs"]
mod resumed;
#[path = "runs/support.rs"]
mod support;
