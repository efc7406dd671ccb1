//! Named arrays that outlive a run: weights, optimizer slots, metric totals, averages, counters.
//!
//! In: a name and a first value. Out: [`Variable`], a handle; its numbers lie in a
//! [`VariableBlock`], alone at first and beside those of other variables once a plan uses them
//! together, so that one lock and one stretch of memory serve a whole step.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use crate::array::Array;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::simd::Memory;

/// A named array that outlives a run. Clones are handles to the same variable.
///
/// ```
/// use endo::{Array, Variable};
/// let rate = Variable::new("rate", Array::scalar(0.5_f32));
/// rate.set(&Array::scalar(0.25_f32))?;
/// assert_eq!(rate.value().item()?, 0.25);
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone)]
pub struct Variable(Arc<Inner>);

struct Inner {
    id: u64,
    name: String,
    shape: Shape,
    dtype: DType,
    trainable: AtomicBool,
    frozen: AtomicBool,
    /// The bits of what the learning rate is multiplied by for it.
    learning_rate_factor: AtomicU64,
    /// Whether a layer made it.
    weight: AtomicBool,
    place: Mutex<BlockOffset>,
}

#[derive(Clone)]
struct BlockOffset {
    block: Arc<VariableBlock>,
    offset: usize,
}

/// A stretch of memory that holds the numbers of one or more variables.
pub struct VariableBlock {
    content: RwLock<Content>,
}

/// What a locked [`VariableBlock`] gives access to.
pub struct Content {
    memory: Memory,
    members: Vec<Weak<Inner>>,
    /// The variables have moved to a larger block.
    retired: bool,
}

// Identities only tell variables apart within a process: nothing is computed from them.
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

impl Variable {
    /// A trainable variable with a first value. Bytes become `i32`, which is what graphs compute
    /// with.
    pub fn new(name: impl Into<String>, value: impl Into<Array>) -> Self {
        let value: Array = value.into();
        let value = if value.dtype() == DType::U8 { value.cast(DType::I32) } else { value };
        let block = VariableBlock::new();
        block.write().memory.append(value.bytes());
        let variable = Self(Arc::new(Inner {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            name: name.into(),
            shape: value.shape().clone(),
            dtype: value.dtype(),
            trainable: AtomicBool::new(true),
            frozen: AtomicBool::new(false),
            learning_rate_factor: AtomicU64::new(1.0_f64.to_bits()),
            weight: AtomicBool::new(false),
            place: Mutex::new(BlockOffset { block: block.clone(), offset: 0 }),
        }));
        block.write().members.push(Arc::downgrade(&variable.0));
        variable
    }

    /// The same variable, not to be trained.
    #[must_use]
    pub fn frozen(self) -> Self {
        self.set_trainable(false);
        self
    }

    /// A number that no other variable of this process has.
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// Its name: for a weight the path of its layer within its model and its own, as in
    /// `"dense/kernel"`.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The sizes of its axes.
    pub fn shape(&self) -> &Shape {
        &self.0.shape
    }

    /// The type of its elements.
    pub fn dtype(&self) -> DType {
        self.0.dtype
    }

    /// Whether an optimizer may change it: whether it is trainable and not frozen.
    pub fn is_trainable(&self) -> bool {
        self.0.trainable.load(Ordering::Relaxed) && !self.is_frozen()
    }

    /// The same variable, as one that a layer has made.
    pub(crate) fn of_layer(self) -> Self {
        self.0.weight.store(true, Ordering::Relaxed);
        self
    }

    /// Whether a layer has made it.
    pub(crate) fn is_weight(&self) -> bool {
        self.0.weight.load(Ordering::Relaxed)
    }

    /// Freezes it, with a layer or model that it belongs to: optimizers leave it as it is, and so
    /// do layers that keep statistics in it. Whether it is trainable otherwise is remembered. Takes
    /// effect as [`set_trainable`](Self::set_trainable) does.
    ///
    /// ```
    /// # use endo::Variable;
    /// let [kernel, moving_mean] =
    ///     [Variable::new("kernel", 1.0_f32), Variable::new("moving_mean", 0.0_f32).frozen()];
    /// for variable in [&kernel, &moving_mean] {
    ///     variable.freeze();
    ///     variable.unfreeze();
    /// }
    /// assert!(kernel.is_trainable() && !moving_mean.is_trainable());
    /// ```
    pub fn freeze(&self) {
        self.0.frozen.store(true, Ordering::Relaxed);
    }

