//! Outputs by name or position: which loss, which factor, which targets and which weights belong to
//! which output.
//!
//! In: what a model was compiled with, and the names of its outputs. Out: for each loss its output
//! and its factor; for each output the place of its targets in the data.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::losses::Loss;

use super::compiled::TrainingSetup;
use super::output::{Output, PlacedLoss};

/// Whether these are given by the names of outputs, all or none of them.
fn are_named<'o>(
    what: &str,
    outputs: impl ExactSizeIterator<Item = &'o Option<Output>>,
) -> Result<bool> {
    let count = outputs.len();
    let named = outputs.flatten().count();
    if named > 0 && named < count {
        let message =
            format!("some {what} are given by the name of an output, and some by position");
        return Err(Error::argument(message, "give all of them in the same way"));
    }
    Ok(named > 0)
}

impl TrainingSetup {
    /// Every loss with its output, for outputs of these names.
    pub(super) fn placed_losses(&self, outputs: &[String]) -> Result<Vec<PlacedLoss<'_>>> {
        let entries = &self.losses;
        let named = are_named("losses", entries.iter().map(|entry| &entry.output))?;
        let is_for_all = !named && entries.len() == 1;
        if !named && outputs.len() > 1 && entries.len() > 1 && entries.len() != outputs.len() {
            let message = format!("{} losses for {} outputs", entries.len(), outputs.len());
            let help = "compile with one loss for all outputs, or one for each; `()` stands for \
                none, and `(\"name\", loss)` in a list \
                        for the loss of the output of that name";
            return Err(Error::usage(message, help));
        }
        let mut placed = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let of = match &entry.output {
                Some(output) => {
                    let position = output.find("a loss", outputs)?;
                    position..position + 1
                }
                None if outputs.len() <= 1 => 0..1,
                None if is_for_all => 0..outputs.len(),
                None => index..index + 1,
            };
            for output in of {
                placed.extend(entry.losses.iter().map(|loss| (output, loss)));
            }
        }
        let factors = self.factors(&placed, outputs)?;
        let count = |output: usize| placed.iter().filter(|(known, _)| *known == output).count();
        let several_outputs = outputs.len() > 1;
        let name = |output: usize, loss: &Arc<dyn Loss>| match (several_outputs, count(output)) {
            (true, 1) => outputs[output].clone(),
            (true, _) => format!("{}_{}", outputs[output], loss.name()),
            (false, 1) => "main".to_string(),
            (false, _) => loss.name().to_string(),
        };
        let losses = placed.iter().zip(factors);
        Ok(losses
            .map(|(&(output, loss), factor)| PlacedLoss {
                output,
                loss,
                factor,
                name: name(output, loss),
            })
            .collect())
    }

    /// The factor of each loss.
    fn factors(&self, placed: &[(usize, &Arc<dyn Loss>)], outputs: &[String]) -> Result<Vec<f64>> {
        let weights = &self.loss_weights;
        if are_named("loss weights", weights.iter().map(|(output, _)| output))? {
            let mut factors = vec![1.0; placed.len()];
            for (output, weight) in
                weights.iter().filter_map(|(output, weight)| Some((output.as_ref()?, weight)))
            {
                // Several losses of the only output are told apart by their own names.
                let by_loss = |(_, loss): &(usize, &Arc<dyn Loss>)| {
                    outputs.len() <= 1 && *output == Output::from(loss.name())
                };
                let found: Vec<usize> = match placed.iter().position(by_loss) {
                    Some(index) => vec![index],
                    None => {
                        let position = output.find("a loss weight", outputs)?;
                        (0..placed.len()).filter(|&index| placed[index].0 == position).collect()
                    }
                };
                if found.is_empty() {
                    let Output::Name(name) = output else { continue };
                    let message =
                        format!("a loss weight is for the output `{name}`, which has no loss");
                    let help = "compile it with a loss, or leave the weight out";
                    return Err(Error::usage(message, help));
                }
                for index in found {
                    factors[index] = *weight;
                }
            }
            return Ok(factors);
        }
        let count = if outputs.len() > 1 { outputs.len() } else { placed.len() };
        if !weights.is_empty() && weights.len() != count {
            let message = format!("{} loss weights for {count} losses", weights.len());
            let help = "give `loss_weights` one factor for each compiled loss; terms from inside \
                the model have none";
            return Err(Error::usage(message, help));
        }
        let factor = |(index, &(output, _)): (usize, &(usize, &Arc<dyn Loss>))| {
            let place = if outputs.len() > 1 { output } else { index };
            weights.get(place).map_or(1.0, |(_, weight)| *weight)
        };
        Ok(placed.iter().enumerate().map(factor).collect())
    }

    /// The outputs that a loss or metric compares with targets.
    pub(super) fn compared_outputs(&self, outputs: &[String]) -> Result<Vec<usize>> {
        let mut compared: Vec<usize> =
            self.placed_losses(outputs)?.iter().map(|placed| placed.output).collect();
        for entry in &self.metrics {
            compared.push(
                entry.output.find(&format!("the metric `{}`", entry.metric.name()), outputs)?,
            );
        }
        compared.sort_unstable();
        compared.dedup();
        Ok(compared)
    }

    /// The place of each output's targets among the `targets` of the data: one for each output, or
    /// one for each that is compared with targets.
    pub(super) fn target_places(
        &self,
        outputs: &[String],
        targets: usize,
    ) -> Result<Vec<Option<usize>>> {
        if targets == outputs.len() {
            return Ok((0..targets).map(Some).collect());
        }
        let compared = self.compared_outputs(outputs)?;
        if targets != compared.len() {
            let message =
                format!("the data has {targets} targets, and the model {} outputs", outputs.len());
            let help = if compared.len() == outputs.len() {
                "give one array of targets for each output".to_string()
            } else {
                format!(
                    "give one array of targets for each output, or for the {} with a loss or \
                        metric",
                    compared.len()
                )
            };
            return Err(Error::usage(message, help));
        }
        Ok((0..outputs.len())
            .map(|output| compared.iter().position(|known| *known == output))
            .collect())
    }
}
