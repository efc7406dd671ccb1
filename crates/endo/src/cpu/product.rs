//! Runs matrix products, one for each element of the batch.
//!
//! In: a product of the plan. Out: its result; large batches are shared among threads.

use crate::dtype::DType;
use crate::plan::{Matrix, Plan, Product};
use crate::simd::Level;

use super::Run;
use super::address::{Address, Bases};
use super::matmul::{Matmul, Targets};
use super::pool::Pool;

/// The products of a batch, all of one shape.
pub struct Batch {
    matmul: Matmul,
    wide: bool,
    left: Address,
    right: Address,
    bias: Option<Address>,
    output: Address,
    /// Where the operands of each product start, in bytes from the first.
    starts: Box<[[usize; 3]]>,
}

/// The shape of the products of a batch.
pub fn matmul(product: &Product) -> Matmul {
    let [m, k, n] = product.sizes;
    let strides = |matrix: &Matrix| {
        matrix
            .strides
            .map(|stride| usize::try_from(stride).expect("matrices are laid out forwards"))
    };
    let (a, b) = (strides(&product.left), strides(&product.right));
    Matmul {
        m,
        n,
        k,
        a,
        b,
        c_row: n,
        accumulate: false,
        rectify: product.rectified,
        bf16: product.rounded && Level::detect().multiplies_bf16(),
    }
}

impl Batch {
    /// Resolves a product of the plan, unless the system does not give the memory for where each
    /// product of the batch starts.
    pub fn new(plan: &Plan, product: &Product) -> Option<Self> {
        let matmul = matmul(product);
        let Matmul { m, n, .. } = matmul;
        let dtype = plan.buffers[product.output].dtype;
        let size = dtype.bytes();
        // However many products of no elements there are, there is nothing to do.
        let count = if m * n == 0 { 0 } else { product.batch.iter().product() };
        // Batch strides may be negative, so starts are taken relative to the first byte and wrap
        // around.
        let start = |matrix: &Matrix, mut index: usize| {
            let mut start = 0_isize;
            for (&axis, &stride) in product.batch.iter().zip(&matrix.batch_strides).rev() {
                start += (index % axis) as isize * stride;
                index /= axis;
            }
            (start * size as isize) as usize
        };
        let mut starts: Vec<[usize; 3]> = Vec::new();
        starts.try_reserve_exact(count).ok()?;
        let all = |index: usize| {
            [start(&product.left, index), start(&product.right, index), index * m * n * size]
        };
        starts.extend((0..count).map(all));
        Some(Self {
            matmul,
            wide: dtype == DType::F64,
            left: Address::new(plan, product.left.buffer, product.left.offset),
            right: Address::new(plan, product.right.buffer, product.right.offset),
            bias: product.bias.map(|(buffer, offset)| Address::new(plan, buffer, offset)),
            output: Address::new(plan, product.output, 0),
            starts: starts.into(),
        })
    }

    /// The bytes of scratch that one thread needs.
    pub fn scratch_bytes(&self) -> usize {
        self.matmul.scratch_bytes(if self.wide { 8 } else { 4 })
    }

    /// In how many parts threads can share them, at most.
    pub fn parts(&self) -> usize {
        let of_each = self.matmul.parts(if self.wide { 8 } else { 4 });
        self.starts.len().max(of_each).max(1)
    }

    /// Runs all products.
    ///
    /// # Safety
    /// The addresses hold what the plan says; nobody else writes the operands or touches the output
    /// meanwhile.
    pub unsafe fn run(&self, run: &Run) {
        let &Run { bases, scratch, level, threads, thread, pool, alone } = run;
        let (count, element_bytes) = (self.starts.len(), if self.wide { 8 } else { 4 });
        let team = if count > 1 {
            self.matmul.cost(level, element_bytes).team_of_tasks(count, threads)
        } else {
            1
        };
        if team < 2 {
            for starts in &self.starts {
                // SAFETY: as the caller promises; one product at a time uses this thread's
                // scratch.
                unsafe { self.product(bases, starts, scratch.of(thread), level, pool) }
            }
            return;
        }
        run.share_on(team, count, |thread, index| {
            // SAFETY: as the caller promises; each thread has scratch of its own.
            unsafe { self.product(bases, &self.starts[index], scratch.of(thread), level, alone) };
        });
    }

    /// Whether a routine can take the result as it is computed.
    pub fn updates(&self) -> bool {
        !self.wide && self.starts.len() == 1 && self.bias.is_none() && self.matmul.updates()
    }

    /// The bytes of scratch for that.
    pub fn update_scratch_bytes(&self) -> usize {
        self.matmul.update_scratch_bytes()
    }

    /// Runs the product, and a routine with its result, which is not written.
    ///
    /// # Safety
    /// As for `run`, with the targets instead of the output; and the product `updates`.
    pub unsafe fn run_update(
        &self,
        &Run { bases, scratch, level, pool, .. }: &Run,
        targets: &Targets,
    ) {
        let (a, b) =
            (bases.at(self.left).cast_const().cast(), bases.at(self.right).cast_const().cast());
        // SAFETY: as the caller promises.
        unsafe { self.matmul.run_update(level, a, b, targets, scratch.of(0), pool) }
    }

    /// # Safety
    /// As for `run`.
    unsafe fn product(
        &self,
        bases: &Bases,
        &[left, right, output]: &[usize; 3],
        scratch: *mut u8,
        level: Level,
        pool: &Pool,
    ) {
        let (a, b) =
            (bases.at(self.left).wrapping_add(left), bases.at(self.right).wrapping_add(right));
        let bias = self.bias.map(|bias| bases.at(bias).cast_const());
        let c = bases.at(self.output).wrapping_add(output);
        // SAFETY: as the caller promises.
        unsafe {
            if self.wide {
                self.matmul.run_f64(
                    level,
                    a.cast(),
                    b.cast(),
                    bias.map(<*const u8>::cast),
                    c.cast(),
                    scratch,
                    pool,
                )
            } else {
                self.matmul.run_f32(
                    level,
                    a.cast(),
                    b.cast(),
                    bias.map(<*const u8>::cast),
                    c.cast(),
                    scratch,
                    pool,
                )
            }
        }
    }
}
