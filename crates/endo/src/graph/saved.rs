//! A graph for any number of rows, without code: operations by name, with whole numbers that are
//! `a + b n` for `n` rows.
//!
//! In: the graphs of one closure for several numbers of rows. Out: [`SavedGraph`], and from it the
//! graph for any number of rows; or the error that names the operation in which the graphs differ
//! otherwise. `notation` writes it as text.

mod reading;

use crate::array::Array;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::simd::Reduction;
use crate::site::Site;
use crate::variable::Variable;

use super::{
    Check, Graph, Node, NodeId, Occasion, Op, Rule, Transposed, View, slice_parts, validity,
};
use reading::{GraphReading, NodeLine};

/// A graph for any number of rows, with the values that its variables have.
///
/// Only what its outputs depend on is in it. Gradients are not: it can be run, but not
/// differentiated through [`Op::Identity`].
#[derive(Default)]
pub struct SavedGraph {
    /// The operations, inputs before users.
    pub nodes: Vec<SavedNode>,
    /// The variables by name, each name once.
    pub variables: Vec<(String, Array)>,
    /// Constants of more than one number, under names that no variable has.
    pub constants: Vec<(String, Array)>,
    /// The outputs by name, as positions in `nodes`.
    pub outputs: Vec<(String, usize)>,
    /// What has to be finite, as positions in `nodes`.
    pub checks: Vec<(String, usize)>,
    /// What is assigned when a part of the rows is done, for the next part to read: variables by
    /// their positions, with positions in `nodes`.
    pub writes: Vec<(usize, usize)>,
    /// Paths of layers.
    pub scopes: Vec<String>,
    /// What whoever saved it says about it: any text.
    pub note: String,
}

/// One operation of a [`SavedGraph`].
#[derive(Clone, PartialEq, Debug)]
pub struct SavedNode {
    /// The name of a form ([`reduce_sum`, `reshape`](Op)), or of an operation in `ops/`.
    pub operation: String,
    /// The positions of the operations whose values it takes.
    pub inputs: Vec<usize>,
    /// What the name leaves open: axes, an index, the bits of a number.
    pub attributes: Vec<Count>,
    /// The element type of its value.
    pub dtype: DType,
    /// The shape of its value.
    pub shape: Vec<Count>,
    /// The layer it was traced in: an index into [`SavedGraph::scopes`].
    pub scope: usize,
}

/// A whole number that may depend on the number of rows: `fixed + each * rows`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Count {
    /// What it is without rows.
    pub fixed: i64,
    /// What each row adds.
    pub each: i64,
}

/// The elementwise operation or kernel of a name with these attributes, if there is one:
/// `ops::saved::named`.
pub type OperationLookup = fn(name: &str, attributes: &[i64]) -> Option<Op>;

/// The name of the input that tells for what random numbers are drawn: `i32[4]`, after all others.
const OCCASION: &str = "occasion";

/// The names of reductions.
const REDUCTIONS: [(&str, Reduction); 4] = [
    ("reduce_sum", Reduction::Sum),
    ("reduce_product", Reduction::Product),
    ("reduce_max", Reduction::Max),
    ("reduce_min", Reduction::Min),
];

impl Count {
    /// The count that takes these values for these numbers of rows, of which there are at least
    /// two.
    fn through(points: &[(usize, i64)]) -> Option<Self> {
        let &[(r, a), (s, b), ..] = points else { return None };
        let (rows, values) = (s as i64 - r as i64, b.checked_sub(a)?);
        let each = (values % rows == 0).then_some(values / rows)?;
        let count = Self { fixed: a.checked_sub(each.checked_mul(r as i64)?)?, each };
        points.iter().all(|&(rows, value)| count.at(rows) == Some(value)).then_some(count)
    }

    /// Its value for a number of rows, unless that is too large.
    pub fn at(self, rows: usize) -> Option<i64> {
        self.each.checked_mul(rows.try_into().ok()?)?.checked_add(self.fixed)
    }
}

