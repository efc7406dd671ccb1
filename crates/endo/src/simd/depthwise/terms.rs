//! What each output is made of along one axis.
//!
//! In: how windows lie. Out: for a window the positions of its elements, or for a position of the
//! image the windows that it is in.

use super::SlidingAxis;

/// What an output is made of along one axis: elements of the kernel at equal distances, and
/// positions of the input at equal distances.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub count: usize,
    /// The first element of the kernel, and the position of the input that goes with it.
    pub element: usize,
    pub from: usize,
    /// How many outputs from this one on, [`Along::apart`] from each other, have the same elements.
    pub outputs: usize,
}

/// An axis, from windows to positions of the image or the other way around.
#[derive(Clone, Copy, Debug)]
pub(super) struct Along {
    pub axis: SlidingAxis,
    /// Whether outputs are positions of the image, and inputs windows.
    turned: bool,
    pub outputs: usize,
    pub inputs: usize,
    /// The distances from one term to the next, in the kernel and in the input.
    pub element_step: usize,
    pub from_step: isize,
    /// The distance between outputs of the same elements, and that between their inputs.
    pub apart: usize,
    pub from_apart: usize,
}

impl Along {
    pub fn new(axis: SlidingAxis, turned: bool) -> Self {
        let SlidingAxis { dilation, count, stride, length, .. } = axis;
        if !turned {
            let (outputs, inputs, from_step) = (count, length, dilation as isize);
            let (apart, from_apart) = (1, stride);
            return Self {
                axis,
                turned,
                outputs,
                inputs,
                element_step: 1,
                from_step,
                apart,
                from_apart,
            };
        }
        let divisor = greatest_divisor(stride, dilation);
        Self {
            axis,
            turned,
            outputs: length,
            inputs: count,
            element_step: stride / divisor,
            from_step: -((dilation / divisor) as isize),
            apart: stride,
            from_apart: 1,
        }
    }

    pub fn terms(&self, output: usize) -> Terms {
        if self.turned { self.terms_of_position(output) } else { self.terms_of_window(output) }
    }

    fn terms_of_window(&self, output: usize) -> Terms {
        let SlidingAxis { size, dilation, stride, before, length, .. } = self.axis;
        let start = output * stride;
        let reach = |position: usize| position.saturating_sub(start).div_ceil(dilation).min(size);
        let end = reach(before + length);
        let first = reach(before).min(end);
        let last = (size - 1) * dilation;
        let outputs = if (first, end) == (0, size) {
            (length + before - 1 - last) / stride + 1 - output
        } else {
            1
        };
        let from = if first < end { start + first * dilation - before } else { 0 };
        Terms { count: end - first, element: first, from, outputs }
    }

    fn terms_of_position(&self, output: usize) -> Terms {
        let SlidingAxis { size, dilation, count, stride, before, .. } = self.axis;
        // Element `i` of window `n` is here where `n * stride + i * dilation` is this.
        let reach = output + before;
        let last = (reach / dilation).min(size - 1);
        let least = (reach + 1).saturating_sub(count * stride).div_ceil(dilation);
        let mut elements = (least..=last).take(self.element_step);
        let fits = |&element: &usize| (reach - element * dilation).is_multiple_of(stride);
        let Some(element) = elements.find(fits) else {
            return Terms { count: 0, element: 0, from: 0, outputs: 1 };
        };
        let terms = (last - element) / self.element_step + 1;
        let from = (reach - element * dilation) / stride;
        let is_whole = element < self.element_step && element + terms * self.element_step >= size;
        let outputs = if is_whole { count - from } else { 1 };
        Terms { count: terms, element, from, outputs }
    }
}

fn greatest_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_divisor(b, a % b) }
}
