//! Logistic regression of several classes, for many folds and penalties at once.
//!
//! In: inputs, classes, and for each problem the weights of its rows and the penalties of its
//! coefficients. Out: coefficients. All problems share two matrix products a step; each is
//! minimized by the limited-memory BFGS method (Nocedal and Wright 2006, algorithm 7.4) with steps
//! of its own.

use std::collections::VecDeque;

use endo::prelude::*;

use super::ridge::dot;

/// The pairs of changes that a direction is made from.
const MEMORY: usize = 10;

/// The least relative improvement for which it goes on.
const TOLERANCE: f64 = 1e-4;

/// One problem on its way.
struct Search {
    point: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
    direction: Vec<f64>,
    step: f64,
    pairs: VecDeque<(Vec<f64>, Vec<f64>)>,
    idle: usize,
    done: bool,
}

/// Minimizes the mean over rows of `weight * cross-entropy`, plus half the squared coefficients
/// times their penalties over the number of rows.
///
/// `inputs` are `[rows, size]`, `classes` `[rows, classes]` of 0 and 1, `weights`
/// `[rows, problems]`; a penalty for each input and problem. The coefficients of a problem are
/// `[size, classes]`.
///
/// # Errors
/// If the step cannot be traced.
pub fn fit(
    [inputs, classes, weights]: [&Array; 3],
    penalties: &[Vec<f64>],
    iterations: usize,
    threads: Option<usize>,
) -> Result<Vec<Vec<f64>>> {
    let (rows, size, count) =
        (inputs.shape().batch(), inputs.shape().features(), classes.shape().features());
    let problems = penalties.len();
    let step = |[x, y, weight, coefficients]: [Tensor; 4], _: &mut Context| {
        let logits = x.matmul(&coefficients).reshape([rows, problems, count]);
        let sums = logits.logsumexp_axes([-1]);
        let truth = y.reshape([rows, 1, count]);
        let loss = ((&sums - (&logits * &truth).sum_axes([-1])) * &weight).sum_axes([0]);
        let error = ((&logits - sums.expand_dims(-1)).exp() - truth) * weight.expand_dims(-1);
        [loss, x.matmul_transposed(&error.reshape([rows, problems * count]), Transposed::LEFT)]
    };
    let function = Function::new(step);
    let mut function = match threads {
        Some(threads) => function.threads(threads),
        None => function,
    };
    let mut evaluate = |points: &[Vec<f64>]| -> Result<Vec<(f64, Vec<f64>)>> {
        let width = problems * count;
        let coefficients = Array::from_fn([size, width], |at| {
            points[at % width / count][at / width * count + at % count] as f32
        });
        let [loss, slopes] = function.run([inputs, classes, weights, &coefficients])?;
        let (loss, slopes) = (loss.to_vec::<f32>(), slopes.to_vec::<f32>());
        let of_problem = |problem: usize| {
            let point = &points[problem];
            let mut value = f64::from(loss[problem]) / rows as f64;
            let mut gradient = vec![0.0; size * count];
            for input in 0..size {
                let penalty = penalties[problem][input] / rows as f64;
                for class in 0..count {
                    let coefficient = point[input * count + class];
                    value += 0.5 * penalty * coefficient * coefficient;
                    gradient[input * count + class] =
                        f64::from(slopes[input * width + problem * count + class]) / rows as f64
                            + penalty * coefficient;
                }
            }
            (value, gradient)
        };
        Ok((0..problems).map(of_problem).collect())
    };
    let first = vec![vec![0.0; size * count]; problems];
    let mut searches: Vec<Search> = first
        .iter()
        .zip(evaluate(&first)?)
        .map(|(point, (value, gradient))| Search::new(point, value, gradient))
        .collect();
    for _ in 0..iterations {
        if searches.iter().all(|search| search.done) {
            break;
        }
        let points: Vec<Vec<f64>> = searches.iter().map(Search::proposal).collect();
        let values = evaluate(&points)?;
        for ((search, point), (value, gradient)) in searches.iter_mut().zip(points).zip(values) {
            search.advance(point, value, gradient);
        }
    }
    Ok(searches.into_iter().map(|search| search.point).collect())
}

impl Search {
    fn new(point: &[f64], value: f64, gradient: Vec<f64>) -> Self {
        // Four times the gradient is Newton's step for one standardized input and two classes that
        // are equally likely.
        let direction = gradient.iter().map(|slope| -4.0 * slope).collect();
        Self {
            point: point.to_vec(),
            value,
            gradient,
            direction,
            step: 1.0,
            pairs: VecDeque::new(),
            idle: 0,
            done: false,
        }
    }

    fn proposal(&self) -> Vec<f64> {
        if self.done {
            self.point.clone()
        } else {
            self.point
                .iter()
                .zip(&self.direction)
                .map(|(x, direction)| x + self.step * direction)
                .collect()
        }
    }

    fn advance(&mut self, point: Vec<f64>, value: f64, gradient: Vec<f64>) {
        if self.done {
            return;
        }
        let slope = dot(&self.gradient, &self.direction);
        if value.is_nan() || value > self.value + 1e-4 * self.step * slope {
            self.step *= 0.4;
            self.idle += 1;
            self.done = self.idle > 12;
            return;
        }
        let change: Vec<f64> = point.iter().zip(&self.point).map(|(new, old)| new - old).collect();
        let bend: Vec<f64> =
            gradient.iter().zip(&self.gradient).map(|(new, old)| new - old).collect();
        self.done = self.value - value < TOLERANCE * self.value.abs();
        if dot(&change, &bend) > 1e-12 * dot(&bend, &bend) {
            self.pairs.push_back((change, bend));
            if self.pairs.len() > MEMORY {
                self.pairs.pop_front();
            }
        }
        (self.point, self.value, self.gradient, self.step, self.idle) =
            (point, value, gradient, 1.0, 0);
        self.direction = self.downhill();
    }

    /// The direction of the two loops: the inverse Hessian that the pairs say, times the negative
    /// gradient.
    fn downhill(&self) -> Vec<f64> {
        let mut direction: Vec<f64> = self.gradient.iter().map(|slope| -slope).collect();
        let mut shares = Vec::new();
        for (change, bend) in self.pairs.iter().rev() {
            let share = dot(change, &direction) / dot(change, bend);
            for (x, bend) in direction.iter_mut().zip(bend) {
                *x -= share * bend;
            }
            shares.push(share);
        }
        let scale =
            self.pairs.back().map_or(4.0, |(change, bend)| dot(change, bend) / dot(bend, bend));
        for x in &mut direction {
            *x *= scale;
        }
        for ((change, bend), share) in self.pairs.iter().zip(shares.iter().rev()) {
            let back = share - dot(bend, &direction) / dot(change, bend);
            for (x, change) in direction.iter_mut().zip(change) {
                *x += back * change;
            }
        }
        direction
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_are_what_a_constant_predicts() {
        let inputs = Array::full([4, 1], 1.0, DType::F32);
        let classes = Array::from([[1.0_f32, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]);
        let weights = Array::from([[1.0_f32, 1.0], [1.0, 0.0], [1.0, 0.0], [1.0, 1.0]]);
        let found =
            fit([&inputs, &classes, &weights], &[vec![1e-6], vec![1e-6]], 50, None).unwrap();
        let odds = |problem: usize| found[problem][0] - found[problem][1];
        assert!((odds(0) - 3.0_f64.ln()).abs() < 1e-2, "three to one: {found:?}");
        assert!(odds(1).abs() < 1e-2, "one to one on the rows that weigh something: {found:?}");
    }
}