    /// Takes back [`freeze`](Self::freeze).
    pub fn unfreeze(&self) {
        self.0.frozen.store(false, Ordering::Relaxed);
    }

    /// Whether it is frozen by [`freeze`](Self::freeze).
    pub fn is_frozen(&self) -> bool {
        self.0.frozen.load(Ordering::Relaxed)
    }

    /// Lets optimizers change it at the learning rate times a factor, which is 1 unless set. Takes
    /// effect as [`set_trainable`](Self::set_trainable) does.
    pub fn set_learning_rate_factor(&self, factor: f64) {
        self.0.learning_rate_factor.store(factor.to_bits(), Ordering::Relaxed);
    }

    /// What the learning rate is multiplied by for it.
    pub fn learning_rate_factor(&self) -> f64 {
        f64::from_bits(self.0.learning_rate_factor.load(Ordering::Relaxed))
    }

    /// Lets optimizers change it, or not; one that is [frozen](Self::freeze) they leave as it is
    /// all the same. Takes effect in what is compiled or traced afterwards.
    pub fn set_trainable(&self, trainable: bool) {
        self.0.trainable.store(trainable, Ordering::Relaxed);
    }

    /// A copy of its numbers.
    pub fn value(&self) -> Array {
        loop {
            let place = self.place();
            let content = place.block.read();
            if !content.retired {
                return Array::from_bytes(
                    self.shape(),
                    self.dtype(),
                    &content.bytes()[place.offset..][..self.0.bytes()],
                );
            }
        }
    }

    /// Fails when an array has another shape or type.
    pub(crate) fn check(&self, value: &Array) -> Result<()> {
        if (value.shape(), value.dtype()) != (self.shape(), self.dtype()) {
            let got = format!("{}{}", value.dtype(), value.shape());
            let message = format!(
                "variable `{}` is {}{}, got {got}",
                self.name(),
                self.dtype(),
                self.shape()
            );
            return Err(Error::shape(message, "give it an array of its own shape and type"));
        }
        Ok(())
    }

    /// Overwrites its numbers.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let weight = Variable::new("weight", [1.0_f32, 2.0]);
    /// weight.set(&[3.0_f32, 4.0].into())?;
    /// assert_eq!(weight.value(), [3.0_f32, 4.0].into());
    /// assert!(weight.set(&[3.0_f32].into()).is_err());
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the shape or type differs.
    pub fn set(&self, value: &Array) -> Result<()> {
        self.check(value)?;
        loop {
            let place = self.place();
            let mut content = place.block.write();
            if !content.retired {
                content.bytes_mut()[place.offset..][..self.0.bytes()]
                    .copy_from_slice(value.bytes());
                return Ok(());
            }
        }
    }

    fn place(&self) -> BlockOffset {
        self.0.place.lock().expect("no thread panics while it moves a variable").clone()
    }
}

impl Inner {
    fn bytes(&self) -> usize {
        self.shape.len() * self.dtype.bytes()
    }
}

impl PartialEq for Variable {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Eq for Variable {}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}{}", self.name(), self.dtype(), self.shape())
    }
}

