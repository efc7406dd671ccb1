//! The operations: one file per family, each operation's method, shape rule, gradient and formula
//! side by side.
//!
//! Elementwise operations are rows of tables made by the macros of [`elementwise`]; tests loop over
//! [`tables`]. Shapes and types are checked when a method is called; a mistake is recorded in the
//! trace with the caller's line, and a stand-in returned. Broadcasting is an explicit node, so no
//! gradient rule thinks about shapes.

#[macro_use]
pub mod elementwise;

pub mod argument;
pub mod arithmetic;
pub mod axes;
pub mod comparison;
pub mod concatenate;
pub mod depthwise;
pub(crate) mod draws;
pub mod einsum;
pub mod evaluate;
pub mod exponential;
pub mod formula;
pub mod gather;
pub mod greatest;
pub mod identity;
pub mod indexing;
pub mod logical;
pub mod matmul;
pub mod nonlinear;
pub mod operators;
pub mod random;
pub mod reduce;
pub mod saved;
pub mod scan;
pub mod scatter;
pub mod sort;
pub mod summary;
pub mod trigonometric;
pub mod view;
pub mod window;

use crate::graph::Elementwise;

pub use crate::graph::Window;
pub use argument::Argument;
pub use axes::{AxisList, AxisNumber};
pub use evaluate::evaluate;
pub(crate) use gather::in_range;
pub use random::RandomState;
pub use summary::SUMMARY;
pub use view::{NewShape, NewSize};

/// Every table of elementwise operations.
pub fn tables() -> [&'static [&'static Elementwise]; 9] {
    [
        arithmetic::BINARY,
        arithmetic::UNARY,
        comparison::COMPARISONS,
        comparison::PREDICATES,
        comparison::CHOICES,
        exponential::TABLE,
        logical::TABLE,
        nonlinear::TABLE,
        trigonometric::TABLE,
    ]
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_of_elementwise_operations_are_unique() {
        let mut names: Vec<&str> = super::tables()
            .iter()
            .flat_map(|table| table.iter().map(|operation| operation.name))
            .collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
