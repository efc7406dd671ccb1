//! Operations by the names that saved graphs call them.
//!
//! In: a name and numbers. Out: the elementwise operation of that name, or the kernel that the
//! reader of that name makes.

use crate::graph::{KernelReader, Op};

use super::{
    concatenate, depthwise, gather, greatest, random, scan, scatter, sort, summary, tables, window,
};

/// The readers of every file with kernels.
fn readers() -> impl Iterator<Item = &'static KernelReader> {
    let files = [
        concatenate::READERS,
        depthwise::READERS,
        gather::READERS,
        random::READERS,
        scan::READERS,
        scatter::READERS,
        sort::READERS,
        summary::READERS,
        greatest::READERS,
        window::READERS,
    ];
    files.into_iter().flatten()
}

/// The names of all kernels, for what goes through them.
pub fn kernel_names() -> impl Iterator<Item = &'static str> {
    readers().map(|reader| reader.name)
}

/// The operation of a name with these attributes, as [`SavedGraph`](crate::graph::SavedGraph) asks
/// for it.
pub fn named(name: &str, attributes: &[i64]) -> Option<Op> {
    if let Some(reader) = readers().find(|reader| reader.name == name) {
        return Some(Op::Kernel((reader.read)(attributes)?));
    }
    let operation = tables().into_iter().flatten().find(|operation| operation.name == name)?;
    attributes.is_empty().then_some(Op::Elementwise(operation))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn no_two_operations_have_one_name() {
        let mut names = HashSet::new();
        let all = readers()
            .map(|reader| reader.name)
            .chain(tables().into_iter().flatten().map(|operation| operation.name));
        for name in all {
            assert!(names.insert(name), "`{name}` is the name of two operations");
        }
    }

    #[test]
    fn kernels_are_made_of_their_own_attributes_and_of_no_others() {
        let of = |name: &str, attributes: &[i64]| match named(name, attributes) {
            Some(Op::Kernel(kernel)) => Some((kernel.name(), kernel.attributes())),
            _ => None,
        };
        let given: [&[i64]; 7] =
            [&[], &[1], &[1, 0], &[1, 0, 1], &[2, 1, 5, 6], &[2, 1, 1, 0, 4], &[0, 1, 1, 1, 0, 4]];
        for reader in readers() {
            let known: Vec<_> = given
                .iter()
                .filter_map(|numbers| Some((numbers.to_vec(), of(reader.name, numbers)?)))
                .collect();
            assert!(!known.is_empty() && known.len() < given.len(), "{}: {known:?}", reader.name);
            for (numbers, again) in &known {
                assert_eq!(*again, (reader.name, numbers.clone()));
            }
        }
        assert_eq!(of("gather", &[-1]), None);
        assert!(
            named("add", &[]).is_some()
                && named("add", &[1]).is_none()
                && named("no_such_name", &[]).is_none()
        );
    }

    #[test]
    fn every_file_with_kernels_is_listed() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ops");
        let listed = fs::read_to_string(folder.join("saved.rs")).unwrap();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let (text, stem) = (
                fs::read_to_string(&path).unwrap(),
                path.file_stem().unwrap().to_str().unwrap().to_string(),
            );
            let kernels = text.lines().any(|line| line.starts_with("impl Kernel for"));
            let reads = listed.contains(&format!("{stem}::READERS"));
            assert_eq!(
                kernels, reads,
                "`readers` in ops/saved.rs lists the files with kernels: {stem}.rs"
            );
        }
    }
}
