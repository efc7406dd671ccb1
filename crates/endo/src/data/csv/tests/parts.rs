//! Tables that several processes read by ranges of bytes are those that one reads whole.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::*;
use crate::data::csv::PartReading;
use crate::data::table::TablePart;
use crate::data::values::Values;
use crate::shards::Threads;
use crate::storage::Lender;

/// A file that is removed when it is dropped.
struct TemporaryFile(PathBuf);

impl TemporaryFile {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("endo-parts-{name}-{}", std::process::id()));
        fs::write(&path, bytes).unwrap();
        Self(path)
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The tables that ranks have in the end, or why they have to read the file whole.
fn read_by(ranks: usize, csv: &Csv, path: &Path) -> Vec<Result<Table, Option<String>>> {
    let parts = Threads::run(ranks, |link| csv.read_part(path, &link).unwrap());
    joined(parts.into_iter().map(|part| match part {
        PartReading::Rows(part) => Ok(*part),
        PartReading::Whole(why) => Err(why),
    }))
}

fn joined(
    parts: impl Iterator<Item = Result<TablePart, Option<String>>>,
) -> Vec<Result<Table, Option<String>>> {
    let memory = Mutex::new(Vec::new());
    let parts: Vec<_> = parts
        .inspect(|part| {
            let (Ok(part), Ok(mut memory)) = (part, memory.lock()) else { return };
            memory.resize(part.bytes_of_all(), 0_u8);
            for (start, bytes) in part.pieces() {
                memory[start..start + bytes.len()].copy_from_slice(bytes);
            }
        })
        .collect();
    let lender: Lender = Arc::new(memory.into_inner().unwrap());
    parts.into_iter().map(|part| part.map(|part| part.over(&lender).unwrap())).collect()
}

/// All that can be asked of a table.
fn told(table: &Table) -> String {
    let mut told = format!("{:?} {:?} {:?}", table.notes(), table.decimal(), table.day_first());
    for name in table.columns() {
        let values = match table.values(name).unwrap() {
            Values::Words(words) => format!("{words:?}"),
            Values::Numbers(values) | Values::Times(values) => {
                format!("{:?}", values.iter().map(|value| value.to_bits()).collect::<Vec<_>>())
            }
        };
        let kind = table.values(name).unwrap().kind();
        told += &format!("\n{name} {kind:?} {values} {:?}", table.spelled(name));
    }
    let places: Vec<String> = (0..table.len()).map(|row| table.place(row)).collect();
    told + &format!("\n{places:?}")
}

/// How the ranks read a file: whether by ranges. Fails where what they read is not what one reads.
fn check(name: &str, csv: &Csv, bytes: &[u8], ranks: usize) -> bool {
    let file = TemporaryFile::new(name, bytes);
    let whole = csv.read(&file.0);
    let parts = read_by(ranks, csv, &file.0);
    let by_ranges = parts.iter().filter(|part| part.is_ok()).count();
    assert!(by_ranges == 0 || by_ranges == ranks, "{name}: some ranks read by ranges");
    let told_of_whole = whole.as_ref().map_or_else(|_| String::new(), told);
    for part in parts.iter().flatten() {
        let text = || String::from_utf8_lossy(bytes).chars().take(2000).collect::<String>();
        let whole = whole.as_ref().unwrap_or_else(|error| panic!("{error}, in {}", text()));
        assert!(
            part.len() == whole.len() && told(part) == told_of_whole,
            "{name} by {ranks}:\n{}",
            text()
        );
    }
    by_ranges > 0
}

