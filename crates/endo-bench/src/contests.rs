//! What is compared with what.
//!
//! In: the number of processors. Out: [`Contest`]s: a workload of endo and the programs that are
//! run in turn with it, each with the number that it prints.

use crate::workloads::Workload;

/// Where a program comes from.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Source {
    /// This program.
    Endo,
    /// `peers.py` in the folder of the peers.
    PeersScript,
    /// `jax_peer.py`, which comes with this program.
    JaxScript,
    /// A cargo project in the folder of the peers, by its name.
    Project(&'static str),
}

/// A program and what it is told.
#[derive(Clone, PartialEq, Debug)]
pub struct Side {
    /// What it is called in the table.
    pub name: &'static str,
    /// Where it comes from.
    pub source: Source,
    /// The words that it is given.
    pub arguments: Vec<String>,
}

/// Programs that do the same work.
#[derive(Clone, PartialEq, Debug)]
pub struct Contest {
    /// The workload that `--workload` chooses it by.
    pub workload: &'static str,
    /// What is measured, in words.
    pub title: String,
    /// The processors that every program may use.
    pub threads: usize,
    /// The number that every program prints, in microseconds.
    pub field: &'static str,
    /// What the others are measured against.
    pub endo: Side,
    /// The others.
    pub rivals: Vec<Side>,
}

/// The batch sizes of the sweep; 32 is in the contest of the step.
const BATCHES: [usize; 5] = [1, 8, 128, 1024, 8192];

/// All contests. Steps of the regressor are too small for several threads and run on one; `threads`
/// replaces both.
pub fn contests(cores: usize, epochs: usize, threads: Option<usize>) -> Vec<Contest> {
    let (one, all) = (threads.unwrap_or(1), threads.unwrap_or(cores));
    let with = Makers { epochs };
    let mut contests = vec![Contest {
        workload: "regressor",
        title: "the book's regressor, a step, batch 32".to_string(),
        threads: one,
        field: "us_per_step",
        endo: with.endo("regressor", one, None),
        rivals: vec![
            Side {
                name: "by hand for AVX-512",
                source: Source::Project("limit"),
                arguments: Vec::new(),
            },
            with.peer("JAX, an epoch in one scan", "jax-scan", "regressor", one),
            with.peer("JAX, jit per step", "jax-step", "regressor", one),
            Side { name: "Burn (Flex)", source: Source::Project("burn"), arguments: Vec::new() },
            Side { name: "candle", source: Source::Project("candle"), arguments: Vec::new() },
            with.peer("PyTorch, compiled", "torch-compile", "regressor", one),
            with.peer("PyTorch", "torch-eager", "regressor", one),
            with.peer("Keras (TensorFlow)", "keras-tf", "regressor", one),
            with.peer("Keras (PyTorch)", "keras-torch", "regressor", one),
            Side { name: "endo's own `fit`", ..with.endo("regressor-fit", one, None) },
        ],
    }];
    contests.push(Contest {
        workload: "regressor-fit",
        title: "the same in `fit`, with validation".to_string(),
        threads: one,
        field: "us_per_step",
        endo: with.endo("regressor-fit", one, None),
        rivals: vec![Side {
            name: "endo, a loop of one's own",
            ..with.endo("regressor-loop", one, None)
        }],
    });
    contests.extend(BATCHES.map(|batch| Contest {
        workload: "regressor",
        title: format!("the regressor, a step, batch {batch}"),
        threads: one,
        field: "us_per_step",
        endo: with.endo("regressor", one, Some(batch)),
        rivals: vec![with.jax("JAX, an epoch in one scan", "regressor", one, Some(batch))],
    }));
    for (workload, title) in
        [("mnist-mlp", "784-512-512-10, batch 128"), ("wide-mlp", "1024-4096-4096-1000, batch 256")]
    {
        contests.push(Contest {
            workload,
            title: format!("{title}, a step"),
            threads: all,
            field: "us_per_step",
            endo: with.endo(workload, all, None),
            rivals: vec![
                with.peer("JAX, an epoch in one scan", "jax-scan", workload, all),
                with.peer("JAX, jit per step", "jax-step", workload, all),
                with.peer("PyTorch, compiled", "torch-compile", workload, all),
                with.peer("PyTorch", "torch-eager", workload, all),
                with.peer("Keras (TensorFlow)", "keras-tf", workload, all),
            ],
        });
    }
    for (workload, title, field) in [
        ("predict-table", "the regressor predicts 20,640 rows", "us_per_table"),
        ("predict-row", "the regressor predicts a row", "us_per_row"),
    ] {
        contests.push(Contest {
            workload,
            title: title.to_string(),
            threads: all,
            field,
            endo: with.endo(workload, all, None),
            rivals: vec![with.jax("JAX, jit", workload, all, None)],
        });
    }
    contests
}

