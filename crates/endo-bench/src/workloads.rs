//! The table of what can be measured.
//!
//! In: a name and [`MeasureOptions`]. Out: JSON lines, one for each thing measured. The command
//! line, its help and the comparison all go by this table.

use std::error::Error;
use std::path::PathBuf;

use crate::json_line::JsonLine;
use crate::nets::{Net, Numbers};
use crate::{lookups, loops, machine, predictions, probed, steps, traces, whole};

/// What a measurement gives, or why it cannot be made here.
pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// How to measure.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct MeasureOptions {
    /// Threads of the model, and callers at once where there are several.
    pub threads: usize,
    /// Passes over the data; the best one counts.
    pub epochs: usize,
    /// Rows in a step; the net's own number if there is none.
    pub batch: Option<usize>,
    /// The table of California housing, for the workload that reads one.
    pub data: Option<PathBuf>,
    /// Which numbers the layers of a net hand on and multiply.
    pub numbers: Numbers,
    /// Numbers of threads for which a step is simulated; nothing is where there are none.
    pub simulated: Vec<usize>,
    /// Whether what each step of the plan takes is measured instead.
    pub profile: bool,
}

/// Something that is measured.
pub struct Workload {
    /// Its name on the command line and in the lines.
    pub name: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// The options that not every workload takes, of those that this one does.
    pub takes: &'static [&'static str],
    measure: fn(&MeasureOptions) -> Outcome<Vec<JsonLine>>,
}

/// What the bare steps of a net take.
const NET: &[&str] = &["--batch", "--bf16", "--simulate", "--profile"];

/// All of them.
pub const WORKLOADS: &[Workload] = &[
    Workload {
        name: "regressor",
        about: "a bare training step of the book's regressor; --batch ROWS for other sizes than 32",
        takes: NET,
        measure: |options| steps::measure(Net::Regressor, options),
    },
    Workload {
        name: "regressor-fit",
        about: "a step of it in `fit`: progress bar, ledger, metrics, shuffling and validation",
        takes: &["--batch"],
        measure: loops::fit,
    },
    Workload {
        name: "regressor-loop",
        about: "a step of it in a custom loop: `Function`, metrics read at every step",
        takes: &["--batch"],
        measure: loops::custom,
    },
    Workload {
        name: "regressor-probes",
        about: "a step of it in `fit` with all probes every 100 steps, in turn with one without",
        takes: &["--batch"],
        measure: probed::measure,
    },
    Workload {
        name: "mnist-mlp",
        about: "a bare step of 784-512-512-10, batch 128, with its share of what the machine can \
            do",
        takes: NET,
        measure: |options| steps::measure(Net::MnistMlp, options),
    },
    Workload {
        name: "wide-mlp",
        about: "a bare step of 1024-4096-4096-1000, batch 256, with its share of what the machine \
            can do",
        takes: NET,
        measure: |options| steps::measure(Net::WideMlp, options),
    },
    Workload {
        name: "lenet",
        about: "the same of LeNet: 28x28 images, batch 64",
        takes: NET,
        measure: |options| steps::measure(Net::Lenet, options),
    },
    Workload {
        name: "convnet",
        about: "the same of convolutions of 32, 32, 64 and 64 filters and 4096-256-10: 32x32x3 \
            images, batch 64",
        takes: NET,
        measure: |options| steps::measure(Net::Convnet, options),
    },
    Workload {
        name: "resnet",
        about: "the same of ResNet-20: 32x32x3 images, batch 64",
        takes: NET,
        measure: |options| steps::measure(Net::Resnet, options),
    },
    Workload {
        name: "mobilenet",
        about: "the same of a MobileNet of six separable blocks: 32x32x3 images, batch 64",
        takes: NET,
        measure: |options| steps::measure(Net::Mobilenet, options),
    },
    Workload {
        name: "lstm",
        about: "the same of an LSTM of 128 units: 64 steps of 64 features, batch 32",
        takes: NET,
        measure: |options| steps::measure(Net::Lstm, options),
    },
    Workload {
        name: "gru",
        about: "the same of a GRU of 128 units: 64 steps of 64 features, batch 32",
        takes: NET,
        measure: |options| steps::measure(Net::Gru, options),
    },
    Workload {
        name: "attention",
        about: "the same of a block of attention, 4 heads of 64 and 256-1024-256: 128 steps, \
            batch 16",
        takes: NET,
        measure: |options| steps::measure(Net::Attention, options),
    },
    Workload {
        name: "transformer",
        about: "the same of 4 such blocks, 4 heads of 32 and 128-512-128: 64 steps, batch 32",
        takes: NET,
        measure: |options| steps::measure(Net::Transformer, options),
    },
    Workload {
        name: "embedding",
        about: "a bare step of texts of 32 words out of 100,000, vectors of 64, batch 64, by four \
            optimizers",
        takes: &["--batch"],
        measure: lookups::measure,
    },
    Workload {
        name: "predict-table",
        about: "`predict` of the regressor on 20,640 rows",
        takes: &[],
        measure: predictions::table,
    },
    Workload {
        name: "predict-row",
        about: "`predict` on one row at a time, from one thread",
        takes: &[],
        measure: predictions::alone,
    },
    Workload {
        name: "predict-row-shared",
        about: "the same from several threads at once, of one model",
        takes: &[],
        measure: predictions::shared,
    },
    Workload {
        name: "predictor",
        about: "the regressor exported: loading the file, one row, 20,640 rows",
        takes: &[],
        measure: predictions::exported,
    },
    Workload {
        name: "trace-regressor",
        about: "tracing and planning the regressor's step",
        takes: &[],
        measure: traces::regressor,
    },
    Workload {
        name: "trace-depth",
        about: "the same for 10, 100 and 1,000 layers one after another",
        takes: &[],
        measure: traces::depth,
    },
    Workload {
        name: "trace-steps",
        about: "the same of an LSTM over 100, 1,000 and 10,000 steps",
        takes: &[],
        measure: traces::steps,
    },
    Workload {
        name: "whole-process",
        about: "the command `endo` on a table: read, scale, train 20 epochs, evaluate, save; \
            needs --data FILE",
        takes: &["--data"],
        measure: whole::process,
    },
];

