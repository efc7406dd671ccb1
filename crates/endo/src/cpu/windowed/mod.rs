//! Products with windows of images, a part of the windows at a time: they are read where they lie,
//! or those of a part are copied to the scratch of a thread, near its processor.
//!
//! In: a product of the plan and the operation on windows that goes with it. Out: the product's
//! result, or the image to which its rows were added. How windows are parted depends on sizes
//! alone, so that the number of threads changes no result.

mod copies;
mod in_place;
mod parts;
mod stretches;

use std::ops::Range;

use crate::dtype::DType;
use crate::graph::{Window, Windowing};
use crate::plan::{Matrix, Plan, WindowedProduct};
use crate::simd::vectors::{Element, enter};
use crate::simd::{Level, Memory};

use super::Run;
use super::address::Address;
use super::cost::Cost;
use super::laid_out::{apart, collides, lay_out};
use super::matmul::Matmul;
use super::pool::Pool;
use in_place::InPlace;
use parts::Parts;
use stretches::SumOfParts;

/// The most sums over positions that are apart until the end, and the bytes of all.
const MOST_SUMS: usize = 16;
const SUM_BYTES: usize = 4 << 20;
/// The parts from which on the right matrix is laid out for them first.
const LAID_OUT_PARTS: usize = 4;
/// The columns that are laid out, and the elements that are added up, in one task.
const LAID_OUT_COLUMNS: usize = 64;
const SUMMED: usize = 1 << 13;

/// What a product with windows computes, and of what or where to.
#[derive(Clone, Copy)]
enum Role {
    /// `[positions, filters]`: windows times a matrix, and a bias.
    Windows { output: Address, bias: Option<Address> },
    /// `[terms, filters]`: windows, turned, times a matrix of all positions.
    Turned { output: Address },
    /// An image: the rows of a product, `[positions, terms]`, added up. Its left matrix, and the
    /// distances there between rows and between columns.
    Added { left: Address, strides: [usize; 2] },
}

/// A product with windows, with its addresses.
#[derive(Clone)]
pub struct Windowed {
    role: Role,
    wide: bool,
    /// Whether what is less than 0 becomes 0; only where windows are multiplied.
    rectified: bool,
    /// Whether pairs of terms are multiplied, of numbers that a bfloat16 holds.
    bf16: bool,
    windows: Box<[Window]>,
    /// The sizes of the image of a group: `[batch, lengths.., channels]`.
    image: Box<[usize]>,
    /// The products that are each of some samples of the image, with a right matrix of its own, and
    /// the distance between these matrices and between left ones.
    groups: usize,
    right_group: usize,
    left_group: usize,
    /// How windows are parted in each group.
    parts: Parts,
    /// How windows are read where they lie, if they are.
    in_place: Option<InPlace>,
    /// Whether the right matrix is laid out for windows of the gradient of an image: with the
    /// elements of a window in the opposite order, and filters and channels exchanged.
    opposite: bool,
    /// The elements of a window.
    terms: usize,
    /// Whether the windows of a part lie side by side, one element of them after another, instead
    /// of one window after another.
    side_by_side: bool,
    /// The filters of a convolution: the third size of the product.
    filters: usize,
    /// The sums over positions that are apart until the end.
    sums: usize,
    /// The distances between rows and columns of the right matrix where it lies.
    right: [usize; 2],
    /// The distance between rows of the right matrix where it is laid out anew: once for all parts,
    /// or its rows for each part where they are positions.
    laid_out: Option<usize>,
    image_at: Address,
    right_at: Address,
}

