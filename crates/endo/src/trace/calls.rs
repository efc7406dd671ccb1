//! The calls of layers within a trace: where each begins and ends, what it returns, and which
//! positions of that count.
//!
//! In: a layer, its inputs and its outputs. Out: the records of all layers and their calls, the
//! names of those that made a value, and masks.

use crate::dtype::DType;
use crate::error::Error;
use crate::graph::Tensor;
use crate::named::Hyperparameters;
use crate::shape::Shape;
use crate::site::Site;
use crate::spelling;

use super::context::Context;
use super::record::{LayerRecord, Visit};
use super::scope::Frame;

/// How often a layer may be applied inside itself. A layer that halves its input comes to an end
/// far below, and no call stack is full. Once would be too few: a closure around a closure begins
/// at its address, and both may have one name of a type.
const DEEPEST: usize = 32;

fn identity<L: ?Sized>(layer: &L) -> (usize, &'static str) {
    ((layer as *const L).cast::<()>() as usize, std::any::type_name::<L>())
}

impl Context {
    /// What stands in for an output of a layer that is applied inside itself too often, and so
    /// probably without end. The error is recorded. In a trace that has failed once is too often,
    /// so that a layer that applies itself twice comes to an end too.
    pub(crate) fn stand_in<L: ?Sized>(
        &self,
        layer: &L,
        inputs: &[&Tensor],
        site: Site,
    ) -> Option<Tensor> {
        let mut frames = self.scopes.of(identity(layer));
        let (first, second) = (frames.next()?, frames.next());
        let error = match second {
            Some(second) if frames.count() + 2 > DEEPEST => {
                let message = format!(
                    "`{}` is applied inside itself, as `{}`, more than {DEEPEST} times",
                    first.path, second.path
                );
                let help = "apply another layer there; a layer may apply itself on other inputs \
                    where that comes to an end";
                Error::usage(message, help).in_layer(&*first.path).at(site)
            }
            Some(_) | None => self.trace.error()?,
        };
        let (shape, dtype) = inputs
            .first()
            .map_or((Shape::scalar(), self.dtype), |input| (input.shape().clone(), input.dtype()));
        Some(self.trace.fail(error, shape, dtype))
    }

    /// Begins a layer's call: what `apply` does around `call`.
    pub(crate) fn enter<L: ?Sized>(
        &mut self,
        layer: &L,
        kind: &'static str,
        given: Option<&str>,
        hyperparameters: Hyperparameters,
        batch: Option<usize>,
        site: Site,
    ) {
        if let (None, Some(batch)) = (self.scopes.innermost(), batch) {
            self.batch = batch;
        }
        let identity = identity(layer);
        let named = self.given_name(given);
        let (path, call) =
            self.scopes.enter(identity, kind, named.as_deref()).unwrap_or_else(|name| {
                let message = format!("two layers of `{}` are called `{name}`", self.scopes.path());
                let help =
                    "give each a name of its own, or leave the names out: they are then numbered";
                self.trace.record(Error::argument(message, help).at(site));
                (name, 0)
            });
        self.note_root(kind, given, &path);
        let outside = self.trace.enter(&path, site);
        if call == 0 {
            let kind = spelling::short_name(kind).to_string();
            self.layers.push(LayerRecord {
                path: path.clone(),
                kind,
                hyperparameters,
                outputs: Vec::new(),
                weights: Vec::new(),
            });
        }
        self.scopes.push(Frame { identity, path, call, outside });
    }

    /// Ends a layer's call.
    pub(crate) fn leave(&mut self, outputs: &[&Tensor]) {
        self.add_attached(outputs);
        if let Some(frame) = self.scopes.pop() {
            self.trace.leave(frame.outside);
            let name = frame.path.rsplit('/').next().unwrap_or_default();
            for output in outputs {
                self.makers.entry(output.id()).or_insert_with(|| name.to_string());
            }
            if let Some(record) = self.layers.iter_mut().find(|record| record.path == frame.path) {
                record.outputs = outputs.iter().map(|output| output.shape().clone()).collect();
            }
            let outputs = outputs.iter().map(|&output| output.clone()).collect();
            self.visits.push(Visit { path: frame.path, call: frame.call, outputs });
        }
    }

