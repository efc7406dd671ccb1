//! Operations with code of their own, by the names and attributes by which saved graphs hold them.
//!
//! In: a call of a plan. Out: the call of a C function made for its shapes. One file for each file
//! of kernels in `endo::ops`, and one row here for each kernel.

mod concatenate;
mod depthwise;
mod gather;
mod random;
mod scan;
mod scatter;
mod sort;
mod summary;
mod window;

use endo::plan::{Argument, Call};
use endo::{DType, Result, Shape};

use super::file_functions::Helpers;
use super::text::c_type;
use super::unit::{Parameters, Unit, Writing, cannot};

/// What the text of a kernel is made of.
struct KernelCall<'a> {
    attributes: Vec<i64>,
    /// The inputs: a pointer to the first element, shape and type.
    inputs: Vec<Operand<'a>>,
    output: Operand<'a>,
    helpers: &'a mut Helpers,
}

/// An operand of a kernel.
struct Operand<'a> {
    /// The pointer, with what is to be added to it.
    pointer: String,
    shape: &'a Shape,
    dtype: DType,
}

/// A kernel in C: the name, and what writes the body of its function.
type KernelText = (&'static str, fn(&mut KernelCall<'_>) -> Option<String>);

/// All kernels.
const KERNELS: &[KernelText] = &[
    ("add_to_greatest", window::add_to_greatest),
    ("argmax", |call| sort::extreme(call, '>')),
    ("argmin", |call| sort::extreme(call, '<')),
    ("argsort", sort::argsort),
    ("concatenate", concatenate::concatenate),
    ("cumprod", |call| scan::scan(call, true)),
    ("cumsum", |call| scan::scan(call, false)),
    ("depthwise", depthwise::filter),
    ("depthwise_add", depthwise::spread),
    ("depthwise_sums", depthwise::correlate),
    ("dots", summary::dots),
    ("gather", gather::gather),
    ("linear_recurrence", scan::recurrence),
    ("overlap_add", window::overlap_add),
    ("random_uniform", random::uniform),
    ("scatter_add", gather::scatter_add),
    ("scatter_update", scatter::update),
    ("summaries", summary::summaries),
    ("take_along_axis", gather::along),
    ("take_greatest", window::take_greatest),
    ("unslice", concatenate::unslice),
    ("windows", window::windows),
];

/// The names of the kernels that can be written.
pub fn names() -> impl Iterator<Item = &'static str> {
    KERNELS.iter().map(|(name, _)| *name)
}

/// The call that a kernel is; none if its output is empty.
pub fn call(unit: &mut Unit, writing: &Writing<'_>, call: &Call) -> Result<Vec<String>> {
    let name = call.kernel.name();
    let refused = || cannot(&format!("the operation `{name}`"));
    if call.kernel.effect().is_some() {
        return Err(refused());
    }
    if call.output.shape.is_empty() {
        return Ok(Vec::new());
    }
    let (_, write) = KERNELS.iter().find(|(known, _)| *known == name).ok_or_else(refused)?;
    let mut parameters = Parameters::default();
    let mut operand = |argument: &'_ Argument, written| {
        let place = writing.place(argument.buffer);
        let pointer = parameters.pointer(place, written);
        let pointer = match argument.offset {
            0 => pointer,
            offset => format!("({pointer} + {offset})"),
        };
        (pointer, place.dtype)
    };
    // The pointer of what is empty would be one that nothing uses.
    let given: Vec<(String, DType)> = call
        .inputs
        .iter()
        .map(|input| {
            if input.shape.is_empty() {
                (String::new(), writing.dtype(input.buffer))
            } else {
                operand(input, false)
            }
        })
        .collect();
    let (pointer, dtype) = operand(&call.output, true);
    let inputs = call.inputs.iter().zip(given).map(|(input, (pointer, dtype))| Operand {
        pointer,
        shape: &input.shape,
        dtype,
    });
    let mut written = KernelCall {
        attributes: call.kernel.attributes(),
        inputs: inputs.collect(),
        output: Operand { pointer, shape: &call.output.shape, dtype },
        helpers: &mut unit.helpers,
    };
    let body = write(&mut written).ok_or_else(refused)?;
    Ok(vec![unit.call(writing, name, &parameters, &body)])
}

impl KernelCall<'_> {
    /// The attribute at a position, as a size or position.
    fn size(&self, position: usize) -> Option<usize> {
        self.attributes.get(position).copied().and_then(|number| number.try_into().ok())
    }

    /// Whether the attribute at a position is a flag that is set.
    fn flag(&self, position: usize) -> Option<bool> {
        Some(*self.attributes.get(position)? != 0)
    }
}

impl Operand<'_> {
    /// The C type of its elements.
    fn c_type(&self) -> &'static str {
        c_type(self.dtype)
    }
}

/// The number of elements before, in and after an axis.
fn around(shape: &Shape, axis: usize) -> [usize; 3] {
    let product = |sizes: &[usize]| sizes.iter().product::<usize>();
    [product(&shape[..axis]), shape[axis], product(&shape[axis + 1..])]
}

/// The sum of two elements, which wraps around for integers.
fn plus(dtype: DType, a: &str, b: &str) -> String {
    match dtype {
        DType::F32 | DType::F64 => format!("{a} + {b}"),
        DType::I32 => format!("(int32_t)((uint32_t){a} + (uint32_t){b})"),
        _ => format!("{a} | {b}"),
    }
}

/// The product of two elements, which wraps around for integers.
fn times(dtype: DType, a: &str, b: &str) -> String {
    match dtype {
        DType::F32 | DType::F64 => format!("{a} * {b}"),
        DType::I32 => format!("(int32_t)((uint32_t){a} * (uint32_t){b})"),
        _ => format!("{a} & {b}"),
    }
}
