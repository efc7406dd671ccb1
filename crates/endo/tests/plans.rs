//! Plans against the node-by-node reference: every operation, random graphs with variables and
//! gradients, and any number of threads.
//!
//! In: closures of tensors. A plan that gives other numbers than the graph it was made from fails,
//! with the operations named.

#[path = "plans/large.rs"]
mod large;
#[path = "plans/operations.rs"]
mod operations;
#[path = "plans/random_graphs.rs"]
mod random_graphs;
#[path = "plans/random_nets.rs"]
mod random_nets;
#[path = "plans/running.rs"]
mod running;
#[path = "plans/special_cases.rs"]
mod special_cases;
#[path = "plans/threads.rs"]
mod threads;
#[path = "plans/windows.rs"]
mod windows;
