//! Windows over the axes between the first and the last, and windows added back where they lie.
//!
//! In: calls. Out: the bodies of their functions: loops over batch, counts, sizes and channels.

use std::fmt::Write;

use endo::{DType, Shape};

use super::super::text::number;
use super::{KernelCall, plus};

/// How windows lie along one axis: as `endo::ops::Window`.
pub(super) struct Window {
    pub size: usize,
    pub stride: usize,
    pub dilation: usize,
    pub before: usize,
    pub count: usize,
}

pub(super) fn read(numbers: &[i64]) -> Option<Vec<Window>> {
    let window = |numbers: &[i64]| {
        let size = |index: usize| usize::try_from(numbers[index]).ok();
        Some(Window {
            size: size(0)?,
            stride: size(1)?,
            dilation: size(2)?,
            before: size(3)?,
            count: size(4)?,
        })
    };
    numbers.chunks_exact(5).map(window).collect()
}

/// The elements of every window, and a number where a window is outside.
pub fn windows(call: &mut KernelCall<'_>) -> Option<String> {
    let [fill, numbers @ ..] = &call.attributes[..] else { return None };
    let windows = read(numbers)?;
    let [x] = &call.inputs[..] else { return None };
    let fill = number(call.output.dtype, f64::from_bits(*fill as u64));
    let to = &call.output.pointer;
    if x.shape.is_empty() {
        let count = call.output.shape.len();
        return Some(format!(
            "    for (long i = 0; i < {count}; i++) {{\n        {to}[i] = {fill};\n    }}\n"
        ));
    }
    let (inside, outside) = (
        format!("{to}[window + k] = {}[image + k];", x.pointer),
        format!("{to}[window + k] = {fill};"),
    );
    Some(walk(&windows, x.shape, &inside, Some(&outside)))
}

/// The sum of all windows, each where it lies.
pub fn overlap_add(call: &mut KernelCall<'_>) -> Option<String> {
    let windows = read(&call.attributes)?;
    let [x] = &call.inputs[..] else { return None };
    let (to, count) = (&call.output.pointer, call.output.shape.len());
    let clear =
        format!("    for (long i = 0; i < {count}; i++) {{\n        {to}[i] = 0;\n    }}\n");
    if x.shape.is_empty() {
        return Some(clear);
    }
    let target = format!("{to}[image + k]");
    let value = format!("{}[window + k]", x.pointer);
    let inside = match x.dtype {
        DType::F32 | DType::F64 => format!("{target} += {value};"),
        dtype => format!("{target} = {};", plus(dtype, &target, &value)),
    };
    Some(clear + &walk(&windows, call.output.shape, &inside, None))
}

/// The elements of the second input where the first one has the greatest of each window.
pub fn take_greatest(call: &mut KernelCall<'_>) -> Option<String> {
    let [zero_outside, numbers @ ..] = &call.attributes[..] else { return None };
    let windows = read(numbers)?;
    let [x, values] = &call.inputs[..] else { return None };
    let (to, dtype) = (&call.output.pointer, call.output.dtype);
    let outside = match dtype {
        _ if *zero_outside != 0 => number(dtype, 0.0),
        DType::F32 | DType::F64 => number(dtype, f64::NEG_INFINITY),
        DType::I32 => number(dtype, f64::from(i32::MIN)),
        _ => number(dtype, 0.0),
    };
    let line = format!("{to}[window + k] = at < 0 ? {outside} : {}[at];", values.pointer);
    Some(greatest(&windows, x, &line))
}

/// The elements of the second input, added up where the first one has the greatest of each window.
pub fn add_to_greatest(call: &mut KernelCall<'_>) -> Option<String> {
    let windows = read(&call.attributes)?;
    let [x, values] = &call.inputs[..] else { return None };
    let (to, count) = (&call.output.pointer, call.output.shape.len());
    let clear =
        format!("    for (long i = 0; i < {count}; i++) {{\n        {to}[i] = 0;\n    }}\n");
    if values.shape.is_empty() {
        return Some(clear);
    }
    let (target, value) = (format!("{to}[at]"), format!("{}[window + k]", values.pointer));
    let line = match call.output.dtype {
        DType::F32 | DType::F64 => format!("if (at >= 0) {{ {target} += {value}; }}"),
        dtype => format!("if (at >= 0) {{ {target} = {}; }}", plus(dtype, &target, &value)),
    };
    Some(clear + &greatest(&windows, x, &line))
}

