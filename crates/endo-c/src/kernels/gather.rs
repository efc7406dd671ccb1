//! Elements picked by index, and added back by index.
//!
//! In: calls, whose second input are indices. Out: the bodies of their functions. An index out of
//! range picks NaN, or 0 where there is none, and adds nothing.

use endo::DType;

use super::{KernelCall, Operand, around, plus};

/// Whole positions of an axis.
pub fn gather(call: &mut KernelCall<'_>) -> Option<String> {
    let [values, indices] = &call.inputs[..] else { return None };
    let [outer, size, inner] = around(values.shape, call.size(0)?);
    let count = indices.shape.len();
    let (to, missing) = (&call.output.pointer, missing(call.output.dtype));
    let picked = picked(values);
    Some(format!(
        "    for (long i = 0; i < {outer}; i++) {{
        for (long j = 0; j < {count}; j++) {{
            const long index = {index}[j] < 0 ? {index}[j] + {size}l : {index}[j];
            const int known = index >= 0 && index < {size};
            for (long k = 0; k < {inner}; k++) {{
                {to}[({count} * i + j) * {inner} + k] =
                    known ? {picked}({size} * i + index) * {inner} + k{end} : {missing};
            }}
        }}
    }}
",
        index = indices.pointer,
        end = if values.pointer.is_empty() { ")" } else { "]" },
    ))
}

/// One element along an axis for each index.
pub fn along(call: &mut KernelCall<'_>) -> Option<String> {
    let [values, indices] = &call.inputs[..] else { return None };
    let axis = call.size(0)?;
    let [outer, size, inner] = around(values.shape, axis);
    let count = indices.shape[axis];
    let (to, missing) = (&call.output.pointer, missing(call.output.dtype));
    let picked = picked(values);
    Some(format!(
        "    for (long i = 0; i < {outer}; i++) {{
        for (long j = 0; j < {count}; j++) {{
            for (long k = 0; k < {inner}; k++) {{
                const long place = ({count} * i + j) * {inner} + k;
                const long index = {index}[place] < 0 ? {index}[place] + {size}l : {index}[place];
                const int known = index >= 0 && index < {size};
                {to}[place] = known ? {picked}({size} * i + index) * {inner} + k{end} : {missing};
            }}
        }}
    }}
",
        index = indices.pointer,
        end = if values.pointer.is_empty() { ")" } else { "]" },
    ))
}

/// Values added where they were picked, by either of the above.
pub fn scatter_add(call: &mut KernelCall<'_>) -> Option<String> {
    let [values, indices] = &call.inputs[..] else { return None };
    let (axis, along) = (call.size(0)?, call.flag(1)?);
    let [outer, size, inner] = around(call.output.shape, axis);
    let to = &call.output.pointer;
    let all = call.output.shape.len();
    let clear = format!("    for (long i = 0; i < {all}; i++) {{\n        {to}[i] = 0;\n    }}\n");
    if values.shape.is_empty() {
        return Some(clear);
    }
    let count = if along { indices.shape[axis] } else { indices.shape.len() };
    let place = if along { "place" } else { "j" };
    let target = format!("{to}[({size} * i + index) * {inner} + k]");
    let sum = plus(values.dtype, &target, &format!("{}[place]", values.pointer));
    Some(format!(
        "{clear}    for (long i = 0; i < {outer}; i++) {{
        for (long j = 0; j < {count}; j++) {{
            for (long k = 0; k < {inner}; k++) {{
                const long place = ({count} * i + j) * {inner} + k;
                const long index = {index}[{place}] < 0 ? {index}[{place}] + {size}l : \
         {index}[{place}];
                if (index >= 0 && index < {size}) {{
                    {target} = {sum};
                }}
            }}
        }}
    }}
",
        index = indices.pointer,
    ))
}

/// What an index out of range picks.
fn missing(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "NAN",
        DType::F64 => "(double)NAN",
        _ => "0",
    }
}

/// The beginning of the text of an element; of an empty tensor, of which nothing is picked, of a
/// number.
fn picked(values: &Operand<'_>) -> String {
    if values.pointer.is_empty() { "0 * (".to_string() } else { format!("{}[", values.pointer) }
}
