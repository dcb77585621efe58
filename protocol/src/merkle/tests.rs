//! The adapter beside RFC 9162 section 2.1, written out here as it stands there: recursively.

use super::*;
use crate::codec::Wire;

/// Tests look at all trees below this size.
const SIZES: usize = 41;

type Hash = [u8; 32];

/// MTH of section 2.1.1.
fn mth(leaves: &[Vec<u8>]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => Sha256::new()
            .chain_update([0])
            .chain_update(leaf)
            .finalize()
            .into(),
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            Sha256::new()
                .chain_update([1])
                .chain_update(mth(left))
                .chain_update(mth(right))
                .finalize()
                .into()
        }
    }
}

/// The largest power of two smaller than `n`.
fn split(n: usize) -> usize {
    let mut k = 1;
    while 2 * k < n {
        k *= 2;
    }
    k
}

/// PATH of section 2.1.3.1.
fn path(m: usize, leaves: &[Vec<u8>]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut hashes, sibling) = if m < k {
        (path(m, left), mth(right))
    } else {
        (path(m - k, right), mth(left))
    };
    hashes.push(sibling);
    hashes
}

/// PROOF of section 2.1.4.1.
fn proof(m: usize, leaves: &[Vec<u8>]) -> Vec<Hash> {
    subproof(m, leaves, true)
}

fn subproof(m: usize, leaves: &[Vec<u8>], whole: bool) -> Vec<Hash> {
    if m == leaves.len() {
        return if whole { Vec::new() } else { vec![mth(leaves)] };
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut hashes, sibling) = if m <= k {
        (subproof(m, left, whole), mth(right))
    } else {
        (subproof(m - k, right, false), mth(left))
    };
    hashes.push(sibling);
    hashes
}

fn leaves(count: usize) -> Vec<Vec<u8>> {
    // Lengths from 0 up, so that the empty leaf is among them.
    (0..count)
        .map(|index| vec![u8::try_from(index).unwrap(); index])
        .collect()
}

fn tree(count: usize) -> Tree {
    let mut tree = Tree::new();
    for (index, leaf) in leaves(count).into_iter().enumerate() {
        assert_eq!(tree.push(leaf), index as u64);
    }
    tree
}

fn flipped(path: &Path, byte: usize) -> Path {
    let mut bytes = path.as_bytes().to_vec();
    bytes[byte] ^= 0x40;
    Path::from_bytes(bytes).unwrap()
}

fn other(root: &MerkleRoot) -> MerkleRoot {
    let mut bytes = *root.as_bytes();
    bytes[31] ^= 1;
    MerkleRoot::from_bytes(bytes)
}

