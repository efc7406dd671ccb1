//! Loops whose steps treat each row by itself, such as a recurrent layer's, cut into parts of the
//! rows: threads run them from the first step to the last without waiting for each other.
//!
//! In: the plan of a step. Out: a plan for each part of the rows, which computes the same bits.

use std::ops::Range;
use std::sync::Arc;

use crate::plan::layout::{Axis, Layout};
use crate::plan::{Action, Argument, Buffer, BufferPlace, Call, FusedLoop, Matrix, Plan, Product};

use crate::simd::Level;

use super::cost::Cost;
use super::estimate::step_cost;
use super::product::matmul;

/// A part has at least this many rows: with fewer, a product reads its second operand for too
/// little work.
const LEAST_ROWS: usize = 8;

/// The plans of a step for equal parts of its rows, which `threads` threads are to run; nothing
/// where a row depends on others, or where threads do more by sharing each product. The inputs from
/// 1 to `states` are what the step before has made, and have as many rows as every output.
pub fn row_parts(
    body: &Plan,
    states: usize,
    rows: usize,
    threads: usize,
) -> Option<Box<[Arc<Plan>]>> {
    let mut is_own = vec![false; body.buffers.len()];
    for buffer in body.steps.iter().flat_map(|step| step.writes()) {
        is_own[buffer] = true;
    }
    for (buffer, is_own) in body.buffers.iter().zip(&mut is_own) {
        let is_state = |input| (1..=states).contains(&input);
        *is_own |= matches!(buffer.place, BufferPlace::Input(input) if is_state(input));
    }
    let level = Level::detect();
    let costs: Vec<Cost> =
        body.steps.iter().map(|step| step_cost(step, &body.buffers, level)).collect();
    let alone: Cost = costs.iter().copied().sum();
    let shared: Cost = costs.iter().map(|cost| cost.on(cost.team(threads))).sum();
    let is_worth = |&parts: &usize| {
        let is_possible = rows.is_multiple_of(parts) && rows / parts >= LEAST_ROWS;
        is_possible && alone.of_part(parts) <= shared
    };
    let cut = |parts: usize| {
        let part = |number| {
            let part = RowPart { body, is_own: &is_own, rows, first: number * rows / parts };
            part.plan(rows / parts).map(Arc::new)
        };
        (0..parts).map(part).collect()
    };
    (2..=threads).rev().filter(is_worth).find_map(cut)
}

/// A part of the rows. What steps write and states hold has the rows of the part alone; all else
/// has all rows, or none.
struct RowPart<'a> {
    body: &'a Plan,
    /// The buffers that have the rows of the part alone.
    is_own: &'a [bool],
    /// All rows.
    rows: usize,
    /// The first of the part.
    first: usize,
}

