//! Endo and its peers in turn: a fresh process each, round after round, so that a machine that is
//! slow for a while is slow for all of them. What is quoted is the ratio of two neighbours in time.
//!
//! In: arguments. Out: a JSON line for each pair, and a Markdown table with the machine's name.

use crate::arguments::Arguments;
use crate::contests::{Contest, Side, chosen, contests};
use crate::json_line::JsonLine;
use crate::machine;
use crate::programs::Programs;
use crate::statistics::{Spread, short};
use crate::workloads::Outcome;

/// A load, just before anything is measured, from which on a comparison is not fair.
const BUSY: f64 = 0.5;

/// What the rounds of a contest gave.
struct Result {
    contest: Contest,
    /// Microseconds of endo, one for each round.
    endo: Vec<f64>,
    rivals: Vec<Rival>,
}

/// One of the others.
struct Rival {
    name: &'static str,
    /// Microseconds, one for each round.
    times: Vec<f64>,
    /// The same over those of endo in the same round.
    ratios: Vec<f64>,
    /// Why it was left out.
    reason: Option<String>,
}

/// Runs all rounds and prints what they gave.
///
/// # Errors
/// If nothing is compared with the workload that was asked for, or endo itself fails.
pub fn compare(arguments: &Arguments) -> Outcome<()> {
    let all = contests(machine::cores(), arguments.epochs, arguments.threads);
    let programs = Programs::find(arguments)?;
    let chosen = chosen(all, arguments.workload)?;
    for side in chosen.iter().flat_map(|contest| &contest.rivals) {
        programs.prepare(side);
    }
    let load = machine::load();
    if let Some(load) = load.filter(|load| *load > BUSY) {
        eprintln!(
            "the machine is busy (load {load}): what takes long is interrupted more often, so \
                figures favour the faster program"
        );
    }
    let mut results = Vec::new();
    for contest in chosen {
        let result = rounds(contest, arguments.rounds, |side, threads, field| {
            programs.run(side, threads, field)
        })?;
        for line in result.lines() {
            println!("{line}");
        }
        results.push(result);
    }
    println!("\n{}", table(&results, &machine::name(), arguments.rounds, programs.are_pinned()));
    if let Some(load) = load {
        println!("Load of the machine before: {load}.");
    }
    println!("Versions: endo {}, {}.", env!("CARGO_PKG_VERSION"), programs.versions().join(", "));
    Ok(())
}

/// Runs endo and each of the others in turn. One that fails is left out from then on, with its
/// reason.
fn rounds(
    contest: Contest,
    rounds: usize,
    mut run: impl FnMut(&Side, usize, &str) -> std::result::Result<f64, String>,
) -> Outcome<Result> {
    let rival = |side: &Side| Rival {
        name: side.name,
        times: Vec::new(),
        ratios: Vec::new(),
        reason: None,
    };
    let mut rivals: Vec<Rival> = contest.rivals.iter().map(rival).collect();
    let mut endo = Vec::new();
    for _ in 0..rounds {
        let own = run(&contest.endo, contest.threads, contest.field)?;
        endo.push(own);
        for (side, rival) in
            contest.rivals.iter().zip(&mut rivals).filter(|(_, rival)| rival.reason.is_none())
        {
            match run(side, contest.threads, contest.field) {
                Ok(time) => {
                    rival.times.push(time);
                    rival.ratios.push(time / own);
                }
                Err(reason) => {
                    eprintln!("{}: {} is left out: {reason}", contest.title, side.name);
                    rival.reason = Some(reason);
                }
            }
        }
    }
    Ok(Result { contest, endo, rivals })
}

impl Result {
    /// The others that ran, with their times and ratios.
    fn ran(&self) -> impl Iterator<Item = (&Rival, Spread, Spread)> {
        self.rivals.iter().filter(|rival| rival.reason.is_none()).filter_map(|rival| {
            Some((rival, Spread::of(&rival.times)?, Spread::of(&rival.ratios)?))
        })
    }

