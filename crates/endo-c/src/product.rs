//! Matrix products as calls of one function for each type.
//!
//! In: a product of a plan. Out: a call, in loops over the axes of the batch if there are any.

use endo::Result;
use endo::plan::{Matrix, Product};

use super::unit::{Unit, Writing, cannot};

/// The lines that compute a product.
pub fn calls(unit: &mut Unit, writing: &Writing<'_>, product: &Product) -> Result<Vec<String>> {
    let [m, k, n] = product.sizes;
    if m * n * product.batch.iter().product::<usize>() == 0 {
        return Ok(Vec::new());
    }
    let dtype = writing.dtype(product.output);
    let name = unit.helpers.name("product", dtype).ok_or_else(|| cannot("a matrix product"))?;
    let counters = ["i", "j", "k", "l", "m", "n", "o", "p"];
    if product.batch.len() > counters.len() {
        return Err(cannot("a product of matrices with more axes than C loops are written for"));
    }
    let moved = |address: String, strides: &[isize]| {
        let terms = strides.iter().zip(counters).filter(|(stride, _)| **stride != 0);
        let terms: Vec<String> =
            terms.map(|(stride, counter)| format!(" + {stride} * {counter}")).collect();
        format!("{address}{}", terms.concat()).replace("+ -", "- ")
    };
    let mut operand = |matrix: &Matrix| {
        let address = unit.address(writing, writing.place(matrix.buffer), matrix.offset);
        let [row, column] = matrix.strides;
        format!("{}, {row}, {column}", moved(address, &matrix.batch_strides))
    };
    let (left, right) = (operand(&product.left), operand(&product.right));
    let row = match product.bias {
        Some((buffer, offset)) => unit.address(writing, writing.place(buffer), offset),
        None => "0".to_string(),
    };
    let mut distance = (m * n) as isize;
    let mut strides = Vec::new();
    for &size in product.batch.iter().rev() {
        strides.insert(0, distance);
        distance *= size as isize;
    }
    let output = moved(unit.address(writing, writing.place(product.output), 0), &strides);
    let call = format!("{name}({left}, {right}, {row}, {output}, {m}, {k}, {n});");
    let mut lines = Vec::new();
    for (size, counter) in product.batch.iter().zip(counters) {
        let indent = "    ".repeat(lines.len());
        lines.push(format!("{indent}for (long {counter} = 0; {counter} < {size}; {counter}++) {{"));
    }
    let depth = lines.len();
    lines.push(format!("{}{call}", "    ".repeat(depth)));
    lines.extend((0..depth).rev().map(|depth| format!("{}}}", "    ".repeat(depth))));
    Ok(lines)
}
