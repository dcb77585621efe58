//! Group `merkle`: roots and proofs.

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::merkle::{MerkleRoot, Path, Tree, verify_consistency, verify_inclusion};

use crate::group::{Vector, bytes, hex, load};

fn root(vector: &Vector, field: &str) -> MerkleRoot {
    MerkleRoot::from_bytes(vector.array(field))
}

fn path(vector: &Vector) -> Result<Path, String> {
    let encoded = vector.bytes("path");
    let path = Path::decode(&encoded).map_err(|error| error.to_string())?;
    assert_eq!(path.encode(), encoded, "{}: encoded again", vector.name);
    Ok(path)
}

#[test]
fn merkle() {
    for vector in load("merkle") {
        match vector.text("kind") {
            "root" => {
                let mut tree = Tree::new();
                for leaf in vector.get("leaves").as_array().unwrap() {
                    tree.push(bytes(leaf));
                }
                let got = hex(tree.root().as_bytes());
                assert_eq!(got, *vector.get("root"), "{}", vector.name);
            }
            "inclusion" => {
                let (size, index) = (vector.number("size"), vector.number("index"));
                let leaf = vector.bytes("leaf");
                let verify = |path: Path| {
                    verify_inclusion(&root(&vector, "root"), size, index, &leaf, &path)
                        .map_err(|error| error.to_string())
                };
                vector.outcome(path(&vector).and_then(verify));
            }
            "consistency" => {
                let verify = |path: Path| {
                    verify_consistency(
                        &root(&vector, "old_root"),
                        vector.number("old_size"),
                        &root(&vector, "new_root"),
                        vector.number("new_size"),
                        &path,
                    )
                    .map_err(|error| error.to_string())
                };
                vector.outcome(path(&vector).and_then(verify));
            }
            other => panic!("unknown kind {other}"),
        }
    }
}
