//! Mistakes in layers: sizes that do not fit, terms that are not scalars, names given twice, `call`
//! for `apply`.
//!
//! In: layers written as a user writes them. The line reported is one of this file: it ends with
//! `// <-`.

use std::sync::{Arc, Mutex};

use endo::prelude::*;

use super::{MarkedSite, expect, place, zeros};

/// The line of this file that ends with `// <- mark`.
fn marked(mark: &str) -> MarkedSite<'static> {
    place("layers.rs", include_str!("layers.rs"), mark)
}

/// A layer of a user's own, with a weight for each feature.
struct Scale(Weight);

impl Layer for Scale {
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        inputs * self.0.get(self, [inputs.features()], &Ones, cx) // <- the weight
    }
}

/// A layer around a layer around a product.
struct Net {
    scale: Scale,
    product: Product,
}

struct Product {
    dense: Dense,
}

impl Layer for Product {
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let z = self.dense.apply(inputs, cx); // <- the nested layer
        z.matmul(&inputs.transpose()) // <- the product
    }
}

impl Layer for Net {
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let z = self.scale.apply(inputs, cx);
        self.product.apply(&z, cx)
    }
}

fn net() -> Net {
    Net { scale: Scale(Weight::new("scale")), product: Product { dense: Dense::new(3) } }
}

#[test]
fn a_product_of_wrong_sizes_is_found_at_its_line() {
    expect(
        Model::new(net()).build([4, 5]),
        ErrorKind::Shape,
        "net/product",
        marked("the product"),
        "`matmul` of [4, 3] and [5, 4]: inner sizes 3 and 5 differ",
        "the last axis of the left operand must be as long as the rows of the right one",
    );
}

/// A layer whose weight begins with what a text names.
struct Begun {
    first_values: &'static str,
    weight: Weight,
}

impl Layer for Begun {
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        inputs * self.weight.get(self, [2], self.first_values, cx) // <- the first values
    }
}

#[test]
fn first_values_may_be_named_and_a_name_that_is_none_is_found_at_its_line() {
    let model = |first_values| Model::new(Begun { first_values, weight: Weight::new("scale") });
    let named = model("constant(0.5)");
    named.build([4, 2]).unwrap();
    assert_eq!(named.weights()[0].value(), Array::from([0.5_f32, 0.5]));
    expect(
        model("he_norml").build([4, 2]),
        ErrorKind::Argument,
        "begun",
        marked("the first values"),
        "there is no initializer called `he_norml`",
        "did you mean `he_normal`?",
    );
}

#[test]
fn a_weight_used_with_another_shape_is_found_at_its_line() {
    let scale = Scale(Weight::new("scale"));
    let mut f = Function::new(|[x], cx| [scale.apply(&x, cx)]);
    f.run([&zeros([4, 3])]).unwrap();
    expect(
        f.run([&zeros([4, 5])]),
        ErrorKind::Shape,
        "scale",
        marked("the weight"),
        "weight `scale/scale` was made with shape [3], and is used here with shape [5]",
        "use another layer for inputs of another size",
    );
}

#[test]
fn inputs_of_another_size_are_reported_by_the_nested_layer() {
    let net = Product { dense: Dense::new(3).name("hidden") };
    let model = Model::new(net);
    model.build([3, 3]).unwrap();
    expect(
        model.predict(&zeros([3, 7])),
        ErrorKind::Shape,
        "product/hidden",
        marked("the nested layer"),
        "`product/hidden` was made for 3 features, got 7 in inputs of shape [3, 7]",
        "a layer keeps the number of features of its first input",
    );
}

#[test]
fn a_loss_term_that_is_not_a_scalar_is_refused() {
    let model = Model::new(|x: &Tensor, cx: &mut Context| {
        cx.add_loss("activity", x.square()); // <- the vector
        x.clone()
    });
    expect(
        model.build([4, 5]),
        ErrorKind::Shape,
        "lambda",
        marked("the vector"),
        "the loss term `activity` must be a scalar, got shape [4, 5]",
        "reduce it with `.mean()` or `.sum()`",
    );
}

#[test]
fn a_sample_loss_without_one_value_per_sample_is_refused() {
    let model = Model::new(|x: &Tensor, cx: &mut Context| {
        cx.add_sample_loss("activity", x.mean()); // <- the scalar
        x.clone()
    });
    expect(
        model.build([4, 5]),
        ErrorKind::Shape,
        "lambda",
        marked("the scalar"),
        "the sample loss `activity` has shape [], and has to have one value per sample",
        "reduce all axes but the first",
    );
}

