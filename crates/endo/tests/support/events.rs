//! What is in an event file of TensorBoard's.
//!
//! In: its bytes. Out: every value with its step, its tag and its fields by the numbers of
//! `summary.proto`.

/// A field of a message in the notation of protocol buffers: its number, and its bytes.
pub type Field<'a> = (u64, &'a [u8]);

/// The fields of a message.
pub fn fields(mut bytes: &[u8]) -> Vec<Field<'_>> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let (first, rest) = bytes.split_first().expect("a whole number");
            *bytes = rest;
            value |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return value;
            }
        }
        unreachable!("numbers end")
    }
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let before = bytes;
        let length = match key & 7 {
            0 => {
                varint(&mut bytes);
                before.len() - bytes.len()
            }
            1 => 8,
            2 => varint(&mut bytes) as usize,
            5 => 4,
            other => panic!("no field is written as {other}"),
        };
        if key & 7 != 0 {
            let (content, rest) = bytes.split_at(length);
            found.push((key >> 3, content));
            bytes = rest;
        } else {
            found.push((key >> 3, &before[..length]));
        }
    }
    found
}

/// What the first field of a number holds.
pub fn field<'a>(message: &[Field<'a>], number: u64) -> Option<&'a [u8]> {
    message.iter().find(|(known, _)| *known == number).map(|(_, content)| *content)
}

/// Every value of an event file: its step, its tag and its message.
pub fn values(file: &[u8]) -> Vec<(u8, String, Vec<Field<'_>>)> {
    let (mut rest, mut found) = (file, Vec::new());
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        let event = fields(&rest[12..12 + length]);
        rest = &rest[16 + length..];
        let Some(summary) = field(&event, 5) else { continue };
        for (_, value) in fields(summary) {
            let value = fields(value);
            let tag = String::from_utf8(field(&value, 1).unwrap().to_vec()).unwrap();
            found.push((field(&event, 2).unwrap()[0], tag, value));
        }
    }
    found
}
