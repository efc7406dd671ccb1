//! The rows of an array: its samples, the positions along the first axis.
//!
//! In: ranges, indices, other arrays. Out: arrays of these rows, or the rows overwritten, in tasks
//! where there are many.

use std::ops::Range;
use std::sync::Mutex;

use crate::dtype::{Element, for_data};

use super::Array;

/// Calls a task with each of the numbers `0..count`, in any order and perhaps on several threads,
/// and returns when all calls have returned.
pub(crate) type Share<'a> = &'a dyn Fn(usize, &(dyn Fn(usize) + Sync));

/// All tasks one after the other.
pub(crate) fn in_turn(tasks: usize, task: &(dyn Fn(usize) + Sync)) {
    (0..tasks).for_each(task);
}

/// The bytes of rows, about, that a task copies; and those of all rows from which on there is more
/// than one task.
const TASK_BYTES: usize = 1 << 15;
const SHARED_BYTES: usize = 1 << 17;

impl Array {
    /// The samples (positions along the first axis) of a range.
    ///
    /// # Panics
    /// If the range is not within the first axis.
    #[track_caller]
    pub fn rows(&self, range: Range<usize>) -> Array {
        let count = self.shape.first().copied().unwrap_or_default();
        assert!(
            range.start <= range.end && range.end <= count,
            "rows {range:?} of an array {} of {count} rows",
            self.shape
        );
        let size = self.row_bytes();
        let shape = self.shape.with(0, range.len());
        Self::from_bytes(shape, self.dtype(), &self.bytes()[range.start * size..range.end * size])
    }

    /// The samples (positions along the first axis) with the given indices, in their order.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// assert_eq!(
    ///     Array::from([[1, 2], [3, 4]]).take(&[1, 0, 1]),
    ///     Array::from([[3, 4], [1, 2], [3, 4]])
    /// );
    /// ```
    ///
    /// # Panics
    /// If an index is not within the first axis.
    pub fn take(&self, indices: &[usize]) -> Array {
        let mut taken = Self::zeros(self.shape.with(0, indices.len()), self.dtype());
        taken.copy_rows(self, indices);
        taken
    }

    /// The rows of all parts one after the other; the parts differ in their number of rows alone.
    pub(crate) fn of_rows(parts: &[&Array]) -> Option<Array> {
        let first = parts.first()?;
        let fits = |part: &&&Array| {
            part.dtype() == first.dtype()
                && part.shape.sizes().get(1..) == first.shape.sizes().get(1..)
        };
        let bytes: Vec<&[u8]> = parts.iter().take_while(fits).map(|part| part.bytes()).collect();
        let rows = parts.iter().map(|part| part.shape.first().copied().unwrap_or_default()).sum();
        (bytes.len() == parts.len() && first.shape.rank() > 0)
            .then(|| Self::from_bytes(first.shape.with(0, rows), first.dtype(), &bytes.concat()))
    }

    /// Overwrites the array's rows with those of `source` at `indices`.
    ///
    /// # Panics
    /// If the types or row sizes differ, or an index is out of range.
    pub fn copy_rows(&mut self, source: &Array, indices: &[usize]) {
        self.share_rows(source, indices, &in_turn);
    }

    /// The same, in tasks that write apart, one or many by the size of the rows.
    pub(crate) fn share_rows(&mut self, source: &Array, indices: &[usize], share: Share) {
        assert_eq!(self.row_bytes(), source.row_bytes(), "bytes of a row");
        fn short<T: Element, const WIDTH: usize>(from: &[T], to: &mut [T], indices: &[usize]) {
            let (from, to) = (from.as_chunks::<WIDTH>().0, to.as_chunks_mut::<WIDTH>().0);
            for (row, &index) in to.iter_mut().zip(indices) {
                *row = from[index];
            }
        }
        fn long<T: Element>(
            from: &[T],
            to: &mut [T],
            indices: &[usize],
            width: usize,
            share: Share,
        ) {
            let shared = size_of_val(to) >= SHARED_BYTES;
            let rows = if shared {
                (TASK_BYTES / (width * size_of::<T>())).max(1)
            } else {
                indices.len().max(1)
            };
            let parts = Mutex::new(to.chunks_mut(rows * width).zip(indices.chunks(rows)));
            share(indices.len().div_ceil(rows), &|_| {
                let part = parts.lock().map(|mut parts| parts.next());
                if let Ok(Some((to, indices))) = part {
                    for (row, &index) in to.chunks_exact_mut(width).zip(indices) {
                        row.copy_from_slice(&from[index * width..(index + 1) * width]);
                    }
                }
            });
        }
        fn copy<T: Element>(from: &[T], to: &mut [T], indices: &[usize], share: Share) {
            // Rows of a table are short: a call to copy one would take longer than the copy.
            match to.len() / indices.len().max(1) {
                0 => {}
                1 => short::<T, 1>(from, to, indices),
                2 => short::<T, 2>(from, to, indices),
                4 => short::<T, 4>(from, to, indices),
                8 => short::<T, 8>(from, to, indices),
                12 => short::<T, 12>(from, to, indices),
                16 => short::<T, 16>(from, to, indices),
                width => long(from, to, indices, width, share),
            }
        }
        for_data!(&*source.data, from => match self.as_mut_slice() {
            Some(to) => copy(from, to, indices, share),
            None => panic!("rows of {} cannot be copied to {}", source.dtype(), self.dtype()),
        });
    }

