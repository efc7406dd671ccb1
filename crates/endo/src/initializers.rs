//! First values of weights.
use crate::array::Array;
use crate::error::Result;
use crate::random::Random;
use crate::shape::Shape;

/// First values of a weight.
pub trait Initializer: Send + Sync {
    /// Values.
    fn initialize(&self, shape: &Shape, random: &mut Random) -> Result<Array>;
}
