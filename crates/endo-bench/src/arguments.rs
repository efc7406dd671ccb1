//! The command line.
//!
//! In: its words. Out: [`Arguments`], or a message that says which word is wrong and what there is.

use std::path::PathBuf;

use endo::simd::Level;

use crate::machine;
use crate::nets::Numbers;
use crate::workloads::{MeasureOptions, WORKLOADS, Workload};

/// What was asked for.
pub struct Arguments {
    /// Only the help.
    pub help: bool,
    /// Whether endo is compared with its peers instead of measured alone.
    pub compare: bool,
    /// One workload; all of them if there is none.
    pub workload: Option<&'static Workload>,
    /// Threads; what is usual for a workload if none are given.
    pub threads: Option<usize>,
    /// Passes over the data.
    pub epochs: usize,
    /// Rows in a step.
    pub batch: Option<usize>,
    /// The table of California housing.
    pub data: Option<PathBuf>,
    /// The folder of the peers.
    pub peers: Option<PathBuf>,
    /// How often each program of a comparison is run.
    pub rounds: usize,
    /// The interpreter of the peers in Python.
    pub python: PathBuf,
    /// Which numbers the layers of a net hand on and multiply.
    pub numbers: Numbers,
    /// Numbers of threads for which a step is simulated.
    pub simulated: Vec<usize>,
    /// Whether what each step of a plan takes is measured.
    pub profile: bool,
    /// The highest level of instructions that is used, if it is not the processor's.
    pub level: Option<Level>,
}

impl Arguments {
    /// Reads the words after the program's name.
    ///
    /// # Errors
    /// An unknown word, a value that is missing or no number, or an option that the others make
    /// meaningless.
    pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut words = words.into_iter();
        let (mut peers, mut rounds, mut python) = (None, None, None);
        let mut arguments = Self {
            help: false,
            compare: false,
            workload: None,
            threads: None,
            epochs: 4,
            batch: None,
            data: None,
            peers: None,
            rounds: 5,
            python: "python3".into(),
            numbers: Numbers::default(),
            simulated: Vec::new(),
            profile: false,
            level: None,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                "--help" | "-h" => arguments.help = true,
                "--compare" => arguments.compare = true,
                "--workload" => arguments.workload = Some(Workload::named(&value()?)?),
                "--threads" => arguments.threads = Some(count(&word, &value()?)?),
                "--epochs" => arguments.epochs = count(&word, &value()?)?,
                "--batch" => arguments.batch = Some(count(&word, &value()?)?),
                "--data" => arguments.data = Some(value()?.into()),
                "--peers" => peers = Some(value()?.into()),
                "--rounds" => rounds = Some(count(&word, &value()?)?),
                "--level" => arguments.level = Some(level(&value()?)?),
                "--bf16" => arguments.numbers = numbers(&value()?)?,
                "--profile" => arguments.profile = true,
                "--simulate" => {
                    let numbers = value()?;
                    let numbers = numbers.split(',').map(|number| count(&word, number));
                    arguments.simulated = numbers.collect::<Result<_, _>>()?;
                }
                "--python" => python = Some(value()?.into()),
                _ => {
                    return Err(format!(
                        "unknown argument `{word}`; `--help` lists those that there are"
                    ));
                }
            }
        }
        let given = [
            ("--peers", peers.is_some()),
            ("--rounds", rounds.is_some()),
            ("--python", python.is_some()),
        ];
        if let Some((name, _)) = given.iter().find(|(_, given)| *given && !arguments.compare) {
            return Err(format!("{name} is of a comparison: add --compare"));
        }
        if arguments.compare && (arguments.batch.is_some() || arguments.data.is_some()) {
            return Err("--batch and --data are of single workloads, and a comparison has batch \
                sizes of its own"
                .to_string());
        }
        if arguments.compare && arguments.level.is_some() {
            return Err("--level is of endo alone: leave out --compare".to_string());
        }
        let takes_batch = |workload: &Workload| workload.takes.contains(&"--batch");
        if arguments.batch.is_some() && !arguments.workload.is_some_and(takes_batch) {
            let known: Vec<&str> = WORKLOADS
                .iter()
                .filter(|workload| takes_batch(workload))
                .map(|workload| workload.name)
                .collect();
            return Err(format!("--batch goes with --workload and one of {}", known.join(", ")));
        }
        for (name, given) in [
            ("--simulate", !arguments.simulated.is_empty()),
            ("--profile", arguments.profile),
            ("--bf16", arguments.numbers != Numbers::default()),
        ] {
            let takes = |workload: &Workload| workload.takes.contains(&name);
            if given && (arguments.compare || !arguments.workload.is_some_and(takes)) {
                return Err(format!(
                    "{name} goes with --workload and a net whose bare steps are measured"
                ));
            }
        }
        arguments.peers = peers;
        arguments.rounds = rounds.unwrap_or(arguments.rounds);
        arguments.python = python.unwrap_or(arguments.python);
        Ok(arguments)
    }

    /// How a single workload is measured.
    pub fn options(&self) -> MeasureOptions {
        let threads = self.threads.unwrap_or_else(machine::cores);
        MeasureOptions {
            threads,
            epochs: self.epochs,
            batch: self.batch,
            data: self.data.clone(),
            numbers: self.numbers,
            simulated: self.simulated.clone(),
            profile: self.profile,
        }
    }
}