impl Windowed {
    /// Resolves a product with windows.
    pub fn new(plan: &Plan, windowed: &WindowedProduct) -> Self {
        let product = &windowed.product;
        let (windows, added): (&[Window], bool) = match windowed.windowing() {
            Windowing::Take(windows) => (windows, false),
            Windowing::Add(windows) => (windows, true),
        };
        let (image, terms) = (windowed.image(), windowed.elements());
        let dtype = plan.buffers[image.buffer].dtype;
        let channels = image.shape.features();
        let [_, inner, columns] = product.sizes;
        let groups = product.batch.iter().product::<usize>();
        let strides = |matrix: &Matrix| {
            matrix
                .strides
                .map(|stride| usize::try_from(stride).expect("matrices are laid out forwards"))
        };
        let (left, right) = (strides(&product.left), strides(&product.right));
        let group = |matrix: &Matrix| match matrix.batch_strides[..] {
            [stride] => usize::try_from(stride).expect("matrices are laid out forwards"),
            _ => 0,
        };
        let at = |matrix: &Matrix| Address::new(plan, matrix.buffer, matrix.offset);
        let output = || Address::new(plan, product.output, 0);
        let role = if added {
            Role::Added { left: at(&product.left), strides: left }
        } else if windowed.has_windows_as_rows() {
            let bias = product.bias.map(|(buffer, offset)| Address::new(plan, buffer, offset));
            Role::Windows { output: output(), bias }
        } else {
            Role::Turned { output: output() }
        };
        let filters = if added { inner } else { columns };
        let (size, matrix) = (dtype.bytes(), terms * filters);
        // Axes along which there is nothing to do would leave a part nothing to be cut along.
        let is_idle = |(window, length): &(&Window, &usize)| {
            (window.size, window.count, window.before, **length) == (1, 1, 0, 1)
        };
        let idle = windows.iter().zip(&image.shape[1..]).take_while(is_idle).count();
        let idle = idle.min(windows.len() - 1);
        let batch = image.shape.batch() / groups;
        let sizes = [batch].iter().chain(&image.shape[1 + idle..]).copied().collect();
        let windows: Box<[Window]> = windows[idle..].into();
        let lies_well = right[1] == 1 && !collides(right[0], size);
        // Then neighbours in the image are neighbours among the windows.
        let last = windows.last().is_some_and(|window| window.stride == 1);
        let parts = Parts::new(&windows, batch, terms * size, matrix * size);
        let copied = Self {
            role,
            wide: dtype == DType::F64,
            // The pass that asks for it asks for it of windows as rows alone.
            rectified: product.rectified,
            bf16: product.rounded && Level::detect().multiplies_bf16(),
            side_by_side: !added && channels == 1 && last,
            windows,
            image: sizes,
            groups,
            right_group: group(&product.right),
            left_group: group(&product.left),
            in_place: None,
            opposite: false,
            terms,
            filters,
            sums: 1,
            right,
            laid_out: (columns > 1 && !lies_well && parts.count() >= LAID_OUT_PARTS)
                .then(|| apart(columns, size)),
            parts,
            image_at: Address::new(plan, image.buffer, image.offset),
            right_at: at(&product.right),
        };
        let mut windowed = copied.with_windows_in_place(columns).unwrap_or(copied);
        if windowed.is_turned() {
            let most = SUM_BYTES / (groups * matrix * size);
            windowed.sums = windowed.parts.count().min(MOST_SUMS).min(most).max(1);
        }
        windowed
    }

    fn element_bytes(&self) -> usize {
        if self.wide { 8 } else { 4 }
    }

    /// The distance between rows of a part with a number of positions: windows, or their elements
    /// where these lie side by side.
    fn part_row(&self, positions: usize) -> usize {
        apart(if self.side_by_side { positions } else { self.terms }, self.element_bytes())
    }

    /// The bytes of the windows of a part, or of the part with its border.
    fn part_bytes(&self) -> usize {
        if let Some(in_place) = &self.in_place {
            return Memory::round_up(in_place.copied() * self.element_bytes());
        }
        let positions = self.parts.most_positions();
        let rows = if self.side_by_side { self.terms } else { positions };
        Memory::round_up(rows * self.part_row(positions) * self.element_bytes())
    }

