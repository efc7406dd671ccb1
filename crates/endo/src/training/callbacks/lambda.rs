//! A callback made of closures.
//!
//! In: a closure for each event that one cares about. Out: a callback that calls them.

use crate::array::Array;
use crate::error::Result;

use super::{Callback, Epoch, Ledger, Logs, Training};

/// Declares a callback of closures: for each event the method that sets its closure, the method of
/// [`Callback`] that calls it, and what both are told.
macro_rules! hooks {
    ($(#[$type_doc:meta])* $Name:ident
     $($(#[$doc:meta])* $set:ident => $event:ident($($told:ident: $Told:ty),+);)+) => {
        $(#[$type_doc])*
        #[derive(Default)]
        pub struct $Name<'a> {
            $($event: Option<Box<dyn FnMut($($Told),+) -> Result<()> + 'a>>,)+
        }

        impl<'a> $Name<'a> {
            /// A callback that does nothing yet.
            pub fn new() -> Self {
                Self::default()
            }

            $(
                $(#[$doc])*
                #[must_use]
                pub fn $set(mut self, call: impl FnMut($($Told),+) -> Result<()> + 'a) -> Self {
                    self.$event = Some(Box::new(call));
                    self
                }
            )+
        }

        impl Callback for $Name<'_> {
            $(
                fn $event(&mut self, $($told: $Told),+) -> Result<()> {
                    self.$event.as_mut().map_or(Ok(()), |call| call($($told),+))
                }
            )+
        }
    };
}

hooks! {
    /// A callback made of closures. Keras's `LambdaCallback`.
    ///
    /// Each closure returns a `Result`: an error ends training, and `fit` returns it. A closure
    /// `|epoch: usize, report: &Epoch| ..` that only looks at the numbers of an epoch is a callback
    /// by itself.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// # let data = Dataset::new(Array::from([[1.0_f32]; 64]), Array::from([[1.0_f32]; 64]))?;
    /// # let mut model = Model::new(Dense::new(1));
    /// # model.compile(Sgd::new(0.1), MeanSquaredError, ());
    /// let mut batches = 0;
    /// let watch = LambdaCallback::new()
    ///     .on_batch_end(|_, _, _| {
    ///         batches += 1;
    ///         Ok(())
    ///     })
    ///     .on_epoch_end(|_, report, training| {
    ///         if report.ledger.total < 1e-9 {
    ///             training.stop();
    ///         }
    ///         Ok(())
    ///     });
    /// let history = model.fit(&data, Fit::epochs(1000).callback(watch))?;
    /// assert_eq!(batches, 2 * history.epochs.len());
    /// # Ok::<(), endo::Error>(())
    /// ```
    LambdaCallback

    /// When training begins.
    on_train_begin => train_begin(training: &Training);

    /// When training is done, or was stopped.
    on_train_end => train_end(training: &Training);

    /// When an epoch begins; epochs count from 0.
    on_epoch_begin => epoch_begin(epoch: usize, training: &Training);

    /// When an epoch is done, validation included.
    on_epoch_end => epoch_end(epoch: usize, report: &Epoch, training: &Training);

    /// When a batch is about to be trained on. Keras's `on_train_batch_begin`.
    on_batch_begin => batch_begin(batch: usize, training: &Training);

    /// When a batch is done; the second argument computes the means of the epoch so far, and
    /// [`batch_ledger`](Training::batch_ledger) of the third the terms of the batch. Keras's
    /// `on_train_batch_end`.
    on_batch_end => batch_end(batch: usize, ledger: &dyn Fn() -> Ledger, training: &Training);

    /// When a validation or evaluation begins.
    on_test_begin => test_begin(training: &Training);

    /// When a batch is about to be tested with.
    on_test_batch_begin => test_batch_begin(batch: usize, training: &Training);

    /// When a batch was tested with; the second argument computes the means of the test so far.
    on_test_batch_end =>
        test_batch_end(batch: usize, ledger: &dyn Fn() -> Ledger, training: &Training);

    /// When a validation or evaluation is done, with what it reports.
    on_test_end => test_end(logs: &Logs, training: &Training);

    /// When a prediction begins.
    on_predict_begin => predict_begin(training: &Training);

    /// When a part of the rows is about to be predicted.
    on_predict_batch_begin => predict_batch_begin(batch: usize, training: &Training);

    /// When a part of the rows was predicted, with an array for each output.
    on_predict_batch_end => predict_batch_end(batch: usize, outputs: &[Array], training: &Training);

    /// When a prediction is done.
    on_predict_end => predict_end(training: &Training);
}
