//! The `for` loops that walk row-major sequences: as few as all layouts need.
//!
//! In: layouts of one length, and sizes that are to be boundaries between loops. Out: the sizes of
//! the loops, and for each layout the index of an element in terms of their counters.

use endo::plan::Layout;
use endo::plan::layout::Axis;

/// The counters of loops, outermost first.
const COUNTERS: [&str; 12] = ["i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t"];

/// Nested loops.
pub struct Nest {
    /// The sizes of the loops, outermost first; all above 1.
    pub sizes: Vec<usize>,
    /// The number of elements after each loop's counter has moved by one: the last is 1.
    pub strides: Vec<usize>,
    length: usize,
}

impl Nest {
    /// The loops over a length, with a boundary where the rest of the sequence has each of these
    /// lengths, as far as the lengths divide each other; the first ones are met first.
    pub fn new(length: usize, boundaries: impl IntoIterator<Item = usize>) -> Self {
        // Lengths of the rest after each loop, descending; each divides the one before.
        let mut strides = vec![1];
        for rest in boundaries {
            if rest == 0 || rest >= length || !length.is_multiple_of(rest) {
                continue;
            }
            let position = strides.partition_point(|&known| known > rest);
            let fits = strides.get(position).is_none_or(|&inner| rest.is_multiple_of(inner))
                && (position == 0 || strides[position - 1].is_multiple_of(rest));
            if fits && !strides.contains(&rest) && strides.len() < COUNTERS.len() {
                strides.insert(position, rest);
            }
        }
        let mut outer = length;
        let sizes = strides
            .iter()
            .map(|&rest| {
                let size = outer / rest;
                outer = rest;
                size
            })
            .collect();
        let (sizes, strides): (Vec<usize>, Vec<usize>) =
            std::iter::zip::<Vec<usize>, _>(sizes, strides).filter(|&(size, _)| size != 1).unzip();
        Self { sizes, strides, length }
    }

    /// The counter of a loop.
    pub fn counter(level: usize) -> &'static str {
        COUNTERS[level]
    }

    /// The lengths of the rest of a layout's sequence at the boundaries of its axes.
    pub fn boundaries(layout: &Layout) -> Vec<usize> {
        let mut rest = 1;
        let mut all = Vec::new();
        for axis in layout.axes.iter().rev() {
            all.push(rest);
            rest *= axis.size;
        }
        all
    }

    /// The number of an element of the sequence, counting from the loop of this level on.
    pub fn flat(&self, from: usize, to: usize) -> String {
        let terms = (from..to).map(|level| (level, self.strides[level] / self.strides[to - 1]));
        sum(0, terms.map(|(level, stride)| (COUNTERS[level].to_string(), stride as isize)))
    }

    /// The number of loops around what an index depends on.
    pub fn level(&self, index: &str) -> usize {
        let depends = |level: &usize| {
            let mut words = index.split(|letter: char| !letter.is_ascii_alphanumeric());
            words.any(|word| word == COUNTERS[*level])
        };
        (0..self.sizes.len()).rev().find(depends).map_or(0, |level| level + 1)
    }

    /// The number of an element in the whole sequence.
    pub fn whole(&self) -> String {
        self.index(&Layout::contiguous(self.length))
    }

    /// The index of an element in a layout of the nest's length.
    pub fn index(&self, layout: &Layout) -> String {
        let mut terms = Vec::new();
        let mut levels: Vec<usize> = (0..self.sizes.len()).rev().collect();
        let mut rest = 1;
        for axis in layout.axes.iter().rev() {
            let end = rest * axis.size;
            // The loops within this axis, if they are loops within it alone.
            let own: Vec<usize> = levels
                .iter()
                .copied()
                .filter(|&level| self.strides[level] >= rest && self.strides[level] < end)
                .collect();
            let covered = own.iter().map(|&level| self.sizes[level]).product::<usize>();
            let aligned = own.iter().all(|&level| self.strides[level].is_multiple_of(rest));
            if covered != axis.size || !aligned {
                return self.divided(layout);
            }
            for level in own {
                let stride = (self.strides[level] / rest) as isize * axis.stride;
                terms.push((level, stride));
                levels.retain(|&other| other != level);
            }
            rest = end;
        }
        terms.sort_by_key(|&(level, _)| level);
        let terms = terms.into_iter().map(|(level, stride)| (COUNTERS[level].to_string(), stride));
        sum(layout.offset as isize, terms)
    }

    /// The index of an element by division of its number, where loops and axes do not fit.
    fn divided(&self, layout: &Layout) -> String {
        let flat = self.whole();
        let mut rest = 1;
        let mut terms = Vec::new();
        for (position, &Axis { size, stride }) in layout.axes.iter().enumerate().rev() {
            let quotient =
                if rest == 1 { format!("({flat})") } else { format!("({flat}) / {rest}") };
            let term = if position == 0 { quotient } else { format!("{quotient} % {size}") };
            terms.insert(0, (format!("({term})"), stride));
            rest *= size;
        }
        sum(layout.offset as isize, terms.into_iter())
    }
}

/// `offset + stride * term + ..` without what is 0 or 1.
fn sum(offset: isize, terms: impl Iterator<Item = (String, isize)>) -> String {
    let mut text = String::new();
    if offset != 0 {
        text.push_str(&offset.to_string());
    }
    for (term, stride) in terms.filter(|&(_, stride)| stride != 0) {
        text.push_str(match (text.is_empty(), stride < 0) {
            (true, true) => "-",
            (true, false) => "",
            (false, true) => " - ",
            (false, false) => " + ",
        });
        match stride.unsigned_abs() {
            1 => text.push_str(&term),
            size => text.push_str(&format!("{size} * {term}")),
        }
    }
    if text.is_empty() { "0".to_string() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(offset: usize, axes: &[(usize, isize)]) -> Layout {
        let axis = |&(size, stride)| Axis { size, stride };
        Layout { offset, axes: axes.iter().map(axis).collect() }
    }

    #[test]
    fn loops_fit_all_layouts_if_they_can() {
        let (row, turned) = (layout(0, &[(4, 0), (6, 1)]), layout(3, &[(4, 1), (3, 8), (2, 4)]));
        let nest = Nest::new(24, [&row, &turned].into_iter().flat_map(Nest::boundaries));
        assert_eq!((&nest.sizes[..], &nest.strides[..]), (&[4, 3, 2][..], &[6, 2, 1][..]));
        assert_eq!(nest.index(&row), "2 * j + k");
        assert_eq!(nest.index(&turned), "3 + i + 8 * j + 4 * k");
        assert_eq!(nest.whole(), "6 * i + 2 * j + k");
        assert_eq!(nest.flat(1, 3), "2 * j + k");
    }

    #[test]
    fn what_does_not_fit_is_divided() {
        let (a, b) = (layout(0, &[(2, 3), (3, 1)]), layout(0, &[(3, -1), (2, 8)]));
        let nest = Nest::new(6, [&a, &b].into_iter().flat_map(Nest::boundaries));
        assert_eq!(nest.sizes, [2, 3]);
        assert_eq!(nest.index(&b), "-((3 * i + j) / 2) + 8 * ((3 * i + j) % 2)");
        assert_eq!(Nest::new(1, []).index(&layout(5, &[])), "5");
    }
}