/// Random numbers that are the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len() as u64) as usize]
    }

    /// A cell of a kind of column, in which row `row` of `rows` may be unlike those before.
    fn cell(&mut self, kind: u64, row: u64, rows: u64) -> String {
        let number = self.below(100_000);
        match kind {
            0 => format!("{}.{:02}", number / 100, number % 100),
            1 => {
                self.of(&["red", "blue", "", "\"a \"\"b\"\"\"", "\"x\ny\"", "NA", "-"]).to_string()
            }
            2 => self.of(&["1", "2", "3", "4+", "NA", "4+"]).to_string(),
            3 => format!("{:02}/{:02}/2024", 1 + self.below(12), 1 + self.below(12)),
            4 => format!("{:02}.{:02}.2024", 1 + self.below(28), 1 + self.below(12)),
            5 => format!("word {}", self.below(1500)),
            // Few different cells at first, and then a great number of them.
            6 if row < rows / 2 => self.of(&["0", "1"]).to_string(),
            6 => format!("{number}"),
            // Words that look like numbers in most ranges.
            7 if row < rows / 3 => format!("PC {number}"),
            7 => format!("{number}"),
            8 => self.of(&["1.299", "2.500", "", "7"]).to_string(),
            9 if row == rows - 1 => "1,5".to_string(),
            9 => self.of(&["3", "4", "none"]).to_string(),
            10 => "\"\r\n, \"\"\r\"".to_string(),
            11 => self.of(&["2024-01-31", "?", "2023-02-01 12:30"]).to_string(),
            12 => String::new(),
            13 => format!("{}", row % 1200),
            _ => format!("$ {}", self.below(9)),
        }
    }

    fn table(&mut self, rows: u64) -> String {
        let end = self.of(&["\n", "\r\n", "\r"]).to_string();
        let delimiter = self.of(&[",", ";", "\t"]).to_string();
        let kinds: Vec<u64> = (0..1 + self.below(5)).map(|_| self.below(15)).collect();
        let mut text = String::new();
        if self.below(4) == 0 {
            text += "\u{feff}";
        }
        if self.below(4) == 0 {
            text += &format!("sep={delimiter}{end}");
        }
        if self.below(4) == 0 {
            text += &format!("# of 2024{end}# and more{end}");
        }
        let names: Vec<String> = (0..=kinds.len()).map(|name| format!("n{name}")).collect();
        text += &(names.join(&delimiter) + &end);
        for row in 0..rows {
            let cells = kinds.iter().map(|&kind| {
                let cell = self.cell(kind, row, rows);
                let is_bare =
                    !cell.contains('"') && (cell.contains(&delimiter) || self.0.is_multiple_of(7));
                if is_bare { format!("\"{cell}\"") } else { cell }
            });
            let cells: Vec<String> = cells.collect();
            text += &format!("{row}{delimiter}{}{end}", cells.join(&delimiter));
            if self.below(40) == 0 {
                text += &end;
            }
        }
        if self.below(2) == 0 {
            text.truncate(text.len() - end.len());
        }
        text
    }
}

#[test]
fn random_tables_are_the_same_read_by_any_number_of_ranks() {
    let (mut read, mut tables) = (0, 0);
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let rows = [1, 2, 3, 7, 40, 40, 200, 2500][dice.below(8) as usize];
        let text = dice.table(rows);
        let csv = if dice.below(4) == 0 { Csv::new() } else { Csv::new().typed() };
        let all = [1, 2, 3, 5, 8];
        for &ranks in if rows > 200 { &all[1..4] } else { &all } {
            let is_read = check(&format!("random-{seed}"), &csv, text.as_bytes(), ranks);
            let can_be_read = csv.read_from(text.as_bytes()).is_ok();
            assert!(is_read == can_be_read, "seed {seed} by {ranks} ranks: {can_be_read}");
            (read, tables) = (read + usize::from(is_read), tables + 1);
        }
    }
    // There are tables of both kinds among these.
    assert!(read > tables / 4 && read < tables, "{read} of {tables}");
}

#[test]
fn a_column_whose_kind_is_decided_late_is_read_again_where_it_has_to_be() {
    let table = |cell: &dyn Fn(usize) -> String| {
        let rows = (0..4000).map(|row| format!("{},{}\n", row % 5, cell(row)));
        rows.fold("a,b\n".to_string(), |text, row| text + &row)
    };
    let cases: [(&str, &dyn Fn(usize) -> String); 6] = [
        ("few", &|row| format!("{}", row % 900)),
        ("together", &|row| format!("{}", row / 3)),
        ("late", &|row| if row < 2500 { "1".to_string() } else { format!("{row}.5") }),
        ("words", &|row| if row < 2000 { format!("w{row}") } else { format!("{row}") }),
        ("missing", &|row| if row < 2000 { "NA".to_string() } else { format!("w{row}") }),
        ("times", &|row| if row < 9 { "13/01/2024".to_string() } else { "02/01/2024".to_string() }),
    ];
    for (name, cell) in cases {
        for ranks in [2, 3, 8] {
            assert!(check(name, &Csv::new().typed(), table(cell).as_bytes(), ranks), "{name}");
        }
    }
}

