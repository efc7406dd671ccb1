//! Judging a model by a table that has the target, and finding the columns that it depends on.
//!
//! In: a model, and a table. Out: scores; or how much the error grows when the cells of a column
//! change places.

use endo::Result;
use endo::data::shown;
use endo::random::Random;

use crate::arguments::Application;
use crate::model_file::TableModel;
use crate::output::{Output, Record, aligned, counted, warn};
use crate::scores::Scores;
use crate::source::Rows;
use crate::task::Goal;

/// The number of times that each column is shuffled.
const SHUFFLES: u64 = 5;
/// The most rows that are used to explain a model.
const EXPLAINED: usize = 5000;
/// Growths of more percent than this are not shown as percentages.
const MOST_SHOWN: f64 = 1e6;

/// Judges a model.
///
/// # Errors
/// What is wrong with the model or the table, by row, line and column.
pub fn evaluate(arguments: &Application) -> Result<()> {
    let mut output = Output::stdout(arguments.printing.quiet);
    let (model, rows) = read(arguments)?;
    let scores = scores(&model.goal, &model.predict_encoded(&rows.inputs)?, &rows.targets);
    scores.check(&format!("{} of {}", counted(rows.len(), "row"), rows.title))?;
    if arguments.printing.json {
        let record = Record::default().with("run", model.run.as_str()).with("rows", rows.len());
        return output.result(scores.record("", record).with("left_out_rows", rows.without_target));
    }
    output.line(format_args!("{} of {}", counted(rows.len(), "row"), rows.title))?;
    if rows.without_target > 0 {
        output.line(format_args!(
            "{} without a target left out",
            counted(rows.without_target, "row")
        ))?;
    }
    let lines: Vec<Vec<String>> =
        scores.0.iter().map(|(name, value)| vec![name.to_string(), number(*value)]).collect();
    output.result(aligned(&lines))
}

/// Explains a model.
///
/// # Errors
/// As those of [`evaluate`].
pub fn explain(arguments: &Application) -> Result<()> {
    let mut output = Output::stdout(arguments.printing.quiet);
    let (model, rows) = read(arguments)?;
    let rows = rows.some(EXPLAINED);
    let error = |inputs: &endo::Array| {
        let scores = scores(&model.goal, &model.predict_encoded(inputs)?, &rows.targets);
        scores
            .check(&format!("{} of {}", counted(rows.len(), "row"), rows.title))
            .map(|()| scores.error())
    };
    let base = error(&rows.inputs)?;
    let (count, width) = (rows.inputs.shape().batch(), model.schema.inputs.len());
    let mut importances = Vec::new();
    for (column, input) in model.schema.inputs.iter().enumerate() {
        let mut sum = 0.0;
        for shuffle in 0..SHUFFLES {
            // Breiman 2001: what an error loses when a column is noise that is distributed as
            // before.
            let order = Random::new(column as u64, shuffle).permutation(count);
            let cell = |i: usize| {
                rows.inputs.get(if i % width == column {
                    order[i / width] * width + column
                } else {
                    i
                })
            };
            sum += error(&endo::Array::from_fn([count, width], cell))? - base;
        }
        importances.push((shown(&input.name), sum / SHUFFLES as f64));
    }
    importances.sort_by(|a, b| b.1.total_cmp(&a.1));
    let what = match model.goal {
        Goal::Regression(_) => "mean squared error",
        Goal::Classes(..) => "log loss",
    };
    if arguments.printing.json {
        for (name, growth) in importances {
            output.result(
                Record::default()
                    .with("column", name)
                    .with("error_growth", growth)
                    .with("error", base),
            )?;
        }
        return Ok(());
    }
    output.line(format_args!(
        "The {what} on {} of {} is {}. It grows by so much when the cells of a column change \
            places at random:\n",
        counted(count, "row"),
        rows.title,
        number(base)
    ))?;
    let share = |growth: f64| match 100.0 * growth / base.abs() {
        share if share.abs() < MOST_SHOWN => format!("{share:+.1}%"),
        // Next to no error, any other is too many times as large.
        _ => String::new(),
    };
    let lines: Vec<Vec<String>> = importances
        .into_iter()
        .map(|(name, growth)| vec![name, number(growth), share(growth)])
        .collect();
    output.result(aligned(&lines))
}

fn read(arguments: &Application) -> Result<(TableModel, Rows)> {
    let model = TableModel::read(&arguments.model, arguments.threads)?;
    for warning in &model.warnings {
        warn(warning);
    }
    let rows = Rows::read(&arguments.data, &arguments.reading, &model.schema, &model.goal)?;
    Ok((model, rows))
}

/// The scores of predictions for a goal.
pub fn scores(goal: &Goal, predicted: &[f64], truth: &[f64]) -> Scores {
    match goal {
        Goal::Regression(targets) => Scores::of_numbers(predicted, truth, targets.len()),
        Goal::Classes(_, classes) => Scores::of_classes(predicted, truth, classes.len()),
    }
}

/// A figure with four digits.
pub fn number(value: f64) -> String {
    let magnitude = value.abs();
    match value {
        0.0 => "0".to_string(),
        _ if !value.is_finite() => "none".to_string(),
        _ if !(1e-4..1e7).contains(&magnitude) => format!("{value:.3e}"),
        _ => format!("{value:.*}", (3 - magnitude.log10().floor() as i32).max(0) as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_four_digits() {
        let shown = [0.0, 0.41912, 12.3456, 123_456.7, 2.5e7, 1.5e-5, -0.5, f64::NAN].map(number);
        assert_eq!(
            shown,
            ["0", "0.4191", "12.35", "123457", "2.500e7", "1.500e-5", "-0.5000", "none"]
        );
    }
}
