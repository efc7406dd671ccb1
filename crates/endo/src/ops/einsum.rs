//! Sums of products by the names of axes.
//!
//! In: an equation such as `bij,bjk->bik`, and one tensor or two. Out: one matrix product between
//! views, as `tf.einsum` and `np.einsum`.

use crate::error::Error;
use crate::graph::Tensor;
use crate::site::Site;

impl Tensor {
    /// The sum of products that an equation in Einstein's notation says: a letter for each axis of
    /// each operand, and after `->` those of the result. Letters that are not in the result are
    /// summed over. One operand or two; without `->`, the letters that come once, in the alphabet's
    /// order.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[a, b], _| {
    ///     [
    ///         Tensor::einsum("bij,bjk->bik", &[&a, &b]),
    ///         Tensor::einsum("bij->b", &[&a]),
    ///         Tensor::einsum("bii->bi", &[&b]),
    ///     ]
    /// });
    /// let a = Array::from([[[1.0_f32, 2.0], [3.0, 4.0]]]);
    /// let b = Array::from([[[5.0_f32, 6.0], [7.0, 8.0]]]);
    /// let [product, sum, diagonal] = f.run([&a, &b])?;
    /// assert_eq!(product, Array::from([[[19.0_f32, 22.0], [43.0, 50.0]]]));
    /// assert_eq!((sum, diagonal), ([10.0_f32].into(), [[5.0_f32, 8.0]].into()));
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Panics
    /// If there is no operand.
    #[track_caller]
    pub fn einsum(equation: &str, operands: &[&Tensor]) -> Tensor {
        let site = Site::caller();
        let first = operands.first().expect("at least one operand");
        match contracted(equation, operands) {
            Ok(result) => result,
            Err(why) => {
                let shapes: Vec<String> =
                    operands.iter().map(|operand| operand.shape().to_string()).collect();
                let message =
                    format!("`einsum` of `{equation}` on {}: {why}", shapes.join(" and "));
                let help = "give one letter for each axis of each operand, and those of the \
                    result: `bij,bjk->bik`";
                first.fail(Error::argument(message, help), (), site)
            }
        }
    }
}

/// A tensor with the letters of its axes.
struct LetteredTensor {
    letters: Vec<char>,
    value: Tensor,
}

impl LetteredTensor {
    /// The size of the axis of a letter.
    fn size(&self, letter: char) -> Option<usize> {
        self.place(letter).map(|axis| self.value.shape()[axis])
    }

    /// Where a letter comes twice, the diagonal.
    fn diagonals(mut self) -> Result<Self, String> {
        while let Some((first, second)) = repeated(&self.letters) {
            let (letter, size) = (self.letters[first], self.value.shape()[first]);
            if self.value.shape()[second] != size {
                return Err(format!(
                    "`{letter}` is {size} long and {} long",
                    self.value.shape()[second]
                ));
            }
            // Both axes last, as one: of its numbers every (size + 1)th is on the diagonal.
            let mut order: Vec<usize> =
                (0..self.letters.len()).filter(|&axis| axis != first && axis != second).collect();
            let mut shape: Vec<usize> =
                order.iter().map(|&axis| self.value.shape()[axis]).collect();
            let mut letters: Vec<char> = order.iter().map(|&axis| self.letters[axis]).collect();
            order.extend([first, second]);
            shape.push(size * size);
            letters.push(letter);
            let flat = self.value.permute(&order).reshape(shape);
            let value = if size > 1 { flat.slice_step(-1, .., size as isize + 1) } else { flat };
            self = Self { letters, value };
        }
        Ok(self)
    }

    /// Summed over letters that nobody else has.
    fn summed(self, is_kept: impl Fn(char) -> bool) -> Self {
        let axes: Vec<isize> = (0..self.letters.len())
            .filter(|&axis| !is_kept(self.letters[axis]))
            .map(|axis| axis as isize)
            .collect();
        if axes.is_empty() {
            return self;
        }
        let letters = self.letters.iter().copied().filter(|&letter| is_kept(letter)).collect();
        Self { letters, value: self.value.sum_axes(&axes) }
    }

    /// With its axes in groups of letters, each as one axis.
    fn grouped(&self, groups: &[&[char]]) -> Tensor {
        let order: Vec<usize> = groups
            .iter()
            .flat_map(|group| group.iter().filter_map(|&letter| self.place(letter)))
            .collect();
        let sizes = groups
            .iter()
            .map(|group| group.iter().filter_map(|&letter| self.size(letter)).product::<usize>());
        let sizes: Vec<usize> = sizes.collect();
        self.value.permute(&order).reshape(sizes)
    }

