//! Variables that plans write: in place, swapped, left as they were where a check fails, and
//! updated together.
//!
//! In: graphs that write variables. Out: the bits that single operations give them.

use super::*;

#[test]
fn variables_can_be_swapped_and_old_values_returned() {
    for new in [tuned, unfused_plan] {
        let mut build = Builder::default();
        let (a, b) = (
            build.variable(Array::from([1.0_f32, 2.0])),
            build.variable(Array::from([3.0_f32, 4.0])),
        );
        let c = build.variable(Array::from([0.0_f32, 0.0]));
        let sum = build.elementwise(&add::OPERATION, &[a, c]);
        build.write(0, b);
        build.write(1, a);
        build.write(2, sum);
        let graph = build.outputs([a, b, sum]);
        let outputs = execute(&new(&graph), &graph, &[], 1).unwrap();
        assert_eq!(outputs, [[1.0_f32, 2.0], [3.0, 4.0], [1.0, 2.0]].map(Array::from));
        assert_eq!(values(&graph), [[3.0, 4.0], [1.0, 2.0], [1.0, 2.0]]);
    }
}

#[test]
fn updates_that_read_each_others_old_values_are_right() {
    for new in [tuned, unfused_plan] {
        let mut build = Builder::default();
        let (a, b) = (build.variable(noise([2000])), build.variable(noise([2000])));
        let (old_a, old_b) = (noise([2000]).to_vec::<f32>(), noise([2000]).to_vec::<f32>());
        let sum = build.elementwise(&add::OPERATION, &[a, b]);
        let difference = build.elementwise(&subtract::OPERATION, &[sum, a]);
        let product = build.elementwise(&multiply::OPERATION, &[difference, a]);
        build.write(0, sum);
        build.write(1, product);
        let graph = build.outputs([a]);
        let outputs = execute(&new(&graph), &graph, &[], 1).unwrap();
        assert_eq!(outputs[0].to_vec::<f32>(), old_a);
        let expected =
            (0..2000).map(|i| (old_a[i] + old_b[i] - old_a[i]) * old_a[i]).collect::<Vec<_>>();
        assert_eq!(values(&graph)[1], expected);
    }
}

#[test]
fn a_variable_can_be_given_its_transpose_or_a_broadcast_of_itself() {
    for new in [tuned, unfused_plan] {
        let mut build = Builder::default();
        let square_matrix = build.variable(Array::from([[1.0_f32, 2.0], [3.0, 4.0]]));
        let turned = build.view(View::Transpose(vec![1, 0]), square_matrix, [2, 2]);
        let doubled = build.elementwise(&add::OPERATION, &[turned, square_matrix]);
        let other = build.variable(Array::from([[5.0_f32, 6.0], [7.0, 8.0]]));
        let row = build.view(View::Slice(vec![(1, 1), (0, 1)]), other, [1, 2]);
        let rows = build.view(View::Broadcast, row, [2, 2]);
        build.write(0, doubled);
        build.write(1, rows);
        let graph = build.outputs([]);
        execute(&new(&graph), &graph, &[], 1).unwrap();
        assert_eq!(values(&graph), [[2.0, 5.0, 5.0, 8.0], [7.0, 8.0, 7.0, 8.0]]);
    }
}

#[test]
fn one_value_can_be_written_to_two_variables_and_returned() {
    for new in [tuned, unfused_plan] {
        let mut build = Builder::default();
        let (a, b) =
            (build.variable(Array::from([1.0_f32])), build.variable(Array::from([2.0_f32])));
        let sum = build.elementwise(&add::OPERATION, &[a, b]);
        let twice = build.elementwise(&add::OPERATION, &[sum, sum]);
        build.write(0, sum);
        build.write(1, sum);
        let graph = build.outputs([twice, sum]);
        let outputs = execute(&new(&graph), &graph, &[], 1).unwrap();
        assert_eq!([outputs[0].get(0), outputs[1].get(0)], [6.0, 3.0]);
        assert_eq!(values(&graph), [[3.0], [3.0]]);
    }
}

