//! The file that says which witnesses a provider asks.

use std::path::{Path, PathBuf};

use dcnet_protocol::membership::witness::{Quorum, QuorumError, Witness};
use dcnet_protocol::names::WitnessName;
use dcnet_protocol::signature::VerifyingKey;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde::de::Error as _;

/// Largest list that is looked at, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// A witness, and where it is asked.
#[derive(Debug, Clone)]
pub struct ListedWitness {
    /// Name and key.
    pub witness: Witness,
    /// `https://HOST:PORT`, without a path.
    pub url: String,
    /// The only roots trusted for its server.
    pub roots: Vec<CertificateDer<'static>>,
}

/// Why a list of witnesses was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It cannot be read.
    #[error("cannot read the witnesses {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// It is larger than any list.
    #[error("the list of witnesses {} has more than {MAX_FILE} bytes", .0.display())]
    Size(PathBuf),
    /// It is no YAML of this shape.
    #[error("the list of witnesses {}: {source}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, column and what is wrong.
        source: serde_yaml::Error,
    },
    /// A name or key comes twice, or there are too many.
    #[error("the list of witnesses {}: {source}", path.display())]
    Quorum {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: QuorumError,
    },
    /// The roots of a witness cannot be read.
    #[error("cannot read the root of witness {name} from {}: {source}", path.display())]
    Root {
        /// Which one.
        name: WitnessName,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls_pki_types::pem::Error,
    },
    /// There is none in the file.
    #[error("there is no certificate in {}, the roots of witness {name}", path.display())]
    NoRoot {
        /// Which one.
        name: WitnessName,
        /// The file.
        path: PathBuf,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    #[serde(deserialize_with = "name")]
    name: WitnessName,
    #[serde(deserialize_with = "url")]
    url: String,
    #[serde(deserialize_with = "key")]
    key: VerifyingKey,
    ca: PathBuf,
}

fn name<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<WitnessName, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(D::Error::custom)
}

/// A base to which a path is added; the client would find out later, and once for each net.
fn url<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let base = text.strip_suffix('/').unwrap_or(&text);
    let parsed = reqwest::Url::parse(base).map_err(D::Error::custom)?;
    let plain = parsed.scheme() == "https"
        && parsed.path() == "/"
        && parsed.query().is_none()
        && parsed.fragment().is_none()
        && parsed.username().is_empty()
        && parsed.password().is_none();
    if plain {
        Ok(base.to_owned())
    } else {
        Err(D::Error::custom(
            "url has the form https://HOST or https://HOST:PORT",
        ))
    }
}

/// Compressed only, so that each key is written in one way.
fn key<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<VerifyingKey, D::Error> {
    let text = String::deserialize(deserializer)?;
    let point = super::from_hex(&text).filter(|point| point.len() == 33);
    let point = point.ok_or_else(|| {
        D::Error::custom("key has 66 hexadecimal digits, as `dcnet witness init` prints them")
    })?;
    VerifyingKey::from_sec1(&point).map_err(D::Error::custom)
}