impl RowPart<'_> {
    /// The plan for this many rows.
    fn plan(&self, count: usize) -> Option<Plan> {
        let mut plan = self.body.clone();
        for (buffer, _) in plan.buffers.iter_mut().zip(self.is_own).filter(|(_, own)| **own) {
            buffer.length = self.per_row(buffer.length)? * count;
        }
        for step in &mut plan.steps {
            match &mut step.action {
                Action::Loop(body) => self.cut_loop(body, count)?,
                Action::Product(product) => self.cut_product(&plan.buffers, product, count)?,
                Action::Call(call) => self.cut_call(call, count)?,
                Action::Guard(_) | Action::Update(_) | Action::Windowed(_) | Action::Scan(_) => {
                    return None;
                }
            }
        }
        for output in &mut plan.outputs {
            let shape = &mut output.signature.shape;
            let is_whole =
                output.offset == 0 && self.body.buffers[output.buffer].length == shape.len();
            if !self.is_own[output.buffer] || !is_whole || shape.first() != Some(&self.rows) {
                return None;
            }
            *shape = [count].iter().chain(&shape[1..]).copied().collect();
        }
        Some(plan)
    }

    /// How many of a number of elements belong to a row, if all rows have as many.
    fn per_row(&self, elements: usize) -> Option<usize> {
        elements.is_multiple_of(self.rows).then(|| elements / self.rows)
    }

    fn cut_loop(&self, body: &mut FusedLoop, count: usize) -> Option<()> {
        let is_by_rows = body.reduces.is_empty() && body.repeats.is_empty();
        if !is_by_rows || body.stores.iter().any(|store| !self.is_own[store.buffer]) {
            return None;
        }
        for load in &mut body.loads {
            load.layout = self.cut_layout(load.buffer, &load.layout, count)?;
        }
        body.length = self.per_row(body.length)? * count;
        Some(())
    }

    /// What a loop reads of a buffer for the part's rows.
    fn cut_layout(&self, buffer: usize, layout: &Layout, count: usize) -> Option<Layout> {
        let (outer, others) = layout.axes.split_first()?;
        let size = self.per_row(outer.size)?;
        let row = Axis { size: count, stride: outer.stride * size as isize };
        let inner = [Axis { size, stride: outer.stride }];
        let of_row = || inner.iter().chain(others);
        let mut offset = layout.offset;
        if self.is_own[buffer] {
            let reach = |axis: &Axis| axis.stride * (axis.size as isize - 1);
            let before: isize = of_row().map(|axis| reach(axis).min(0)).sum();
            let after: isize = of_row().map(|axis| reach(axis).max(0)).sum();
            let first = offset as isize;
            if !self.stays_in_row(buffer, row.stride, first + before..first + after + 1) {
                return None;
            }
        } else {
            offset = offset.checked_add_signed(row.stride * self.first as isize)?;
        }
        Some(Layout::new(offset, [row].iter().chain(of_row()).copied()))
    }

    /// Whether rows that lie this far apart are those of the buffer, and the elements that are read
    /// for the first one lie within it.
    fn stays_in_row(&self, buffer: usize, distance: isize, elements: Range<isize>) -> bool {
        let length = self.per_row(self.body.buffers[buffer].length).map(|length| length as isize);
        length.is_some_and(|length| {
            distance == length && elements.start >= 0 && elements.end <= length
        })
    }

    fn cut_call(&self, call: &mut Call, count: usize) -> Option<()> {
        if !call.kernel.by_samples() || call.kernel.effect().is_some() {
            return None;
        }
        for Argument { buffer, offset, shape } in call.inputs.iter_mut().chain([&mut call.output]) {
            let elements = shape.len();
            if shape.first() != Some(&self.rows) {
                return None;
            }
            *shape = [count].iter().chain(&shape[1..]).copied().collect();
            if !self.is_own[*buffer] {
                *offset += self.per_row(elements)? * self.first;
            } else if *offset != 0 || elements != self.body.buffers[*buffer].length {
                return None;
            }
        }
        Some(())
    }

    fn cut_product(&self, buffers: &[Buffer], product: &mut Product, count: usize) -> Option<()> {
        let Product { batch, sizes: [rows, terms, _], left, right, bias, .. } = product;
        let of_row = self.per_row(*rows)?;
        let reads_others =
            self.is_own[right.buffer] || bias.is_some_and(|(buffer, _)| self.is_own[buffer]);
        if !batch.is_empty() || reads_others {
            return None;
        }
        let &mut Matrix { buffer, ref mut offset, strides: [row, term], .. } = left;
        let distance = row * of_row as isize;
        if self.is_own[buffer] {
            let reach = row * (of_row as isize - 1) + term * (*terms as isize - 1);
            let is_forwards = row >= 0 && term >= 0 && *terms > 0 && of_row > 0;
            let first = *offset as isize;
            if !is_forwards || !self.stays_in_row(buffer, distance, first..first + reach + 1) {
                return None;
            }
        } else {
            *offset = offset.checked_add_signed(distance * self.first as isize)?;
        }
        let size = buffers[product.output].dtype.bytes();
        let whole = matmul(product);
        product.sizes[0] = of_row * count;
        matmul(product).sums_as(&whole, size).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    /// Into how many parts the steps of the only loop of a closure over 12 steps of 24 rows are
    /// cut, for a number of threads.
    fn parts(threads: usize, step: impl Fn(&Tensor, &Tensor, &Tensor) -> Tensor) -> usize {
        let x = Array::from_fn([12, 24, 6], |i| (i as f32).sin());
        let mut f = Function::new(|[x], cx| {
            let kernel = cx.constant(Array::from_fn([6, 6], |i| (i as f32).cos() / 6.0));
            let first = x.slice(0, 0..1).reshape([24, 6]).zeros_like();
            let step = |h: Tensor, x: Tensor, _: &mut Context| {
                let h = step(&h, &x, &kernel);
                (h.clone(), h)
            };
            [cx.scan(first, &x, step).1]
        });
        f.run([&x]).unwrap();
        let program = f.program([&x]).unwrap();
        let scan = program.plan().steps.iter().find_map(|step| match &step.action {
            Action::Scan(scan) => Some(scan),
            _ => None,
        });
        let scan = scan.expect("a loop");
        row_parts(&scan.body, scan.states.len(), 24, threads).map_or(1, |parts| parts.len())
    }

    #[test]
    fn steps_that_treat_each_row_by_itself_are_cut() {
        let recurrence = |h: &Tensor, x: &Tensor, kernel: &Tensor| {
            let z = x.matmul(kernel) + h.matmul(kernel);
            z.slice(1, 2..3).sigmoid() * x.flip(1) + (z * x).tanh()
        };
        let got = [1, 2, 3, 4].map(|threads| parts(threads, recurrence));
        // A part has 8 rows at least.
        assert_eq!(got, [1, 2, 3, 3]);
    }

    #[test]
    fn recurrent_layers_are_cut_forwards_and_backwards() {
        fn check(layer: impl Layer + 'static) {
            let mut model = Model::new(Sequential::new().add(layer).add(Dense::new(1)));
            model.compile(Adam::default(), MeanSquaredError, ());
            let x = Array::from_fn([16, 5, 4], |i| (i as f32).sin());
            let data = Dataset::new(x, Array::from_fn([16, 1], |i| i as f32)).unwrap();
            let program = model.training_program(&data).unwrap();
            let mut loops = 0;
            for step in &program.plan().steps {
                if let Action::Scan(scan) = &step.action {
                    let parts = row_parts(&scan.body, scan.states.len(), 16, 2);
                    assert!(parts.is_some(), "{}", scan.body);
                    loops += 1;
                }
            }
            assert_eq!(loops, 2);
        }
        check(Lstm::new(24).recurrent_dropout(0.3));
        check(Gru::new(24));
        check(SimpleRnn::new(24));
    }

    #[test]
    fn steps_in_which_rows_meet_are_not() {
        let sum = |h: &Tensor, x: &Tensor, _: &Tensor| h + x.tanh() + h.sum_axes([0]);
        let neighbours = |h: &Tensor, x: &Tensor, _: &Tensor| h.flip(0).tanh() + x;
        let products = |h: &Tensor, x: &Tensor, kernel: &Tensor| {
            x.matmul(kernel).matmul(&h.transpose()).matmul(h).tanh()
        };
        let first = |h: &Tensor, x: &Tensor, _: &Tensor| x + h.slice(0, 0..1).tanh();
        assert_eq!(parts(2, sum), 1);
        assert_eq!(parts(2, neighbours), 1);
        assert_eq!(parts(2, products), 1);
        assert_eq!(parts(2, first), 1);
    }
}
