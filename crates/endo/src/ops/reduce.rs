//! Reductions over axes: sums, products, extremes, and what is made of them.
//!
//! Without axes named, everything is reduced to a scalar; `_axes` methods take axes, negative ones
//! counting from the end; `keep_dims` puts the axes back with size 1.

use crate::dtype::DType;
use crate::graph::{Node, Op, Tensor};
use crate::simd::Reduction;
use crate::site::Site;

use super::axes::AxisList;
use super::view::{axis_error, inverse};

impl Tensor {
    /// The axes meant by `axes`, ascending and once each, or `None` after recording an error.
    fn checked_axes(&self, operation: &str, axes: &[isize], site: Site) -> Option<Vec<usize>> {
        let mut positions = Vec::new();
        for &axis in axes {
            match self.shape().axis(axis) {
                Some(position) => positions.push(position),
                None => {
                    self.trace().record(axis_error(operation, axis, self.shape()).at(site));
                    return None;
                }
            }
        }
        positions.sort_unstable();
        positions.dedup();
        Some(positions)
    }

    fn reduce(
        &self,
        reduction: Reduction,
        operation: &str,
        axes: impl AxisList,
        site: Site,
    ) -> Tensor {
        let Some(axes) = self.checked_axes(operation, &axes.to_axes(), site) else {
            return self.trace().constant(crate::array::Array::zeros((), self.dtype()), site);
        };
        if axes.is_empty() {
            return self.clone();
        }
        let shape = self.shape().without(&axes);
        self.push(Op::Reduce(reduction, axes), &[self], shape, self.dtype(), site)
    }

    fn all_axes(&self) -> Vec<isize> {
        (0..self.rank() as isize).collect()
    }

    /// Truth values as `i32`, so that they can be added.
    pub(super) fn countable(&self, site: Site) -> Tensor {
        if self.dtype() == DType::Bool { self.convert(DType::I32, site) } else { self.clone() }
    }

    /// Integers and truth values as `f32`, so that they can be averaged.
    fn float(&self, site: Site) -> Tensor {
        self.convert(self.dtype().promote(DType::F32), site)
    }

    /// The reduced axes put back with size 1, where what was reduced was changed since; else there
    /// are [`sum_keep`](Self::sum_keep), [`mean_keep`](Self::mean_keep) and their like.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [x.max_axes(&[-1]).keep_dims(&x, &[-1])]);
    /// assert_eq!(
    ///     f.run([&[[1.0_f32, 3.0], [5.0, 2.0]].into()])?[0],
    ///     Array::from([[3.0_f32], [5.0]])
    /// );
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn keep_dims(&self, before: &Tensor, axes: impl AxisList) -> Tensor {
        let axes = &axes.to_axes();
        match before.checked_axes("keep_dims", axes, Site::caller()) {
            Some(axes) => self.reshape(before.shape().with_ones(&axes)),
            None => self.clone(),
        }
    }

    /// The sum of all elements; truth values count.
    #[track_caller]
    pub fn sum(&self) -> Tensor {
        let site = Site::caller();
        self.countable(site).reduce(Reduction::Sum, "sum", self.all_axes(), site)
    }

