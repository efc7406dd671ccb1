//! Copies views to contiguous memory: stretches as they are, transposed ones in blocks.
//!
//! In: a loop of the plan that computes nothing. Out: the elements in the order of the view. Long
//! copies are shared among threads.

use crate::plan::{FusedLoop, Plan};

use super::Run;
use super::address::{Address, Bases};
use super::cost::Cost;
use super::fused::gather::Gather;

/// The elements that one task copies, about.
const TASK: usize = 1 << 14;
/// The side of a block: as many elements of 4 bytes as share a cache line.
const BLOCK: usize = 16;

/// A copy with its addresses.
pub struct ViewCopy {
    to: Address,
    length: usize,
    /// Bytes of an element.
    size: usize,
    gather: Gather,
    turned: Option<TransposedAxes>,
}

/// Two axes of a view: the sequence's last one, and the one whose neighbours are neighbours in
/// memory.
struct TransposedAxes {
    /// Which axis that is.
    axis: usize,
    /// How many elements of the sequence lie between neighbours along it.
    distance: usize,
    /// The blocks along it.
    blocks: usize,
    /// The combinations of positions along all other axes but the last.
    others: usize,
}

impl TransposedAxes {
    fn all_blocks(&self) -> usize {
        self.blocks * self.others
    }
}

impl ViewCopy {
    /// Resolves a loop of the plan, if it is a copy and no more.
    pub fn new(plan: &Plan, body: &FusedLoop) -> Option<Self> {
        let ([load], [], [store], []) =
            (&body.loads[..], &body.instructions[..], &body.stores[..], &body.reduces[..])
        else {
            return None;
        };
        debug_assert!(body.repeats.is_empty(), "copies are not joined");
        let size = plan.buffers[load.buffer].element_bytes();
        let from = Address::new(plan, load.buffer, load.layout.offset);
        let turned = load.layout.is_scattered().then(|| {
            let axes = &load.layout.axes;
            let axis = axes
                .iter()
                .position(|axis| axis.stride == 1)
                .expect("scattered layouts have such an axis");
            let distance = axes[axis + 1..].iter().map(|axis| axis.size).product();
            let last = axes[axes.len() - 1].size;
            let others = body.length / (axes[axis].size * last);
            TransposedAxes { axis, distance, blocks: axes[axis].size.div_ceil(BLOCK), others }
        });
        let to = Address::new(plan, store.buffer, 0);
        Some(Self {
            to,
            length: body.length,
            size,
            gather: Gather::new(from, 0, size, &load.layout),
            turned,
        })
    }

    /// In how many parts threads can share it.
    pub fn tasks(&self) -> usize {
        let all = self.turned.as_ref().map_or(self.length, TransposedAxes::all_blocks);
        all.div_ceil(self.per_task())
    }

    /// The blocks of a task, or the elements where none are turned.
    fn per_task(&self) -> usize {
        let Some(turned) = &self.turned else { return TASK };
        (TASK * turned.all_blocks() / self.length.max(1)).max(1)
    }

    /// Copies all elements.
    ///
    /// # Safety
    /// The addresses hold what the plan says; nobody else writes what is read or touches what is
    /// written meanwhile.
    pub unsafe fn run(&self, run: &Run) {
        if self.length == 0 {
            return;
        }
        let (tasks, per_task) = (self.tasks(), self.per_task());
        let bases = run.bases;
        let cost = Cost::of_bytes(2 * self.length * self.size);
        run.share(cost, tasks, |_, task| {
            // SAFETY: as the caller promises; tasks write apart.
            unsafe {
                match &self.turned {
                    Some(turned) => {
                        let blocks =
                            task * per_task..((task + 1) * per_task).min(turned.all_blocks());
                        for block in blocks {
                            self.block(turned, bases, block);
                        }
                    }
                    None => {
                        let start = task * per_task;
                        let to = bases.at(self.to).wrapping_add(start * self.size);
                        self.gather.run_to(bases, to, start, per_task.min(self.length - start));
                    }
                }
            }
        });
    }

    /// Copies the rows of one block: up to [`BLOCK`] positions along the turned axis, and all along
    /// the last.
    ///
    /// # Safety
    /// As for `run`.
    unsafe fn block(&self, turned: &TransposedAxes, bases: &Bases, block: usize) {
        let axes = self.gather.axes();
        let last = axes.len() - 1;
        let (mut from, mut to) = (0, 0);
        let (mut rest, mut distance) = (block / turned.blocks, 1);
        for (axis, &(size, stride)) in axes.iter().enumerate().rev() {
            if axis != last && axis != turned.axis {
                from += (rest % size) as isize * stride;
                to += rest % size * distance;
                rest /= size;
            }
            distance *= size;
        }
        let first = block % turned.blocks * BLOCK;
        let rows = BLOCK.min(axes[turned.axis].0 - first);
        let (columns, stride) = axes[last];
        let from = self.gather.start(bases).wrapping_offset(from + (first * self.size) as isize);
        let to = bases.at(self.to).wrapping_add((to + first * turned.distance) * self.size);
        // SAFETY: all positions are within the axes.
        unsafe {
            match self.size {
                1 => turn::<u8>(from, stride, rows, columns, to, turned.distance),
                2 => turn::<u16>(from, stride, rows, columns, to, turned.distance),
                4 => turn::<u32>(from, stride, rows, columns, to, turned.distance),
                _ => turn::<u64>(from, stride, rows, columns, to, turned.distance),
            }
        }
    }
}

/// Copies `columns` groups of up to [`BLOCK`] neighbours, `stride` bytes apart, to rows `distance`
/// elements apart. Every line of memory is read and written once, by way of a block on the stack:
/// lines at equal distances would drive each other out.
///
/// # Safety
/// `from` is valid for reads of all groups, `to` for writes of all rows, and they do not overlap.
unsafe fn turn<T: Copy + Default>(
    from: *const u8,
    stride: isize,
    rows: usize,
    columns: usize,
    to: *mut u8,
    distance: usize,
) {
    let mut block = [[T::default(); BLOCK]; BLOCK];
    for start in (0..columns).step_by(BLOCK) {
        let count = BLOCK.min(columns - start);
        // SAFETY: as the caller promises.
        unsafe {
            for (column, group) in block[..count].iter_mut().enumerate() {
                let from = from.wrapping_offset((start + column) as isize * stride).cast::<T>();
                std::ptr::copy_nonoverlapping(from, group.as_mut_ptr(), rows);
            }
            for row in 0..rows {
                let to = to.cast::<T>().wrapping_add(row * distance + start);
                for (column, group) in block[..count].iter().enumerate() {
                    to.add(column).write(group[row]);
                }
            }
        }
    }
}
