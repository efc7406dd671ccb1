//! The same numbers in every mode: `fit`, single steps, a custom loop, node by node; and what terms
//! and metrics mean.
//!
//! In: the regressor with internal losses, dropout, batch normalization, a penalty and a
//! constraint. Plans agree bit for bit.

#[path = "modes/meaning.rs"]
mod meaning;
#[path = "modes/not_finite.rs"]
mod not_finite;
#[path = "support/regressor.rs"]
mod regressor;
#[path = "modes/training.rs"]
mod training;
