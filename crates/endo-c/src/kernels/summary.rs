//! What tensors are like, and how they lie to each other.
//!
//! In: calls. Out: the bodies of their functions. Sums are in `double`.

use std::fmt::Write;

use super::super::text::double;
use super::KernelCall;

/// The numbers of a summary before its histogram.
const NUMBERS: usize = 7;

/// For each input a row: mean, variance, sum of squares, extremes, zeros, those outside of bounds,
/// and a histogram.
pub fn summaries(call: &mut KernelCall<'_>) -> Option<String> {
    let bins = call.size(0)?;
    let mut text = String::new();
    for (index, x) in call.inputs.iter().enumerate() {
        let (count, from) = (x.shape.len(), &x.pointer);
        let bound = |side: usize| {
            call.attributes
                .get(1 + 2 * index + side)
                .map(|&bits| double(f64::from_bits(bits as u64)))
        };
        let (low, high) = (bound(0)?, bound(1)?);
        let to = format!("({} + {})", call.output.pointer, index * (NUMBERS + bins));
        let _ = writeln!(
            text,
            "    {{
        double sum = 0, spread = 0, squares = 0, least = INFINITY, greatest = -INFINITY;
        double zeros = 0, beyond = 0;"
        );
        let each = |body: &str| {
            format!(
                "        for (long i = 0; i < {count}; i++) {{
            const double x = {from}[i];
{body}        }}
"
            )
        };
        if count > 0 {
            text.push_str(&each(&format!(
                "            sum += x;
            squares += x * x;
            least = x < least ? x : least;
            greatest = x > greatest ? x : greatest;
            zeros += x == 0;
            beyond += x < {low} || x > {high};
"
            )));
            text.push_str(&each(&format!(
                "            spread += (x - sum / {count}) * (x - sum / {count});
"
            )));
        }
        let _ = writeln!(
            text,
            "        {to}[0] = sum / {count}.0;
        {to}[1] = spread / {count}.0;
        {to}[2] = squares;
        {to}[3] = isnan(squares) ? (double)NAN : least;
        {to}[4] = isnan(squares) ? (double)NAN : greatest;
        {to}[5] = zeros;
        {to}[6] = beyond;"
        );
        if bins > 0 {
            let _ = writeln!(
                text,
                "        for (long i = 0; i < {bins}; i++) {{
            {to}[{NUMBERS} + i] = 0;
        }}"
            );
            if count > 0 {
                let _ = writeln!(
                    text,
                    "        {{
            const double low = {to}[3] * 0.5, range = {to}[4] * 0.5 - low;
            const double scale = range > 0 ? {bins} / range : 0;
            const double factor = scale < 1.7976931348623157e308 ? scale : 1.7976931348623157e308;
    {}        }}",
                    each(&format!(
                        "            const double y = (x * 0.5 - low) * factor;
            const double place = y > 0 ? y : 0;
            {to}[{NUMBERS} + (long)(place < {last} ? place : {last})] += 1;
",
                        last = bins - 1
                    ))
                    .replace("\n    ", "\n        ")
                );
            }
        }
        text.push_str("    }\n");
    }
    Some(text)
}

/// For each pair of inputs the sum of products of their elements.
pub fn dots(call: &mut KernelCall<'_>) -> Option<String> {
    let mut text = String::new();
    for (index, pair) in call.attributes.chunks_exact(2).enumerate() {
        let operand = |side: usize| call.inputs.get(usize::try_from(pair[side]).ok()?);
        let (a, b, to) = (operand(0)?, operand(1)?, &call.output.pointer);
        let _ = writeln!(text, "    {to}[{index}] = 0;");
        if !a.shape.is_empty() {
            let (count, a, b) = (a.shape.len(), &a.pointer, &b.pointer);
            let _ = writeln!(
                text,
                "    for (long i = 0; i < {count}; i++) {{
        {to}[{index}] += (double){a}[i] * (double){b}[i];
    }}"
            );
        }
    }
    Some(text)
}
