//! Probes: what happens inside a model while it is trained, seen without a change to its code.
//!
//! In: patterns of paths, and how often. Out: [`Reading`]s. A step that is read runs the plan that
//! it runs without probes, and before it one of the same trace whose outputs are summaries, and
//! which writes and checks nothing; all other steps run the first alone.

mod cost;
mod functions;
mod kept;
mod npy;
mod probe;
mod readings;
mod recorder;
pub(super) mod series;
mod terms;

pub use crate::step::probe_request::ProbeKind;
pub use cost::ProbeCost;
pub(crate) use functions::FunctionProbes;
pub use probe::Probe;
pub use readings::{Histogram, Reading, Statistics};
pub(crate) use recorder::Recorder;
pub use terms::{Cosine, TermGradient, TermReading};

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::prelude::*;
    use crate::step::cache::{StepKind, TracedStep};

    fn data() -> Dataset {
        let x = Array::from_fn([64, 3], |i| (0.7 * i as f32).sin());
        let y = Array::from_fn([64, 1], |i| (0.3 * i as f32).cos());
        Dataset::new(x, y).unwrap()
    }

    fn model() -> Model {
        let mut model =
            Model::new(Sequential::new().add(Dense::new(8).activation("tanh")).add(Dense::new(1)));
        model.compile("nadam", "mse", ["mae"]);
        model
    }

    fn options() -> Fit<'static> {
        Fit::epochs(2)
            .probe(Probe::activations("*").every(3).histogram(5))
            .probe(Probe::terms().every(2))
    }

    /// The steps in which nothing is read, and the others.
    fn steps(model: &Model) -> (Vec<Arc<TracedStep>>, Vec<Arc<TracedStep>>) {
        let steps: Vec<Arc<TracedStep>> = model
            .steps
            .cache
            .known()
            .iter()
            .filter(|step| step.key.kind == StepKind::Train)
            .cloned()
            .collect();
        steps.into_iter().partition(|step| step.key.due.is_empty())
    }

    #[test]
    fn steps_in_which_nothing_is_read_have_the_plan_of_a_training_without_probes() {
        let (mut without, mut with) = (model(), model());
        without.fit(&data(), Fit::epochs(2)).unwrap();
        with.fit(&data(), options()).unwrap();
        let [(plain, _), (unread, read)] = [&without, &with].map(steps);
        assert_eq!((plain.len(), unread.len()), (1, 1));
        assert_eq!(plain[0].program.plan().to_string(), unread[0].program.plan().to_string());
        // Steps 0, 2 and 3 of 4: both probes, the second, the first.
        assert_eq!(read.iter().map(|step| step.key.due.len()).collect::<Vec<_>>(), [2, 1, 1]);
    }

    #[test]
    fn a_first_step_that_is_read_leaves_the_variables_where_they_lie_without_probes() {
        let (mut without, mut with) = (model(), model());
        without.fit(&data(), Fit::epochs(1)).unwrap();
        with.fit(&data(), Fit::epochs(1).probe(Probe::updates("*"))).unwrap();
        let [(plain, _), (unread, _)] = [&without, &with].map(steps);
        assert_eq!(plain[0].program.plan().order(), unread[0].program.plan().order());
    }

    #[test]
    fn such_steps_are_shared_with_trainings_without_probes() {
        let mut model = model();
        model.fit(&data(), Fit::epochs(1)).unwrap();
        let (before, _) = steps(&model);
        model.fit(&data(), options()).unwrap();
        model.fit(&data(), Fit::epochs(1)).unwrap();
        let (after, read) = steps(&model);
        assert!(before.len() == 1 && after.len() == 1 && Arc::ptr_eq(&before[0], &after[0]));
        model.fit(&data(), options()).unwrap();
        assert_eq!(steps(&model).1.len(), read.len(), "those that are read are kept, too");
    }
}
