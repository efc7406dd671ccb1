//! Products with windows of images, a part of the windows at a time: those of a part lie in the
//! scratch of a thread, near its processor.
//!
//! In: a product of the plan and the operation on windows that goes with it. Out: the product's
//! result, or the image to which its rows were added. How windows are parted depends on sizes
//! alone, so that the number of threads changes no result.

use std::ops::Range;

use crate::dtype::DType;
use crate::graph::windows::{Stretches, each, stretch};
use crate::graph::{Window, Windowing};
use crate::plan::{Argument, Matrix, Plan, WindowedProduct};
use crate::simd::{Level, Memory};

use super::Run;
use super::address::Address;
use super::laid_out::lay_out;
use super::matmul::{Element, Lanes, Matmul, TileKernel, enter};
use super::passes::MOST_AXES;
use super::pool::Pool;

/// The multiply-adds above which parts are shared among threads.
const SHARED_WORK: usize = 1 << 19;
/// The bytes of the windows of a part, about: half of a small second-level cache.
const PART_BYTES: usize = 192 << 10;
/// The positions of a part: fewer would be too short for a product, and more change nothing.
const LEAST_POSITIONS: usize = 32;
const MOST_POSITIONS: usize = 256;
/// The bytes of the other matrix above which parts are as long as they may be: it is read once for
/// each.
const LARGE_MATRIX: usize = 1 << 20;
/// The most sums over positions that are apart until the end, and the bytes of all.
const MOST_SUMS: usize = 16;
const SUM_BYTES: usize = 4 << 20;
/// The parts from which on the right matrix is laid out for them first.
const LAID_OUT_PARTS: usize = 4;
/// Rows at multiples of so many bytes fall into few sets of the nearest cache.
const FEW_SETS: usize = 256;
/// The columns that are laid out, and the elements that are added up, in one task.
const LAID_OUT_COLUMNS: usize = 64;
const SUMMED: usize = 1 << 13;
/// The elements of a stretch up to which copies of a known length are faster than vectors.
const SHORT: usize = 16;

/// What a product with windows computes.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    /// `[positions, filters]`: windows times a matrix.
    Windows,
    /// `[terms, filters]`: windows, turned, times a matrix of all positions.
    Turned,
    /// An image: the rows of a product, `[positions, terms]`, added up.
    Added,
}

/// A product with windows, with its addresses.
pub struct Windowed {
    role: Role,
    wide: bool,
    windows: Box<[Window]>,
    /// The sizes of the image: `[batch, lengths.., channels]`.
    image: Box<[usize]>,
    parts: Parts,
    /// The elements of a window.
    terms: usize,
    /// Whether the windows of a part lie side by side, one element of them after another, instead
    /// of one window after another.
    side_by_side: bool,
    /// The filters of a convolution: the third size of the product.
    filters: usize,
    /// The sums over positions that are apart until the end.
    sums: usize,
    /// The distances between rows and columns of the left and the right matrix where they lie; one
    /// of them is the windows.
    left: [usize; 2],
    right: [usize; 2],
    /// The distance between rows of the right matrix where it is laid out anew: once for all parts,
    /// or its rows for each part where they are positions.
    laid_out: Option<usize>,
    image_at: Address,
    left_at: Address,
    right_at: Address,
    bias: Option<Address>,
    output: Address,
}

