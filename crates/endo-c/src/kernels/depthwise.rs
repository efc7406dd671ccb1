//! Windows of images times a kernel, each channel by itself.
//!
//! In: calls. Out: the bodies of their functions: loops over batch, counts, sizes and channels, in
//! which an element of an image, a number for its window and one of the kernel meet.

use std::fmt::Write;

use endo::Shape;

use super::window::{Window, read};
use super::{KernelCall, Operand};

/// The windows of an image times a kernel.
pub fn filter(call: &mut KernelCall<'_>) -> Option<String> {
    let [image, kernel] = &call.inputs[..] else { return None };
    let [x, w] =
        [format!("{}[image + k]", image.pointer), format!("{}[kernel + k]", kernel.pointer)];
    let line = format!("{}[number + k] += {x} * {w};", call.output.pointer);
    sums(call, image.shape, kernel.shape, &line)
}

/// A kernel times numbers for windows, added up where the windows lie.
pub fn spread(call: &mut KernelCall<'_>) -> Option<String> {
    let [numbers, kernel] = &call.inputs[..] else { return None };
    let (x, w) =
        (format!("{}[number + k]", numbers.pointer), format!("{}[kernel + k]", kernel.pointer));
    let line = format!("{}[image + k] += {x} * {w};", call.output.pointer);
    sums(call, call.output.shape, kernel.shape, &line)
}

/// The windows of a sample times their numbers, added up.
pub fn correlate(call: &mut KernelCall<'_>) -> Option<String> {
    let [image, numbers] = &call.inputs[..] else { return None };
    let (x, y) =
        (format!("{}[image + k]", image.pointer), format!("{}[number + k]", numbers.pointer));
    let line = format!("{}[kernel + k] += {x} * {y};", call.output.pointer);
    sums(call, image.shape, call.output.shape, &line)
}

/// Zeros in the output, and then a line for each channel `k` of each element of the windows of an
/// image that is inside: `image`, `number` and `kernel` are where the channels begin of the
/// element, of the window and of the element of the kernel.
fn sums(call: &KernelCall<'_>, image: &Shape, kernels: &Shape, line: &str) -> Option<String> {
    let windows = read(&call.attributes)?;
    let Operand { pointer: to, shape, .. } = &call.output;
    let mut text = format!(
        "    for (long i = 0; i < {}; i++) {{\n        {to}[i] = 0;\n    }}\n",
        shape.len()
    );
    if call.inputs.iter().any(|input| input.shape.is_empty()) {
        return Some(text);
    }
    let mut depth = 1;
    let mut begin = |text: &mut String, counter: &str, size: usize| {
        let indent = "    ".repeat(depth);
        let _ =
            writeln!(text, "{indent}for (long {counter} = 0; {counter} < {size}; {counter}++) {{");
        depth += 1;
    };
    begin(&mut text, "n", image[0]);
    for (axis, window) in windows.iter().enumerate() {
        begin(&mut text, &format!("c{axis}"), window.count);
    }
    for (axis, window) in windows.iter().enumerate() {
        begin(&mut text, &format!("s{axis}"), window.size);
    }
    let indent = "    ".repeat(depth);
    let [mut row, mut number] = ["n".to_string(), "n".to_string()];
    let mut kernel = if kernels[0] == 1 { "0L" } else { "n" }.to_string();
    let mut conditions = Vec::new();
    for (axis, window) in windows.iter().enumerate() {
        let Window { size, stride, dilation, before, count } = window;
        let length = image[axis + 1];
        let _ = writeln!(
            text,
            "{indent}const long p{axis} = {stride} * c{axis} + {dilation} * s{axis} - {before};"
        );
        conditions.push(format!("p{axis} >= 0 && p{axis} < {length}"));
        row = format!("({row}) * {length} + p{axis}");
        number = format!("({number}) * {count} + c{axis}");
        kernel = format!("({kernel}) * {size} + s{axis}");
    }
    let channels = image[windows.len() + 1];
    let _ = writeln!(text, "{indent}if ({}) {{", conditions.join(" && "));
    for (name, position) in [("image", row), ("number", number), ("kernel", kernel)] {
        let _ = writeln!(text, "{indent}    const long {name} = ({position}) * {channels};");
    }
    let _ = writeln!(text, "{indent}    for (long k = 0; k < {channels}; k++) {{");
    let _ = writeln!(text, "{indent}        {line}");
    for depth in (1..depth + 2).rev() {
        let _ = writeln!(text, "{}}}", "    ".repeat(depth));
    }
    Some(text)
}
