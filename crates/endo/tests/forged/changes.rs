//! Changes of what is in a file: of bytes, of the words, numbers and lines of a text, of arrays by
//! name.
//!
//! In: something that endo wrote, and random numbers. Out: something like it that endo did not
//! write.

use std::collections::BTreeMap;

use endo::prelude::*;
use endo::random::Random;

/// Numbers as a text may say them, which are seldom right where a size or a position is expected.
const NUMBERS: [&str; 18] = [
    "0",
    "-1",
    "0.5",
    "NaN",
    "inf",
    "1",
    "2",
    "7",
    "256",
    "2147483647",
    "2147483648",
    "1099511627776",
    "9007199254740992",
    "576460752303423488",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "-9223372036854775808",
];

/// One of a list.
pub fn one_of<'t, T: ?Sized>(random: &mut Random, list: &[&'t T]) -> &'t T {
    list[random.below(list.len())]
}

/// Between one and three times.
pub fn times(random: &mut Random) -> usize {
    1 + random.below(3).min(random.below(3))
}

/// A text with some changes.
pub fn text(random: &mut Random, text: &str) -> String {
    (0..times(random)).fold(text.to_string(), |text, _| match random.below(9) {
        0..3 => number(random, &text),
        3..5 => line(random, &text),
        5 => number_everywhere(random, &text),
        6 => word(random, &text),
        _ => String::from_utf8_lossy(&bytes(random, text.as_bytes())).into_owned(),
    })
}

/// The parts of a text that consist of such letters, as ranges.
fn parts(text: &str, is_part: impl Fn(char) -> bool) -> Vec<std::ops::Range<usize>> {
    let mut parts: Vec<std::ops::Range<usize>> = Vec::new();
    for (place, letter) in text.char_indices().filter(|(_, letter)| is_part(*letter)) {
        let end = place + letter.len_utf8();
        match parts.last_mut().filter(|last| last.end == place) {
            Some(last) => last.end = end,
            None => parts.push(place..end),
        }
    }
    parts
}

fn replaced(
    random: &mut Random,
    text: &str,
    parts: &[std::ops::Range<usize>],
    new: &str,
) -> String {
    let mut changed = text.to_string();
    if !parts.is_empty() {
        changed.replace_range(parts[random.below(parts.len())].clone(), new);
    }
    changed
}

/// With another number in the place of one.
fn number(random: &mut Random, text: &str) -> String {
    let numbers = parts(text, |letter| letter.is_ascii_digit());
    let small = random.below(10).to_string();
    let new = if random.below(3) == 0 { &small } else { one_of(random, &NUMBERS) };
    replaced(random, text, &numbers, new)
}

/// With another number in all places of one, so that sizes go on to fit each other.
fn number_everywhere(random: &mut Random, text: &str) -> String {
    let numbers = parts(text, |letter| letter.is_ascii_digit());
    let Some(old) =
        (!numbers.is_empty()).then(|| &text[numbers[random.below(numbers.len())].clone()])
    else {
        return text.into();
    };
    let new = one_of(random, &NUMBERS);
    let mut changed = text.to_string();
    for place in numbers.iter().rev().filter(|place| &text[(*place).clone()] == old) {
        changed.replace_range(place.clone(), new);
    }
    changed
}

/// With another of its words in the place of one.
fn word(random: &mut Random, text: &str) -> String {
    let words = parts(text, |letter| letter.is_alphanumeric() || letter == '_');
    let new = if words.is_empty() { "" } else { &text[words[random.below(words.len())].clone()] };
    replaced(random, text, &words, new)
}

/// With a line less, twice, elsewhere, or cut short.
fn line(random: &mut Random, text: &str) -> String {
    let mut lines: Vec<&str> = text.split('\n').collect();
    let [place, other] = [(); 2].map(|()| random.below(lines.len()));
    match random.below(4) {
        0 => drop(lines.remove(place)),
        1 => lines.insert(other, lines[place]),
        2 => lines.swap(place, other),
        _ => lines[place] = lines[place].rsplit_once(' ').map_or("", |(start, _)| start),
    }
    lines.join("\n")
}

/// Bytes with some of them changed, missing, added or repeated.
pub fn bytes(random: &mut Random, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..times(random) {
        let place = random.below(bytes.len() + 1);
        let end = (place + random.below(9)).min(bytes.len());
        match random.below(6) {
            0 => bytes.insert(place, random.below(256) as u8),
            1 => drop(bytes.drain(place..end)),
            2 => bytes.extend_from_within(place..end),
            3 if random.below(4) == 0 => bytes.truncate(place),
            _ => {
                if let Some(byte) = bytes.get_mut(place) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
    bytes
}

/// Arrays by name with some of them changed, missing, under another name or twice.
pub fn arrays(random: &mut Random, arrays: &mut BTreeMap<String, Array>) {
    for _ in 0..times(random) {
        let names: Vec<String> = arrays.keys().cloned().collect();
        let [Some(name), Some(other)] =
            [(); 2].map(|()| names.get(random.below(names.len().max(1))))
        else {
            return;
        };
        match random.below(8) {
            0 => drop(arrays.remove(name)),
            1 => {
                let array = arrays[name].clone();
                arrays.insert(other.clone(), array);
            }
            2 => {
                let array = arrays[name].clone();
                arrays.insert(text(random, name), array);
            }
            _ => {
                let changed = array(random, &arrays[name]);
                arrays.insert(name.clone(), changed);
            }
        }
    }
}

/// An array with an odd number in it, or of another length, shape or type.
fn array(random: &mut Random, array: &Array) -> Array {
    let numbers = array.to_vec::<f64>();
    let length = numbers.len();
    let odd = || NUMBERS.iter().map(|number| number.parse::<f64>().unwrap_or(f64::NAN));
    let odd: Vec<f64> = odd().chain([-0.0, 1e300, f64::NEG_INFINITY]).collect();
    match random.below(8) {
        0..4 if length > 0 => {
            let (place, number) = (random.below(length), odd[random.below(odd.len())]);
            Array::from_fn(
                array.shape(),
                |index| if index == place { number } else { numbers[index] },
            )
            .cast(array.dtype())
        }
        4 => {
            let shapes: [Shape; 6] = [
                [length].into(),
                [length, 1].into(),
                [1, length].into(),
                [2 * length].into(),
                [length / 2].into(),
                ().into(),
            ];
            let shape = shapes[random.below(shapes.len())].clone();
            Array::from_fn(shape, |index| {
                numbers.get(index % length.max(1)).copied().unwrap_or(0.0)
            })
            .cast(array.dtype())
        }
        5 => Array::zeros([0], array.dtype()),
        6 => Array::zeros([0, 1 << random.below(40)], array.dtype()),
        _ => array.cast([DType::F32, DType::F64, DType::I32, DType::Bool][random.below(4)]),
    }
}
