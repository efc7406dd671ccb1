//! Tables of which a step looks up a few rows, updated by these rows alone: no gradient as large as
//! the table is made.
//!
//! In: gradients as they come; that of a table is a sum of rows by number. Out: the numbers of the
//! rows that were used, each once, with the gradient of each; and variables by these rows.

use crate::dtype::DType;
use crate::error::{Error, ErrorKind};
use crate::graph::{Op, Tensor};
use crate::site::Site;
use crate::trace::Context;
use crate::variable::Variable;

use super::{Optimizer, Settings};

/// A table has at least this many times the rows that are looked up, or is updated as a whole.
const SHARE: usize = 4;

/// The rows of a table that a step uses.
pub(super) struct UsedRows {
    /// Their numbers, `[n]`: each once; the number of all rows, of which there is no row, where
    /// there are fewer.
    numbers: Tensor,
}

impl UsedRows {
    /// The rows that a gradient is a sum of, and the gradient of each, if it is made of few.
    pub fn of(gradient: &Tensor) -> Option<(Self, Tensor)> {
        let mut numbers = Vec::new();
        collect(gradient, &mut numbers)?;
        let (count, rows) = (numbers.iter().map(Tensor::batch).sum::<usize>(), gradient.batch());
        if count == 0 || count.saturating_mul(SHARE) > rows {
            return None;
        }
        let (used, places) = distinct(&Tensor::concatenate(&numbers, 0), rows as i32);
        let sums = summed(gradient, &places, &mut 0, count)?;
        Some((Self { numbers: used }, sums))
    }

    /// The rows of a variable.
    pub fn of_whole(&self, whole: &Tensor) -> Tensor {
        whole.gather(&self.numbers, 0)
    }

    /// A variable with these rows in the place of its own.
    pub fn put(&self, whole: &Tensor, rows: &Tensor) -> Tensor {
        whole.scatter_update(&self.numbers, rows)
    }
}

/// Whether the rows of a weight that a step does not use may be left as they are.
pub(super) fn may_be_left<O: Optimizer + ?Sized>(
    optimizer: &O,
    weight: &Variable,
    cx: &Context,
) -> bool {
    let settings = optimizer.settings();
    optimizer.leaves_unused_rows()
        && settings.gradient_accumulation_steps.is_none()
        && settings.ema().is_none()
        && (settings.is_lazy || settings.decay(weight).is_none())
        && cx.constraint(weight).is_none()
}

/// What is wrong with an optimizer that is to be lazy, if anything.
pub(super) fn problem<O: Optimizer + ?Sized>(optimizer: &O) -> Option<Error> {
    let settings: &Settings = optimizer.settings();
    let (message, help) = if !settings.is_lazy {
        return None;
    } else if !optimizer.leaves_unused_rows() {
        (
            "the optimizer cannot be lazy: what it does to a row depends on all rows",
            "leave `lazy` out, or take an optimizer such as Adam",
        )
    } else if settings.ema().is_some() || settings.gradient_accumulation_steps.is_some() {
        (
            "a lazy optimizer was given `use_ema` or `gradient_accumulation_steps`, which change \
                all rows in each step",
            "leave `lazy` out, or the other",
        )
    } else {
        return None;
    };
    Some(Error::new(ErrorKind::Argument, message).help(help))
}

/// The values and numbers of a sum of rows, each along one axis.
fn scattered(gradient: &Tensor) -> Option<[Tensor; 2]> {
    let trace = gradient.trace();
    let node = trace.node(gradient.id());
    let Op::Kernel(kernel) = &node.op else { return None };
    if kernel.name() != "scatter_add" || kernel.attributes()[..2] != [0, 0] {
        return None;
    }
    let [values, numbers] = [0, 1].map(|input| trace.tensor(node.inputs[input].0));
    let (values, numbers) = (values?, numbers?);
    let count = numbers.shape().len();
    let rows: Vec<usize> = [count].iter().chain(&gradient.shape()[1..]).copied().collect();
    Some([values.reshape(rows), numbers.reshape([count])])
}

/// The terms of a gradient that is a sum.
fn terms(gradient: &Tensor) -> Option<[Tensor; 2]> {
    let trace = gradient.trace();
    let node = trace.node(gradient.id());
    let is_sum = matches!(&node.op, Op::Elementwise(operation) if operation.is_sum());
    let [left, right] = node.inputs[..].try_into().ok().filter(|_: &[_; 2]| is_sum)?;
    Some([trace.tensor(left.0)?, trace.tensor(right.0)?])
}