impl SavedNode {
    /// The sizes of its axes; `None` for those that depend on the number of rows.
    pub fn sizes(&self) -> Vec<Option<usize>> {
        self.shape.iter().map(|size| (size.each == 0).then_some(size.fixed as usize)).collect()
    }

    /// Whether the first axis counts the rows, and no other depends on them.
    pub fn has_a_row_each(&self) -> bool {
        let [first, rest @ ..] = &self.shape[..] else { return false };
        *first == Count { fixed: 0, each: 1 } && rest.iter().all(|size| size.each == 0)
    }
}

impl SavedGraph {
    /// What the graphs of one closure for several numbers of rows have in common, with names for
    /// the outputs and for each variable. Writes that nothing reads are left out.
    ///
    /// # Errors
    /// If the graphs differ in more than sizes of the form `a + b n`, or an operation cannot be
    /// made again from its name: with the operation, its layer and its line.
    pub fn new(
        traced: &[(usize, Graph)],
        outputs: &[String],
        named: OperationLookup,
        name: impl Fn(&Variable) -> String,
    ) -> Result<Self> {
        let readings: Vec<GraphReading> =
            traced.iter().map(|(rows, graph)| GraphReading::new(*rows, graph)).collect();
        let (first, others) = readings.split_first().expect("at least one graph");
        for other in others {
            if let Some(place) = first.differs(other) {
                return Err(first.depends(other, place));
            }
        }
        let nodes = (0..first.lines.len())
            .map(|place| Self::joined(&readings, place))
            .collect::<Result<_>>()?;
        let output =
            |index: usize| outputs.get(index).cloned().unwrap_or_else(|| format!("output_{index}"));
        let constant =
            |(index, array): (usize, &&Array)| (format!("constant_{index}"), (*array).clone());
        let saved = Self {
            nodes,
            variables: first
                .variables
                .iter()
                .map(|variable| (name(variable), variable.value()))
                .collect(),
            constants: first.constants.iter().enumerate().map(constant).collect(),
            outputs: first
                .outputs
                .iter()
                .enumerate()
                .map(|(index, &place)| (output(index), place))
                .collect(),
            checks: first.checks.iter().map(|&(what, place)| (what.to_string(), place)).collect(),
            writes: first.writes.clone(),
            scopes: first.graph.scopes.clone(),
            note: String::new(),
        };
        readings.iter().try_for_each(|reading| saved.is_read_back(reading, named))?;
        Ok(saved)
    }

