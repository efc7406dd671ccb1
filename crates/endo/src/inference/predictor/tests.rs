//! Predictors of graphs written by hand: what is run, and what is refused before anything is.
//!
//! In: the text of a graph. Out: what it predicts, or what is wrong with it.

use std::collections::BTreeMap;

use super::*;
use crate::dtype::DType;

/// A predictor of this graph, on a variable `w` of two numbers.
fn predictor(text: &str) -> Result<Predictor, String> {
    let arrays = BTreeMap::from([("w".to_string(), Array::from([1.0_f32, 2.0]))]);
    SavedGraph::read(&format!("scope \nvariable w\n{text}\n"), arrays).and_then(Predictor::new)
}

/// What is wrong with the graph that these lines add to the input and the variable.
fn refused(lines: &str) -> String {
    predictor(&format!("{INPUT}\n{lines}")).err().unwrap_or_else(|| panic!("{lines}"))
}

const INPUT: &str = "node input | | 0 | f32 n 2 | 0\nnode variable | | 0 | f32 2 | 0";

#[test]
fn a_graph_written_by_hand_is_run() {
    let graph = "node reshape | 1 | | f32 1 2 | 0\nnode broadcast | 2 | | f32 n 2 | 0\n\
        node add | 0 3 | | f32 n 2 | 0\noutput 4 y";
    let predictor = predictor(&format!("{INPUT}\n{graph}")).unwrap();
    let y = predictor.predict(&[[10.0_f32, 20.0], [30.0, 40.0], [50.0, 60.0]].into()).unwrap();
    assert_eq!(y, [[11.0_f32, 22.0], [31.0, 42.0], [51.0, 62.0]].into());
}

#[test]
fn graphs_that_make_no_sense_are_refused_before_anything_is_run() {
    let shape = "does not fit its inputs, its type or its shape";
    for (node, what) in [
        ("add | 0 1 | | f32 n 2 | 0", shape),
        ("add | 0 | | f32 n 2 | 0", shape),
        ("equal | 0 0 | | f32 n 2 | 0", shape),
        ("cast | 0 | | bool n 3 | 0", shape),
        ("reduce_sum | 0 | 2 | f32 n | 0", shape),
        ("reshape | 0 | | f32 n 3 | 0", shape),
        ("slice | 0 | 0 1 1 1 | f32 n 2 | 0", shape),
        ("transpose | 0 | 0 0 | f32 n n | 0", shape),
        ("matmul | 0 0 | 0 0 | f32 n 2 | 0", shape),
        ("variable | | 0 | f32 3 | 0", shape),
        ("input | | 0 | f32 n 2 | 0", shape),
        ("variable | | 7 | f32 2 | 0", shape),
        ("exp | 2 | | f32 n 2 | 0", "refers to what comes after it"),
        ("exp | 0 | | f32 n 2 | 1", "refers to what comes after it"),
        ("exponent | 0 | | f32 n 2 | 0", "is not known with these numbers"),
        ("exp | 0 | 1 | f32 n 2 | 0", "is not known with these numbers"),
        ("constant | | 0 | f32 2 | 0", "is not known with these numbers"),
        ("fill | | 0 | f32 n 9223372036854775807 | 0", "has an impossible shape"),
        ("fill | | 0 | f32 n-3 2 | 0", "has an impossible shape"),
        ("fill | | 0 | f32 100000000000 | 0", "has 100000000000 elements, and may have 1073741824"),
        (
            "slice | 0 | 0 1 0 0 | f32 1 1099511627775 | 0",
            "has 1099511627775 elements, and may have 68719476736",
        ),
    ] {
        let error = refused(&format!("node {node}\noutput 0 y"));
        let name = node.split(' ').next().unwrap();
        assert_eq!(error, format!("operation 2, `{name}`, {what}"));
    }
    assert_eq!(refused("output 2 y"), "operation 2 is an output, and there are 2");
    assert_eq!(refused("output 1 y"), "`variable` has not one row for each row");
}

#[test]
fn assignments_that_make_no_sense_are_refused_before_anything_is_run() {
    let read = |assigned: &str| {
        predictor(&format!("{INPUT}\nnode reduce_sum | 1 | 0 | f32 | 0\noutput 0 y\n{assigned}"))
            .err()
    };
    assert_eq!(read("assign 1 0"), None);
    for (assigned, what) in [
        ("assign 0 0", "operation 0 is assigned to a variable of another type or shape"),
        ("assign 2 0", "operation 2 is assigned to a variable of another type or shape"),
        ("assign 1 1", "operation 1 is assigned to a variable that does not exist"),
        (
            "assign 1 0\nassign 1 0",
            "operation 1 is assigned to a variable that is assigned already",
        ),
        ("assign 3 0", "operation 3 is assigned, and there are 3"),
        ("assign 1", "line 7 of its graph makes no sense: `assign 1`"),
        ("assign 1 -1", "line 7 of its graph makes no sense: `assign 1 -1`"),
    ] {
        assert_eq!(read(assigned).as_deref(), Some(what));
    }
}

