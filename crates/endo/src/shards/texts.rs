//! Texts that all ranks tell each other: what they were started with, and what went wrong.
//!
//! In: the text of this rank. Out: those of all ranks, in their order.

use crate::error::{Error, ErrorKind, Result};

use super::Link;

/// The texts of all ranks, in their order.
///
/// # Errors
/// Those of the link.
pub fn share_texts(link: &dyn Link, text: &str) -> Result<Vec<String>> {
    let texts = share_bytes(link, text.as_bytes())?;
    Ok(texts.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect())
}

/// The bytes of all ranks, in their order.
pub(crate) fn share_bytes(link: &dyn Link, text: &[u8]) -> Result<Vec<Vec<u8>>> {
    let (rank, ranks) = (link.rank(), link.ranks());
    let others = || (0..ranks).filter(move |&other| other != rank);
    let length = (text.len() as u64).to_le_bytes();
    let sends: Vec<(usize, &[u8])> = others().map(|other| (other, &length[..])).collect();
    let mut lengths = vec![[0; 8]; ranks];
    let receives = lengths.iter_mut().enumerate().filter(|(other, _)| *other != rank);
    let mut receives: Vec<(usize, &mut [u8])> =
        receives.map(|(other, length)| (other, &mut length[..])).collect();
    link.exchange(&sends, &mut receives)?;
    let mut texts: Vec<Vec<u8>> =
        lengths.iter().map(|length| vec![0; u64::from_le_bytes(*length) as usize]).collect();
    let sends: Vec<(usize, &[u8])> =
        if text.is_empty() { Vec::new() } else { others().map(|other| (other, text)).collect() };
    let receives = texts.iter_mut().enumerate();
    let mut receives: Vec<(usize, &mut [u8])> = receives
        .filter(|(other, text)| *other != rank && !text.is_empty())
        .map(|(other, text)| (other, &mut text[..]))
        .collect();
    link.exchange(&sends, &mut receives)?;
    texts[rank] = text.to_vec();
    Ok(texts)
}

/// The kinds of errors that a step may have, by the letters that stand for them in messages.
const KINDS: [(char, ErrorKind); 8] = [
    ('n', ErrorKind::NotFinite),
    ('s', ErrorKind::Shape),
    ('t', ErrorKind::DType),
    ('d', ErrorKind::Data),
    ('i', ErrorKind::Io),
    ('a', ErrorKind::Argument),
    ('u', ErrorKind::Usage),
    ('m', ErrorKind::Memory),
];

/// What stands between the message of an error and its advice.
const ADVICE: &str = "\n  help: ";

/// An error as a text for other ranks, with its layer and line.
pub(super) fn of_error(error: &Error) -> String {
    let letter = KINDS.iter().find(|(_, kind)| *kind == error.kind()).map_or('u', |(c, _)| *c);
    format!("{letter}{error}")
}

/// The error of a rank made of its text again.
pub(super) fn error_of(rank: usize, text: &str) -> Error {
    let letter = text.chars().next().unwrap_or('u');
    let kind = KINDS
        .iter()
        .find(|(known, _)| *known == letter)
        .map_or(ErrorKind::Usage, |(_, kind)| *kind);
    let text = text.get(1..).unwrap_or_default();
    let (message, help) = text.split_once(ADVICE).unwrap_or((text, ""));
    let error = Error::new(kind, format!("on rank {rank}: {message}"));
    if help.is_empty() { error } else { error.help(help) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shards::Threads;

    #[test]
    fn all_ranks_have_the_texts_of_all() {
        let said = ["first", "", "the third"];
        let texts = Threads::run(3, |link| share_texts(&link, said[link.rank()]).unwrap());
        assert_eq!(texts, [said, said, said]);
    }

    #[test]
    fn an_error_goes_to_other_ranks_with_its_kind_and_its_advice() {
        let error = Error::new(ErrorKind::NotFinite, "`main` is not finite").help("look");
        let other = error_of(2, &of_error(&error));
        assert_eq!(other.kind(), ErrorKind::NotFinite);
        other.reads("on rank 2: `main` is not finite");
        assert_eq!(other.advice(), Some("look"));
    }
}
