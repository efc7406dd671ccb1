//! What a model predicts: numbers, or one of several classes.
//!
//! In: the columns of the targets. Out: a [`Goal`], with the classes in their order, and each row's
//! target as a number.

use endo::data::{Table, Values, Words, shown};
use endo::{Array, Error, ErrorKind, Result};

use crate::arguments::TaskName;
use crate::output::counted;
use crate::schema::code;

/// What is predicted.
#[derive(Clone, PartialEq, Debug)]
pub enum Goal {
    /// Numbers: the names of the columns.
    Regression(Vec<String>),
    /// One of some classes: the name of the column, and the classes as the file spells them.
    Classes(String, Vec<String>),
}

/// More classes than this are hardly classes.
const MOST_CLASSES: usize = 1000;
/// The most different whole numbers that are taken as classes.
const MOST_CODES: usize = 20;
/// Codes that stand for classes are nearly equally frequent: the least ratio of their entropy to
/// that of equal frequencies.
const EVEN: f64 = 0.9;
/// The largest share of what codes explain of the other columns that may be explained by their
/// order.
const ORDERED: f64 = 0.8;

impl Goal {
    /// Finds what is to be predicted from the targets, or takes it as it is said.
    ///
    /// A target of words is one of classes, and so is one of two numbers. Whole numbers from 0 or 1
    /// on, up to twenty of them, are taken as classes if they are nearly equally frequent and their
    /// order explains little of the other columns: digits, for example, and no counts or marks.
    ///
    /// # Errors
    /// If words are to be predicted as numbers, several targets are no numbers, or there are too
    /// many classes.
    pub fn find(table: &Table, targets: &[String], said: Option<TaskName>) -> Result<Self> {
        let [target] = targets else {
            if said == Some(TaskName::Classification) {
                let error = Error::new(
                    ErrorKind::Argument,
                    "several targets cannot be predicted as classes",
                );
                return Err(error.help("give one --target, and train a model for each"));
            }
            let alone =
                "several targets have to be numbers: predict classes by a model of their own";
            targets.iter().try_for_each(|target| {
                numbers(table, target).map(|_| ()).map_err(|error| error.help(alone))
            })?;
            return Ok(Self::Regression(targets.to_vec()));
        };
        let is_classes = match (said, table.values(target)?) {
            (Some(said), _) => said == TaskName::Classification,
            (None, Values::Words(_)) => true,
            (None, Values::Times(_)) => false,
            (None, Values::Numbers(values)) => are_classes(table, target, values)?,
        };
        if !is_classes {
            numbers(table, target)?;
            return Ok(Self::Regression(targets.to_vec()));
        }
        let words = match table.values(target)? {
            Values::Words(words) => Some(words),
            _ => table.spelled(target),
        };
        let are_words = matches!(table.values(target)?, Values::Words(_));
        let many = |count: &dyn std::fmt::Display| {
            let (target, rows) = (shown(target), counted(table.len(), "row"));
            let message = format!(
                "column `{target}` has {count} different values in {rows}, which are too many for \
                    classes"
            );
            let help = if are_words {
                format!(
                    "choose another target: at most {MOST_CLASSES} classes are learnt, with two \
                        rows of each on average"
                )
            } else {
                "predict numbers with --task regression, or choose another target".to_string()
            };
            Error::new(ErrorKind::Data, message).help(help)
        };
        let words = words.ok_or_else(|| many(&"many"))?;
        let classes = classes(words);
        match classes.len() {
            0 | 1 => {
                let value = classes.first().map_or_else(String::new, |class| shown(class));
                let message = format!(
                    "column `{}` is {value} in every row: there is nothing to predict",
                    shown(target)
                );
                Err(Error::new(ErrorKind::Data, message).help("choose another target"))
            }
            count if count > MOST_CLASSES || 2 * count > table.len().max(4) => Err(many(&count)),
            _ => Ok(Self::Classes(target.clone(), classes)),
        }
    }

    /// The names of the columns to predict.
    pub fn targets(&self) -> &[String] {
        match self {
            Self::Regression(targets) => targets,
            Self::Classes(target, _) => std::slice::from_ref(target),
        }
    }

