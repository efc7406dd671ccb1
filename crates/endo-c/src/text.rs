//! Numbers, types and names as C text.
//!
//! In: element types, numbers, names of weights. Out: text that a C99 compiler reads back to the
//! same bits.

use std::collections::HashSet;
use std::fmt::Write;

use endo::DType;

/// The C type of an element.
pub fn c_type(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "float",
        DType::F64 => "double",
        DType::I32 => "int32_t",
        // Truth values and bytes, and what future types would have to be given here.
        _ => "unsigned char",
    }
}

/// What a type is called in names.
pub fn short(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "f32",
        DType::F64 => "f64",
        DType::I32 => "i32",
        _ => "u8",
    }
}

/// A constant expression for an `f32`.
pub fn float(value: f32) -> String {
    match value {
        _ if value.is_nan() => "NAN".to_string(),
        f32::INFINITY => "INFINITY".to_string(),
        f32::NEG_INFINITY => "-INFINITY".to_string(),
        // The shortest text that is read back as this number.
        _ => format!("{value:?}f"),
    }
}

/// A constant expression for an `f64`.
pub fn double(value: f64) -> String {
    match value {
        _ if value.is_nan() => "(double)NAN".to_string(),
        f64::INFINITY => "(double)INFINITY".to_string(),
        f64::NEG_INFINITY => "-(double)INFINITY".to_string(),
        _ => format!("{value:?}"),
    }
}

/// A constant expression for an `i32`: the least has no literal of its own.
pub fn integer(value: i32) -> String {
    if value == i32::MIN { "(-2147483647 - 1)".to_string() } else { value.to_string() }
}

/// The elements of a type in some bytes, as constant expressions.
pub fn elements(dtype: DType, bytes: &[u8]) -> Vec<String> {
    let [four, eight] = [4, 8].map(|size| bytes.chunks_exact(size));
    match dtype {
        DType::F32 => four.map(|b| float(f32::from_ne_bytes([b[0], b[1], b[2], b[3]]))).collect(),
        DType::F64 => eight
            .map(|b| double(f64::from_ne_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]])))
            .collect(),
        DType::I32 => four.map(|b| integer(i32::from_ne_bytes([b[0], b[1], b[2], b[3]]))).collect(),
        _ => bytes.iter().map(u8::to_string).collect(),
    }
}

/// An element of a type that an `f64` holds exactly, as a constant expression.
pub fn number(dtype: DType, value: f64) -> String {
    match dtype {
        DType::F32 => float(value as f32),
        DType::F64 => double(value),
        DType::I32 => integer(value as i32),
        _ => u8::from(value != 0.0).to_string(),
    }
}

/// Writes the definition of an array: `qualifiers float name[3] = {..};`.
pub fn array(text: &mut String, qualifiers: &str, dtype: DType, name: &str, bytes: &[u8]) {
    const WIDTH: usize = 96;
    let all = elements(dtype, bytes);
    let _ = write!(text, "{qualifiers}{} {name}[{}] = {{", c_type(dtype), all.len().max(1));
    if all.is_empty() {
        text.push('0');
    }
    let mut column = WIDTH;
    for element in &all {
        if column + element.len() + 2 > WIDTH {
            text.push_str("\n   ");
            column = 3;
        }
        let _ = write!(text, " {element},");
        column += element.len() + 2;
    }
    text.push_str(if all.is_empty() { "};\n" } else { "\n};\n" });
}

/// Whether a text can be a name in C, of something that the file declares.
pub fn is_name(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// Whether a text in C has a name in it.
pub fn mentions(text: &str, name: &str) -> bool {
    let mut words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.any(|word| word == name)
}

/// Names in one scope, each given once.
#[derive(Default)]
pub struct Names(HashSet<String>);

impl Names {
    /// A name made of a text, with a number if another text has made the same.
    pub fn unique(&mut self, text: &str) -> String {
        let mut name: String = text
            .chars()
            .map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' })
            .collect();
        if name.is_empty() {
            name.push_str("value");
        }
        let mut candidate = name.clone();
        let mut number = 2;
        while !self.0.insert(candidate.clone()) {
            candidate = format!("{name}_{number}");
            number += 1;
        }
        candidate
    }
}

/// A text within a comment, which it must not end.
pub fn comment(text: &str) -> String {
    text.replace("*/", "* /").replace("/*", "/ *").replace(['\n', '\r', '\\'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_constant_expressions_of_the_same_bits() {
        assert_eq!(
            [0.1, -0.0, 1e-45, f32::MAX].map(float),
            ["0.1f", "-0.0f", "1e-45f", "3.4028235e38f"]
        );
        assert_eq!(
            [f64::NAN, f64::NEG_INFINITY, 2.0].map(double),
            ["(double)NAN", "-(double)INFINITY", "2.0"]
        );
        assert_eq!([i32::MIN, -1].map(integer), ["(-2147483647 - 1)", "-1"]);
    }

    #[test]
    fn names_are_told_apart_and_comments_stay_comments() {
        let mut names = Names::default();
        assert_eq!(["a/b", "a.b", ""].map(|text| names.unique(text)), ["a_b", "a_b_2", "value"]);
        assert_eq!(comment("a */ b\n"), "a * / b ");
        assert!(is_name("net_2") && !is_name("2net") && !is_name("a-b") && !is_name(""));
    }
}