    fn is_turned(&self) -> bool {
        matches!(self.role, Role::Turned { .. })
    }

    /// The bytes of the rows of the right matrix that belong to a part.
    fn right_bytes(&self) -> usize {
        let row = self.laid_out.filter(|_| self.is_turned()).unwrap_or(0);
        Memory::round_up(self.parts.most_positions() * row * self.element_bytes())
    }

    /// The bytes of scratch that one thread needs: for the windows of a part, its rows of the right
    /// matrix, and its product.
    pub fn scratch_bytes(&self) -> usize {
        if self.in_place.is_some() {
            return self.part_bytes() + self.right_bytes();
        }
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
        let laid_out = self.laid_out.map_or(0, |row| self.laid_out_rows() * row);
        let sums = if self.sums > 1 { self.sums * self.sum_elements() } else { 0 };
        self.groups * (laid_out + sums) * self.element_bytes()
    }

    /// The elements of one of the sums, to a whole number of cache lines.
    fn sum_elements(&self) -> usize {
        (self.terms * self.filters).next_multiple_of(Memory::LINE / self.element_bytes())
    }

    /// The product of a part with a number of positions.
    fn matmul(&self, positions: usize, accumulate: bool) -> Matmul {
        let &Self { terms, filters, .. } = self;
        let right = self.laid_out.map_or(self.right, |row| [row, 1]);
        let row = self.part_row(positions);
        let windows = if self.side_by_side { [1, row] } else { [row, 1] };
        let ([m, k, n], a, c_row) = match self.role {
            Role::Windows { .. } => ([positions, terms, filters], windows, filters),
            Role::Turned { .. } => ([terms, positions, filters], [windows[1], windows[0]], filters),
            Role::Added { strides, .. } => ([positions, filters, terms], strides, row),
        };
        let rectify = self.rectified;
        Matmul { m, n, k, a, b: right, c_row, accumulate, rectify, bf16: self.bf16 }
    }

    /// Runs the product.
    ///
    /// # Safety
    /// The addresses hold what the plan says; nobody else writes what is read or touches the output
    /// meanwhile.
    pub unsafe fn run(&self, run: &Run) {
        // SAFETY: as the caller promises.
        unsafe { if self.wide { self.run_typed::<f64>(run) } else { self.run_typed::<f32>(run) } }
    }

    /// # Safety
    /// As for `run`, and the elements are of the type.
    unsafe fn run_typed<T: Element>(&self, run: &Run) {
        // Few tasks are better shared in their products.
        let (tasks, team) = (self.tasks(), self.team(run.level, run.threads));
        // SAFETY: as the caller promises; what the threads share is written here before they read
        // it, and they write apart.
        unsafe {
            if let Some(row) = self.laid_out
                && !self.is_turned()
            {
                self.lay_out::<T>(run, row);
            }
            if team > 1 {
                run.share_on(team, tasks, |thread, task| {
                    self.task::<T>(run, task, thread, run.alone)
                });
            } else {
                (0..tasks).for_each(|task| self.task::<T>(run, task, 0, run.pool));
            }
            if let Role::Turned { output } = self.role
                && self.sums > 1
            {
                self.add_up::<T>(run, output);
            }
        }
    }

    /// On how many threads tasks are done soonest, each on one of them; 1 if they are done sooner
    /// one after the other.
    pub fn team(&self, level: Level, threads: usize) -> usize {
        let work = self.groups * self.parts.positions() * self.terms * self.filters;
        let tasks = self.tasks();
        let cost = Cost::of_product(work, level, if self.wide { 8 } else { 4 }).of_part(tasks);
        cost.team_of_tasks(tasks, threads)
    }

    /// The number of tasks that write apart.
    pub fn tasks(&self) -> usize {
        self.groups * self.tasks_of_group()
    }

