//! What is linear in the encoded inputs: a line, or a sum of functions of one column each.
//!
//! In: encoded rows, targets and folds. Out: for each fold coefficients from the rows it learns
//! from, with penalties chosen by the rows it leaves out. Regression solves the normal equations,
//! classes take logistic regression.

use endo::prelude::*;

use super::folds::Folds;
use super::logistic;
use super::problem::Task;
use super::ridge::Normal;

/// Penalties of squared coefficients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Penalties {
    /// Of the inputs of a line.
    pub line: f64,
    /// Of the pieces of numbers; none leaves them out.
    pub pieces: Option<f64>,
}

/// Coefficients for each fold, and what they say of the rows left out.
#[derive(Clone)]
pub struct Base {
    /// The penalties.
    pub penalties: Penalties,
    /// For each fold `[1 + width, outputs]`, first the constant.
    pub folds: Vec<Vec<f64>>,
    /// `[rows, outputs]`, what is said of a row by folds that leave it out; `NaN` where none does.
    pub out_of_fold: Vec<f64>,
    /// The mean loss of rows left out.
    pub loss: f64,
}

/// All that a fit needs.
#[derive(Clone)]
pub struct Rows<'a> {
    /// `[rows, 1 + width]`, first a column of ones.
    pub inputs: Array,
    /// The inputs of a line, without the constant.
    pub line: usize,
    /// `[rows, outputs]`: standardized targets, or 1 for the class and 0 for the others.
    pub targets: Array,
    /// The weights of rows.
    pub weights: Vec<f32>,
    /// What folds leave out.
    pub folds: &'a Folds,
    /// What is predicted.
    pub task: Task,
    /// The number of threads.
    pub threads: Option<usize>,
}

impl Rows<'_> {
    /// Whether logistic regression has much to compute.
    fn is_much(&self) -> bool {
        self.inputs.len() * self.targets.shape().features() > MUCH
    }
}

/// Penalties of a line, from weak to strong.
const LINE: [f64; 9] = [1e-3, 1e-2, 0.1, 1.0, 3.0, 10.0, 30.0, 100.0, 1000.0];

/// Penalties of pieces.
const PIECES: [f64; 5] = [0.3, 1.0, 3.0, 10.0, 30.0];

/// Penalties of a logistic line, and of its pieces.
const LOGISTIC: [f64; 5] = [0.1, 1.0, 5.0, 25.0, 125.0];

/// The same where there is much to compute.
const FEW_LOGISTIC: [f64; 2] = [2.0, 50.0];

/// Rows times inputs times classes from which there is much to compute.
const MUCH: usize = 300_000;

/// The penalties of a line of more than [`WIDE`] inputs.
const FEW_LINE: [f64; 4] = [0.3, 5.0, 50.0, 500.0];

/// Lines of more inputs than this are tried with few penalties, because each solution takes a
/// while.
const WIDE: usize = 200;

/// With more inputs than this, the normal equations would take longer than the nets, and are left
/// out.
const WIDEST: usize = 2500;

/// The line that does best on rows left out, and what does best with pieces (the line again where
/// they do not help).
///
/// # Errors
/// If a trace fails.
pub fn search(rows: &Rows) -> Result<(Base, Base)> {
    let (with_pieces, outputs) =
        (rows.inputs.shape().features() > rows.line + 1, rows.targets.shape().features());
    let (classes, width) = (rows.task.is_classes(), rows.inputs.shape().features());
    if is_too_wide(rows) {
        let none = constant(rows, outputs);
        return Ok((none.clone(), none));
    }
    let solver = Solver::new(rows)?;
    let much = if classes { rows.is_much() } else { width > WIDE };
    let strengths: &[f64] = match (classes, much) {
        (false, false) => &LINE,
        (false, true) => &FEW_LINE,
        (true, false) => &LOGISTIC,
        (true, true) => &FEW_LOGISTIC,
    };
    let candidates: Vec<Penalties> =
        strengths.iter().map(|&line| Penalties { line, pieces: None }).collect();
    let line = solver.best(&candidates)?;
    let line = line.unwrap_or_else(|| constant(rows, outputs));
    if !with_pieces {
        return Ok((line.clone(), line));
    }
    let pieces: &[f64] = if classes || much { strengths } else { &PIECES };
    let of = |line: f64| move |&pieces: &f64| Penalties { line, pieces: Some(pieces) };
    let mut best = solver.best(&pieces.iter().map(of(line.penalties.line)).collect::<Vec<_>>())?;
    if let Some(found) = best.as_ref().filter(|_| !much && !classes) {
        let near: Vec<Penalties> = [0.1, 10.0]
            .map(|factor| Penalties { line: found.penalties.line * factor, ..found.penalties })
            .to_vec();
        let other = solver.best(&near)?;
        if other.as_ref().is_some_and(|other| other.loss < found.loss) {
            best = other;
        }
    }
    let best = best.filter(|best| best.loss < line.loss).unwrap_or_else(|| line.clone());
    Ok((line, best))
}