    /// The name of the innermost layer that returned this value.
    pub(crate) fn maker(&self, tensor: &Tensor) -> Option<&str> {
        self.makers.get(&tensor.id()).map(String::as_str)
    }

    /// Says which positions of a value count (padded time steps do not): truth values that match
    /// its leading axes. Losses and metrics on a model's output leave the others out, and layers
    /// that support masks pass it on.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], cx| {
    ///     cx.set_mask(&x, &x.any_axes(&[-1]));
    ///     [cx.mask(&x).unwrap()]
    /// });
    /// assert_eq!(f.run([&[[1.0_f32, 0.0], [0.0, 0.0]].into()])?[0], Array::from([true, false]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn set_mask(&mut self, tensor: &Tensor, mask: &Tensor) {
        let fits =
            mask.rank() <= tensor.rank() && mask.shape().sizes() == &tensor.shape()[..mask.rank()];
        if !fits || mask.dtype() != DType::Bool {
            let message = format!(
                "a mask {}{} for a tensor of shape {}",
                mask.dtype(),
                mask.shape(),
                tensor.shape()
            );
            let help = "a mask holds truth values, one for each position of the leading axes: \
                `[batch, steps]`";
            return self.trace.record(Error::shape(message, help).at(Site::caller()));
        }
        self.masks.insert(tensor.id(), mask.clone());
    }

    /// Which positions of a value count, if some do not.
    pub fn mask(&self, tensor: &Tensor) -> Option<Tensor> {
        self.masks.get(&tensor.id()).cloned()
    }

    /// Passes the mask of the first input that has one on to the outputs of a layer, where the
    /// layer set none itself. A mask that is lost is reported.
    pub(crate) fn pass_mask(&mut self, inputs: &[&Tensor], outputs: &[&Tensor], supported: bool) {
        let Some(mask) = inputs.iter().find_map(|input| self.mask(input)) else { return };
        for output in outputs.iter().filter(|output| output.rank() >= mask.rank()) {
            let fits = output.shape()[..mask.rank()] == **mask.shape();
            match (self.masks.contains_key(&output.id()), supported && fits) {
                (true, _) => {}
                (false, true) => {
                    self.masks.insert(output.id(), mask.clone());
                }
                (false, false) => {
                    let path = self.scopes.path();
                    self.trace.warn(format!(
                        "`{path}` does not pass on the mask of its input: its \
                            outputs count at every position"
                    ));
                }
            }
        }
    }

    /// The layers applied so far, outer before inner, in the order of their first call.
    pub fn layers(&self) -> &[LayerRecord] {
        &self.layers
    }

    /// The calls of layers that have ended so far, with their outputs.
    pub(crate) fn visits(&self) -> &[Visit] {
        &self.visits
    }

    /// Makes the outputs of the calls since the first `before` of them, in the steps of a loop,
    /// those of all steps, stacked, or those of the only one.
    pub(super) fn stack_visits(&mut self, before: usize, scan: &Tensor, once: bool) {
        for visit in &mut self.visits[before..] {
            for output in &mut visit.outputs {
                *output = self.trace.stacked(scan.id(), output.id(), Site::caller());
                if once {
                    *output = output.reshape(output.shape().without(&[0]));
                }
            }
        }
    }

    /// Leaves out the calls since the first `before` of them.
    pub(super) fn drop_visits(&mut self, before: usize) {
        self.visits.truncate(before);
    }

    /// Whether the innermost layer being applied is this one.
    pub(crate) fn is_applying<O: ?Sized>(&self, owner: &O) -> bool {
        self.scopes.innermost().is_some_and(|frame| frame.identity == identity(owner))
    }
}
