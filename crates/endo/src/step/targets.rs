//! What losses and metrics ask of the numbers of targets, looked for in data before anything is
//! computed.
//!
//! In: data, and the shapes of the model's outputs. Out: nothing, or the error for the first number
//! that is not as it has to be.

use std::borrow::Cow;

use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::graph::Tree;
use crate::losses::Targets;
use crate::losses::targets::TargetCover;
use crate::shape::Shape;
use crate::spelling;

use super::batch::weight_at;
use super::compiled::OutputMetric;
use super::{BATCH_SIZE, ClassWeights, Steps};

impl<I: Tree, O: Tree> Steps<I, O> {
    /// The data with targets and sample weights in the order of the model's outputs.
    #[track_caller]
    pub fn arranged<'d>(&self, data: Cow<'d, Dataset>) -> Result<Cow<'d, Dataset>> {
        if !data.has_named_outputs() {
            return Ok(data);
        }
        self.build_for(&data)?;
        let names = self.net.output_names();
        // A custom step may look at all targets.
        let compared = match self.custom.train {
            Some(_) => Vec::new(),
            None => self.compiled()?.compared_outputs(&names)?,
        };
        Ok(Cow::Owned(data.for_outputs(&names, &compared)?))
    }

    /// Fails for a number of the data that is not finite. A label may be NaN where the model has a
    /// mask for its output.
    pub fn check_finite(&self, data: &Dataset) -> Result<()> {
        let (names, masked) = (self.net.output_names(), self.net.masked_outputs());
        let places = match &self.compiled {
            // A custom step may have other targets than the outputs: then none of them is known to
            // be under a mask.
            Some(compiled) if masked.contains(&true) => {
                compiled.target_places(&names, data.all_targets().len()).unwrap_or_default()
            }
            Some(_) | None => Vec::new(),
        };
        let masked = places.iter().zip(masked).filter(|(_, masked)| *masked);
        data.check_finite_but(&masked.filter_map(|(place, _)| *place).collect::<Vec<_>>())
    }

    /// The data with weights by class for outputs, or for the only one. Where it is a part of all,
    /// not all classes need be in it.
    #[track_caller]
    pub fn class_weighted(
        &self,
        data: &Dataset,
        weights: &[ClassWeights],
        is_whole: bool,
    ) -> Result<Dataset> {
        if let [ClassWeights { output: None, weights }] = weights
            && data.all_targets().len() <= 1
        {
            return data.with_class_weights_at(&[(0, weights.clone())], is_whole);
        }
        self.build_for(data)?;
        let names = self.net.output_names();
        let places = self.compiled()?.target_places(&names, data.all_targets().len())?;
        let mut at = Vec::new();
        for ClassWeights { output, weights } in weights {
            let Some(output) = output else {
                let list = spelling::listed(names.iter().map(String::as_str));
                let message = format!(
                    "`class_weight` is for models of one output, and this one has {}: {list}",
                    names.len()
                );
                let help =
                    "say which output the classes are of: `output_class_weight(\"name\", ..)`";
                return Err(Error::usage(message, help));
            };
            let position = output.find("a class weight", &names)?;
            let place = places[position].ok_or_else(|| {
                let message = format!(
                    "class weights are for the output `{}`, which the data has no targets for",
                    names[position]
                );
                Error::usage(message, "give an output that has targets")
            })?;
            at.push((place, weights.clone()));
        }
        data.with_class_weights_at(&at, is_whole)
    }

    /// Builds the model on the first samples of the data if its outputs are not known yet.
    #[track_caller]
    fn build_for(&self, data: &Dataset) -> Result<()> {
        if self.net.output_names().is_empty() {
            self.net.build_on(data.rows(0..BATCH_SIZE.min(data.len()))?.all_inputs())?;
        }
        Ok(())
    }

    /// Fails when a number of the targets is not what a compiled loss or metric takes: a class out
    /// of range, say.
    #[track_caller]
    pub fn check_targets(&self, data: &Dataset) -> Result<()> {
        let compiled = self.compiled()?;
        let targets = data.all_targets();
        if targets.is_empty() || (compiled.losses.is_empty() && compiled.metrics.is_empty()) {
            return Ok(());
        }
        self.build_for(data)?;
        let outputs = self.net.output_shapes();
        // What does not go together is refused when the step is traced.
        let names = self.net.output_names();
        let (Ok(losses), Ok(places)) =
            (compiled.placed_losses(&names), compiled.target_places(&names, targets.len()))
        else {
            return Ok(());
        };
        let masked = self.net.masked_outputs();
        for (output, y_pred) in outputs.iter().enumerate() {
            let place = places.get(output).copied().flatten();
            let Some(place) = place.filter(|_| y_pred.rank() > 0) else { continue };
            let targets = &targets[place];
            let y_pred = y_pred.with(0, targets.shape().batch());
            let weight = weight_at(data.all_sample_weights(), place);
            let covered = TargetCover { weight, masked: masked.get(output) == Some(&true) };
            let name = if output == 0 {
                "targets".to_string()
            } else {
                format!("targets of output {output}")
            };
            let check = |function: &str, of: &dyn Fn(&Shape, &Shape) -> Targets| {
                of(targets.shape(), &y_pred).check(function, &name, targets, covered)
            };
            for placed in losses.iter().filter(|placed| placed.output == output) {
                check(placed.loss.name(), &|y_true, y_pred| placed.loss.targets(y_true, y_pred))?;
            }
            let of_output = |entry: &&OutputMetric| {
                entry.output.find("a metric", &names).is_ok_and(|known| known == output)
            };
            for entry in compiled.metrics.iter().filter(of_output) {
                check(entry.metric.name(), &|y_true, y_pred| entry.metric.targets(y_true, y_pred))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    fn fitted<K>(loss: impl super::super::IntoLosses<K>, labels: [i32; 3]) -> Result<()> {
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
        let message = "targets[2] is 3: row 2, counted from 0; for \
            `sparse_categorical_crossentropy` it is one of 3 classes, 0 to 2";
        assert_eq!((error.kind(), error.message()), (ErrorKind::Data, message));
        assert!(fitted(SparseCategoricalCrossentropy.ignore_class(3), [0, 2, 3]).is_ok());
        assert!(fitted(loss, [0, 2, 1]).is_ok());
    }
}
