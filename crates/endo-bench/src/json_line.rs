//! Results as JSON, one object a line, in the form in which the peers print theirs.
//!
//! In: names and numbers, or what a program printed. Out: a [`JsonLine`], or the number that was
//! looked for.

use std::fmt;

use serde_json::Value;

/// Names and values in the order in which they are printed.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct JsonLine {
    fields: Vec<(&'static str, Value)>,
}

impl JsonLine {
    /// The line of a workload.
    pub fn of(workload: &str) -> Self {
        Self::default().with("workload", workload)
    }

    /// One more field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// Whether there is a field of this name.
    pub fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(known, _)| *known == name)
    }

    /// One more number, of four significant digits; more are never true of a measurement.
    #[must_use]
    pub fn measured(self, name: &'static str, value: f64) -> Self {
        let scale =
            10f64.powi(3 - if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 });
        self.with(name, (value * scale).round() / scale)
    }
}

impl fmt::Display for JsonLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<String> =
            self.fields.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
        write!(f, "{{{}}}", fields.join(", "))
    }
}

/// The number of a name in the last line of a program's output that is a JSON object.
///
/// # Errors
/// Says what was there instead: no such line, no such number, or a reason of the program's own in
/// `why`.
pub fn number(output: &str, name: &str) -> Result<f64, String> {
    let objects = output.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let Some(object) = objects.into_iter().find(Value::is_object) else {
        return Err(format!(
            "it printed no JSON line, but {:?}",
            output.lines().last().unwrap_or_default()
        ));
    };
    match (&object[name], &object["why"]) {
        (Value::Number(number), _) => {
            number.as_f64().ok_or_else(|| format!("`{name}` is {number}"))
        }
        (_, Value::String(why)) => Err(why.clone()),
        (other, _) => Err(format!("`{name}` is {other} in its line {object}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_keeps_its_order_and_four_digits() {
        let line = JsonLine::of("regressor")
            .with("threads", 2)
            .measured("us_per_step", 22.836_12)
            .measured("loss", 0.0);
        assert_eq!(
            line.to_string(),
            r#"{"workload": "regressor", "threads": 2, "us_per_step": 22.84, "loss": 0.0}"#
        );
        assert_eq!(JsonLine::default().measured("n", 29_376.4).to_string(), r#"{"n": 29380.0}"#);
    }

    #[test]
    fn the_last_line_of_a_peer_is_read() {
        let output = "warming up\n{\"us_per_step\": 50.0}\n\
            {\"peer\": \"jax-scan\", \"us_per_step\": 44.25, \"loss\": 0.3}\n";
        assert_eq!(number(output, "us_per_step"), Ok(44.25));
    }

    #[test]
    fn a_peer_that_gave_no_number_says_why() {
        assert_eq!(
            number("{\"us_per_step\": null, \"why\": \"no AVX-512\"}", "us_per_step"),
            Err("no AVX-512".to_string())
        );
        assert_eq!(number("", "us_per_step"), Err("it printed no JSON line, but \"\"".to_string()));
        assert_eq!(
            number("{\"loss\":1}", "ms"),
            Err("`ms` is null in its line {\"loss\":1}".to_string())
        );
    }
}
