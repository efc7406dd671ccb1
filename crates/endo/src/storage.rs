//! Where numbers lie: in memory of one's own, or in memory that somebody else holds, such as a file
//! that is mapped into memory.
//!
//! In: a vector, or bytes and their owner. Out: [`Storage`], which is read as a slice, and copied
//! before it is written to where it is lent.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, Range};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use bytemuck::Pod;

use crate::error::{Error, Result};

/// Who holds the bytes of numbers that are lent: a mapped file, or anything else that keeps them
/// where they are.
pub type Lender = Arc<dyn AsRef<[u8]> + Send + Sync + UnwindSafe + RefUnwindSafe>;

/// Numbers that are read as a slice: those of a vector, or of memory that somebody else holds.
///
/// ```
/// use std::sync::Arc;
/// use endo::Storage;
/// let own = Storage::from(vec![1.0, 2.0]);
/// let bytes: Vec<u8> = own.iter().flat_map(|number: &f64| number.to_ne_bytes()).collect();
/// let lent = Storage::<f64>::lent(&(Arc::new(bytes) as _), 0, 2)?;
/// assert_eq!(own, lent);
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone)]
pub struct Storage<T>(Holder<T>);

#[derive(Clone)]
enum Holder<T> {
    Own(Vec<T>),
    Lent(Arc<dyn AsRef<[T]> + Send + Sync + UnwindSafe + RefUnwindSafe>),
}

/// Numbers among the bytes of an owner.
struct LentBytes<T> {
    lender: Lender,
    bytes: Range<usize>,
    kind: PhantomData<fn() -> T>,
}

impl<T: Pod> AsRef<[T]> for LentBytes<T> {
    fn as_ref(&self) -> &[T] {
        bytemuck::cast_slice(&(*self.lender).as_ref()[self.bytes.clone()])
    }
}

impl<T: Pod + Send + Sync> Storage<T> {
    /// As many as `count` numbers from byte `start` of memory that somebody else holds, in the
    /// machine's order of bytes. Where they do not lie as numbers of their type have to, they are
    /// copied.
    ///
    /// # Errors
    /// If there are not as many bytes.
    pub fn lent(lender: &Lender, start: usize, count: usize) -> Result<Self> {
        let all = (**lender).as_ref();
        let end = count.checked_mul(size_of::<T>()).and_then(|bytes| start.checked_add(bytes));
        let Some(given) = end.and_then(|end| all.get(start..end)) else {
            let message = format!(
                "{count} numbers of {} bytes from byte {start} on are asked for, and the memory \
                 that is lent has {} bytes",
                size_of::<T>(),
                all.len()
            );
            return Err(Error::argument(message, "lend memory that holds all of them"));
        };
        if bytemuck::try_cast_slice::<u8, T>(given).is_err() {
            let numbers = given.chunks_exact(size_of::<T>().max(1));
            return Ok(Self::from(numbers.map(bytemuck::pod_read_unaligned).collect::<Vec<T>>()));
        }
        let bytes = start..start + given.len();
        let lent = LentBytes { lender: lender.clone(), bytes, kind: PhantomData };
        Ok(Self(Holder::Lent(Arc::new(lent))))
    }
}

impl<T: Clone> Storage<T> {
    /// The numbers to write to, which are copied first where they are lent.
    pub fn to_mut(&mut self) -> &mut [T] {
        if let Holder::Lent(lent) = &self.0 {
            self.0 = Holder::Own((**lent).as_ref().to_vec());
        }
        let Holder::Own(values) = &mut self.0 else { unreachable!("it was copied") };
        values
    }
}

impl<T> Storage<T> {
    /// Whether somebody else holds the numbers.
    pub(crate) fn is_lent(&self) -> bool {
        matches!(self.0, Holder::Lent(_))
    }
}

impl<T> Deref for Storage<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.0 {
            Holder::Own(values) => values,
            Holder::Lent(lent) => (**lent).as_ref(),
        }
    }
}

impl<T> From<Vec<T>> for Storage<T> {
    fn from(values: Vec<T>) -> Self {
        Self(Holder::Own(values))
    }
}

impl<'a, T> IntoIterator for &'a Storage<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T> FromIterator<T> for Storage<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        values.into_iter().collect::<Vec<T>>().into()
    }
}

impl<T> Default for Storage<T> {
    fn default() -> Self {
        Self(Holder::Own(Vec::new()))
    }
}

/// Equal are the numbers, wherever they lie.
impl<T: PartialEq> PartialEq for Storage<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for Storage<T> {}

impl<T: fmt::Debug> fmt::Debug for Storage<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that begin where numbers of 8 bytes may begin.
    struct Aligned(Vec<f64>);

    impl AsRef<[u8]> for Aligned {
        fn as_ref(&self) -> &[u8] {
            bytemuck::cast_slice(&self.0)
        }
    }

    #[test]
    fn lent_numbers_stay_where_they_are_until_they_are_written_to() {
        let lender: Lender = Arc::new(Aligned(vec![1.0, 2.0, 3.0]));
        let place = (*lender).as_ref().as_ptr();
        let mut numbers = Storage::<f64>::lent(&lender, 8, 2).unwrap();
        assert_eq!(numbers.as_ptr().cast::<u8>(), place.wrapping_add(8));
        let before = numbers.clone();
        numbers.to_mut()[0] = 9.0;
        assert_eq!((&numbers[..], &before[..]), (&[9.0, 3.0][..], &[2.0, 3.0][..]));
        assert_ne!(numbers.as_ptr(), before.as_ptr());
    }

    #[test]
    fn what_does_not_lie_as_numbers_do_is_copied_and_what_is_not_there_is_refused() {
        let lender: Lender = Arc::new(Aligned(vec![1.0, 2.0]));
        let shifted = Storage::<f32>::lent(&lender, 2, 3).unwrap();
        let bytes = &(*lender).as_ref()[2..6];
        assert_eq!(shifted[0].to_bits(), u32::from_ne_bytes(bytes.try_into().unwrap()));
        let error = Storage::<f64>::lent(&lender, 8, 2).unwrap_err();
        error.says("the memory that is lent has 16 bytes");
        assert!(Storage::<f64>::lent(&lender, usize::MAX, usize::MAX).is_err());
    }
}