impl Windowed {
    /// Resolves a product with windows.
    pub fn new(plan: &Plan, windowed: &WindowedProduct) -> Self {
        let (product, call) = (&windowed.product, &windowed.call);
        let (windows, image, added): (&[Window], &Argument, bool) = match windowed.windowing() {
            Windowing::Take(windows) => (windows, &call.inputs[0], false),
            Windowing::Add(windows) => (windows, &call.output, true),
        };
        let dtype = plan.buffers[image.buffer].dtype;
        let channels = image.shape.features();
        let terms = windows.iter().map(|window| window.size).product::<usize>() * channels;
        let [rows, inner, filters] = product.sizes;
        let strides = |matrix: &Matrix| {
            matrix
                .strides
                .map(|stride| usize::try_from(stride).expect("matrices are laid out forwards"))
        };
        let (left, right) = (strides(&product.left), strides(&product.right));
        let role = match added {
            true => Role::Added,
            false if inner == terms && (left[1] == 1 || inner == 1) => Role::Windows,
            false => Role::Turned,
        };
        let (filters, matrix) = match role {
            Role::Windows => (filters, inner * filters),
            Role::Turned => (filters, rows * filters),
            Role::Added => (inner, inner * filters),
        };
        let size = dtype.bytes();
        let parts = Parts::new(windows, image.shape.batch(), terms * size, matrix * size);
        let sums = match role {
            Role::Turned => parts.count().min(MOST_SUMS).min(SUM_BYTES / (matrix * size)).max(1),
            Role::Windows | Role::Added => 1,
        };
        let columns = product.sizes[2];
        let lies_well = right[1] == 1 && !(right[0] * size).is_multiple_of(FEW_SETS);
        let laid_out = (columns > 1 && !lies_well && parts.count() >= LAID_OUT_PARTS)
            .then(|| apart(columns, size));
        // Then neighbours in the image are neighbours among the windows.
        let last = windows.last().is_some_and(|window| window.stride == 1);
        let side_by_side = role != Role::Added && channels == 1 && last;
        let at = |matrix: &Matrix| Address::new(plan, matrix.buffer, matrix.offset);
        Self {
            role,
            wide: dtype == DType::F64,
            windows: windows.into(),
            image: image.shape.iter().copied().collect(),
            parts,
            terms,
            side_by_side,
            filters,
            sums,
            left,
            right,
            laid_out,
            image_at: Address::new(plan, image.buffer, image.offset),
            left_at: at(&product.left),
            right_at: at(&product.right),
            bias: product.bias.map(|(buffer, offset)| Address::new(plan, buffer, offset)),
            output: Address::new(plan, product.output, 0),
        }
    }

    fn element_bytes(&self) -> usize {
        if self.wide { 8 } else { 4 }
    }

    /// The distance between rows of a part with so many positions: windows, or where they lie side
    /// by side their elements.
    fn part_row(&self, positions: usize) -> usize {
        apart(if self.side_by_side { positions } else { self.terms }, self.element_bytes())
    }

    /// The bytes of the windows of a part.
    fn part_bytes(&self) -> usize {
        let positions = self.parts.most_positions();
        let rows = if self.side_by_side { self.terms } else { positions };
        Memory::round_up(rows * self.part_row(positions) * self.element_bytes())
    }

    /// The bytes of the rows of the right matrix that belong to a part.
    fn right_bytes(&self) -> usize {
        let row = self.laid_out.filter(|_| self.role == Role::Turned).unwrap_or(0);
        Memory::round_up(self.parts.most_positions() * row * self.element_bytes())
    }

    /// The bytes of scratch that one thread needs: for the windows of a part, its rows of the right
    /// matrix, and its product.
    pub fn scratch_bytes(&self) -> usize {
        let product = |positions: usize| {
            let product = |accumulate| self.matmul(positions, accumulate);
            [true, false].map(|accumulate| product(accumulate).scratch_bytes(self.element_bytes()))
        };
        let products = self.parts.sizes().into_iter().flat_map(product).max();
        self.part_bytes() + self.right_bytes() + products.unwrap_or(0)
    }

    /// The bytes of the memory that all threads share: the right matrix laid out, or sums that are
    /// apart.
    pub fn partial_bytes(&self) -> usize {
        let rows = match self.role {
            Role::Windows => self.terms,
            Role::Added => self.filters,
            Role::Turned => 0,
        };
        let laid_out = self.laid_out.map_or(0, |row| rows * row);
        let sums = if self.sums > 1 { self.sums * self.sum_elements() } else { 0 };
        (laid_out + sums) * self.element_bytes()
    }