fn count(argument: &str, text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|&number| number > 0)
        .ok_or(format!("{argument} takes a number of at least 1, got `{text}`"))
}

/// What is rounded to a bfloat16, by the names that the command line has for it.
fn numbers(text: &str) -> Result<Numbers, String> {
    [Numbers::RoundedValues, Numbers::RoundedKernels]
        .into_iter()
        .find(|numbers| numbers.rounded() == Some(text))
        .ok_or(format!("--bf16 takes `values` or `kernels`, got `{text}`"))
}

/// The levels of instructions, by the names that the command line has for them.
const LEVELS: [(&str, Level); 3] =
    [("baseline", Level::Baseline), ("avx2", Level::Avx2), ("avx512", Level::Avx512)];

fn level(text: &str) -> Result<Level, String> {
    let has = |level: &Level| Level::available().any(|available| available == *level);
    let known = || LEVELS.into_iter().filter(|(_, level)| has(level));
    known().find(|(name, _)| *name == text).map(|(_, level)| level).ok_or_else(|| {
        let names: Vec<&str> = known().map(|(name, _)| name).collect();
        format!("--level takes one of those of this processor, {}, got `{text}`", names.join(", "))
    })
}

/// What `--help` prints.
pub fn help() -> String {
    let width = WORKLOADS.iter().map(|workload| workload.name.len()).max().unwrap_or(0);
    let list: Vec<String> = WORKLOADS
        .iter()
        .map(|workload| format!("  {:width$}  {}", workload.name, workload.about))
        .collect();
    format!(
        "\
Measures endo, and prints a JSON line for each result.

  endo-bench [--workload NAME] [--threads N] [--epochs N] [--batch ROWS] [--data FILE] \
  [--level LEVEL] [--bf16 values|kernels] [--simulate N,N] [--profile]
      one workload, or each of them in a process of its own
  endo-bench --compare [--peers DIR] [--python PATH] [--rounds N] [--workload NAME] [--threads N] \
  [--epochs N]
      endo and other libraries in turn, a fresh process each; a Markdown table at the end

Workloads:
{}

  --threads N    threads of the model; all processors unless given
  --epochs N     passes over the data, of which the best counts; 4 unless given
  --batch ROWS   rows in a step of a net, where that is what is measured
  --data FILE    the table of California housing as CSV
  --level LEVEL  the highest vector instructions used: baseline, avx2 or avx512; the processor's
  --bf16 WHAT    what is rounded to a bfloat16: `values` that the layers of a net hand on, or also
                 `kernels` and what they are multiplied by; nothing unless given
  --simulate N,N numbers of threads for which the step of a net is simulated, from the time that
                 each part of it takes one thread here
  --profile      what each step of the plan of a net takes one thread here, the longest first
  --peers DIR    the folder with peers.py, layers.py and a cargo project for each peer in Rust;
                 resnet, gru, transformer and the predictions need none
  --python PATH  the interpreter with jax and others; python3 unless given
  --rounds N     how often each program is run; 5 unless given",
        list.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(line.split_whitespace().map(str::to_string))
    }

    #[test]
    fn without_words_everything_is_measured() {
        let arguments = parse("").unwrap();
        assert!(!arguments.compare && !arguments.help && arguments.workload.is_none());
        assert_eq!(
            arguments.options(),
            MeasureOptions { threads: machine::cores(), epochs: 4, ..Default::default() }
        );
    }

    #[test]
    fn options_of_a_workload_are_read() {
        let arguments =
            parse("--workload regressor --threads 1 --epochs 8 --batch 1024 --data a.csv").unwrap();
        assert_eq!(arguments.workload.map(|workload| workload.name), Some("regressor"));
        let options = MeasureOptions {
            threads: 1,
            epochs: 8,
            batch: Some(1024),
            data: Some("a.csv".into()),
            ..Default::default()
        };
        assert_eq!(arguments.options(), options);
    }

    #[test]
    fn options_of_a_comparison_are_read_in_any_order() {
        let arguments =
            parse("--rounds 3 --peers ../peers --compare --python /venv/python").unwrap();
        assert!(arguments.compare);
        assert_eq!((arguments.rounds, arguments.peers), (3, Some("../peers".into())));
        assert_eq!(arguments.python, PathBuf::from("/venv/python"));
    }

    #[test]
    fn mistakes_name_the_word_and_what_it_takes() {
        let message = |line| parse(line).err().unwrap();
        assert_eq!(message("--epochs 0"), "--epochs takes a number of at least 1, got `0`");
        assert_eq!(message("--threads two"), "--threads takes a number of at least 1, got `two`");
        assert_eq!(message("--batch"), "--batch needs a value");
        assert_eq!(
            message("--quick"),
            "unknown argument `--quick`; `--help` lists those that there are"
        );
        assert!(
            message("--level sse5").starts_with("--level takes one of those of this processor")
        );
        assert!(message("--compare --level avx2").contains("leave out --compare"));
        assert_eq!(parse("--level baseline").unwrap().level, Some(Level::Baseline));
        assert_eq!(message("--rounds 3"), "--rounds is of a comparison: add --compare");
        assert!(
            message("--compare --batch 8")
                .starts_with("--batch and --data are of single workloads")
        );
        let taken = "--batch goes with --workload and one of regressor, regressor-fit, \
            regressor-loop, regressor-probes, mnist-mlp, wide-mlp, lenet, convnet, resnet, \
            mobilenet, lstm, gru, attention, transformer, embedding";
        assert_eq!(
            [message("--batch 8"), message("--batch 8 --workload predict-row")],
            [taken, taken]
        );
        assert!(message("--simulate 8").starts_with("--simulate goes with --workload and a net"));
        assert_eq!(parse("--workload lstm --simulate 8,32").unwrap().simulated, [8, 32]);
        assert!(message("--profile").starts_with("--profile goes with --workload and a net"));
        assert!(parse("--workload lstm --profile").unwrap().options().profile);
        assert!(message("--bf16 values").starts_with("--bf16 goes with --workload and a net"));
        assert!(message("--workload lstm --bf16 all").contains("takes `values` or `kernels`"));
        let halves = parse("--workload lstm --bf16 kernels").unwrap();
        assert_eq!(halves.options().numbers, Numbers::RoundedKernels);
        assert!(message("--workload x").starts_with("no workload `x`; known: regressor, "));
    }

    #[test]
    fn the_help_lists_every_workload() {
        assert!(WORKLOADS.iter().all(|workload| help().contains(workload.about)));
    }
}
