//! Files of any size, a block of rows at a time, packed or not.
//!
//! In: small files in small blocks, and files that never end. Out: the same as when they are read
//! whole, with places of the file.

use std::io::Write;

use proptest::prelude::*;

use super::typed::{numbers, typed, words};
use super::*;
use crate::data::values::Values;

/// All blocks of a text.
fn blocks(csv: &Csv, text: &str, rows: usize) -> Result<Vec<Table>> {
    let mut blocks = csv.blocks_from(text.as_bytes(), rows)?;
    std::iter::from_fn(|| blocks.next().transpose()).collect()
}

fn error_of_blocks(csv: &Csv, text: &str, rows: usize) -> String {
    blocks(csv, text, rows).unwrap_err().message().to_string()
}

#[test]
fn blocks_hold_the_rows_in_order_with_their_places_in_the_file() {
    let text = "a,b\n1,x\n\n2,y\n3,x\n,\n,\n";
    let tables = blocks(&Csv::new(), text, 2).unwrap();
    assert_eq!(tables.iter().map(Table::len).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(
        (tables[0].values("b").unwrap(), tables[1].values("b").unwrap()),
        (&words(["x", "y"]), &words(["x"]))
    );
    assert_eq!(
        (tables[0].place(1), tables[1].place(0)),
        ("row 2 (line 4)".to_string(), "row 3 (line 5)".to_string())
    );
    assert!(blocks(&Csv::new(), "a,b\n", 2).is_err());
    assert_eq!(blocks(&Csv::new(), "a,b\n1,2\n", 1).unwrap().len(), 1);
}

#[test]
fn what_the_first_block_shows_holds_for_all() {
    let csv = Csv::new();
    let kinds = error_of_blocks(&csv, "a,b\n1,2\n3,4\nx,6\n", 2);
    assert_eq!(kinds, "row 3 (line 4), column `a`: `x` is not a number");
    let marks = error_of_blocks(&csv, "a;b\n1.299;2\n3;4\n1,5;6\n", 2);
    assert_eq!(
        marks,
        "row 3 (line 4), column `a`: `1,5` and `1.299` of row 1 (line 2) do not have the same \
            decimal mark"
    );
    let tables = blocks(&csv, "a;b\n1,5;2\n1.299;4\n", 1).unwrap();
    assert_eq!(tables[1].values("a").unwrap(), &numbers(&[1299.0]));
    let tables = blocks(&csv, "a,b\n01/31/1970,2\n02/01/1970,4\n", 1).unwrap();
    assert_eq!(tables[1].values("a").unwrap(), &Values::Times(vec![31.0 * 86_400.0].into()));
    // A column with nothing in the first block is still open.
    let tables = blocks(&csv, "a,b\n,2\nx,4\n", 1).unwrap();
    assert_eq!(tables[1].values("a").unwrap(), &words(["x"]));
    let given = Csv::new().decimal(',').kind("a", ColumnKind::Number).only(["a"]);
    assert_eq!(
        blocks(&given, "a;b\n1.299;oops\n2,5;\n", 1).unwrap()[0].values("a").unwrap(),
        &numbers(&[1299.0])
    );
}

#[test]
fn endless_files_are_read_in_blocks() {
    struct Endless;
    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let rows = b"1,x\n".repeat(buffer.len() / 4 + 1);
            buffer.copy_from_slice(&rows[..buffer.len()]);
            Ok(buffer.len() / 4 * 4)
        }
    }
    let mut blocks = Csv::new().blocks_from("a,b\n".as_bytes().chain(Endless), 1000).unwrap();
    for _ in 0..20 {
        assert_eq!(blocks.next().unwrap().unwrap().len(), 1000);
    }
}

#[test]
fn long_rows_make_shorter_blocks_and_whole_tables_of_any_size() {
    let text = "a,b\n".to_string() + &format!("{},1\n", "1".repeat(1_000_000)).repeat(6);
    let csv = Csv::new().kind("a", ColumnKind::Ignored);
    let rows: Vec<usize> = blocks(&csv, &text, 100).unwrap().iter().map(Table::len).collect();
    assert_eq!(rows, [5, 1]);
    assert_eq!(csv.read_from(text.as_bytes()).unwrap().len(), 6);
    let zeros = "a,b\n".to_string() + &format!("0.{},1\n", "0".repeat(1_000_000)).repeat(6);
    assert_eq!(Csv::new().read_from(zeros.as_bytes()).unwrap().len(), 6);
}

