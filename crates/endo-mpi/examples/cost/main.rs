//! A model of what a step costs on ranks, fitted to this machine and to the link between two ranks,
//! beside steps that are measured; and what it says of more ranks.
//!
//! In: `mpirun -n 2 cost [--link NAME] [--table] [net]..`; the name is printed alone. Out: what was
//! fitted, predicted and measured, from rank 0; with `--table` steps on 8, 64 and 512 ranks.

mod fit;
mod measure;
mod model;
#[path = "../workloads/mod.rs"]
mod workloads;

use endo::prelude::*;
use endo::shards::Link;
use endo::{Error, ErrorKind};
use endo_mpi::World;

use measure::{Exchange, NetTimes, StepTime};
use model::{LinkCost, NetCost, Route};
use workloads::Workload;

/// Links that this machine does not have, with a latency and a rate as their makers state them or a
/// little worse. The first two are TCP: a message takes half of what it takes over loopback on a
/// busy machine that does both ends, and those that are asked for wait four times the latency and
/// go at half of the rate, as was measured over cables. The third one goes past the kernel.
const STATED: [(&str, LinkCost); 3] = [
    ("1 Gbit/s, 50 us", tcp(50e-6, 1e9)),
    ("25 Gbit/s, 10 us", tcp(10e-6, 25e9)),
    ("100 Gbit/s, 2 us", stated(2e-6, 100e9, 0.5e-6)),
];

const fn tcp(latency: f64, bits: f64) -> LinkCost {
    let link = stated(latency, bits, 5e-6);
    LinkCost { asked: 4.0 * latency, asked_byte: link.byte, ..link }
}

const fn stated(latency: f64, bits: f64, message: f64) -> LinkCost {
    let (byte, eager) = (8.0 / bits, 65536.0);
    LinkCost { latency, message, byte, eager, asked: latency, asked_byte: 0.0, far_byte: 0.0 }
}

const RANKS: [usize; 3] = [8, 64, 512];

struct Options {
    link: String,
    has_table: bool,
    workloads: Vec<&'static Workload>,
}

impl Options {
    fn of(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let refuse = |message: String| {
            let help = "start it as `mpirun -n 2 cost [--link NAME] [--table] [net]..`";
            Err(Error::new(ErrorKind::Argument, message).help(help))
        };
        let (mut link, mut has_table, mut names) = ("of this start".to_string(), false, Vec::new());
        while let Some(word) = words.next() {
            match (word.as_str(), word.starts_with('-')) {
                ("--link", _) => match words.next() {
                    Some(name) => link = name,
                    None => return refuse("`--link` has no name after it".to_string()),
                },
                ("--table", _) => has_table = true,
                (_, true) => return refuse(format!("there is no option `{word}`")),
                (_, false) => names.push(word),
            }
        }
        Ok(Self { link, has_table, workloads: Workload::named(&names)? })
    }
}

fn main() -> Result<()> {
    let options = Options::of(std::env::args().skip(1))?;
    let world = World::start()?;
    if world.ranks() != 2 {
        let message =
            format!("the link is measured between 2 ranks, and there are {}", world.ranks());
        return Err(Error::new(ErrorKind::Usage, message).help("start it by `mpirun -n 2`"));
    }
    let link: std::sync::Arc<dyn Link> = (&world).into();
    let (exchanges, cost, error) = measure::link(&*link)?;
    if world.is_first() {
        print_link(&options.link, &exchanges, &cost, error);
        println!("{STEPS}");
    }
    let mut nets = Vec::new();
    for workload in &options.workloads {
        let times = measure::net(&*link, workload)?;
        for shards in [8, 2] {
            let seconds = measure::step(&world, &*link, workload, shards)?;
            if world.is_first() {
                let (net, step) = (times.of_eighths(workload), StepTime { shards, seconds });
                print_step(&options.link, workload, &net, &step, &cost);
            }
        }
        nets.push((*workload, times));
    }
    if world.is_first() && options.has_table {
        print_table(&nets);
        print_routes(&options.link, &cost, &nets);
    }
    Ok(())
}

/// A time in a unit that suits it.
fn time(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s < 1e-3 => (s * 1e6, "us"),
        s if s < 1.0 => (s * 1e3, "ms"),
        s => (s, "s"),
    };
    let decimals = (2 - value.max(1.0).log10() as i32).max(0) as usize;
    format!("{value:.decimals$} {unit}")
}

/// A number of bytes.
fn size(bytes: f64) -> String {
    match bytes {
        b if b < 1024.0 => format!("{b} B"),
        b if b < 1_048_576.0 => format!("{} KiB", b / 1024.0),
        b => format!("{} MiB", b / 1_048_576.0),
    }
}