    /// The number of the model's outputs: a number for each target, or a probability for each
    /// class.
    pub fn outputs(&self) -> usize {
        match self {
            Self::Regression(targets) => targets.len(),
            Self::Classes(_, classes) => classes.len(),
        }
    }

    /// The name of the kind of task.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Regression(_) => "regression",
            Self::Classes(..) => "classification",
        }
    }

    /// What kind of task it is, in words.
    pub fn describe(&self) -> String {
        match self {
            Self::Regression(targets) if targets.len() == 1 => "regression".to_string(),
            Self::Regression(targets) => format!("regression of {} targets", targets.len()),
            Self::Classes(_, classes) => format!("classification into {} classes", classes.len()),
        }
    }

    /// The targets of all rows: numbers `[rows, targets]`, or the numbers of classes `[rows, 1]`;
    /// NaN where a target is missing.
    ///
    /// # Errors
    /// If a column is missing or holds something else, or a class is not among those that are
    /// known.
    pub fn encode(&self, table: &Table) -> Result<Array> {
        match self {
            Self::Regression(targets) => {
                let columns = targets
                    .iter()
                    .map(|target| numbers(table, target))
                    .collect::<Result<Vec<_>>>()?;
                Ok(Array::from_fn([table.len(), columns.len()], |i| {
                    columns[i % columns.len()][i / columns.len()]
                }))
            }
            Self::Classes(target, classes) => {
                let words = match table.values(target)? {
                    Values::Words(words) => words,
                    _ => table
                        .spelled(target)
                        .ok_or_else(|| unknown_class(target, "a number", classes))?,
                };
                let class = |word: &String| {
                    classes
                        .iter()
                        .position(|class| class == word)
                        .or_else(|| same_number(word, classes))
                };
                let codes: Vec<Option<usize>> = words.dictionary().iter().map(class).collect();
                let of_row = |row: usize| match code(words, row) {
                    None => Ok(f64::NAN),
                    Some(code) => match codes[code] {
                        Some(class) => Ok(class as f64),
                        None => {
                            let error = unknown_class(target, &words.dictionary()[code], classes);
                            let message = format!("{}: {}", table.place(row), error.message());
                            Err(error.with_message(message))
                        }
                    },
                };
                Array::new(
                    [table.len(), 1],
                    (0..table.len()).map(of_row).collect::<Result<Vec<f64>>>()?,
                )
            }
        }
    }
}

/// The different words of a column that rows have, in the order of numbers if all are, and else of
/// letters.
fn classes(words: &Words) -> Vec<String> {
    let mut is_there = vec![false; words.dictionary().len()];
    for code in (0..words.codes().len()).filter_map(|row| code(words, row)) {
        is_there[code] = true;
    }
    let mut classes: Vec<String> = words
        .dictionary()
        .iter()
        .zip(is_there)
        .filter(|(_, is_there)| *is_there)
        .map(|(word, _)| word.clone())
        .collect();
    let number = |word: &String| word.parse::<f64>().ok().filter(|number| number.is_finite());
    match classes.iter().map(number).collect::<Option<Vec<f64>>>() {
        Some(_) => classes.sort_by(|a, b| {
            number(a).partial_cmp(&number(b)).unwrap_or(std::cmp::Ordering::Equal).then(a.cmp(b))
        }),
        None => classes.sort(),
    }
    classes
}

/// The class that is the same number as a word: `1.0` is `1`.
fn same_number(word: &str, classes: &[String]) -> Option<usize> {
    let number: f64 = word.parse().ok()?;
    classes.iter().position(|class| class.parse() == Ok(number))
}

fn unknown_class(target: &str, word: &str, classes: &[String]) -> Error {
    let known = endo::data::listed(classes.iter().map(String::as_str));
    let message =
        format!("column `{}`: `{}` is no class that was learnt", shown(target), shown(word));
    Error::new(ErrorKind::Data, message).help(format!("the classes are {known}"))
}

