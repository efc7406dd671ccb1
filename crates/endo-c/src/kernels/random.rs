//! Uniform random numbers by the generator of `endo::random`.
//!
//! In: a call, whose input is the counter. Out: the body of its function.

use endo::DType;

use super::KernelCall;

/// Numbers strictly between 0 and 1.
pub fn uniform(call: &mut KernelCall<'_>) -> Option<String> {
    let (place, per_row) =
        (*call.attributes.first()?, call.attributes.get(1).copied().unwrap_or(0));
    let [counter] = &call.inputs[..] else { return None };
    let draw = call.helpers.name("draw", DType::I32)?;
    let (to, from, count) = (&call.output.pointer, &counter.pointer, call.output.shape.len());
    let (upper, first) = if counter.shape.len() == 5 {
        let row = format!("((uint64_t)(uint32_t){from}[4] << 32 | (uint32_t){from}[3])");
        (format!("(uint32_t){from}[2]"), format!("{row} * {per_row}u"))
    } else {
        ("0".to_string(), "0".to_string())
    };
    let (block, number) = match call.output.dtype {
        DType::F32 => (4, "((float)(words[at % 4] >> 9) + 0.5f) * (1.0f / 8388608.0f)".to_string()),
        DType::F64 => {
            let bits = "((uint64_t)words[2 * (at % 2)] << 32 | words[2 * (at % 2) + 1])";
            (2, format!("((double)({bits} >> 12) + 0.5) * (1.0 / 4503599627370496.0)"))
        }
        _ => return None,
    };
    Some(format!(
        "    const uint64_t first = {first};
    uint32_t words[4] = {{0}};
    for (long i = 0; i < {count}; i++) {{
        const uint64_t at = first + (uint64_t)i;
        if (i == 0 || at % {block} == 0) {{
            uint32_t counter[4];
            counter[0] = (uint32_t)(at / {block});
            counter[1] = (uint32_t)(at / {block} >> 32);
            counter[2] = (uint32_t){from}[1];
            counter[3] = {upper};
            {draw}((uint32_t){from}[0], {place}u, counter, words);
        }}
        {to}[i] = {number};
    }}
"
    ))
}
