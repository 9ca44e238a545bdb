//! The access keys of a server, in the file `keys.toml` of its state folder.

use std::io;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Error;

/// The name of the file in the state folder.
pub(crate) const FILE: &str = ".serve/keys.toml";

/// What a key may do. `api::operations` has the role of each operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Take tasks of activities, and send outcomes.
    Worker,
    /// Read.
    Viewer,
    /// Read, start, stop, send outcomes, and use the store.
    Operator,
    /// Everything.
    Admin,
}

impl Role {
    /// Whether a key of this role may do what needs `needed`. Workers have a role of their own, which others but
    /// viewers include.
    pub(crate) fn may(self, needed: Role) -> bool {
        match self {
            Role::Admin => true,
            Role::Operator => needed != Role::Admin,
            role => role == needed,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::Worker => "worker",
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }
}

/// An access key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The access key id, which is not a secret.
    pub id: String,
    /// The secret access key.
    pub secret: String,
    /// What it may do.
    pub role: Role,
}

/// The keys of a server. Clones share them.
#[derive(Debug, Clone)]
pub struct Keys(Arc<[Key]>);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    key: Vec<Key>,
}

impl Keys {
    #[cfg(test)]
    pub(crate) fn of(keys: Vec<Key>) -> Self {
        Self(keys.into())
    }

    /// Reads the keys of a state folder. The first start makes one with the role `admin`.
    ///
    /// # Errors
    /// When the file cannot be read or created, or is wrong.
    pub fn open(folder: &Path, files: &s3::Service) -> Result<Self, Error> {
        let path = folder.join(FILE);
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&path, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(&path, files),
            Err(error) => Err(Error::at(&path, error)),
        }
    }

    /// Reads the keys of a state folder that a server has used.
    ///
    /// # Errors
    /// When there is no server's key yet, or the file cannot be read or is wrong.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(FILE);
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&path, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::new(format!(
                "{} has no key of a server: start `throughline serve` with this folder first",
                folder.display()
            ))),
            Err(error) => Err(Error::at(&path, error)),
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        let File { key: keys } = toml::from_str(text).map_err(|error| Error::at(path, error))?;
        for (at, key) in keys.iter().enumerate() {
            if key.id.is_empty() || !key.id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(Error::at(path, format!("the id {:?} must be letters and digits", key.id)));
            }
            if key.secret.len() < 16 {
                return Err(Error::at(
                    path,
                    format!("the secret of {} needs at least 16 characters", key.id),
                ));
            }
            if keys[..at].iter().any(|other| other.id == key.id) {
                return Err(Error::at(path, format!("the id {} occurs twice", key.id)));
            }
        }
        if !keys.iter().any(|key| key.role == Role::Admin) {
            return Err(Error::at(path, "one [[key]] must have the role \"admin\""));
        }
        Ok(Self(keys.into()))
    }

    fn create(path: &Path, files: &s3::Service) -> Result<Self, Error> {
        let key = Key {
            id: format!("TL{}", random_hex::<8>().to_uppercase()),
            secret: random_hex::<32>(),
            role: Role::Admin,
        };
        let file = File { key: vec![key] };
        let text = toml::to_string(&file).expect("keys are always TOML");
        let folder = path.parent().expect("the file is in a folder");
        let written = s3::file::make_folder(folder).and_then(|()| files.write_file(path, text.as_bytes()));
        written.map_err(|error| Error::at(path, error))?;
        Ok(Self(file.key.into()))
    }

    /// The key with this id.
    pub fn find(&self, id: &str) -> Option<&Key> {
        self.0.iter().find(|key| key.id == id)
    }

    /// The key with this id, if this is its secret. The comparison takes the same time for all secrets.
    pub(crate) fn with_secret(&self, id: &str, secret: &str) -> Option<&Key> {
        let key = self.find(id)?;
        (blake3::hash(key.secret.as_bytes()) == blake3::hash(secret.as_bytes())).then_some(key)
    }

    /// All keys.
    pub fn all(&self) -> &[Key] {
        &self.0
    }

    /// The first key that may do everything.
    pub fn admin(&self) -> &Key {
        let admin = self.0.iter().find(|key| key.role == Role::Admin);
        admin.expect("reading the file has checked that there is one")
    }
}

/// A random number of `N` bytes as hexadecimal digits.
pub(crate) fn random_hex<const N: usize>() -> String {
    let bytes: [u8; N] = rand::random();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_first_start_makes_a_key_that_later_starts_read() {
        let folder = tempfile::tempdir().unwrap();
        let open = |folder: &Path| Keys::open(folder, &s3::Service::open(folder).unwrap()).unwrap();
        let keys = open(folder.path());
        let mode = std::fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(open(folder.path()).admin(), keys.admin());
        let other = tempfile::tempdir().unwrap();
        assert_ne!(open(other.path()).admin().secret, keys.admin().secret);
    }

    #[test]
    fn wrong_files_are_refused_with_their_place() {
        let path = Path::new("keys.toml");
        let key = |id: &str, role: &str| {
            format!("[[key]]\nid = {id:?}\nsecret = \"0123456789abcdef\"\nrole = {role:?}\n")
        };
        Keys::parse(path, &(key("A", "admin") + &key("B", "worker"))).unwrap();
        for (text, said) in [
            (key("A", "viewer"), "must have the role \"admin\""),
            (key("A", "admin") + &key("A", "worker"), "occurs twice"),
            (key("A/B", "admin"), "letters and digits"),
            (key("A", "god"), "line 4"),
            (key("A", "admin") + "secrets = 1\n", "line 5"),
        ] {
            let error = Keys::parse(path, &text).unwrap_err().to_string();
            assert!(error.starts_with("keys.toml: ") && error.contains(said), "{error}");
        }
    }
}
