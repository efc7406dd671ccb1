//! Models of several nets and custom steps, against PyTorch in double precision: three steps each
//! of a Wasserstein GAN with gradient penalty, a variational autoencoder, a distillation, a triplet
//! loss and MAML; and a generator's own losses by hand.
//!
//! In: `references/references.json`, made by `references/make_references.py`. Every term and every
//! weight has to agree to 1e-9.

use std::sync::Arc;

use endo::prelude::*;
use serde_json::Value;

/// The formula of every weight, input and draw: as in the script.
fn numbers(shape: impl Into<Shape>, offset: usize) -> Array {
    Array::from_fn(shape, |i| 0.4 * (0.9 * i as f64 + offset as f64).sin())
}

fn scaled(factor: f64, shape: impl Into<Shape>, offset: usize) -> Array {
    let numbers = numbers(shape, offset);
    Array::from_fn(numbers.shape(), |i| factor * numbers.get(i))
}

/// Numbers around `start`: pixels, shares, variances.
fn above(start: f64, shape: impl Into<Shape>, offset: usize) -> Array {
    let numbers = numbers(shape, offset);
    Array::from_fn(numbers.shape(), |i| start + numbers.get(i))
}

/// Gives each weight of a built model the numbers of its place.
fn number_weights<I: Tree, O: Tree>(model: &Model<I, O>) {
    for (place, weight) in model.weights().iter().enumerate() {
        let start = if weight.name().ends_with("moving_variance") { 1.0 } else { 0.0 };
        weight.set(&above(start, weight.shape(), place)).unwrap();
    }
}

fn assert_near(what: &str, got: f64, expected: f64) {
    let limit = 1e-9 * expected.abs().max(1e-3);
    assert!((got - expected).abs() <= limit, "{what} is {got}, expected {expected}");
}

/// Trains three steps and compares every term and every weight after each.
fn check<I: Tree, O: Tree>(case: &str, model: &mut Model<I, O>, batch: impl Fn(usize) -> Dataset) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/references/references.json");
    let cases: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    number_weights(model);
    let steps = cases[case].as_array().unwrap();
    assert_eq!(steps.len(), 3);
    for (step, expected) in steps.iter().enumerate() {
        let terms = expected["terms"].as_object().unwrap();
        if case != "wgan_gp" {
            // A test runs the same closure without its update. (The critic's losses depend on its
            // own updates within the step.)
            let tested = model.test_on_batch(&batch(step)).unwrap().get("loss").unwrap();
            assert_near(
                &format!("{case}, test {step}: loss"),
                tested,
                terms["loss"].as_f64().unwrap(),
            );
        }
        let logs = model.train_on_batch(&batch(step)).unwrap();
        for (name, value) in terms {
            let got = logs.get(name).unwrap_or_else(|| panic!("{case} reports {name}, got {logs}"));
            assert_near(&format!("{case}, step {step}: {name}"), got, value.as_f64().unwrap());
        }
        assert_eq!(logs.iter().count(), terms.len(), "{logs}");
        let (weights, values) = (model.weights(), expected["weights"].as_array().unwrap());
        assert_eq!(weights.len(), values.len());
        for (weight, values) in weights.iter().zip(values) {
            let (got, values) = (weight.value().to_vec::<f64>(), values.as_array().unwrap());
            assert_eq!(got.len(), values.len());
            for (got, value) in got.iter().zip(values) {
                assert_near(
                    &format!("{case}, step {step}: {}", weight.name()),
                    *got,
                    value.as_f64().unwrap(),
                );
            }
        }
    }
    assert_eq!(model.warnings(), [""; 0]);
}

fn part(layers: Sequential, name: &str) -> Arc<Model> {
    Arc::new(Model::new(layers).name(name).dtype(DType::F64))
}

fn rows(shape: &[usize]) -> Array {
    Array::zeros(shape, DType::F64)
}