/// The base with given penalties.
///
/// # Errors
/// If a trace fails.
pub fn fit(rows: &Rows, penalties: Penalties) -> Result<Base> {
    if is_too_wide(rows) {
        return Ok(constant(rows, rows.targets.shape().features()));
    }
    let found = Solver::new(rows)?.best(&[penalties])?;
    Ok(found.unwrap_or_else(|| constant(rows, rows.targets.shape().features())))
}

/// Whether the normal equations would take longer than the nets, and more memory than there may be.
fn is_too_wide(rows: &Rows) -> bool {
    !rows.task.is_classes() && rows.inputs.shape().features() > WIDEST
}

/// What says nothing: the mean of a target, or equal logits.
fn constant(rows: &Rows, outputs: usize) -> Base {
    let width = rows.inputs.shape().features();
    let coefficients = vec![0.0; width * outputs];
    let count = rows.inputs.shape().batch();
    Base {
        penalties: Penalties { line: 1e6, pieces: None },
        folds: vec![coefficients; rows.folds.count()],
        out_of_fold: vec![0.0; count * outputs],
        loss: f64::INFINITY,
    }
}

struct Solver<'a> {
    rows: &'a Rows<'a>,
    normal: Option<Normal>,
    values: Vec<f32>,
    targets: Vec<f64>,
}

impl<'a> Solver<'a> {
    fn new(rows: &'a Rows<'a>) -> Result<Self> {
        let normal = match rows.task {
            Task::Regression { .. } => {
                Some(Normal::new(&rows.inputs, &rows.targets, rows.folds, rows.threads)?)
            }
            Task::Classes { .. } => None,
        };
        Ok(Self { rows, normal, values: rows.inputs.to_vec(), targets: rows.targets.to_vec() })
    }

    /// What does best on rows left out of some penalties that all use the same inputs; none where
    /// nothing can be solved.
    fn best(&self, candidates: &[Penalties]) -> Result<Option<Base>> {
        let outputs = self.rows.targets.shape().features();
        let width = self.rows.inputs.shape().features();
        let used = if candidates.iter().any(|penalties| penalties.pieces.is_some()) {
            width
        } else {
            self.rows.line + 1
        };
        let of_input = |penalties: Penalties| {
            move |input: usize| match input {
                0 => 1e-6,
                input if input <= self.rows.line => penalties.line,
                _ => penalties.pieces.unwrap_or(penalties.line),
            }
        };
        let solutions: Vec<Option<Vec<Vec<f64>>>> = match &self.normal {
            Some(normal) => candidates
                .iter()
                .map(|&penalties| normal.of_folds(used, of_input(penalties)))
                .collect(),
            None => {
                let all: Vec<Vec<f64>> = candidates
                    .iter()
                    .map(|&penalties| (0..used).map(of_input(penalties)).collect())
                    .collect();
                self.logistic(used, &all)?.into_iter().map(Some).collect()
            }
        };
        let mut best: Option<Base> = None;
        for (&penalties, solution) in candidates.iter().zip(solutions) {
            let Some(mut folds) = solution else { continue };
            let (out_of_fold, loss) = self.judge(used, &folds);
            if loss.is_finite() && best.as_ref().is_none_or(|best| loss < best.loss) {
                for coefficients in &mut folds {
                    coefficients.resize(width * outputs, 0.0);
                }
                best = Some(Base { penalties, folds, out_of_fold, loss });
            }
        }
        Ok(best)
    }

    fn logistic(&self, used: usize, penalties: &[Vec<f64>]) -> Result<Vec<Vec<Vec<f64>>>> {
        let (rows, folds) = (self.rows.inputs.shape().batch(), self.rows.folds.count());
        let width = self.rows.inputs.shape().features();
        let inputs = if used == width {
            self.rows.inputs.clone()
        } else {
            Array::from_fn([rows, used], |at| self.values[at / used * width + at % used])
        };
        let mask = self.rows.folds.mask();
        let problems = folds * penalties.len();
        let weight = |at: usize| {
            let (row, fold) = (at / problems, at % problems % folds);
            (1.0 - mask[row * folds + fold]) * self.rows.weights[row]
        };
        let weights = Array::from_fn([rows, problems], weight);
        let of_problems: Vec<Vec<f64>> =
            penalties.iter().flat_map(|penalties| vec![penalties.clone(); folds]).collect();
        let targets = self.rows.targets.cast(DType::F32);
        let found = logistic::fit(
            [&inputs, &targets, &weights],
            &of_problems,
            if self.rows.is_much() { 30 } else { 60 },
            self.rows.threads,
        )?;
        Ok(found.chunks(folds).map(<[_]>::to_vec).collect())
    }