    /// The elements of one of the sums, to a whole number of cache lines.
    fn sum_elements(&self) -> usize {
        (self.terms * self.filters).next_multiple_of(Memory::LINE / self.element_bytes())
    }

    /// The product of a part with so many positions.
    fn matmul(&self, positions: usize, accumulate: bool) -> Matmul {
        let &Self { terms, filters, .. } = self;
        let right = self.laid_out.map_or(self.right, |row| [row, 1]);
        let row = self.part_row(positions);
        let windows = if self.side_by_side { [1, row] } else { [row, 1] };
        let ([m, k, n], a, c_row) = match self.role {
            Role::Windows => ([positions, terms, filters], windows, filters),
            Role::Turned => ([terms, positions, filters], [windows[1], windows[0]], filters),
            Role::Added => ([positions, filters, terms], self.left, row),
        };
        Matmul { m, n, k, a, b: right, c_row, accumulate }
    }

    /// Runs the product.
    ///
    /// # Safety
    /// The addresses hold what the plan says; nobody else writes what is read or touches the output
    /// meanwhile.
    pub unsafe fn run(&self, run: &Run) {
        // SAFETY: as the caller promises.
        unsafe { if self.wide { self.all::<f64>(run) } else { self.all::<f32>(run) } }
    }

    /// # Safety
    /// As for `run`, and the elements are of the type.
    unsafe fn all<T: Element>(&self, run: &Run) {
        let work = self.parts.positions() * self.terms * self.filters;
        let units = self.units();
        let shared = units > 1 && run.threads > 1 && work > SHARED_WORK;
        // SAFETY: as the caller promises; what the threads share is written here before they read
        // it, and they write apart.
        unsafe {
            if let Some(row) = self.laid_out
                && self.role != Role::Turned
            {
                self.lay_out::<T>(run, row);
            }
            if shared {
                run.share(units, |thread, unit| self.unit::<T>(run, unit, thread, run.alone));
            } else {
                (0..units).for_each(|unit| self.unit::<T>(run, unit, 0, run.pool));
            }
            if self.sums > 1 {
                self.add_up::<T>(run);
            }
        }
    }

    /// The number of tasks that write apart.
    fn units(&self) -> usize {
        match self.role {
            Role::Windows => self.parts.count(),
            Role::Turned => self.sums,
            // Windows of one sample overlap.
            Role::Added => self.parts.groups(),
        }
    }

    /// The parts of a task.
    fn parts_of(&self, unit: usize) -> Range<usize> {
        match self.role {
            Role::Windows => unit..unit + 1,
            Role::Turned => {
                let count = self.parts.count();
                count * unit / self.sums..count * (unit + 1) / self.sums
            }
            Role::Added => self.parts.of_group(unit),
        }
    }

