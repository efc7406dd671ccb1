//! Brings windows and the products of them together, so that windows are made a part at a time,
//! near the processor, instead of as a whole in memory, where they take many times what their image
//! takes.
//!
//! In: a draft with its steps in order. Out: products that take windows of an image themselves, and
//! products that add their rows up in an image; no step that makes all windows, if only such
//! products needed it.

use crate::graph::windows::lie;
use crate::graph::{Window, Windowing};
use crate::plan::{Action, BufferPlace, Call, Draft, Matrix, Product, Users, WindowedProduct};
use crate::shape::Shape;

/// The most axes along which a runner makes a part of the windows.
pub const MOST_AXES: usize = 4;

/// Joins operations on windows with products.
pub fn join(draft: &mut Draft) {
    let users = Users::new(draft);
    let mut gone = vec![false; draft.steps.len()];
    for (at, gone) in gone.iter_mut().enumerate() {
        let Action::Call(call) = &draft.steps[at].action else { continue };
        let products = match call.kernel.windowing() {
            Some(Windowing::Take(windows)) if is_possible(draft, call, windows) => {
                readers(draft, &users, call)
            }
            Some(Windowing::Add(windows)) if is_possible(draft, call, windows) => {
                writer(draft, &users, call).map(|product| vec![product])
            }
            _ => None,
        };
        let Some(products) = products else { continue };
        let call = call.clone();
        for product in products {
            let step = &mut draft.steps[product];
            let Action::Product(product) = &step.action else { unreachable!("a product") };
            let windowed = WindowedProduct { product: product.clone(), call: call.clone() };
            draft.buffers[windowed.windows()].place = BufferPlace::Nowhere;
            step.action = Action::Windowed(windowed);
        }
        *gone = true;
    }
    draft.remove(&gone);
}

/// Whether an operation on windows can be done a part at a time, at another place in the order.
fn is_possible(draft: &Draft, call: &Call, windows: &[Window]) -> bool {
    let [input] = &call.inputs[..] else { return false };
    // What variables hold is another thing when they have been written.
    let stays = |buffer: usize| draft.buffers[buffer].place.variable().is_none();
    let sizes = input.shape.iter().chain(call.output.shape.iter());
    let (image, all) = match call.kernel.windowing() {
        Some(Windowing::Add(_)) => (&call.output.shape, &input.shape),
        _ => (&input.shape, &call.output.shape),
    };
    (1..=MOST_AXES).contains(&windows.len())
        && lie(windows, image, all)
        && sizes.copied().all(|size| size > 0)
        && draft.buffers[input.buffer].dtype.is_float()
        && stays(input.buffer)
        && stays(call.output.buffer)
}

/// The products that read the windows of a call, if nothing else does.
fn readers(draft: &Draft, users: &Users, call: &Call) -> Option<Vec<usize>> {
    let windows = call.output.buffer;
    let readers = users.readers(windows);
    let is_product = |&reader: &usize| {
        let Action::Product(product) = &draft.steps[reader].action else { return false };
        let elsewhere = product.right.buffer != windows
            && product.bias.is_none_or(|(buffer, _)| buffer != windows && product.batch.is_empty());
        let [rows, terms, _] = product.sizes;
        let groups = is_of_samples(product, &call.inputs[0].shape);
        let is_plain = is_whole(draft, product, &product.left, [rows, terms], [terms, 1]);
        let is_turned = is_whole(draft, product, &product.left, [rows, terms], [1, rows])
            && product.bias.is_none();
        elsewhere
            && groups
            && (is_plain && is_size(call, terms) || is_turned && is_size(call, rows))
    };
    let wanted = !readers.is_empty() && !is_returned(draft, windows);
    (wanted && readers.iter().all(is_product)).then(|| readers.to_vec())
}

/// The product whose rows are the windows that a call adds up, if nothing else needs them.
fn writer(draft: &Draft, users: &Users, call: &Call) -> Option<usize> {
    let input = &call.inputs[0];
    let writer = users.writer(input.buffer)?;
    let Action::Product(product) = &draft.steps[writer].action else { return None };
    let [rows, _, terms] = product.sizes;
    let groups = product.batch.iter().product::<usize>();
    let whole = input.offset == 0 && groups * rows * terms == draft.buffers[input.buffer].length;
    let alone = users.readers(input.buffer).len() == 1 && !is_returned(draft, input.buffer);
    (whole
        && alone
        && is_of_samples(product, &call.output.shape)
        && product.bias.is_none()
        && product.sizes[1] > 0
        && is_size(call, terms))
    .then_some(writer)
}

/// Whether a window of a call has `terms` elements.
fn is_size(call: &Call, terms: usize) -> bool {
    let (windows, shape) = match call.kernel.windowing() {
        Some(Windowing::Take(windows)) => (windows, &call.output.shape),
        Some(Windowing::Add(windows)) => (windows, &call.inputs[0].shape),
        None => return false,
    };
    windows.iter().map(|window| window.size).product::<usize>() * shape.features() == terms
}

/// Whether an operand of one product is the whole of its buffer, with these distances between rows
/// and columns.
fn is_whole(
    draft: &Draft,
    product: &Product,
    matrix: &Matrix,
    [rows, columns]: [usize; 2],
    [row, column]: [usize; 2],
) -> bool {
    // The strides along an axis of one element do not matter.
    let lies = |stride: isize, size: usize, wanted: usize| size == 1 || stride == wanted as isize;
    let groups = product.batch.iter().product::<usize>();
    product.sizes.iter().all(|&size| size > 0)
        && matrix.offset == 0
        && lies(matrix.strides[0], rows, row)
        && lies(matrix.strides[1], columns, column)
        && matrix.batch_strides.iter().all(|&stride| lies(stride, groups, rows * columns))
        && groups * rows * columns == draft.buffers[matrix.buffer].length
}

/// Whether the products of a batch, if it has one, are each of some samples of an image: along one
/// axis, and each of the matrices that are no windows lies forwards.
fn is_of_samples(product: &Product, image: &Shape) -> bool {
    let [groups] = product.batch[..] else { return product.batch.is_empty() };
    let forwards = [&product.left, &product.right]
        .iter()
        .all(|matrix| matrix.batch_strides.iter().all(|&stride| stride >= 0));
    groups > 0 && image.batch().is_multiple_of(groups) && forwards
}

fn is_returned(draft: &Draft, buffer: usize) -> bool {
    draft.outputs.iter().any(|output| output.buffer == buffer)
}
