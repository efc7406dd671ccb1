//! `export`: what a model computes in `predict`, in one file that needs none of its code.
//!
//! In: a model that has seen its inputs. Out: a safetensors file with the weights by name and the graph of its `call` for any number
//! of rows, for [`Predictor`](super::Predictor) to load.

use std::collections::BTreeMap;
use std::path::Path;

use crate::array::Array;
use crate::dtype::DType;
use crate::error::{Error, ErrorKind, Result};
use crate::files::{self, failure};
use crate::graph::{Graph, SavedGraph, Tree};
use crate::model::sealed::Seal;
use crate::model::{Model, distinct};
use crate::ops;
use crate::shape::Shape;

use super::predict;

pub(super) const SEAL: Seal = Seal { entry: "endo.predictor", format: 3, oldest: 1, what: "a predictor" };

/// The numbers of rows for which the graphs are compared: the largest that a plan is ever made for, and two small ones, of which
/// none is 1, as sizes of 1 broadcast.
const ROWS: [usize; 3] = [2, 3, predict::ROWS];

impl<I: Tree, O: Tree> Model<I, O> {
    /// Writes what [`predict`](Self::predict) computes to a file, from which [`Predictor`](super::Predictor) computes the same bits
    /// without the model's code: no layers, closures or structs. An existing file is replaced at once or not at all.
    ///
    /// The inputs are those of the model's last trace (`fit`, `predict`, [`build`](Self::build)), with any number of rows. In the
    /// file are the operations with their sizes as functions of the number of rows, and the variables that they read. It is a
    /// safetensors file, so other programs can read the weights. A model that draws random numbers in `predict` goes on drawing the
    /// same, and one that is run eagerly is exported as if it were not.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// # let path = std::env::temp_dir().join(format!("endo-export-{}.endo", std::process::id()));
    /// let model = Model::new(|x: &Tensor, _: &mut Context| x / x.sum_axes(&[-1]).expand_dims(-1));
    /// model.build([1, 2])?;
    /// model.export(&path)?;
    /// let shares = Predictor::load(&path)?.predict(&[[1.0_f32, 3.0], [1.0, 1.0], [9.0, 1.0]].into())?;
    /// assert_eq!(shares, [[0.25_f32, 0.75], [0.5, 0.5], [0.9, 0.1]].into());
    ///
    /// // What a row gets depends on how many others there are.
    /// let model = Model::new(|x: &Tensor, _: &mut Context| x - x.mean());
    /// model.build([1, 2])?;
    /// let error = model.export(&path).unwrap_err();
    /// assert!(error.message().contains("depends on the number of rows"));
    /// assert!(error.site().is_some());
    /// # std::fs::remove_file(&path).ok();
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the model has seen no input; if what it computes depends on the number of rows otherwise than by sizes `a + b * rows`, or
    /// an output has not one row for each row of the inputs, with the operation, its layer and its line; if the file cannot be
    /// written.
    #[track_caller]
    pub fn export(&self, path: impl AsRef<Path>) -> Result<()> {
        self.export_with_note(path, "")
    }

    /// As [`export`](Self::export), with a text that the [`Predictor`](super::Predictor) gives back as its
    /// [`note`](super::Predictor::note): the names of columns, say, or where the model is from. The file's checksum covers it.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// # let path = std::env::temp_dir().join(format!("endo-note-{}.endo", std::process::id()));
    /// let model = Model::new(Dense::new(1));
    /// model.build([1, 2])?;
    /// model.export_with_note(&path, "rooms, age -> price")?;
    /// assert_eq!(Predictor::load(&path)?.note(), "rooms, age -> price");
    /// # std::fs::remove_file(&path).ok();
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`export`](Self::export).
    #[track_caller]
    pub fn export_with_note(&self, path: impl AsRef<Path>, note: &str) -> Result<()> {
        let path = path.as_ref();
        let mut graph = self.saved_graph()?;
        graph.note = note.to_string();
        let named = graph.variables.iter().chain(&graph.constants);
        let arrays: BTreeMap<&str, &Array> = named.map(|(name, array)| (name.as_str(), array)).collect();
        let bytes = SEAL.put(arrays.iter().map(|(name, array)| (*name, *array)), &graph.to_string());
        files::write(path, &[&bytes.map_err(|error| failure("cannot export to", path, &error))?])
    }

    #[track_caller]
    fn saved_graph(&self) -> Result<SavedGraph> {
        let inputs = self.inputs();
        let fail = |message: &str, help: &str| Err(Error::new(ErrorKind::Usage, message).help(help));
        if inputs.is_empty() {
            let help = "call `model.build([batch, features])` first, or `fit` it";
            return fail("the model has seen no input yet, so there is no shape to export it for", help);
        }
        if inputs.iter().any(|(shape, _)| shape.is_scalar()) {
            let help = "let all inputs have samples along their first axis";
            return fail("the model was last traced for an input without axes, which has no rows", help);
        }
        let graph = |rows: usize| -> Result<(usize, Graph)> {
            let zeros = |(shape, dtype): &(Shape, DType)| Array::try_zeros(&shape.with(0, rows), *dtype);
            let arrays = inputs.iter().map(zeros).collect::<Result<Vec<Array>>>()?;
            Ok((rows, self.graph(&arrays.iter().collect::<Vec<_>>(), false)?))
        };
        let graphs = ROWS.into_iter().map(graph).collect::<Result<Vec<_>>>()?;
        let mut saved = SavedGraph::new(&graphs, &self.output_names(), ops::saved::named)?;
        let of = |&place: &usize| saved.nodes[place].clone();
        if let Some((name, node)) = saved.outputs.iter().map(|(name, place)| (name, of(place))).find(|(_, x)| !x.has_a_row_each())
        {
            let sizes: Vec<String> = node.shape.iter().map(ToString::to_string).collect();
            let message = format!("the output `{name}` has shape [{}] for n rows", sizes.join(", "));
            let help =
                "a model that predicts returns one row for each row of its input, and no other axis depends on their number";
            return Err(Error::new(ErrorKind::Shape, message).help(help));
        }
        distinct(&mut saved.variables, &[]);
        let taken: Vec<&str> = saved.variables.iter().map(|(name, _)| name.as_str()).collect();
        distinct(&mut saved.constants, &taken);
        Ok(saved)
    }
}