impl VariableBlock {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            content: RwLock::new(Content {
                memory: Memory::default(),
                members: Vec::new(),
                retired: false,
            }),
        })
    }

    /// Brings the variables into one block, in the order given, and tells where in it each starts,
    /// in bytes.
    ///
    /// Blocks merge and never split: a variable's block-mates come along, so two plans that share a
    /// variable end up on one block instead of moving the variable to and fro.
    ///
    /// # Errors
    /// If the system does not give the memory for a larger block; then all variables stay where
    /// they are.
    pub fn gather(variables: &[Variable]) -> Result<(Arc<VariableBlock>, Vec<usize>)> {
        loop {
            let places: Vec<BlockOffset> = variables.iter().map(Variable::place).collect();
            if let Some(first) = places.first()
                && places.iter().all(|place| Arc::ptr_eq(&place.block, &first.block))
            {
                return Ok((
                    first.block.clone(),
                    places.iter().map(|place| place.offset).collect(),
                ));
            }
            if variables.is_empty() {
                return Ok((VariableBlock::new(), Vec::new()));
            }
            Self::merge(variables)?;
        }
    }

    fn merge(variables: &[Variable]) -> Result<()> {
        let mut blocks: Vec<Arc<VariableBlock>> = Vec::new();
        for variable in variables {
            let block = variable.place().block;
            if !blocks.iter().any(|known| Arc::ptr_eq(known, &block)) {
                blocks.push(block);
            }
        }
        // One order for all threads, so that two merges cannot wait for each other.
        blocks.sort_by_key(|block| Arc::as_ptr(block) as usize);
        let mut contents: Vec<_> = blocks.iter().map(|block| block.write()).collect();
        if contents.iter().any(|content| content.retired) {
            return Ok(());
        }
        let mut members: Vec<Arc<Inner>> =
            variables.iter().map(|variable| variable.0.clone()).collect();
        members.extend(
            contents.iter().flat_map(|content| content.members.iter().filter_map(Weak::upgrade)),
        );
        let mut seen = std::collections::HashSet::new();
        members.retain(|member| seen.insert(member.id));

        let merged = VariableBlock::new();
        let mut target = merged.write();
        let bytes = members.iter().map(|member| Memory::round_up(member.bytes().max(1)));
        let bytes = bytes.fold(0, usize::saturating_add);
        let out_of_memory =
            || Error::out_of_memory("what a run keeps of weights and other variables", bytes);
        target.memory = Memory::try_with_room(bytes).ok_or_else(out_of_memory)?;
        for member in members {
            let mut place =
                member.place.lock().expect("no thread panics while it moves a variable");
            let Some(source) = blocks.iter().position(|block| Arc::ptr_eq(block, &place.block))
            else {
                continue; // it moved between the two looks: the caller looks again
            };
            let numbers = &contents[source].bytes()[place.offset..][..member.bytes()];
            let offset = target.memory.append(numbers);
            target.members.push(Arc::downgrade(&member));
            *place = BlockOffset { block: merged.clone(), offset };
        }
        for content in &mut contents {
            content.retired = true;
            content.memory = Memory::default();
        }
        Ok(())
    }

    /// Locks the block for reading.
    pub fn read(&self) -> RwLockReadGuard<'_, Content> {
        self.content.read().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Locks the block for writing.
    pub fn write(&self) -> RwLockWriteGuard<'_, Content> {
        self.content.write().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Content {
    /// Whether the variables have moved to a larger block, so that [`VariableBlock::gather`] has to
    /// be asked again.
    pub fn is_retired(&self) -> bool {
        self.retired
    }

    /// The numbers, variable after variable, each at the start of a cache line.
    pub fn bytes(&self) -> &[u8] {
        self.memory.bytes()
    }

    /// The numbers to write to.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.memory.bytes_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gathering_keeps_values_and_brings_block_mates_along() {
        let [a, b, c] = [1.0_f32, 2.0, 3.0].map(|x| Variable::new("x", Array::scalar(x)));
        let (first, _) = VariableBlock::gather(&[a.clone(), b.clone()]).unwrap();
        let (second, offsets) = VariableBlock::gather(&[c.clone(), b.clone()]).unwrap();
        assert!(first.read().is_retired());
        assert_eq!(offsets, [0, Memory::LINE]);
        assert!(Arc::ptr_eq(&second, &VariableBlock::gather(std::slice::from_ref(&a)).unwrap().0));
        assert_eq!([a, b, c].map(|x| x.value().get(0)), [1.0, 2.0, 3.0]);
    }

    #[test]
    fn a_value_of_another_shape_is_refused() {
        let x = Variable::new("dense/bias", Array::zeros([3], DType::F32));
        let error = x.set(&Array::zeros([4], DType::F32)).unwrap_err();
        error.says("`dense/bias` is f32[3], got f32[4]");
    }

    #[test]
    fn variables_are_shared_between_threads() {
        let variables: Vec<_> =
            (0..8).map(|i| Variable::new("x", Array::scalar(i as f32))).collect();
        std::thread::scope(|scope| {
            for start in 0..4 {
                let variables = &variables;
                scope.spawn(move || VariableBlock::gather(&variables[start..start + 4]).unwrap());
            }
        });
        let values: Vec<f64> = variables.iter().map(|x| x.value().get(0)).collect();
        assert_eq!(values, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    }
}
