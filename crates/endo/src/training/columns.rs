//! Rows of numbers by name as columns: how a saved run holds them.
//!
//! In: rows of numbers by name, such as a history's epochs. Out: a [`State`] with a column for each
//! name, in their order; and back.

use std::collections::{HashMap, HashSet};

use crate::array::Array;
use crate::error::Result;

use super::state::{State, kind};

/// A column for each name: a number for each row, or pairs of a row and a number where some rows
/// have none of that name. The names are in an order that each row keeps.
pub(super) fn table(rows: usize, mut cells: impl Iterator<Item = (usize, String, f64)>) -> State {
    columns(rows, &mut cells)
}

/// A table of records, each a row of the cells that `cells` makes of it.
pub(super) fn table_of<'r, R, C: Iterator<Item = (String, f64)>>(
    records: &'r [R],
    cells: impl Fn(&'r R) -> C,
) -> State {
    let row = |(row, record)| cells(record).map(move |(name, value)| (row, name, value));
    table(records.len(), records.iter().enumerate().flat_map(row))
}

fn columns(rows: usize, cells: &mut dyn Iterator<Item = (usize, String, f64)>) -> State {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut columns: Vec<(String, Vec<f64>)> = Vec::new();
    // Which column comes right before which in some row; and the row and the column of the cell
    // before.
    let mut pairs: HashSet<(usize, usize)> = HashSet::new();
    let mut before: Option<(usize, usize)> = None;
    for (row, name, value) in cells {
        let place = *places.entry(name).or_insert_with_key(|name| {
            columns.push((name.clone(), Vec::new()));
            columns.len() - 1
        });
        columns[place].1.extend([row as f64, value]);
        pairs.extend(
            before.filter(|(known, _)| *known == row).map(|(_, previous)| (previous, place)),
        );
        before = Some((row, place));
    }
    let order = ordered(columns.len(), &pairs);
    let columns = order.into_iter().map(|place| std::mem::take(&mut columns[place]));
    columns.enumerate().fold(State::new(), |state, (index, (name, pairs))| {
        let column: Array = if pairs.len() == 2 * rows {
            pairs.chunks(2).map(|pair| pair[1]).collect::<Vec<f64>>().into()
        } else {
            Array::from_fn([pairs.len() / 2, 2], |element| pairs[element])
        };
        state.with(format!("{index:08}/{name}"), column)
    })
}

/// The places `0..count` in an order in which the first of each pair comes before the second; where
/// several may be next, or where pairs contradict each other, the lowest.
fn ordered(count: usize, pairs: &HashSet<(usize, usize)>) -> Vec<usize> {
    let mut open: Vec<usize> = (0..count).collect();
    let mut order = Vec::with_capacity(count);
    while !open.is_empty() {
        let waits = |place: usize| {
            pairs
                .iter()
                .any(|&(first, second)| second == place && first != place && open.contains(&first))
        };
        let next = open.iter().position(|&place| !waits(place)).unwrap_or(0);
        order.push(open.remove(next));
    }
    order
}

/// The rows of which [`table`] made columns: as many as the longest column has numbers, as some
/// name is in each row.
pub(super) fn rows(state: &State) -> Result<Vec<Vec<(String, f64)>>> {
    let columns = || {
        state.iter().filter_map(|(entry, column)| Some((entry, entry.split_once('/')?.1, column)))
    };
    let full = columns().filter(|(_, _, column)| column.shape().rank() == 1);
    let mut rows = vec![Vec::new(); full.map(|(_, _, column)| column.len()).max().unwrap_or(0)];
    for (entry, name, column) in columns() {
        let count = rows.len();
        let (values, pairs) = match (column.as_slice::<f64>(), column.shape().sizes()) {
            (Some(values), [length]) if *length == count => (values, false),
            (Some(values), [_, 2]) => (values, true),
            _ => {
                let expected =
                    format!("f64[{count}], a number for each row, or pairs of a row and a number");
                return Err(state.unexpected(entry, expected, kind(column)));
            }
        };
        let pairs = values.chunks(if pairs { 2 } else { 1 }).enumerate();
        for (index, pair) in pairs {
            let (row, value) = match *pair {
                [row, value] => (state.whole(entry, row, count.saturating_sub(1))?, value),
                _ => (index, pair[0]),
            };
            let row = rows
                .get_mut(row)
                .ok_or_else(|| state.unexpected(entry, "of a table with a row", "one without"))?;
            row.push((name.to_string(), value));
        }
    }
    Ok(rows)
}

/// The same, of a table that was saved with `count` rows.
pub(super) fn counted_rows(state: &State, count: usize) -> Result<Vec<Vec<(String, f64)>>> {
    let rows = rows(state)?;
    if rows.len() == count {
        Ok(rows)
    } else {
        Err(state.unexpected(
            "",
            format!("a table of {count} rows"),
            format!("one of {}", rows.len()),
        ))
    }
}

/// The same, of a table of at most one row.
pub(super) fn first_row(state: &State) -> Result<Vec<(String, f64)>> {
    Ok(rows(state)?.into_iter().next().unwrap_or_default())
}

pub(super) const TOTAL: &str = "total";
pub(super) const TERM: &str = "term";