    /// Sums along axes.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [x.sum_axes(&[0])]);
    /// assert_eq!(f.run([&[[1.0_f32, 3.0], [5.0, 2.0]].into()])?[0], Array::from([6.0_f32, 5.0]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn sum_axes(&self, axes: impl AxisList) -> Tensor {
        let site = Site::caller();
        self.countable(site).reduce(Reduction::Sum, "sum", axes, site)
    }

    /// The mean of all elements.
    #[track_caller]
    pub fn mean(&self) -> Tensor {
        self.mean_axes(self.all_axes())
    }

    /// Means along axes.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [x.mean_axes(&[-1])]);
    /// assert_eq!(f.run([&[[1.0_f32, 3.0], [5.0, 2.0]].into()])?[0], Array::from([2.0_f32, 3.5]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn mean_axes(&self, axes: impl AxisList) -> Tensor {
        let site = Site::caller();
        let sum = self.float(site).reduce(Reduction::Sum, "mean", axes, site);
        let count = self.shape().len().max(1) / sum.shape().len().max(1);
        sum / count as f64
    }

    /// The product of all elements.
    #[track_caller]
    pub fn product(&self) -> Tensor {
        self.product_axes(self.all_axes())
    }

    /// Products along axes.
    #[track_caller]
    pub fn product_axes(&self, axes: impl AxisList) -> Tensor {
        let site = Site::caller();
        self.countable(site).reduce(Reduction::Product, "product", axes, site)
    }

    /// The largest element. The gradient is shared equally among those that tie.
    #[track_caller]
    pub fn max(&self) -> Tensor {
        self.max_axes(self.all_axes())
    }

    /// The largest elements along axes.
    #[track_caller]
    pub fn max_axes(&self, axes: impl AxisList) -> Tensor {
        self.reduce(Reduction::Max, "max", axes, Site::caller())
    }

    /// The smallest element. The gradient is shared equally among those that tie.
    #[track_caller]
    pub fn min(&self) -> Tensor {
        self.min_axes(self.all_axes())
    }

    /// The smallest elements along axes.
    #[track_caller]
    pub fn min_axes(&self, axes: impl AxisList) -> Tensor {
        self.reduce(Reduction::Min, "min", axes, Site::caller())
    }

    /// Whether any element holds (is not 0).
    #[track_caller]
    pub fn any(&self) -> Tensor {
        self.any_axes(self.all_axes())
    }

    /// Whether any element along the axes holds.
    #[track_caller]
    pub fn any_axes(&self, axes: impl AxisList) -> Tensor {
        let site = Site::caller();
        self.convert(DType::Bool, site).reduce(Reduction::Max, "any", axes, site)
    }

    /// Whether all elements hold (are not 0).
    #[track_caller]
    pub fn all(&self) -> Tensor {
        self.all_of_axes(self.all_axes())
    }

    /// Whether all elements along the axes hold.
    #[track_caller]
    pub fn all_of_axes(&self, axes: impl AxisList) -> Tensor {
        let site = Site::caller();
        self.convert(DType::Bool, site).reduce(Reduction::Min, "all", axes, site)
    }

    /// The variance of all elements: the mean square of the distance from the mean (biased, as
    /// Keras's).
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [x.variance()]);
    /// assert_eq!(f.run([&[1.0_f32, 3.0].into()])?[0], Array::scalar(1.0_f32));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn variance(&self) -> Tensor {
        self.variance_axes(self.all_axes())
    }

    /// Variances along axes.
    #[track_caller]
    pub fn variance_axes(&self, axes: impl AxisList) -> Tensor {
        let axes = &axes.to_axes();
        let mean = self.mean_keep(axes);
        (self - mean).square().mean_axes(axes)
    }

    /// The Euclidean length of all elements as one vector; its slope at 0 is 0.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [x.norm()]);
    /// assert_eq!(f.run([&[3.0_f32, 4.0].into()])?[0].item()?, 5.0);
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn norm(&self) -> Tensor {
        self.norm_axes(self.all_axes())
    }

    /// The Euclidean lengths of vectors along axes.
    #[track_caller]
    pub fn norm_axes(&self, axes: impl AxisList) -> Tensor {
        let squares = self.float(Site::caller()).square().sum_axes(axes);
        let is_zero = squares.equal(0.0);
        is_zero.where_(0.0, is_zero.where_(1.0, &squares).sqrt())
    }

    /// Vectors along axes, scaled to length 1: `x / sqrt(max(sum of squares, 1e-12))`, as
    /// `tf.math.l2_normalize`.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [x.l2_normalize(-1)]);
    /// assert_eq!(
    ///     f.run([&[[3.0_f32, 4.0], [0.0, 0.0]].into()])?[0],
    ///     Array::from([[0.6_f32, 0.8], [0.0, 0.0]])
    /// );
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn l2_normalize(&self, axes: impl AxisList) -> Tensor {
        let axes = &axes.to_axes();
        let x = self.float(Site::caller());
        let squares = x.square().sum_axes(axes).maximum(1e-12);
        &x / squares.sqrt().keep_dims(&x, axes)
    }

    /// `log(sum of e^x)` of all elements, without overflow.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [x.logsumexp()]);
    /// assert_eq!(f.run([&[1000.0_f32, 0.0].into()])?[0], Array::scalar(1000.0_f32));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn logsumexp(&self) -> Tensor {
        self.logsumexp_axes(self.all_axes())
    }

    /// `log(sum of e^x)` along axes, without overflow.
    #[track_caller]
    pub fn logsumexp_axes(&self, axes: impl AxisList) -> Tensor {
        let axes = &axes.to_axes();
        let x = self.float(Site::caller());
        let max = x.max_axes(axes).stop_gradient();
        // An infinite maximum would make inf - inf; the sum of the others does not matter then.
        let max = max.is_finite().where_(&max, 0.0);
        (&x - max.keep_dims(&x, axes)).exp().sum_axes(axes).log() + max
    }
}