    fn joined<'g>(readings: &'g [GraphReading<'g>], place: usize) -> Result<SavedNode> {
        let line = &readings[0].lines[place];
        let counts = |numbers: fn(&'g NodeLine<'g>) -> &'g [i64]| -> Result<Vec<Count>> {
            let count = |index: usize| {
                let points: Vec<(usize, i64)> =
                    readings.iter().map(|r| (r.rows, numbers(&r.lines[place])[index])).collect();
                let last = readings.last().expect("at least one graph");
                Count::through(&points).ok_or_else(|| readings[0].depends(last, place))
            };
            (0..numbers(line).len()).map(count).collect()
        };
        Ok(SavedNode {
            operation: line.operation.clone(),
            inputs: line.inputs.clone(),
            attributes: counts(|line| &line.attributes)?,
            dtype: line.node.dtype,
            shape: counts(|line| &line.shape)?,
            scope: line.node.scope as usize,
        })
    }

    /// Fails if the graph for the rows of a reading is not the one that was read.
    fn is_read_back(&self, reading: &GraphReading, named: OperationLookup) -> Result<()> {
        let fail = |place: usize, why: &str| {
            let message = format!(
                "the operation `{}` cannot be saved: nothing makes it again{why}",
                reading.lines[place].operation
            );
            let help = "an operation with code of its own is found by its name: it needs a reader \
                beside it, and its place in a table";
            Error::usage(message, help)
                .in_layer(reading.path(place))
                .at(reading.lines[place].node.site)
        };
        let graph = self
            .graph(reading.rows, named, &reading.variables)
            .map_err(|(place, why)| fail(place, &format!(" ({why})")))?;
        let again = GraphReading::new(reading.rows, &graph);
        let same = |place: &usize| {
            let (a, b) = (&reading.lines[*place], &again.lines[*place]);
            let kernels = match (&a.node.op, &b.node.op) {
                (Op::Kernel(a), Op::Kernel(b)) => {
                    (a.name(), a.attributes()) == (b.name(), b.attributes())
                }
                _ => true,
            };
            kernels && a.operation == b.operation && a.attributes == b.attributes
        };
        match (0..reading.lines.len()).find(|place| !same(place)) {
            None => Ok(()),
            Some(place) => Err(fail(place, "")),
        }
    }

    /// The graph for a number of rows, on these variables in the order of
    /// [`SavedGraph::variables`].
    ///
    /// # Errors
    /// The position of the first operation that makes no sense, and what is wrong with it.
    #[track_caller]
    pub fn graph(
        &self,
        rows: usize,
        named: OperationLookup,
        variables: &[Variable],
    ) -> Result<Graph, (usize, String)> {
        let site = Site::caller();
        let mut graph = Graph {
            variables: variables.to_vec(),
            scopes: self.scopes.clone(),
            ..Graph::default()
        };
        for (place, saved) in self.nodes.iter().enumerate() {
            let fail =
                |what: &str| (place, format!("operation {place}, `{}`, {what}", saved.operation));
            let numbers = |counts: &[Count]| {
                counts.iter().map(|count| count.at(rows)).collect::<Option<Vec<i64>>>()
            };
            let shape = numbers(&saved.shape)
                .and_then(|sizes| sizes.into_iter().map(|size| size.try_into().ok()).collect());
            let shape: Shape =
                shape.filter(Shape::is_possible).ok_or_else(|| fail("has an impossible shape"))?;
            let most = match saved.operation.as_str() {
                "fill" => validity::LARGEST_FILL,
                _ => validity::LARGEST,
            };
            if shape.len() > most {
                let elements = shape.len();
                return Err(fail(&format!("has {elements} elements, and may have {most}")));
            }
            let attributes =
                numbers(&saved.attributes).ok_or_else(|| fail("has numbers that are too large"))?;
            if saved.inputs.iter().any(|&input| input >= place) || saved.scope >= self.scopes.len()
            {
                return Err(fail("refers to what comes after it"));
            }
            if saved.operation == "fill" {
                Array::require_room(&shape, saved.dtype)
                    .map_err(|error| fail(&format!("fails: {}", error.message())))?;
            }
            let op = self
                .op(saved, &attributes, &shape, named)
                .ok_or_else(|| fail("is not known with these numbers"))?;
            let inputs = saved.inputs.iter().map(|&input| NodeId(input as u32)).collect();
            let node =
                Node { op, inputs, shape, dtype: saved.dtype, scope: saved.scope as u32, site };
            validity::check(&node, &graph).map_err(fail)?;
            if let Op::Input(_) = node.op {
                if graph.occasion.is_some() {
                    return Err(fail("comes after the occasion, which is the last input"));
                }
                if saved.operation == OCCASION {
                    if (node.shape.sizes(), node.dtype) != (&[Occasion::WORDS], DType::I32) {
                        return Err(fail("is not of the type and shape of an occasion"));
                    }
                    graph.occasion = Some(NodeId(place as u32));
                }
                graph.inputs.push(NodeId(place as u32));
            }
            graph.nodes.push(node);
        }
        let id = |place: usize, role: &str| {
            let known = (place < self.nodes.len()).then_some(NodeId(place as u32));
            known.ok_or_else(|| {
                (0, format!("operation {place} is {role}, and there are {}", self.nodes.len()))
            })
        };
        graph.outputs = self
            .outputs
            .iter()
            .map(|&(_, place)| id(place, "an output"))
            .collect::<Result<_, _>>()?;
        let check = |(what, place): &(String, usize)| {
            Ok(Check { node: id(*place, "checked")?, what: what.clone() })
        };
        graph.checks = self.checks.iter().map(check).collect::<Result<_, _>>()?;
        for &(variable, place) in &self.writes {
            let value = id(place, "assigned")?;
            let fail = |what: &str| (place, format!("operation {place} is assigned to {what}"));
            let known =
                variables.get(variable).ok_or_else(|| fail("a variable that does not exist"))?;
            if (known.shape(), known.dtype()) != (&graph.node(value).shape, graph.node(value).dtype)
            {
                return Err(fail("a variable of another type or shape"));
            }
            if graph.writes.iter().any(|(written, _)| *written == variable) {
                return Err(fail("a variable that is assigned already"));
            }
            graph.writes.push((variable, value));
        }
        Ok(graph)
    }

    /// The operation that [`described`] has described so.
    fn op(
        &self,
        saved: &SavedNode,
        attributes: &[i64],
        shape: &Shape,
        named: OperationLookup,
    ) -> Option<Op> {
        let sizes = || {
            attributes.iter().map(|&number| number.try_into().ok()).collect::<Option<Vec<usize>>>()
        };
        let index = || usize::try_from(*attributes.first()?).ok();
        Some(match saved.operation.as_str() {
            "input" | OCCASION => Op::Input(index()?),
            "variable" => Op::Variable(index()?),
            "constant" => Op::Constant(self.constants.get(index()?)?.1.clone()),
            "fill" => Op::Constant(filled(shape, saved.dtype, *attributes.first()?)),
            "cast" => Op::Cast,
            "matmul" => {
                let &[left, right] = attributes else { return None };
                Op::Matmul { transposed: Transposed { left: left != 0, right: right != 0 } }
            }
            "reshape" => Op::View(View::Reshape),
            "transpose" => Op::View(View::Transpose(sizes()?)),
            "broadcast" => Op::View(View::Broadcast),
            "slice" => Op::View(View::Slice(slice_parts(attributes)?)),
            "identity" => Rule { name: "identity", gradient: Box::new(|_| Vec::new()) }.into(),
            name => match REDUCTIONS.iter().find(|(known, _)| *known == name) {
                Some(&(_, reduction)) => Op::Reduce(reduction, sizes()?),
                None => named(name, attributes)?,
            },
        })
    }
}