#[test]
fn two_steps_of_a_critic_with_gradient_penalty_and_one_of_its_generator() {
    for eager in [false, true] {
        let generator = part(
            Sequential::new().add(Dense::new(3).activation("tanh")).add(Dense::new(2)),
            "generator",
        );
        let out = Dense::new(1).use_bias(false);
        let critic =
            part(Sequential::new().add(Dense::new(4).activation("softplus")).add(out), "critic");
        let mut gan = Model::new(generator.clone()).dtype(DType::F64).run_eagerly(eager);
        gan.add_part(critic.clone());
        gan.compile((), (), ());
        gan.build_on(&[rows(&[1, 2])]).unwrap();
        critic.build_on(&[rows(&[1, 2])]).unwrap();
        let adam = |rate: f64| Adam::new(rate).beta_1(0.5).beta_2(0.9).epsilon(0.0);
        let (critic_adam, generator_adam) = (adam(0.05), adam(0.02));
        gan.train_step(move |step, cx| {
            let [real, noise, share] = step.targets() else {
                unreachable!("the data has three targets")
            };
            let mut last = None;
            for turn in 0..2 {
                let [noise, share] =
                    [noise, share].map(|draws| draws.slice(1, turn..turn + 1).squeeze(1));
                let fake = generator.apply(&noise, cx).stop_gradient();
                let between = &share * real + (1.0 - &share) * &fake;
                let score = critic.apply(&between, cx).sum();
                let slope = cx.gradients(&score, [&between]).into_tensors().remove(0).unwrap();
                let distance = critic.apply(real, cx).mean() - critic.apply(&fake, cx).mean();
                let penalty = 10.0 * (slope.square().sum_axes([-1]).sqrt() - 1.0).square().mean();
                let gradients = cx.gradients(&(&penalty - &distance), critic.trainable_weights());
                critic_adam.apply(&gradients, cx);
                last = Some((distance, penalty));
            }
            let (distance, penalty) = last.unwrap();
            let generator_loss = -critic.apply(&generator.apply(step.inputs(), cx), cx).mean();
            generator_adam.apply(&cx.gradients(&generator_loss, generator.trainable_weights()), cx);
            Terms::new([
                ("loss", distance),
                ("penalty", penalty),
                ("generator_loss", generator_loss),
            ])
        });
        check("wgan_gp", &mut gan, |step| {
            let (z, real) = (scaled(3.0, [4, 2], 10 + step), scaled(3.0, [4, 2], 20 + step));
            let (noise, share) =
                (scaled(3.0, [4, 2, 2], 30 + step), above(0.5, [4, 2, 1], 40 + step));
            Dataset::new(z, (real, noise, share)).unwrap()
        });
    }
}

#[test]
fn a_variational_autoencoder_with_draws_that_are_given() {
    for eager in [false, true] {
        let [hidden, mean, log_variance] =
            [Dense::new(4).activation("tanh"), Dense::new(2), Dense::new(2)];
        let encoder = Model::new(move |x: &Tensor, cx: &mut Context| {
            let h = hidden.apply(x, cx);
            [mean.apply(&h, cx), log_variance.apply(&h, cx)]
        });
        let encoder = encoder.name("encoder");
        let layers = Sequential::new()
            .add(Dense::new(4).activation("tanh"))
            .add(Dense::new(3).activation("sigmoid"));
        let decoder = part(layers, "decoder");
        let mut vae = Model::new(move |[x, epsilon]: &[Tensor; 2], cx: &mut Context| {
            let [mean, log_variance] = encoder.apply(x, cx);
            let terms = 1.0 + &log_variance - mean.square() - log_variance.exp();
            cx.add_loss("divergence", -0.5 * terms.sum_axes([-1]).mean());
            decoder.apply(&(mean + (0.5 * log_variance).exp() * epsilon), cx)
        });
        vae = vae.dtype(DType::F64).run_eagerly(eager);
        vae.compile(
            Adam::new(0.05).epsilon(0.0),
            |x: &Tensor, made: &Tensor| 3.0 * binary_crossentropy(x, made, false),
            (),
        );
        vae.build_on(&[rows(&[1, 3]), rows(&[1, 2])]).unwrap();
        check("vae", &mut vae, |step| {
            let x = above(0.5, [5, 3], 10 + step);
            Dataset::new((&x, scaled(3.0, [5, 2], 20 + step)), &x).unwrap()
        });
    }
}

#[test]
fn a_student_beside_the_terms_of_its_teacher() {
    for eager in [false, true] {
        let hidden = Dense::new(4)
            .activation("tanh")
            .kernel_regularizer(L2(0.3))
            .activity_regularizer(L1(0.2));
        let layers = Sequential::new()
            .add(hidden)
            .add(BatchNormalization::new())
            .add(Dropout::new(0.5))
            .add(Dense::new(3));
        let teacher = part(layers, "teacher");
        teacher.build_on(&[rows(&[1, 3])]).unwrap();
        teacher.freeze();
        let mut student =
            Model::new(Sequential::new().add(Dense::new(3).kernel_regularizer(L2(0.1))))
                .dtype(DType::F64);
        student = student.run_eagerly(eager);
        student.add_part(teacher.clone());
        student.compile(
            Sgd::new(0.5).momentum(0.5),
            SparseCategoricalCrossentropy::new().from_logits(true),
            (),
        );
        student.loss_weights([0.25]);
        student.build_on(&[rows(&[1, 3])]).unwrap();
        student.train_step(move |step, cx| {
            let logits = step.apply(step.inputs(), cx);
            let taught = cx.with_training(false, |cx| teacher.apply(step.inputs(), cx));
            // Its activity penalty; a frozen weight has none.
            assert_eq!(teacher.losses(cx).len(), 1);
            // None of the teacher's, though it was applied before.
            let mut terms = step.losses(&logits, cx);
            let soft =
                categorical_crossentropy(&Softmax.call(&(taught / 2.0)), &(logits / 2.0), true);
            terms.add("soft", 0.75 * 2.0 * 2.0 * soft.mean());
            step.minimize(&terms, cx);
            terms
        });
        check("distillation", &mut student, |step| {
            let labels: Vec<i32> = (0..4).map(|row| (row + step as i32) % 3).collect();
            Dataset::new(scaled(3.0, [4, 3], 10 + step), labels).unwrap()
        });
    }
}