#[test]
fn two_terms_and_two_metrics_of_one_name_are_refused() {
    let model = Model::new(|x: &Tensor, cx: &mut Context| {
        cx.add_loss("activity", x.mean());
        cx.add_loss("activity", x.sum()); // <- the second term
        x.clone()
    });
    expect(
        model.build([4, 5]),
        ErrorKind::Argument,
        "lambda",
        marked("the second term"),
        "two loss terms of one call are called `lambda/activity`",
        "give each a name of its own",
    );
    let model = Model::new(|x: &Tensor, cx: &mut Context| {
        cx.add_metric("mean", x.mean());
        cx.add_metric("mean", x.sum()); // <- the second metric
        x.clone()
    });
    let (message, help) =
        ("two metrics of one call are called `lambda/mean`", "give each a name of its own");
    expect(
        model.build([4, 5]),
        ErrorKind::Argument,
        "lambda",
        marked("the second metric"),
        message,
        help,
    );
}

#[test]
fn call_instead_of_apply_is_reported() {
    let dense = Dense::new(3);
    let model = Model::new(move |x: &Tensor, cx: &mut Context| dense.call(x, cx)); // <- the call
    expect(
        model.build([4, 5]),
        ErrorKind::Usage,
        "lambda",
        marked("the call"),
        "`Dense::call` was called directly, so its weight `kernel` has no layer to belong to",
        "write `layer.apply(&x, cx)` where you use a layer",
    );
    let scale = Scale(Weight::new("scale"));
    let mut f = Function::new(|[x], cx| [scale.call(&x, cx)]);
    let error = f.run([&zeros([4, 5])]).unwrap_err();
    assert_eq!(
        error.message(),
        "`Scale::call` was called directly, so its weight `scale` has no layer to belong to"
    );
}

#[test]
fn call_instead_of_apply_is_reported_by_the_name_that_the_user_knows() {
    fn called(layer: impl Layer + 'static, shape: &[usize]) -> String {
        let model = Model::new(move |x: &Tensor, cx: &mut Context| layer.call(x, cx));
        let error = model.build(shape).unwrap_err();
        error.message().split(" was").next().unwrap().to_string()
    }
    assert_eq!(called(Lstm::new(2), &[1, 2, 3]), "`Lstm::call`");
    assert_eq!(called(Gru::new(2), &[1, 2, 3]), "`Gru::call`");
    assert_eq!(called(Conv1D::new(2, 1), &[1, 2, 3]), "`Conv1D::call`");
    assert_eq!(called(Conv2DTranspose::new(2, 1), &[1, 2, 2, 3]), "`Conv2DTranspose::call`");
    assert_eq!(called(SeparableConv2D::new(2, 1), &[1, 2, 2, 3]), "`SeparableConv2D::call`");
    assert_eq!(called(MultiHeadAttention::new(2, 1), &[1, 2, 3]), "`MultiHeadAttention::call`");
    assert_eq!(called(AdditiveAttention::new(), &[1, 2, 3]), "`AdditiveAttention::call`");
    assert_eq!(called(LayerNormalization::new(), &[1, 3]), "`LayerNormalization::call`");
}

#[test]
fn an_unknown_activation_is_reported_with_the_nearest_one() {
    let dense = Dense::new(3).activation("rellu");
    let model = Model::new(move |x: &Tensor, cx: &mut Context| {
        dense.apply(x, cx) // <- the activation
    });
    expect(
        model.build([4, 5]),
        ErrorKind::Argument,
        "lambda/dense",
        marked("the activation"),
        "there is no activation called `rellu`",
        "did you mean `relu`?",
    );
}

#[test]
fn two_layers_given_one_name_are_refused() {
    let layers = [Dense::new(3).name("hidden"), Dense::new(3).name("hidden")];
    let model = Model::new(move |x: &Tensor, cx: &mut Context| {
        let z = layers[0].apply(x, cx);
        layers[1].apply(&z, cx) // <- the second layer
    });
    expect(
        model.build([4, 5]),
        ErrorKind::Argument,
        "lambda",
        marked("the second layer"),
        "two layers of `lambda` are called `hidden`",
        "give each a name of its own, or leave the names out",
    );
}

/// A layer that is given the layer it applies after it was made, and so may be given itself. It
/// then has to forget it at the end, or neither would ever be dropped.
#[derive(Default)]
struct Around(Mutex<Option<Arc<dyn Layer>>>);

impl Around {
    fn set(&self, inner: Option<Arc<dyn Layer>>) {
        *self.0.lock().unwrap() = inner;
    }
}

