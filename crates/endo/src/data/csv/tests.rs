//! Whole files: what is read, and what is said of those that cannot be.
//!
//! In: files as people have them. Out: their numbers, or the message.

use std::fmt::Debug;

use super::*;

mod blocks;
mod databases;
mod parts;
mod styles;
mod typed;

fn read(text: &str) -> Result<Vec<(String, Vec<f64>)>> {
    let table = Csv::new().read_from(text.as_bytes())?;
    let columns = table.columns().map(|name| Ok((name.to_string(), table.column(name)?.to_vec())));
    columns.collect()
}

fn error_of(bytes: &[u8]) -> Error {
    Csv::new().read_from(bytes).unwrap_err()
}

/// What is read, without the names.
fn numbers(text: &str) -> Vec<Vec<f64>> {
    read(text)
        .unwrap_or_else(|error| panic!("{text:?}: {error}"))
        .into_iter()
        .map(|(_, values)| values)
        .collect()
}

/// Fails unless each text is refused with this message and a part of this help.
fn refused<T: AsRef<[u8]> + Debug>(cases: &[(T, &str, &str)]) {
    for (text, message, help) in cases {
        let error = error_of(text.as_ref());
        assert_eq!(error.message(), *message, "{text:?}");
        assert!(error.advice().is_some_and(|advice| advice.contains(help)), "{text:?}: {error}");
    }
}

/// Fails unless each text is refused at this row, line and column, for this reason and with a part
/// of this help.
fn refused_at<T: AsRef<[u8]> + Debug>(cases: &[(T, [usize; 2], &str, &str, &str)]) {
    for (text, [row, line], column, reason, help) in cases {
        let message = format!("row {row} (line {line}), column `{column}`: {reason}");
        refused(&[(text, &message, help)]);
    }
}

#[test]
fn delimiters_are_found_by_the_rows_that_they_give() {
    assert_eq!(
        read("\"Height\n(cm)\";x2;y\n1;2;3\n").unwrap()[0],
        ("Height\n(cm)".to_string(), vec![1.0])
    );
    let names =
        |text: &str| read(text).unwrap().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(
        names("Temp (C, mean);RH (%, max);y\n1;2;3\n4;5;6\n"),
        ["Temp (C, mean)", "RH (%, max)", "y"]
    );
    assert_eq!(names("a, x\tb, y\tc, z\n1\t2\t3\n"), ["a, x", "b, y", "c, z"]);
    assert_eq!(names("\"a;1\",b\n1,2\n"), ["a;1", "b"]);
    let two = vec![vec![1.0, -30.0], vec![2.5, 0.25]];
    for delimiter in [",", ";", "\t", "|", " ", "    ", " , "] {
        assert_eq!(
            numbers(&"a,b\n1,2.5\n-3e1,.25\n".replace(',', delimiter)),
            two,
            "{delimiter:?}"
        );
    }
    assert_eq!(numbers("sep=;\r\na;b\r\n1;2,5\r\n-30;0,25\r\n"), two);
    assert_eq!(
        Csv::new().delimiter('^').read_from("a^b\n1^2\n".as_bytes()).unwrap().column("b").unwrap(),
        [2.0]
    );
    let error = Csv::new().delimiter('.').read_from("a\n1\n".as_bytes()).unwrap_err();
    assert!(
        error.kind() == ErrorKind::Argument && error.message().contains("'.' cannot separate"),
        "{error}"
    );
}

#[test]
fn byte_order_marks_quotes_blanks_line_ends_and_blank_lines_are_read_over() {
    let text = "\u{feff}\r\na, b\r\n\"1\", 2.5\r\n\r\n-30,\"0.25\"\r\n \r\n, \"4\"\r\n"
        .replace(", \"4\"", "7, \"4\"");
    for end in ["\r\n", "\n", "\r"] {
        assert_eq!(
            numbers(&text.replace("\r\n", end)),
            [[1.0, -30.0, 7.0], [2.5, 0.25, 4.0]],
            "{end:?}"
        );
    }
}

