//! Typed columns: which kind a column has, what is missing in it, and what is refused.
//!
//! In: small files of each kind. Out: their values, the notes, or the message with its help.

use super::*;
use crate::data::values::{Values, Words};

pub(super) fn typed(text: &str) -> Table {
    Csv::new()
        .typed()
        .read_from(text.as_bytes())
        .unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

pub(super) fn numbers(values: &[f64]) -> Values {
    Values::Numbers(values.to_vec().into())
}

pub(super) fn words<'a>(cells: impl IntoIterator<Item = &'a str>) -> Values {
    Values::Words(Words::from_cells(
        cells.into_iter().map(|cell| (!cell.is_empty()).then_some(cell)),
    ))
}

/// A table of one column `a` beside a column of zeros, so that empty cells are no blank lines.
fn column(cells: &[&str]) -> String {
    "a,b\n".to_string() + &cells.iter().map(|cell| format!("\"{cell}\",0\n")).collect::<String>()
}

fn values(cells: &[&str]) -> Values {
    values_of(&Csv::new().typed(), &column(cells), "a")
}

fn values_of(csv: &Csv, text: &str, name: &str) -> Values {
    csv.read_from(text.as_bytes()).unwrap().values(name).unwrap().clone()
}

fn refusal(csv: &Csv, text: &str) -> (String, String) {
    let error = csv.read_from(text.as_bytes()).expect_err(text);
    (error.message().to_string(), error.advice().unwrap_or_default().to_string())
}

const GAP: f64 = f64::NAN;

#[test]
fn columns_are_numbers_times_or_words() {
    let table = typed("n,t,w\n1,2024-01-31,a b\n-2.5,2024-02-01, c \n");
    assert_eq!(table.values("n").unwrap(), &numbers(&[1.0, -2.5]));
    assert_eq!(
        table.values("t").unwrap(),
        &Values::Times(vec![1_706_659_200.0, 1_706_745_600.0].into())
    );
    assert_eq!(table.values("w").unwrap(), &words(["a b", "c"]));
    assert!(table.notes().is_empty(), "{:?}", table.notes());
    assert_eq!(values(&["ö", "o\u{308}"]), words(["ö", "ö"]));
    assert_eq!(values(&["true", "false"]), words(["true", "false"]));
}

#[test]
fn missing_cells_are_gaps_in_every_kind() {
    let gaps =
        ["", " ", "NA", "n/a", "#N/A", "NaN", "-nan", "NULL", "<NA>", r"\N", "?", "#DIV/0!", "NaT"];
    for gap in gaps {
        assert_eq!(values(&["1", gap]), numbers(&[1.0, GAP]), "{gap}");
        assert_eq!(values(&[gap, "x"]), words(["", "x"]), "{gap}");
        assert_eq!(values(&["1970-01-01", gap]), Values::Times(vec![0.0, GAP].into()), "{gap}");
    }
    for gap in ["None", ".", "-", "--", "missing", "nil"] {
        assert_eq!(values(&[gap, "1"]), numbers(&[GAP, 1.0]), "{gap}");
        assert_eq!(values(&["1970-01-01", gap]), Values::Times(vec![0.0, GAP].into()), "{gap}");
        assert_eq!(values(&[gap, "x"]), words([gap, "x"]), "{gap}");
    }
    assert_eq!(values(&["+", "-"]), words(["+", "-"]));
    assert_eq!(values(&["NA", "", "."]), numbers(&[GAP; 3]));
    let csv = Csv::new().missing("-999").missing("k. A.");
    let table = csv.read_from("a,b\n-999,x\n1,k. A.\n".as_bytes()).unwrap();
    assert_eq!(table.values("a").unwrap(), &numbers(&[GAP, 1.0]));
    assert_eq!(table.values("b").unwrap(), &words(["x", ""]));
}