    fn tasks_of_group(&self) -> usize {
        match self.role {
            Role::Windows { .. } => self.parts.count(),
            Role::Turned { .. } => self.sums,
            // Windows of one sample overlap.
            Role::Added { .. } => self.parts.groups(),
        }
    }

    /// The parts of a task of a group.
    fn parts_of(&self, task: usize) -> Range<usize> {
        match self.role {
            Role::Windows { .. } => task..task + 1,
            Role::Turned { .. } => {
                let count = self.parts.count();
                count * task / self.sums..count * (task + 1) / self.sums
            }
            Role::Added { .. } => self.parts.of_group(task),
        }
    }

    /// # Safety
    /// As for `run_typed`; nobody else has this task, and this thread's scratch.
    unsafe fn task<T: Element>(&self, run: &Run, task: usize, thread: usize, pool: &Pool) {
        if let Some(in_place) = &self.in_place {
            // SAFETY: as the caller promises.
            return unsafe { self.task_in_place(in_place, run, task, thread) };
        }
        let bases = run.bases;
        let (group, task) = (task / self.tasks_of_group(), task % self.tasks_of_group());
        let scratch: *mut T = run.scratch.of(thread).cast();
        let own = run.scratch.of(thread).wrapping_add(self.part_bytes());
        let rest = own.wrapping_add(self.right_bytes());
        let given = bases.at(self.right_at).cast::<T>().wrapping_add(group * self.right_group);
        let right = match self.laid_out {
            Some(row) => self.laid_out_of(run, row, group),
            None => given,
        };
        let image = self.image_of::<T>(run, group);
        let parts = self.parts_of(task);
        if matches!(self.role, Role::Added { .. }) {
            let (first, last) = (self.parts.part(parts.start), self.parts.part(parts.end - 1));
            let sample: usize = self.image[1..].iter().product();
            let image = image.wrapping_add(first.sample * sample);
            // SAFETY: the samples are the image's; zeros of floats have no bits.
            unsafe { image.write_bytes(0, (last.sample + last.samples - first.sample) * sample) };
        }
        for index in parts.clone() {
            let part = self.parts.part(index);
            let (first, positions) = (self.parts.first_position(&part), self.parts.size_of(&part));
            let matmul = self.matmul(positions, self.is_turned() && index > parts.start);
            // SAFETY: as the caller promises; a part lies within the image, the windows and the
            // matrices, and its windows fit in the scratch before the product's own.
            unsafe {
                match self.role {
                    Role::Windows { output, bias } => {
                        let first = group * self.parts.positions() + first;
                        let c = bases.at(output).cast::<T>().wrapping_add(first * self.filters);
                        let bias = bias.map(|bias| bases.at(bias).cast_const().cast::<T>());
                        self.take::<T>(run, image, &part, scratch);
                        matmul.run(run.level, scratch, right, bias, c, rest, pool);
                    }
                    Role::Turned { output } => {
                        self.take::<T>(run, image, &part, scratch);
                        let right = self.right_of_part(given, first, positions, own.cast());
                        let c = self.sum(run, group, task, output);
                        matmul.run(run.level, scratch, right, None, c, rest, pool);
                    }
                    Role::Added { left, strides: [row, _] } => {
                        let first = group * self.left_group + first * row;
                        let left = bases.at(left).cast::<T>().wrapping_add(first);
                        matmul.run(run.level, left, right, None, scratch, rest, pool);
                        self.add::<T>(run, image, &part, scratch);
                    }
                }
            }
        }
    }

