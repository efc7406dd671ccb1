//! The nets that endo is measured on, with made-up data of the sizes that the peers use.
//!
//! In: a name. Out: microseconds a step (the best epoch), trace and plan time, allocations and memory.

use std::sync::OnceLock;
use std::time::Instant;

use endo::prelude::*;
use endo::random::Random;

use crate::allocations;

/// A net, an optimizer and a batch size.
#[derive(Clone, Copy, PartialEq)]
pub enum Workload {
    Regressor,
    MnistMlp,
    WideMlp,
}

struct Regressor {
    hidden: Vec<Dense>,
    reconstruct: OnceLock<Dense>,
    out: Dense,
}

impl Layer for Regressor {
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let z = self.hidden.iter().fold(inputs.clone(), |z, layer| layer.apply(&z, cx));
        let reconstruct = self.reconstruct.get_or_init(|| Dense::new(inputs.features()));
        let error = (reconstruct.apply(&z, cx) - inputs).square().mean();
        cx.add_loss("reconstruction", 0.05 * error);
        self.out.apply(&z, cx)
    }
}

impl Workload {
    pub const ALL: [Workload; 3] = [Workload::Regressor, Workload::MnistMlp, Workload::WideMlp];

    pub fn named(name: &str) -> std::result::Result<Self, String> {
        let known = Self::ALL.map(Self::name);
        Self::ALL
            .into_iter()
            .find(|workload| workload.name() == name)
            .ok_or(format!("no workload `{name}`; known: {}", known.join(", ")))
    }

    fn name(self) -> &'static str {
        match self {
            Workload::Regressor => "regressor",
            Workload::MnistMlp => "mnist-mlp",
            Workload::WideMlp => "wide-mlp",
        }
    }

    /// Widths of the layers, batch size, rows.
    fn sizes(self) -> (&'static [usize], usize, usize) {
        match self {
            Workload::Regressor => (&[8, 30, 30, 30, 30, 30, 1], 32, 11_610),
            Workload::MnistMlp => (&[784, 512, 512, 10], 128, 25_600),
            Workload::WideMlp => (&[1024, 4096, 4096, 1000], 256, 2_560),
        }
    }

    fn model(self, threads: usize) -> Model {
        let (sizes, _, _) = self.sizes();
        let (last, hidden) = sizes[1..].split_last().expect("nets have layers");
        if self == Workload::Regressor {
            let hidden = hidden.iter().map(|&units| Dense::new(units).activation(Selu).kernel_initializer(LecunNormal)).collect();
            let mut model =
                Model::new(Regressor { hidden, reconstruct: OnceLock::new(), out: Dense::new(*last) }).threads(threads);
            model.compile(Nadam::default(), MeanSquaredError, ());
            return model;
        }
        let net = hidden.iter().fold(Sequential::new(), |net, &units| net.add(Dense::new(units).activation(Relu)));
        let mut model = Model::new(net.add(Dense::new(*last))).threads(threads);
        model.compile(Adam::default(), SparseCategoricalCrossentropy::new().from_logits(true), ());
        model
    }

    fn data(self) -> Result<Dataset> {
        let (sizes, _, rows) = self.sizes();
        let mut random = Random::new(0, 0);
        let inputs = sizes[0];
        let x: Vec<f32> = (0..rows * inputs).map(|_| random.normal()).collect();
        if self == Workload::Regressor {
            let y = x.chunks(inputs).map(|row| row[0] + row[1] * row[2]).collect();
            return Dataset::new(Array::new([rows, inputs], x)?, Array::new([rows, 1], y)?);
        }
        let classes = sizes[sizes.len() - 1];
        let y: Vec<i32> = (0..rows).map(|_| random.below(classes) as i32).collect();
        Dataset::new(Array::new([rows, inputs], x)?, Array::from(y))
    }

    /// Trains for some epochs and returns a JSON line: the best epoch's time for a step, as the peers report it.
    pub fn measure(self, threads: usize, epochs: usize) -> Result<String> {
        let (_, batch, rows) = self.sizes();
        let data = self.data()?;
        let mut model = self.model(threads);
        let start = Instant::now();
        let program = model.training_program(&data.rows(0..batch)?)?;
        let trace_ms = start.elapsed().as_secs_f64() * 1e3;
        let arena_bytes = program.plan().arena_bytes();
        drop(program);

        let steps = rows / batch;
        let full = data.rows(0..steps * batch)?;
        let mut loss = 0.0;
        let mut times = Vec::new();
        let mut order = full.order();
        let mut stepper = model.stepper(&full, batch)?;
        let mut allocated = 0;
        for epoch in 0..epochs.max(2) {
            order.shuffle(0, epoch);
            let before = allocations::count();
            let start = Instant::now();
            let mut sum = 0.0;
            for indices in order.batches(batch)? {
                sum += stepper.step(indices)?;
            }
            times.push(start.elapsed().as_secs_f64() / steps as f64);
            allocated = allocations::count() - before;
            loss = sum / steps as f64;
        }
        let best = times.into_iter().fold(f64::INFINITY, f64::min);
        Ok(format!(
            "{{\"workload\": \"{}\", \"threads\": {threads}, \"us_per_step\": {:.2}, \"trace_ms\": {trace_ms:.2}, \
             \"allocations_per_step\": {}, \"arena_bytes\": {arena_bytes}, \"loss\": {loss:.4}}}",
            self.name(),
            best * 1e6,
            allocated / steps
        ))
    }
}