#[test]
fn a_failed_check_leaves_every_variable_as_it_was() {
    for new in [tuned, unfused_plan] {
        for (x, expected) in [(1.0, Ok(())), (f32::NAN, Err(1)), (f32::INFINITY, Err(1))] {
            let mut build = Builder::default();
            let (a, b) = (
                build.variable(Array::from([1.0_f32; 40])),
                build.variable(Array::from([2.0_f32; 40])),
            );
            let input = build.input([40]);
            let early = build.elementwise(&add::OPERATION, &[a, b]);
            let gradient = build.elementwise(&multiply::OPERATION, &[input, b]);
            let late = build.elementwise(&subtract::OPERATION, &[b, gradient]);
            let steps: NodeId = build.constant(Array::from([1_i32]));
            build.check(steps);
            build.check(gradient);
            build.check(late);
            build.write(0, early);
            build.write(1, late);
            let graph = build.outputs([late]);
            let mut input = vec![1.0_f32; 40];
            input[33] = x;
            let input = Array::new([40], input).unwrap();
            let result = execute(&new(&graph), &graph, &[&input], 1).map(|_| ());
            assert_eq!(result, expected);
            if expected.is_err() {
                assert_eq!(values(&graph), [[1.0; 40], [2.0; 40]]);
            } else {
                assert_eq!(values(&graph), [[3.0; 40], [0.0; 40]]);
            }
        }
    }
}

#[test]
fn joined_updates_give_the_bits_of_single_ones_wherever_the_variables_lie() {
    for lengths in [&[900, 30, 1, 240][..], &[30, 30], &[16, 5000, 16_384, 17]] {
        let inputs: Vec<Array> = lengths.iter().map(|&length| noise([length])).collect();
        let inputs: Vec<&Array> = inputs.iter().collect();
        let graphs = [0, 1, 2].map(|_| updates(lengths));
        let plan = tuned(&graphs[0]);
        assert!(plan.steps.len() < unfused_plan(&graphs[0]).steps.len());
        // One after the other as one loop goes through them, as they were made, and one by one.
        let order: Vec<_> =
            plan.order().into_iter().map(|index| graphs[0].variables[index].clone()).collect();
        VariableBlock::gather(&order).unwrap();
        execute(&plan, &graphs[0], &inputs, 2).unwrap();
        execute(&plan, &graphs[1], &inputs, 1).unwrap();
        execute(&unfused_plan(&graphs[2]), &graphs[2], &inputs, 1).unwrap();
        let [ordered, made, single] = graphs.each_ref().map(values);
        assert_eq!((&ordered, &made), (&single, &single), "{lengths:?}");
        assert_ne!(single, values(&updates(lengths)));
    }
}

#[test]
fn updates_that_are_routines_give_the_bits_of_single_operations() {
    for (ahead, name) in [(false, "moving"), (true, "ahead")] {
        for lengths in [&[900, 30, 1, 240][..], &[17], &[40_000], &[16, 5000, 17]] {
            let inputs: Vec<Array> = lengths.iter().map(|&length| noise([length])).collect();
            let graph = || optimizer(lengths, ahead);
            let (plan, [one, two, single]) = run_in_three_ways(graph, &inputs);
            assert!(plan.to_string().contains(&format!("in one pass: {name}\n")), "{plan}");
            assert_eq!((&one, &two), (&single, &single), "{name} of {lengths:?}");
            assert_ne!(single, values(&graph()));
        }
    }
}

#[test]
fn updates_that_share_what_they_read_or_follow_each_other_give_the_bits_of_single_ones() {
    let (x, w) = (noise([30, 30]), noise([30, 30]));
    for (fused, single) in entangled().into_iter().zip(entangled()) {
        let got = execute(&tuned(&fused), &fused, &[&x, &w], 1).unwrap();
        let want = execute(&unfused_plan(&single), &single, &[&x, &w], 1).unwrap();
        assert_eq!((got, values(&fused)), (want, values(&single)));
    }
}