    fn place(&self, letter: char) -> Option<usize> {
        self.letters.iter().position(|&known| known == letter)
    }

    /// With its axes in the order of the result.
    fn ordered(self, result: &[char]) -> Tensor {
        let order: Vec<usize> = result.iter().filter_map(|&letter| self.place(letter)).collect();
        if order.iter().copied().eq(0..order.len()) {
            self.value
        } else {
            self.value.permute(&order)
        }
    }
}

/// The places of a letter that comes twice.
fn repeated(letters: &[char]) -> Option<(usize, usize)> {
    (0..letters.len()).find_map(|first| {
        let second = letters[first + 1..].iter().position(|letter| *letter == letters[first])?;
        Some((first, first + 1 + second))
    })
}

fn contracted(equation: &str, operands: &[&Tensor]) -> Result<Tensor, String> {
    let equation: String = equation.chars().filter(|letter| !letter.is_whitespace()).collect();
    let (left, right) = equation
        .split_once("->")
        .map_or((equation.as_str(), None), |(left, right)| (left, Some(right)));
    let parts: Vec<Vec<char>> = left.split(',').map(|part| part.chars().collect()).collect();
    if parts.len() != operands.len() {
        return Err(format!(
            "the equation has {} operands, and {} are given",
            parts.len(),
            operands.len()
        ));
    }
    if parts.len() > 2 {
        return Err("it takes one operand or two".to_string());
    }
    if let Some(letter) = parts.iter().flatten().find(|letter| !letter.is_ascii_alphabetic()) {
        return Err(format!("`{letter}` is no letter for an axis"));
    }
    let result: Vec<char> = match right {
        Some(right) => right.chars().collect(),
        None => {
            let all: Vec<char> = parts.iter().flatten().copied().collect();
            let mut once: Vec<char> = all
                .iter()
                .copied()
                .filter(|&letter| all.iter().filter(|&&known| known == letter).count() == 1)
                .collect();
            once.sort_unstable();
            once
        }
    };
    if let Some(letter) =
        result.iter().find(|letter| !parts.iter().flatten().any(|known| known == *letter))
    {
        return Err(format!("`{letter}` of the result is no axis of an operand"));
    }
    if let Some((place, _)) = repeated(&result) {
        return Err(format!("`{}` comes twice in the result", result[place]));
    }
    let mut lettered = Vec::new();
    for (letters, operand) in parts.into_iter().zip(operands) {
        if letters.len() != operand.rank() {
            return Err(format!(
                "an operand of {} axes has {} letters",
                operand.rank(),
                letters.len()
            ));
        }
        lettered.push(LetteredTensor { letters, value: (*operand).clone() }.diagonals()?);
    }
    let in_result = |letter: char| result.contains(&letter);
    let Some(b) = (lettered.len() == 2).then(|| lettered.pop()).flatten() else {
        return Ok(lettered.remove(0).summed(in_result).ordered(&result));
    };
    let a = lettered.remove(0);
    for &letter in &a.letters {
        if let (Some(here), Some(there)) = (a.size(letter), b.size(letter))
            && here != there
        {
            return Err(format!("`{letter}` is {here} long and {there} long"));
        }
    }
    let (in_a, in_b) = (a.letters.clone(), b.letters.clone());
    let a = a.summed(|letter| in_result(letter) || in_b.contains(&letter));
    let b = b.summed(|letter| in_result(letter) || in_a.contains(&letter));
    // Axes of both that stay, axes of both that are summed over, and those of one.
    let of_both = |stays: bool| -> Vec<char> {
        a.letters
            .iter()
            .copied()
            .filter(|letter| b.letters.contains(letter) && in_result(*letter) == stays)
            .collect()
    };
    let (batch, inner) = (of_both(true), of_both(false));
    let of_one = |x: &LetteredTensor, other: &LetteredTensor| -> Vec<char> {
        x.letters.iter().copied().filter(|letter| !other.letters.contains(letter)).collect()
    };
    let (rows, columns) = (of_one(&a, &b), of_one(&b, &a));
    let sizes = |x: &LetteredTensor, letters: &[char]| {
        letters.iter().filter_map(|&letter| x.size(letter)).collect::<Vec<usize>>()
    };
    let shape = [sizes(&a, &batch), sizes(&a, &rows), sizes(&b, &columns)].concat();
    let product =
        a.grouped(&[&batch, &rows, &inner]).matmul(&b.grouped(&[&batch, &inner, &columns]));
    let letters = [batch, rows, columns].concat();
    Ok(LetteredTensor { letters, value: product.reshape(shape) }.ordered(&result))
}