#[test]
fn categories_and_identifiers_among_numbers_are_words_with_a_note() {
    let table = typed(&column(&["1", "2", "4+", "3", "4+", "1"]));
    assert_eq!(table.values("a").unwrap(), &words(["1", "2", "4+", "3", "4+", "1"]));
    let note = "column `a` is read as words, though most of its cells are numbers: `4+` of row 3 \
        (line 4) is none";
    assert_eq!(table.notes(), [note]);
    let hours = values(&["<1", "1", "2", "<1", "5+", "1", "5+", "2", "none", "none", "1", "1"]);
    assert_eq!(hours.kind(), ColumnKind::Word, "bounds that many rows have are categories");
    let tickets: Vec<String> = (0..200_u32)
        .map(|row| match row % 5 {
            0 => format!(
                "{}{} {}",
                char::from(b'A' + (row / 5 % 26) as u8),
                "/5".repeat((row % 3) as usize),
                2000 + row
            ),
            _ => format!("{}", 110_000 + row),
        })
        .collect();
    let cells: Vec<&str> = tickets.iter().map(String::as_str).collect();
    assert_eq!(values(&cells), words(cells.iter().copied()));
    let table = typed("a;b\n$1,200;1\n-$5;2\nfree;3\n");
    let note = "column `a` is read as words, because its numbers have signs, as in `$1,200` of row \
        1 (line 2): write them without to have numbers";
    assert_eq!(table.notes(), [note]);
    // Mostly words need no note.
    assert_eq!(values(&["a", "1", "b"]), words(["a", "1", "b"]));
}

#[test]
fn slips_units_and_bounds_in_numbers_are_refused_where_they_stand() {
    let csv = Csv::new().typed();
    let mut cells: Vec<String> = (0..10_000).map(|row| row.to_string()).collect();
    let refused = |cells: &[String], message: &str, help: &str| {
        let text = column(&cells.iter().map(String::as_str).collect::<Vec<_>>());
        let (said, advice) = refusal(&csv, &text);
        assert_eq!(said, message);
        assert!(
            advice.contains(help)
                && advice.contains("--missing TEXT")
                && advice.contains("`Csv::kind`"),
            "{advice}"
        );
    };
    cells[20] = "1O5".to_string();
    refused(
        &cells,
        "row 21 (line 22), column `a`: `1O5` is not a number",
        "most cells of the column are numbers",
    );
    cells[20] = "5".to_string();
    cells[9000] = "12 kg".to_string();
    refused(
        &cells,
        "row 9001 (line 9002), column `a`: `12 kg` is not a number",
        "`12` instead of `12 kg`",
    );
    let few: Vec<String> = (0..100).map(|row| (row % 9).to_string()).collect();
    let with = |row: usize, cell: &str| {
        let mut cells = few.clone();
        cells[row] = cell.to_string();
        cells
    };
    refused(
        &with(50, "1O5"),
        "row 51 (line 52), column `a`: `1O5` is not a number",
        "correct the cell",
    );
    refused(&with(0, "kg"), "row 1 (line 2), column `a`: `kg` is not a number", "correct the cell");
    refused(
        &with(3, "inf"),
        "row 4 (line 5), column `a`: `inf` is not a finite number",
        "correct the cell",
    );
    let mut bounds = with(3, "<5");
    bounds[60] = "<5".to_string();
    refused(&bounds, "row 4 (line 5), column `a`: `<5` is not a number", "`5` instead of `<5`");
    refused(
        &["1.5", "2,5", "3"].map(str::to_string),
        "row 2 (line 3), column `a`: `2,5` and `1.5` of row 1 (line 2) do not have the \
             same decimal mark",
        "decimal point",
    );
    refused(
        &["2024-02-28", "2024-02-30", "2024-03-01"].map(str::to_string),
        "row 2 (line 3), column `a`: `2024-02-30` is not a date or time",
        "most cells of the column are dates",
    );
    let (message, help) = refusal(&csv, "a,b\nkg,cm\n1,2\n3,4\n");
    assert_eq!(message, "row 1 (line 2), column `a`: `kg` is not a number");
    assert!(help.contains("if it holds units, remove the line"), "{help}");
    let (message, help) = refusal(&csv, "a,b\nx,1\na,b\ny,2\n");
    assert_eq!(message, "row 2 (line 3): the line is the header again");
    assert!(help.contains("remove it"), "{help}");
}

