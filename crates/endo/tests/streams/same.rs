//! Streams of the samples of a data set train what the data set does, bit for bit.

use endo::data::{BatchAt, BatchSource, Length, Order, Sampling};
use endo::prelude::*;

use super::{data, model};

/// Every number of a history but how long it took, and the weights.
fn outcome(stream: Stream<'_>, options: Fit<'_>) -> (History, Vec<Array>) {
    let mut model = model();
    let mut history = model.fit(stream, options).unwrap();
    for epoch in &mut history.epochs {
        epoch.seconds = 0.0;
    }
    // A second training goes on as after the first.
    let again = model.fit(&data(50), Fit::epochs(1)).unwrap();
    let mut epoch = again.epochs[0].clone();
    epoch.seconds = 0.0;
    history.epochs.push(epoch);
    (history, model.weights().iter().map(|weight| weight.value()).collect())
}

#[test]
fn samples_by_number_are_those_of_the_data_set() {
    let (train, valid) = (data(70), data(30));
    for shuffle in [true, false] {
        let options = || Fit::epochs(3).batch_size(16).shuffle(shuffle);
        let want = outcome(Stream::from(&train), options().validation(&valid));
        let samples = || Stream::samples(train.clone());
        assert!(outcome(samples(), options().validation(Stream::samples(valid.clone()))) == want);
        assert!(outcome(samples().prefetch(2), options().validation(&valid)) == want);
        let unchanged = |batch: Dataset, _: BatchAt| batch;
        assert!(outcome(Stream::from(&train).map(unchanged), options().validation(&valid)) == want);
        assert!(
            outcome(samples().map(unchanged).prefetch(0), options().validation(&valid)) == want
        );
    }
}

#[test]
fn batches_that_iterators_yield_in_the_same_order_train_the_same() {
    let (train, valid) = (data(70), data(30));
    let shuffled = |pass: usize| {
        let mut order = Order::new(70);
        order.shuffle(3, pass);
        let batches: Vec<Vec<usize>> = order.batches(16).unwrap().map(<[usize]>::to_vec).collect();
        let train = data(70);
        batches.into_iter().map(move |rows| train.take(&rows))
    };
    let want = outcome(Stream::from(&train), Fit::epochs(3).batch_size(16).validation(&valid));
    assert!(
        outcome(
            Stream::by_epoch(shuffled),
            Fit::epochs(3).validation(&valid).validation_batch_size(16)
        ) == want
    );
    let all = (0..3).flat_map(shuffled);
    let options = Fit::epochs(3).steps_per_epoch(5).validation(&valid).validation_batch_size(16);
    assert!(outcome(Stream::from_iterator(all), options) == want);
    let numbered = Stream::from_fn(move |number| shuffled(number / 5).nth(number % 5).unwrap());
    let options = Fit::epochs(3).steps_per_epoch(5).validation(&valid).validation_batch_size(16);
    assert!(outcome(numbered, options) == want);
}

/// A source that says what it is asked.
struct LoggingSource<'a> {
    log: &'a std::sync::Mutex<Vec<String>>,
    left: usize,
}

impl BatchSource for LoggingSource<'_> {
    fn length(&self) -> Length {
        Length::Unknown
    }

    fn sample(&mut self, sampling: Sampling) -> Result<()> {
        self.log
            .lock()
            .unwrap()
            .push(format!("in {}s by {:?}", sampling.batch_size, sampling.seed));
        Ok(())
    }

    fn seek(&mut self, BatchAt { pass, batch }: BatchAt) -> Result<()> {
        self.log.lock().unwrap().push(format!("to {pass} {batch}"));
        self.left = 2 - batch;
        Ok(())
    }

    fn next_batch(&mut self) -> Result<Option<Dataset>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        Ok(Some(data(4)))
    }
}

#[test]
fn a_source_is_told_of_each_pass_once() {
    let log = std::sync::Mutex::new(Vec::new());
    let mut model = model();
    let mut batches = Vec::new();
    let watch = LambdaCallback::new().on_epoch_end(|_, _, training| {
        batches.push(training.batches());
        Ok(())
    });
    model
        .fit(
            Stream::new(LoggingSource { log: &log, left: 0 }),
            Fit::epochs(2).batch_size(7).callback(watch),
        )
        .unwrap();
    model
        .fit(Stream::new(LoggingSource { log: &log, left: 0 }), Fit::epochs(1).shuffle(false))
        .unwrap();
    let want = ["in 7s by Some(3)", "to 0 0", "to 1 0", "in 32s by None", "to 2 0"];
    assert_eq!(*log.lock().unwrap(), want);
    assert_eq!(batches, [Some(2), Some(2)]);
}

#[test]
fn what_is_drawn_for_a_batch_is_its_own_whatever_reads_it() {
    let noisy = |batch: Dataset, at: BatchAt| {
        let mut random = at.random(9);
        let x = batch.inputs();
        batch.with_inputs(Array::from_fn(x.shape(), |i| x.get(i) as f32 + random.normal()))
    };
    let options = || Fit::epochs(3).batch_size(16);
    let want = outcome(Stream::samples(data(70)).map(noisy), options());
    assert!(outcome(Stream::samples(data(70)).map(noisy).prefetch(3), options()) == want);
    assert!(outcome(Stream::samples(data(70)), options()) != want);
}
