//! Where the values of a plan lie in C: elements of one array for each type.
//!
//! In: a plan. Out: a place for every buffer. The plan's own places are bytes, which values of
//! several types share one after the other; C forbids to read what was written as another type, so
//! that each type has memory of its own here.

use endo::DType;
use endo::plan::{Action, BufferPlace, FusedLoop, Plan};

/// Which memory a value lies in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Memory {
    /// The working memory of a type.
    Work(DType),
    /// The constant with this index among the buffers.
    Constant(usize),
    /// The input with this index.
    Input(usize),
    /// The variable with this index.
    Variable(usize),
    /// What the caller gave for the output with this index.
    Output(usize),
}

/// Where a buffer starts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Place {
    /// In which memory.
    pub memory: Memory,
    /// At which of its elements.
    pub start: usize,
    /// The type of the elements.
    pub dtype: DType,
}

/// The places of all buffers, and the elements of working memory of each type.
pub struct Layout {
    /// By buffer.
    pub places: Vec<Place>,
    /// By type, in the order of [`DTYPES`].
    pub work: [usize; 4],
}

/// The types of working memory, widest first.
pub const DTYPES: [DType; 4] = [DType::F64, DType::F32, DType::I32, DType::Bool];

/// Values that share a place one after the other.
struct Life {
    buffers: Vec<usize>,
    dtype: DType,
    length: usize,
    first: usize,
    last: usize,
}

/// Elements that start at multiples of this many lie well for vectors.
const ALIGNED: usize = 16;

impl Layout {
    /// Gives all buffers of a plan their places.
    pub fn new(plan: &Plan) -> Self {
        let place = |(index, buffer): (usize, &endo::plan::Buffer)| {
            let memory = match buffer.place {
                BufferPlace::Arena(_) => Memory::Work(stored(buffer.dtype)),
                BufferPlace::Constant(_) => Memory::Constant(index),
                BufferPlace::Input(input) => Memory::Input(input),
                BufferPlace::Output(output) => Memory::Output(output),
                BufferPlace::Variable(variable) => Memory::Variable(variable),
                BufferPlace::Nowhere => unreachable!("plans for C hold every value"),
            };
            Place { memory, start: 0, dtype: buffer.dtype }
        };
        let mut places: Vec<Place> = plan.buffers.iter().enumerate().map(place).collect();
        let mut work = [0; 4];
        let mut lives = lives(plan);
        lives.sort_by_key(|life| (std::cmp::Reverse(life.length), life.first, life.buffers[0]));
        for (total, dtype) in work.iter_mut().zip(DTYPES) {
            // In order of their starts, so gaps are found in one walk.
            let mut placed: Vec<(usize, &Life)> = Vec::new();
            for life in lives.iter().filter(|life| life.dtype == dtype) {
                let mut start = 0;
                for (other_start, other) in placed
                    .iter()
                    .filter(|(_, other)| other.first <= life.last && life.first <= other.last)
                {
                    if start + life.length <= *other_start {
                        break;
                    }
                    start = start.max(other_start + other.length);
                }
                *total = (*total).max(start + life.length);
                let position = placed.partition_point(|(other, _)| *other <= start);
                placed.insert(position, (start, life));
                for &buffer in &life.buffers {
                    places[buffer].start = start;
                }
            }
        }
        Self { places, work }
    }

    /// The same behind the working memory of another plan, which runs this one.
    pub fn after(mut self, other: &Layout) -> Self {
        for place in &mut self.places {
            if let Memory::Work(dtype) = place.memory
                && let Some(index) = DTYPES.iter().position(|&known| known == dtype)
            {
                place.start += other.work[index];
            }
        }
        for (own, before) in self.work.iter_mut().zip(other.work) {
            *own += before;
        }
        self
    }

    /// The working memory of a plan with the loops in it.
    pub fn most(&self, plan: &Plan) -> [usize; 4] {
        let mut most = self.work;
        for step in &plan.steps {
            if let Action::Scan(scan) = &step.action {
                let inner = Layout::new(&scan.body).after(self).most(&scan.body);
                for (most, inner) in most.iter_mut().zip(inner) {
                    *most = (*most).max(inner);
                }
            }
        }
        most
    }
}

/// The type by whose memory a type is stored.
fn stored(dtype: DType) -> DType {
    if dtype == DType::U8 { DType::Bool } else { dtype }
}

/// The lives of all values in working memory.
fn lives(plan: &Plan) -> Vec<Life> {
    let mut spans: Vec<Option<(usize, usize)>> = vec![None; plan.buffers.len()];
    for (index, step) in plan.steps.iter().enumerate() {
        for buffer in step.reads().into_iter().chain(step.writes()) {
            let (first, _) = spans[buffer].unwrap_or((index, index));
            spans[buffer] = Some((first, index));
        }
    }
    for output in &plan.outputs {
        if let Some((_, last)) = &mut spans[output.buffer] {
            *last = plan.steps.len();
        }
    }
    let mut of: Vec<Option<usize>> = vec![None; plan.buffers.len()];
    let mut lives: Vec<Life> = Vec::new();
    for (index, step) in plan.steps.iter().enumerate() {
        let mut taken: Vec<usize> = Vec::new();
        for buffer in step.writes() {
            if !plan.buffers[buffer].place.is_arena() || of[buffer].is_some() {
                continue;
            }
            let last = spans[buffer].map_or(index, |(_, last)| last);
            let dies = |other: &usize| {
                let life = of[*other].filter(|_| !taken.contains(other));
                life.is_some_and(|life: usize| lives[life].last == index)
            };
            let replaced = match &step.action {
                Action::Loop(body) => overwritten(plan, body, buffer).into_iter().find(dies),
                _ => None,
            };
            if let Some((other, life)) = replaced.and_then(|other| Some((other, of[other]?))) {
                taken.push(other);
                of[buffer] = Some(life);
                lives[life].buffers.push(buffer);
                lives[life].last = last;
            } else {
                of[buffer] = Some(lives.len());
                let known = &plan.buffers[buffer];
                let length = known.length.next_multiple_of(ALIGNED);
                let dtype = stored(known.dtype);
                lives.push(Life { buffers: vec![buffer], dtype, length, first: index, last });
            }
        }
    }
    lives
}

/// The buffers of the type and length of one that a loop stores, each element of which it reads
/// before it writes the same element of the other, and nothing else of them.
fn overwritten(plan: &Plan, body: &FusedLoop, stored: usize) -> Vec<usize> {
    if !body.stores.iter().any(|store| store.buffer == stored) {
        return Vec::new();
    }
    let same = |buffer: usize| {
        let (a, b) = (&plan.buffers[buffer], &plan.buffers[stored]);
        a.dtype == b.dtype && a.length == b.length && a.length == body.length
    };
    let plain = |buffer: usize| {
        let mut loads = body.loads.iter().filter(|load| load.buffer == buffer);
        loads.all(|load| load.layout.is_plain() && load.layout.length() == body.length)
    };
    let buffers = body.loads.iter().map(|load| load.buffer);
    buffers.filter(|&buffer| same(buffer) && plain(buffer)).collect()
}
