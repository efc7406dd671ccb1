//! Gradients of plain functions: at one place, of gradients, stopped, by a custom rule, and where
//! the naive way fails.
//!
//! `cargo run --release -p endo --example gradients`

use endo::prelude::*;

pub(crate) fn f(w1: &Tensor, w2: &Tensor) -> Tensor {
    3.0 * w1.square() + 2.0 * w1 * w2
}

/// Right in value and gradient for any z.
pub fn softplus(z: &Tensor) -> Tensor {
    let value = (1.0 + (-z.abs()).exp()).log() + z.maximum(0.0);
    let slope = 1.0 - 1.0 / (1.0 + z.exp());
    Tensor::custom_gradient(&value, &[z], move |dy| vec![dy * &slope])
}

fn naive_softplus(z: &Tensor) -> Tensor {
    (1.0 + z.exp()).log()
}

fn main() -> Result<()> {
    let [w1, w2] = [("w1", 5.0_f32), ("w2", 3.0)].map(|(name, value)| Variable::new(name, value));
    let mut at = Function::new(|[], cx| {
        let z = f(&cx.read(&w1), &cx.read(&w2));
        let gradients = cx.gradients(&z, [&w1, &w2]);
        let [dw1, dw2] =
            [&w1, &w2].map(|w| gradients.of(w).cloned().unwrap_or_else(|| z.zeros_like()));
        let d11 = cx.hessian(&z, &w1);
        let d12 = cx.jacobian(&dw1, &w2);
        let stopped =
            3.0 * cx.read(&w1).square() + (2.0 * cx.read(&w1) * cx.read(&w2)).stop_gradient();
        let stopped =
            cx.gradients(&stopped, [&w1]).of(&w1).cloned().unwrap_or_else(|| z.zeros_like());
        [z, dw1, dw2, d11, d12, stopped]
    });
    let names =
        ["f", "df/dw1", "df/dw2", "d2f/dw1 dw1", "d2f/dw1 dw2", "df/dw1, its second term stopped"];
    println!("f(w1, w2) = 3 w1^2 + 2 w1 w2 at (5, 3)");
    for (name, value) in names.iter().zip(at.run([])?) {
        println!("  {name:<32}{}", value.item()?);
    }

    println!("\nsoftplus at z       -100         0        30       100      1000");
    for (name, function) in
        [("naive", naive_softplus as fn(&Tensor) -> Tensor), ("stable", softplus)]
    {
        let mut both = Function::new(|[z], cx| {
            let y = function(&z);
            let slopes = cx
                .gradients(&y.sum(), [&z])
                .into_tensors()
                .remove(0)
                .unwrap_or_else(|| z.zeros_like());
            [y, slopes]
        });
        for (what, values) in ["value", "slope"]
            .iter()
            .zip(both.run([&[-100.0_f32, 0.0, 30.0, 100.0, 1000.0].into()])?)
        {
            let values: Vec<String> =
                values.to_vec::<f64>().iter().map(|value| format!("{value:>10.4}")).collect();
            println!("  {name:<7}{what}{}", values.concat());
        }
    }
    Ok(())
}