#[test]
fn rows_with_nothing_in_them_and_ctrl_z_are_left_out_at_the_end_alone() {
    for end in [",", ",\n,\n\n , \n", ",,\n", "\u{1a}", "\u{1a}\r\n", ",\n\u{1a}", "\n\n"] {
        assert_eq!(numbers(&format!("a,b\n1,2\n{end}")), [[1.0], [2.0]], "{end:?}");
    }
    assert_eq!(numbers("a,b\n1,2\u{1a}"), [[1.0], [2.0]]);
    assert_eq!(numbers("a\n1\n2\n\n"), [[1.0, 2.0]]);
    refused(&[
        (
            "a,b\n1,2\n,\n,\n3,4\n",
            "row 2 (line 3): every cell is empty",
            "remove the line, or fill it",
        ),
        (
            "\na\n1\n\n2\n",
            "line 4 is blank: column `a` has no number there",
            "fill or remove the line",
        ),
        (
            "a,b\n\u{1a}\n1,2\n",
            "row 1 (line 2): expected 2 cells, as in the header, got 1",
            "every row needs one number",
        ),
        ("a,b\n", "there is a header, but no row below it", "each line below the header"),
        ("a,b\n,\n", "there is a header, but no row below it", "each line below the header"),
        (
            " \n\n",
            "there is nothing in it: no header and no rows",
            "the first line names the columns",
        ),
    ]);
}

#[test]
fn a_cell_that_is_not_a_number_is_named_by_row_line_and_column() {
    refused_at(&[
        ("a,b\n1,2\n\n3,n/a\n", [2, 4], "b", "`n/a` is not a number", "every cell holds a number"),
        ("a,b\r\n1,2\r\n,4\r\n", [2, 3], "a", "the cell is empty", "(cell 1 of 2 in the line)"),
        ("\na,b\n1,NaN\n", [1, 3], "b", "`NaN` is not a finite number", "remove the row or column"),
        ("a,b\n1e999,2\n", [1, 2], "a", "`1e999` is not a finite number", "(cell 1 of 2"),
        ("a,b\n1,\x1b[1mx\n", [1, 2], "b", r"`\u{1b}[1mx` is not a number", "every cell holds"),
        ("a:b\n1:2\n", [1, 2], "a:b", "`1:2` is not a number", "--delimiter CHARACTER"),
        ("a,b\n1,12 %\n", [1, 2], "b", "`12 %` is not a number", "`12` instead of `12 %`"),
        ("a,b\n\u{664},2\n", [1, 2], "a", "`\u{664}` is not a number", "(U+0664) is no digit"),
    ]);
    refused(&[
        (
            "x1,x2,y\r1,2,3\r4,5,6\r7,oops,9\r",
            "row 3 (line 4), column `x2`: `oops` is not a number",
            "every cell holds",
        ),
        (
            "a,b\n1,\x1b[1mx\0\n",
            "row 1 (line 2), column `b`: a NUL byte (0x00), which no text has",
            "tr -d '\\000'",
        ),
        (
            "a,b\n\u{2013}1,2\n",
            "row 1 (line 2), column `a`: `\u{2013}1` is not a number",
            "(U+2013): write it as `-`",
        ),
        (
            "a,b\n1,\u{200b}2\n",
            r"row 1 (line 2), column `b`: `\u{200b}2` is not a number",
            "cannot be seen (U+200B)",
        ),
    ]);
    let (names, mut row) =
        ((0..400).map(|name| format!("x{name}")).collect::<Vec<_>>().join(","), vec!["1"; 400]);
    row[30] = "no";
    let error = error_of(format!("{names}\n{}\n", row.join(",")).as_bytes());
    error.reads("row 1 (line 2), column `x30` (31 of 400): `no` is not a number");
}

#[test]
fn a_row_of_another_width_is_named_with_its_likely_cause() {
    let cases = [
        ("a,b\n1,2\n3\n", [2, 3], [2, 1], "one number for every column"),
        ("a,b\n1,2\n3,4,5\n", [2, 3], [2, 3], "write 1234.5 instead"),
        ("x y\n\"1\" 2 3\n", [1, 2], [2, 3], "row.names = FALSE"),
        ("a,b\n1,2,3\n2,3,4\n", [1, 2], [2, 3], "one name short"),
        ("a,b\n1,2,\n3,4,\n", [1, 2], [2, 3], "ends with a delimiter (`,`)"),
        ("a,b\n1,2\n3;4\n", [2, 3], [2, 1], "by `;`, and the header by `,`"),
        ("a\tb\n1\t2\t\n", [1, 2], [2, 3], "ends with a delimiter (a tab)"),
        ("a;b\n1,2\n3,4\n", [1, 2], [1, 2], "by `;`, and this line by `,`"),
        ("a,b\n1,2\n# x\n", [2, 3], [2, 1], "grep -v '^#'"),
        ("# x\na,b\n1,2\n3,4\n", [1, 2], [1, 2], "grep -v '^#'"),
        ("Of 2020\n\na,b\n1,2\n", [1, 3], [1, 2], "tail -n +3"),
        ("a,b\n1,2\nin cm\n", [2, 3], [2, 1], "a note or a title"),
        ("a,b\n1,5,2,5\n", [1, 2], [2, 4], "(a decimal mark"),
    ];
    for (text, [row, line], [expected, got], help) in cases {
        let cells = if expected == 1 { "cell" } else { "cells" };
        let message = format!(
            "row {row} (line {line}): expected {expected} {cells}, as in the header, got {got}"
        );
        refused(&[(text, &message, help)]);
    }
}

