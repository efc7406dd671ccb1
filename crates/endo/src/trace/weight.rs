//! The fields of a layer that hold what it learns.
//!
//! In: a name, and in `call` a shape and an initializer. Out: the weight's value as a tensor. The
//! variable is made at first use, when the shape is known: what Keras does in `build`.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::array::Array;
use crate::constraints::{Constraint, IntoConstraint};
use crate::dtype::DType;
use crate::error::Error;
use crate::graph::Tensor;
use crate::initializers::{BorrowedInitializer, GlorotUniform, Initializer};
use crate::named::{Declared, Hyperparameters};
use crate::random::Random;
use crate::regularizers::{IntoRegularizer, Regularizer};
use crate::shape::Shape;
use crate::site::Site;
use crate::spelling;
use crate::variable::Variable;

use super::Context;
use super::record::UsedWeight;

/// A weight of a layer: a field, made at first use. A shared layer shares its weights by plain
/// Rust.
///
/// ```
/// use endo::prelude::*;
///
/// struct MyDense { units: usize, kernel: Weight, bias: Weight }
///
/// impl Layer for MyDense {
///     fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
///         let kernel = self.kernel.get(self, [x.features(), self.units], &GlorotUniform, cx);
///         let bias = self.bias.get(self, [self.units], &Zeros, cx);
///         x.matmul(&kernel) + bias
///     }
/// }
/// ```
pub struct Weight {
    name: String,
    trainable: bool,
    dtype: Option<DType>,
    initializer: Option<Arc<dyn Initializer>>,
    regularizer: Option<Arc<dyn Regularizer>>,
    constraint: Option<Arc<dyn Constraint>>,
    /// Behind an `Arc`, so that a function can tell whether the layer is still there.
    variable: Arc<OnceLock<Variable>>,
}

