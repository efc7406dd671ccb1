//! Closures as functions of arrays: when they are traced, what their graph is, and how to look at
//! values on the way.
//!
//! `cargo run --release -p endo --example functions`

use endo::prelude::*;

fn main() -> Result<()> {
    let mut cube = Function::new(|[x], _cx| {
        println!("  tracing for {}{}", x.dtype(), x.shape());
        [x.powf(3.0)]
    });
    println!("a closure runs once for each shape and type");
    for x in [2.0_f32, 3.0, 4.0] {
        let [y] = cube.run([&x.into()])?;
        println!("  {x} cubed is {}", y.item()?);
    }
    cube.run([&[1.0_f32, 2.0].into()])?;
    cube.run([&2.0_f64.into()])?;

    let counter = Variable::new("counter", 0);
    let mut increment = Function::new(|[x], cx| {
        let one = cx.constant(1);
        cx.assign_add(&counter, one);
        [x.greater(0.0).where_(x.sqrt(), 0.0).sum()]
    });
    println!(
        "\nits graph, before any plan is made of it\n{}",
        increment.graph([&[4.0_f32, -1.0].into()])?
    );
    let root = increment.run([&[4.0_f32, -1.0].into()])?[0].item()?;
    println!("the sum of the roots is {root}, the counter is {}", counter.value().item()?);

    let mut shrink =
        Function::new(|[images], _cx| [images.slice_step(1, .., 2).slice_step(2, .., 2)])
            .input_signature([TensorSpec::new([None, Some(28), Some(28)], DType::F32)]);
    let small = shrink.run([&Array::zeros([100, 28, 28], DType::F32)])?[0].shape().clone();
    println!("\na signature with a free batch size gives {small}, and refuses what does not fit:");
    if let Err(error) = shrink.run([&Array::zeros([2, 2, 2], DType::F32)]) {
        println!("{error}");
    }

    let mut collatz = Function::new(|[n], _cx| {
        let even = n.value().item().is_ok_and(|n| n % 2.0 == 0.0);
        [if even { n / 2.0 } else { n * 3.0 + 1.0 }]
    })
    .run_eagerly(true);
    print!("\nnode by node, Rust's `if` sees values: 7");
    let mut n = Array::scalar(7.0_f32);
    while n.item()? != 1.0 {
        n = collatz.run([&n])?[0].clone();
        print!(" {}", n.item()?);
    }
    println!();
    Ok(())
}
