//! Any table, written in any way: delimiters, line ends, quotes, blank lines and encodings.
//!
//! In: numbers and a style. Out: the same numbers bit for bit; and of any bytes at all a table or a
//! message that fits on a screen.

use std::fmt::Write;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
struct Style {
    delimiter: &'static str,
    end: &'static str,
    quoted: bool,
    blank_lines: bool,
    mark: bool,
    encoding: usize,
    last_end: bool,
}

fn style() -> impl Strategy<Value = Style> {
    let texts = (
        prop::sample::select(vec![",", ";", "\t", "|", " ", ", ", "   "]),
        prop::sample::select(vec!["\n", "\r\n", "\r"]),
    );
    (texts, any::<[bool; 4]>(), 0..3_usize).prop_map(
        |((delimiter, end), [quoted, blank_lines, mark, last_end], encoding)| Style {
            delimiter,
            end,
            quoted,
            blank_lines,
            mark,
            encoding,
            last_end,
        },
    )
}

fn written(names: &[String], rows: &[Vec<f64>], style: &Style) -> Vec<u8> {
    let quoted = |text: String| {
        if style.quoted { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
    };
    let mut lines = vec![
        names.iter().map(|name| quoted(name.clone())).collect::<Vec<_>>().join(style.delimiter),
    ];
    lines.extend(rows.iter().map(|row| {
        row.iter()
            .map(|value| quoted(format!("{value:?}")))
            .collect::<Vec<_>>()
            .join(style.delimiter)
    }));
    let mut text = String::from(if style.mark { "\u{feff}" } else { "" });
    for (index, line) in lines.iter().enumerate() {
        let blank = if style.blank_lines && index % 3 == 1 { style.end } else { "" };
        write!(text, "{blank}{line}").unwrap();
        text.push_str(if index + 1 < lines.len() || style.last_end { style.end } else { "" });
    }
    match style.encoding {
        0 => text.into_bytes(),
        1 => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        _ => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
    }
}

fn cells() -> impl Strategy<Value = Vec<Vec<f64>>> {
    let value = prop_oneof![
        prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::SUBNORMAL,
        (-1000..1000_i32).prop_map(f64::from),
        (-1_000_000..1_000_000_i32).prop_map(|value| f64::from(value) / 1000.0)
    ];
    (2..7_usize).prop_flat_map(move |width| {
        prop::collection::vec(prop::collection::vec(value.clone(), width), 1..12)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_table_written_in_any_way_is_read_bit_for_bit(rows in cells(), style in style()) {
        let names: Vec<String> = (0..rows[0].len()).map(|name| format!("größe{name}")).collect();
        let table = Csv::new().read_from(&written(&names, &rows, &style)[..]).unwrap();
        prop_assert_eq!(
            table.columns().collect::<Vec<_>>(),
            names.iter().map(String::as_str).collect::<Vec<_>>()
        );
        for (column, name) in names.iter().enumerate() {
            let expected: Vec<u64> = rows.iter().map(|row| row[column].to_bits()).collect();
            let read: Vec<u64> =
                table.column(name).unwrap().iter().map(|value| value.to_bits()).collect();
            prop_assert_eq!(read, expected);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        bytes in prop::collection::vec(
            prop::sample::select(b"a1,.;\n\r\"\t -#|\x1a\xc3\xa4\0e\xff".to_vec()),
            0..60,
        ),
    ) {
        for csv in [Csv::new(), Csv::new().typed(), Csv::new().typed().header(false)] {
            if let Err(error) = csv.read_from(&bytes[..]) {
                prop_assert!(
                    error.to_string().len() < 2000 && error.advice().is_some(),
                    "{}",
                    error
                );
            }
            let Ok(mut blocks) = csv.blocks_from(&bytes[..], 2) else { continue };
            while let Ok(Some(table)) = blocks.next() {
                prop_assert!((1..=2).contains(&table.len()));
            }
        }
    }
}
