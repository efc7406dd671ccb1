//! Random numbers in traces of tests and predictions: by the seed of the model that draws, and the
//! occasion that each run is told of.
//!
//! In: draws of layers. Out: random states, and for a trace with draws one more input.

use std::rc::Rc;

use crate::array::Array;
use crate::graph::{Tensor, Trace};
use crate::ops::RandomState;
use crate::ops::draws::DrawLog;
use crate::ops::random::folded;
use crate::site::Site;

/// What is drawn in a trace outside training. No variable is read or written.
#[derive(Clone, Debug)]
pub(crate) struct OccasionDraws {
    /// The seed of the innermost model being applied.
    pub seed: u64,
    pub log: Rc<DrawLog>,
    /// The input with the occasion, once something was drawn.
    occasion: Option<Tensor>,
    /// For each seed its counter.
    counters: Vec<(u64, Tensor)>,
}

impl OccasionDraws {
    pub fn new(seed: u64, log: Rc<DrawLog>) -> Self {
        Self { seed, log, occasion: None, counters: Vec::new() }
    }

    /// The random state of a place.
    #[track_caller]
    pub fn random(&mut self, trace: &Rc<Trace>, place: u32) -> RandomState {
        let (seed, site) = (self.seed, Site::caller());
        let known = self
            .counters
            .iter()
            .find(|(known, _)| *known == seed)
            .map(|(_, counter)| counter.clone());
        let counter = known.unwrap_or_else(|| {
            let occasion = self.occasion.get_or_insert_with(|| trace.occasion(site));
            let seed_word = trace.constant(Array::from([folded(seed)]), site);
            let counter = Tensor::concatenate(&[seed_word, occasion.clone()], 0);
            self.counters.push((seed, counter.clone()));
            counter
        });
        RandomState::on_occasion(counter, place, self.log.clone())
    }
}
