//! C functions that many steps call: what `math.h` does not have, matrix products, random numbers.
//!
//! In: the name of a function and a type. Out: a call of it, and later the text of all that are
//! called, each once.

use std::collections::BTreeSet;

use endo::DType;

use super::text::{c_type, short};

/// The helpers that a file calls.
pub struct Helpers {
    prefix: String,
    used: BTreeSet<(usize, &'static str)>,
}

/// A helper: its name, the types that it is written for, and its text. In the text `T` is the type
/// and `NAME` what the function is called.
struct Helper {
    name: &'static str,
    dtypes: &'static [DType],
    text: &'static str,
}

const FLOATS: &[DType] = &[DType::F32, DType::F64];
const I32: &[DType] = &[DType::I32];
const OTHERS: &[DType] = &[DType::I32, DType::Bool];

/// In the order in which they are written: those that are called come first.
static HELPERS: &[Helper] = &[
    Helper {
        name: "maximum",
        dtypes: FLOATS,
        text: "
static T NAME(T a, T b) {
    return a > b || isnan(a) ? a : b;
}
",
    },
    Helper {
        name: "minimum",
        dtypes: FLOATS,
        text: "
static T NAME(T a, T b) {
    return a < b || isnan(a) ? a : b;
}
",
    },
    Helper {
        name: "sign",
        dtypes: FLOATS,
        text: "
static T NAME(T x) {
    return x > 0 ? (T)1 : x < 0 ? (T)-1 : x == 0 ? (T)0 : x;
}
",
    },
    Helper {
        name: "round_to_bf16",
        dtypes: FLOATS,
        text: "
/* The nearest number of which the upper half of a float's bits is all there is. */
static T NAME(T x) {
    union {
        float number;
        uint32_t bits;
    } u;
    u.number = (float)x;
    u.bits = isnan(u.number) ? u.bits | 0x400000u : u.bits + (0x7fffu + (u.bits >> 16 & 1));
    u.bits &= 0xffff0000u;
    return u.number;
}
",
    },
    Helper {
        name: "truncate",
        dtypes: FLOATS,
        text: "
/* Toward zero; NaN to 0, and what is too large to the last integer. */
static int32_t NAME(T x) {
    if (isnan(x)) {
        return 0;
    }
    return x >= (T)2147483648.0 ? 2147483647 : x <= (T)-2147483648.0 ? -2147483647 - 1 : (int32_t)x;
}
",
    },
    Helper {
        name: "divide",
        dtypes: I32,
        text: "
/* Toward zero; by zero to zero, and the one quotient that is too large wraps around. */
static int32_t NAME(int32_t a, int32_t b) {
    return b == 0 ? 0 : b == -1 ? (int32_t)(0u - (uint32_t)a) : a / b;
}
",
    },
    Helper {
        name: "power",
        dtypes: I32,
        text: "
static int32_t NAME(int32_t a, int32_t b) {
    uint32_t base = (uint32_t)a, result = 1;
    for (; b > 0; b >>= 1) {
        if (b & 1) {
            result *= base;
        }
        base *= base;
    }
    return (int32_t)result;
}
",
    },
    Helper {
        name: "is_finite",
        dtypes: FLOATS,
        text: "
static int NAME(const T *x, long count) {
    long i;
    for (i = 0; i < count; i++) {
        if (!isfinite(x[i])) {
            return 0;
        }
    }
    return 1;
}
",
    },
    Helper { name: "product", dtypes: FLOATS, text: include_str!("c/product.c") },
    Helper {
        name: "argsort",
        dtypes: FLOATS,
        text: concat!(include_str!("c/argsort_floats.c"), include_str!("c/heap_sort.c")),
    },
    Helper {
        name: "argsort",
        dtypes: OTHERS,
        text: concat!(include_str!("c/argsort_others.c"), include_str!("c/heap_sort.c")),
    },
    Helper { name: "draw", dtypes: I32, text: include_str!("c/draw.c") },
];

impl Helpers {
    /// The names of all functions that there may be, without the prefix.
    pub fn names() -> impl Iterator<Item = String> {
        // Those that others are made of begin with the name, and are of one file.
        let parts = ["", "_before", "_column", "_dots", "_strip", "_tile"];
        let all = HELPERS.iter().flat_map(|helper| {
            helper.dtypes.iter().map(|&dtype| format!("{}_{}", helper.name, short(dtype)))
        });
        all.flat_map(move |name| parts.map(|part| format!("{name}{part}")))
    }

    /// None yet; the names of all begin with the prefix.
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_string(), used: BTreeSet::new() }
    }

    /// The name of a helper for a type, which is then written; `None` if there is none.
    pub fn name(&mut self, name: &str, dtype: DType) -> Option<String> {
        let found = |helper: &Helper| helper.name == name && helper.dtypes.contains(&dtype);
        self.used.insert((HELPERS.iter().position(found)?, short(dtype)));
        Some(self.called(name, dtype))
    }

    /// A call of a helper; `None` if there is none for the type.
    pub fn call(&mut self, name: &str, dtype: DType, arguments: &[String]) -> Option<String> {
        Some(format!("{}({})", self.name(name, dtype)?, arguments.join(", ")))
    }

    fn called(&self, name: &str, dtype: DType) -> String {
        format!("{}_{name}_{}", self.prefix, short(dtype))
    }

    /// The text of all that are called.
    pub fn text(&self) -> String {
        let texts = self.used.iter().filter_map(|&(index, of)| {
            let helper = &HELPERS[index];
            let dtype = *helper.dtypes.iter().find(|&&dtype| short(dtype) == of)?;
            Some(written(helper.text, &self.called(helper.name, dtype), dtype))
        });
        texts.collect()
    }
}

/// A text with a name and a type in the place of what stands for them.
fn written(text: &str, name: &str, dtype: DType) -> String {
    let text = text.replace("NAME", name);
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut result = String::new();
    let mut rest = &text[..];
    while let Some(start) = rest.find(is_letter) {
        let end =
            rest[start..].find(|letter| !is_letter(letter)).map_or(rest.len(), |end| start + end);
        result.push_str(&rest[..start]);
        result.push_str(match &rest[start..end] {
            "T" => c_type(dtype),
            word => word,
        });
        rest = &rest[end..];
    }
    result + rest
}
