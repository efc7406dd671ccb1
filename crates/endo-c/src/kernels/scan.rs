//! Running sums and products, and linear recurrences.
//!
//! In: calls. Out: the bodies of their functions.

use super::{KernelCall, around, plus, times};

/// Each element combined with those before it.
pub fn scan(call: &mut KernelCall<'_>, product: bool) -> Option<String> {
    let (exclusive, reverse) = (call.flag(1)?, call.flag(2)?);
    let [x] = &call.inputs[..] else { return None };
    let combine = if product { times } else { plus };
    let next = combine(x.dtype, "total", &format!("{}[place]", x.pointer));
    let (first, of, to) = (u8::from(product), x.c_type(), &call.output.pointer);
    let step = if exclusive {
        format!(
            "const {of} next = {next};\n                {to}[place] = total;\n                \
             total = next;"
        )
    } else {
        format!("total = {next};\n                {to}[place] = total;")
    };
    Some(walk(call, call.size(0)?, reverse, &format!("{of} total = {first};"), &step))
}

/// `y[t] = b[t] + a[t] y[t - 1]`.
pub fn recurrence(call: &mut KernelCall<'_>) -> Option<String> {
    let [a, b] = &call.inputs[..] else { return None };
    let (of, to) = (a.c_type(), &call.output.pointer);
    let step = format!(
        "total = {}[place] + {}[place] * total;\n                {to}[place] = total;",
        b.pointer, a.pointer
    );
    Some(walk(call, call.size(0)?, call.flag(1)?, &format!("{of} total = 0;"), &step))
}

/// Goes along an axis for each position of the others.
fn walk(call: &KernelCall<'_>, axis: usize, reverse: bool, begin: &str, step: &str) -> String {
    let [outer, size, inner] = around(call.output.shape, axis);
    let position = if reverse { format!("({} - j)", size - 1) } else { "j".to_string() };
    format!(
        "    for (long i = 0; i < {outer}; i++) {{
        for (long k = 0; k < {inner}; k++) {{
            {begin}
            for (long j = 0; j < {size}; j++) {{
                const long place = ({size} * i + {position}) * {inner} + k;
                {step}
            }}
        }}
    }}
"
    )
}
