//! How long probes took.
//!
//! In: the times of the steps that were read, and of the step after each. Out: [`ProbeCost`].

use std::fmt;
use std::time::Duration;

/// How much of the time of a training its probes took: the time of the steps that were read, with
/// their tracing and planning, the readings and the callbacks told of them, less that of as many
/// steps in which nothing was read. Only these steps are measured, and the one after each.
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub struct ProbeCost {
    /// How many steps were read.
    pub steps: usize,
    /// What they took longer than others, in seconds; `None` where every step was read.
    pub seconds: Option<f64>,
    /// What all epochs took, in seconds.
    pub training: f64,
}

/// The times measured so far.
#[derive(Default, Debug)]
pub(super) struct Times {
    /// How many steps were read, and how long they took.
    read: (usize, Duration),
    /// The same of steps in which nothing was read and nothing traced.
    plain: (usize, Duration),
}

impl Times {
    pub fn add_read(&mut self, time: Duration) {
        self.read = (self.read.0 + 1, self.read.1 + time);
    }

    pub fn add_plain(&mut self, time: Duration) {
        self.plain = (self.plain.0 + 1, self.plain.1 + time);
    }

    /// The cost in a training that took a number of seconds; none if nothing was read.
    pub fn cost(&self, training: f64) -> Option<ProbeCost> {
        let (steps, time) = (self.read.0, self.read.1.as_secs_f64());
        let plain = (self.plain.0 > 0).then(|| self.plain.1.as_secs_f64() / self.plain.0 as f64);
        let seconds = plain.map(|plain| (time - steps as f64 * plain).max(0.0));
        (steps > 0).then_some(ProbeCost { steps, seconds, training })
    }
}

impl fmt::Display for ProbeCost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { steps, seconds, training } = *self;
        match seconds {
            Some(seconds) => {
                let share = 100.0 * seconds / training.max(f64::MIN_POSITIVE);
                write!(
                    f,
                    "probes read {steps} steps and took {seconds:.4} of {training:.4} s \
                        ({share:.1} %)"
                )
            }
            None => write!(
                f,
                "probes read all {steps} steps: with none to compare, what they took is not known"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_is_what_steps_took_longer_than_others() {
        let mut times = Times::default();
        assert_eq!(times.cost(1.0), None);
        times.add_read(Duration::from_millis(30));
        assert_eq!(times.cost(0.5), Some(ProbeCost { steps: 1, seconds: None, training: 0.5 }));
        times.add_plain(Duration::from_millis(5));
        times.add_plain(Duration::from_millis(15));
        times.add_read(Duration::from_millis(20));
        let cost = times.cost(0.5).unwrap();
        assert!((cost.seconds.unwrap() - 0.03).abs() < 1e-12);
        assert_eq!(cost.to_string(), "probes read 2 steps and took 0.0300 of 0.5000 s (6.0 %)");
    }
}