#[test]
fn options_hold_for_every_range() {
    let text = "id,d,x,y\n1,02/01/2024,\"1,5\",-9\n2,03/01/2024,\"1.299\",b\n3,,\"2\",-9\n";
    let csv = Csv::new().decimal(',').day_first(false).missing("-9").kind("id", ColumnKind::Word);
    for csv in [csv.clone(), csv.clone().only(["x", "y"]), csv.header(true).delimiter(',')] {
        for ranks in [1, 2, 3, 5] {
            assert!(check("options", &csv, text.as_bytes(), ranks));
        }
    }
    let csv = Csv::new().typed().header(false);
    assert!((1..6).all(|ranks| check("no-header", &csv, b"1,2\n\n3,4\r\n5,6", ranks)));
    assert!((1..6).all(|ranks| check("one", &Csv::new().typed(), b"a\n\"1\n\"\n", ranks)));
}

#[test]
fn what_is_wrong_in_any_range_has_all_ranks_read_the_file_whole() {
    let good = "a,b\n1,x\n2,y\n3,z\n4,x\n5,y\n6,z\n7,x\n";
    for bad in [
        good.replace("6,z", "6,z,7"),
        good.replace("6,z", "z,6"),
        good.replace("6,z", "6,\"z"),
        good.replace("6,z", "a,b"),
        good.replace("6,z", ","),
        good.replace("5,y", "1.5,y").replace("6,z", "\"1,6\",z"),
        good.replace("6,z", "\"1,600\",z"),
        "a,b\n".to_string(),
        String::new(),
    ] {
        let file = TemporaryFile::new("wrong", bad.as_bytes());
        assert!(Csv::new().typed().read(&file.0).is_err(), "{bad}");
        for ranks in [1, 2, 3, 5, 8] {
            let parts = read_by(ranks, &Csv::new().typed(), &file.0);
            assert!(parts.iter().all(|part| matches!(part, Err(None))), "{bad} by {ranks}");
        }
    }
    let broken = TemporaryFile::new("broken", &[good.as_bytes(), b"8,\xff\n"].concat());
    let parts = read_by(3, &Csv::new().typed(), &broken.0);
    assert!(parts.iter().all(|part| matches!(part, Err(None))));
    let missing = read_by(3, &Csv::new(), Path::new("no-such-file.csv"));
    assert!(missing.iter().all(|part| matches!(part, Err(None))));
}

#[test]
fn files_that_cannot_be_cut_say_why() {
    let utf16: Vec<u8> = "\u{feff}a,b\n1,2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, b"a,b\n1,2\n3,4\n").unwrap();
    for (bytes, why) in [
        (utf16, "it is in UTF-16"),
        (packed.finish().unwrap(), "it is compressed by gzip"),
        (b"a,b\n1,2\n\x1a".to_vec(), "it holds a Ctrl-Z, which may end the file"),
    ] {
        let file = TemporaryFile::new("uncut", &bytes);
        for part in read_by(3, &Csv::new().typed(), &file.0) {
            assert_eq!(part.err().flatten().as_deref(), Some(why));
        }
    }
    let files = ["1,2\n", "1,3\n"].map(|row| format!("a,b\n{row}"));
    let files: Vec<TemporaryFile> = (0..2)
        .map(|file| TemporaryFile::new(&format!("other-{file}"), files[file].as_bytes()))
        .collect();
    let parts = Threads::run(2, |link| {
        let path = files[crate::shards::Link::rank(&link)].0.clone();
        Csv::new().read_part(path, &link).unwrap()
    });
    for part in parts {
        let PartReading::Whole(why) = part else { panic!("the files differ") };
        assert_eq!(why.as_deref(), Some("it is not one file that all ranks see"));
    }
}

#[test]
fn the_parts_of_a_whole_table_make_it_again() {
    let text = "a,b,c\n1,x,2024-01-31\n2,,\n\n3,\"y\nz\",2024-02-01\n";
    let whole = Csv::new().typed().read_from(text.as_bytes()).unwrap();
    for ranks in [1, 2, 3, 5] {
        let parts = (0..ranks).map(|rank| Ok(TablePart::of_whole(whole.clone(), rank, ranks)));
        for part in joined(parts) {
            assert_eq!(told(&part.unwrap()), told(&whole));
        }
    }
}