#[test]
fn kinds_can_be_said() {
    let text = "a,b,c\n01,x,1970-01-02\n2,y,NA\nthree,1,1970-01-01\n";
    let csv = Csv::new()
        .kind("a", ColumnKind::Word)
        .kind("b", ColumnKind::Ignored)
        .kind("c", ColumnKind::Time);
    let table = csv.read_from(text.as_bytes()).unwrap();
    assert_eq!(table.columns().collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!(table.values("a").unwrap(), &words(["01", "2", "three"]));
    assert_eq!(table.values("c").unwrap(), &Values::Times(vec![86_400.0, GAP, 0.0].into()));
    let (message, help) = refusal(&Csv::new().kind("a", ColumnKind::Number), text);
    assert_eq!(message, "row 3 (line 4), column `a`: `three` is not a number");
    assert!(help.contains("--type COLUMN=category"), "{help}");
    let (message, _) = refusal(&Csv::new().kind("b", ColumnKind::Time), text);
    assert_eq!(message, "row 1 (line 2), column `b`: `x` is not a date or time");
    let (message, _) = refusal(&Csv::new().kind("d", ColumnKind::Word), text);
    assert_eq!(message, "there is no column `d`; the columns are `a`, `b`, `c`");
    let (message, _) = refusal(&Csv::new().target("a").kind("a", ColumnKind::Ignored), text);
    assert_eq!(message, "column `a` is the target, and left out");
    let (message, _) = refusal(&Csv::new().typed().target("c"), ",a\n0,1\n");
    assert_eq!(message, "there is no column `c`; the columns are `a`");
    let (message, _) = refusal(&Csv::new().only(["d"]), text);
    assert_eq!(message, "there is no column `d`; the columns are `a`, `b`, `c`");
    // What is not wanted is never refused: names that are there twice or missing, and cells.
    let table = Csv::new()
        .only(["y"])
        .read_from("x,x,,y\n1,2,3,4\n1O5,,3,5\n1,2,3,6\n".as_bytes())
        .unwrap();
    assert_eq!((table.columns().len(), table.column("y").unwrap()), (1, &[4.0, 5.0, 6.0][..]));
    let (message, _) = refusal(&Csv::new().only(["x"]), "x,x,y\n1,2,3\n");
    assert_eq!(message, "two columns have the name `x`: columns 1 and 2");
}

#[test]
fn spellings_of_few_numbers_are_kept() {
    let table = typed("y,z\n1.0,007\n0.0,7\n1,8\n,007\n-0,\n");
    let spelled = table.spelled("y").unwrap();
    assert_eq!(
        (spelled.dictionary(), spelled.codes()),
        (&["1.0".to_string(), "0.0".into()][..], &[0, 1, 0, Words::MISSING, 1][..])
    );
    let spelled = table.spelled("z").unwrap();
    assert_eq!(
        (spelled.dictionary(), spelled.get(1), spelled.get(4)),
        (&["007".to_string(), "8".into()][..], Some("007"), None)
    );
    let many: String = (0..1001).map(|row| format!("{row},0\n")).collect();
    let table = Csv::new()
        .kind("a", ColumnKind::Number)
        .read_from(format!("a,b\n{many}").as_bytes())
        .unwrap();
    assert!(
        table.spelled("a").is_none()
            && table.spelled("b").is_some()
            && table.spelled("c").is_none()
    );
    let large = typed("id,b\n9007199254740993,1\n9007199254740992,2\n");
    assert_eq!(large.spelled("id").unwrap().dictionary().len(), 2);
}

#[test]
fn columns_of_many_different_cells_are_read_as_those_of_few() {
    for count in [999, 1000, 1001, 3000] {
        let text = |cell: &dyn Fn(u32) -> String| -> String {
            "a,b\n".to_string()
                + &(0..count).map(|row| format!("\"{}\",0\n", cell(row))).collect::<String>()
        };
        let table = typed(&text(&|row| if row % 7 == 3 { "-".into() } else { format!("{row},5") }));
        let expected: Vec<f64> =
            (0..count).map(|row| if row % 7 == 3 { GAP } else { f64::from(row) + 0.5 }).collect();
        assert_eq!(table.values("a").unwrap(), &Values::Numbers(expected.into()), "{count}");
        assert_eq!(table.notes(), ["column `a` has decimal commas"]);
        let cell = |row: u32| if row % 7 == 3 { "NA".into() } else { format!("w{row}") };
        let expected: Vec<String> = (0..count).map(cell).collect();
        let expected = words(expected.iter().map(|word| if word == "NA" { "" } else { word }));
        assert_eq!(typed(&text(&cell)).values("a").unwrap(), &expected, "{count}");
        // The last row tells that points separate thousands, and that the month comes first.
        let table = typed(&text(&|row| {
            if row + 1 == count { "1.000.000".into() } else { format!("1.{:03}", row % 1000) }
        }));
        let Values::Numbers(values) = table.values("a").unwrap() else { panic!("words") };
        assert_eq!(
            (values[0], values[998.min(count as usize - 2)]),
            (1000.0, f64::from(1000 + 998.min(count - 2)))
        );
        let day = |row: u32| {
            if row + 1 == count { "01/31/1970".into() } else { format!("02/01/{}", 1970 + row) }
        };
        let table = typed(&text(&day));
        let Values::Times(values) = table.values("a").unwrap() else { panic!("words") };
        assert_eq!(values[0], 31.0 * 86_400.0);
        assert!(
            table.notes()[0]
                .starts_with("dates of column `a` have the month first, as `01/31/1970` of row"),
            "{:?}",
            table.notes()
        );
    }
}

#[test]
fn the_order_of_day_and_month_has_to_be_known() {
    let text = "d,b\n02/01/2024,1\n03/01/2024,2\n";
    let (message, help) = refusal(&Csv::new().typed(), text);
    let place = "row 1 (line 2), column `d`";
    assert_eq!(
        message,
        format!(
            "{place}: `02/01/2024` may have the day first or the month first, and no other cell \
                of the column tells which"
        )
    );
    assert!(help.contains("`Csv::day_first`"), "{help}");
    let days = |first: bool| values_of(&Csv::new().day_first(first), text, "d");
    assert_eq!(days(true), values(&["2024-01-02", "2024-01-03"]));
    assert_eq!(days(false), values(&["2024-02-01", "2024-03-01"]));
    let (message, _) =
        refusal(&Csv::new().typed(), "d,b\n13/01/2024,1\n03/01/2024,2\n01/13/2024,2\n");
    let what = "`01/13/2024` and `13/01/2024` of row 1 (line 2) do not have day and month in the \
        same order";
    assert_eq!(message, format!("row 3 (line 4), column `d`: {what}"));
}

#[test]
fn decimal_marks_are_found_or_given() {
    let table = typed("a;b;c\n1,5;1.299;x\n2,5;1.234.567;y\n");
    assert_eq!(table.values("b").unwrap(), &numbers(&[1299.0, 1_234_567.0]));
    assert_eq!(table.notes(), ["columns `a`, `b` have decimal commas"]);
    assert_eq!((table.decimal(), table.day_first()), (Some(','), None));
    assert_eq!(typed("a;b\n1,5;1.5\n").decimal(), None);
    let text = "a;b\n1.299;x\n";
    let read = |mark| values_of(&Csv::new().typed().decimal(mark), text, "a");
    assert_eq!((read(','), read('.')), (numbers(&[1299.0]), numbers(&[1.299])));
    let (message, _) = refusal(&Csv::new().decimal(','), "a;b\n1.5;2\n");
    assert_eq!(
        message,
        "row 1 (line 2), column `a`: `1.5` does not have the decimal mark `,`, which is given"
    );
    let (message, help) = refusal(&Csv::new().typed(), "a;b\n\"1,299\";2\n");
    assert!(
        message
            .ends_with("`1,299` may be 1299 or 1.299, and no other cell of the column tells which"),
        "{message}"
    );
    assert!(help.contains("`Csv::decimal`"), "{help}");
    assert!(Csv::new().decimal('x').read_from("a\n1\n".as_bytes()).is_err());
}

#[test]
fn a_header_may_be_said_to_be_there_or_not() {
    let headless = Csv::new().typed().header(false);
    let table = headless.read_from("\n18.0,?,3504\n15,8,350\n".as_bytes()).unwrap();
    assert_eq!(table.columns().collect::<Vec<_>>(), ["x1", "x2", "x3"]);
    assert_eq!(table.values("x2").unwrap(), &numbers(&[GAP, 8.0]));
    assert_eq!(table.place(0), "row 1 (line 2)");
    let (message, help) = refusal(&Csv::new().typed(), "18.0,?,3504\n15,8,350\n");
    assert!(message.starts_with("the first line holds numbers"), "{message}");
    assert!(
        help.contains("`Csv::header(false)`, or --no-header")
            && help.contains("`Csv::header(true)`, or --header"),
        "{help}"
    );
    let (message, help) = refusal(&headless, "1,x\n2\n");
    assert_eq!(message, "row 2 (line 2): expected 2 cells, as in the first row, got 1");
    assert_eq!(help, "every row needs one cell for every column");
    let table = Csv::new().typed().header(true).read_from("2023,2024\n1,x\n".as_bytes()).unwrap();
    assert_eq!(table.values("2024").unwrap(), &words(["x"]));
}

#[test]
fn names_of_rows_are_left_out_with_a_note() {
    let note =
        "the first column, which has no name in the header, is left out: it holds names of rows";
    let texts = [
        "\"\",\"a\",\"b\"\n\"1\",1,\"x\"\n\"2\",2,\"y\"\n",
        ",a,b\n0,1,x\n1,2,y\n",
        "\"a\" \"b\"\n\"one\" 1 \"x\"\n\"two\" 2 \"y\"\n",
        "a,b\n1,1.0,x\n2,2.0,y\n",
        "a\tb\nm\t1\tx\nn\t2\ty\n",
    ];
    let years = typed("\"\",\"1940\",\"1945\"\n\"Food\",22.2,44.5\n\"Health\",3.53,5.76\n");
    assert_eq!(years.columns().collect::<Vec<_>>(), ["1940", "1945"]);
    for text in texts {
        let table = typed(text);
        assert_eq!(table.columns().collect::<Vec<_>>(), ["a", "b"], "{text:?}");
        assert_eq!(
            (table.values("a").unwrap(), table.values("b").unwrap()),
            (&numbers(&[1.0, 2.0]), &words(["x", "y"]))
        );
        assert!(table.notes().contains(&note.to_string()), "{:?}", table.notes());
    }
    let csv = Csv::new().typed();
    for (text, help) in [
        ("a,b\n1,5,2\n2,5,3\n", "one name short"),
        ("a,b\n1,2,5\n2,3,5\n", "one name short"),
        ("a,b,c\nx,1,5,2\ny,2,5,3\n", "one name short"),
        ("a,b\nx,y,\nz,w,\n", "ends with a delimiter"),
        ("a,,b\n1,2,3\n", "name it, or remove it"),
    ] {
        let (message, advice) = refusal(&csv, text);
        assert!(advice.contains(help), "{text:?}: {message}: {advice}");
    }
}

#[test]
fn comments_above_the_header_are_left_out_where_it_is_clear() {
    let table = typed("# of 2024, all rooms\r\n#\r\na,b\r\n1,x\r\n");
    assert_eq!((table.len(), table.place(0)), (1, "row 1 (line 4)".to_string()));
    assert_eq!(table.notes(), ["2 lines of comments above the header are left out"]);
    // A line that begins with `#` may be the header.
    assert_eq!(typed("#id,name\n1,x\n2,y\n").columns().collect::<Vec<_>>(), ["#id", "name"]);
    assert_eq!(
        typed("#name,city\nBob,Paris\nAnn,Rome\n").columns().collect::<Vec<_>>(),
        ["#name", "city"]
    );
    let (_, help) = refusal(&Csv::new().typed(), "Rooms of 2024\n\na,b\n1,x\n2,y\n");
    assert!(help.contains("tail -n +3"), "{help}");
}

#[test]
fn how_the_file_is_written_is_noted_where_it_is_unusual() {
    let utf16: Vec<u8> = "a|b\n1|x\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let table = Csv::new().typed().read_from(&utf16[..]).unwrap();
    assert_eq!(table.notes(), ["the text is in UTF-16", "columns are separated by `|`"]);
    assert_eq!(
        typed("sep=;\na;b\n1;x\n").notes(),
        ["a first line that names the delimiter (`sep=`) is left out"]
    );
    assert!(typed("a\tb\n1\tx\n").notes().is_empty());
    let error = Csv::new().typed().read_from(&b"a,b\n1,caf\xe9\n"[..]).unwrap_err();
    let message = "row 1 (line 2), column `b`: the byte 0xE9 is not UTF-8 text; in Windows-1252 \
        it is `\u{e9}`";
    error.reads(message);
}

#[test]
fn a_row_without_anything_is_an_error_between_rows_alone() {
    assert_eq!(typed("a,b\n1,x\n,\n , \n").len(), 1);
    assert_eq!(
        refusal(&Csv::new().typed(), "a,b\n1,x\n,\n2,y\n").0,
        "row 2 (line 3): every cell is empty"
    );
    assert_eq!(refusal(&Csv::new().typed(), "a,b\n").1, "each line below the header is a row");
}

#[test]
fn points_that_may_separate_thousands_are_told_where_semicolons_separate_columns() {
    let notes = |text: &str| typed(text).notes().join("\n");
    let note = "column `a`: the point of `1.299` in row 1 (line 2) is read as a decimal point; if \
        the number is 1299, say so (`Csv::decimal(',')`, or --decimal ,)";
    assert_eq!(notes("a;b\n1.299;1\n2.500;2\n"), note);
    for clear in ["a;b\n1.299;1\n2.5;2\n", "a;b\n0.299;1\n0.500;2\n", "a,b\n1.299,1\n2.500,2\n"] {
        assert_eq!(notes(clear), "", "{clear:?}");
    }
}

#[test]
fn a_mark_that_is_given_is_advised() {
    let (message, help) = refusal(&Csv::new().typed().decimal(','), "a;b\n1,5;1\n1234.5;2\n");
    assert_eq!(
        message,
        "row 2 (line 3), column `a`: `1234.5` does not have the decimal mark `,`, which is given"
    );
    assert!(
        help.contains("as in 1234,5; or say that the mark is another")
            && help.contains("--decimal MARK"),
        "{help}"
    );
}
