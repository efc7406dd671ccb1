//! Terms of the loss and metrics of layers whose code one cannot or will not edit.
//!
//! In: a pattern of paths and a function of an output. Out: the same as if the layer had added them at the end of its `call`.

use std::panic::Location;
use std::sync::Arc;

use crate::graph::{Tensor, Tree};
use crate::trace::attached::{Adds, Attached};
use crate::trace::pattern::Pattern;

use super::Model;

impl<I: Tree, O: Tree> Model<I, O> {
    /// Adds a term to the loss for every layer whose path matches a pattern: a scalar made of the layer's output, as if the layer
    /// itself called [`add_loss`](crate::trace::Context::add_loss) at the end of its `call`. Names, the ledger, `cx.losses()` in
    /// loops and `evaluate` treat it so: a layer applied twice adds it twice, the second time as `name_1`. A layer of several outputs
    /// adds one for each, the second as `name_output_1`.
    ///
    /// In the pattern `*` is any run of characters, `/` too, and `?` one: `hidden*` means the layers inside `hidden` as well. It is compared with the full path (`regressor/block/hidden`), with the path
    /// without its first part (`block/hidden`) and with the last part (`hidden`). That no layer matches is a warning, or an error
    /// where warnings are denied.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let data = Dataset::new([[1.0_f32], [-3.0]], [[0.0_f32], [0.0]])?;
    /// let mut model = Model::new(Sequential::new().add(Dense::new(1).kernel_initializer(Ones).name("hidden")));
    /// model.add_loss_at("hid*", "sparsity", |activation| 0.5 * activation.abs().mean());
    /// model.compile("sgd", "mse", ());
    /// let logs = model.evaluate(&data)?;
    /// assert_eq!([logs.get("main"), logs.get("sparsity"), logs.get("loss")], [Some(5.0), Some(1.0), Some(6.0)]);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// Of the first step: a term that is not a scalar, and a name that the layer has used already; at this line.
    #[track_caller]
    pub fn add_loss_at(
        &mut self,
        pattern: &str,
        name: &str,
        term: impl Fn(&Tensor) -> Tensor + Send + Sync + 'static,
    ) -> &mut Self {
        self.attach(pattern, name, Adds::Loss, Box::new(term), Location::caller())
    }

    /// Reports a scalar made of the output of every layer whose path matches a pattern, as if the layer itself called
    /// [`add_metric`](crate::trace::Context::add_metric) at the end of its `call`: a mean over the epoch, which changes no gradient.
    /// Patterns and names are those of [`add_loss_at`](Self::add_loss_at).
    ///
    /// ```
    /// use endo::prelude::*;
    /// let mut model = Model::new(Sequential::new().add(Dense::new(4).activation("relu").name("hidden")).add(Dense::new(1)));
    /// model.add_metric_at("hidden", "active", |activation| activation.greater(0.0).cast(DType::F32).mean());
    /// model.compile("sgd", "mse", ());
    /// let logs = model.evaluate(&Dataset::new([[1.0_f32], [-3.0]], [[0.0_f32], [0.0]])?)?;
    /// assert!((0.0..=1.0).contains(&logs.get("active").unwrap()));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`add_loss_at`](Self::add_loss_at).
    #[track_caller]
    pub fn add_metric_at(
        &mut self,
        pattern: &str,
        name: &str,
        value: impl Fn(&Tensor) -> Tensor + Send + Sync + 'static,
    ) -> &mut Self {
        self.attach(pattern, name, Adds::Metric, Box::new(value), Location::caller())
    }

    fn attach(
        &mut self,
        pattern: &str,
        name: &str,
        adds: Adds,
        value: Box<crate::trace::attached::Value>,
        site: &'static Location<'static>,
    ) -> &mut Self {
        let attached = Attached { pattern: Pattern::new(pattern), name: name.to_string(), adds, value, site };
        self.attached.push(Arc::new(attached));
        self.steps.clear();
        self
    }
}
