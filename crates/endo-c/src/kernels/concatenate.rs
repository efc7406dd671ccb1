//! Tensors side by side, and a slice put back where it was taken from.
//!
//! In: calls. Out: the bodies of their functions.

use std::fmt::Write;

use super::{KernelCall, around};

/// The parts of each row one after the other.
pub fn concatenate(call: &mut KernelCall<'_>) -> Option<String> {
    let axis = call.size(0)?;
    let [outer, size, inner] = around(call.output.shape, axis);
    let width = size * inner;
    let mut text = format!("    for (long i = 0; i < {outer}; i++) {{\n");
    let mut start = 0;
    for input in &call.inputs {
        let part = input.shape[axis] * inner;
        if part > 0 {
            let (to, from) = (&call.output.pointer, &input.pointer);
            let _ = writeln!(
                text,
                "        for (long j = 0; j < {part}; j++) {{\n            \
                 {to}[{width} * i + {start} + j] = {from}[{part} * i + j];\n        }}"
            );
        }
        start += part;
    }
    text.push_str("    }\n");
    Some(text)
}

/// Zeros, and a slice at its positions.
pub fn unslice(call: &mut KernelCall<'_>) -> Option<String> {
    let [slice] = &call.inputs[..] else { return None };
    let (from, to) = (&slice.pointer, &call.output.pointer);
    let (shape, count) = (slice.shape, call.output.shape.len());
    let mut text =
        format!("    for (long i = 0; i < {count}; i++) {{\n        {to}[i] = 0;\n    }}\n");
    if shape.is_empty() {
        return Some(text);
    }
    let (mut source, mut target) = ("0".to_string(), "0".to_string());
    for axis in 0..shape.rank() {
        let (first, step) = (call.attributes[2 * axis], call.attributes[2 * axis + 1]);
        let (size, indent) = (shape[axis], "    ".repeat(axis + 1));
        let [_, _, inner] = around(shape, axis);
        let [_, _, outer] = around(call.output.shape, axis);
        let counter = format!("i{axis}");
        let _ =
            writeln!(text, "{indent}for (long {counter} = 0; {counter} < {size}; {counter}++) {{");
        let _ = write!(source, " + {inner} * {counter}");
        // An axis of one element has any step.
        let step = if size == 1 { 0 } else { step };
        let _ = write!(target, " + {outer} * ({first} + ({step}) * {counter})");
    }
    let _ = writeln!(text, "{}{to}[{target}] = {from}[{source}];", "    ".repeat(shape.rank() + 1));
    for axis in (0..shape.rank()).rev() {
        let _ = writeln!(text, "{}}}", "    ".repeat(axis + 1));
    }
    Some(text)
}
