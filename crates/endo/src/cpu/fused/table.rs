//! The machine code of a plan's operations, by element type and level.
//!
//! In: instructions and reductions of the plan. Out: function pointers.

use crate::dtype::DType;
use crate::plan::{Instruction, LoopFunction};
use crate::simd::{self, Byte, Folds, Level, Loop, Loops, Reduction, UpperHalf};

/// A value generic over the Rust type of elements, for a type known at run time.
macro_rules! by_type {
    ($dtype:expr, $T:ident => $value:expr) => {
        match $dtype {
            DType::F32 => {
                type $T = f32;
                $value
            }
            DType::F64 => {
                type $T = f64;
                $value
            }
            DType::I32 => {
                type $T = i32;
                $value
            }
            DType::Bool => {
                type $T = u8;
                $value
            }
            DType::U8 => unreachable!("bytes are converted where they enter a graph"),
        }
    };
}

/// The loop of an instruction.
pub fn instruction(instruction: &Instruction, level: Level) -> Loop {
    match instruction.function {
        LoopFunction::Elementwise(elementwise) => {
            let loops = elementwise.loops_for(instruction.from);
            loops.expect("operations are applied to types that they have loops for").at(level)
        }
        LoopFunction::Combined(combined) => {
            combined.loops[usize::from(instruction.from == DType::F64)].at(level)
        }
        LoopFunction::Expand => Loops::cast::<UpperHalf, f32>().at(level),
        LoopFunction::Halve => Loops::cast::<f32, UpperHalf>().at(level),
        LoopFunction::Cast if instruction.from == DType::U8 => {
            by_type!(instruction.to, To => Loops::cast::<Byte, To>()).at(level)
        }
        LoopFunction::Cast => {
            let loops = by_type!(instruction.from, From => {
                by_type!(instruction.to, To => Loops::cast::<From, To>())
            });
            loops.at(level)
        }
    }
}

/// The loop that copies elements.
pub fn copy(dtype: DType, level: Level) -> Loop {
    match dtype {
        DType::U8 => Loops::cast::<Byte, Byte>().at(level),
        _ => by_type!(dtype, T => Loops::cast::<T, T>()).at(level),
    }
}

/// The loop that copies upper halves of numbers.
pub fn copy_halves(level: Level) -> Loop {
    Loops::cast::<UpperHalf, UpperHalf>().at(level)
}

/// The loop that combines two sequences.
pub fn accumulate(reduction: Reduction, dtype: DType, level: Level) -> Loop {
    by_type!(dtype, T => Loops::accumulate::<T>(reduction)).at(level)
}

/// The function that combines the elements of a run.
pub fn fold(reduction: Reduction, dtype: DType, level: Level) -> simd::Fold {
    by_type!(dtype, T => Folds::new::<T>(reduction)).at(level)
}
