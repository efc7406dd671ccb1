//! Matrices that every step of a loop multiplies by, laid out once so that products read them
//! fast: rows of the second operand side by side, and neighbouring rows in different sets of the
//! cache.
//!
//! In: the plan of a step. Out: the same with further inputs, and how these are made of others.

use std::ops::Range;
use std::sync::Arc;

use crate::plan::{Action, Buffer, BufferPlace, Plan, Product, Signature};
use crate::simd::Memory;

/// Loops of fewer steps multiply by matrices as they lie.
const LEAST_STEPS: usize = 4;
/// Rows at multiples of this many bytes fall into few sets of the nearest cache.
const FEW_SETS: usize = 256;

/// Whether rows of elements, a number of them apart, fall into few sets of the nearest cache.
pub fn collides(row: usize, element_bytes: usize) -> bool {
    (row * element_bytes).is_multiple_of(FEW_SETS)
}

/// The distance between rows of a number of elements at which neighbours lie in different sets of
/// the nearest cache: an odd number of lines.
pub fn apart(elements: usize, element_bytes: usize) -> usize {
    ((elements * element_bytes).div_ceil(Memory::LINE) | 1) * Memory::LINE / element_bytes
}

/// A matrix that is laid out anew for each run of a loop.
pub struct LaidOut {
    /// Its place among what steps read besides what they are given.
    pub captured: usize,
    /// The bytes of an element.
    size: usize,
    rows: usize,
    columns: usize,
    /// The distances, in elements, between rows and between columns where it lies.
    strides: [usize; 2],
    /// The distance between rows where it is put.
    row: usize,
    memory: Memory,
}

impl LaidOut {
    /// Copies the matrix, and returns where it lies now.
    ///
    /// # Safety
    /// All its elements lie in memory from `from` on.
    pub unsafe fn lay_out(&mut self, from: *const u8) -> *mut u8 {
        let to = self.memory.bytes_mut().as_mut_ptr();
        let (rows, columns) = ([self.rows, self.row], 0..self.columns);
        // SAFETY: as the caller promises, and the memory has room for all rows.
        unsafe {
            match self.size {
                4 => lay_out(from.cast::<u32>(), self.strides, rows, columns, to.cast()),
                _ => lay_out(from.cast::<u64>(), self.strides, rows, columns, to.cast()),
            }
        }
        to
    }
}

/// Copies columns of a matrix, whose rows and columns are `strides` apart, to where its columns lie
/// side by side and its rows, the second number's distance apart.
///
/// # Safety
/// Its elements lie in memory from `from` on, and there is room for `rows` rows at `to`.
pub unsafe fn lay_out<T: Copy>(
    from: *const T,
    strides: [usize; 2],
    [rows, row]: [usize; 2],
    columns: Range<usize>,
    to: *mut T,
) {
    /// Columns that are copied at a time: those of a cache line.
    const BLOCK: usize = 16;
    for first in columns.clone().step_by(BLOCK) {
        let columns = first..columns.end.min(first + BLOCK);
        for at in 0..rows {
            for column in columns.clone() {
                // SAFETY: as the caller promises.
                unsafe {
                    let value = from.add(at * strides[0] + column * strides[1]);
                    *to.add(at * row + column) = *value;
                }
            }
        }
    }
}

/// The plan of a step in which products read the matrices that steps capture, the inputs from
/// `first` on, laid out for them; unless the system does not give the memory.
pub fn laid_out(
    body: &Arc<Plan>,
    first: usize,
    steps: usize,
) -> Option<(Arc<Plan>, Box<[LaidOut]>)> {
    let wanted = |product: &Product| {
        let right = &product.right;
        let BufferPlace::Input(input) = body.buffers[right.buffer].place else { return None };
        let [row, column] = right.strides.map(|stride| usize::try_from(stride).unwrap_or(0));
        let [_, rows, columns] = product.sizes;
        let size = body.buffers[right.buffer].dtype.bytes();
        let is_turned = column != 1 && row == 1;
        let is_matrix = right.offset == 0
            && product.batch.is_empty()
            && rows > 1
            && columns > 1
            && body.buffers[right.buffer].length == rows * columns;
        let lies_badly = is_turned || column == 1 && collides(row, size);
        (input >= first && is_matrix && lies_badly)
            .then(|| (input, [row, column], [rows, columns, apart(columns, size)], size))
    };
    if steps < LEAST_STEPS
        || body.steps.iter().all(|step| match &step.action {
            Action::Product(product) => wanted(product).is_none(),
            _ => true,
        })
    {
        return Some((body.clone(), Box::default()));
    }
    let mut plan = Plan::clone(body);
    let mut matrices: Vec<LaidOut> = Vec::new();
    let mut buffers: Vec<usize> = Vec::new();
    for step in &mut plan.steps {
        let Action::Product(product) = &mut step.action else { continue };
        let Some((input, strides, [rows, columns, row], size)) = wanted(product) else { continue };
        let captured = input - first;
        let known = matrices
            .iter()
            .position(|known| (known.captured, known.strides) == (captured, strides));
        let place = match known {
            Some(place) => place,
            None => {
                let memory = Memory::try_zeroed(rows.checked_mul(row)?.checked_mul(size)?)?;
                let dtype = body.buffers[product.right.buffer].dtype;
                let place = BufferPlace::Input(plan.inputs.len());
                plan.inputs.push(Signature { shape: [rows, row].into(), dtype });
                buffers.push(plan.buffers.len());
                plan.buffers.push(Buffer { dtype, length: rows * row, place, halved: false });
                matrices.push(LaidOut { captured, size, rows, columns, strides, row, memory });
                matrices.len() - 1
            }
        };
        product.right.buffer = buffers[place];
        product.right.strides = [row as isize, 1];
    }
    Some((Arc::new(plan), matrices.into()))
}
