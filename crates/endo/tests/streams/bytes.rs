//! Images and labels as bytes: one byte each in memory and in batches, and the numbers that
//! integers give.

use endo::data::{BatchAt, NpySamples};
use endo::prelude::*;

use super::folder::Folder;

/// Images of 5 by 4 pixels with a class each.
fn images(samples: usize) -> (Vec<u8>, Vec<u8>) {
    let pixels = (0..samples * 20).map(|i| (i * i * 7 + i / 20 * 31) as u8).collect();
    (pixels, (0..samples).map(|i| (i * i % 3) as u8).collect())
}

fn bytes(samples: usize) -> Dataset {
    let (pixels, labels) = images(samples);
    Dataset::new(Array::new([samples, 5, 4], pixels).unwrap(), labels).unwrap()
}

fn classifier(eager: bool) -> Model {
    let rescale = |x: &Tensor, _: &mut Context| x / 255.0;
    let net = Sequential::new()
        .add(rescale)
        .add(Flatten::new())
        .add(Dense::new(6).activation("relu"))
        .add(Dense::new(3).activation("softmax"));
    let mut model = Model::new(net).seed(2).run_eagerly(eager);
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"]);
    model
}

#[test]
fn bytes_train_and_predict_what_integers_do() {
    let data = bytes(50);
    assert_eq!((data.inputs().dtype(), data.targets().unwrap().dtype()), (DType::U8, DType::U8));
    assert_eq!(data.inputs().bytes().len(), 50 * 20);
    let integers =
        Dataset::new(data.inputs().cast(DType::I32), data.targets().unwrap().cast(DType::I32))
            .unwrap();
    for eager in [false, true] {
        let outcome = |data: &Dataset| {
            let mut model = classifier(eager);
            let history = model.fit(data, Fit::epochs(3).batch_size(16).validation(data)).unwrap();
            let weights: Vec<Array> = model.weights().iter().map(|weight| weight.value()).collect();
            (history.get("val_loss"), weights, model.predict(data.inputs()).unwrap())
        };
        assert!(outcome(&data) == outcome(&integers), "eager: {eager}");
    }
}

#[test]
fn a_predictor_takes_bytes_as_the_model_does() {
    let folder = Folder::new("bytes");
    let data = bytes(300);
    let mut model = classifier(false);
    model.fit(&data, Fit::epochs(1)).unwrap();
    model.export(folder.path("model")).unwrap();
    let predictor = Predictor::load(folder.path("model")).unwrap();
    assert!(predictor.to_string().starts_with("input u8[_, 5, 4]\n"), "{predictor}");
    assert_eq!(predictor.predict(data.inputs()).unwrap(), model.predict(data.inputs()).unwrap());
    assert!(
        predictor
            .predict(&data.inputs().cast(DType::I32))
            .unwrap_err()
            .message()
            .contains("type u8, got i32")
    );
}

#[test]
fn bytes_of_a_file_stay_bytes_until_the_step() {
    let folder = Folder::new("bytes-npy");
    let (pixels, labels) = images(30);
    let write = |name: &str, shape: &str, numbers: &[u8]| {
        let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}");
        let bytes =
            [b"\x93NUMPY\x01\x00\x76\x00", format!("{header:<117}\n").as_bytes(), numbers].concat();
        std::fs::write(folder.path(name), bytes).unwrap();
    };
    write("x.npy", "(30, 5, 4)", &pixels);
    write("y.npy", "(30,)", &labels);
    let files =
        NpySamples::open([folder.path("x.npy")]).unwrap().targets([folder.path("y.npy")]).unwrap();
    let seen = |batch: Dataset, _: BatchAt| {
        assert_eq!(
            (batch.inputs().dtype(), batch.targets().unwrap().dtype()),
            (DType::U8, DType::U8)
        );
        batch
    };
    let losses =
        |stream: Stream<'_>| classifier(false).fit(stream, Fit::epochs(2)).unwrap().get("loss");
    assert_eq!(losses(Stream::samples(files).map(seen)), losses((&bytes(30)).into()));
}

#[test]
fn bytes_are_integers_in_a_graph() {
    let mut function = Function::new(|[x], cx| {
        let byte = cx.constant(Array::from([250_u8, 1, 2]));
        [&x + &byte, x.cast(DType::Bool).cast(DType::I32), x]
    });
    let [sum, truth, same] = function.run([&Array::from([10_u8, 0, 255])]).unwrap();
    assert_eq!(
        (sum, truth, same),
        (Array::from([260, 1, 257]), Array::from([1, 0, 1]), Array::from([10, 0, 255]))
    );
    assert_eq!(Variable::new("count", Array::from([3_u8])).dtype(), DType::I32);
    let mut narrow = Function::new(|[x], _| [x.cast(DType::U8)]);
    let error = narrow.run([&Array::from([1.0_f32])]).unwrap_err();
    assert!(error.message().contains("nothing computes with bytes"), "{error}");
}
