//! Positions in order, and of the largest and smallest.
//!
//! In: calls. Out: the bodies of their functions.

use super::KernelCall;

/// The positions of the elements of each row in order.
pub fn argsort(call: &mut KernelCall<'_>) -> Option<String> {
    let descending = u8::from(call.flag(0)?);
    let [x] = &call.inputs[..] else { return None };
    let width = x.shape.last().copied().unwrap_or(1);
    let rows = x.shape.len() / width;
    let sort = call.helpers.name("argsort", x.dtype)?;
    let (to, from) = (&call.output.pointer, &x.pointer);
    Some(format!(
        "    for (long i = 0; i < {rows}; i++) {{
        {sort}({from} + {width} * i, {to} + {width} * i, {width}, {descending});
    }}
"
    ))
}

/// The position of the first element of each row that a comparison prefers to all others.
pub fn extreme(call: &mut KernelCall<'_>, comparison: char) -> Option<String> {
    let [x] = &call.inputs[..] else { return None };
    let (to, from, rows) = (&call.output.pointer, &x.pointer, call.output.shape.len());
    let width = x.shape.last().copied()?;
    let rest = if width > 1 {
        format!(
            "
        for (int32_t j = 1; j < {width}; j++) {{
            if ({from}[{width} * i + j] {comparison} {from}[{width} * i + best]) {{
                best = j;
            }}
        }}"
        )
    } else {
        String::new()
    };
    Some(format!(
        "    for (long i = 0; i < {rows}; i++) {{
        int32_t best = 0;{rest}
        {to}[i] = best;
    }}
"
    ))
}
