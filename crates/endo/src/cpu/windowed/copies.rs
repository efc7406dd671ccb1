//! The windows of a part, and what is added up where they lie.
//!
//! In: a part of the windows of an image. Out: its windows in rows that lie apart, or the image to
//! which these were added.

use crate::cpu::Run;
use crate::graph::windows::{copy_stretch, for_each_stretch};
use crate::simd::vectors::{Element, enter};

use super::Windowed;
use super::parts::Part;
use super::stretches::{StretchCopy, take_side_by_side};

/// The elements of a stretch up to which copies of a known length are faster than vectors.
const SHORT: usize = 16;

impl Windowed {
    /// The windows of a part, one row after another.
    ///
    /// # Safety
    /// As for `task`.
    pub(super) unsafe fn take<T: Element>(
        &self,
        run: &Run,
        image: *mut T,
        part: &Part,
        to: *mut T,
    ) {
        let view = self.parts.view(&self.windows, &self.image, part);
        let from = image.cast_const().wrapping_add(view.start);
        let positions = self.parts.size_of(part);
        let row = self.part_row(positions);
        if self.side_by_side {
            // SAFETY: as the caller promises.
            return unsafe { take_side_by_side(run.level, &view, from, to, row) };
        }
        let room = positions * row;
        for_each_stretch(view.windows(), view.image(), |stretches| {
            match stretches.in_rows(self.terms, row) {
                (Some(image), stretches) => {
                    // SAFETY: as the caller promises; stretches lie within the view and windows.
                    unsafe {
                        if stretches.length > SHORT {
                            let from = from.wrapping_add(image);
                            let to = to.wrapping_add(stretches.windows);
                            let steps = [stretches.image_step, stretches.windows_step];
                            enter(
                                run.level,
                                &StretchCopy::<T, false>::new(from, to, steps, &stretches),
                            );
                        } else {
                            let from = std::slice::from_raw_parts(from, view.length());
                            let to = std::slice::from_raw_parts_mut(to, room);
                            copy_stretch(&stretches, from, to, true, |to, from| *to = from);
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
            }
        });
    }

    /// Adds the windows of a part up.
    ///
    /// # Safety
    /// As for `task`.
    pub(super) unsafe fn add<T: Element>(
        &self,
        run: &Run,
        image: *mut T,
        part: &Part,
        from: *const T,
    ) {
        let view = self.parts.view(&self.windows, &self.image, part);
        let to = image.wrapping_add(view.start);
        let positions = self.parts.size_of(part);
        let row = self.part_row(positions);
        let room = positions * row;
        for_each_stretch(view.windows(), view.image(), |stretches| {
            let (Some(image), stretches) = stretches.in_rows(self.terms, row) else { return };
            // SAFETY: as the caller promises; stretches lie within the view and its windows.
            unsafe {
                if stretches.length > SHORT {
                    let from = from.wrapping_add(stretches.windows);
                    let to = to.wrapping_add(image);
                    let steps = [stretches.windows_step, stretches.image_step];
                    enter(run.level, &StretchCopy::<T, true>::new(from, to, steps, &stretches));
                } else {
                    let from = std::slice::from_raw_parts(from, room);
                    let to = std::slice::from_raw_parts_mut(to, view.length());
                    copy_stretch(&stretches, from, to, false, |to, from| *to = *to + from);
                }
            }
        });
    }
}