/// The array whose elements all have these bits.
fn filled(shape: &Shape, dtype: DType, bits: i64) -> Array {
    let [a, b, c, d, ..] = bits.to_ne_bytes();
    match dtype {
        DType::F32 => Array::from_fn(shape, |_| f32::from_ne_bytes([a, b, c, d])),
        DType::F64 => Array::from_fn(shape, |_| f64::from_ne_bytes(bits.to_ne_bytes())),
        DType::I32 => Array::from_fn(shape, |_| i32::from_ne_bytes([a, b, c, d])),
        DType::Bool => Array::from_fn(shape, |_| a != 0),
        DType::U8 => Array::from_fn(shape, |_| a),
    }
}

#[cfg(test)]
mod tests {
    use super::reading::uniform;
    use super::*;

    #[test]
    fn counts_go_through_all_points_or_are_none() {
        assert_eq!(
            Count::through(&[(2, 8), (3, 12), (256, 1024)]),
            Some(Count { fixed: 0, each: 4 })
        );
        assert_eq!(
            Count::through(&[(2, 1), (3, 2), (256, 255)]),
            Some(Count { fixed: -1, each: 1 })
        );
        assert_eq!(Count::through(&[(2, 4), (3, 9), (256, 65536)]), None);
        assert_eq!(Count::through(&[(3, 1), (5, 2), (256, 128)]), None);
        assert_eq!(Count { fixed: 1, each: i64::MAX }.at(2), None);
    }

    #[test]
    fn fills_keep_the_bits_of_their_number() {
        for array in [
            Array::full([3], f64::NAN, DType::F32),
            Array::full((), -0.0, DType::F64),
            Array::from([true, true]),
        ] {
            let again = filled(array.shape(), array.dtype(), uniform(&array).unwrap());
            assert_eq!((again.bytes(), again.dtype()), (array.bytes(), array.dtype()));
        }
        assert_eq!(uniform(&Array::from([0.0_f32, -0.0])), None);
    }
}
