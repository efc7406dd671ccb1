//! Updates of large weights, whose gradients are used as soon as they are computed.
//!
//! In: a product of the plan and the loop over its result. Out: what the loop stores. The gradient
//! is never in memory, unless the check before has had to compute it, or its sums do not stay in
//! registers.

use crate::plan::{self, LoopRoutine, Plan};
use crate::simd::{MOST_RESULTS, MOST_VALUES};

use super::address::{Address, Bases};
use super::fused::Body;
use super::matmul::Targets;
use super::product::Batch;
use super::{Run, Scratch};

/// A product and what is done with it.
pub struct Update {
    product: Batch,
    body: Body,
    /// The loop as a routine that the product can run.
    routine: Option<Routine>,
    /// Whether the product is one of those that the guard may have computed.
    checked: bool,
}

/// A routine and where its values and results lie.
struct Routine {
    tile: unsafe fn(*const ()),
    values: Box<[Address]>,
    results: Box<[Address]>,
}

impl Update {
    /// Resolves a step of the plan, whose loop has been resolved, unless the system does not give
    /// the memory.
    pub fn new(plan: &Plan, update: &plan::Update, body: Body) -> Option<Self> {
        let product = Batch::new(plan, &update.product)?;
        let whole = update.body.whole.as_ref().filter(|_| product.updates());
        let routine = whole.and_then(|whole| Routine::new(plan, update, whole));
        Some(Self { product, body, routine, checked: update.checked })
    }

    /// The bytes of scratch that one thread needs.
    pub fn scratch_bytes(&self) -> usize {
        let updating = if self.routine.is_some() { self.product.update_scratch_bytes() } else { 0 };
        self.product.scratch_bytes().max(self.body.scratch_bytes()).max(updating)
    }

    /// Takes note of the memories of the runs to come.
    pub fn bind(&mut self, bases: &Bases, scratch: Scratch) {
        self.body.bind(bases, scratch);
    }

    /// Updates, with the product if that has not been computed: `computed` tells whether the guard
    /// has done so with all that it knows.
    ///
    /// # Safety
    /// It is bound to the memories of the run and its scratch. The addresses hold what the plan
    /// says; nobody else writes what is read or touches what is written meanwhile. The step was
    /// resolved for the level of the run.
    pub unsafe fn run(&self, run: &Run, computed: bool) {
        let computed = computed && self.checked;
        // SAFETY: as the caller promises. The sequences are as long as the product's result; the
        // loop has them all in order.
        unsafe {
            match &self.routine {
                Some(routine) if !computed => {
                    self.product.run_update(run, &routine.targets(run.bases));
                }
                _ => {
                    if !computed {
                        self.product.run(run);
                    }
                    self.body.run(run);
                }
            }
        }
    }
}

impl Routine {
    fn new(plan: &Plan, update: &plan::Update, whole: &LoopRoutine) -> Option<Self> {
        let plan::Update { body, .. } = update;
        let value = |&value: &usize| {
            Address::new(plan, body.loads[value].buffer, body.loads[value].layout.offset)
        };
        let result = |&store: &usize| Address::new(plan, body.stores[store].buffer, 0);
        Some(Self {
            tile: whole.routine.tile?,
            values: whole.loads.iter().map(value).collect(),
            results: whole.stores.iter().map(result).collect(),
        })
    }