impl Workload {
    /// The workload of a name.
    ///
    /// # Errors
    /// If there is none, with the names that there are.
    pub fn named(name: &str) -> Result<&'static Self, String> {
        let known: Vec<&str> = WORKLOADS.iter().map(|workload| workload.name).collect();
        let found = WORKLOADS.iter().find(|workload| workload.name == name);
        found.ok_or_else(|| format!("no workload `{name}`; known: {}", known.join(", ")))
    }

    /// Measures, and adds the greatest memory of this process to each line where the system tells
    /// it.
    pub fn measure(&self, options: &MeasureOptions) -> Outcome<Vec<JsonLine>> {
        let lines = (self.measure)(options)?;
        let resident = machine::peak_resident_mb("self");
        let add = |line: JsonLine| match resident {
            Some(megabytes) if !line.has("resident_mb") => line.measured("resident_mb", megabytes),
            _ => line,
        };
        Ok(lines.into_iter().map(add).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_and_differ() {
        for (index, workload) in WORKLOADS.iter().enumerate() {
            assert_eq!(Workload::named(workload.name).unwrap().about, workload.about);
            assert!(WORKLOADS[..index].iter().all(|other| other.name != workload.name));
        }
        assert!(
            Workload::named("regresor")
                .err()
                .unwrap()
                .starts_with("no workload `regresor`; known: regressor, ")
        );
    }

    #[test]
    fn a_line_says_how_much_memory_the_process_took() {
        let options = MeasureOptions { threads: 1, epochs: 1, ..Default::default() };
        let lines = Workload::named("predict-row").unwrap().measure(&options).unwrap();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].has("resident_mb"), cfg!(target_os = "linux"));
        assert!(lines[0].has("us_per_row"));
    }
}