fn print_link(name: &str, exchanges: &[Exchange], cost: &LinkCost, error: f64) {
    println!(
        "# Link {name}\n\n| messages | bytes of each | measured | fitted | fitted / measured |"
    );
    println!("|---|---|---|---|---|");
    for Exchange { messages, bytes, seconds } in exchanges {
        let fitted = cost.exchange(*messages as f64, *bytes as f64);
        let (times, ratio) = ([*seconds, fitted].map(time), fitted / seconds);
        println!("| {messages} | {bytes} | {} | {} | {ratio:.2} |", times[0], times[1]);
    }
    let rate = |byte: f64| format!("{:.0} Mbyte/s", 1e-6 / byte);
    println!(
        "\n| link | latency | a message | rate | asked for above | takes more | at a rate of | \
         beyond 4 MiB | error |\n|---|---|---|---|---|---|---|---|---|\n\
         | {name} | {} | {} | {} | {} | {} | {} | {} | {:.0}% |\n",
        time(cost.latency),
        time(cost.message),
        rate(cost.byte),
        size(cost.eager),
        time(cost.asked),
        rate(cost.byte + cost.asked_byte),
        rate(cost.byte + cost.asked_byte + cost.far_byte),
        100.0 * error
    );
}

/// The head of the table of [`print_step`].
const STEPS: &str = "\
| link | net | a shard | update | shards | one rank | 2 ranks | predicted | in two parts |
|---|---|---|---|---|---|---|---|---|";

/// What a step takes, beside what the model says.
fn print_step(
    name: &str,
    workload: &Workload,
    net: &NetCost<'_>,
    step: &StepTime,
    link: &LinkCost,
) {
    let predicted = [net.step(link, 2, step.shards / 2), net.step_in_two(link, 2, step.shards / 2)];
    let [one, two] =
        predicted.map(|of_model| format!("{}: {:.2}", time(of_model), of_model / step.seconds));
    let [shard, update, alone] = [net.shard, net.update, net.alone(step.shards)].map(time);
    println!(
        "| {name} | {} | {shard} | {update} | {} | {alone} | {} | {one} | {two} |",
        workload.name,
        step.shards,
        time(step.seconds)
    );
}

fn links(name: &str, cost: &LinkCost) -> Vec<(String, LinkCost)> {
    let stated = STATED.iter().map(|(name, cost)| (name.to_string(), *cost));
    std::iter::once((name.to_string(), *cost)).chain(stated).collect()
}

/// Steps and efficiencies, where each rank has one shard: the time of one rank for all shards, over
/// the time of all ranks.
fn print_table(nets: &[(&Workload, NetTimes)]) {
    println!(
        "\n| net, rows of a rank | link | 8 ranks | 64 ranks | 512 ranks |\n|---|---|---|---|---|"
    );
    for (workload, times) in nets {
        let shards = [
            (workload.batch / 8, times.of_eighths(workload)),
            (workload.batch, times.of_batches(workload)),
        ];
        for (rows, net) in shards {
            for (name, link) in STATED {
                print!("| {}, {rows} | {name} |", workload.name);
                for ranks in RANKS {
                    let efficiency = |step: f64| net.alone(ranks) / (ranks as f64 * step);
                    let [one, two] = [net.step(&link, ranks, 1), net.step_in_two(&link, ranks, 1)];
                    let both = [one, two].map(efficiency);
                    print!(" {}: {:.2} ({:.2}) |", time(one), both[0], both[1]);
                }
                println!();
            }
        }
    }
}

/// The fastest route of each number of bytes, and what the rule loses against it at most.
fn print_routes(name: &str, cost: &LinkCost, nets: &[(&Workload, NetTimes)]) {
    let Some((_, times)) = nets.last() else { return };
    println!("\n| link | ranks | fastest route | the rule takes at most |\n|---|---|---|---|");
    for (name, link) in links(name, cost) {
        for ranks in [2, 4].into_iter().chain(RANKS) {
            let (mut fastest, mut worst) = (Vec::new(), (1.0, 0.0));
            for power in 8..28 {
                let bytes = f64::from(1 << power);
                let sum = |route: Route| route.sum(&link, ranks, bytes, times.addition);
                let best = Route::ALL.into_iter().min_by(|a, b| sum(*a).total_cmp(&sum(*b)));
                let Some(best) = best else { continue };
                if fastest.last().is_none_or(|(_, route)| *route != best) {
                    fastest.push((bytes, best));
                }
                let loss = sum(Route::of(bytes, ranks)) / sum(best);
                if loss > worst.0 {
                    worst = (loss, bytes);
                }
            }
            let text: Vec<String> = fastest
                .iter()
                .map(|(from, route)| format!("from {} {route:?}", size(*from)))
                .collect();
            let text = text.join(", ");
            println!("| {name} | {ranks} | {text} | {:.2} times, at {} |", worst.0, size(worst.1));
        }
    }
}
