//! Makes one instruction of several in fused loops, where there is machine code for their
//! combination, and finds the routines that do all that a loop does.
//!
//! In: loops of single operations. Out: the same results, bit by bit, with fewer instructions.
//! Values that are needed for something else stay.

use crate::dtype::DType;
use crate::simd::{COMBINED, Code, CombinedFormula, MOST_VALUES, ROUTINES, Routine, Symbol};

use super::emit::Draft;
use super::{Action, FusedLoop, Instruction, LoopFunction, LoopRoutine, algebra};

/// A formula and how it is written down.
type Formula = (&'static CombinedFormula, Code);

/// Combines the instructions of all loops.
pub fn combine(draft: &mut Draft) {
    let mut formulas: Vec<Formula> =
        COMBINED.iter().map(|combined| (combined, (combined.code)())).collect();
    formulas.sort_by_key(|(_, code)| std::cmp::Reverse(code.operations()));
    let (steps, buffers) = (&mut draft.steps, &draft.buffers);
    for step in steps {
        if let Action::Loop(body) = &mut step.action
            && body.instructions.len() > 1
        {
            let mut stores = body.stores.iter();
            let updates = stores.all(|store| buffers[store.buffer].place.variable().is_some());
            body.whole =
                ROUTINES.iter().filter(|_| updates).find_map(|routine| whole(body, routine));
            combine_in(body, &formulas);
        }
    }
}

/// What a formula's values are so far, and the instructions that it stands for.
#[derive(Clone, Default)]
struct Match {
    values: [Option<usize>; MOST_VALUES],
    replaced: Vec<usize>,
}

fn combine_in(body: &mut FusedLoop, formulas: &[Formula]) {
    let mut uses = vec![0; body.loads.len() + body.instructions.len()];
    let read = body.instructions.iter().flat_map(|instruction| instruction.inputs.iter().copied());
    for value in read.chain(body.kept()) {
        uses[value] += 1;
    }
    let mut gone = vec![false; body.instructions.len()];
    for position in (0..body.instructions.len()).rev() {
        if gone[position] {
            continue;
        }
        let found = formulas.iter().find_map(|(combined, code)| {
            let value = body.loads.len() + position;
            let (found, _) = ways(body, Some(&uses), value, code.symbols(), Match::default(), true)
                .into_iter()
                .next()?;
            Some((combined, found))
        });
        if let Some((combined, found)) = found {
            for &other in found.replaced.iter().filter(|&&other| other != position) {
                gone[other] = true;
            }
            let instruction = &mut body.instructions[position];
            instruction.function = LoopFunction::Combined(combined);
            instruction.inputs = found.values.into_iter().flatten().collect();
        }
    }
    remove(body, &gone);
}

/// How a routine does all that a loop does, if it does.
fn whole(body: &FusedLoop, routine: &'static Routine) -> Option<LoopRoutine> {
    let codes = (routine.results)();
    let values = body.loads.len()..body.loads.len() + body.instructions.len();
    if !body.reduces.is_empty()
        || body.stores.len() != codes.len()
        || !body.stores.iter().all(|store| values.contains(&store.value))
    {
        return None;
    }
    // Each result as each of the stores, given those before it.
    let found = codes.iter().fold(vec![(Match::default(), Vec::new())], |partial, code| {
        let continued = |(so_far, stores): (Match, Vec<usize>)| {
            let left =
                (0..body.stores.len()).filter(|store| !stores.contains(store)).collect::<Vec<_>>();
            let ways = |store: usize| {
                ways(body, None, body.stores[store].value, code.symbols(), so_far.clone(), true)
            };
            let found =
                |store: usize| ways(store).into_iter().map(move |(found, _)| (found, store));
            let next = |(found, store)| (found, stores.iter().copied().chain([store]).collect());
            left.into_iter().flat_map(found).map(next).collect::<Vec<_>>()
        };
        partial.into_iter().flat_map(continued).collect()
    });
    found.into_iter().find_map(|(found, stores)| {
        let all = (0..body.instructions.len()).all(|position| found.replaced.contains(&position));
        let loads: Vec<usize> = found.values.into_iter().flatten().collect();
        let fits = |(number, &value): (usize, &usize)| {
            let load = body.loads.get(value);
            load.is_some_and(|load| {
                if number < routine.sequences {
                    load.layout.is_plain()
                } else {
                    load.layout.is_uniform()
                }
            })
        };
        let single = body.instructions.iter().all(|instruction| instruction.to == DType::F32);
        (all && single && loads.iter().enumerate().all(fits)).then_some(LoopRoutine {
            routine,
            loads,
            stores,
        })
    })
}

/// The ways in which a value is what the formula says from its first symbol on, with the symbols
/// that are left. With the numbers of uses, what is between has no other use.
fn ways<'a>(
    body: &FusedLoop,
    uses: Option<&[usize]>,
    value: usize,
    symbols: &'a [Symbol],
    so_far: Match,
    is_result: bool,
) -> Vec<(Match, &'a [Symbol])> {
    let Some((&symbol, rest)) = symbols.split_first() else { return Vec::new() };
    if let Symbol::Value(number) = symbol {
        let mut found = so_far;
        let known = *found.values[number as usize].get_or_insert(value);
        return if known == value { vec![(found, rest)] } else { Vec::new() };
    }
    let Some(position) = value.checked_sub(body.loads.len()) else { return Vec::new() };
    let Instruction { function, ref inputs, from, to } = body.instructions[position];
    let same = matches!(
        function,
        LoopFunction::Elementwise(operation) if algebra::symbol(operation) == Some(symbol)
    );
    let float = matches!(from, DType::F32 | DType::F64)
        && to == if symbol == Symbol::Greater { DType::Bool } else { from };
    let free = is_result || uses.is_none_or(|uses| uses[value] == 1);
    if !same || !float || !free {
        return Vec::new();
    }
    let mut found = so_far;
    found.replaced.push(position);
    let orders: &[[usize; 3]] =
        if symbol.is_commutative() { &[[0, 1, 2], [1, 0, 2]] } else { &[[0, 1, 2]] };
    let in_order = |order: &[usize; 3]| {
        order[..symbol.arity()].iter().fold(vec![(found.clone(), rest)], |partial, &operand| {
            let continued = |(found, rest)| ways(body, uses, inputs[operand], rest, found, false);
            partial.into_iter().flat_map(continued).collect()
        })
    };
    orders.iter().flat_map(in_order).collect()
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