    /// Overwrites rows from `start` on with those of `source`, which has this array's type and row
    /// size.
    ///
    /// # Panics
    /// If they differ, or there are too few rows.
    pub fn write_rows(&mut self, start: usize, source: &Array) {
        fn write<T: Copy>(to: &mut [T], from: &[T], rows: usize, start: usize) {
            let width = from.len() / rows.max(1);
            to[start * width..start * width + from.len()].copy_from_slice(from);
        }
        let rows = source.shape.batch();
        for_data!(&*source.data, from => match self.as_mut_slice() {
            Some(to) => write(to, from, rows, start),
            None => panic!("rows of {} cannot be written to {}", source.dtype(), self.dtype()),
        });
    }

    fn row_bytes(&self) -> usize {
        // fits: the shape is possible.
        self.shape.sizes()[1..].iter().product::<usize>() * self.dtype().bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;

    #[test]
    fn take_copies_rows_in_the_order_of_the_indices() {
        let x = Array::from([[1, 2], [3, 4], [5, 6]]);
        assert_eq!(x.take(&[2, 0]), Array::from([[5, 6], [1, 2]]));
        assert_eq!(x.rows(1..3), Array::from([[3, 4], [5, 6]]));
        for width in [0, 1, 3, 4, 8, 32, 33] {
            let x = Array::from_fn([5, width], |i| i as i32);
            let rows = [4, 0, 4].map(|row| x.rows(row..row + 1).to_vec::<i32>()).concat();
            assert_eq!(x.take(&[4, 0, 4]).to_vec::<i32>(), rows, "rows of {width}");
        }
    }

    #[test]
    fn rows_that_are_not_there_are_not_copied() {
        for width in [1, 3, 8, 33] {
            let x = Array::zeros([5, width], DType::F32);
            assert!(std::panic::catch_unwind(|| x.take(&[0, 5])).is_err(), "rows of {width}");
        }
    }

    #[test]
    fn no_rows_are_copied_to_an_array_that_has_some() {
        for rows in [5, 50_000] {
            let mut x = Array::full([rows, 3], 1.0, DType::F32);
            x.copy_rows(&Array::zeros([2, 3], DType::F32), &[]);
            assert_eq!(x, Array::full([rows, 3], 1.0, DType::F32));
        }
    }

    #[test]
    fn long_rows_are_copied_in_tasks_whatever_their_order() {
        for width in [0, 1, 3, 8, 300, 1000, 9000] {
            let source = Array::from_fn([40, width], |i| i as f32);
            let indices: Vec<usize> = (0..100).map(|i| 7 * i % 40).collect();
            let mut copied = Array::zeros([100, width], DType::F32);
            let most = std::cell::Cell::new(1);
            copied.share_rows(&source, &indices, &|tasks, task| {
                most.set(tasks);
                (0..tasks).rev().for_each(task);
            });
            assert_eq!(copied, source.take(&indices));
            // 8 rows of 4,000 bytes, and one of 36,000.
            let tasks = match width {
                1000 => 13,
                9000 => 100,
                _ => 1,
            };
            assert_eq!(most.get(), tasks);
            let rows =
                |index: usize| copied.to_vec::<f32>()[index * width..(index + 1) * width].to_vec();
            assert!(
                width == 0 || (0..100).all(|row| rows(row)[0] == (indices[row] * width) as f32)
            );
        }
    }
}