impl Weight {
    /// A trainable weight, not made yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            trainable: true,
            dtype: None,
            initializer: None,
            regularizer: None,
            constraint: None,
            variable: Arc::default(),
        }
    }

    /// A weight whose variable was made before, such as one that a program in another language
    /// holds. It is a layer's from now on.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let scale = Weight::of("scale", Variable::new("scale", 2.0_f32));
    /// assert_eq!(scale.variable().unwrap().value().item()?, 2.0);
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn of(name: impl Into<String>, variable: Variable) -> Self {
        let (trainable, dtype) = (variable.is_trainable(), Some(variable.dtype()));
        let variable = Arc::new(OnceLock::from(variable.of_layer()));
        Self { trainable, dtype, variable, ..Self::new(name) }
    }

    /// Whether optimizers may change it: moving averages and fixed tables are not trainable.
    #[must_use]
    pub fn trainable(mut self, trainable: bool) -> Self {
        self.trainable = trainable;
        self
    }

    /// The type of its value; the float type of the model unless set. Statistics of data whose
    /// numbers `f32` cannot tell apart are of type `f64`.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// struct Centred { mean: Weight }
    ///
    /// impl Layer for Centred {
    ///     fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
    ///         let mean = self.mean.get(self, (), &Array::scalar(1.7e9), cx);
    ///         (x - mean).cast(cx.dtype())
    ///     }
    /// }
    ///
    /// let model =
    ///     Model::new(Centred { mean: Weight::new("mean").trainable(false).dtype(DType::F64) });
    /// assert_eq!(model.predict(&[[1.7e9 + 0.5]].into())?, [[0.5_f32]].into());
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[must_use]
    pub fn dtype(mut self, dtype: DType) -> Self {
        self.dtype = Some(dtype);
        self
    }

    /// First values, for [`value`](Self::value).
    pub(crate) fn initializer(mut self, initializer: impl Initializer + 'static) -> Self {
        self.initializer = Some(Arc::new(initializer));
        self
    }

    /// The same weight with the first values, the penalty and the projection of another.
    pub(crate) fn like(self, other: &Self) -> Self {
        let (initializer, regularizer) = (other.initializer.clone(), other.regularizer.clone());
        Self { initializer, regularizer, constraint: other.constraint.clone(), ..self }
    }

    /// The initializer that it holds.
    pub(crate) fn first_values(&self) -> &dyn Initializer {
        self.initializer.as_deref().unwrap_or(&GlorotUniform)
    }

    /// Adds a penalty on its value to the loss.
    #[must_use]
    pub fn regularizer<K>(mut self, regularizer: impl IntoRegularizer<K>) -> Self {
        self.regularizer = Some(regularizer.into_regularizer());
        self
    }

    /// Projects its value after every update.
    #[must_use]
    pub fn constraint<K>(mut self, constraint: impl IntoConstraint<K>) -> Self {
        self.constraint = Some(constraint.into_constraint());
        self
    }

    /// Whether it was declared to be trained.
    pub(crate) fn is_trainable(&self) -> bool {
        self.trainable
    }

    /// Its name within its layer.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The variable, once it was made.
    pub fn variable(&self) -> Option<&Variable> {
        self.variable.get()
    }

    /// Its value, of the context's float type unless it has one of its own; made with the
    /// initializer at first use, which is a type such as `&HeNormal`, a closure or a name such as
    /// `"he_normal"`. `owner` is the layer whose field it is, always `self`: by it a `call` that
    /// should have been `apply` is found.
    #[track_caller]
    pub fn get<O: ?Sized, I: Initializer + ?Sized>(
        &self,
        owner: &O,
        shape: impl Into<Shape>,
        initializer: &I,
        cx: &mut Context,
    ) -> Tensor {
        let stranger = (!cx.is_applying(owner)).then(std::any::type_name::<O>);
        self.get_in(stranger, shape.into(), &BorrowedInitializer(initializer), cx, Site::caller())
    }

    /// Its value, as of [`get`](Self::get), made with the initializer that the weight holds, for a
    /// layer of the library, which messages call what users call it.
    #[track_caller]
    pub(crate) fn value<O: Declared>(
        &self,
        owner: &O,
        shape: impl Into<Shape>,
        cx: &mut Context,
    ) -> Tensor {
        self.value_from(owner, shape, self.first_values(), cx)
    }

    /// Its value, as of [`value`](Self::value), made with another initializer.
    #[track_caller]
    pub(crate) fn value_from<O: Declared>(
        &self,
        owner: &O,
        shape: impl Into<Shape>,
        initializer: &dyn Initializer,
        cx: &mut Context,
    ) -> Tensor {
        let stranger = (!cx.is_applying(owner)).then(O::kind);
        self.get_in(stranger, shape.into(), initializer, cx, Site::caller())
    }

    /// Its value, as of [`value`](Self::value), for the layer that is being applied, which is known
    /// to be its own.
    #[track_caller]
    pub(crate) fn value_of_innermost(&self, shape: impl Into<Shape>, cx: &mut Context) -> Tensor {
        self.get_in(None, shape.into(), self.first_values(), cx, Site::caller())
    }

    /// Its value, unless it is asked for by a `stranger`, a type of layer that is not being
    /// applied.
    fn get_in(
        &self,
        stranger: Option<&str>,
        shape: Shape,
        initializer: &dyn Initializer,
        cx: &mut Context,
        site: Site,
    ) -> Tensor {
        let dtype = self.dtype.unwrap_or(cx.dtype());
        if let Some(owner) = stranger {
            let kind = spelling::short_name(owner);
            let message = format!(
                "`{kind}::call` was called directly, so its weight `{}` has no layer to belong to",
                self.name
            );
            let help =
                "write `layer.apply(&x, cx)` where you use a layer; `call` is what you implement";
            return cx.trace().fail(Error::usage(message, help).at(site), shape, dtype);
        }
        if self.variable.get().is_none()
            && let Err(error) = Array::require_room(&shape, dtype)
        {
            return cx.trace().fail(error.at(site), shape, dtype);
        }
        let mut error = None;
        let variable = self.variable.get_or_init(|| {
            let (name, place) = cx.weight_names(&self.name);
            let mut random = Random::new(cx.weight_seed(), stream(&place));
            let first = cx
                .first_value(&self.name, &shape)
                .unwrap_or_else(|| initializer.initialize(&shape, &mut random));
            let value = first.unwrap_or_else(|failure| {
                error = Some(failure);
                Array::zeros(shape.clone(), DType::F32)
            });
            let variable = Variable::new(name, value.cast(dtype)).of_layer();
            variable.set_trainable(self.trainable);
            variable
        });
        if let Some(error) = error {
            cx.trace().record(error.at(site));
        }
        if variable.shape() != &shape {
            let message = format!(
                "weight `{}` was made with shape {}, and is used here with shape {shape}",
                variable.name(),
                variable.shape()
            );
            let help = "a layer keeps the sizes of its first input: use another layer for inputs \
                of another size";
            return cx.trace().fail(Error::shape(message, help).at(site), shape, variable.dtype());
        }
        cx.use_weight(variable, self, initializer);
        cx.change_kernel(&self.name, variable);
        cx.value_of(variable, site)
    }

    /// Adds to its layer's hyperparameters what it begins with, what penalizes it and what it is
    /// held to, where these have names.
    pub(crate) fn note(
        &self,
        initializer: &dyn Initializer,
        hyperparameters: &mut Hyperparameters,
    ) {
        let names = [
            ("initializer", initializer.name()),
            ("regularizer", self.regularizer.as_ref().and_then(|regularizer| regularizer.name())),
            ("constraint", self.constraint.as_ref().and_then(|constraint| constraint.name())),
        ];
        for (kind, name) in names {
            if let Some(name) = name {
                hyperparameters.set(&format!("{}_{kind}", self.name), name);
            }
        }
    }

    /// What a trace keeps of it.
    pub(super) fn used(&self, variable: &Variable, layer: &str) -> UsedWeight {
        let (regularizer, constraint) = (self.regularizer.clone(), self.constraint.clone());
        let (trainable, owner) = (self.trainable, Arc::downgrade(&self.variable));
        UsedWeight {
            variable: variable.clone(),
            trainable,
            owner,
            regularizer,
            constraint,
            penalty: None,
            layer: layer.to_string(),
            owners: Vec::new(),
            outermost: Vec::new(),
        }
    }

    /// Assigns its value within the trace: moving averages.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// /// Counts how often it was run.
    /// struct Counted { runs: Weight }
    ///
    /// impl Layer for Counted {
    ///     fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
    ///         let runs = self.runs.get(self, (), &Zeros, cx);
    ///         self.runs.assign(&(runs + 1), cx);
    ///         x.clone()
    ///     }
    /// }
    ///
    /// let layer = Counted { runs: Weight::new("runs").trainable(false) };
    /// let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
    /// f.run([&Array::scalar(0.0_f32)])?;
    /// f.run([&Array::scalar(0.0_f32)])?;
    /// assert_eq!(layer.runs.variable().unwrap().value().item()?, 2.0);
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn assign(&self, value: &Tensor, cx: &mut Context) {
        match self.variable.get() {
            Some(variable) if !self.trainable && variable.is_trainable() => {
                let name = variable.name();
                let message = format!(
                    "`{name}` was set to be trained, and its layer assigns it itself: an \
                        optimizer would change it too"
                );
                let help = "call `set_trainable(false)` on it; `model.unfreeze()` makes trainable \
                    only what was so before `freeze`";
                cx.trace().record(Error::usage(message, help).at(Site::caller()));
            }
            Some(variable) => cx.assign_at(variable, value, Site::caller()),
            None => {
                let message = format!("weight `{}` is assigned before it was made", self.name);
                let error = Error::usage(message, "`get` it first: that makes it");
                cx.trace().record(error.at(Site::caller()));
            }
        }
    }
}

impl fmt::Debug for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.variable.get() {
            Some(variable) => write!(f, "{variable:?}"),
            None => write!(f, "{}: not made yet", self.name),
        }
    }
}

/// The stream of random numbers that belongs to a name (FNV-1a), so that a weight's first value
/// depends on the seed and its name alone.
pub(crate) fn stream(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
