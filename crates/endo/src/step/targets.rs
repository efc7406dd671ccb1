//! What losses and metrics ask of the numbers of targets, looked for in data before anything is computed.
//!
//! In: data, and the shapes of the model's outputs. Out: nothing, or the error for the first number that is not as it has to be.

use crate::data::Dataset;
use crate::error::Result;
use crate::graph::Tree;
use crate::losses::Targets;
use crate::shape::Shape;

use super::{BATCH_SIZE, Steps};

impl<I: Tree, O: Tree> Steps<I, O> {
    /// Fails when a number of the targets is not what a compiled loss or metric takes: a class out of range, say.
    #[track_caller]
    pub fn check_targets(&self, data: &Dataset) -> Result<()> {
        let compiled = self.compiled()?;
        let targets = data.all_targets();
        if targets.is_empty() || (compiled.losses.is_empty() && compiled.metrics.is_empty()) {
            return Ok(());
        }
        let mut outputs = self.net.output_shapes();
        if outputs.is_empty() {
            self.net.build_on(data.rows(0..BATCH_SIZE.min(data.len()))?.all_inputs())?;
            outputs = self.net.output_shapes();
        }
        // What does not go together by its number is refused when the step is traced.
        for (output, (targets, y_pred)) in targets.iter().zip(outputs).enumerate() {
            let Some(y_pred) = (y_pred.rank() > 0).then(|| y_pred.with(0, targets.shape().batch())) else { continue };
            let name = if output == 0 { "targets".to_string() } else { format!("targets of output {output}") };
            let check = |function: &str, of: &dyn Fn(&Shape, &Shape) -> Targets| {
                of(targets.shape(), &y_pred).check(function, &name, targets)
            };
            let one_for_all = compiled.losses.len() == 1 || data.all_targets().len() == 1;
            for (index, loss) in compiled.losses.iter().enumerate() {
                if one_for_all || index == output {
                    check(loss.name(), &|y_true, y_pred| loss.targets(y_true, y_pred))?;
                }
            }
            for entry in compiled.metrics.iter().filter(|entry| entry.output == output) {
                check(entry.metric.name(), &|y_true, y_pred| entry.metric.targets(y_true, y_pred))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    fn fitted(loss: impl super::super::IntoLosses, labels: [i32; 3]) -> Result<()> {
        let mut model = Model::new(Dense::new(3).activation("softmax"));
        model.compile(Sgd::new(0.1), loss, ());
        let data = Dataset::new(Array::zeros([3, 2], DType::F32), labels)?;
        model.build([3, 2])?;
        let before = model.weights()[1].value();
        let result = model.fit(&data, Fit::epochs(1)).map(|_| ());
        assert_eq!(model.weights()[1].value() == before, result.is_err());
        result
    }

    #[test]
    fn a_class_out_of_range_is_found_before_training() {
        let loss = "sparse_categorical_crossentropy";
        let error = fitted(loss, [0, 2, 3]).unwrap_err();
        let message =
            "targets[2] is 3: row 2, counted from 0; for `sparse_categorical_crossentropy` it is one of 3 classes, 0 to 2";
        assert_eq!((error.kind(), error.message()), (ErrorKind::Data, message));
        assert!(fitted(SparseCategoricalCrossentropy.ignore_class(3), [0, 2, 3]).is_ok());
        assert!(fitted(loss, [0, 2, 1]).is_ok());
    }
}
