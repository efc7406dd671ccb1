//! Each of the three arrays, against its definition: windows of all sizes, strides, dilations and
//! places, kernels for all samples and for each.

use super::*;
use crate::random::Random;

/// The three arrays by their definition, one product at a time: what is given of two of them makes
/// the third.
fn expected(sliding: &Sliding, [x, kernel, dy]: [&[f64]; 3]) -> [Vec<f64>; 3] {
    let &Sliding { axes: [a, b, c], batch, channels } = sliding;
    let [_, _, size] = sliding.sizes();
    let (mut image, mut windows) = (vec![0.0; x.len()], vec![0.0; dy.len()]);
    let mut sums = vec![0.0; batch * size * channels];
    let own = if kernel.len() == size * channels { 0 } else { size * channels };
    let range = |count: usize| 0..count;
    for sample in range(batch) {
        for window in range(a.count * b.count * c.count) {
            let n = [window / c.count / b.count, window / c.count % b.count, window % c.count];
            for element in range(size) {
                let i = [element / c.size / b.size, element / c.size % b.size, element % c.size];
                let position = |at: usize, axis: &SlidingAxis| {
                    let ahead = n[at] * axis.stride + i[at] * axis.dilation;
                    ahead.checked_sub(axis.before).filter(|&position| position < axis.length)
                };
                let positions = [position(0, &a), position(1, &b), position(2, &c)];
                let [Some(p), Some(q), Some(r)] = positions else { continue };
                for channel in range(channels) {
                    let at = |row: usize| row * channels + channel;
                    let here = at(((sample * a.length + p) * b.length + q) * c.length + r);
                    let there = at(sample * a.count * b.count * c.count + window);
                    let factor = kernel[sample * own + at(element)];
                    windows[there] += x[here] * factor;
                    image[here] += dy[there] * factor;
                    sums[at(sample * size + element)] += x[here] * dy[there];
                }
            }
        }
    }
    [windows, image, sums]
}

fn check<T: Element>(sliding: &Sliding, given: [&[f64]; 3]) {
    let wanted = expected(sliding, given);
    let typed = given.map(|values| values.iter().map(|&x| T::from_f64(x)).collect::<Vec<T>>());
    let [x, kernel, dy] = typed.each_ref().map(Vec::as_slice);
    let mut got = wanted.each_ref().map(|values| vec![T::from_f64(9.0); values.len()]);
    sliding.filter(x, kernel, &mut got[0]);
    sliding.spread(dy, kernel, &mut got[1]);
    sliding.correlate(x, dy, &mut got[2]);
    for (got, wanted) in got.iter().zip(&wanted) {
        assert!(got.iter().map(|x| x.to_f64()).eq(wanted.iter().copied()), "{sliding:?}");
    }
}

#[test]
fn each_array_is_what_its_definition_says() {
    let mut random = Random::new(1, 0);
    let mut below = |limit: usize| random.below(limit);
    for case in 0..3_000 {
        let mut axis = || SlidingAxis {
            size: 1 + below(5),
            dilation: 1 + below(4),
            count: below(7),
            stride: 1 + below(4),
            before: below(6),
            length: below(9),
        };
        let axes = [axis(), axis(), axis()];
        let (batch, channels) = (below(3), below(40));
        let sliding = Sliding::new(&axes[..1 + case % 3], batch, channels);
        let [positions, windows, size] = sliding.sizes();
        let kernels = if below(2) == 0 { batch } else { 1 };
        // Whole numbers, whose sums are exact.
        let mut numbers = |rows: usize| -> Vec<f64> {
            (0..rows * channels).map(|_| below(7) as f64 - 3.0).collect()
        };
        let given = [numbers(batch * positions), numbers(kernels * size), numbers(batch * windows)];
        let given = given.each_ref().map(Vec::as_slice);
        check::<f32>(&sliding, given);
        check::<f64>(&sliding, given);
    }
}

#[test]
#[should_panic(expected = "windows reach too far")]
fn windows_that_reach_further_than_there_are_numbers_are_refused() {
    let far = SlidingAxis { stride: usize::MAX / 2, count: 3, ..SlidingAxis::ONE };
    Sliding::new(&[far], 1, 1);
}