#[test]
fn a_header_of_names_is_needed() {
    let numbers = "the first line holds numbers";
    refused_at(&[
        ("a,b\n1,2\na,b\n3,4\n", [2, 3], "a", "`a` is not a number", "the header again"),
        ("a,b\nkg,cm\n1,2\n", [1, 2], "a", "`kg` is not a number", "if it holds units"),
    ]);
    refused(&[
        ("1,2\n3,4\n", &format!("{numbers} (`1`, `2`), not the names of columns"), "as in `x1,x2`"),
        (
            "0\t1\t2\t3\n1\t2\t3\t4\n",
            &format!("{numbers} (`0`, `1`, `2`, `3`), not the names of columns"),
            "if it is the header",
        ),
        (
            "18.0,?,3504\n15,8,350\n",
            &format!("{numbers} (`18.0`, `3504`; 2 of 3 cells), not the names of columns"),
            "if it is a row",
        ),
        (
            "1,5;NA\n1,5;2\n",
            &format!("{numbers} (`1,5`; 1 of 2 cells), not the names of columns"),
            "as in `x1;x2`",
        ),
        (",a\n0,1\n", "column 1 of 2 has no name in the header", "row.names = FALSE in R"),
        (
            "a,b,\n1,2,\n3,4,\n",
            "column 3 of 3 has no name in the header",
            "sed -E 's/[,] *\\r?$//'",
        ),
        ("A table,,\na,b,c\n1,2,3\n", "column 2 of 3 has no name in the header", "tail -n +2"),
        ("a,b,a\n1,2,3\n", "two columns have the name `a`: columns 1 and 3", "a name of its own"),
        (
            "In 2020, all\na,b\n1,2\n",
            "row 1 (line 2), column `In 2020`: `a` is not a number",
            "remove what is above it",
        ),
    ]);
    let error = error_of("Größe,Gro\u{308}ße\n1,2\n".as_bytes());
    error.says("once with letters in one piece and once in several: columns 1 and 2");
    assert_eq!(read("id,year,2020\n1,2,3\n").unwrap()[2].0, "2020");
}

#[test]
fn quotes_that_do_not_close_are_named_where_they_open() {
    refused(&[
        (
            "a,b\n1,\"2\n3,4\n",
            "row 1 (line 2), column `b`: a quote opens here and is never closed",
            "close the quote",
        ),
        (
            "a,b\n1,2\n3,\"4\n5,\"6\"\n7,8\n",
            r#"row 2 (line 3), column `b`: `4\u{a}5,6"` is not a number"#,
            "closes as late as in line 4",
        ),
        (
            "a,\"b\n1,2\n",
            "the header (line 1), column 2: a quote opens here and is never closed",
            "close the quote",
        ),
    ]);
    let error = error_of(format!("a,b\n1,2\n3,\"{}", "4\n".repeat(1_000_000)).as_bytes());
    error.reads(
        "row 2 (line 3), column `b`: a quote opens here and is never closed within 1048576 bytes",
    );
}

#[test]
fn marks_in_numbers_are_read_where_a_column_leaves_no_doubt() {
    assert_eq!(numbers("a;b\n1.299;2\n1.299,50;3\n"), [[1299.0, 1299.5], [2.0, 3.0]]);
    assert_eq!(numbers("a,b\n\"1,299\",2\n\"1,299.50\",3\n"), [[1299.0, 1299.5], [2.0, 3.0]]);
    assert_eq!(
        numbers("a;b\n1 000;\u{2212}2\n12\u{a0}000;1'000\n"),
        [[1000.0, 12000.0], [-2.0, 1000.0]]
    );
    assert_eq!(numbers("a,b\n1.299,2\n2.500,3\n"), [[1.299, 2.5], [2.0, 3.0]]);
    let help = "write every number of the file with a decimal point and nothing between thousands";
    refused(&[
        (
            "a,b\n5,6\n\"1,234\",2\n",
            "row 2 (line 3), column `a`: `1,234` may be 1234 or 1.234, and no other cell of the \
                column tells which",
            help,
        ),
        (
            "a;b\n1.299;2\n1.300;3,5\n",
            "row 1 (line 2), column `a`: `1.299` may be 1299 or 1.299, since other columns have \
                decimal commas, and no other cell of the column tells which",
            help,
        ),
        (
            "a;b\n1,5;2\n1.5;3\n",
            "row 2 (line 3), column `a`: `1.5` and `1,5` of row 1 (line 2) do not have the same \
                decimal mark",
            "1234.5",
        ),
    ]);
}

