//! A process killed at any moment, also while it saves, and started again, ends with the same bits.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use endo::data::BatchAt;
use endo::prelude::*;

use super::folder::Folder;
use super::support::{data, model, numbers};

/// How often processes are killed, if not as often as each test says.
const KILLS: &str = "ENDO_KILLS";

/// Says to the tests that train in a process of their own where to train.
const FOLDER: &str = "ENDO_TEST_FOLDER";

/// What a process leaves: its history, its weights, and the tables that it wrote.
const FILES: [&str; 4] = ["history", "weights", "log.csv", "steps.csv"];

fn options(folder: &Path, epochs: usize) -> Fit<'static> {
    Fit::epochs(epochs)
        .batch_size(16)
        .validation_split(0.2)
        .deny_warnings(true)
        .record_steps(2)
        .callback(CsvLogger::new(folder.join("log.csv")))
        .callback(CsvLogger::new(folder.join("steps.csv")).every(3))
        .callback(BackupAndRestore::new(folder.join("run")).save_freq(2))
}

fn train<'d>(mut model: Model, data: impl Into<Stream<'d>>, options: Fit<'d>, folder: &Path) {
    let history = model.fit(data, options).unwrap();
    fs::write(folder.join("history"), format!("{:?}", numbers(history))).unwrap();
    model.save_weights(folder.join("weights")).unwrap();
}

/// Does nothing as a test of its own.
#[test]
fn trains_in_a_process_of_its_own() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let folder = Path::new(&folder);
        let options = options(folder, 25)
            .probe(Probe::activations("dense*").histogram(5).every(7))
            .probe(Probe::terms().every(4))
            .callback(EarlyStopping::on("val_loss").patience(6).restore_best_weights(true))
            .callback(ReduceLrOnPlateau::on("val_loss").factor(0.5).patience(2));
        train(model(), &data(200), options, folder);
    }
}

/// A generator with its critic as a part, each with an optimizer, averages and draws of its own.
fn gan() -> Model {
    let hidden = || Dense::new(8).activation("softplus");
    let made = Sequential::new().add(hidden()).add(BatchNormalization::new()).add(Dense::new(1));
    let generator = Arc::new(Model::new(made).name("generator").seed(1));
    let judged = Sequential::new().add(hidden()).add(Dropout::new(0.2)).add(Dense::new(1));
    let critic = Arc::new(Model::new(judged).name("critic").seed(2));
    let mut gan = Model::new(generator.clone()).seed(3);
    gan.add_part(critic.clone());
    gan.compile((), (), ());
    let (critic_optimizer, generator_optimizer) =
        (Adam::new(0.01).beta_1(0.5), RmsProp::new(0.005).clipnorm(1.0));
    let distances = Mean::new("mean_distance");
    gan.train_step(move |step, cx| {
        let real = &step.targets()[0];
        let mut distance = None;
        for _ in 0..2 {
            let noise = cx.random().normal(step.inputs().shape(), 0.0, 1.0);
            let epsilon = cx.random().uniform(real.shape(), 0.0, 1.0);
            let fake = generator.apply(&noise, cx).stop_gradient();
            let between = &epsilon * real + (1.0 - &epsilon) * &fake;
            let score = critic.apply(&between, cx).sum();
            let slope = cx.gradients(&score, [&between]).into_tensors().remove(0).unwrap();
            let apart = critic.apply(real, cx).mean() - critic.apply(&fake, cx).mean();
            let penalty = 10.0 * (slope.abs() - 1.0).square().mean();
            let gradients = cx.gradients(&(penalty - &apart), critic.trainable_weights());
            critic_optimizer.apply(&gradients, cx);
            distances.update(&apart, cx);
            distance = Some(apart);
        }
        let generator_loss = -critic.apply(&generator.apply(step.inputs(), cx), cx).mean();
        generator_optimizer
            .apply(&cx.gradients(&generator_loss, generator.trainable_weights()), cx);
        cx.add_metric("largest", real.abs().max());
        Terms::new([("loss", distance.unwrap()), ("generator_loss", generator_loss)])
    });
    gan
}

