//! Windows of images times a kernel, each channel by itself, without the windows in memory.
//!
//! In: two of an image `[batch, lengths.., channels]`, one number for each window
//! `[batch, counts.., channels]` and a kernel `[1 or batch, sizes.., channels]`. Out: the third.
//! The sum of products of all three is linear in each, so that each of the operations is the
//! gradient of the others.

use std::sync::Arc;

use crate::error::Error;
use crate::graph::windows::{all_windows, lie, one_for_each};
use crate::graph::{
    Form, Kernel, KernelReader, Operand, OperandMut, Tensor, Values, ValuesMut, Window,
};
use crate::shape::Shape;
use crate::simd::depthwise::{AXES, Sliding, SlidingAxis};
use crate::site::Site;

use super::window::{misfit, numbers, read, too_far};

/// Of an image and a kernel: the sum of each window times the kernel.
#[derive(Clone, Debug)]
struct Depthwise {
    windows: Vec<Window>,
}

/// Of numbers for windows and a kernel: the kernel times each number, added up where the windows
/// lie.
#[derive(Clone, Debug)]
struct DepthwiseAdd {
    windows: Vec<Window>,
}

/// Of an image and numbers for windows: the sum of all windows of a sample, each times its number.
#[derive(Clone, Debug)]
struct DepthwiseSums {
    windows: Vec<Window>,
}

impl Tensor {
    /// The sums of windows times a kernel, channel by channel: `[batch, lengths.., channels]` by
    /// `[sizes.., channels]` becomes `[batch, counts.., channels]`. What is outside counts as 0.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// use endo::ops::Window;
    /// let pairs = Window { size: 2, stride: 1, dilation: 1, before: 0, count: 2 };
    /// let mut f = Function::new(|[x, kernel], _cx| [x.depthwise(&kernel, &[pairs])]);
    /// let [differences] =
    ///     f.run([&[[[1.0_f32], [4.0], [9.0]]].into(), &[[-1.0_f32], [1.0]].into()])?;
    /// assert_eq!(differences, Array::from([[[3.0_f32], [5.0]]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Errors
    /// The trace's: if there is not one window for each axis between the first and the last, of
    /// which there are three at most, if a size, stride or dilation is 0, or the kernel is of
    /// another shape.
    #[track_caller]
    pub fn depthwise(&self, kernel: &Tensor, windows: &[Window]) -> Tensor {
        let site = Site::caller();
        let shape = one_for_each(windows, self.shape());
        if let Some(error) = misfit("depthwise", windows, windows.len() + 2, self.shape()) {
            return self.fail(error, shape, site);
        }
        if !lie(windows, self.shape(), &all_windows(windows, self.shape())) {
            return self.fail(too_far("depthwise", windows), shape, site);
        }
        if windows.len() > AXES {
            let message = format!("`depthwise` over {} axes", windows.len());
            let help = "there are three at most: reshape those that are not filtered to one";
            return self.fail(Error::argument(message, help), shape, site);
        }
        let sizes = kernel_shape(1, windows, self.features());
        if kernel.shape()[..] != sizes[1..] {
            let message = format!(
                "`depthwise` of a tensor of shape {} by a kernel of shape {}",
                self.shape(),
                kernel.shape()
            );
            let help = format!(
                "the kernel has an element for each element of a window and channel, in shape {}",
                Shape::from(&sizes[1..])
            );
            return self.fail(Error::shape(message, help), shape, site);
        }
        let dtype = self.dtype().promote(kernel.dtype()).promote(crate::dtype::DType::F32);
        let (image, kernel) = (self.convert(dtype, site), kernel.convert(dtype, site));
        image.depthwise_by(&kernel.reshape(sizes), windows, site)
    }

    /// This image times a kernel.
    fn depthwise_by(&self, kernel: &Tensor, windows: &[Window], site: Site) -> Tensor {
        let shape = one_for_each(windows, self.shape());
        let operation = Depthwise { windows: windows.to_vec() };
        self.push(operation, &[self, kernel], shape, self.dtype(), site)
    }

    /// These numbers for windows times a kernel, in an image of a shape.
    fn depthwise_add(
        &self,
        kernel: &Tensor,
        windows: &[Window],
        image: &Shape,
        site: Site,
    ) -> Tensor {
        let operation = DepthwiseAdd { windows: windows.to_vec() };
        self.push(operation, &[self, kernel], image.clone(), self.dtype(), site)
    }

    /// The windows of this image times numbers: a kernel, or one for each sample.
    fn depthwise_sums(
        &self,
        numbers: &Tensor,
        windows: &[Window],
        kernels: usize,
        site: Site,
    ) -> Tensor {
        let operation = DepthwiseSums { windows: windows.to_vec() };
        let of_samples = kernel_shape(self.batch(), windows, self.features());
        let sums = self.push(operation, &[self, numbers], of_samples, self.dtype(), site);
        if kernels == self.batch() {
            return sums;
        }
        sums.sum_axes([0]).reshape(kernel_shape(kernels, windows, self.features()))
    }
}

/// The shape of kernels.
fn kernel_shape(kernels: usize, windows: &[Window], channels: usize) -> Shape {
    let sizes = windows.iter().map(|window| window.size);
    [kernels].into_iter().chain(sizes).chain([channels]).collect()
}

