//! Elementwise operations as C expressions.
//!
//! In: an operation, the type of its last operand, and its operands as C text. Out: an expression,
//! and the helpers that it calls.

use endo::DType;

use super::helpers::Helpers;
use super::text::c_type;

/// The value of an elementwise operation by its name; `None` for one that is not known.
pub fn elementwise(
    name: &str,
    dtype: DType,
    x: &[String],
    helpers: &mut Helpers,
) -> Option<String> {
    if let Some(comparison) = comparison(name) {
        return Some(format!("{} {comparison} {}", x[0], x[1]));
    }
    match (name, dtype) {
        ("where", _) => Some(format!("{} ? {} : {}", x[0], x[1], x[2])),
        (_, DType::F32 | DType::F64) => of_floats(name, dtype, x, helpers),
        (_, DType::I32) => of_integers(name, x, helpers),
        _ => of_truth(name, x),
    }
}

fn comparison(name: &str) -> Option<&'static str> {
    Some(match name {
        "equal" => "==",
        "not_equal" => "!=",
        "less" => "<",
        "less_equal" => "<=",
        "greater" => ">",
        "greater_equal" => ">=",
        _ => return None,
    })
}

fn of_floats(name: &str, dtype: DType, x: &[String], helpers: &mut Helpers) -> Option<String> {
    let suffix = if dtype == DType::F32 { "f" } else { "" };
    let a = &x[0];
    let b = x.get(1).map_or("", String::as_str);
    let operator = |symbol: &str| format!("{a} {symbol} {b}");
    let library = |function: &str| format!("{function}{suffix}({})", x.join(", "));
    let one = if dtype == DType::F32 { "1.0f" } else { "1.0" };
    Some(match name {
        "add" => operator("+"),
        "subtract" => operator("-"),
        "multiply" => operator("*"),
        "divide" => operator("/"),
        "negative" => format!("-{a}"),
        "square" => format!("{a} * {a}"),
        "rsqrt" => format!("{one} / sqrt{suffix}({a})"),
        "abs" => library("fabs"),
        "round" => library("rint"),
        "power" => library("pow"),
        "floor" | "ceil" | "exp" | "expm1" | "log" | "log1p" | "sqrt" | "sin" | "cos" | "tanh"
        | "erf" => library(name),
        "is_nan" => format!("isnan({a}) != 0"),
        "is_finite" => format!("isfinite({a}) != 0"),
        _ => helpers.call(name, dtype, x)?,
    })
}

fn of_integers(name: &str, x: &[String], helpers: &mut Helpers) -> Option<String> {
    let unsigned = |operand: &String| format!("(uint32_t){operand}");
    let wrapped = |symbol: &str| {
        let operands: Vec<String> = x.iter().map(unsigned).collect();
        format!("(int32_t)({})", operands.join(&format!(" {symbol} ")))
    };
    let (a, b) = (&x[0], x.get(1));
    Some(match name {
        "add" => wrapped("+"),
        "subtract" => wrapped("-"),
        "multiply" | "multiply_no_nan" => wrapped("*"),
        "negative" => format!("(int32_t)(0u - (uint32_t){a})"),
        "square" => format!("(int32_t)((uint32_t){a} * (uint32_t){a})"),
        "floor" | "ceil" | "round" => a.clone(),
        "sign" => format!("({a} > 0) - ({a} < 0)"),
        "abs" => format!("{a} < 0 ? (int32_t)(0u - (uint32_t){a}) : {a}"),
        "maximum" => format!("{a} > {} ? {a} : {}", b?, b?),
        "minimum" => format!("{a} < {} ? {a} : {}", b?, b?),
        "divide_no_nan" => helpers.call("divide", DType::I32, x)?,
        _ => helpers.call(name, DType::I32, x)?,
    })
}

fn of_truth(name: &str, x: &[String]) -> Option<String> {
    Some(match name {
        "logical_and" => format!("{} & {}", x[0], x[1]),
        "logical_or" => format!("{} | {}", x[0], x[1]),
        "logical_xor" => format!("{} ^ {}", x[0], x[1]),
        "logical_not" => format!("!{}", x[0]),
        _ => return None,
    })
}

/// A conversion between element types.
pub fn cast(from: DType, to: DType, x: &str, helpers: &mut Helpers) -> Option<String> {
    Some(match (from, to) {
        (_, DType::Bool) => format!("{x} != 0"),
        (DType::F32 | DType::F64, DType::I32) => {
            helpers.call("truncate", from, &[x.to_string()])?
        }
        _ if from == to => x.to_string(),
        _ => format!("({}){x}", c_type(to)),
    })
}