    /// What each row is said to be by folds that leave it out, and the mean loss.
    fn judge(&self, used: usize, folds: &[Vec<f64>]) -> (Vec<f64>, f64) {
        let outputs = self.rows.targets.shape().features();
        let (width, count) =
            (self.rows.inputs.shape().features(), self.rows.inputs.shape().batch());
        let (mut sums, mut counts) = (vec![0.0; count * outputs], vec![0.0; count]);
        for (fold, coefficients) in folds.iter().enumerate() {
            for &row in self.rows.folds.left_out(fold) {
                counts[row] += 1.0;
                let said = &mut sums[row * outputs..(row + 1) * outputs];
                let inputs = &self.values[row * width..row * width + used];
                add_linear(said, inputs, coefficients);
            }
        }
        let (mut total, mut weight) = (0.0, 0.0);
        for row in 0..count {
            let said = &mut sums[row * outputs..(row + 1) * outputs];
            for said in said.iter_mut() {
                *said = if counts[row] > 0.0 { *said / counts[row] } else { f64::NAN };
            }
            if counts[row] > 0.0 {
                let of_row = f64::from(self.rows.weights[row]);
                total += of_row
                    * loss(self.rows.task, said, &self.targets[row * outputs..(row + 1) * outputs]);
                weight += of_row;
            }
        }
        (sums, if weight > 0.0 { total / weight } else { 0.0 })
    }
}

/// Adds what coefficients `[width, outputs]` say of a row of inputs.
pub fn add_linear(said: &mut [f64], inputs: &[f32], coefficients: &[f64]) {
    let [said] = said else {
        for (x, coefficients) in inputs.iter().zip(coefficients.chunks_exact(said.len())) {
            for (said, coefficient) in said.iter_mut().zip(coefficients) {
                *said += f64::from(*x) * coefficient;
            }
        }
        return;
    };
    // Sums of their own do not wait for each other.
    let mut sums = [0.0; 8];
    let (xs, coefficients) = (inputs.chunks_exact(8), coefficients[..inputs.len()].chunks_exact(8));
    *said += xs
        .remainder()
        .iter()
        .zip(coefficients.remainder())
        .map(|(&x, coefficient)| f64::from(x) * coefficient)
        .sum::<f64>();
    for (xs, coefficients) in xs.zip(coefficients) {
        for at in 0..8 {
            sums[at] += f64::from(xs[at]) * coefficients[at];
        }
    }
    *said += sums.iter().sum::<f64>();
}

/// The squared error of standardized targets, or the cross-entropy of logits.
pub fn loss(task: Task, said: &[f64], truth: &[f64]) -> f64 {
    match task {
        Task::Regression { targets } => {
            said.iter().zip(truth).map(|(said, truth)| (said - truth).powi(2)).sum::<f64>()
                / targets as f64
        }
        Task::Classes { .. } => {
            let most = said.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = said.iter().map(|logit| (logit - most).exp()).sum();
            said.iter().zip(truth).map(|(logit, truth)| truth * (most + sum.ln() - logit)).sum()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_output_and_several_are_added_alike() {
        let inputs: Vec<f32> = (0..19).map(|at| at as f32).collect();
        let coefficients: Vec<f64> = (0..19).map(|at| f64::from(at % 3) - 1.0).collect();
        let mut one = [0.5];
        add_linear(&mut one, &inputs, &coefficients);
        let mut two = [0.5, 0.5];
        let doubled: Vec<f64> =
            coefficients.iter().flat_map(|&coefficient| [coefficient, 2.0 * coefficient]).collect();
        add_linear(&mut two, &inputs, &doubled);
        assert_eq!((one, two), ([-5.5], [-5.5, -11.5]));
    }

    #[test]
    fn the_losses_are_those_of_the_formulas() {
        assert_eq!(loss(Task::Regression { targets: 2 }, &[1.0, 2.0], &[1.0, 4.0]), 2.0);
        let entropy = loss(Task::Classes { count: 2 }, &[0.0, 3.0_f64.ln()], &[0.0, 1.0]);
        assert!((entropy - (4.0_f64 / 3.0).ln()).abs() < 1e-12, "{entropy}");
    }
}