/// Adds the numbers of all rows that a gradient is a sum of.
fn collect(gradient: &Tensor, numbers: &mut Vec<Tensor>) -> Option<()> {
    if let Some([_, of_rows]) = scattered(gradient) {
        numbers.push(of_rows);
        return Some(());
    }
    terms(gradient)?.iter().try_for_each(|term| collect(term, numbers))
}

/// The gradient at the places of its rows, added in the order in which the whole would be.
fn summed(gradient: &Tensor, places: &Tensor, first: &mut usize, count: usize) -> Option<Tensor> {
    if let Some([values, _]) = scattered(gradient) {
        let own = *first..*first + values.batch();
        *first = own.end;
        return Some(values.segment_sum(&places.slice(0, own), count));
    }
    let [left, right] = terms(gradient)?;
    Some(summed(&left, places, first, count)? + summed(&right, places, first, count)?)
}

/// Numbers of rows, each once and those of no row behind them, and where each number is among them.
fn distinct(numbers: &Tensor, rows: i32) -> (Tensor, Tensor) {
    let (site, count) = (Site::caller(), numbers.batch());
    let numbers = numbers.less(0).where_(numbers + rows, numbers);
    let order = numbers.argsort(0, false);
    let sorted = numbers.gather(&order, 0);
    let begins = sorted.slice(0, 1..).not_equal(sorted.slice(0, ..count - 1));
    let first = numbers.trace().constant_from_fn([1], |_| true, site);
    let begins = Tensor::concatenate(&[first, begins], 0);
    let place = begins.cast(DType::I32).cumsum(0) - 1;
    let firsts = begins.where_(sorted, 0).segment_sum(&place, count);
    let own = numbers.trace().constant_from_fn([count], |place| place as i32, site);
    let used = own.less_equal(place.slice(0, count - 1..));
    (used.where_(firsts, rows), place.segment_sum(&order, count))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::array::Array;
    use crate::optimizers::{self, Sgd};
    use crate::trace::{Function, Gradients};

    const ROWS: usize = 97;
    const COLUMNS: usize = 3;

    /// The weight and the slots after steps on a table that is looked up twice, by numbers of which
    /// some are given again and one is counted from the end; and the last plan. The gradient is
    /// that of the whole table if it is `dense`.
    fn trained(optimizer: &Arc<dyn Optimizer>, dense: bool) -> (Vec<Vec<f64>>, String) {
        let table =
            Variable::new("table", Array::from_fn([ROWS, COLUMNS], |i| (i as f32 * 0.7).sin()));
        let mut step = Function::new(|[numbers, others], cx| {
            let (read, weights) = (cx.read(&table), [&table]);
            let found = read.gather(&numbers, 0).exp().sum();
            let loss = found + (read.gather(&others, 0) * 0.3).square().sum();
            let gradients = cx.gradients(&loss, weights);
            let gradient = gradients.of(&table).unwrap();
            let gradient = if dense { gradient * 1.0 } else { gradient.clone() };
            optimizer.apply(&Gradients::new([(table.clone(), Some(gradient))]), cx);
            []
        });
        let batches: [[Array; 2]; 3] = [
            [[[5, 9], [5, 96]].into(), [5, 7, 5, -1].into()],
            [[[0, 0], [0, 0]].into(), [3, 4, 5, 6].into()],
            [[[8, 7], [9, -2]].into(), [95, 8, 9, 10].into()],
        ];
        for [numbers, others] in &batches {
            step.run([numbers, others]).unwrap();
        }
        let plan = step.program([&batches[0][0], &batches[0][1]]).unwrap().plan().to_string();
        let slots = optimizer.settings().variables().into_iter();
        let all = slots.chain([table.clone()]).map(|variable| variable.value().to_vec::<f64>());
        (all.collect(), plan)
    }

    #[test]
    fn rows_alone_get_the_bits_of_the_whole_table() {
        let options = [
            "sgd(0.1)",
            "sgd(0.1, clipnorm=0.5)",
            "sgd(0.1, clipvalue=0.25, loss_scale_factor=8)",
            "adagrad(0.1)",
        ];
        for text in options {
            let [(rows, by_rows), (whole, at_once)] =
                [false, true].map(|dense| trained(&optimizers::get(text).unwrap(), dense));
            assert!(rows == whole, "{text}: {rows:?}\n{whole:?}");
            let is_by_rows = |plan: &str| plan.contains("scatter_update");
            assert!(is_by_rows(&by_rows) && !is_by_rows(&at_once), "{text}: {by_rows}");
        }
    }

    #[test]
    fn what_changes_all_rows_is_given_all() {
        let options = [
            "adam(0.1)",
            "sgd(0.1, momentum=0.5)",
            "sgd(0.1, weight_decay=0.1)",
            "sgd(0.1, use_ema=true)",
            "adagrad(0.1, epsilon=0)",
        ];
        for text in options {
            let (_, plan) = trained(&optimizers::get(text).unwrap(), false);
            assert!(!plan.contains("scatter_update"), "{text}: {plan}");
        }
    }

    #[test]
    fn a_lazy_optimizer_leaves_rows_that_are_not_used() {
        for name in ["adam", "adamw", "nadam", "adamax", "rmsprop", "adadelta", "lion", "ftrl"] {
            let optimizer = optimizers::get(&format!("{name}(0.1, lazy=true)")).unwrap();
            let (lazy, plan) = trained(&optimizer, false);
            assert!(plan.contains("scatter_update"), "{name}: {plan}");
            let (whole, _) = trained(&optimizers::get(&format!("{name}(0.1)")).unwrap(), true);
            let first = |value: usize, row: usize| {
                [&lazy, &whole].map(|all| all[value][row * COLUMNS..][..COLUMNS].to_vec())
            };
            let table = lazy.len() - 1;
            let start: Vec<f64> =
                (0..COLUMNS).map(|i| f64::from(((20 * COLUMNS + i) as f32 * 0.7).sin())).collect();
            assert_eq!(first(table, 20)[0], start, "{name}: a row that nobody looked up");
            // What the last step alone used is moved by a whole step, in both.
            assert_ne!(first(table, 10)[0], first(table, 20)[0], "{name}");
            assert_ne!(lazy, whole, "{name}");
        }
    }

    #[test]
    fn tables_of_which_most_rows_are_used_are_updated_as_a_whole() {
        let gradient_of = |rows: usize| {
            let table = Variable::new("table", Array::zeros([rows, 2], DType::F32));
            let mut step = Function::new(|[numbers], cx| {
                let loss = cx.read(&table).gather(&numbers, 0).exp().sum();
                let gradients = cx.gradients(&loss, [&table]);
                Sgd::new(0.1).apply(&gradients, cx);
                []
            });
            step.run([&[1, 2, 1].into()]).unwrap();
            let plan = step.program([&[1, 2, 1].into()]).unwrap().plan();
            (plan.to_string().contains("scatter_update"), plan.arena_bytes())
        };
        assert_eq!([11, 12, 13].map(|rows| gradient_of(rows).0), [false, true, true]);
        let [few, many] = [1_000, 1_000_000].map(|rows| gradient_of(rows).1);
        assert_eq!(few, many, "the memory of a step does not depend on the table");
    }

    #[test]
    fn what_cannot_be_lazy_says_so() {
        let refused = |text: &str| {
            let table = Variable::new("table", Array::zeros([100, 2], DType::F32));
            let optimizer = optimizers::get(text).unwrap();
            let mut step = Function::new(|[numbers], cx| {
                let loss = cx.read(&table).gather(&numbers, 0).exp().sum();
                let gradients = cx.gradients(&loss, [&table]);
                optimizer.apply(&gradients, cx);
                []
            });
            step.run([&[1].into()]).unwrap_err().to_string()
        };
        assert!(refused("adafactor(0.1, lazy=true)").contains("cannot be lazy"));
        assert!(refused("adam(0.1, lazy=true, use_ema=true)").contains("`use_ema`"));
        let message = refused("sgd(0.1, lazy=true, gradient_accumulation_steps=2)");
        assert!(message.contains("`gradient_accumulation_steps`"), "{message}");
    }

    #[test]
    fn a_gradient_that_is_not_finite_changes_no_row() {
        let table = Variable::new("table", Array::full([100, 2], 400.0, DType::F32));
        let mut step = Function::new(|[numbers], cx| {
            let loss = cx.read(&table).gather(&numbers, 0).exp().sum();
            let gradients = cx.gradients(&loss, [&table]);
            Sgd::new(0.1).apply(&gradients, cx);
            []
        });
        let error = step.run([&[1, 5].into()]).unwrap_err();
        assert!(error.message().contains("the gradient of `table` is not finite"), "{error}");
        assert_eq!(table.value(), Array::full([100, 2], 400.0, DType::F32));
    }
}