/// The contests of a workload, or all of them.
///
/// # Errors
/// If there is none, with those that there are.
pub fn chosen(all: Vec<Contest>, workload: Option<&Workload>) -> Result<Vec<Contest>, String> {
    let Some(workload) = workload else { return Ok(all) };
    let mut known: Vec<&str> = all.iter().map(|contest| contest.workload).collect();
    known.dedup();
    if !known.contains(&workload.name) {
        return Err(format!(
            "nothing is compared with `{}`; compared are {}",
            workload.name,
            known.join(", ")
        ));
    }
    Ok(all.into_iter().filter(|contest| contest.workload == workload.name).collect())
}

struct Makers {
    epochs: usize,
}

impl Makers {
    fn words(&self, workload: &str, threads: usize, batch: Option<usize>) -> Vec<String> {
        let mut words = vec!["--workload".to_string(), workload.to_string()];
        for (name, value) in
            [("--threads", Some(threads)), ("--epochs", Some(self.epochs)), ("--batch", batch)]
        {
            words.extend(value.into_iter().flat_map(|value| [name.to_string(), value.to_string()]));
        }
        words
    }

    fn endo(&self, workload: &str, threads: usize, batch: Option<usize>) -> Side {
        Side { name: "endo", source: Source::Endo, arguments: self.words(workload, threads, batch) }
    }

    fn jax(
        &self,
        name: &'static str,
        workload: &str,
        threads: usize,
        batch: Option<usize>,
    ) -> Side {
        Side { name, source: Source::JaxScript, arguments: self.words(workload, threads, batch) }
    }

    fn peer(&self, name: &'static str, peer: &str, workload: &str, threads: usize) -> Side {
        let mut arguments = self.words(workload, threads, None);
        arguments.extend(["--peer".to_string(), peer.to_string()]);
        Side { name, source: Source::PeersScript, arguments }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::Arguments;

    #[test]
    fn what_endo_is_told_is_what_it_understands() {
        for contest in contests(2, 4, None) {
            let sides = contest
                .rivals
                .iter()
                .chain([&contest.endo])
                .filter(|side| side.source == Source::Endo);
            for side in sides {
                let arguments = Arguments::parse(side.arguments.iter().cloned()).unwrap();
                assert_eq!((arguments.threads, arguments.epochs), (Some(contest.threads), 4));
                assert!(arguments.workload.is_some());
            }
            assert!(
                Workload::named(contest.workload).is_ok() && !contest.rivals.is_empty(),
                "{}",
                contest.title
            );
        }
    }

    #[test]
    fn small_steps_run_on_one_thread_unless_another_number_is_asked_for() {
        let threads =
            |asked| contests(8, 4, asked).iter().map(|contest| contest.threads).collect::<Vec<_>>();
        assert_eq!(threads(None), [1, 1, 1, 1, 1, 1, 1, 8, 8, 8, 8]);
        assert_eq!(threads(Some(2)), [2; 11]);
    }

    #[test]
    fn a_workload_chooses_its_contests() {
        let choose = |name| chosen(contests(2, 4, None), Some(Workload::named(name).unwrap()));
        assert_eq!(choose("regressor").unwrap().len(), 6);
        assert_eq!(choose("predict-row").unwrap().len(), 1);
        assert!(
            choose("trace-depth")
                .unwrap_err()
                .starts_with("nothing is compared with `trace-depth`; compared are regressor,")
        );
        assert_eq!(chosen(contests(2, 4, None), None).unwrap().len(), 11);
    }
}
