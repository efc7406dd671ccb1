//! Options of Keras's configurations, as what the setters of layers take.
//!
//! In: a value of JSON. Out: a number, a list, a word or an activation; and the layer with those
//! options set that its configuration has.

use std::sync::Arc;

use endo::activations::{self, ActivationFunction};
use endo::prelude::*;
use serde_json::Value;

use super::super::super::support::Object;

/// An activation of a configuration.
pub type Function = Arc<dyn ActivationFunction>;

/// What an option can be.
pub trait Read: Sized {
    fn read(value: &Value) -> Option<Self>;
}

impl Read for bool {
    fn read(value: &Value) -> Option<Self> {
        value.as_bool()
    }
}

impl Read for usize {
    fn read(value: &Value) -> Option<Self> {
        value.as_u64().map(|size| size as usize)
    }
}

impl Read for isize {
    fn read(value: &Value) -> Option<Self> {
        value.as_i64().map(|axis| axis as isize)
    }
}

/// One stands for as many of its kind.
impl<T: Read + Clone, const N: usize> Read for [T; N] {
    fn read(value: &Value) -> Option<Self> {
        match value.as_array() {
            Some(list) => list.iter().map(T::read).collect::<Option<Vec<T>>>()?.try_into().ok(),
            None => T::read(value).map(|one| std::array::from_fn(|_| one.clone())),
        }
    }
}

impl Read for MergeMode {
    fn read(value: &Value) -> Option<Self> {
        <Self as endo::Setting>::read(value.as_str()?)
    }
}

impl Read for ScoreMode {
    fn read(value: &Value) -> Option<Self> {
        <Self as endo::Setting>::read(value.as_str()?)
    }
}

impl Read for String {
    fn read(value: &Value) -> Option<Self> {
        value.as_str().map(str::to_string)
    }
}

impl Read for Arc<dyn ActivationFunction> {
    fn read(value: &Value) -> Option<Self> {
        activations::get(value.as_str()?).ok()
    }
}

/// An option that has to be there.
pub fn required<T: Read>(config: &Object<'_>, key: &str) -> T {
    config.read(key, T::read).unwrap_or_else(|| panic!("an option {key}"))
}

/// Sets those options of a layer that the configuration has; the type of a value is named where the
/// setter takes many.
macro_rules! with {
    ($config:ident, $layer:expr $(, $option:ident $(: $Type:ty)?)*) => {{
        let layer = $layer;
        $(
            let value =
                $config.read(stringify!($option), |value| with!(@read value $($Type)?));
            let layer = match value {
                Some(value) => layer.$option(value),
                None => layer,
            };
        )*
        layer
    }};
    (@read $value:ident) => { Read::read($value) };
    (@read $value:ident $Type:ty) => { <$Type as Read>::read($value) };
}
pub(super) use with;
