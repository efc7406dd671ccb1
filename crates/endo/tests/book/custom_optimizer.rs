//! A custom optimizer: momentum by hand.
//!
//! In: the chapter's `MyMomentumOptimizer`. Out: the weights of `Sgd` with the same momentum, bit
//! by bit.

use endo::prelude::*;

use super::made_up_data;

/// The example, whose `main` and data are not of use here.
#[allow(dead_code)]
#[path = "../../examples/momentum.rs"]
mod example;

use example::MyMomentumOptimizer;

/// The losses and final weights of a training.
fn trained(optimizer: impl Optimizer + 'static) -> (Vec<f64>, Vec<Array>) {
    let mut model =
        Model::new(Sequential::new().add(Dense::new(8).activation("relu")).add(Dense::new(1)));
    model.compile(optimizer, MeanSquaredError, ());
    let losses = model.fit(&made_up_data(80), Fit::epochs(5)).unwrap().get("loss");
    (losses, model.weights().iter().map(|weight| weight.value()).collect())
}

#[test]
fn momentum_by_hand_is_that_of_sgd() {
    let (losses, weights) = trained(MyMomentumOptimizer::new(0.01, 0.9));
    assert_eq!((losses.clone(), weights), trained(Sgd::new(0.01).momentum(0.9)));
    assert!(losses[4] < losses[0], "{losses:?}");
}

#[test]
fn two_steps_of_momentum_by_hand() {
    let weight = Variable::new("weight", [1.0_f32]);
    let optimizer = MyMomentumOptimizer::new(0.5, 0.5);
    let mut step = Function::new(|[gradient], cx| {
        optimizer.apply(&Gradients::new([(weight.clone(), Some(gradient))]), cx);
        [cx.read(&weight)]
    });
    // velocity -0.5, then -0.25 - 1.0
    assert_eq!(step.run([&[1.0_f32].into()]).unwrap()[0], [0.5_f32].into());
    assert_eq!(step.run([&[2.0_f32].into()]).unwrap()[0], [-0.75_f32].into());
}

#[test]
fn an_optimizer_of_ones_own_follows_a_schedule_and_clips() {
    let weight = Variable::new("weight", [0.0_f32]);
    let halving = ExponentialDecay::new(1.0, 1, 0.5);
    let optimizer =
        MyMomentumOptimizer { settings: Settings::new(halving).clipvalue(1.0), momentum: 0.0 };
    let mut step = Function::new(|[gradient], cx| {
        optimizer.apply(&Gradients::new([(weight.clone(), Some(gradient))]), cx);
        [cx.read(&weight)]
    });
    let steps: Vec<f64> =
        (0..3).map(|_| step.run([&[100.0_f32].into()]).unwrap()[0].get(0)).collect();
    assert_eq!(steps, [-1.0, -1.5, -1.75]);
}

#[test]
fn the_velocities_are_variables_of_the_optimizer_to_be_saved_with_it() {
    let optimizer = std::sync::Arc::new(MyMomentumOptimizer::new(0.01, 0.9));
    let mut model = Model::new(Dense::new(1));
    model.compile(optimizer.clone(), MeanSquaredError, ());
    model.fit(&made_up_data(32), Fit::epochs(1)).unwrap();
    let variables = optimizer.settings.variables();
    let names: Vec<&str> = variables.iter().map(|variable| variable.name()).collect();
    assert!(names.contains(&"kernel/momentum") && names.contains(&"bias/momentum"), "{names:?}");
    assert_eq!(optimizer.settings.iterations().value().item().unwrap(), 1.0);
}