/// Whether these are the shapes of an image, of one number for each window and of kernels, and all
/// are of one type of floats.
fn fit(windows: &[Window], image: Form<'_>, numbers: Form<'_>, kernel: Form<'_>) -> bool {
    let all = all_windows(windows, image.0);
    let kernels = kernel.0.first().copied().unwrap_or(0);
    windows.len() <= AXES
        && image.0.rank() == windows.len() + 2
        && lie(windows, image.0, &all)
        && *numbers.0 == one_for_each(windows, image.0)
        && (kernels == 1 || kernels == image.0.batch())
        && *kernel.0 == kernel_shape(kernels, windows, image.0.features())
        && image.1.is_float()
        && image.1 == numbers.1
        && image.1 == kernel.1
}

/// The windows over an image.
fn sliding(windows: &[Window], image: &Shape) -> Sliding {
    let along = |(window, &length): (&Window, &usize)| {
        let &Window { size, stride, dilation, before, count } = window;
        SlidingAxis { size, dilation, count, stride, before, length }
    };
    let mut axes = [SlidingAxis::ONE; AXES];
    for (axis, pair) in axes.iter_mut().zip(windows.iter().zip(&image[1..])) {
        *axis = along(pair);
    }
    Sliding::new(&axes[..windows.len()], image.batch(), image.features())
}

/// Runs a method of [`Sliding`] on operands of either type of floats.
macro_rules! run {
    ($sliding:expr, $method:ident, $inputs:expr, $output:expr) => {
        match ($inputs[0].values, $inputs[1].values, $output.values) {
            (Values::F32(a), Values::F32(b), ValuesMut::F32(to)) => $sliding.$method(a, b, to),
            (Values::F64(a), Values::F64(b), ValuesMut::F64(to)) => $sliding.$method(a, b, to),
            _ => unreachable!("inputs and output are floats of one type"),
        }
    };
}

impl Kernel for Depthwise {
    fn name(&self) -> &'static str {
        "depthwise"
    }

    fn run(&self, inputs: &[Operand<'_>], output: OperandMut<'_>) {
        run!(sliding(&self.windows, inputs[0].shape), filter, inputs, output);
    }

    fn gradient(&self, inputs: &[Tensor], _: &Tensor, dy: &Tensor) -> Vec<Option<Tensor>> {
        let [x, kernel] = inputs else { unreachable!("two inputs") };
        let (windows, site) = (&self.windows, Site::caller());
        vec![
            Some(dy.depthwise_add(kernel, windows, x.shape(), site)),
            Some(x.depthwise_sums(dy, windows, kernel.batch(), site)),
        ]
    }

    fn attributes(&self) -> Vec<i64> {
        numbers(&self.windows).collect()
    }

    fn by_samples(&self) -> bool {
        true
    }

    fn fits(&self, inputs: &[Form<'_>], output: Form<'_>) -> bool {
        let &[image, kernel] = inputs else { return false };
        fit(&self.windows, image, output, kernel)
    }
}

impl Kernel for DepthwiseAdd {
    fn name(&self) -> &'static str {
        "depthwise_add"
    }

    fn run(&self, inputs: &[Operand<'_>], output: OperandMut<'_>) {
        run!(sliding(&self.windows, output.shape), spread, inputs, output);
    }

    fn gradient(&self, inputs: &[Tensor], _: &Tensor, dy: &Tensor) -> Vec<Option<Tensor>> {
        let [numbers, kernel] = inputs else { unreachable!("two inputs") };
        let (windows, site) = (&self.windows, Site::caller());
        vec![
            Some(dy.depthwise_by(kernel, windows, site)),
            Some(dy.depthwise_sums(numbers, windows, kernel.batch(), site)),
        ]
    }

    fn attributes(&self) -> Vec<i64> {
        numbers(&self.windows).collect()
    }

    fn by_samples(&self) -> bool {
        true
    }

    fn fits(&self, inputs: &[Form<'_>], output: Form<'_>) -> bool {
        let &[numbers, kernel] = inputs else { return false };
        fit(&self.windows, output, numbers, kernel)
    }
}

impl Kernel for DepthwiseSums {
    fn name(&self) -> &'static str {
        "depthwise_sums"
    }

    fn run(&self, inputs: &[Operand<'_>], output: OperandMut<'_>) {
        run!(sliding(&self.windows, inputs[0].shape), correlate, inputs, output);
    }

    fn gradient(&self, inputs: &[Tensor], _: &Tensor, dy: &Tensor) -> Vec<Option<Tensor>> {
        let [x, numbers] = inputs else { unreachable!("two inputs") };
        let (windows, site) = (&self.windows, Site::caller());
        vec![
            Some(numbers.depthwise_add(dy, windows, x.shape(), site)),
            Some(x.depthwise_by(dy, windows, site)),
        ]
    }

    fn attributes(&self) -> Vec<i64> {
        numbers(&self.windows).collect()
    }

    fn by_samples(&self) -> bool {
        true
    }

    fn fits(&self, inputs: &[Form<'_>], output: Form<'_>) -> bool {
        let &[image, numbers] = inputs else { return false };
        let of_samples = output.0.first() == image.0.first();
        of_samples && fit(&self.windows, image, numbers, output)
    }
}

/// The kernels of this file in saved graphs.
pub(super) static READERS: &[KernelReader] = &[
    KernelReader::new("depthwise", |attributes| {
        Some(Arc::new(Depthwise { windows: read(attributes)? }))
    }),
    KernelReader::new("depthwise_add", |attributes| {
        Some(Arc::new(DepthwiseAdd { windows: read(attributes)? }))
    }),
    KernelReader::new("depthwise_sums", |attributes| {
        Some(Arc::new(DepthwiseSums { windows: read(attributes)? }))
    }),
];
