//! Tables of which a step looks up a few rows, updated by these rows alone: no gradient as large as
//! the table is made.
//!
//! In: gradients as they come; that of a table is a sum of rows by number. Out: the numbers of the
//! rows that were used, each once, with the gradient of each; and variables by these rows.

use crate::dtype::DType;
use crate::error::Error;
use crate::graph::{Op, Tensor};
use crate::ops::in_range;
use crate::shape::Shape;
use crate::site::Site;
use crate::trace::Context;
use crate::variable::Variable;

use super::Optimizer;
use super::settings::Clip;

/// A table has at least this many times the rows that are looked up, or is updated as a whole,
/// unless the optimizer is lazy.
const SHARE: usize = 4;

/// The rows of a table that a step uses.
pub(super) struct UsedRows {
    /// Their numbers, `[n]`: each once; the number of all rows, of which there is no row, where
    /// there are fewer.
    numbers: Tensor,
}

impl UsedRows {
    /// The rows that a gradient is a sum of, and the gradient of each; none where all rows are to
    /// be updated.
    pub fn of<O: Optimizer + ?Sized>(
        optimizer: &O,
        weight: &Variable,
        gradient: &Tensor,
        cx: &Context,
    ) -> Option<(Self, Tensor)> {
        if !optimizer.leaves_unused_rows() {
            return None;
        }
        let is_lazy = optimizer.settings().is_lazy;
        let mut numbers = Vec::new();
        let found = is_possible(optimizer, weight, cx)
            .then(|| collect(gradient, &mut numbers))
            .flatten()
            .map(|()| numbers.iter().map(Tensor::batch).sum::<usize>())
            .filter(|&count| count > 0);
        let Some(count) = found else {
            if is_lazy {
                warn_of_all_rows(weight, gradient, cx);
            }
            return None;
        };
        let rows = gradient.batch();
        if !is_lazy && count.saturating_mul(SHARE) > rows {
            return None;
        }
        let (used, places) = distinct(&Tensor::concatenate(&numbers, 0), rows as i32);
        let sums = summed(gradient, &places, &mut 0, count)?;
        Some((Self { numbers: used }, sums))
    }

    /// The shape of the rows of a variable of a shape.
    pub fn shape_in(&self, whole: &Shape) -> Shape {
        whole.with(0, self.numbers.batch())
    }

    /// The rows of a variable; in the places of no row there is its last one.
    pub fn of_whole(&self, whole: &Tensor) -> Tensor {
        whole.gather(&self.numbers.minimum(whole.batch() as i32 - 1), 0)
    }

    /// A variable with these rows in the place of its own.
    pub fn put(&self, whole: &Tensor, rows: &Tensor) -> Tensor {
        whole.scatter_update(&self.numbers, rows)
    }
}

/// Whether the update of a weight can be that of some rows: nothing but the gradient changes it,
/// and the bits are the same. A lazy optimizer is meant to compute otherwise.
fn is_possible<O: Optimizer + ?Sized>(optimizer: &O, weight: &Variable, cx: &Context) -> bool {
    let settings = optimizer.settings();
    let is_same = || {
        // Norms are sums, which are rounded otherwise where there are fewer zeros among them.
        settings.decay(weight).is_none() && matches!(settings.clip, None | Some(Clip::Value(_)))
    };
    settings.gradient_accumulation_steps.is_none()
        && settings.ema().is_none()
        && cx.constraint(weight).is_none()
        && (settings.is_lazy || is_same())
}

/// What is wrong with an optimizer that is to be lazy, if anything.
pub(super) fn problem<O: Optimizer + ?Sized>(optimizer: &O, cx: &Context) -> Option<Error> {
    let settings = optimizer.settings();
    if !settings.is_lazy {
        return None;
    }
    let (message, help) = if !optimizer.leaves_unused_rows() {
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
    } else if cx.is_sharded() {
        (
            "a lazy optimizer was given to a training that is cut into shards, whose gradients \
                are summed as a whole",
            "leave `lazy` out, or train without shards",
        )
    } else {
        return None;
    };
    Some(Error::argument(message, help))
}

/// Warns where a lazy optimizer updates all rows of what may be a table.
fn warn_of_all_rows(weight: &Variable, gradient: &Tensor, cx: &Context) {
    let why = if holds_rows(gradient) {
        "it has a constraint, or its gradient is more than the sum of those of the rows that were \
            looked up"
    } else if is_given(gradient) && weight.shape().rank() > 1 {
        "its gradient was computed before, so that nothing tells which rows were looked up; take \
            gradients in the function that applies them"
    } else {
        return;
    };
    let name = weight.name();
    cx.warn(format!("the optimizer is lazy, and updates all rows of `{name}` nevertheless: {why}"));
}

/// Whether a gradient is no result of the trace.
fn is_given(gradient: &Tensor) -> bool {
    let node = gradient.trace().node(gradient.id());
    matches!(node.op, Op::Constant(_) | Op::Input(_) | Op::Variable(_))
}