    fn targets(&self, bases: &Bases) -> Targets {
        let mut values = [std::ptr::null(); MOST_VALUES];
        for (value, &address) in values.iter_mut().zip(&self.values) {
            *value = bases.at(address).cast_const().cast();
        }
        let mut results = [std::ptr::null_mut(); MOST_RESULTS];
        for (result, &address) in results.iter_mut().zip(&self.results) {
            *result = bases.at(address).cast();
        }
        Targets { tile: self.tile, values, results }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{execute, noise, run_in_three_ways, values};
    use crate::array::Array;
    use crate::dtype::DType;
    use crate::graph::{Op, Transposed};
    use crate::plan::tests::{gradient, tuned};

    #[test]
    fn updates_with_their_products_give_the_bits_of_one_after_the_other() {
        // Rows and columns that fill tiles and do not; sums of several blocks; and one that is
        // packed in one.
        for size in [
            [200, 32, 150],
            [784, 128, 512],
            [130, 1, 127],
            [1000, 300, 900],
            [515, 257, 1033],
            [2000, 400, 1400],
            [9000, 40, 70],
        ] {
            let [rows, terms, columns] = size;
            let inputs = [noise([terms, rows]), noise([terms, columns])];
            for ahead in [false, true] {
                let graph = || gradient(size, ahead, |_, _| {});
                let (plan, [one, two, single]) = run_in_three_ways(graph, &inputs);
                assert!(plan.to_string().contains("with each part of it"), "{plan}");
                assert!(one == single && two == single, "{size:?}");
                assert_ne!(single, values(&graph()));
            }
        }
    }

    #[test]
    fn updates_of_gradients_that_nobody_checks_give_the_same_bits() {
        let unchecked = |size| gradient(size, false, |build, _| build.graph.checks.clear());
        for size @ [rows, terms, columns] in [[200, 32, 150], [1000, 300, 900]] {
            let inputs = [noise([terms, rows]), noise([terms, columns])];
            let (plan, [one, two, single]) = run_in_three_ways(|| unchecked(size), &inputs);
            assert!(
                plan.steps.len() == 1 && plan.to_string().contains("with each part of it"),
                "{plan}"
            );
            assert!(one == single && two == single, "{size:?}");
        }
    }

    /// One number in each operand is large; where both meet, the gradient is their product.
    fn with_large(numbers: [f32; 2], rows: [usize; 2]) -> [Array; 2] {
        let large = |columns: usize, number: f32, row: usize| {
            Array::from_fn(
                [40, columns],
                move |index| if index == row * columns + 3 { number } else { 0.25 },
            )
        };
        [large(200, numbers[0], rows[0]), large(150, numbers[1], rows[1])]
    }

    #[test]
    fn operands_that_leave_doubt_have_the_gradient_computed_and_checked() {
        let size = [200, 40, 150];
        // In other rows of the batch, the numbers never meet: the gradient is finite, though the
        // operands do not show it.
        let inputs = with_large([1e20, 1e25], [7, 8]);
        let (_, left) = run_in_three_ways(|| gradient(size, true, |_, _| {}), &inputs);
        let bits = |values: Vec<Vec<f32>>| values.concat().into_iter().map(f32::to_bits);
        let [one, two, single] = left.map(|values| bits(values).collect::<Vec<_>>());
        assert!(one == single && two == single);
    }

    #[test]
    fn unchecked_gradients_are_computed_beside_checked_ones_that_leave_doubt() {
        // The second weight is updated by a gradient of its own, which nobody checks.
        let both = || {
            gradient([200, 40, 150], true, |build, _| {
                let numbers = build.numbers();
                let (x, z) = (build.input([10, 170]), build.input([10, 180]));
                let transposed = Op::Matmul { transposed: Transposed::LEFT };
                let gradient = build.push(transposed, &[x, z], [170, 180], DType::F32);
                build.update(gradient, numbers, false);
            })
        };
        let inputs = with_large([1e20, 1e25], [7, 8])
            .into_iter()
            .chain([noise([10, 170]), noise([10, 180])])
            .collect::<Vec<_>>();
        let (plan, left) = run_in_three_ways(both, &inputs);
        assert_eq!(plan.to_string().matches("with each part of it").count(), 2, "{plan}");
        let [one, two, single] = left.each_ref().map(|values| &values[3..]);
        assert!(one == single && two == single);
        assert_ne!(single, &values(&both())[3..]);
    }

    #[test]
    fn a_gradient_that_is_not_finite_is_found_and_nothing_is_written() {
        let size = [200, 40, 150];
        let nan = |shape: [usize; 2], place: usize| {
            let mut array = noise(shape).to_vec::<f32>();
            array[place] = f32::NAN;
            Array::new(shape, array).unwrap()
        };
        let cases = [
            (with_large([1e20, 1e25], [7, 7]), 1),
            ([noise([40, 200]), nan([40, 150], 5999)], 1),
            ([nan([40, 200], 0), noise([40, 150])], 0),
            ([Array::full([40, 200], 0.0, DType::F32), nan([40, 150], 0)], 1),
        ];
        for (inputs, failed) in cases {
            let inputs: Vec<&Array> = inputs.iter().collect();
            for threads in [1, 2] {
                let graph = gradient(size, false, |_, _| {});
                assert_eq!(execute(&tuned(&graph), &graph, &inputs, threads), Err(failed));
                assert_eq!(values(&graph), values(&gradient(size, false, |_, _| {})));
            }
        }
    }
}
