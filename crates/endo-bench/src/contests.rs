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
    /// A script in the folder of the peers, by its name.
    Script(&'static str),
    /// `jax_peer.py`, which comes with this program.
    JaxScript,
    /// `nets_peer.py`, which comes with this program, too.
    NetsScript,
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

/// A library that a script runs: what it is called in the table, and by the script.
type Peer = (&'static str, &'static str);

const JAX_SCAN: Peer = ("JAX, an epoch in one scan", "jax-scan");
const JAX_STEP: Peer = ("JAX, jit per step", "jax-step");
const TORCH_COMPILED: Peer = ("PyTorch, compiled", "torch-compile");
const TORCH: Peer = ("PyTorch", "torch-eager");
const KERAS: Peer = ("Keras (TensorFlow)", "keras-tf");
const KERAS_TORCH: Peer = ("Keras (PyTorch)", "keras-torch");

/// Those that are compared on nets larger than the regressor.
const ALL: &[Peer] = &[JAX_SCAN, JAX_STEP, TORCH_COMPILED, TORCH, KERAS];
/// The same for nets with convolutions, which take JAX longer in a scan than step by step: so long
/// that the others would wait for it.
const WITHOUT_SCAN: &[Peer] = ALL.split_at(1).1;

/// The scripts that take a peer's name: dense nets, nets of other layers, and those of them that
/// `layers.py` does not have.
const DENSE: Source = Source::Script("peers.py");
const LAYERS: Source = Source::Script("layers.py");
const NETS: Source = Source::NetsScript;

/// Nets whose steps are large enough for several threads: the workload, what is measured, and the
/// script and peers that it is measured with.
const LARGE_STEPS: &[(&str, &str, Source, &[Peer])] = &[
    ("mnist-mlp", "784-512-512-10, batch 128", DENSE, ALL),
    ("wide-mlp", "1024-4096-4096-1000, batch 256", DENSE, ALL),
    ("lenet", "LeNet, batch 64", LAYERS, WITHOUT_SCAN),
    ("convnet", "four convolutions on images of 32x32x3, batch 64", LAYERS, WITHOUT_SCAN),
    ("resnet", "ResNet-20 on images of 32x32x3, batch 64", NETS, WITHOUT_SCAN),
    ("lstm", "an LSTM of 128 units over 64 steps, batch 32", LAYERS, ALL),
    ("gru", "a GRU of 128 units over 64 steps, batch 32", NETS, ALL),
    ("attention", "a block of attention on 128 steps of 256, batch 16", LAYERS, ALL),
    ("transformer", "four blocks of attention on 64 steps of 128, batch 32", NETS, ALL),
];

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
            with.peer(DENSE, JAX_SCAN, "regressor", one),
            with.peer(DENSE, JAX_STEP, "regressor", one),
            Side { name: "Burn (Flex)", source: Source::Project("burn"), arguments: Vec::new() },
            Side { name: "candle", source: Source::Project("candle"), arguments: Vec::new() },
            with.peer(DENSE, TORCH_COMPILED, "regressor", one),
            with.peer(DENSE, TORCH, "regressor", one),
            with.peer(DENSE, KERAS, "regressor", one),
            with.peer(DENSE, KERAS_TORCH, "regressor", one),
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
    contests.extend(LARGE_STEPS.iter().map(|&(workload, title, script, peers)| Contest {
        workload,
        title: format!("{title}, a step"),
        threads: all,
        field: "us_per_step",
        endo: with.endo(workload, all, None),
        rivals: peers.iter().map(|&peer| with.peer(script, peer, workload, all)).collect(),
    }));
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

    fn peer(&self, source: Source, (name, peer): Peer, workload: &str, threads: usize) -> Side {
        let mut arguments = self.words(workload, threads, None);
        arguments.extend(["--peer".to_string(), peer.to_string()]);
        Side { name, source, arguments }
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
        assert_eq!(threads(None), [[1; 7].as_slice(), &[8; 11]].concat());
        assert_eq!(threads(Some(2)), [2; 18]);
    }

    #[test]
    fn a_workload_chooses_its_contests() {
        let choose = |name| chosen(contests(2, 4, None), Some(Workload::named(name).unwrap()));
        assert_eq!(choose("regressor").unwrap().len(), 6);
        assert_eq!(choose("predict-row").unwrap().len(), 1);
        let script = |name| choose(name).unwrap().remove(0).rivals.remove(0).source;
        assert_eq!(script("wide-mlp"), Source::Script("peers.py"));
        for name in ["lenet", "convnet", "lstm", "attention"] {
            assert_eq!(script(name), Source::Script("layers.py"), "{name}");
        }
        for name in ["resnet", "gru", "transformer"] {
            assert_eq!(script(name), Source::NetsScript, "{name}");
        }
        assert!(
            choose("trace-depth")
                .unwrap_err()
                .starts_with("nothing is compared with `trace-depth`; compared are regressor,")
        );
        assert_eq!(chosen(contests(2, 4, None), None).unwrap().len(), 18);
    }
}
