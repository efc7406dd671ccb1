//! Sizes that no array can have: every method, layer and array that takes a size names the mistake,
//! at once and at the user's line; and axes of 0 beside long ones cost no time.
//!
//! In: sizes whose products wrap, 2^40 elements, axes of 0. Out: errors, or results of no elements.

#[path = "sizes/arrays.rs"]
mod arrays;
#[path = "sizes/empty_axes.rs"]
mod empty_axes;
#[path = "sizes/layers.rs"]
mod layers;
#[path = "sizes/operations.rs"]
mod operations;
#[path = "sizes/training.rs"]
mod training;
