//! Loops over steps: the calls of a step, in a loop of C.
//!
//! In: a loop of a plan. Out: its lines, in which the states are what the steps work on, and what
//! they give goes where it stays.

use endo::Result;
use endo::plan::{self, LoopOverSteps};

use super::memory::Layout;
use super::text::c_type;
use super::unit::{Unit, Writing};

/// The lines of a loop.
pub fn lines(unit: &mut Unit, writing: &Writing<'_>, scan: &LoopOverSteps) -> Result<Vec<String>> {
    let depth = writing.depth;
    let [step, position, steps, next] =
        ["step", "position", "steps", "next"].map(|name| format!("{name}{depth}"));
    let body = &*scan.body;
    let mut at = |argument: &plan::Argument| {
        unit.address(writing, writing.place(argument.buffer), argument.offset)
    };
    let mut inputs = vec![format!("(&{position})")];
    let mut lines = vec!["{".to_string()];
    let all = scan.steps;
    match &scan.count {
        Some(count) => {
            let count = at(count);
            lines.push(format!("    const long {step}_most = *({count});"));
            lines.push(format!(
                "    const long {steps} = {step}_most < 0 ? 0 : \
                 {step}_most < {all} ? {step}_most : {all};"
            ));
        }
        None => lines.push(format!("    const long {steps} = {all};")),
    }
    lines.push(format!("    long {step} = 0;"));
    let first: Vec<String> = scan.states.iter().map(|state| at(&state.first)).collect();
    let sequences: Vec<String> = scan
        .sequences
        .iter()
        .map(|sequence| {
            let length = sequence.shape.len() / sequence.shape.batch().max(1);
            format!("({} + {length} * {position})", at(sequence))
        })
        .collect();
    let captured: Vec<String> =
        scan.captured.iter().map(|argument| format!("({})", at(argument))).collect();
    let buffer = |unit: &mut Unit, buffer: usize| {
        format!("({})", unit.address(writing, writing.place(buffer), 0))
    };
    let mut outputs: Vec<String> =
        scan.conditional.then(|| format!("(&{next})")).into_iter().collect();
    for (state, first) in scan.states.iter().zip(&first) {
        let last = buffer(unit, state.last);
        let count = state.first.shape.len();
        lines.push(format!("    for (long i = 0; i < {count}; i++) {{"));
        lines.push(format!("        {last}[i] = ({first})[i];"));
        lines.push("    }".to_string());
        inputs.push(last.clone());
        outputs.push(last);
    }
    inputs.extend(sequences);
    inputs.extend(captured);
    let made = body.outputs.iter().skip(outputs.len());
    let lengths: Vec<usize> = made.map(|output| output.signature.shape.len()).collect();
    let stacked: Vec<String> = scan.stacked.iter().map(|&of| buffer(unit, of)).collect();
    for (stacked, length) in stacked.iter().zip(&lengths) {
        outputs.push(format!("({stacked} + {length} * {position})"));
    }
    let layout = Layout::new(body).after(&writing.layout);
    let inner =
        Writing { plan: body, layout, inputs: &inputs, outputs: &outputs, depth: depth + 1 };
    let goes_on = if scan.conditional { format!(" && {next}") } else { String::new() };
    if scan.conditional {
        lines.push(format!("    {} {next} = 1;", c_type(endo::DType::Bool)));
    }
    lines.push(format!("    for (; {step} < {steps}{goes_on}; {step}++) {{"));
    let of_step = if scan.backwards { format!("{steps} - 1 - {step}") } else { step.clone() };
    lines.push(format!("        const int32_t {position} = (int32_t)({of_step});"));
    lines.extend(unit.lines(&inner)?.into_iter().map(|line| format!("        {line}")));
    lines.push("    }".to_string());
    for (stacked, length) in stacked.iter().zip(&lengths).filter(|(_, length)| **length > 0) {
        lines.push(format!("    for (long i = {length} * {step}; i < {length} * {all}L; i++) {{"));
        lines.push(format!("        {stacked}[i] = 0;"));
        lines.push("    }".to_string());
    }
    if let Some(done) = scan.done {
        lines.push(format!("    {}[0] = (int32_t){step};", buffer(unit, done)));
    }
    lines.push("}".to_string());
    Ok(lines)
}