    /// Lays the right matrix out where all threads find it.
    ///
    /// # Safety
    /// As for `run_typed`.
    unsafe fn lay_out<T: Element>(&self, run: &Run, row: usize) {
        let (rows, columns) = match self.role {
            Role::Added { .. } => (self.filters, self.terms),
            Role::Windows { .. } | Role::Turned { .. } => (self.terms, self.filters),
        };
        let cost = Cost::of_bytes(2 * self.groups * rows * columns * size_of::<T>());
        // Where filters and channels are exchanged, the elements of windows, as many rows each.
        let elements = if self.opposite { rows / self.image[self.image.len() - 1] } else { 1 };
        let rows = rows / elements;
        let blocks = columns.div_ceil(LAID_OUT_COLUMNS);
        run.share(cost, self.groups * blocks, |_, task| {
            let (group, first) = (task / blocks, task % blocks * LAID_OUT_COLUMNS);
            let from = run.bases.at(self.right_at).cast_const().cast::<T>();
            let (from, to): (_, *mut T) =
                (from.wrapping_add(group * self.right_group), self.laid_out_of(run, row, group));
            let strip = first..columns.min(first + LAID_OUT_COLUMNS);
            for element in 0..elements {
                let opposite = elements - 1 - element;
                let from = from.wrapping_add(opposite * columns * self.right[1]);
                let to = to.wrapping_add(element * rows * row);
                // SAFETY: as the caller promises; tasks write columns of their own.
                unsafe { lay_out(from, self.right, [rows, row], strip.clone(), to) }
            }
        });
    }

    /// Where the right matrix of a group is laid out.
    fn laid_out_of<T>(&self, run: &Run, row: usize, group: usize) -> *mut T {
        run.scratch.partials().cast::<T>().wrapping_add(group * self.laid_out_rows() * row)
    }

    /// The rows of a right matrix that is laid out once for all parts.
    fn laid_out_rows(&self) -> usize {
        match self.role {
            Role::Windows { .. } => self.terms,
            Role::Added { .. } => self.filters,
            Role::Turned { .. } => 0,
        }
    }

    /// Where the samples of a group begin.
    fn image_of<T>(&self, run: &Run, group: usize) -> *mut T {
        let samples: usize = self.image.iter().product();
        run.bases.at(self.image_at).cast::<T>().wrapping_add(group * samples)
    }

    /// The rows of the right matrix that belong to a part: where they lie, or laid out at `to`.
    ///
    /// # Safety
    /// As for `task`.
    unsafe fn right_of_part<T: Element>(
        &self,
        right: *const T,
        first: usize,
        positions: usize,
        to: *mut T,
    ) -> *const T {
        let right = right.wrapping_add(first * self.right[0]);
        let Some(row) = self.laid_out else { return right };
        // SAFETY: as the caller promises.
        unsafe { lay_out(right, self.right, [positions, row], 0..self.filters, to) };
        to
    }

    /// Where one of the sums over positions of a group is; where there is one, in the output.
    fn sum<T>(&self, run: &Run, group: usize, sum: usize, output: Address) -> *mut T {
        if self.sums == 1 {
            let product = group * self.terms * self.filters;
            return run.bases.at(output).cast::<T>().wrapping_add(product);
        }
        let sum = group * self.sums + sum;
        run.scratch.partials().cast::<T>().wrapping_add(sum * self.sum_elements())
    }

    /// Adds the sums up, the first ones first.
    ///
    /// # Safety
    /// As for `run_typed`, and they are computed.
    unsafe fn add_up<T: Element>(&self, run: &Run, at: Address) {
        let length = self.terms * self.filters;
        let cost = Cost::of_bytes(self.groups * (self.sums + 1) * length * size_of::<T>());
        let blocks = length.div_ceil(SUMMED);
        run.share(cost, self.groups * blocks, |_, task| {
            let (group, start) = (task / blocks, task % blocks * SUMMED);
            let total = SumOfParts::<T> {
                from: self.sum::<T>(run, group, 0, at).cast_const().wrapping_add(start),
                to: run.bases.at(at).cast::<T>().wrapping_add(group * length + start),
                sums: self.sums,
                step: self.sum_elements(),
                length: SUMMED.min(length - start),
            };
            // SAFETY: as the caller promises; tasks write apart.
            unsafe { enter(run.level, &total) }
        });
    }
}