/// Reductions whose axes stay with size 1, so that the result broadcasts against what was reduced.
macro_rules! keeping {
    ($($(#[$doc:meta])* $name:ident = $reduction:ident;)+) => {
        impl Tensor {
            $(
                $(#[$doc])*
                #[track_caller]
                pub fn $name(&self, axes: impl AxisList) -> Tensor {
                    let axes = &axes.to_axes();
                    self.$reduction(axes).keep_dims(self, axes)
                }
            )+
        }
    };
}

keeping! {
    /// [`sum_axes`](Self::sum_axes) with the axes kept, with size 1.
    sum_keep = sum_axes;
    /// [`mean_axes`](Self::mean_axes) with the axes kept, with size 1.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut centred = Function::new(|[x], _cx| [&x - x.mean_keep(-1)]);
    /// assert_eq!(
    ///     centred.run([&[[1.0_f32, 3.0], [5.0, 2.0]].into()])?[0],
    ///     Array::from([[-1.0_f32, 1.0], [1.5, -1.5]])
    /// );
    /// # Ok::<(), endo::Error>(())
    /// ```
    mean_keep = mean_axes;
    /// [`max_axes`](Self::max_axes) with the axes kept, with size 1.
    max_keep = max_axes;
    /// [`min_axes`](Self::min_axes) with the axes kept, with size 1.
    min_keep = min_axes;
    /// [`variance_axes`](Self::variance_axes) with the axes kept, with size 1.
    variance_keep = variance_axes;
    /// [`norm_axes`](Self::norm_axes) with the axes kept, with size 1.
    norm_keep = norm_axes;
    /// [`logsumexp_axes`](Self::logsumexp_axes) with the axes kept, with size 1.
    logsumexp_keep = logsumexp_axes;
}

/// Gradients of reductions. Extremes share theirs equally among ties, as TensorFlow's.
pub fn gradient(node: &Node, inputs: &[Tensor], y: &Tensor, dy: &Tensor) -> Vec<Option<Tensor>> {
    let Op::Reduce(reduction, axes) = &node.op else { unreachable!("called for reductions") };
    let x = &inputs[0];
    let spread = |t: &Tensor| t.reshape(x.shape().with_ones(axes)).expand(x.shape(), node.site);
    let dx = match reduction {
        Reduction::Sum => spread(dy),
        Reduction::Max | Reduction::Min => {
            let chosen = x.equal(spread(y)).convert(x.dtype(), node.site);
            let axes: Vec<isize> = axes.iter().map(|&axis| axis as isize).collect();
            let share = dy / chosen.sum_axes(&axes);
            chosen * spread(&share)
        }
        Reduction::Product => {
            // The product of the others, from both sides, is right also where an element is 0.
            let flat_axes: Vec<usize> = (0..x.rank())
                .filter(|axis| !axes.contains(axis))
                .chain(axes.iter().copied())
                .collect();
            let moved = x.permute(&flat_axes);
            let count: usize = axes.iter().map(|&axis| x.shape()[axis]).product();
            let rows = moved.reshape([x.shape().len() / count.max(1), count]);
            let before = rows.cumprod(-1, true, false);
            let after = rows.cumprod(-1, true, true);
            (before * after).reshape(moved.shape()).permute(&inverse(&flat_axes)) * spread(dy)
        }
    };
    vec![Some(dx)]
}