    fn lines(&self) -> Vec<JsonLine> {
        let endo = Spread::of(&self.endo).map_or(f64::NAN, |spread| spread.median);
        let line = |(rival, times, ratios): (&Rival, Spread, Spread)| {
            JsonLine::of(&self.contest.title)
                .with("threads", self.contest.threads)
                .with("peer", rival.name)
                .with("rounds", self.endo.len())
                .measured("endo_us", endo)
                .measured("peer_us", times.median)
                .measured("ratio", ratios.median)
                .measured("ratio_least", ratios.least)
                .measured("ratio_greatest", ratios.greatest)
        };
        self.ran().map(line).collect()
    }
}

/// A table for a README, with what it was measured on above and what is missing from it below.
fn table(results: &[Result], machine: &str, rounds: usize, pinned: bool) -> String {
    let pinned = if pinned { ", each kept to as many processors as it has threads" } else { "" };
    let rounds = if rounds == 1 { "1 round".to_string() } else { format!("{rounds} rounds") };
    let mut text = format!(
        "Measured on {machine}: medians (least to greatest) of {rounds} in turn, a fresh process \
            each{pinned}.\n\
         Times in microseconds; the last column is the peer's time over endo's in the same \
         round.\n\n\
         | work | threads | endo | peer | its time | times endo's |\n|---|---|---|---|---|---|\n"
    );
    for result in results {
        let endo = Spread::of(&result.endo).map_or_else(String::new, |spread| spread.to_string());
        for (rival, times, ratios) in result.ran() {
            let Contest { title, threads, .. } = &result.contest;
            text += &format!(
                "| {title} | {threads} | {endo} | {} | {} | **{}** ({} to {}) |\n",
                rival.name,
                short(times.median),
                short(ratios.median),
                short(ratios.least),
                short(ratios.greatest)
            );
        }
    }
    let mut missing: Vec<String> = Vec::new();
    for rival in results.iter().flat_map(|result| &result.rivals) {
        let note = rival.reason.iter().map(|reason| format!("{} ({reason})", rival.name));
        missing.extend(note.filter(|note| !missing.contains(note)).collect::<Vec<_>>());
    }
    if !missing.is_empty() {
        text += &format!("\nLeft out: {}.\n", missing.join("; "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contests::Source;

    fn contest(rivals: &[&'static str]) -> Contest {
        let side = |name| Side { name, source: Source::Endo, arguments: Vec::new() };
        let rivals = rivals.iter().copied().map(side).collect();
        let (workload, field, title) = ("regressor", "us_per_step", "a step".to_string());
        Contest { workload, title, threads: 1, field, endo: side("endo"), rivals }
    }

    #[test]
    fn ratios_are_of_neighbours_in_time() {
        // The machine is twice as slow in the second round, and three times in the third: the ratio
        // is the same.
        let mut times = [10.0, 20.0, 20.0, 40.0, 30.0, 60.0].into_iter();
        let result = rounds(contest(&["jax"]), 3, |_, _, _| Ok(times.next().unwrap())).unwrap();
        let (_, times, ratios) = result.ran().next().unwrap();
        assert_eq!((times.median, ratios.median, ratios.greatest), (40.0, 2.0, 2.0));
        let line = result.lines().remove(0).to_string();
        assert!(line.contains(r#""endo_us": 20.0, "peer_us": 40.0, "ratio": 2.0"#), "{line}");
    }

    #[test]
    fn a_peer_that_cannot_run_is_left_out_with_its_reason() {
        let mut asked = 0;
        let result = rounds(contest(&["torch", "jax"]), 2, |side, _, _| match side.name {
            "torch" => {
                asked += 1;
                Err("No module named 'torch'".to_string())
            }
            "jax" => Ok(30.0),
            _ => Ok(20.0),
        });
        let table = table(&[result.unwrap()], "a machine", 2, false);
        assert_eq!(asked, 1);
        assert!(
            table.contains(
                "| a step | 1 | 20.0 (20.0 to 20.0) | jax | 30.0 | **1.50** (1.50 to 1.50) |\n"
            ),
            "{table}"
        );
        assert!(table.ends_with("\nLeft out: torch (No module named 'torch').\n"), "{table}");
    }

    #[test]
    fn without_endo_there_is_nothing_to_compare() {
        let failed = rounds(contest(&["jax"]), 1, |_, _, _| Err("it ended with 1".to_string()));
        assert_eq!(failed.err().unwrap().to_string(), "it ended with 1");
    }
}