    /// # Safety
    /// As for `all`; nobody else has this task, and this thread's scratch.
    unsafe fn unit<T: Element>(&self, run: &Run, unit: usize, thread: usize, pool: &Pool) {
        let bases = run.bases;
        let scratch: *mut T = run.scratch.of(thread).cast();
        let own = run.scratch.of(thread).wrapping_add(self.part_bytes());
        let rest = own.wrapping_add(self.right_bytes());
        let given = bases.at(self.right_at).cast::<T>();
        let right = match self.laid_out {
            Some(_) => run.scratch.partials().cast(),
            None => given,
        };
        let parts = self.parts_of(unit);
        if self.role == Role::Added {
            let (first, last) = (self.parts.part(parts.start), self.parts.part(parts.end - 1));
            let sample: usize = self.image[1..].iter().product();
            let image = bases.at(self.image_at).cast::<T>().wrapping_add(first.sample * sample);
            // SAFETY: the samples are the image's; zeros of floats have no bits.
            unsafe { image.write_bytes(0, (last.sample + last.samples - first.sample) * sample) };
        }
        for index in parts.clone() {
            let part = self.parts.part(index);
            let (first, positions) = (self.parts.first_position(&part), self.parts.size_of(&part));
            let accumulate = self.role == Role::Turned && index > parts.start;
            let matmul = self.matmul(positions, accumulate);
            let output = bases.at(self.output).cast::<T>();
            let bias = self.bias.map(|bias| bases.at(bias).cast_const().cast::<T>());
            // SAFETY: as the caller promises; a part lies within the image, the windows and the
            // matrices, and its windows fit in the scratch before the product's own.
            unsafe {
                match self.role {
                    Role::Windows => {
                        self.take::<T>(run, &part, scratch);
                        let c = output.wrapping_add(first * self.filters);
                        matmul.run(run.level, scratch, right, bias, c, rest, pool);
                    }
                    Role::Turned => {
                        self.take::<T>(run, &part, scratch);
                        let mut right = given.wrapping_add(first * self.right[0]);
                        if let Some(row) = self.laid_out {
                            let (rows, to) = ([positions, row], own.cast());
                            lay_out(right, self.right, rows, 0..self.filters, to);
                            right = to;
                        }
                        let c = if self.sums > 1 { self.sum(run, unit) } else { output };
                        matmul.run(run.level, scratch, right, None, c, rest, pool);
                    }
                    Role::Added => {
                        let left = bases.at(self.left_at).cast::<T>();
                        let left = left.wrapping_add(first * self.left[0]);
                        matmul.run(run.level, left, right, None, scratch, rest, pool);
                        self.add::<T>(run, &part, scratch);
                    }
                }
            }
        }
    }

    /// The windows of a part, one row after another.
    ///
    /// # Safety
    /// As for `unit`.
    unsafe fn take<T: Element>(&self, run: &Run, part: &Part, to: *mut T) {
        let view = self.parts.view(&self.windows, &self.image, part);
        let from = run.bases.at(self.image_at).cast_const().cast::<T>().wrapping_add(view.start);
        let positions = self.parts.size_of(part);
        let row = self.part_row(positions);
        if self.side_by_side {
            // SAFETY: as the caller promises.
            return unsafe { take_side_by_side(run.level, &view, from, to, row) };
        }
        let room = positions * row;
        each(view.windows(), view.image(), |stretches| match stretches.in_rows(self.terms, row) {
            (Some(image), stretches) => {
                // SAFETY: as the caller promises; stretches lie within the view and its windows.
                unsafe {
                    if stretches.length > SHORT {
                        let from = from.wrapping_add(image);
                        let to = to.wrapping_add(stretches.windows);
                        let steps = [stretches.image_step, stretches.windows_step];
                        enter(run.level, &Copy::<T, false>::new(from, to, steps, &stretches));
                    } else {
                        let from = std::slice::from_raw_parts(from, view.length());
                        let to = std::slice::from_raw_parts_mut(to, room);
                        stretch(&stretches, from, to, true, |to, from| *to = from);
                    }
                }
            }
            (None, stretches) => {
                for n in 0..stretches.count {
                    let to = to.wrapping_add(stretches.windows + n * stretches.windows_step);
                    // SAFETY: as above.
                    unsafe { to.write_bytes(0, stretches.length) };
                }
            }
        });
    }

    /// Adds the windows of a part up.
    ///
    /// # Safety
    /// As for `unit`.
    unsafe fn add<T: Element>(&self, run: &Run, part: &Part, from: *const T) {
        let view = self.parts.view(&self.windows, &self.image, part);
        let to = run.bases.at(self.image_at).cast::<T>().wrapping_add(view.start);
        let positions = self.parts.size_of(part);
        let row = self.part_row(positions);
        let room = positions * row;
        each(view.windows(), view.image(), |stretches| {
            let (Some(image), stretches) = stretches.in_rows(self.terms, row) else { return };
            // SAFETY: as the caller promises; stretches lie within the view and its windows.
            unsafe {
                if stretches.length > SHORT {
                    let from = from.wrapping_add(stretches.windows);
                    let to = to.wrapping_add(image);
                    let steps = [stretches.windows_step, stretches.image_step];
                    enter(run.level, &Copy::<T, true>::new(from, to, steps, &stretches));
                } else {
                    let from = std::slice::from_raw_parts(from, room);
                    let to = std::slice::from_raw_parts_mut(to, view.length());
                    stretch(&stretches, from, to, false, |to, from| *to = *to + from);
                }
            }
        });
    }

