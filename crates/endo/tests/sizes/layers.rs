//! Layers, metrics and losses of sizes that no array can have.

use std::sync::Arc;

use endo::prelude::*;

const ABSURD: [usize; 6] =
    [1 << 40, (1 << 61) + 1, 1 << 62, isize::MAX as usize, 1 << 63, usize::MAX];

/// A layer of a size, and the shape of the inputs it is applied to.
type SizedLayer = (&'static str, &'static [usize], fn(usize) -> Arc<dyn Layer>);

const LAYERS: &[SizedLayer] = &[
    ("Dense", &[2, 8], |n| Arc::new(Dense::new(n))),
    ("EinsumDense", &[2, 8], |n| Arc::new(EinsumDense::new("ab,bcd->acd", [n, n]))),
    ("Embedding of many", &[2, 8], |n| Arc::new(Embedding::new(n, 8))),
    ("Embedding of long vectors", &[2, 8], |n| Arc::new(Embedding::new(4, n))),
    ("RepeatVector", &[2, 8], |n| Arc::new(RepeatVector::new(n))),
    ("Reshape", &[2, 8], |n| Arc::new(Reshape::new([(n / 2) as isize, 2]))),
    ("Permute", &[2, 8], |n| Arc::new(Permute::new([n]))),
    ("Conv1D of many filters", &[2, 8, 3], |n| Arc::new(Conv1D::new(n, 2))),
    ("Conv1D of a size", &[2, 8, 3], |n| Arc::new(Conv1D::new(2, n).padding(Padding::Same))),
    ("Conv1D valid", &[2, 8, 3], |n| Arc::new(Conv1D::new(2, n))),
    ("Conv1D causal", &[2, 8, 3], |n| Arc::new(Conv1D::new(2, n).padding(Padding::Causal))),
    ("Conv1D in groups", &[2, 8, 3], |n| Arc::new(Conv1D::new(2, 3).groups(n))),
    ("Conv2D", &[2, 4, 4, 3], |n| Arc::new(Conv2D::new(n, [n, 1]))),
    ("Conv1DTranspose", &[2, 8, 3], |n| Arc::new(Conv1DTranspose::new(n, 2))),
    ("Conv1DTranspose of a size", &[2, 8, 3], |n| Arc::new(Conv1DTranspose::new(2, n))),
    ("Conv1DTranspose of strides", &[2, 8, 3], |n| Arc::new(Conv1DTranspose::new(2, 2).strides(n))),
    ("DepthwiseConv1D", &[2, 8, 3], |n| Arc::new(DepthwiseConv1D::new(2).depth_multiplier(n))),
    ("DepthwiseConv1D of a size", &[2, 8, 3], |n| {
        Arc::new(DepthwiseConv1D::new(n).padding(Padding::Same))
    }),
    ("SeparableConv1D", &[2, 8, 3], |n| Arc::new(SeparableConv1D::new(n, 2).depth_multiplier(n))),
    ("MaxPooling1D", &[2, 8, 3], |n| Arc::new(MaxPooling1D::new(n).padding(Padding::Same))),
    ("MaxPooling1D valid", &[2, 8, 3], |n| Arc::new(MaxPooling1D::new(n))),
    ("AveragePooling1D", &[2, 8, 3], |n| Arc::new(AveragePooling1D::new(n).padding(Padding::Same))),
    ("ZeroPadding1D", &[2, 8, 3], |n| Arc::new(ZeroPadding1D::new(n))),
    ("Cropping1D", &[2, 8, 3], |n| Arc::new(Cropping1D::new(n))),
    ("UpSampling1D", &[2, 8, 3], |n| Arc::new(UpSampling1D::new(n))),
    ("UpSampling2D", &[2, 2, 2, 3], |n| {
        Arc::new(UpSampling2D::new(n).interpolation(Interpolation::Bilinear))
    }),
    ("Resizing", &[2, 2, 2, 3], |n| Arc::new(Resizing::new(n, 2))),
    ("Resizing to the nearest", &[2, 2, 2, 3], |n| {
        Arc::new(Resizing::new(2, n).interpolation(Interpolation::Nearest))
    }),
    ("Resizing with margins", &[2, 2, 2, 3], |n| {
        Arc::new(Resizing::new(n, 1).pad_to_aspect_ratio(true))
    }),
    ("CenterCrop", &[2, 2, 2, 3], |n| Arc::new(CenterCrop::new(n, n))),
    ("RandomCrop", &[2, 2, 2, 3], |n| Arc::new(RandomCrop::new(1, n))),
    ("SimpleRnn", &[2, 3, 4], |n| Arc::new(SimpleRnn::new(n))),
    ("Lstm", &[2, 3, 4], |n| Arc::new(Lstm::new(n))),
    ("Gru", &[2, 3, 4], |n| Arc::new(Gru::new(n))),
    ("Gru, reset before", &[2, 3, 4], |n| Arc::new(Gru::new(n).reset_after(false))),
    ("MultiHeadAttention of many heads", &[2, 3, 4], |n| attention(n, 2)),
    ("MultiHeadAttention of long keys", &[2, 3, 4], |n| attention(2, n)),
    ("MultiHeadAttention that wraps", &[2, 3, 4], |n| attention(n, n)),
    ("GroupNormalization", &[2, 8], |n| {
        Arc::new(GroupNormalization::new().groups((n / 2) as isize))
    }),
    ("LayerNormalization", &[2, 8], |n| {
        Arc::new(LayerNormalization::new().axis([(n / 2) as isize]))
    }),
];

