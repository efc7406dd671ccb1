//! Saved graphs as text: one line for each name, operation and output.
//!
//! In: a [`SavedGraph`], or its text with the arrays that the text names. Out: the other one.
//!
//! ```text
//! scope dense
//! variable dense/kernel
//! variable dense/parts
//! node input | | 0 | f32 n 8 | 0
//! node variable | | 0 | f32 8 30 | 1
//! node matmul | 0 1 | 0 0 | f32 n 30 | 1
//! node variable | | 1 | f32 | 1
//! node fill | | 1065353216 | f32 | 1
//! node add | 3 4 | | f32 | 1
//! output 2 dense
//! assign 5 1
//! ```
//!
//! A line of a node holds its name, the positions of its inputs, its numbers, its type and shape,
//! and its layer. `n` is the number of rows: `4n`, `n-1`. `assign` gives the value of an operation,
//! by its position, to a variable, by its own. A name that has line breaks is written, with the
//! rest of its line, as a string of JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::array::Array;
use crate::dtype::DType;

use super::saved::{Count, SavedGraph, SavedNode};

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.each {
            0 => return write!(f, "{}", self.fixed),
            1 => f.write_str("n")?,
            -1 => f.write_str("-n")?,
            each => write!(f, "{each}n")?,
        }
        if self.fixed == 0 { Ok(()) } else { write!(f, "{:+}", self.fixed) }
    }
}

impl Count {
    fn read(text: &str) -> Option<Self> {
        let Some((each, fixed)) = text.split_once('n') else {
            return Some(Self { fixed: text.parse().ok()?, each: 0 });
        };
        let each = match each {
            "" => 1,
            "-" => -1,
            each => each.parse().ok()?,
        };
        Some(Self { fixed: if fixed.is_empty() { 0 } else { fixed.parse().ok()? }, each })
    }
}

impl fmt::Display for SavedNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} |", self.operation)?;
        self.inputs.iter().try_for_each(|input| write!(f, " {input}"))?;
        f.write_str(" |")?;
        self.attributes.iter().try_for_each(|number| write!(f, " {number}"))?;
        write!(f, " | {}", self.dtype)?;
        self.shape.iter().try_for_each(|size| write!(f, " {size}"))?;
        write!(f, " | {}", self.scope)
    }
}

impl SavedNode {
    fn read(text: &str) -> Option<Self> {
        let mut fields = text.split('|').map(str::trim);
        let mut next = || fields.next();
        let (operation, inputs, attributes, value, scope) =
            (next()?, next()?, next()?, next()?, next()?);
        let counts =
            |text: &str| text.split_whitespace().map(Count::read).collect::<Option<Vec<Count>>>();
        let (dtype, shape) = value.split_once(' ').unwrap_or((value, ""));
        let dtype =
            DType::ALL.into_iter().chain([DType::U8]).find(|known| known.to_string() == dtype)?;
        let node = Self {
            operation: operation.to_string(),
            inputs: inputs
                .split_whitespace()
                .map(|input| input.parse().ok())
                .collect::<Option<_>>()?,
            attributes: counts(attributes)?,
            dtype,
            shape: counts(shape)?,
            scope: scope.parse().ok()?,
        };
        fields.next().is_none().then_some(node)
    }
}

impl fmt::Display for SavedGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut write = |line: String| {
            if line.contains(char::is_control) {
                writeln!(f, "{}", Value::from(line))
            } else {
                writeln!(f, "{line}")
            }
        };
        self.scopes.iter().try_for_each(|path| write(format!("scope {path}")))?;
        self.variables.iter().try_for_each(|(name, _)| write(format!("variable {name}")))?;
        self.constants.iter().try_for_each(|(name, _)| write(format!("constant {name}")))?;
        self.nodes.iter().try_for_each(|node| write(format!("node {node}")))?;
        self.checks.iter().try_for_each(|(what, place)| write(format!("check {place} {what}")))?;
        self.outputs
            .iter()
            .try_for_each(|(name, place)| write(format!("output {place} {name}")))?;
        self.writes
            .iter()
            .try_for_each(|(variable, place)| write(format!("assign {place} {variable}")))?;
        if self.note.is_empty() { Ok(()) } else { write(format!("note {}", self.note)) }
    }
}