/// Whether a gradient is made, element by element, of a sum of rows.
fn holds_rows(gradient: &Tensor) -> bool {
    let trace = gradient.trace();
    let mut open = vec![gradient.id()];
    let mut seen = Vec::new();
    while let Some(id) = open.pop() {
        let Some(tensor) = trace.tensor(id.0).filter(|tensor| tensor.shape() == gradient.shape())
        else {
            continue;
        };
        if scattered(&tensor).is_some() {
            return true;
        }
        let node = trace.node(id);
        if matches!(node.op, Op::Elementwise(_) | Op::Cast) {
            open.extend(node.inputs.iter().filter(|input| !seen.contains(*input)));
            seen.extend(&node.inputs);
        }
    }
    false
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
    let is_row = in_range(numbers, rows);
    let wrapped = numbers.less(0).where_(numbers + rows, numbers);
    let numbers = is_row.where_(wrapped, rows);
    let order = numbers.argsort(0, false);
    let sorted = numbers.gather(&order, 0);
    let begins = sorted.slice(0, 1..).not_equal(sorted.slice(0, ..count - 1));
    let first = numbers.trace().constant_from_fn([1], |_| true, site);
    let begins = Tensor::concatenate(&[first, begins], 0);
    let place = begins.cast(DType::I32).cumsum(0) - 1;
    let firsts = begins.where_(sorted, 0).segment_sum(&place, count);
    let own = numbers.trace().constant_from_fn([count], |place| place as i32, site);
    let used = own.less_equal(place.slice(0, count - 1..));
    // What has the number of no row is in no sum.
    let places = is_row.where_(place.segment_sum(&order, count), count as i32);
    (used.where_(firsts, rows), places)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::array::Array;
    use crate::optimizers::{self, Sgd};
    use crate::trace::{Function, Gradients, TracedClosure};

    const ROWS: usize = 97;
    const COLUMNS: usize = 3;

    fn first_table() -> Array {
        Array::from_fn([ROWS, COLUMNS], |i| (i as f32 * 0.7).sin())
    }

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
            [[[8, 7], [9, -2]].into(), [95, 5, 9, 10].into()],
        ];
        for [numbers, others] in &batches {
            step.run([numbers, others]).unwrap();
        }
        let plan = step.program([&batches[0][0], &batches[0][1]]).unwrap().plan().to_string();
        let slots = optimizer.settings().variables().into_iter();
        let all = slots.chain([table.clone()]).map(|variable| variable.value().to_vec::<f64>());
        (all.collect(), plan)
    }

    /// Steps on the sum of what numbers look up in a table.
    fn lookup<'a>(table: &'a Variable, optimizer: &'a dyn Optimizer) -> Function<'a, 1, 0> {
        Function::new(move |[numbers], cx| {
            let loss = cx.read(table).gather(&numbers, 0).exp().sum();
            let gradients = cx.gradients(&loss, [table]);
            optimizer.apply(&gradients, cx);
            []
        })
    }

    #[test]
    fn rows_alone_get_the_bits_of_the_whole_table() {
        let options = ["sgd(0.1)", "sgd(0.1, clipvalue=0.25, loss_scale_factor=8)", "adagrad(0.1)"];
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
            "sgd(0.1, clipnorm=0.5)",
            "sgd(0.1, gradient_accumulation_steps=2)",
            "adagrad(0.1, epsilon=0)",
        ];
        for text in options {
            let (_, plan) = trained(&optimizers::get(text).unwrap(), false);
            assert!(!plan.contains("scatter_update"), "{text}: {plan}");
        }
    }

    #[test]
    fn a_lazy_optimizer_moves_the_rows_that_are_used_and_no_others() {
        for name in ["adam", "adamw", "nadam", "adamax", "rmsprop", "adadelta", "lion", "ftrl"] {
            let options = if name == "adamw" { ", weight_decay=0" } else { "" };
            let optimizer = optimizers::get(&format!("{name}(0.1, lazy=true{options})")).unwrap();
            let (lazy, plan) = trained(&optimizer, false);
            assert!(plan.contains("scatter_update"), "{name}: {plan}");
            let plain = optimizers::get(&format!("{name}(0.1{options})")).unwrap();
            let (whole, _) = trained(&plain, true);
            let row = |all: &[Vec<f64>], row: usize| {
                all[all.len() - 1][row * COLUMNS..][..COLUMNS].to_vec()
            };
            let first = [first_table().to_vec::<f64>()];
            assert_eq!(row(&lazy, 20), row(&first, 20), "{name}: nobody looked it up");
            assert_ne!(row(&lazy, 10), row(&first, 10), "{name}: looked up in the last step");
            // What all steps look up is where it is with all rows updated, and so are its slots.
            for (number, (lazy, whole)) in lazy.iter().zip(&whole).enumerate() {
                let of_row = |all: &Vec<f64>| match all.len() {
                    1 => all.clone(),
                    _ => all[5 * COLUMNS..][..COLUMNS].to_vec(),
                };
                assert_eq!(of_row(lazy), of_row(whole), "{name}: {number}");
            }
        }
    }

    #[test]
    fn a_lazy_optimizer_looks_at_tables_of_few_rows_and_at_one_number() {
        let moved = |rows: usize, numbers: Array| {
            let table = Variable::new("table", Array::zeros([rows, 2], DType::F32));
            let optimizer = optimizers::get("adam(0.1, lazy=true)").unwrap();
            lookup(&table, &*optimizer).run([&numbers]).unwrap();
            table.value().to_vec::<f32>().chunks(2).map(|row| row[0] != 0.0).collect::<Vec<_>>()
        };
        assert_eq!(moved(3, [2, 2, 0, -1].into()), [true, false, true]);
        assert_eq!(moved(2, [1].into()), [false, true]);
        // Numbers out of range move nothing, though another row is as far from the end.
        assert_eq!(moved(3, [-5, 7, 1].into()), [false, true, false]);
    }

    #[test]
    fn rows_that_a_lazy_optimizer_cannot_see_are_warned_of() {
        let table = Variable::new("table", Array::zeros([8, 2], DType::F32));
        let optimizer = optimizers::get("adam(0.1, lazy=true)").unwrap();
        let warnings = |change: &dyn Fn(Tensor, &Context) -> Tensor| {
            let mut step = TracedClosure::new();
            step.keep_warnings();
            let closure = |x: &[Tensor], cx: &mut Context| {
                let loss = cx.read(&table).gather(&x[0], 0).exp().sum();
                let gradients = cx.gradients(&loss, [&table]);
                let gradient = change(gradients.of(&table).unwrap().clone(), cx);
                optimizer.apply(&Gradients::new([(table.clone(), Some(gradient))]), cx);
                Vec::new()
            };
            step.run(&[&[1].into()], &closure).unwrap();
            step.warnings().join("\n")
        };
        assert_eq!(warnings(&|gradient, _| gradient), "");
        let message = warnings(&|gradient, _| gradient * 0.5);
        assert!(message.contains("updates all rows of `table` nevertheless"), "{message}");
        let message = warnings(&|_, cx| cx.constant(Array::zeros([8, 2], DType::F32)));
        assert!(message.contains("its gradient was computed before"), "{message}");
    }

    #[test]
    fn slots_of_other_shapes_are_kept_as_they_are() {
        /// A step as long as a number of the weight says, and by how often the table was updated.
        struct Counting(crate::optimizers::Settings);
        impl Optimizer for Counting {
            fn settings(&self) -> &crate::optimizers::Settings {
                &self.0
            }
            fn update(
                &self,
                weight: &Tensor,
                gradient: &Tensor,
                slots: &mut crate::optimizers::Slots,
            ) -> Tensor {
                let all = slots.get_full("all", (), 1.0);
                let pair = slots.get_full("pair", [2], 2.0).sum();
                let own = slots.get("own");
                slots.set("own", own + 1.0);
                weight - gradient * all * pair
            }
        }
        let table = Variable::new("table", Array::zeros([9, 2], DType::F32));
        let optimizer = Counting(crate::optimizers::Settings::new(1.0).lazy(true));
        let mut step = Function::new(|[numbers], cx| {
            let loss = cx.read(&table).gather(&numbers, 0).sum();
            let gradients = cx.gradients(&loss, [&table]);
            optimizer.apply(&gradients, cx);
            []
        });
        step.run([&[3, 3, 0].into()]).unwrap();
        let column = |values: &Array| {
            values.to_vec::<f32>().chunks(2).map(|row| row[0]).collect::<Vec<f32>>()
        };
        let moved = [-4.0, 0.0, 0.0, -8.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        assert_eq!(column(&table.value()), moved);
        let own = optimizer.0.variables().into_iter().find(|slot| slot.name() == "table/own");
        let counted = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        assert_eq!(column(&own.unwrap().value()), counted);
    }

    #[test]
    fn tables_of_which_most_rows_are_used_are_updated_as_a_whole() {
        let gradient_of = |rows: usize| {
            let table = Variable::new("table", Array::zeros([rows, 2], DType::F32));
            let optimizer = Sgd::new(0.1);
            let mut step = lookup(&table, &optimizer);
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
            lookup(&table, &*optimizer).run([&[1].into()]).unwrap_err()
        };
        for name in ["adafactor", "lamb"] {
            refused(&format!("{name}(0.1, lazy=true)")).says("cannot be lazy");
        }
        refused("adam(0.1, lazy=true, use_ema=true)").says("`use_ema`");
        refused("sgd(0.1, lazy=true, gradient_accumulation_steps=2)")
            .says("`gradient_accumulation_steps`");
    }

    #[test]
    fn a_gradient_that_is_not_finite_changes_no_row() {
        let table = Variable::new("table", Array::full([100, 2], 400.0, DType::F32));
        let optimizer = Sgd::new(0.1);
        let mut step = lookup(&table, &optimizer);
        step.run([&[1, 5].into()]).unwrap_err().says("the gradient of `table` is not finite");
        assert_eq!(table.value(), Array::full([100, 2], 400.0, DType::F32));
    }
}