/// Does nothing as a test of its own.
#[test]
fn trains_a_gan_in_a_process_of_its_own() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let folder = Path::new(&folder);
        let options = options(folder, 15)
            .callback(EarlyStopping::on("val_loss").patience(10).restore_best_weights(true))
            .probe(Probe::weights("*critic*kernel").every(5));
        train(gan(), &data(200), options, folder);
    }
}

/// Does nothing as a test of its own.
#[test]
fn trains_on_a_stream_in_a_process_of_its_own() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let folder = Path::new(&folder);
        let noisy = |batch: Dataset, at: BatchAt| {
            let (x, mut random) = (batch.inputs().clone(), at.random(5));
            batch
                .with_inputs(Array::from_fn(x.shape(), |i| x.get(i) as f32 + 0.1 * random.normal()))
        };
        let (stream, valid) = (Stream::samples(data(200)).map(noisy).prefetch(2), data(40));
        let fit = Fit::epochs(20)
            .batch_size(16)
            .steps_per_epoch(10) // of the 13 batches of a pass
            .validation(&valid)
            .validation_freq(2)
            .callback(CsvLogger::new(folder.join("log.csv")))
            .callback(CsvLogger::new(folder.join("steps.csv")).every(3))
            .callback(BackupAndRestore::new(folder.join("run")).save_freq(2))
            .callback(ReduceLrOnPlateau::on("val_loss").factor(0.5).patience(2));
        train(model(), stream, fit, folder);
    }
}

fn start(test: &str, folder: &Folder) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test]).env(FOLDER, folder.as_ref());
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Kills the process of a test until it was killed often enough, and starts it again each time.
fn is_killed(test: &str, name: &str, kills: u32) {
    let most =
        std::env::var(KILLS).map_or(kills, |number| number.parse().expect("a number of kills"));
    let whole = Folder::new(&format!("whole-{name}"));
    let begin = Instant::now();
    assert!(start(test, &whole).wait().unwrap().success());
    // However fast or busy the machine is, kills are spread over what a process does, its start and
    // its end too.
    let time = begin.elapsed();
    let result = |folder: &Folder| FILES.map(|file| fs::read(folder.path(file)).unwrap());
    let expected = result(&whole);

    let (mut kills, mut resumed, mut round) = (0_u32, 0, 0);
    while kills < most {
        let folder = Folder::new(&format!("killed-{name}-{round}"));
        loop {
            let mut child = start(test, &folder);
            std::thread::sleep(time.mul_f64(f64::from((kills * 37 + round * 11) % 50) / 50.0));
            if child.try_wait().unwrap().is_some() || kills >= most {
                assert!(child.wait().unwrap().success());
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            resumed +=
                u32::from(folder.path("run").exists() || folder.path("run.previous").exists());
        }
        let wrong = |(got, want): (&Vec<u8>, &Vec<u8>)| got != want;
        let wrong: Vec<&str> = FILES
            .into_iter()
            .zip(result(&folder).iter().zip(&expected))
            .filter(|(_, pair)| wrong(*pair))
            .map(|(file, _)| file)
            .collect();
        assert!(wrong.is_empty(), "round {round}, after {kills} kills: {wrong:?}");
        assert!(!folder.path("run").exists() && !folder.path("run.previous").exists());
        round += 1;
    }
    assert!(5 * resumed >= most, "only {resumed} of {kills} kills left something to resume");
}

#[test]
fn a_run_killed_fifty_times_ends_with_the_same_bits() {
    is_killed("killed::trains_in_a_process_of_its_own", "run", 50);
}

#[test]
fn a_gan_killed_ten_times_ends_with_the_same_bits() {
    is_killed("killed::trains_a_gan_in_a_process_of_its_own", "gan", 10);
}

#[test]
fn a_training_on_a_stream_killed_ten_times_ends_with_the_same_bits() {
    is_killed("killed::trains_on_a_stream_in_a_process_of_its_own", "stream", 10);
}
