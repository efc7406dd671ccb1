//! Paths that name an epoch and its numbers: `weights-{epoch:02}-{val_loss:.2}.safetensors`.
//!
//! In: a text with fields in braces. Out: the path of an epoch.

use crate::error::{Error, Result};

use super::Epoch;

/// A text with fields to be filled in.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Template {
    text: String,
    pieces: Vec<TemplatePiece>,
}

#[derive(Clone, Debug, PartialEq)]
enum TemplatePiece {
    Text(String),
    Field { name: String, zeros: bool, width: usize, precision: Option<usize> },
}

impl Template {
    /// Reads fields as Python writes them: `{name}`, `{name:[0][width][.precision]}` with or
    /// without a final `d` or `f`; a brace is `{{` or `}}`.
    ///
    /// # Errors
    /// If a brace stands alone or a field is written otherwise.
    pub fn parse(text: &str) -> Result<Self> {
        let mut pieces = vec![TemplatePiece::Text(String::new())];
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            append(&mut pieces, before);
            rest = match (from.as_bytes()[0], from.as_bytes().get(1)) {
                (brace, Some(next)) if brace == *next => {
                    append(&mut pieces, &from[..1]);
                    &from[2..]
                }
                (b'{', _) => {
                    let Some((field, rest)) = from[1..].split_once('}') else {
                        return Err(alone(text));
                    };
                    pieces.push(piece(field).ok_or_else(|| odd(text, field))?);
                    rest
                }
                _ => return Err(alone(text)),
            };
        }
        append(&mut pieces, rest);
        Ok(Self { text: text.to_string(), pieces })
    }

    /// The text for an epoch, which counts from 1 here, as in Keras.
    ///
    /// # Errors
    /// If a field names what is not reported.
    pub fn fill(&self, epoch: usize, report: &Epoch) -> Result<String> {
        let mut path = String::new();
        for piece in &self.pieces {
            match piece {
                TemplatePiece::Text(text) => path.push_str(text),
                TemplatePiece::Field { name, zeros, width, precision } => {
                    let value =
                        if name == "epoch" { Some(epoch as f64) } else { report.logs.get(name) };
                    let value = value.ok_or_else(|| self.unknown(name, report))?;
                    path.push_str(&match (zeros, precision) {
                        (true, Some(precision)) => format!("{value:0width$.precision$}"),
                        (true, None) => format!("{value:0width$}"),
                        (false, Some(precision)) => format!("{value:width$.precision$}"),
                        (false, None) => format!("{value:width$}"),
                    });
                }
            }
        }
        Ok(path)
    }

    fn unknown(&self, name: &str, report: &Epoch) -> Error {
        let known: Vec<&str> =
            std::iter::once("epoch").chain(report.logs.iter().map(|(name, _)| name)).collect();
        let message = format!("the path `{}` names `{name}`, which is not reported", self.text);
        Error::argument(message, format!("it can name {}", known.join(", ")))
    }
}

fn append(pieces: &mut Vec<TemplatePiece>, more: &str) {
    match pieces.last_mut() {
        Some(TemplatePiece::Text(text)) => text.push_str(more),
        Some(TemplatePiece::Field { .. }) | None => {
            pieces.push(TemplatePiece::Text(more.to_string()))
        }
    }
}

/// The field of a text without its braces.
fn piece(field: &str) -> Option<TemplatePiece> {
    let (name, format) = field.split_once(':').unwrap_or((field, ""));
    let (format, fixed) = match (format.strip_suffix('f'), format.strip_suffix('d')) {
        (Some(format), _) => (format, true),
        (None, Some(format)) => (format, false),
        (None, None) => (format, false),
    };
    let (width, precision) = match format.split_once('.') {
        Some((width, precision)) => (width, Some(precision.parse().ok()?)),
        None => (format, fixed.then_some(6)), // Python's
    };
    let zeros = width.starts_with('0');
    let width = if width.is_empty() { 0 } else { width.parse().ok()? };
    (!name.is_empty()).then(|| TemplatePiece::Field {
        name: name.to_string(),
        zeros,
        width,
        precision,
    })
}

fn alone(text: &str) -> Error {
    let message = format!("a brace of the path `{text}` stands alone");
    Error::argument(message, "write `{epoch}` for a field and `{{` for a brace")
}

fn odd(text: &str, field: &str) -> Error {
    let message = format!("the field `{{{field}}}` of the path `{text}` cannot be read");
    Error::argument(message, "write a name, or a name and digits: `{epoch:02}`, `{val_loss:.2}`")
}

#[cfg(test)]
mod tests {
    use super::super::tests::epoch;
    use super::*;

    fn filled(text: &str) -> Result<String> {
        Template::parse(text)?.fill(7, &epoch(&[("loss", 0.5), ("val_loss", 12.3456)]))
    }

    /// What Python's `text.format(epoch=7, loss=0.5, val_loss=12.3456)` gives; of a precision
    /// without `f` it would make significant digits.
    #[test]
    fn fields_are_filled_as_python_does() {
        assert_eq!(filled("w-{epoch}.x").unwrap(), "w-7.x");
        assert_eq!(filled("{epoch:02d}-{val_loss:.2f}").unwrap(), "07-12.35");
        assert_eq!(filled("{epoch:03}{val_loss:08.2f}|{loss}").unwrap(), "00700012.35|0.5");
        assert_eq!(filled("{loss:f}|{epoch:4d}|{{{epoch}}}").unwrap(), "0.500000|   7|{7}");
        assert_eq!(filled("{val_loss:.2}").unwrap(), "12.35");
    }

    #[test]
    fn what_cannot_be_filled_is_an_error_that_says_what_can() {
        let error = filled("{epoch}-{mae:.2}.x").unwrap_err();
        let expected = "the path `{epoch}-{mae:.2}.x` names `mae`, which is not reported\n  \
                        help: it can name epoch, loss, val_loss";
        assert_eq!(error.to_string(), expected);
        filled("{epoch").unwrap_err().reads("a brace of the path `{epoch` stands alone");
        filled("a}b").unwrap_err().reads("a brace of the path `a}b` stands alone");
        for odd in ["{}", "{loss:x}", "{loss:.}", "{loss:>3}"] {
            assert!(filled(odd).unwrap_err().message().ends_with("cannot be read"), "{odd}");
        }
    }
}