    /// Lays the right matrix out where all threads find it.
    ///
    /// # Safety
    /// As for `all`.
    unsafe fn lay_out<T: Element>(&self, run: &Run, row: usize) {
        let (rows, columns) = match self.role {
            Role::Added => (self.filters, self.terms),
            Role::Windows | Role::Turned => (self.terms, self.filters),
        };
        run.share(columns.div_ceil(LAID_OUT_COLUMNS), |_, task| {
            let from = run.bases.at(self.right_at).cast_const().cast::<T>();
            let first = task * LAID_OUT_COLUMNS;
            let columns = first..columns.min(first + LAID_OUT_COLUMNS);
            // SAFETY: as the caller promises; tasks write columns of their own.
            unsafe {
                lay_out(from, self.right, [rows, row], columns, run.scratch.partials().cast())
            }
        });
    }

    /// Where one of the sums over positions is.
    fn sum<T>(&self, run: &Run, sum: usize) -> *mut T {
        run.scratch.partials().cast::<T>().wrapping_add(sum * self.sum_elements())
    }

    /// Adds the sums up, the first ones first.
    ///
    /// # Safety
    /// As for `all`, and they are computed.
    unsafe fn add_up<T: Element>(&self, run: &Run) {
        let length = self.terms * self.filters;
        run.share(length.div_ceil(SUMMED), |_, task| {
            let start = task * SUMMED;
            let total = Total::<T> {
                from: self.sum::<T>(run, 0).cast_const().wrapping_add(start),
                to: run.bases.at(self.output).cast::<T>().wrapping_add(start),
                sums: self.sums,
                step: self.sum_elements(),
                length: SUMMED.min(length - start),
            };
            // SAFETY: as the caller promises; tasks write apart.
            unsafe { enter(run.level, &total) }
        });
    }
}

/// The distance between rows of so many elements at which they lie in different sets of the
/// nearest cache: an odd number of lines.
fn apart(elements: usize, element_bytes: usize) -> usize {
    ((elements * element_bytes).div_ceil(Memory::LINE) | 1) * Memory::LINE / element_bytes
}

/// Windows of one channel that are next to each other, element by element: for each element of the
/// windows a row of it in all of them, `row` apart.
///
/// # Safety
/// The processor has the instructions of the level, the view lies in memory from `from` on, and
/// there is room for all rows at `to`.
unsafe fn take_side_by_side<T: Element>(
    level: Level,
    view: &View,
    from: *const T,
    to: *mut T,
    row: usize,
) {
    let (Some((last, outer)), [batch, lengths @ .., _]) =
        (view.windows().split_last(), view.image())
    else {
        return;
    };
    let length = lengths[outer.len()];
    let counts: usize = outer.iter().map(|window| window.count).product();
    let sizes: usize = outer.iter().map(|window| window.size).product();
    let rows: usize = lengths[..outer.len()].iter().product();
    for sample in 0..*batch {
        for index in 0..counts * sizes {
            let (mut count, mut size) = (index / sizes, index % sizes);
            let start = (sample * counts + count) * last.count;
            let first_term = size * last.size;
            let (mut inside, mut image_row, mut stride) = (true, sample * rows, 1);
            for (window, &length) in outer.iter().zip(lengths).rev() {
                let position =
                    count % window.count * window.stride + size % window.size * window.dilation;
                inside &= (window.before..window.before + length).contains(&position);
                image_row += position.saturating_sub(window.before) * stride;
                stride *= length;
                (count, size) = (count / window.count, size / window.size);
            }
            for element in 0..last.size {
                let to = to.wrapping_add((first_term + element) * row + start);
                let ahead = element * last.dilation;
                // Window `n` has the position `n + ahead - before`.
                let low = last.before.saturating_sub(ahead).min(last.count);
                let high = (length + last.before).saturating_sub(ahead).clamp(low, last.count);
                let (low, high) = if inside { (low, high) } else { (last.count, last.count) };
                let at = image_row * length + (low + ahead).saturating_sub(last.before);
                let copy = Copy::<T, false> {
                    from: from.wrapping_add(at),
                    to: to.wrapping_add(low),
                    steps: [0; 2],
                    length: high - low,
                    count: 1,
                };
                // SAFETY: as the caller promises; zeros of floats have no bits.
                unsafe {
                    to.write_bytes(0, low);
                    enter(level, &copy);
                    to.wrapping_add(high).write_bytes(0, last.count - high);
                }
            }
        }
    }
}

