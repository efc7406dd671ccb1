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

/// A helper: its name, the types that it is written for, and its text. In the text `T` is the type,
/// `F` the letter after functions of `math.h`, and `NAME` what the function is called.
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
    Helper { name: "maximum", dtypes: FLOATS, text: "
static T NAME(T a, T b) {
    return a > b || isnan(a) ? a : b;
}
" },
    Helper { name: "minimum", dtypes: FLOATS, text: "
static T NAME(T a, T b) {
    return a < b || isnan(a) ? a : b;
}
" },
    Helper { name: "sign", dtypes: FLOATS, text: "
static T NAME(T x) {
    return x > 0 ? (T)1 : x < 0 ? (T)-1 : x == 0 ? (T)0 : x;
}
" },
    Helper { name: "divide_no_nan", dtypes: FLOATS, text: "
static T NAME(T a, T b) {
    return b == 0 ? (T)0 : a / b;
}
" },
    Helper { name: "multiply_no_nan", dtypes: FLOATS, text: "
static T NAME(T a, T b) {
    return b == 0 || (a == 0 && isinf(b)) ? (T)0 : a * b;
}
" },
    Helper { name: "relu", dtypes: FLOATS, text: "
static T NAME(T x) {
    return x > 0 || isnan(x) ? x : (T)0;
}
" },
    Helper { name: "sigmoid", dtypes: FLOATS, text: "
static T NAME(T x) {
    const T e = expF(-fabsF(x));
    return (x < 0 ? e : (T)1) / (e + 1);
}
" },
    Helper { name: "softplus", dtypes: FLOATS, text: "
static T NAME(T x) {
    return (x > 0 || isnan(x) ? x : (T)0) + log1pF(expF(-fabsF(x)));
}
" },
    Helper { name: "elu", dtypes: FLOATS, text: "
static T NAME(T x) {
    return x > 0 ? x : expm1F(x);
}
" },
    Helper { name: "elu_slope", dtypes: FLOATS, text: "
static T NAME(T y) {
    return y > 0 ? (T)1 : y + 1;
}
" },
    Helper { name: "selu", dtypes: FLOATS, text: "
static T NAME(T x) {
    return x > 0 ? (T)1.0507009873554805 * x : (T)1.7580993408473766 * expm1F(x);
}
" },
    Helper { name: "selu_slope", dtypes: FLOATS, text: "
static T NAME(T y) {
    return y >= 0 ? (T)1.0507009873554805 : y + (T)1.7580993408473766;
}
" },
    Helper { name: "erfinv", dtypes: FLOATS, text: "
/* Wichura 1988, algorithm AS 241. */
static T NAME(T x) {
    static const T centre[2][8] = {
        {(T)3.387132872796366, (T)133.14166789178438, (T)1971.5909503065514, (T)13731.69376550946,
         (T)45921.95393154987, (T)67265.7709270087, (T)33430.57558358813, (T)2509.0809287301227},
        {(T)1.0, (T)42.31333070160091, (T)687.1870074920579, (T)5394.196021424751,
         (T)21213.794301586597, (T)39307.89580009271, (T)28729.085735721943, (T)5226.495278852855}};
    static const T middle[2][8] = {
        {(T)1.4234371107496835, (T)4.630337846156546, (T)5.769497221460691, (T)3.6478483247632045,
         (T)1.2704582524523684, (T)0.2417807251774506, (T)0.022723844989269184,
         (T)0.0007745450142783414},
        {(T)1.0, (T)2.053191626637759, (T)1.6763848301838038, (T)0.6897673349851,
         (T)0.14810397642748008, (T)0.015198666563616457, (T)0.0005475938084995345,
         (T)1.0507500716444169e-9}};
    static const T far[2][8] = {
        {(T)6.657904643501103, (T)5.463784911164114, (T)1.7848265399172913,
         (T)0.29656057182850487, (T)0.026532189526576124, (T)0.0012426609473880784,
         (T)2.7115555687434876e-5, (T)2.0103343992922881e-7},
        {(T)1.0, (T)0.599832206555888, (T)0.1369298809227358, (T)0.014875361290850615,
         (T)0.0007868691311456133, (T)1.8463183175100548e-5, (T)1.421511758316446e-7,
         (T)2.0442631033899397e-15}};
    const T(*fit)[8] = centre;
    const T q = x / 2;
    T z = (T)0.180625 - q * q, above, below, result;
    int i;
    if (!(fabsF(x) < 1)) {
        return fabsF(x) == 1 ? x * (T)INFINITY : (T)NAN;
    }
    if (fabsF(q) > (T)0.425) {
        const T r = sqrtF((T)0.6931471805599453 - log1pF(-fabsF(x)));
        fit = r > 5 ? far : middle;
        z = r > 5 ? r - 5 : r - (T)1.6;
    }
    above = fit[0][7];
    below = fit[1][7];
    for (i = 6; i >= 0; i--) {
        above = above * z + fit[0][i];
        below = below * z + fit[1][i];
    }
    result = above / below;
    return (fit == centre ? q * result : x < 0 ? -result : result) * (T)0.7071067811865476;
}
" },
    Helper { name: "truncate", dtypes: FLOATS, text: "
/* Toward zero; NaN to 0, and what is too large to the last integer. */
static int32_t NAME(T x) {
    if (isnan(x)) {
        return 0;
    }
    return x >= (T)2147483648.0 ? 2147483647 : x <= (T)-2147483648.0 ? -2147483647 - 1 : (int32_t)x;
}
" },
    Helper { name: "divide", dtypes: I32, text: "
/* Toward zero; by zero to zero, and the one quotient that is too large wraps around. */
static int32_t NAME(int32_t a, int32_t b) {
    return b == 0 ? 0 : b == -1 ? (int32_t)(0u - (uint32_t)a) : a / b;
}
" },
    Helper { name: "power", dtypes: I32, text: "
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
" },
    Helper { name: "is_finite", dtypes: FLOATS, text: "
static int NAME(const T *x, long count) {
    long i;
    for (i = 0; i < count; i++) {
        if (!isfinite(x[i])) {
            return 0;
        }
    }
    return 1;
}
" },
    Helper { name: "product", dtypes: FLOATS, text: "
/* c[m][n] = a[m][k] * b[k][n], plus a row if there is one; a and b with the distances between rows
   and between columns. Four rows and sixteen columns at a time. */
static void NAME(const T *restrict a, long a_row, long a_column, const T *restrict b, long b_row,
                 long b_column, const T *restrict row, T *restrict c, long m, long k, long n) {
    long i, j, p, q;
    for (j = 0; j < n; j += 16) {
        const long width = n - j < 16 ? n - j : 16;
        for (i = 0; i < m; i += 4) {
            const long height = m - i < 4 ? m - i : 4;
            const T *a0 = a + i * a_row, *a1 = height > 1 ? a0 + a_row : a0;
            const T *a2 = height > 2 ? a1 + a_row : a0, *a3 = height > 3 ? a2 + a_row : a0;
            T sums[4][16];
            for (q = 0; q < 16; q++) {
                sums[0][q] = sums[1][q] = sums[2][q] = sums[3][q] = row && q < width ? row[j + q] : (T)0;
            }
            if (width == 16 && b_column == 1) {
                for (p = 0; p < k; p++) {
                    const T *restrict x = b + p * b_row + j;
                    const T f0 = a0[p * a_column], f1 = a1[p * a_column];
                    const T f2 = a2[p * a_column], f3 = a3[p * a_column];
                    for (q = 0; q < 16; q++) {
                        sums[0][q] += f0 * x[q];
                        sums[1][q] += f1 * x[q];
                        sums[2][q] += f2 * x[q];
                        sums[3][q] += f3 * x[q];
                    }
                }
            } else {
                for (q = 0; q < width; q++) {
                    const T *x = b + (j + q) * b_column;
                    T s0 = sums[0][q], s1 = s0, s2 = s0, s3 = s0;
                    for (p = 0; p < k; p++) {
                        const T y = x[p * b_row];
                        s0 += a0[p * a_column] * y;
                        s1 += a1[p * a_column] * y;
                        s2 += a2[p * a_column] * y;
                        s3 += a3[p * a_column] * y;
                    }
                    sums[0][q] = s0;
                    sums[1][q] = s1;
                    sums[2][q] = s2;
                    sums[3][q] = s3;
                }
            }
            for (p = 0; p < height; p++) {
                for (q = 0; q < width; q++) {
                    c[(i + p) * n + j + q] = sums[p][q];
                }
            }
        }
    }
}
" },
    Helper { name: "argsort", dtypes: FLOATS, text: "
/* Whether an element comes before another: NaN last, equal ones in their order. */
static int NAME_before(const T *x, int32_t a, int32_t b, int descending) {
    if (isnan(x[a]) || isnan(x[b])) {
        return isnan(x[a]) && isnan(x[b]) ? a < b : !isnan(x[a]);
    }
    return x[a] == x[b] ? a < b : descending ? x[a] > x[b] : x[a] < x[b];
}

static void NAME(const T *x, int32_t *places, long count, int descending) {
    long end, root;
    for (root = 0; root < count; root++) {
        places[root] = (int32_t)root;
    }
    for (end = count, root = count / 2; end > 1;) {
        long parent, child;
        int32_t place;
        if (root > 0) {
            place = places[--root];
        } else {
            place = places[--end];
            places[end] = places[0];
        }
        for (parent = root; (child = 2 * parent + 1) < end; parent = child) {
            if (child + 1 < end && NAME_before(x, places[child], places[child + 1], descending)) {
                child++;
            }
            if (!NAME_before(x, place, places[child], descending)) {
                break;
            }
            places[parent] = places[child];
        }
        places[parent] = place;
    }
}
" },
    Helper { name: "argsort", dtypes: OTHERS, text: "
/* Whether an element comes before another; equal ones in their order. */
static int NAME_before(const T *x, int32_t a, int32_t b, int descending) {
    return x[a] == x[b] ? a < b : descending ? x[a] > x[b] : x[a] < x[b];
}

static void NAME(const T *x, int32_t *places, long count, int descending) {
    long end, root;
    for (root = 0; root < count; root++) {
        places[root] = (int32_t)root;
    }
    for (end = count, root = count / 2; end > 1;) {
        long parent, child;
        int32_t place;
        if (root > 0) {
            place = places[--root];
        } else {
            place = places[--end];
            places[end] = places[0];
        }
        for (parent = root; (child = 2 * parent + 1) < end; parent = child) {
            if (child + 1 < end && NAME_before(x, places[child], places[child + 1], descending)) {
                child++;
            }
            if (!NAME_before(x, place, places[child], descending)) {
                break;
            }
            places[parent] = places[child];
        }
        places[parent] = place;
    }
}
" },
    Helper { name: "draw", dtypes: I32, text: "
/* Philox4x32-10: four random words of a key and a counter (Salmon and others 2011). */
static void NAME(uint32_t k0, uint32_t k1, const uint32_t counter[4], uint32_t words[4]) {
    uint32_t a = counter[0], b = counter[1], c = counter[2], d = counter[3];
    int round;
    for (round = 0; round < 10; round++) {
        const uint64_t p = (uint64_t)0xD2511F53u * a, q = (uint64_t)0xCD9E8D57u * c;
        a = (uint32_t)(q >> 32) ^ b ^ k0;
        b = (uint32_t)q;
        c = (uint32_t)(p >> 32) ^ d ^ k1;
        d = (uint32_t)p;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    words[0] = a;
    words[1] = b;
    words[2] = c;
    words[3] = d;
}
" },
];

impl Helpers {
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

/// A text with a name and a type in the place of the words that stand for them.
fn written(text: &str, name: &str, dtype: DType) -> String {
    let letter = if dtype == DType::F32 { "f" } else { "" };
    let text =
        ["exp", "expm1", "log1p", "fabs", "sqrt"].iter().fold(text.to_string(), |text, known| {
            text.replace(&format!("{known}F("), &format!("{known}{letter}("))
        });
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let before = format!("{name}_before");
    let mut result = String::new();
    let mut rest = &text[..];
    while let Some(start) = rest.find(is_letter) {
        let end =
            rest[start..].find(|letter| !is_letter(letter)).map_or(rest.len(), |end| start + end);
        result.push_str(&rest[..start]);
        result.push_str(match &rest[start..end] {
            "T" => c_type(dtype),
            "NAME" => name,
            "NAME_before" => &before,
            word => word,
        });
        rest = &rest[end..];
    }
    result + rest
}