#[test]
fn a_triplet_loss_of_one_net_at_three_inputs() {
    for eager in [false, true] {
        let layers = Sequential::new()
            .add(Dense::new(4).activation("tanh"))
            .add(Dense::new(2))
            .add(UnitNormalization::new());
        let embedding = part(layers, "embedding");
        let mut model = Model::new(move |x: &[Tensor; 3], cx: &mut Context| {
            x.each_ref().map(|x| embedding.apply(x, cx))
        });
        model = model.dtype(DType::F64).run_eagerly(eager);
        model.compile(Sgd::new(0.5).momentum(0.5), (), ());
        model.build_on(&[rows(&[1, 3]), rows(&[1, 3]), rows(&[1, 3])]).unwrap();
        model.train_step(|step, cx| {
            let [anchor, positive, negative] = step.apply(step.inputs(), cx);
            let [near, far] =
                [positive, negative].map(|other| (&anchor - other).square().sum_axes([-1]));
            let terms =
                Terms::new([("loss", (&near - far + 0.2).relu().mean()), ("near", near.mean())]);
            step.minimize(&terms, cx);
            terms
        });
        check("siamese", &mut model, |step| {
            let [anchor, positive, negative] =
                [10, 20, 30].map(|branch| scaled(8.0, [5, 3], branch + step));
            Dataset::inputs_only((anchor, positive, negative)).unwrap()
        });
    }
}

/// A task's loss with other values of the weights.
fn error(
    net: &Model,
    values: &[(Variable, Tensor)],
    [x, y]: &[Tensor; 2],
    cx: &mut Context,
) -> Tensor {
    mean_squared_error(y, &net.apply_with(values, x, cx)).mean()
}

#[test]
fn model_agnostic_meta_learning_through_two_inner_steps() {
    for eager in [false, true] {
        let net =
            part(Sequential::new().add(Dense::new(3).activation("tanh")).add(Dense::new(1)), "net");
        let mut model = Model::new(net.clone()).dtype(DType::F64).run_eagerly(eager);
        model.compile(Adam::new(0.05).epsilon(0.0), (), ());
        model.build_on(&[rows(&[1, 6, 1])]).unwrap();
        model.train_step(move |step, cx| {
            let theta: Vec<_> = net
                .trainable_weights()
                .into_iter()
                .map(|weight| (weight.clone(), cx.read(&weight)))
                .collect();
            let (mut before, mut after) = (Vec::new(), Vec::new());
            for task in 0..step.inputs().batch() {
                let points =
                    [step.inputs(), &step.targets()[0]].map(|all| all.slice(0, task..task + 1));
                let [support, query] = [0..3, 3..6]
                    .map(|part| points.each_ref().map(|all| all.slice(1, part.clone())));
                let mut values = theta.clone();
                for _ in 0..2 {
                    let error = error(&net, &values, &support, cx);
                    let gradients =
                        cx.gradients(&error, values.iter().map(|(_, value)| value)).into_tensors();
                    for ((_, value), gradient) in values.iter_mut().zip(gradients) {
                        *value = &*value - 0.1 * gradient.unwrap();
                    }
                }
                before.push(error(&net, &theta, &query, cx));
                after.push(error(&net, &values, &query, cx));
            }
            let [before, after] = [before, after].map(|errors| Tensor::stack(&errors, 0).mean());
            let terms = Terms::new([("loss", after), ("before", before)]);
            step.minimize(&terms, cx);
            terms
        });
        check("maml", &mut model, |step| {
            Dataset::new(scaled(5.0, [2, 6, 1], 10 + step), scaled(3.0, [2, 6, 1], 20 + step))
                .unwrap()
        });
    }
}

/// Generator w = 3 with the penalty 0.5 w^2, critic 2 with an activity penalty, noise 1: the loss
/// is -2 * 3 + 4.5 = -1.5, its slope -2 + 3 = 1, and the weight after the step 3 - 0.01 * 1 = 2.99.
/// The critic's penalty, (2 w)^2 = 36, is not the generator's.
#[test]
fn a_generators_own_losses_beside_its_critic() {
    let dense = |first: f64| Dense::new(1).use_bias(false).kernel_initializer(Constant(first));
    let generator = Model::new(dense(3.0).kernel_regularizer(L2(0.5))).dtype(DType::F64);
    let critic = Model::new(dense(2.0).activity_regularizer(L2(1.0))).dtype(DType::F64);
    let optimizer = Sgd::new(0.01);
    let mut step = Function::new(|[z], cx| {
        let main = -critic.apply(&generator.apply(&z, cx), cx).mean();
        let loss = generator.losses(cx).iter().fold(main, |sum, term| sum + term);
        optimizer.apply(&cx.gradients(&loss, generator.trainable_weights()), cx);
        [loss]
    })
    .dtype(DType::F64);
    let loss = step.run([&[[1.0_f64]].into()]).unwrap()[0].item().unwrap();
    assert_near("the loss", loss, -1.5);
    assert_near("the weight", generator.weights()[0].value().get(0), 2.99);
}