#[test]
fn a_graph_with_an_occasion_draws_by_call_and_row() {
    let drawing = |per_row: i64| {
        let nodes = "node occasion | | 1 | i32 4 | 0\nnode fill | | 7 | i32 1 | 0\n\
            node concatenate | 3 2 | 0 | i32 5 | 0";
        predictor(&format!(
            "{INPUT}\n{nodes}\nnode random_uniform | 4 | 1 {per_row} | f32 n 2 | 0\noutput 5 y"
        ))
        .unwrap()
    };
    let (x, right) = (Array::zeros([5, 2], DType::F32), drawing(2));
    assert_eq!(right.inputs().len(), 1);
    let want = right.predict(&x).unwrap();
    assert_ne!(right.predict(&x).unwrap(), want);
    assert_eq!(
        right.predict_part(0, 3, &[Array::zeros([2, 2], DType::F32)]).unwrap(),
        [want.rows(3..5)]
    );
    // What a file says of rows may be wrong, and rows may be any.
    let wrong = drawing(i64::MAX);
    assert!(wrong.predict_part(u64::MAX, usize::MAX, &[x]).unwrap()[0].is_finite());
}

#[test]
fn an_occasion_is_the_last_input_and_there_is_one() {
    let occasion = "node occasion | | 1 | i32 4 | 0";
    let shape = "operation 2, `occasion`, is not of the type and shape of an occasion";
    for (nodes, what) in [
        ("node occasion | | 1 | i32 5 | 0", shape),
        ("node occasion | | 1 | f32 4 | 0", shape),
        ("node occasion | | 1 | i32 n+1 | 0", shape),
        (
            "node occasion | | 0 | i32 4 | 0",
            "operation 2, `occasion`, does not fit its inputs, its type or its shape",
        ),
        (
            &format!("{occasion}\nnode occasion | | 2 | i32 4 | 0"),
            "operation 3, `occasion`, comes after the occasion, which is the last input",
        ),
        (
            &format!("{occasion}\nnode input | | 2 | f32 n 1 | 0"),
            "operation 3, `input`, comes after the occasion, which is the last input",
        ),
    ] {
        assert_eq!(refused(&format!("{nodes}\noutput 0 y")), what);
    }
    for counter in [1, 3, 4, 6] {
        let node = format!(
            "node fill | | 0 | i32 {counter} | 0\nnode random_uniform | 2 | 1 1 | f32 n 2 | 0"
        );
        let what = "operation 3, `random_uniform`, does not fit its inputs, its type or its shape";
        assert_eq!(refused(&format!("{node}\noutput 3 y")), what);
    }
}

#[test]
fn kernels_that_do_not_fit_their_inputs_are_refused_before_anything_is_run() {
    let inputs = "node cast | 0 | | i32 n 2 | 0\nnode reshape | 0 | | f32 n 2 1 | 0";
    for node in [
        "gather | 0 2 | 5 | f32 n 2 2 | 0",
        "gather | 0 2 | 1 | f32 n 2 2 | 0",
        "gather | 0 0 | 0 | f32 n 2 2 | 0",
        "gather | 0 | 0 | f32 n 2 | 0",
        "take_along_axis | 0 2 | 2 | f32 n 2 | 0",
        "take_along_axis | 0 2 | 1 | f32 n 3 | 0",
        "scatter_add | 0 2 | 4 1 n 2 | f32 n 2 | 0",
        "scatter_add | 0 2 | 0 1 5 2 | f32 n 2 | 0",
        "scatter_add | 0 | 0 1 n 2 | f32 n 2 | 0",
        "concatenate | | 0 | f32 n 2 | 0",
        "concatenate | 0 0 | 2 | f32 n 4 | 0",
        "concatenate | 0 0 | 1 | f32 n 5 | 0",
        "concatenate | 0 2 | 1 | f32 n 4 | 0",
        "unslice | 0 | 0 1 1 1 | f32 n 2 | 0",
        "unslice | 0 | 0 1 | f32 n 2 | 0",
        "cumsum | 0 | 2 0 0 | f32 n 2 | 0",
        "cumprod | 0 | 1 0 0 | f32 n 3 | 0",
        "cumsum | | 0 0 0 | f32 n 2 | 0",
        "argsort | 0 | 0 | f32 n 2 | 0",
        "argsort | 0 | 0 | i32 n 3 | 0",
        "argmax | 0 | | i32 n 2 | 0",
        "argmin | 0 0 | | i32 n | 0",
        "random_uniform | 0 | 1 | f32 n 2 | 0",
        "windows | 0 | 0 1 1 1 0 1 | f32 n 1 1 2 | 0",
        "windows | 3 | 0 1 1 1 0 2 | f32 n 3 1 1 | 0",
        "windows | 3 | 0 1 9223372036854775807 1 0 2 | f32 n 2 1 1 | 0",
        "overlap_add | 0 | 1 1 1 0 1 | f32 n 2 | 0",
        "take_greatest | 3 3 | 0 1 1 1 0 1 | f64 n 1 1 | 0",
        "take_greatest | 3 3 | 0 2 1 1 0 2 | f32 n 1 1 | 0",
        "take_greatest | 0 0 | 0 1 1 1 0 1 | f32 n 2 | 0",
        "add_to_greatest | 3 3 | 1 1 1 0 3 | f32 n 2 1 | 0",
        "add_to_greatest | 3 3 | 1 9223372036854775807 1 0 2 | f32 n 1 1 | 0",
    ] {
        let error = refused(&format!("{inputs}\nnode {node}\noutput 0 y"));
        let name = node.split(' ').next().unwrap();
        assert_eq!(
            error,
            format!("operation 4, `{name}`, does not fit its inputs, its type or its shape"),
            "{node}"
        );
    }
    let fits =
        "concatenate | 0 0 | 1 | f32 n 4 | 0\nnode windows | 3 | 0 1 1 1 0 2 | f32 n 2 1 1 | 0";
    assert!(predictor(&format!("{INPUT}\n{inputs}\nnode {fits}\noutput 4 y")).is_ok());
}

