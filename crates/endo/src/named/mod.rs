//! Values that text can name, such as `selu` or `l2(0.01)`: activations, initializers,
//! regularizers, constraints, losses, metrics, schedules, optimizers and layers.
//!
//! In: declarations by [`declare!`] and [`family!`], each with its name, its options and what it
//! computes. Out: the type that a program uses, and the row by which text becomes the same value,
//! for users' strings, saved models and the command line.

mod declare;
mod hyperparameters;
pub mod kinds;
mod option;
mod setting;
mod text;

pub(crate) use declare::{
    Declared, constructor, declare, declared, family, setter, table, text_of, value,
};
pub use hyperparameters::Hyperparameters;
pub(crate) use hyperparameters::name_of;
pub(crate) use option::{
    AxisList, Count, Groups, NotNegative, OptionValue, OptionalCount, Rate, Unsaved,
};
pub use setting::{Axes, Setting};
pub(crate) use setting::{optional, words};
use text::parse;
pub(crate) use text::{Named, TextOptions, get, written};