/// The numbers of a column, NaN where they are missing.
fn numbers<'t>(table: &'t Table, target: &str) -> Result<&'t [f64]> {
    match table.values(target)? {
        Values::Numbers(values) | Values::Times(values) => Ok(values),
        Values::Words(words) => {
            let example = words
                .dictionary()
                .first()
                .map_or_else(String::new, |word| format!(", such as `{}`", shown(word)));
            let message = format!(
                "column `{}` holds words{example}, and regression predicts numbers",
                shown(target)
            );
            let help = "leave --task out to predict classes, or give --type COLUMN=number to find \
                the cell that is no number";
            Err(Error::new(ErrorKind::Data, message).help(help))
        }
    }
}

/// Whether numbers stand for classes.
fn are_classes(table: &Table, target: &str, values: &[f64]) -> Result<bool> {
    let mut codes: Vec<f64> = Vec::new();
    for &value in values.iter().filter(|value| !value.is_nan()) {
        if !codes.contains(&value) {
            codes.push(value);
        }
        if codes.len() > MOST_CODES {
            return Ok(false);
        }
    }
    codes.sort_by(f64::total_cmp);
    let count = values.iter().filter(|value| !value.is_nan()).count();
    if codes.len() < 2 || count < 4 * codes.len() {
        return Ok(false);
    }
    if codes.len() == 2 {
        return Ok(true);
    }
    let is_run = (codes[0] == 0.0 || codes[0] == 1.0)
        && codes.windows(2).all(|pair| pair[1] == pair[0] + 1.0);
    if !is_run {
        return Ok(false);
    }
    let share =
        |code: &f64| values.iter().filter(|value| *value == code).count() as f64 / count as f64;
    let entropy: f64 = codes.iter().map(share).map(|share| -share * share.ln()).sum();
    if entropy < EVEN * (codes.len() as f64).ln() {
        return Ok(false);
    }
    let (mut by_order, mut by_code) = (0.0, 0.0);
    for name in table.columns().filter(|name| *name != target) {
        if let Values::Numbers(inputs) = table.values(name)? {
            let (order, code) = explained(inputs, values, &codes);
            (by_order, by_code) = (by_order + order, by_code + code);
        }
    }
    Ok(by_code > 0.0 && by_order <= ORDERED * by_code)
}

/// The shares of a column's variance that codes explain: as numbers on a line, and each for itself;
/// both less what chance explains.
fn explained(inputs: &[f64], values: &[f64], codes: &[f64]) -> (f64, f64) {
    let rows: Vec<(f64, f64)> = inputs
        .iter()
        .zip(values)
        .map(|(&x, &y)| (x, y))
        .filter(|(x, y)| (x + y).is_finite())
        .collect();
    let count = rows.len() as f64;
    let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / count;
    let (x_mean, y_mean) =
        (mean(&mut rows.iter().map(|row| row.0)), mean(&mut rows.iter().map(|row| row.1)));
    let x_square: f64 = rows.iter().map(|(x, _)| (x - x_mean).powi(2)).sum();
    let y_square: f64 = rows.iter().map(|(_, y)| (y - y_mean).powi(2)).sum();
    if !(x_square > 0.0 && y_square > 0.0 && x_square.is_finite()) {
        return (0.0, 0.0);
    }
    let product: f64 = rows.iter().map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
    let of_code = |code: &f64| {
        let (sum, size) = rows
            .iter()
            .filter(|row| row.1 == *code)
            .fold((0.0, 0.0), |(sum, size), row| (sum + row.0, size + 1.0));
        if size > 0.0 { size * (sum / size - x_mean).powi(2) } else { 0.0 }
    };
    let (line, groups) = (
        product * product / (x_square * y_square),
        codes.iter().map(of_code).sum::<f64>() / x_square,
    );
    ((line - 1.0 / count).max(0.0), (groups - (codes.len() - 1) as f64 / count).max(0.0))
}

#[cfg(test)]
mod tests {
    use endo::data::Csv;

    use super::*;

    fn table(text: &str) -> Table {
        Csv::new().typed().target("y").read_from(text.as_bytes()).unwrap()
    }

