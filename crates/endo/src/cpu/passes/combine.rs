//! Makes one instruction of several in fused loops, where there is machine code for their
//! combination, and finds the routines that do all that a loop does.
//!
//! In: loops of single operations. Out: the same results, bit by bit, with fewer instructions.
//! Operations are told by their formulas. Values that are needed for something else stay.

use rustc_hash::FxHashMap;

use crate::dtype::DType;
use crate::simd::{
    COMBINED, CombinedFormula, Expression, ExpressionNode, Expressions, MOST_VALUES, Routine,
    Symbol,
};

use crate::plan::{Action, Draft, FusedLoop, Instruction, LoopFunction, LoopRoutine};

/// Formulas that are looked for, as nodes.
struct Pattern<F> {
    formula: F,
    nodes: Vec<ExpressionNode>,
    /// The nodes of its results.
    results: Vec<u32>,
}

impl Pattern<&'static CombinedFormula> {
    fn of_combined(formula: &'static CombinedFormula) -> Self {
        let all = Expressions::default();
        let values: Vec<Expression<'_>> =
            (0..formula.arity).map(|number| all.value(number)).collect();
        let results = vec![(formula.formula)(&values).number(&all)];
        Self { formula, nodes: all.nodes().to_vec(), results }
    }

    /// What is done last.
    fn symbol(&self) -> Symbol {
        self.nodes[self.results[0] as usize].symbol
    }
}

impl Pattern<&'static Routine> {
    fn of_routine(routine: &'static Routine) -> Self {
        let all = Expressions::default();
        let values: [Expression<'_>; MOST_VALUES] = std::array::from_fn(|number| all.value(number));
        let results = (routine.formula)(values);
        let results = results[..routine.results].iter().map(|result| result.number(&all)).collect();
        Self { formula: routine, nodes: all.nodes().to_vec(), results }
    }
}

