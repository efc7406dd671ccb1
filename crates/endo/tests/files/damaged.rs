//! Damage that cancels itself in a weak checksum: pairs of flipped bits and bursts, in an exported
//! model and in a backup.

use std::fs;
use std::path::Path;

use endo::prelude::*;
use endo::random::Random;

use super::folder::Folder;
use super::support::data;

fn model() -> Model {
    let mut model = Model::new(Dense::new(4)).seed(5);
    model.compile("adam", "mse", ());
    model
}

/// Damaged copies of a file, each with what was done to it.
fn damaged(whole: &[u8], seed: u64) -> Vec<(String, Vec<u8>)> {
    let mut copies = Vec::new();
    let mut copy = |how: String, change: &mut dyn FnMut(&mut [u8])| {
        let mut bytes = whole.to_vec();
        change(&mut bytes);
        copies.push((how, bytes));
    };
    // Bit 63 of a word and bit 22 of the next, wherever words begin.
    for place in 0..whole.len() - 10 {
        copy(format!("bits at {place}"), &mut |bytes| {
            bytes[place + 7] ^= 0x80;
            bytes[place + 10] ^= 0x40;
        });
    }
    let mut random = Random::new(seed, 0);
    let mut below = |end: usize| (random.next_u64() % end as u64) as usize;
    for round in 0..500 {
        let bits = [below(8 * whole.len()), below(8 * whole.len())];
        copy(format!("seed {seed}, round {round}, bits {bits:?}"), &mut |bytes| {
            for bit in &bits {
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
        });
        let (start, length) = (below(whole.len()), 2 + below(14));
        let burst: Vec<u8> = (0..length).map(|_| below(256) as u8).collect();
        copy(format!("seed {seed}, round {round}, a burst of {length} at {start}"), &mut |bytes| {
            for (byte, noise) in bytes[start..].iter_mut().zip(&burst) {
                *byte ^= noise;
            }
        });
    }
    // Two flips of one bit are none, and noise may be of zeros.
    copies.retain(|(_, bytes)| bytes != whole);
    copies
}

/// Some file systems wait for the disk where a file is cut and written again.
fn write_anew(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn no_two_flipped_bits_of_an_exported_model_go_unseen() {
    let folder = Folder::new("exported");
    let (path, model) = (folder.path("model.endo"), model());
    model.build([1, 3]).unwrap();
    model.export(&path).unwrap();
    for (how, bytes) in damaged(&fs::read(&path).unwrap(), 1) {
        write_anew(&path, &bytes);
        let error = Predictor::load(&path).err().unwrap_or_else(|| panic!("unseen: {how}"));
        assert_eq!(error.kind(), ErrorKind::Data, "{how}: {error}");
    }
}

#[test]
fn no_two_flipped_bits_of_a_backup_go_unseen() {
    let folder = Folder::new("backup");
    let path = folder.path("run");
    let train = |epochs: usize| {
        let stop = LambdaCallback::new().on_epoch_begin(move |epoch, _| {
            if epoch == epochs { Err(Error::new(ErrorKind::Usage, "interrupted")) } else { Ok(()) }
        });
        model()
            .fit(
                &data_of_four(),
                Fit::epochs(2).callback(BackupAndRestore::new(&path)).callback(stop),
            )
            .unwrap_err()
    };
    assert_eq!(train(1).message(), "interrupted");
    for (how, bytes) in damaged(&fs::read(&path).unwrap(), 2) {
        write_anew(&path, &bytes);
        let error = train(1);
        assert!(error.message().contains("is no whole saved run: "), "{how}: {error}");
    }
    assert!(!Path::new(&path).with_extension("lock").exists());
}

fn data_of_four() -> Dataset {
    Dataset::new(data().inputs().clone(), Array::from_fn([12, 4], |i| (i % 5) as f32 / 4.0))
        .unwrap()
}