    fn goal(text: &str, said: Option<TaskName>) -> Result<Goal> {
        Goal::find(&table(text), &["y".to_string()], said)
    }

    /// A table of `x` and `y` with `count` rows.
    fn rows(count: usize, x: impl Fn(usize) -> f64, y: impl Fn(usize) -> usize) -> String {
        (0..count).fold("x,y\n".to_string(), |text, i| text + &format!("{},{}\n", x(i), y(i)))
    }

    #[test]
    fn words_and_two_numbers_are_classes_as_the_file_spells_them() {
        let classes = |text: &str| match goal(text, None).unwrap() {
            Goal::Classes(_, classes) => classes,
            Goal::Regression(_) => Vec::new(),
        };
        assert_eq!(classes("x,y\n1,no\n2,yes\n3,no\n4,yes\n"), ["no", "yes"]);
        assert_eq!(classes(&rows(20, |i| i as f64, |i| i % 2)), ["0", "1"]);
        assert_eq!(classes(&rows(20, |i| i as f64, |i| 10 + 2 * (i % 2))), ["10", "12"]);
        assert_eq!(
            classes("x,y\n1,02\n2,010\n3,02\n4,010\n5,02\n6,02\n7,02\n8,010\n"),
            ["02", "010"]
        );
    }

    #[test]
    fn whole_numbers_are_classes_if_they_are_even_and_without_order() {
        let is_classes = |text: &str| matches!(goal(text, None).unwrap(), Goal::Classes(..));
        let digits = rows(200, |i| [5.0, 1.0, 9.0, 2.0][i % 4] + (i % 3) as f64 * 0.1, |i| i % 4);
        assert!(is_classes(&digits));
        assert!(
            !is_classes(&rows(200, |i| (i % 4) as f64 + (i % 3) as f64 * 0.1, |i| i % 4)),
            "their order explains x"
        );
        assert!(
            !is_classes(&rows(200, |i| [5.0, 1.0, 9.0, 2.0][i % 4], |i| 3 + i % 4)),
            "they begin at 3"
        );
        let counts =
            rows(200, |i| [5.0, 1.0, 9.0][i % 3], |i| [0, 0, 0, 0, 0, 0, 0, 0, 1, 2][i % 10]);
        assert!(!is_classes(&counts), "most are 0");
        assert!(matches!(goal(&digits, Some(TaskName::Regression)).unwrap(), Goal::Regression(_)));
        assert!(matches!(
            goal(&rows(40, |i| i as f64, |i| i % 7), Some(TaskName::Classification)).unwrap(),
            Goal::Classes(..)
        ));
    }

    #[test]
    fn targets_that_cannot_be_predicted_are_refused() {
        let message = |text: &str, said| goal(text, said).unwrap_err().to_string();
        let words = "x,y\n1,a\n2,b\n3,a\n4,b\n";
        assert!(
            message(words, Some(TaskName::Regression))
                .contains("column `y` holds words, such as `a`")
        );
        let own = (0..40).fold("x,y\n".to_string(), |text, i| text + &format!("{i},w{i}\n"));
        assert!(message(&own, None).contains(
            "column `y` has 40 different values in 40 rows, which are too many for classes"
        ));
        assert!(message("x,y\n1,a\n2,a\n", None).contains("column `y` is a in every row"));
        let two = Goal::find(
            &table("x,y\n1,2\n"),
            &["x".to_string(), "y".to_string()],
            Some(TaskName::Classification),
        );
        assert!(two.unwrap_err().message().starts_with("several targets"));
    }

    #[test]
    fn classes_are_found_again_in_another_table() {
        let goal = Goal::Classes("y".to_string(), vec!["1".to_string(), "2".to_string()]);
        let y = goal.encode(&table("x,y\n1,2.0\n2,1\n3,\n")).unwrap();
        assert_eq!((y.get(0), y.get(1), y.get(2).is_nan()), (1.0, 0.0, true));
        let error = goal.encode(&table("x,y\n1,2\n2,3\n")).unwrap_err();
        assert!(
            error.message().contains("row 2 (line 3)")
                && error.message().contains("`3` is no class"),
            "{error}"
        );
    }
}