impl ListedWitness {
    /// Reads a YAML file: a list of `name`, `url`, `key` and `ca`, the last of which is a file of
    /// roots beside the list unless it is an absolute path.
    ///
    /// # Errors
    /// [`ListError`] names the file, and the place in it where there is one.
    pub fn from_file(path: &Path) -> Result<Vec<Self>, ListError> {
        let read = |source| ListError::Read {
            path: path.to_owned(),
            source,
        };
        if std::fs::metadata(path).map_err(read)?.len() > MAX_FILE {
            return Err(ListError::Size(path.to_owned()));
        }
        let text = std::fs::read_to_string(path).map_err(read)?;
        let keys: Vec<Keys> = serde_yaml::from_str(&text).map_err(|source| ListError::Syntax {
            path: path.to_owned(),
            source,
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let listed = keys
            .into_iter()
            .map(|keys| {
                let roots = roots(keys.name, &folder.join(keys.ca))?;
                Ok(Self {
                    witness: Witness {
                        name: keys.name,
                        key: keys.key,
                    },
                    url: keys.url,
                    roots,
                })
            })
            .collect::<Result<Vec<_>, ListError>>()?;
        // What would not count at a gateway is not asked for.
        let witnesses = listed.iter().map(|listed| listed.witness).collect();
        Quorum::new(witnesses, 0).map_err(|source| ListError::Quorum {
            path: path.to_owned(),
            source,
        })?;
        Ok(listed)
    }
}

fn roots(name: WitnessName, path: &Path) -> Result<Vec<CertificateDer<'static>>, ListError> {
    let unreadable = |source| ListError::Root {
        name,
        path: path.to_owned(),
        source,
    };
    let roots: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(unreadable)?
        .collect::<Result<_, _>>()
        .map_err(unreadable)?;
    if roots.is_empty() {
        let path = path.to_owned();
        return Err(ListError::NoRoot { name, path });
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dcnet_protocol::signature::SigningKey;

    fn point(scalar: u8) -> String {
        let key = SigningKey::from_scalar(&[scalar; 32]).unwrap();
        crate::service::hex(&key.verifying_key().to_sec1())
    }

    fn load(text: &str) -> Result<Vec<ListedWitness>, String> {
        let folder = tempfile::tempdir().unwrap();
        let root = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(folder.path().join("ca.pem"), root.cert.pem()).unwrap();
        std::fs::write(folder.path().join("empty.pem"), "").unwrap();
        let path = folder.path().join("witnesses.yaml");
        std::fs::write(&path, text).unwrap();
        ListedWitness::from_file(&path).map_err(|error| error.to_string())
    }

    fn entry(name: &str, url: &str, key: &str, ca: &str) -> String {
        format!("- {{ name: {name}, url: \"{url}\", key: \"{key}\", ca: {ca} }}\n")
    }

    #[test]
    fn a_list_is_read() {
        let one = entry("w-1", "https://a.example:8444/", &point(1), "ca.pem");
        let two = entry("w-2", "https://b.example", &point(2), "ca.pem");
        let listed = load(&format!("{one}{two}")).unwrap();
        assert_eq!(listed.len(), 2);
        assert_eq!(listed[0].url, "https://a.example:8444");
        assert_eq!(listed[0].witness.name.as_str(), "w-1");
        assert_eq!(listed[0].roots.len(), 1);
        let key = SigningKey::from_scalar(&[2; 32]).unwrap().verifying_key();
        assert_eq!(listed[1].witness.key, key);
    }

    #[test]
    fn what_cannot_be_asked_or_counted_is_refused() {
        let (url, key) = ("https://a.example", point(1));
        let good = entry("w-1", url, &key, "ca.pem");
        let uncompressed = format!("04{}{}", &key[2..], &key[2..]);
        for (text, told) in [
            (entry("w/1", url, &key, "ca.pem"), "not allowed"),
            (entry("w-1", "http://a.example", &key, "ca.pem"), "https://"),
            (
                entry("w-1", "https://a.example/x", &key, "ca.pem"),
                "https://",
            ),
            (
                entry("w-1", "https://u:p@a.example", &key, "ca.pem"),
                "https://",
            ),
            (entry("w-1", "a.example", &key, "ca.pem"), "relative URL"),
            (entry("w-1", url, "00", "ca.pem"), "66 hexadecimal digits"),
            (entry("w-1", url, &uncompressed, "ca.pem"), "66 hexadecimal"),
            (
                entry("w-1", url, &"ff".repeat(33), "ca.pem"),
                "no public key",
            ),
            (entry("w-1", url, &key, "none.pem"), "none.pem"),
            (entry("w-1", url, &key, "empty.pem"), "no certificate"),
            (format!("{good}{good}"), "listed twice"),
            (
                format!("{good}{}", entry("w-2", url, &key, "ca.pem")),
                "the same key",
            ),
            ("- { name: w-1 }\n".to_owned(), "url"),
            (good.replace("ca:", "cafe:"), "cafe"),
        ] {
            let error = load(&text).unwrap_err();
            assert!(error.contains(told), "{text}{error}");
        }
    }
}
