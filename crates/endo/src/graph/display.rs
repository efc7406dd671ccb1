//! The printed form of a graph: one operation a line, with its shape, its layer and the user's
//! line.

use std::fmt;

use super::{Graph, Node, NodeId, Op};

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, node) in self.nodes.iter().enumerate() {
            write!(f, "%{position} = ")?;
            self.write_node(f, node)?;
            let scope = &self.scopes[node.scope as usize];
            let space = if scope.is_empty() { "" } else { " " };
            writeln!(f, "  # {scope}{space}{}:{}", node.site.file(), node.site.line())?;
        }
        for (index, id) in &self.writes {
            writeln!(f, "{} := {}", self.variables[*index].name(), Id(id))?;
        }
        for check in &self.checks {
            writeln!(f, "check {} is finite: {}", Id(&check.node), check.what)?;
        }
        let outputs: Vec<String> = self.outputs.iter().map(|id| Id(id).to_string()).collect();
        writeln!(f, "return {}", outputs.join(", "))
    }
}

struct Id<'a>(&'a NodeId);

impl fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.0.0)
    }
}

impl Graph {
    fn write_node(&self, f: &mut fmt::Formatter<'_>, node: &Node) -> fmt::Result {
        match &node.op {
            Op::Input(index) => write!(f, "input {index}")?,
            Op::Variable(index) => write!(f, "`{}`", self.variables[*index].name())?,
            Op::Constant(array) if array.len() == 1 => write!(f, "{}", array.get(0))?,
            Op::Constant(_) => f.write_str("constant")?,
            Op::Elementwise(elementwise) => f.write_str(elementwise.name)?,
            Op::Cast => f.write_str("cast")?,
            Op::Reduce(reduction, axes) => {
                write!(f, "reduce_{} {axes:?}", format!("{reduction:?}").to_lowercase())?
            }
            Op::Matmul { transposed } => {
                let [a, b] = [transposed.left, transposed.right]
                    .map(|t| if t { "transposed" } else { "plain" });
                write!(f, "matmul {a} {b}")?;
            }
            Op::View(view) => write!(f, "{}", format!("{view:?}").to_lowercase())?,
            Op::Kernel(kernel) => f.write_str(kernel.name())?,
            Op::Identity(rule) => f.write_str(rule.name)?,
            Op::Scan(scan) => write!(f, "scan {}", scan.steps)?,
            Op::Part(index) => write!(f, "part {index}")?,
            Op::Parameter => f.write_str("parameter")?,
        }
        if !node.inputs.is_empty() {
            let inputs: Vec<String> = node.inputs.iter().map(|id| Id(id).to_string()).collect();
            write!(f, "({})", inputs.join(", "))?;
        }
        write!(f, ": {}{}", node.dtype, node.shape)
    }
}