#[test]
fn roots_are_those_of_the_rfc() {
    for count in 0..SIZES {
        let tree = tree(count);
        assert_eq!(*tree.root().as_bytes(), mth(&leaves(count)), "{count}");
        assert_eq!(tree.len(), count as u64);
        assert_eq!(tree.is_empty(), count == 0);
        assert!(tree.leaves().eq(leaves(count).iter().map(Vec::as_slice)));
    }
    assert_eq!(tree(0).root(), MerkleRoot::empty());
    assert_eq!(
        MerkleRoot::empty().to_string(),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
}

#[test]
fn inclusion_is_that_of_the_rfc() {
    for count in 0..SIZES {
        let (leaves, tree) = (leaves(count), tree(count));
        let (root, size) = (tree.root(), tree.len());
        for (position, leaf) in leaves.iter().enumerate() {
            let index = position as u64;
            let shown = tree.inclusion(index).unwrap();
            assert_eq!(shown.as_bytes(), path(position, &leaves).concat());
            assert_eq!(tree.leaf(index), Some(leaf.as_slice()));
            verify_inclusion(&root, size, index, leaf, &shown).unwrap();

            let refused = |root: &MerkleRoot, index: u64, leaf: &[u8], path: &Path| {
                verify_inclusion(root, size, index, leaf, path).unwrap_err()
            };
            assert_eq!(
                refused(&other(&root), index, leaf, &shown),
                ProofError::Mismatch
            );
            assert_eq!(
                refused(&root, index, b"forged", &shown),
                ProofError::Mismatch
            );
            assert_eq!(refused(&root, size, leaf, &shown), ProofError::OutOfRange);
            for elsewhere in (0..size).filter(|elsewhere| *elsewhere != index) {
                let error = refused(&root, elsewhere, leaf, &shown);
                assert!(matches!(error, ProofError::Mismatch | ProofError::Length));
            }
            for hash in 0..shown.len() {
                let error = refused(&root, index, leaf, &flipped(&shown, hash * 32));
                assert_eq!(error, ProofError::Mismatch);
            }
        }
        assert_eq!(tree.inclusion(size), None);
        assert_eq!(tree.leaf(size), None);
        assert_eq!(tree.inclusion(u64::MAX), None);
    }
}

#[test]
fn consistency_is_that_of_the_rfc() {
    for new in 0..SIZES {
        let (leaves, grown) = (leaves(new), tree(new));
        for old in 0..=new {
            let before = tree(old).root();
            let (old_size, new_size) = (old as u64, new as u64);
            let shown = grown.consistency(old_size).unwrap();
            let expected = if old == 0 {
                Vec::new()
            } else {
                proof(old, &leaves)
            };
            assert_eq!(shown.as_bytes(), expected.concat(), "{old} to {new}");
            let root = grown.root();
            verify_consistency(&before, old_size, &root, new_size, &shown).unwrap();

            assert_eq!(
                verify_consistency(&other(&before), old_size, &root, new_size, &shown),
                Err(ProofError::Mismatch),
                "{old} to {new}"
            );
            if old > 0 || new == 0 {
                assert_eq!(
                    verify_consistency(&before, old_size, &other(&root), new_size, &shown),
                    Err(ProofError::Mismatch),
                    "{old} to {new}"
                );
            }
            for hash in 0..shown.len() {
                let path = flipped(&shown, hash * 32 + 31);
                assert_eq!(
                    verify_consistency(&before, old_size, &root, new_size, &path),
                    Err(ProofError::Mismatch),
                    "{old} to {new}, hash {hash}"
                );
            }
            if old < new {
                assert_eq!(
                    verify_consistency(&root, new_size, &before, old_size, &shown),
                    Err(ProofError::Shrunk)
                );
            }
        }
        assert_eq!(grown.consistency(new as u64 + 1), None);
    }
}

#[test]
fn a_rewritten_history_is_seen() {
    let honest = tree(7);
    for changed in 0..7 {
        let mut forged = leaves(12);
        forged[changed].push(9);
        let mut tree = Tree::new();
        for leaf in forged {
            tree.push(leaf);
        }
        let path = tree.consistency(7).unwrap();
        assert_eq!(
            verify_consistency(&honest.root(), 7, &tree.root(), 12, &path),
            Err(ProofError::Mismatch)
        );
    }
}

#[test]
fn nothing_hostile_panics() {
    let root = tree(5).root();
    let numbers: Vec<u64> = (0..10)
        .chain([63, 64, 65, 1 << 31, u64::from(u32::MAX), 1 << 32])
        .chain([MAX_SIZE - 1, MAX_SIZE, MAX_SIZE + 1])
        .chain([1 << 63, (1 << 63) + 1, u64::MAX - 1, u64::MAX])
        .collect();
    for hashes in 0..=MAX_PATH {
        let path = Path::from_bytes(vec![7; hashes * 32]).unwrap();
        for a in &numbers {
            for b in &numbers {
                assert!(verify_inclusion(&root, *a, *b, b"leaf", &path).is_err());
                // The only thing that holds: any tree extends the one without leaves, the same
                // tree extends itself.
                let holds = hashes == 0 && *a == *b && *a > 0 && *a <= MAX_SIZE;
                let outcome = verify_consistency(&root, *a, &root, *b, &path);
                assert_eq!(outcome.is_ok(), holds, "{hashes} hashes, {a} to {b}");
                let empty = MerkleRoot::empty();
                let outcome = verify_consistency(&empty, *a, &root, *b, &path);
                let holds = hashes == 0 && *a == 0 && *b > 0 && *b <= MAX_SIZE;
                assert_eq!(outcome.is_ok(), holds, "{hashes} hashes, {a} to {b}");
            }
        }
    }
}

#[test]
fn the_longest_paths_fit() {
    let mut lengths = Vec::new();
    let root = MerkleRoot::empty();
    for hashes in 0..=MAX_PATH {
        let path = Path::from_bytes(vec![7; hashes * 32]).unwrap();
        if verify_consistency(&root, MAX_SIZE - 1, &root, MAX_SIZE, &path)
            == Err(ProofError::Mismatch)
        {
            lengths.push(hashes);
        }
    }
    assert_eq!(lengths, [63]);
}

#[test]
fn paths_are_decoded_strictly() {
    assert_eq!(Path::default().encode(), [0, 0]);
    for length in 0..3000_u16 {
        let mut encoded = length.to_be_bytes().to_vec();
        encoded.resize(2 + usize::from(length), 1);
        let whole = length.is_multiple_of(32) && length <= 64 * 32;
        let decoded = Path::decode(&encoded);
        assert_eq!(decoded.is_ok(), whole, "{length}");
        if let Ok(path) = decoded {
            assert_eq!(path.encode(), encoded);
            assert_eq!(path.len(), usize::from(length) / 32);
            encoded.push(0);
            assert!(Path::decode(&encoded).is_err());
        }
    }
    assert!(Path::decode(&[0, 32, 1]).is_err());
    assert!(Path::decode(&[0xff, 0xff]).is_err());
}
