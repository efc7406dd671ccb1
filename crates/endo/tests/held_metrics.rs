//! Metrics that a layer holds as a field: each is reported, with its right number, and its options
//! are saved.
//!
//! In: every metric of the library, updated in `call`. Out: what the same metric says when it is
//! compiled.

use endo::prelude::*;

/// Compares a metric that a layer updates with the same when it is asked directly.
fn check<M: Metric + Clone + 'static>(
    what: &str,
    metric: M,
    targets: Array,
    outputs: Array,
    wrong: &mut Vec<String>,
) {
    let held = metric.clone();
    let mut model = Model::new(move |[y, p]: &[Tensor; 2], cx: &mut Context| {
        held.update(y, p, None, cx);
        p.clone()
    });
    model.compile("sgd", "mse", ());
    let data = Dataset::new((targets.clone(), outputs.clone()), outputs.clone()).unwrap();
    model.evaluate(&data).unwrap_or_else(|error| panic!("{what}: {error}"));
    let reported: Vec<Vec<f64>> =
        model.metrics().iter().map(|(_, metric)| metric.value().unwrap().to_vec()).collect();
    metric.reset();
    metric.update_on(&targets, &outputs).unwrap();
    let expected: Vec<f64> = metric.value().unwrap().to_vec();
    let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-6 * (1.0 + b.abs());
    if reported.len() != 1
        || reported[0].len() != expected.len()
        || !reported[0].iter().zip(&expected).all(close)
    {
        wrong.push(format!("{what}: expected {expected:?}, got {reported:?}"));
    }
}

#[test]
fn metrics_that_a_layer_holds_are_reported() {
    let mut wrong = Vec::new();
    let w = &mut wrong;
    let b = || Array::from([[1.0_f32], [0.0], [1.0], [0.0]]);
    let p = || Array::from([[0.9_f32], [0.2], [0.4], [0.6]]);
    let c = || Array::from([0, 1, 2, 1]);
    let q =
        || Array::from([[0.7_f32, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.5, 0.3], [0.1, 0.6, 0.3]]);
    let h =
        || Array::from([[1.0_f32, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]);
    check("Accuracy", Accuracy::new(), b(), b(), w);
    check("Auc", Auc::new(), b(), p(), w);
    check("BinaryAccuracy", BinaryAccuracy::new(), b(), p(), w);
    check("BinaryIoU", BinaryIoU::new(), b(), p(), w);
    check("CategoricalAccuracy", CategoricalAccuracy::new(), h(), q(), w);
    check("ConcordanceCorrelation", ConcordanceCorrelation::new(), h(), q(), w);
    check("F1Score", F1Score::new(), h(), q(), w);
    check("FBetaScore", FBetaScore::new(), h(), q(), w);
    check("FalseNegatives", FalseNegatives::new(), b(), p(), w);
    check("FalsePositives", FalsePositives::new(), b(), p(), w);
    check("IoU", IoU::new(3, [0, 1]), c(), c(), w);
    check("LogCoshError", LogCoshError::new(), b(), p(), w);
    check("MeanIoU", MeanIoU::new(3), c(), c(), w);
    check("OneHotIoU", OneHotIoU::new(3, [0]), h(), q(), w);
    check("OneHotMeanIoU", OneHotMeanIoU::new(3), h(), q(), w);
    check("PearsonCorrelation", PearsonCorrelation::new(), h(), q(), w);
    check("Precision", Precision::new(), b(), p(), w);
    check("PrecisionAtRecall", PrecisionAtRecall::new(0.5), b(), p(), w);
    check("R2Score", R2Score::new(), b(), p(), w);
    check("Recall", Recall::new(), b(), p(), w);
    check("RecallAtPrecision", RecallAtPrecision::new(0.5), b(), p(), w);
    check("RootMeanSquaredError", RootMeanSquaredError::new(), b(), p(), w);
    check("SensitivityAtSpecificity", SensitivityAtSpecificity::new(0.5), b(), p(), w);
    check("SparseCategoricalAccuracy", SparseCategoricalAccuracy::new(), c(), q(), w);
    check("SparseTopK", SparseTopKCategoricalAccuracy::new(), c(), q(), w);
    check("SpecificityAtSensitivity", SpecificityAtSensitivity::new(0.5), b(), p(), w);
    check("TopK", TopKCategoricalAccuracy::new(), h(), q(), w);
    check("TrueNegatives", TrueNegatives::new(), b(), p(), w);
    check("TruePositives", TruePositives::new(), b(), p(), w);
    check("MeanAbsoluteError", MeanMetricWrapper::new(MeanAbsoluteError), b(), p(), w);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn sums_and_means_that_a_layer_takes_values_into_are_reported() {
    let (mean, sum) = (Mean::new("size"), Sum::new("weight"));
    let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
        mean.update(&x.abs(), cx);
        sum.update_weighted(x, &x.square(), cx);
        x.clone()
    });
    model.compile("sgd", "mse", ());
    let logs =
        model.evaluate(&Dataset::new([[1.0_f32], [-3.0]], [[0.0_f32], [0.0]]).unwrap()).unwrap();
    assert_eq!((logs.get("size"), logs.get("weight")), (Some(2.0), Some(1.0 - 27.0)), "{logs}");
}

