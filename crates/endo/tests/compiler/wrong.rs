//! Programs that users wrote and that were wrong. This is no part of a test program: a test has it
//! compiled and reads what is said of it.

use std::cell::RefCell;
use std::rc::Rc;

use endo::layers::Add;
use endo::prelude::*;

fn layers(model: Model) {
    let _ = Sequential::new().add(model); // a model is a layer
    let shared = Rc::new(Dense::new(1));
    let _ = Sequential::new().add(shared); //~ share them by `Arc`, not by `Rc`
    let _ = Sequential::new().add(
        Add::new(), //~ `endo::layers::Add` is no layer from `endo::Tensor` to `endo::Tensor`
    );
}

// Of what closures capture the compiler speaks only in functions that are right otherwise.
fn captured_rc() {
    let shared = Rc::new(Dense::new(1));
    let layer = move |x: &Tensor, cx: &mut Context| shared.apply(x, cx);
    let _ = Model::new(layer); //~ share them by `Arc`, not by `Rc`
}

fn captured_cell() {
    let seen = RefCell::new(0);
    let layer = move |x: &Tensor, _: &mut Context| x * seen.replace(1);
    let _ = Model::new(layer); //~ by `Mutex` or an atomic, not by `RefCell`
}

fn captured_by_an_activation() {
    let seen = RefCell::new(0);
    let activation = move |x: &Tensor| x * seen.replace(1);
    let _ = Dense::new(1).activation(activation); //~ changed by `Mutex` or an atomic
}

fn counted() {
    let mut count = 0;
    let layer = move |x: &Tensor, _: &mut Context| {
        count += 1;
        x.clone()
    };
    let _ = Model::new(layer); //~ by `Mutex` or an atomic
}

fn returned() {
    let _ = Model::new(|x: &Tensor, _: &mut Context| x); //~ that returns a `Tensor`
}

struct Two {
    _a: Tensor,
    _b: Tensor,
}

fn structures() {
    let layer = |x: &Two, _: &mut Context| x._a.clone();
    let _ = Model::new(layer); //~ as a struct of your own is by `tree!`
}

fn data(model: &mut Model, x: &Array, y: &Array) {
    // Rows of rows, and labels of any integers.
    let _ = Dataset::new(vec![vec![1.0_f32], vec![2.0]], vec![7_u8, 300_u16 as u8]);
    let words = [["red"]];
    let _ = Dataset::new(words, [[1.0_f32]]); //~ a table with words is read by `endo::data::Table`
    let _ = Dataset::new((x, "name"), y); //~ several of these in a tuple or vector
    let _ = Dataset::new(x, Some("y")); //~ pairs of the names of outputs and arrays
    let _ = model.fit(
        (x, y), //~ give a `&Dataset`, made by `Dataset::new(x, y)?` from arrays
        Fit::epochs(1),
    );
    let _ = model.evaluate(x); //~ give a `&Dataset`, made by `Dataset::new(x, y)?` from arrays
}

fn compile(model: &mut Model) {
    model.compile(
        0.1, //~ give a value such as `Adam::new(0.001)`, a name such as "adam"
        "mse",
        (),
    );
    model.compile("sgd", 3, ()); //~ give a loss, an array or tuple of losses and names
    let loss = |y: Tensor, p: Tensor| y - p;
    model.compile(
        "sgd",
        loss, //~ `|y_true: &Tensor, y_pred: &Tensor| ..`, with the types and the `&`s
        (),
    );
    model.compile("sgd", |_: &Tensor, _: &Tensor| 0.0, ()); //~ and returns a `Tensor`
    model.compile("sgd", "mse", "mae"); //~ give an array of metrics of one type, `["mae"]`
    model.compile(
        "sgd",
        "mse",
        [1], //~ a tuple of several types, `("mae", RootMeanSquaredError::new())`
    );
}

fn options() {
    let _ = Dense::new(1).activation(String::from("relu")); // a name that a program has read
    let _ = Dense::new(1).activation(3); //~ an activation is a value that implements
    let _ = Dense::new(1).activation(true); //~ `ActivationFunction`, a name such as "relu", a layer
    let _ = Dense::new(1).activation(
        |x: Tensor| x, //~ or a closure `|x: &Tensor| ..` or `|x: &Tensor, cx: &mut Context| ..`
    );
    let _ = Dense::new(1).kernel_regularizer(0.01); //~ a factor is given as `L2(0.01)`
    let dense = Dense::new(1);
    let _ = dense.kernel_constraint(3.0); //~ a constraint is a value that implements `Constraint`
    let _ = Dense::new(1).kernel_initializer(0.5); //~ a number is given as `Constant(0.5)`
    let fit = Fit::epochs(1);
    let _ = fit.callback(3); //~ a callback is a value that implements `Callback`, or a closure
}

fn tensors(x: &Tensor) {
    let _ = x.mean_axes(-1) + x.reshape([-1]) * 0.5_f32; // numbers as Rust users write them
    let _ = x[0]; //~ write `x.at(0, i)` for `x[i]`
    let _ = &x[1..2]; //~ `x.slice(0, a..b)` for `x[a:b]`
    let _ = x.mean_axes(0.5); //~ give one axis, `-1`, or several, `[0, 1]`
    let _ = x.reshape([1.5]); //~ `-1` stands for what is left
    let _ = x * 3_u64; //~ convert other numbers, for example `n as f64`
}

fn results(x: &Array) -> Result<()> {
    let mut square = Function::new(|[x], _| [x.square()]);
    let (first, second) = (square.run([x])?, square.run([x])?); // the results are the caller's
    let _ = (first, second);
    let _ = Stream::from_fn(|_| 3); //~ a stream yields a `Dataset`, a pair `(x, y)`
    Ok(())
}

fn main() {}