/// A loop over all windows of an image and their channels, `window + k`, with a line for each:
/// `at` is where the greatest element is, less than 0 if the window is outside.
fn greatest(windows: &[Window], x: &super::Operand<'_>, line: &str) -> String {
    let image = x.shape;
    let channels = image[windows.len() + 1];
    let mut text = String::new();
    let mut depth = 1;
    let begin = |text: &mut String, depth: &mut usize, counter: &str, size: usize| {
        let indent = "    ".repeat(*depth);
        let _ =
            writeln!(text, "{indent}for (long {counter} = 0; {counter} < {size}; {counter}++) {{");
        *depth += 1;
    };
    begin(&mut text, &mut depth, "n", image[0]);
    let mut column = "n".to_string();
    for (axis, window) in windows.iter().enumerate() {
        begin(&mut text, &mut depth, &format!("c{axis}"), window.count);
        column = format!("({column}) * {} + c{axis}", window.count);
    }
    begin(&mut text, &mut depth, "k", channels);
    let indent = "    ".repeat(depth);
    let _ = writeln!(text, "{indent}const long window = ({column}) * {channels};");
    let _ = writeln!(text, "{indent}long at = -1;");
    let outer = depth;
    let mut row = "n".to_string();
    let mut conditions = Vec::new();
    for (axis, window) in windows.iter().enumerate() {
        begin(&mut text, &mut depth, &format!("s{axis}"), window.size);
        let Window { stride, dilation, before, .. } = window;
        let (length, indent) = (image[axis + 1], "    ".repeat(depth));
        let _ = writeln!(
            text,
            "{indent}const long p{axis} = {stride} * c{axis} + {dilation} * s{axis} - {before};"
        );
        conditions.push(format!("p{axis} >= 0 && p{axis} < {length}"));
        row = format!("({row}) * {length} + p{axis}");
    }
    let (indent, x, dtype) = ("    ".repeat(depth), &x.pointer, x.dtype);
    let _ = writeln!(text, "{indent}if ({}) {{", conditions.join(" && "));
    let _ = writeln!(text, "{indent}    const long i = ({row}) * {channels} + k;");
    let is_nan = if dtype.is_float() {
        format!(" || ({x}[i] != {x}[i] && {x}[at] == {x}[at])")
    } else {
        String::new()
    };
    let more = format!("at < 0 || {x}[i] > {x}[at]{is_nan}");
    let _ = writeln!(text, "{indent}    at = {more} ? i : at;");
    let _ = writeln!(text, "{indent}}}");
    for depth in (outer..depth).rev() {
        let _ = writeln!(text, "{}}}", "    ".repeat(depth));
    }
    let _ = writeln!(text, "{}{line}", "    ".repeat(outer));
    for depth in (1..outer).rev() {
        let _ = writeln!(text, "{}}}", "    ".repeat(depth));
    }
    text
}

/// Loops over all elements of windows of an image: `k` is the channel, `image` and `window` where
/// the channels begin.
fn walk(windows: &[Window], image: &Shape, inside: &str, outside: Option<&str>) -> String {
    let channels = image[windows.len() + 1];
    let mut text = String::new();
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
    let mut row = "n".to_string();
    let mut column = "n".to_string();
    let mut conditions = Vec::new();
    for (axis, window) in windows.iter().enumerate() {
        let Window { stride, dilation, before, .. } = window;
        let length = image[axis + 1];
        let _ = writeln!(
            text,
            "{indent}const long p{axis} = {stride} * c{axis} + {dilation} * s{axis} - {before};"
        );
        // Where no window reaches beyond the axis, nothing has to be asked.
        let last = (window.count - 1) * stride + (window.size - 1) * dilation;
        if *before > 0 {
            conditions.push(format!("p{axis} >= 0"));
        }
        if last >= before + length {
            conditions.push(format!("p{axis} < {length}"));
        }
        row = format!("({row}) * {length} + p{axis}");
        column = format!("({column}) * {} + c{axis}", window.count);
    }
    for (axis, window) in windows.iter().enumerate() {
        column = format!("({column}) * {} + s{axis}", window.size);
    }
    let _ = writeln!(text, "{indent}const long image = ({row}) * {channels};");
    let _ = writeln!(text, "{indent}const long window = ({column}) * {channels};");
    let each = |text: &mut String, indent: &str, line: &str| {
        let _ = writeln!(
            text,
            "{indent}for (long k = 0; k < {channels}; k++) {{\n{indent}    {line}\n{indent}}}"
        );
    };
    if conditions.is_empty() {
        each(&mut text, &indent, inside);
    } else {
        let _ = writeln!(text, "{indent}if ({}) {{", conditions.join(" && "));
        each(&mut text, &format!("{indent}    "), inside);
        if let Some(outside) = outside {
            let _ = writeln!(text, "{indent}}} else {{");
            each(&mut text, &format!("{indent}    "), outside);
        }
        let _ = writeln!(text, "{indent}}}");
    }
    for depth in (1..depth).rev() {
        let _ = writeln!(text, "{}}}", "    ".repeat(depth));
    }
    text
}
