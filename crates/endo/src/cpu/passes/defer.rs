//! Computes gradients of large weights where they are used: the optimizer's routine takes each part
//! of such a product as soon as it is in registers, so that the gradient is neither written to
//! memory nor read from there, by the check or by the update.
//!
//! In: a draft with its steps in order and its routines found. Out: fewer steps; products of which
//! only the check and one routine need the result are part of the routine's step. The check looks
//! at their operands instead, which are smaller.

use crate::plan::{Action, Draft, FusedLoop, Guard, Product, Update, Users};

use super::join::LONGEST;

/// Moves products to the updates that need them.
pub fn defer(draft: &mut Draft) {
    let guard = draft.steps.iter().position(|step| matches!(step.action, Action::Guard(_)));
    let users = Users::new(draft);
    let found = |update: usize| {
        let gradient = gradient(draft.steps[update].action.as_loop()?)?;
        let product = users.writer(gradient)?;
        let Action::Product(of) = &draft.steps[product].action else { return None };
        let mut readers = users.readers(gradient).iter();
        let only = readers.all(|&reader| Some(reader) == guard || reader == update);
        let returned = draft.outputs.iter().any(|output| output.buffer == gradient);
        (only && !returned && is_worth_it(draft, of)).then_some((product, update))
    };
    let pairs: Vec<(usize, usize)> = (0..draft.steps.len()).filter_map(found).collect();
    let mut gone = vec![false; draft.steps.len()];
    for (at, update) in pairs {
        let (Action::Product(product), Action::Loop(body)) =
            (&draft.steps[at].action, &draft.steps[update].action)
        else {
            unreachable!("a product and a loop")
        };
        let (product, body) = (product.clone(), body.clone());
        gone[at] = true;
        let mut checked = false;
        if let Some(guard) = guard
            && let Action::Guard(Guard { checks, deferred }) = &mut draft.steps[guard].action
            && checks.iter().any(|check| check.buffer == product.output)
        {
            deferred.push(product.clone());
            checked = true;
        }
        draft.steps[update].action = Action::Update(Update { product, body, checked });
    }
    draft.remove(&gone);
}

/// The gradient of a long loop that is a routine: the last of the sequences that a routine reads.
fn gradient(body: &FusedLoop) -> Option<usize> {
    let whole = body.whole.as_ref()?;
    let value = whole.loads[whole.routine.sequences - 1];
    let buffer = body.loads[value].buffer;
    let once = body.loads.iter().filter(|load| load.buffer == buffer).count() == 1;
    (once
        && body.repeats.is_empty()
        && body.length > LONGEST
        && body.loads[value].layout.length() == body.length)
        .then_some(buffer)
}

/// Whether a product can be computed later, and its operands are read sooner than its result.
fn is_worth_it(draft: &Draft, product: &Product) -> bool {
    let [rows, terms, columns] = product.sizes;
    // What variables hold is another thing when they have been written; and what they are to hold
    // has to be computed.
    let stays = |buffer: usize| draft.buffers[buffer].place.variable().is_none();
    product.batch.is_empty()
        && product.bias.is_none()
        && draft.buffers[product.output].length == rows * columns
        && stays(product.output)
        && stays(product.left.buffer)
        && stays(product.right.buffer)
        && (1..rows * columns).contains(&(terms * (rows + columns)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Array;
    use crate::dtype::DType;
    use crate::graph::{NodeId, Op, Transposed};
    use crate::plan::tests::{Builder, gradient, negative, tuned};
    use crate::plan::{Plan, PlanStep};

    fn updates(plan: &Plan) -> usize {
        plan.steps
            .iter()
            .filter(|PlanStep { action, .. }| matches!(action, Action::Update(_)))
            .count()
    }

    #[test]
    fn the_gradient_of_a_large_weight_is_computed_where_it_is_used() {
        let plan = tuned(&gradient([200, 32, 150], false, |_, _| {}));
        let [first, second] = &plan.steps[..] else { panic!("{plan}") };
        let (Action::Guard(guard), Action::Update(update)) = (&first.action, &second.action) else {
            panic!("{plan}")
        };
        assert_eq!(
            (guard.checks.len(), guard.deferred.len(), update.product.sizes),
            (2, 1, [200, 32, 150]),
            "{plan}"
        );
        assert!(plan.to_string().contains("200x32x150, and with each part of it\n"), "{plan}");
        assert!(plan.to_string().contains("are finite, by their operands @0\n"), "{plan}");
    }

    #[test]
    fn gradients_that_are_small_or_needed_elsewhere_are_computed_before() {
        let without = |size, more: &dyn Fn(&mut Builder, NodeId)| {
            let plan = tuned(&gradient(size, true, more));
            assert_eq!(updates(&plan), 0, "{plan}");
        };
        let size = [200, 32, 150];
        // Short, or from a batch that is read no sooner than it.
        without([30, 10, 30], &|_, _| {});
        without([200, 90, 150], &|_, _| {});
        // Returned, or read by another operation.
        without(size, &|build, gradient| build.graph = build.outputs([gradient]));
        without(size, &|build, gradient| {
            let opposite = build.elementwise(&negative::OPERATION, &[gradient]);
            build.graph = build.outputs([opposite]);
        });
        assert_eq!(updates(&tuned(&gradient(size, true, |_, _| {}))), 1);
    }

    #[test]
    fn a_gradient_of_no_terms_is_computed_before() {
        assert_eq!(updates(&tuned(&gradient([200, 0, 150], false, |_, _| {}))), 0);
        assert_eq!(updates(&tuned(&gradient([200, 1, 150], false, |_, _| {}))), 1);
    }

    #[test]
    fn a_gradient_that_is_a_variable_too_is_written_there() {
        let graph = gradient([200, 32, 150], false, |build, gradient| {
            build.graph.checks.clear();
            build.variable(Array::full([200, 150], 0.5, DType::F32));
            build.write(3, gradient);
        });
        let plan = tuned(&graph);
        assert_eq!(updates(&plan), 0, "{plan}");
    }

    #[test]
    fn what_a_variable_holds_before_it_is_written_is_not_read_after() {
        let mut build = Builder::default();
        let numbers = build.numbers();
        let (x, z) =
            (build.variable(Array::full([32, 200], 0.5, DType::F32)), build.input([32, 150]));
        let transposed = Op::Matmul { transposed: Transposed::LEFT };
        let gradient = build.push(transposed, &[x, z], [200, 150], DType::F32);
        build.check(gradient);
        build.update(gradient, numbers, false);
        let opposite = build.elementwise(&negative::OPERATION, &[x]);
        build.write(0, opposite);
        let plan = tuned(&build.outputs([]));
        assert_eq!(updates(&plan), 0, "{plan}");
    }
}