#[test]
fn bytes_that_are_no_text_are_named_where_they_are() {
    let convert = "iconv -f WINDOWS-1252 -t UTF-8";
    refused_at::<&[u8]>(&[
        (b"a,b\n1,\x81\n", [1, 2], "b", "the byte 0x81 is not UTF-8 text", convert),
        (b"a,b\n\0\0\0\n", [1, 2], "a", "a NUL byte (0x00), which no text has", "tr -d"),
        (b"a,b,c\n1,2\0,3\n", [1, 2], "b", "a NUL byte (0x00), which no text has", "tr -d"),
    ]);
    refused::<&[u8]>(&[
        (
            b"a,b\n1,2\n3,\xff\n",
            "row 2 (line 3), column `b`: the byte 0xFF is not UTF-8 text; in Windows-1252 it is \
                `\u{ff}`",
            convert,
        ),
        (
            b"pr\xe9cis,b\n1,2\n",
            "the header (line 1), column 1: the byte 0xE9 is not UTF-8 text; in Windows-1252 it \
                is `\u{e9}`",
            convert,
        ),
        (
            b"a,b\r1,\x80 5\r",
            "row 1 (line 2), column `b`: the byte 0x80 is not UTF-8 text; in Windows-1252 it is \
                `\u{20ac}`",
            convert,
        ),
        (
            b"a,b\n1,2\n3,4\xe2\x82",
            "row 2 (line 3), column `b`: the file ends in the middle of a letter",
            "fetched again",
        ),
        // The row that it cuts says nothing of how the file is written.
        (
            b"a,b,c\n1,2\xf6,3\n4,5,6\n",
            "row 1 (line 2), column `b`: the byte 0xF6 is not UTF-8 text; in Windows-1252 it is \
                `\u{f6}`",
            convert,
        ),
        (
            b"\x1f\x8b\x08",
            "the file is compressed by gzip; expected was a table in plain text (CSV)",
            "gzip -dc",
        ),
    ]);
}

#[test]
fn messages_fit_on_a_screen() {
    let numbered =
        |count: usize| (0..count).map(|name| name.to_string()).collect::<Vec<_>>().join(",");
    let (long, wide) = ("1".repeat(20_000_000), numbered(10_000));
    let texts = [
        format!("a,b\n1,{long}\n"),
        format!("a,b\n1,\"{}\"\n", &long[..1_000_000]),
        format!("{}x,b\n1,?\n", &long[..1_000_000]),
        format!("{long}\n"),
        wide.clone(),
        format!("x{}\n{wide}\n", wide.replace(',', ",x")),
        ",".repeat(2_000_000),
        format!("a,b\n{}\n", "\u{202e}".repeat(100_000)),
        "a,".repeat(10_000),
    ];
    for text in texts {
        let error = Csv::new().target("y").read_from(text.as_bytes()).unwrap_err().to_string();
        assert!(error.len() < 2000, "{} bytes", error.len());
    }
    let error = Csv::new()
        .target("z".repeat(1_000_000))
        .read_from(format!("{}\n", "x,y".repeat(100_000)).as_bytes());
    assert!(error.unwrap_err().to_string().len() < 2000);
}

#[test]
fn names_and_the_target_are_checked_before_rows_are_read() {
    // What follows has no end.
    let endless = |text: &'static [u8]| text.chain(std::io::repeat(b'\n'));
    let message =
        |text: &'static [u8]| Csv::new().target("prise").read_from(endless(text)).unwrap_err();
    let error = message(b"a,b,price\n");
    error.reads("there is no column `prise`; the columns are `a`, `b`, `price`");
    assert_eq!(error.advice(), Some("did you mean `price`?"));
    message(b"a,b,a\n").reads("two columns have the name `a`: columns 1 and 3");
    let table = Csv::new().target("Gro\u{308}ße").read_from("Größe,y\n1,2\n".as_bytes()).unwrap();
    assert_eq!(table.column("Gro\u{308}ße").unwrap(), [1.0]);
}

#[test]
fn rows_keep_their_lines() {
    let table = Csv::new().read_from("a,b\n1,2\n\n\"3\",4\r\n5,6\n".as_bytes()).unwrap();
    assert_eq!(
        (0..4).map(|row| table.line(row)).collect::<Vec<_>>(),
        [Some(2), Some(4), Some(5), None]
    );
    assert_eq!(table.place(1), "row 2 (line 4)");
}
