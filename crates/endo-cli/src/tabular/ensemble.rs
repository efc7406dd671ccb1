//! Several small nets side by side in one plan.
//!
//! In: inputs `[batch, features]`. Out: what each net says, `[batch, nets * outputs]`. The nets
//! share nothing but the inputs, so that rows that one leaves out tell how well it does.

use endo::prelude::*;
use endo::random::Random;

/// How large the nets are.
#[derive(Clone, Debug)]
pub struct Sizes {
    /// The number of nets.
    pub nets: usize,
    /// The units of each hidden layer.
    pub hidden: Vec<usize>,
    /// The outputs of each net.
    pub outputs: usize,
    /// The weight of the loss term `reconstruction`; 0 for none.
    pub reconstruction: f64,
}

/// The nets.
pub struct Ensemble {
    sizes: Sizes,
    layers: Vec<(Weight, Weight)>,
    /// From the last hidden units of each net back to the inputs.
    reconstruct: [Weight; 2],
    /// First values, where they are given.
    values: Option<Vec<Array>>,
}

impl Ensemble {
    /// Nets with random first weights, all of which say 0.
    pub fn new(sizes: Sizes) -> Self {
        let layer = |index: usize| {
            (Weight::new(format!("kernel_{index}")), Weight::new(format!("bias_{index}")))
        };
        let layers = (0..=sizes.hidden.len()).map(layer).collect();
        let reconstruct = ["reconstruct_kernel", "reconstruct_bias"].map(Weight::new);
        Self { sizes, layers, reconstruct, values: None }
    }

    /// The same nets with weights of their own that have these values, to predict with.
    pub fn with_values(&self, values: Vec<Array>) -> Self {
        Self {
            values: Some(values),
            ..Self::new(Sizes { reconstruction: 0.0, ..self.sizes.clone() })
        }
    }

    /// The values of the weights; none before they are made.
    pub fn values(&self) -> Vec<Array> {
        let weights = self.layers.iter().flat_map(|(kernel, bias)| [kernel, bias]);
        weights.filter_map(|weight| weight.variable().map(Variable::value)).collect()
    }

    fn weight(&self, place: usize, shape: &[usize], inputs: usize, cx: &mut Context) -> Tensor {
        let (kernel, bias) = &self.layers[place / 2];
        let weight = if place.is_multiple_of(2) { kernel } else { bias };
        let last = place / 2 == self.sizes.hidden.len();
        let deviation = if last || place % 2 == 1 { 0.0 } else { (2.0 / inputs as f64).sqrt() };
        let random = move |shape: &Shape, random: &mut Random| {
            Array::from_fn(shape.clone(), |_| (deviation * random.normal_f64()) as f32)
        };
        match self.values.as_ref().and_then(|values| values.get(place)) {
            Some(values) => weight.get(self, shape, values, cx),
            None => weight.get(self, shape, &random, cx),
        }
    }
}

impl Ensemble {
    /// Adds how well the last hidden units `[nets, batch, units]` reconstruct the inputs to the
    /// loss.
    fn reconstruct(&self, z: &Tensor, x: &Tensor, cx: &mut Context) {
        let (nets, units) = (self.sizes.nets, z.features());
        let deviation = (1.0 / units as f64).sqrt();
        let random = move |shape: &Shape, random: &mut Random| {
            Array::from_fn(shape.clone(), |_| (deviation * random.normal_f64()) as f32)
        };
        let kernel = self.reconstruct[0].get(self, [nets, units, x.features()], &random, cx);
        let bias = self.reconstruct[1].get(self, [nets, 1, x.features()], &Zeros, cx);
        let error = (z.matmul(&kernel) + bias - x.expand_dims(0)).square().mean();
        cx.add_loss("reconstruction", self.sizes.reconstruction * &error);
        cx.add_metric("reconstruction_error", &error);
    }
}

impl Layer for Ensemble {
    fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        let (nets, batch) = (self.sizes.nets, x.batch());
        let widths: Vec<usize> =
            self.sizes.hidden.iter().copied().chain([self.sizes.outputs]).collect();
        // The first layer of all nets is one product, since they share the inputs.
        let kernel = self.weight(0, &[x.features(), nets * widths[0]], x.features(), cx);
        let bias = self.weight(1, &[nets * widths[0]], 1, cx);
        let first = x.matmul(&kernel) + bias;
        let mut z = first.reshape([batch, nets, widths[0]]).permute(&[1, 0, 2]);
        for index in 1..widths.len() {
            z = z.maximum(0.0);
            if index + 1 == widths.len() && self.sizes.reconstruction > 0.0 {
                self.reconstruct(&z, x, cx);
            }
            let (inputs, units) = (widths[index - 1], widths[index]);
            let kernel = self.weight(2 * index, &[nets, inputs, units], inputs, cx);
            let bias = self.weight(2 * index + 1, &[nets, 1, units], 1, cx);
            z = z.matmul(&kernel) + bias;
        }
        z.permute(&[1, 0, 2]).reshape([batch, nets * self.sizes.outputs])
    }

    fn name(&self) -> Option<&str> {
        Some("nets")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_net_has_weights_of_its_own() {
        let sizes = Sizes { nets: 2, hidden: vec![1], outputs: 1, reconstruction: 0.0 };
        let values = [
            Array::from([[1.0_f32, -1.0]]),
            Array::zeros([2], DType::F32),
            Array::full([2, 1, 1], 1.0, DType::F32),
            Array::zeros([2, 1, 1], DType::F32),
        ];
        let nets = Ensemble::new(sizes).with_values(values.to_vec());
        let mut f = Function::new(|[x], cx| [nets.apply(&x, cx)]);
        let y = f.run([&[[2.0_f32]].into()]).unwrap()[0].to_vec::<f32>();
        assert_eq!(y, [2.0, 0.0], "max(2, 0) and max(-2, 0)");
    }
}