impl Layer for Around {
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let inner = self.0.lock().unwrap().clone().unwrap();
        inner.apply(inputs, cx) + inner.apply(&(inputs * 2.0), cx) // <- the layer around itself
    }
}

#[test]
fn a_layer_that_applies_itself_is_named_with_its_line() {
    let around = Arc::new(Around::default());
    around.set(Some(around.clone()));
    let model = Model::new(Sequential::new().add(around.clone()));
    expect(
        model.build([4, 5]),
        ErrorKind::Usage,
        "sequential/around",
        marked("the layer around itself"),
        "`sequential/around` is applied inside itself, as `sequential/around/around`, more than \
            32 times",
        "apply another layer there; a layer may apply itself on other inputs where that comes to \
            an end",
    );
    around.set(None);
}

#[test]
fn layers_that_apply_each_other_are_named_with_the_way_between_them() {
    let layers = [(); 3].map(|()| Arc::new(Around::default()));
    layers[0].set(Some(layers[1].clone()));
    layers[1].set(Some(Arc::new(Sequential::new().add(Dense::new(5)).add(layers[2].clone()))));
    layers[2].set(Some(layers[0].clone()));
    for eager in [false, true] {
        let mut f = Function::new(|[x], cx| [layers[0].apply(&x, cx)]).run_eagerly(eager);
        expect(
            f.run([&zeros([4, 5])]),
            ErrorKind::Usage,
            "around",
            marked("the layer around itself"),
            "`around` is applied inside itself, as `around/around/sequential/around/around`, more \
                than 32 times",
            "apply another layer there",
        );
    }
    for layer in &layers {
        layer.set(None);
    }
}

/// A layer of several outputs that adds the halves of its input until a number of features is left.
struct Halves {
    left: usize,
}

impl Layer<Tensor, (Tensor, Vec<Tensor>)> for Halves {
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> (Tensor, Vec<Tensor>) {
        if inputs.features() == self.left {
            return (inputs.clone(), Vec::new());
        }
        let half = inputs.features() / 2;
        let sum = inputs.slice(1, 0..half) + inputs.slice(1, half..2 * half);
        let (total, mut halves) = self.apply(&sum, cx); // <- the halves
        halves.push(sum);
        (total, halves)
    }
}

#[test]
fn a_layer_may_apply_itself_where_that_comes_to_an_end() {
    let (one, three) = (Halves { left: 1 }, Halves { left: 3 });
    let mut f = Function::new(|[x], cx| [one.apply(&x, cx).0]);
    assert_eq!(
        f.run([&Array::full([1, 1024], 1.0, DType::F32)]).unwrap()[0],
        [[1024.0_f32]].into()
    );
    let mut f = Function::new(|[x], cx| [three.apply(&x, cx).0]);
    expect(
        f.run([&zeros([1, 1024])]),
        ErrorKind::Usage,
        "halves",
        marked("the halves"),
        "`halves` is applied inside itself, as `halves/halves`, more than 32 times",
        "apply another layer there",
    );
}

/// A closure around a closure begins at its address, and both are called alike.
#[test]
fn closures_around_closures_are_not_taken_for_one() {
    fn around(layer: impl Layer) -> impl Layer {
        move |x: &Tensor, cx: &mut Context| layer.apply(x, cx) * 2.0
    }
    let dense = Dense::new(1).kernel_initializer(Ones);
    let one = move |x: &Tensor, cx: &mut Context| dense.apply(x, cx);
    let two = move |x: &Tensor, cx: &mut Context| one.apply(x, cx) * 2.0;
    let three = around(around(move |x: &Tensor, cx: &mut Context| two.apply(x, cx) * 2.0));
    let mut f = Function::new(|[x], cx| [three.apply(&x, cx)]);
    assert_eq!(f.run([&[[1.0_f32]].into()]).unwrap()[0], [[16.0_f32]].into());
}

#[test]
fn a_layer_is_shared_side_by_side_and_many_are_nested() {
    let shared = Arc::new(Dense::new(5));
    let sequential = (0..100).fold(Sequential::new(), |chain, _| chain.add(shared.clone()));
    Model::new(sequential).build([4, 5]).unwrap();

    // Each layer is a few frames of the stack, and those are large where nothing is optimized.
    let build = || {
        let inner = Arc::new(Dense::new(5)) as Arc<dyn Layer>;
        let nested = (0..2_000).fold(inner, |inner, _| Arc::new(Sequential::new().add(inner)));
        Model::new(Sequential::new().add(nested)).build([4, 5]).unwrap();
    };
    std::thread::Builder::new().stack_size(256 << 20).spawn(build).unwrap().join().unwrap();
}