fn attention(heads: usize, size: usize) -> Arc<dyn Layer> {
    let layer = MultiHeadAttention::new(heads, size);
    Arc::new(move |x: &Tensor, cx: &mut Context| layer.apply(&[x.clone(), x.clone()], cx))
}

#[test]
fn a_layer_of_an_absurd_size_is_an_error() {
    for &(name, inputs, make) in LAYERS {
        for size in ABSURD {
            for eager in [false, true] {
                let model = Model::new(make(size)).run_eagerly(eager);
                let outcome = model.predict(&Array::zeros(inputs, DType::F32));
                let error = outcome.err().unwrap_or_else(|| panic!("{name} of {size}: no error"));
                assert!(error.to_string().len() < 1000, "{name} of {size}: {error}");
            }
        }
    }
}

#[test]
fn a_layer_of_no_units_trains() {
    type Empty = (&'static str, &'static [usize], fn() -> Arc<dyn Layer>);
    let layers: [Empty; 6] = [
        ("Dense", &[4, 3], || Arc::new(Dense::new(0))),
        ("Dense with an activation", &[4, 3], || Arc::new(Dense::new(0).activation(Selu))),
        ("Dense after Dense", &[4, 3], || {
            Arc::new(Sequential::new().add(Dense::new(5)).add(Dense::new(0)))
        }),
        ("Lstm", &[4, 2, 3], || Arc::new(Lstm::new(0))),
        ("Gru", &[4, 2, 3], || Arc::new(Gru::new(0))),
        ("SimpleRnn", &[4, 2, 3], || Arc::new(SimpleRnn::new(0))),
    ];
    for (name, inputs, make) in layers {
        for optimizer in ["sgd", "adam", "nadam"] {
            let x = Array::zeros(inputs, DType::F32);
            let mut model = Model::new(Sequential::new().add(make()).add(Dense::new(1)));
            model.compile(optimizer, "mse", ());
            let data = Dataset::new(x.clone(), Array::full([4, 1], 1.0, DType::F32)).unwrap();
            let history =
                model.fit(&data, Fit::epochs(2)).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(history.get("loss")[1] < history.get("loss")[0], "{name}: the bias learns");
            assert_eq!(model.predict(&x).unwrap().shape().sizes(), [4, 1]);
        }
    }
}

#[test]
fn a_loss_of_no_outputs_is_no_number() {
    let mut model = Model::new(Dense::new(0));
    model.compile("sgd", "mse", ());
    let data =
        Dataset::new(Array::zeros([4, 3], DType::F32), Array::zeros([4, 0], DType::F32)).unwrap();
    let error = model.fit(&data, Fit::epochs(1)).unwrap_err();
    assert!(
        error.message().contains("the loss term `main` is not finite; nothing was updated"),
        "{error}"
    );
    assert_eq!(model.predict(&Array::zeros([4, 3], DType::F32)).unwrap().shape().sizes(), [4, 0]);
}

#[test]
fn metrics_of_absurd_sizes_are_errors() {
    let (y_true, y_pred) = (Array::from([[0.0_f32, 1.0]]), Array::from([[0.2_f32, 0.8]]));
    for size in ABSURD {
        let errors = [
            MeanIoU::new(size).update_on(&y_true, &y_pred),
            OneHotMeanIoU::new(size).update_on(&y_true, &y_pred),
            Auc::new().num_thresholds(size).update_on(&y_true, &y_pred),
            SensitivityAtSpecificity::new(0.5).num_thresholds(size).update_on(&y_true, &y_pred),
            Precision::new().top_k(size).update_on(&y_true, &y_pred),
        ];
        for (index, error) in errors.into_iter().enumerate() {
            assert!(error.is_err(), "metric {index} of {size}");
        }
    }
}
