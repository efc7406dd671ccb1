//! The library's advice in Python's terms.
//!
//! In: a message that names functions of Rust. Out: the same with those of `keras` and `tf`.

/// What messages advise, in Rust and in Python.
const PHRASES: &[(&str, &str)] = &[
    (
        "make it a field, in a `OnceLock` if it needs the input's size",
        "make it in `__init__`, or in `build` if it needs the input's size",
    ),
    ("compile with `()`", "compile with `loss=None`"),
    ("with `Dataset::new(x, y)`", "as in `fit(x, y)`"),
    ("`Dataset::new((a, b), y)`", "`fit([a, b], y)`"),
    ("`model.build([batch, features])`", "`model.build((None, features))`"),
    ("`Fit::epochs(10).steps_per_epoch(500)`", "`fit(x, y, epochs=10, steps_per_epoch=500)`"),
    ("`from_logits(true)`", "`from_logits=True`"),
    ("`x.expand_dims(-1)`", "`tf.expand_dims(x, -1)`"),
    ("`x.expand_dims(0)`", "`tf.expand_dims(x, 0)`"),
    ("`x.maximum(1e-7).log()`", "`tf.math.log(tf.maximum(x, 1e-7))`"),
    ("`x.sum().greater(0.0)`", "`tf.reduce_sum(x) > 0`"),
    ("`mask.any()`", "`tf.reduce_any(mask)`"),
    ("`.sum()`", "`tf.reduce_sum`"),
    ("`.mean()`", "`tf.reduce_mean`"),
];

/// A message in Python's terms.
pub fn in_python(message: String) -> String {
    PHRASES.iter().fold(message, |message, (rust, python)| {
        if message.contains(rust) { message.replace(rust, python) } else { message }
    })
}
