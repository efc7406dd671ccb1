//! Structs of a user's own with hyperparameters, and the files that models with them are saved in.
//!
//! In: hyperparameters; a test's name. Out: a loss, an activation; a path that is removed when the
//! test ends.

use std::path::{Path, PathBuf};

use endo::prelude::*;

/// The chapter's `HuberLoss`.
pub struct HuberLoss {
    pub threshold: f64,
}

impl Loss for HuberLoss {
    fn call(&self, y_true: &Tensor, y_pred: &Tensor) -> Tensor {
        huber(y_true, y_pred, self.threshold)
    }

    fn name(&self) -> &str {
        "huber_loss"
    }

    fn hyperparameters(&self) -> Hyperparameters {
        Hyperparameters::new().with("threshold", self.threshold)
    }
}

/// A softplus whose bend is `beta` times as sharp.
pub struct MySoftplus {
    pub beta: f64,
}

impl ActivationFunction for MySoftplus {
    fn call(&self, z: &Tensor) -> Tensor {
        (z * self.beta).softplus() / self.beta
    }

    fn hyperparameters(&self) -> Hyperparameters {
        Hyperparameters::new().with("beta", self.beta)
    }
}

/// A file of a test's own, removed when it ends.
pub struct File(PathBuf);

impl File {
    pub fn new(name: &str) -> Self {
        Self(
            std::env::temp_dir()
                .join(format!("endo-custom-{}-{name}.safetensors", std::process::id())),
        )
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // It may never have been written.
        let _ = std::fs::remove_file(&self.0);
    }
}