#[test]
fn long_lines_and_cells_are_bounded() {
    let csv = Csv::new().typed();
    let error = |text: &str| csv.read_from(text.as_bytes()).unwrap_err().to_string();
    let line = error(&",".repeat(100_000_000));
    assert!(line.contains("more than 1000000 cells") && line.len() < 2000, "{line}");
    let cell = error(&format!("a,b\n{},1\n", "x".repeat(2_000_000)));
    assert!(cell.contains("goes on for more than 1048576 bytes") && cell.len() < 2000, "{cell}");
    let long = "x".repeat(1_000_000);
    let table = typed(&format!("a,b\n{long},1\n{long}y,2\n"));
    assert_eq!(table.values("a").unwrap(), &words([long.as_str(), format!("{long}y").as_str()]));
}

#[test]
fn packed_files_are_tables_and_broken_ones_are_named_with_their_path() {
    let text: String = "a,b\n".to_string()
        + &(0..2000_u32).map(|row| format!("{},{row}\n", row * 7919 % 1000)).collect::<String>();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let zstd = ruzstd::encoding::compress_to_vec(
        text.as_bytes(),
        ruzstd::encoding::CompressionLevel::Fastest,
    );
    for (format, bytes) in [("gzip", gzip.finish().unwrap()), ("zstd", zstd)] {
        assert_eq!(
            Csv::new().read_from(&bytes[..]).unwrap(),
            Csv::new().read_from(text.as_bytes()).unwrap()
        );
        let table = Csv::new().typed().read_from(&bytes[..]).unwrap();
        assert_eq!(table.notes(), [format!("the file is compressed by {format}")]);
        let path =
            std::env::temp_dir().join(format!("endo-packed-{}-{format}", std::process::id()));
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let error = Csv::new().typed().read(&path).unwrap_err();
        std::fs::remove_file(&path).unwrap();
        let message = format!(
            "{}: the file is compressed by {format}, and broken or cut off: ",
            path.display()
        );
        assert!(
            error.kind() == ErrorKind::Data && error.message().starts_with(&message),
            "{error}"
        );
        error.advises("zstd -t");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn packed_files_with_any_byte_changed_are_read_or_refused(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        is_gzip in any::<bool>(),
    ) {
        let text: String = "a,b\n".to_string()
            + &(0..500_u32)
                .map(|row| format!("{},w{}\n", row * 7919 % 1000, row % 7))
                .collect::<String>();
        let mut bytes = if is_gzip {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(text.as_bytes()).unwrap();
            gzip.finish().unwrap()
        } else {
            ruzstd::encoding::compress_to_vec(
                text.as_bytes(),
                ruzstd::encoding::CompressionLevel::Fastest,
            )
        };
        let at = at.index(bytes.len());
        bytes[at] ^= byte;
        if let Err(error) = Csv::new().typed().read_from(&bytes[..]) {
            prop_assert!(error.to_string().len() < 2000, "{}", error);
        }
    }

    #[test]
    fn blocks_together_are_the_table(
        cells in prop::collection::vec(("[a-c]{1,2}|NA|", -9..9_i32), 1..30),
        rows in 1..8_usize,
    ) {
        let text = "w,n\n".to_string()
            + &cells.iter().map(|(word, number)| format!("w{word},{number}\n")).collect::<String>();
        let whole = typed(&text);
        let mut at = 0;
        for block in blocks(&Csv::new(), &text, rows).unwrap() {
            for row in 0..block.len() {
                let word = |table: &Table, row| match table.values("w").unwrap() {
                    Values::Words(words) => words.get(row).map(str::to_string),
                    _ => None,
                };
                prop_assert_eq!(word(&block, row), word(&whole, at));
                prop_assert_eq!(block.column("n").unwrap()[row], whole.column("n").unwrap()[at]);
                at += 1;
            }
        }
        prop_assert_eq!(at, whole.len());
    }
}