/// Axes of 0 beside long ones: all that a kernel goes through is its result and its inputs.
#[test]
fn graphs_of_long_axes_without_elements_take_no_time() {
    let inputs = |long: usize| {
        format!(
            "node input | | 0 | f32 n 2 | 0\nnode fill | | 0 | f32 {long} 1 0 | 0\n\
                node fill | | 0 | i32 1 | 0"
        )
    };
    let kernels = |long: usize| {
        [
            format!("node gather | 1 2 | 1 | f32 {long} 1 0 | 0"),
            format!("node scatter_add | 1 2 | 1 0 {long} 1 0 | f32 {long} 1 0 | 0"),
            format!("node unslice | 1 | 0 1 0 1 0 1 | f32 {long} 1 0 | 0"),
            format!(
                "node windows | 1 | 0 1 1 1 0 1 | f32 {long} 1 1 0 | 0\n\
                    node reshape | 3 | | f32 {long} 1 0 | 0"
            ),
            format!(
                "node fill | | 0 | f32 {long} 0 0 | 0\nnode matmul | 3 3 | 0 0 | f32 {long} 0 0 | 0"
            ),
            format!("node cumprod | 1 | 0 0 0 | f32 {long} 1 0 | 0"),
        ]
    };
    let rest = |at: usize| {
        format!(
            "node reduce_max | {at} | 0 1 2 | f32  | 0\nnode reshape | {} | | f32 1 1 | 0\n\
                node broadcast | {} | | f32 n 1 | 0\noutput {} y",
            at + 1,
            at + 2,
            at + 3
        )
    };
    let text = |long: usize, kernel: &str| {
        let at = 2 + kernel.lines().count();
        format!("{}\n{kernel}\n{}", inputs(long), rest(at))
    };
    let (possible, impossible) = ((1 << 40) - 1, 1 << 59);
    for kernel in kernels(possible) {
        match predictor(&text(possible, &kernel)) {
            Ok(predictor) => {
                let y = predictor.predict(&[[1.0_f32, 2.0]].into()).unwrap();
                assert_eq!(y, [[f32::NEG_INFINITY]].into(), "{kernel}");
            }
            Err(why) => panic!("{kernel}: {why}"),
        }
    }
    for kernel in kernels(impossible) {
        let why = predictor(&text(impossible, &kernel)).err().unwrap();
        assert_eq!(why, "operation 1, `fill`, has an impossible shape", "{kernel}");
    }
}

#[test]
fn truth_values_are_not_added_up() {
    let picked = "node cast | 0 | | bool n 2 | 0\nnode fill | | 0 | i32 2 | 0\n\
        node scatter_add | 2 3 | 1 0 n 2 | bool n 2 | 0";
    let why = refused(&format!("{picked}\noutput 0 y"));
    assert_eq!(why, "operation 4, `scatter_add`, does not fit its inputs, its type or its shape");
}

#[test]
fn a_prediction_that_the_system_has_no_memory_for_is_an_error() {
    let counter = "node fill | | 0 | i32 2 | 0";
    let draw = |long: usize| {
        format!(
            "{counter}\nnode random_uniform | 2 | 0 | f32 {long} | 0\n\
                node cumsum | 3 | 0 0 0 | f32 {long} | 0\n\
             node slice | 4 | 0 1 | f32 1 | 0\nnode reshape | 5 | | f32 1 1 | 0\n\
             node broadcast | 6 | | f32 n 1 | 0\noutput 7 y"
        )
    };
    let large = predictor(&format!("{INPUT}\n{}", draw(1 << 36))).unwrap();
    let error = large.predict(&[[1.0_f32, 2.0]].into()).unwrap_err();
    assert_eq!(
        (error.kind(), error.message().starts_with("a run needs 549.8 GB of memory")),
        (ErrorKind::Memory, true)
    );
    assert_eq!(refused(&draw(1 << 60)), "operation 3, `random_uniform`, has an impossible shape");
}
