//! How cells without a value are spelled.
//!
//! In: a cell. Out: whether nothing is in it, in any column or in a column of numbers or times
//! alone.

/// Spellings that are hardly ever words: they are missing in every column, whatever the case of
/// their letters.
const ANYWHERE: [&str; 16] = [
    "na", "n/a", "n.a.", "#n/a", "#na", "<na>", "nan", "-nan", "nat", "null", "?", "#div/0!",
    "#value!", "#ref!", "#num!", "#name?",
];
/// Spellings that may also be words (a fence may be `None`, a test `-`): they are missing between
/// numbers and times alone.
const BETWEEN_NUMBERS: [&str; 9] =
    ["none", "nil", "missing", "unknown", ".", "..", "-", "--", "---"];
/// No spelling is longer.
const LONGEST: usize = 8;

/// Where a cell of some spelling is missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum MissingScope {
    Anywhere,
    BetweenNumbers,
}

/// The spellings of missing cells.
#[derive(Clone, Default, Debug)]
pub(super) struct Spellings {
    /// Those that the user gave, as they are written.
    pub given: Vec<String>,
}

impl Spellings {
    /// Whether a cell was given as missing, but for blanks around it. Most tables have no such
    /// cells.
    pub fn is_given(&self, cell: &str) -> bool {
        !self.given.is_empty() && self.given.iter().any(|given| given == cell.trim())
    }

    /// Whether a cell without blanks around it is missing, and where.
    pub fn find(&self, cell: &str) -> Option<MissingScope> {
        if cell.is_empty() || self.is_given(cell) || cell == r"\N" {
            return Some(MissingScope::Anywhere);
        }
        let is_one = |spellings: &[&str]| {
            spellings.iter().any(|spelling| spelling.eq_ignore_ascii_case(cell))
        };
        match () {
            () if cell.len() > LONGEST => None,
            () if is_one(&ANYWHERE) => Some(MissingScope::Anywhere),
            () if is_one(&BETWEEN_NUMBERS) => Some(MissingScope::BetweenNumbers),
            () => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_without_a_value_are_known_by_their_spelling() {
        let spellings = Spellings { given: vec!["-999".into(), "k. A.".into()] };
        let found = |cell: &str| spellings.find(cell);
        let anywhere = "|NA|na|N/A|N.A.|#N/A|#NA|NaN|-NaN|nan|null|NULL|Null|<NA>|\\N|?|\
                        #DIV/0!|#VALUE!|#REF!|#NUM!|#NAME?|NaT|-999|k. A.";
        for cell in anywhere.split('|') {
            assert_eq!(found(cell), Some(MissingScope::Anywhere), "{cell}");
        }
        for cell in "None|nil|.|-|--|missing|NONE|Unknown|..".split('|') {
            assert_eq!(found(cell), Some(MissingScope::BetweenNumbers), "{cell}");
        }
        for cell in "Nan cy|no|x|0|-9999|inf|\\n|K. a.|unknowns|N".split('|') {
            assert_eq!(found(cell), None, "{cell}");
        }
        assert!(ANYWHERE.iter().chain(&BETWEEN_NUMBERS).all(|spelling| spelling.len() <= LONGEST));
    }
}
