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
    (
        "it calls neither `step.minimize` nor an optimizer; end it with \
            `step.minimize(&terms, cx)`",
        "end it with `self.optimizer.apply_gradients(zip(gradients, weights))`",
    ),
    (
        "call `step.update_metrics(&outputs, cx)`, or",
        "call its `update_state`, or `self.compute_metrics(x, y, y_pred)`, or",
    ),
    ("`.sum()`", "`tf.reduce_sum`"),
    ("`.mean()`", "`tf.reduce_mean`"),
];

/// A message in Python's terms, without the line of this crate that it may begin with.
pub fn in_python(message: String) -> String {
    let message = match message.split_once(": ") {
        Some((site, rest)) if site.starts_with("crates/") && site.contains(".rs:") => {
            rest.to_string()
        }
        Some(_) | None => message,
    };
    PHRASES.iter().fold(message, |message, (rust, python)| {
        if message.contains(rust) { message.replace(rust, python) } else { message }
    })
}