/// Windows along the first axis, of some samples.
struct Part {
    sample: usize,
    samples: usize,
    /// The first of the windows along the first axis, and how many.
    first: usize,
    count: usize,
}

/// How positions are parted: some whole samples, or some rows of one sample.
struct Parts {
    batch: usize,
    /// The windows along the first axis, and the positions of one of these.
    counts: usize,
    row: usize,
    /// Whole samples of a part; 0 where a part is of one sample.
    samples: usize,
    /// The windows along the first axis of a part of one sample.
    rows: usize,
}

impl Parts {
    /// Parts of windows of so many bytes each, which are multiplied by a matrix of so many bytes.
    fn new(windows: &[Window], batch: usize, window_bytes: usize, matrix_bytes: usize) -> Self {
        let wanted = if matrix_bytes > LARGE_MATRIX {
            MOST_POSITIONS
        } else {
            (PART_BYTES / window_bytes).clamp(LEAST_POSITIONS, MOST_POSITIONS)
        };
        let counts = windows[0].count;
        let row = windows[1..].iter().map(|window| window.count).product::<usize>();
        let samples = wanted / (counts * row);
        // Nearly equal parts.
        let even = |total: usize, most: usize| total.div_ceil(total.div_ceil(most));
        let samples = if samples > 0 { even(batch, samples) } else { 0 };
        let rows = even(counts, (wanted / row).max(1));
        Self { batch, counts, row, samples, rows }
    }

    fn positions(&self) -> usize {
        self.batch * self.counts * self.row
    }

    /// The parts of one sample.
    fn per_sample(&self) -> usize {
        self.counts.div_ceil(self.rows)
    }

    fn count(&self) -> usize {
        match self.samples {
            0 => self.batch * self.per_sample(),
            samples => self.batch.div_ceil(samples),
        }
    }

    /// The number of groups of parts that have no sample in common.
    fn groups(&self) -> usize {
        if self.samples == 0 { self.batch } else { self.count() }
    }

    /// The parts of a group.
    fn of_group(&self, group: usize) -> Range<usize> {
        let size = if self.samples == 0 { self.per_sample() } else { 1 };
        group * size..(group + 1) * size
    }

    fn part(&self, index: usize) -> Part {
        match self.samples {
            0 => {
                let first = index % self.per_sample() * self.rows;
                let count = self.rows.min(self.counts - first);
                Part { sample: index / self.per_sample(), samples: 1, first, count }
            }
            samples => {
                let sample = index * samples;
                let samples = samples.min(self.batch - sample);
                Part { sample, samples, first: 0, count: self.counts }
            }
        }
    }

    fn first_position(&self, part: &Part) -> usize {
        (part.sample * self.counts + part.first) * self.row
    }

    fn size_of(&self, part: &Part) -> usize {
        part.samples * part.count * self.row
    }

    /// The positions that parts have: those of the first, of the last of a sample and of the last.
    fn sizes(&self) -> [usize; 3] {
        let last = self.count() - 1;
        let of_sample = last.min(self.per_sample() - 1);
        [0, of_sample, last].map(|index| self.size_of(&self.part(index)))
    }

