//! The test that values are finite, before anything that lasts is written.
//!
//! In: a guard of a plan. Out: lines that return the number of the first value that is not finite,
//! counted from 1.

use endo::Result;
use endo::plan::Guard;

use super::unit::{Unit, Writing, cannot};

/// The lines of a guard.
pub fn lines(unit: &mut Unit, writing: &Writing<'_>, guard: &Guard) -> Result<Vec<String>> {
    if !guard.deferred.is_empty() {
        return Err(cannot("a product that is computed after its check"));
    }
    let mut lines = Vec::new();
    for check in guard.checks.iter().filter(|check| check.length > 0) {
        let dtype = writing.dtype(check.buffer);
        let name = unit.helpers.name("is_finite", dtype).ok_or_else(|| cannot("this check"))?;
        let address = unit.address(writing, writing.place(check.buffer), check.offset);
        lines.push(format!("if (!{name}({address}, {})) {{", check.length));
        lines.push(format!("    return {};", check.index + 1));
        lines.push("}".to_string());
    }
    Ok(lines)
}
