//! Which of the ways to say a thing a type is, so that each type has one.
//!
//! In: `K` of traits such as [`IntoMetric<K>`](crate::metrics::IntoMetric). Out: what tells the
//! compiler their implementations apart. The compiler finds them; nobody writes them.

use std::marker::PhantomData;

/// What implements the trait itself.
pub struct Value;
/// The same behind an `Arc`.
pub struct Shared;
/// A closure whose last argument is a context.
pub struct WithContext;
/// A loss, whose mean is the metric.
pub struct OfLoss;
/// A layer, whose outputs are those of the activation.
pub struct OfLayer;
/// A name.
pub struct Name;
/// One thing, which stands for a list of it.
pub struct One<K>(PhantomData<K>);
/// Things of one kind.
pub struct List<K>(PhantomData<K>);
/// A thing with the name of its output.
pub struct AtOutput<K>(PhantomData<K>);
/// A list for each output.
pub struct PerOutput<K>(PhantomData<K>);