    fn most_positions(&self) -> usize {
        self.sizes().into_iter().max().unwrap_or(0)
    }

    /// The part of an image that the windows of a part lie in, and these as windows of it.
    fn view(&self, windows: &[Window], image: &[usize], part: &Part) -> View {
        let mut view = View {
            windows: [windows[0]; MOST_AXES],
            sizes: [0; MOST_AXES + 2],
            axes: windows.len(),
            start: 0,
        };
        view.windows[..windows.len()].copy_from_slice(windows);
        view.sizes[..image.len()].copy_from_slice(image);
        // The rows of the image before the first window are left out.
        let reach = part.first * windows[0].stride;
        let skipped = reach.saturating_sub(windows[0].before).min(image[1]);
        view.windows[0].before = windows[0].before.saturating_sub(reach);
        view.windows[0].count = part.count;
        view.sizes[0] = part.samples;
        view.sizes[1] -= skipped;
        let row: usize = image[2..].iter().product();
        view.start = (part.sample * image[1] + skipped) * row;
        view
    }
}

/// Windows of a part of an image.
struct View {
    windows: [Window; MOST_AXES],
    /// `[batch, lengths.., channels]`.
    sizes: [usize; MOST_AXES + 2],
    axes: usize,
    /// The element of the whole image at which it starts.
    start: usize,
}

impl View {
    fn windows(&self) -> &[Window] {
        &self.windows[..self.axes]
    }

    fn image(&self) -> &[usize] {
        &self.sizes[..self.axes + 2]
    }

    fn length(&self) -> usize {
        self.image().iter().product()
    }
}

/// Stretches that are copied, or added to where they go.
struct Copy<T, const ADD: bool> {
    from: *const T,
    to: *mut T,
    /// The distances between stretches, where they come from and where they go.
    steps: [usize; 2],
    length: usize,
    count: usize,
}

impl<T, const ADD: bool> Copy<T, ADD> {
    fn new(from: *const T, to: *mut T, steps: [usize; 2], stretches: &Stretches) -> Self {
        Self { from, to, steps, length: stretches.length, count: stretches.count }
    }
}

impl<T: Element, const ADD: bool> TileKernel for Copy<T, ADD> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<L: Lanes<Element = T>>(&self) {
        let &Self { from, to, steps, length, count } = self;
        for n in 0..count {
            let (from, to) = (from.wrapping_add(n * steps[0]), to.wrapping_add(n * steps[1]));
            let mut i = 0;
            // SAFETY: the stretches are valid for their length.
            unsafe {
                while i + L::WIDTH <= length {
                    let mut x = L::load(from.add(i));
                    if ADD {
                        x = L::add(L::load(to.add(i)), x);
                    }
                    L::store(to.add(i), x);
                    i += L::WIDTH;
                }
                while i < length {
                    let x = *from.add(i);
                    *to.add(i) = if ADD { *to.add(i) + x } else { x };
                    i += 1;
                }
            }
        }
    }
}

/// Some elements of sums that are added up.
struct Total<T> {
    from: *const T,
    to: *mut T,
    sums: usize,
    /// From a sum to the next.
    step: usize,
    length: usize,
}

impl<T: Element> TileKernel for Total<T> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<L: Lanes<Element = T>>(&self) {
        let &Self { from, to, sums, step, length } = self;
        let mut i = 0;
        // SAFETY: the sums and the result are valid for the length.
        unsafe {
            while i + L::WIDTH <= length {
                let mut total = L::load(from.add(i));
                for sum in 1..sums {
                    total = L::add(total, L::load(from.add(sum * step + i)));
                }
                L::store(to.add(i), total);
                i += L::WIDTH;
            }
            while i < length {
                let each = (1..sums).map(|sum| *from.add(sum * step + i));
                *to.add(i) = each.fold(*from.add(i), |total, x| total + x);
                i += 1;
            }
        }
    }
}