impl SavedGraph {
    /// The graph of a text, whose variables and constants are taken from these arrays.
    ///
    /// # Errors
    /// The first line that makes no sense.
    pub fn read(text: &str, mut arrays: BTreeMap<String, Array>) -> Result<Self, String> {
        let mut graph = Self::default();
        let mut add = |line: &str| {
            let line = if line.starts_with('"') {
                Cow::from(serde_json::from_str::<String>(line).ok()?)
            } else {
                Cow::from(line)
            };
            let (kind, rest) = line.split_once(' ')?;
            let mut array = || Some((rest.to_string(), arrays.remove(rest)?));
            let placed = || {
                rest.split_once(' ')
                    .and_then(|(place, name)| Some((name.to_string(), place.parse().ok()?)))
            };
            match kind {
                "scope" => graph.scopes.push(rest.to_string()),
                "variable" => graph.variables.push(array()?),
                "constant" => graph.constants.push(array()?),
                "node" => graph.nodes.push(SavedNode::read(rest)?),
                "check" => graph.checks.push(placed()?),
                "output" => graph.outputs.push(placed()?),
                "assign" => {
                    let (variable, place) = placed()?;
                    graph.writes.push((variable.parse().ok()?, place));
                }
                "note" => graph.note = rest.to_string(),
                _ => return None,
            }
            Some(())
        };
        let lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
        match lines.enumerate().find(|(_, line)| add(line).is_none()) {
            None => Ok(graph),
            Some((index, line)) => {
                Err(format!("line {} of its graph makes no sense: `{line}`", index + 1))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_as_they_are_written() {
        for (fixed, each, text) in [
            (8, 0, "8"),
            (0, 1, "n"),
            (-1, 1, "n-1"),
            (3, -2, "-2n+3"),
            (0, -1, "-n"),
            (-7, 0, "-7"),
        ] {
            let count = Count { fixed, each };
            assert_eq!((count.to_string(), Count::read(text)), (text.to_string(), Some(count)));
        }
        assert!(["", "m", "n1.5", "2n+", "+-n"].iter().all(|text| Count::read(text).is_none()));
    }

    #[test]
    fn text_is_read_as_it_is_written() {
        let text = "scope \nscope dense\nvariable dense/kernel\nconstant c\n\
            node input | | 0 | f32 n 8 | 0\n\
                    node matmul | 0 1 | 0 0 | f32 n 30 | 1\nnode fill | | 1065353216 | f32 | 0\n\
                    check 1 the sum\noutput 1 a b\nassign 1 0\nnote of one line\n";
        let arrays: BTreeMap<String, Array> =
            [("dense/kernel".to_string(), 1.0_f32.into()), ("c".to_string(), 2.into())].into();
        let graph = SavedGraph::read(text, arrays).unwrap();
        assert_eq!(graph.to_string(), text);
        assert_eq!(graph.nodes[1].sizes(), [None, Some(30)]);
        assert_eq!(graph.outputs, [("a b".to_string(), 1)]);
    }

    #[test]
    fn any_name_comes_back_as_it_was() {
        for name in [
            "",
            " ",
            " a ",
            "a\nb",
            "a\r\nb\r",
            "\"",
            "\"a\\n\"",
            "\n",
            "|",
            "ä = 🦀",
            "\0\u{1f}\u{2028}",
            "1 2",
            "node x",
        ] {
            let mut graph = SavedGraph::read("node fill | | 0 | f32 | 0", BTreeMap::new()).unwrap();
            let array = || Array::from([1.0_f32, 2.0]);
            (graph.scopes, graph.variables) =
                (vec![name.to_string()], vec![(name.to_string(), array())]);
            (graph.checks, graph.outputs) =
                (vec![(name.to_string(), 0)], vec![(name.to_string(), 0)]);
            graph.note = name.to_string();
            let text = graph.to_string();
            let again = SavedGraph::read(&text, [(name.to_string(), array())].into()).unwrap();
            assert_eq!(
                (again.scopes, again.checks, again.outputs),
                (graph.scopes, graph.checks, graph.outputs),
                "{name:?}"
            );
            assert_eq!((again.variables, again.note), (graph.variables, graph.note), "{name:?}");
            assert_eq!(text.lines().count(), if name.is_empty() { 5 } else { 6 }, "{text}");
        }
    }

    #[test]
    fn the_line_that_makes_no_sense_is_named() {
        let read = |text: &str| SavedGraph::read(text, BTreeMap::new()).err().unwrap();
        assert_eq!(
            read("scope \nvariable w\n"),
            "line 2 of its graph makes no sense: `variable w`"
        );
        for line in [
            "node add | 0 | | f16 8 | 0",
            "node add | 0 | | f32 8",
            "node add | -1 | | f32 | 0",
            "nodes",
            "output 1",
        ] {
            assert_eq!(read(line), format!("line 1 of its graph makes no sense: `{line}`"));
        }
    }
}
