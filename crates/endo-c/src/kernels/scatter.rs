//! Rows put in the place of others.
//!
//! In: calls, whose first input is what is changed. Out: the bodies of their functions.

use super::KernelCall;

/// Rows in the place of those of their numbers; numbers out of range are left out.
pub fn update(call: &mut KernelCall<'_>) -> Option<String> {
    let [before, numbers, rows] = &call.inputs[..] else { return None };
    let (to, all, size) =
        (&call.output.pointer, call.output.shape.len(), call.output.shape.batch());
    // What is changed where it lies need not be copied.
    let copy = if before.pointer == *to {
        String::new()
    } else {
        let from = &before.pointer;
        format!("    for (long i = 0; i < {all}; i++) {{\n        {to}[i] = {from}[i];\n    }}\n")
    };
    let (count, inner) = (rows.shape.batch(), all / size);
    if rows.shape.is_empty() {
        return Some(copy);
    }
    Some(format!(
        "{copy}    for (long j = 0; j < {count}; j++) {{
        const long index = {index}[j] < 0 ? {index}[j] + {size}l : {index}[j];
        if (index >= 0 && index < {size}) {{
            for (long k = 0; k < {inner}; k++) {{
                {to}[index * {inner} + k] = {from}[j * {inner} + k];
            }}
        }}
    }}
",
        index = numbers.pointer,
        from = rows.pointer,
    ))
}
