//! Graphs that make sense but for their sizes: axes of 0 beside axes that no memory holds, sums and
//! products of what is not there.
//!
//! In: random numbers. Out: the text of a graph whose operations fit each other, from an input to
//! an output with a row for each row.

use endo::random::Random;

/// Sizes that fit in no memory, or in none together with others; and some that do.
const SIZES: [u64; 13] =
    [0, 0, 0, 1, 1, 2, 3, 1 << 20, 1 << 31, (1 << 40) - 1, 1 << 40, 1 << 53, 1 << 59];

/// The nodes so far, and the shape of the last.
struct GraphForger<'r> {
    random: &'r mut Random,
    nodes: Vec<String>,
    shape: Vec<u64>,
}

impl GraphForger<'_> {
    /// Adds a node of `f32` and returns its position.
    fn push(
        &mut self,
        operation: &str,
        inputs: &[usize],
        attributes: &[u64],
        shape: &[u64],
    ) -> usize {
        let [inputs, attributes, sizes] = [
            inputs.iter().map(|&input| input as u64).collect(),
            attributes.to_vec(),
            shape.to_vec(),
        ]
        .map(|numbers: Vec<u64>| numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(" "));
        self.nodes.push(format!("node {operation} | {inputs} | {attributes} | f32 {sizes} | 0"));
        self.shape = shape.to_vec();
        self.nodes.len() - 1
    }

    fn size(&mut self) -> u64 {
        SIZES[self.random.below(SIZES.len())]
    }

    fn axis(&mut self) -> usize {
        self.random.below(self.shape.len())
    }

    /// Adds an operation of the last node, of rank 2 or 3.
    fn operate(&mut self) {
        let (last, axis, size) = (self.nodes.len() - 1, self.axis(), self.size());
        let mut shape = self.shape.clone();
        let resized = |shape: &[u64], size| {
            shape.iter().enumerate().map(|(at, &old)| if at == axis { size } else { old }).collect()
        };
        match self.random.below(10) {
            0 => drop(self.push("exp", &[last], &[], &shape)),
            1 => drop(self.push("add", &[last, last], &[], &shape)),
            2 => drop(self.push("cumsum", &[last], &[axis as u64], &shape)),
            3 => {
                let sum = shape[axis].saturating_mul(2);
                let shape: Vec<u64> = resized(&shape, sum);
                self.push("concatenate", &[last, last], &[axis as u64], &shape);
            }
            4 => {
                // What is looked up, if anything is.
                self.nodes.push(format!("node fill | | 0 | i32 {size} | 0"));
                let shape: Vec<u64> = resized(&shape, size);
                self.push("gather", &[last, last + 1], &[axis as u64], &shape);
            }
            5 => {
                let order: Vec<u64> = (0..shape.len() as u64).rev().collect();
                shape.reverse();
                self.push("transpose", &[last], &order, &shape);
            }
            6 => {
                let product = shape.iter().fold(1_u64, |product, size| product.wrapping_mul(*size));
                self.push("reshape", &[last], &[], &[product, 1]);
            }
            7 if shape[axis] == 1 => {
                let shape: Vec<u64> = resized(&shape, size);
                self.push("broadcast", &[last], &[], &shape);
            }
            8 => {
                let parts: Vec<u64> = shape
                    .iter()
                    .enumerate()
                    .flat_map(|(at, _)| [0, u64::from(at != axis)])
                    .collect();
                let shape: Vec<u64> = resized(&shape, size);
                self.push("slice", &[last], &parts, &shape);
            }
            _ => {
                let [.., rows, inner] = shape[..] else { return };
                let start = &shape[..shape.len() - 2];
                let right = self.push("fill", &[], &[1], &[start, &[inner, size]].concat());
                self.push("matmul", &[last, right], &[0, 0], &[start, &[rows, size]].concat());
            }
        }
    }
}

/// The text of a graph.
pub fn graph(random: &mut Random) -> String {
    let mut forging = GraphForger {
        random,
        nodes: vec!["node input | | 0 | f32 n 2 | 0".to_string()],
        shape: Vec::new(),
    };
    let shape: Vec<u64> = (0..2 + forging.random.below(2)).map(|_| forging.size()).collect();
    forging.push("fill", &[], &[1], &shape);
    for _ in 0..1 + forging.random.below(4) {
        forging.operate();
    }
    let (last, axes) =
        (forging.nodes.len() - 1, (0..forging.shape.len() as u64).collect::<Vec<_>>());
    let reduction = ["reduce_sum", "reduce_max", "reduce_mean"][forging.random.below(3)];
    let scalar = forging.push(reduction, &[last], &axes, &[]);
    let one = forging.push("reshape", &[scalar], &[], &[1]);
    forging.nodes.push(format!("node broadcast | {one} | | f32 n | 0"));
    format!("scope net\n{}\noutput {} y", forging.nodes.join("\n"), one + 1)
}
