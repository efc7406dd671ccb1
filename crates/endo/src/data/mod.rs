//! Data on its way to a model: read it, split it, scale it, cut it into batches.
//!
//! In: arrays, or a table in a CSV file. Out: a [`Dataset`], which `fit`, `evaluate` and custom
//! loops take. The rule of this folder: data that is wrong is refused here, by row and column,
//! before a model sees it.
//!
//! ```
//! use endo::data::{StandardScaler, Table};
//!
//! let csv = "rooms,age,price\n6.9,41,4.5\n6.2,21,3.5\n8.2,52,3.6\n5.8,52,3.4\n6.1,30,2.7\n";
//! let data = Table::from_csv_reader(csv.as_bytes(), None)?.dataset("price")?;
//! let (train, test) = data.split(0.2, 42)?;
//!
//! let scaler = StandardScaler::fit(train.inputs())?;
//! let train = train.with_inputs(scaler.transform(train.inputs())?)?;
//! let test = test.with_inputs(scaler.transform(test.inputs())?)?;
//!
//! for epoch in 0..3 {
//!     for (x, y) in train.batches(2)?.shuffled(42, epoch) {
//!         assert_eq!((x.shape().sizes(), y.shape().sizes()), (&[2, 2][..], &[2, 1][..]));
//!     }
//! }
//! assert_eq!(test.len(), 1);
//! # Ok::<(), endo::Error>(())
//! ```

mod array_files;
mod arrays;
mod batches;
mod checks;
mod class_weight;
mod csv;
mod dataset;
#[cfg(feature = "images")]
mod image_folder;
mod npy;
mod output_names;
mod scaler;
mod sequences;
pub(crate) mod stream;
mod structs;
mod table;
mod text_lines;
mod values;

#[doc(hidden)]
pub use crate::shown::{listed, shown, shown_lines, shown_path};
pub use array_files::read_arrays;
pub use arrays::{Arrays, IntoArrays, IntoOutputArrays, Number, OutputArrays};
pub use batches::{Batches, Order};
pub(crate) use checks::{is_covered, place_of};
pub use class_weight::class_weights;
#[doc(hidden)]
pub use csv::PartReading;
pub use csv::{Blocks, ColumnKind, Csv, date};
pub use dataset::Dataset;
#[cfg(feature = "images")]
pub use image_folder::ImageFolder;
pub use npy::{NpyFile, NpySamples};
pub use scaler::StandardScaler;
pub use sequences::{PadSide, pad_sequences};
pub use stream::{BatchAt, BatchSource, IntoBatch, IntoStream, Length, Samples, Sampling, Stream};
#[doc(hidden)]
pub use structs::{arrays_of, from_arrays_of, names_of};
pub use table::Table;
#[doc(hidden)]
pub use table::TablePart;
pub use text_lines::TextLines;
pub use values::{Values, Words};