/// Combines the instructions of all loops; `routines` are those that optimizers declare.
pub fn combine(draft: &mut Draft, routines: &[&'static Routine]) {
    let combined: Vec<_> = COMBINED.iter().map(Pattern::of_combined).collect();
    let (steps, buffers) = (&mut draft.steps, &draft.buffers);
    for step in steps {
        if let Action::Loop(body) = &mut step.action
            && body.instructions.len() > 1
        {
            let said = Expressions::default();
            let meaning = Meaning::new(body, &said);
            let mut stores = body.stores.iter();
            let updates = stores.all(|store| buffers[store.buffer].place.variable().is_some());
            body.whole = if updates {
                let fitting = |routine: &&&Routine| routine.results == body.stores.len();
                let patterns = routines.iter().filter(fitting);
                let mut patterns = patterns.map(|routine| Pattern::of_routine(routine));
                patterns.find_map(|pattern| meaning.whole(body, &pattern))
            } else {
                None
            };
            combine_in(body, &meaning, &combined);
        }
    }
}

/// What the values of a loop are as expressions of what is loaded.
struct Meaning {
    nodes: Vec<ExpressionNode>,
    /// The node of each value.
    of: Vec<u32>,
}

impl Meaning {
    fn new(body: &FusedLoop, all: &Expressions) -> Self {
        let mut values: Vec<Expression<'_>> =
            (0..body.loads.len()).map(|load| all.value(load)).collect();
        for Instruction { function, inputs, from, .. } in &body.instructions {
            let value = match function {
                LoopFunction::Elementwise(operation) => {
                    let inputs: Vec<_> = inputs.iter().map(|&input| values[input]).collect();
                    (operation.formula)(&inputs, *from)
                }
                // Another number, as far as formulas of one type are concerned.
                LoopFunction::Cast
                | LoopFunction::Combined(_)
                | LoopFunction::Expand
                | LoopFunction::Halve => all.value(values.len()),
            };
            values.push(value);
        }
        let of = values.into_iter().map(|value| value.number(all)).collect();
        Self { nodes: all.nodes().to_vec(), of }
    }

    /// The ways in which nodes of a pattern are nodes of the loop, `goals`, and what the pattern's
    /// other nodes are then; stops at the first that `accept` takes.
    fn find<T>(
        &self,
        pattern: &[ExpressionNode],
        mut found: Vec<Option<u32>>,
        mut goals: Vec<(u32, u32)>,
        accept: &mut impl FnMut(&[Option<u32>]) -> Option<T>,
    ) -> Option<T> {
        while let Some((wanted, node)) = goals.pop() {
            let slot = &mut found[wanted as usize];
            if let Some(known) = *slot {
                if known != node {
                    return None;
                }
                continue;
            }
            *slot = Some(node);
            let (wanted, node) = (&pattern[wanted as usize], &self.nodes[node as usize]);
            if let Symbol::Value(_) = wanted.symbol {
                continue;
            }
            if wanted.symbol != node.symbol {
                return None;
            }
            if wanted.symbol.is_commutative() {
                let (operands, [first, second]) = (wanted.operands(), node.operands()) else {
                    unreachable!("sums and products have two operands")
                };
                let turned = goals
                    .iter()
                    .copied()
                    .chain([(operands[1], *first), (operands[0], *second)])
                    .collect();
                let straight = [(operands[1], *second), (operands[0], *first)];
                if first != second {
                    goals.extend(straight);
                    return self
                        .find(pattern, found.clone(), goals, accept)
                        .or_else(|| self.find(pattern, found, turned, accept));
                }
            }
            goals.extend(
                wanted.operands().iter().copied().zip(node.operands().iter().copied()).rev(),
            );
        }
        accept(&found)
    }

    /// The instructions that stand for a pattern's nodes, given the values they end with, and the
    /// values that the pattern's values are: what is read on the way from the results to them.
    fn covered(
        &self,
        body: &FusedLoop,
        pattern: &[ExpressionNode],
        found: &[Option<u32>],
        ends: &[usize],
    ) -> Option<Match> {
        let mut values = [None; MOST_VALUES];
        let mut leaves: FxHashMap<u32, usize> = FxHashMap::default();
        for (wanted, node) in pattern.iter().zip(found) {
            if let (Symbol::Value(number), &Some(node)) = (wanted.symbol, node) {
                leaves.insert(node, number as usize);
            }
        }
        let mut covered: Vec<usize> = Vec::new();
        let mut open: Vec<usize> = ends.to_vec();
        while let Some(value) = open.pop() {
            let position = value.checked_sub(body.loads.len())?;
            if covered.contains(&position) {
                continue;
            }
            covered.push(position);
            for &input in &body.instructions[position].inputs {
                match leaves.get(&self.of[input]) {
                    Some(&number) => values[number] = Some(input),
                    None => open.push(input),
                }
            }
        }
        Some(Match { values, covered })
    }

    /// How a routine does all that a loop does, if it does.
    fn whole(&self, body: &FusedLoop, pattern: &Pattern<&'static Routine>) -> Option<LoopRoutine> {
        let routine = pattern.formula;
        let computed = body.stores.iter().all(|store| store.value >= body.loads.len());
        let single = body.instructions.iter().all(|instruction| instruction.to == DType::F32);
        if !(computed && single && body.reduces.is_empty()) {
            return None;
        }
        let ends: Vec<usize> = body.stores.iter().map(|store| store.value).collect();
        orders(routine.results).find_map(|stores| {
            let goal =
                |(&result, &store): (&u32, &usize)| (result, self.of[body.stores[store].value]);
            let goals = pattern.results.iter().zip(&stores).map(goal).collect();
            let found = vec![None; pattern.nodes.len()];
            self.find(&pattern.nodes, found, goals, &mut |found| {
                let Match { values, covered } = self.covered(body, &pattern.nodes, found, &ends)?;
                let loads: Vec<usize> =
                    values[..routine.values].iter().copied().collect::<Option<_>>()?;
                let fits = |(number, &value): (usize, &usize)| {
                    body.loads.get(value).is_some_and(|load| {
                        if number < routine.sequences {
                            load.layout.is_plain()
                        } else {
                            load.layout.is_uniform()
                        }
                    })
                };
                let all = covered.len() == body.instructions.len();
                (all && loads.iter().enumerate().all(fits)).then(|| LoopRoutine {
                    routine,
                    loads,
                    stores: stores.clone(),
                })
            })
        })
    }
}

/// What a pattern's values are, and the instructions that it stands for.
struct Match {
    values: [Option<usize>; MOST_VALUES],
    covered: Vec<usize>,
}

/// The orders of a few numbers.
fn orders(count: usize) -> impl Iterator<Item = Vec<usize>> {
    let all = (0..count).fold(vec![Vec::new()], |partial: Vec<Vec<usize>>, _| {
        let longer = |order: Vec<usize>| {
            (0..count)
                .filter(|next| !order.contains(next))
                .collect::<Vec<_>>()
                .into_iter()
                .map(move |next| order.iter().copied().chain([next]).collect::<Vec<usize>>())
        };
        partial.into_iter().flat_map(longer).collect()
    });
    all.into_iter()
}

fn combine_in(
    body: &mut FusedLoop,
    meaning: &Meaning,
    patterns: &[Pattern<&'static CombinedFormula>],
) {
    let loads = body.loads.len();
    let mut uses = vec![0; loads + body.instructions.len()];
    let read = body.instructions.iter().flat_map(|instruction| instruction.inputs.iter().copied());
    for value in read.chain(body.kept()) {
        uses[value] += 1;
    }
    let mut gone = vec![false; body.instructions.len()];
    for position in (0..body.instructions.len()).rev() {
        if gone[position] {
            continue;
        }
        let node = meaning.of[loads + position];
        let symbol = meaning.nodes[node as usize].symbol;
        let mut best: Option<(&'static CombinedFormula, Match)> = None;
        for pattern in patterns.iter().filter(|pattern| pattern.symbol() == symbol) {
            let goals = vec![(pattern.results[0], node)];
            let found = vec![None; pattern.nodes.len()];
            let found = meaning.find(&pattern.nodes, found, goals, &mut |found| {
                let found = meaning.covered(body, &pattern.nodes, found, &[loads + position])?;
                let complete = found.values[..pattern.formula.arity].iter().all(Option::is_some);
                (complete && is_free(body, &uses, &found.covered)).then_some(found)
            });
            if let Some(found) = found
                && found.covered.len() > best.as_ref().map_or(1, |(_, best)| best.covered.len())
            {
                best = Some((pattern.formula, found));
            }
        }
        if let Some((combined, found)) = best {
            for &other in found.covered.iter().filter(|&&other| other != position) {
                gone[other] = true;
            }
            let instruction = &mut body.instructions[position];
            instruction.function = LoopFunction::Combined(combined);
            instruction.inputs = found.values.into_iter().flatten().collect();
        }
    }
    remove(body, &gone);
}

/// Whether instructions, of which the first is the result, compute with floats of one type, and
/// nothing else needs what they compute in between.
fn is_free(body: &FusedLoop, uses: &[usize], covered: &[usize]) -> bool {
    let float = body.instructions[covered[0]].to;
    let alike = |&position: &usize| {
        let Instruction { from, to, .. } = body.instructions[position];
        from == float && (to == float || to == DType::Bool)
    };
    let within = |value: usize| {
        let inputs = covered.iter().flat_map(|&position| &body.instructions[position].inputs);
        inputs.filter(|&&input| input == value).count()
    };
    float.is_float()
        && covered.iter().all(alike)
        && covered[1..].iter().all(|&position| {
            let value = body.loads.len() + position;
            uses[value] == within(value)
        })
}

/// Removes instructions whose values nobody uses, and numbers the rest anew.
fn remove(body: &mut FusedLoop, gone: &[bool]) {
    let loads = body.loads.len();
    let mut number: Vec<usize> = (0..loads).collect();
    let mut next = loads;
    for &gone in gone {
        number.push(next);
        next += usize::from(!gone);
    }
    let mut position = 0;
    body.instructions.retain(|_| {
        position += 1;
        !gone[position - 1]
    });
    let inputs = body.instructions.iter_mut().flat_map(|instruction| instruction.inputs.iter_mut());
    let stored = body.stores.iter_mut().map(|store| &mut store.value);
    let reduced = body.reduces.iter_mut().map(|reduce| &mut reduce.value);
    for value in inputs.chain(stored).chain(reduced) {
        *value = number[*value];
    }
}