#[test]
fn an_option_that_was_left_as_it_is_differs_from_one_that_is_set() {
    let path =
        std::env::temp_dir().join(format!("endo-options-{}.safetensors", std::process::id()));
    let compiled = |precision: Precision| {
        let mut model = Model::new(Dense::new(3));
        model.compile("sgd", "mse", [precision]).build([1, 2]).unwrap();
        model
    };
    compiled(Precision::new()).save(&path).unwrap();
    compiled(Precision::new()).load(&path).unwrap();
    let error = compiled(Precision::new().top_k(2)).load(&path).unwrap_err();
    assert!(error.message().contains("`top_k` of the metric `precision` is none in"), "{error}");
    // What was measured need not be measured again.
    let mut other = Model::new(Dense::new(3));
    other.compile("sgd", "mse", ["mae"]).build([1, 2]).unwrap();
    other.load(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn options_of_metrics_are_saved_with_a_model() {
    let path = std::env::temp_dir().join(format!("endo-held-{}.safetensors", std::process::id()));
    let compiled = |threshold: f64| {
        let mut model = Model::new(Dense::new(3).activation("softmax"));
        let metrics = (
            Precision::new().thresholds([0.25, threshold]).class_id(1),
            F1Score::new().average(Averaging::Macro).threshold(threshold),
            BinaryAccuracy::new().threshold(threshold),
            TopKCategoricalAccuracy::new().k(2),
            Auc::new().num_thresholds(50).curve(Curve::Pr).multi_label(true),
            RecallAtPrecision::new(threshold).num_thresholds(20),
            OneHotIoU::new(3, [0, 2]).ignore_class(1),
        );
        model.compile("sgd", "mse", metrics).build([1, 2]).unwrap();
        model
    };
    compiled(0.75).save(&path).unwrap();
    let saved = Saved::read(&path).unwrap();
    assert_eq!(saved.get::<f64>("metric f1_score", "threshold").unwrap(), 0.75);
    assert_eq!(saved.get::<usize>("metric precision", "class_id").unwrap(), 1);
    assert_eq!(saved.get::<usize>("metric top_k_categorical_accuracy", "k").unwrap(), 2);
    assert_eq!(saved.get::<Curve>("metric auc", "curve").unwrap(), Curve::Pr);
    assert_eq!(saved.get::<f64>("metric recall_at_precision", "precision").unwrap(), 0.75);
    assert_eq!(saved.get::<Vec<usize>>("metric one_hot_io_u", "target_class_ids").unwrap(), [0, 2]);
    compiled(0.75).load(&path).unwrap();
    let error = compiled(0.5).load(&path).unwrap_err();
    assert!(error.message().contains("thresholds") && error.message().contains("0.75"), "{error}");
    std::fs::remove_file(&path).unwrap();
}
