//! A copy of a state folder while its server runs. A server that is started in the copy has what this one had when the
//! copy began.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::store::Store;

/// What is not copied: the store, which is copied by itself, and what belongs to processes that run.
const LEFT_OUT: [&str; 6] = [".serve/store", ".s3/tmp", ".s3/lock", ".s3/locks", ".lock", ".locks"];

/// Makes copies. Clones share the store.
#[derive(Clone)]
pub(crate) struct Backup {
    pub(crate) store: Store,
    /// The state folder.
    pub(crate) folder: PathBuf,
}

impl Backup {
    /// Copies the state folder into a folder that does not exist yet, and returns the number of files apart from the store.
    /// Objects are never changed in place, so they get a second name where the file system can do that. Blocks.
    pub(crate) fn make(&self, to: &Path) -> Result<usize, Error> {
        if !to.is_absolute() {
            return Err(Error::new(format!("{}: a backup needs an absolute path", to.display())));
        }
        if to.exists() {
            return Err(Error::new(format!("{}: it exists; name a folder that does not", to.display())));
        }
        if to.starts_with(&self.folder) {
            return Err(Error::new(format!("{}: it is in the state folder itself", to.display())));
        }
        let name = to.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        // The folder has its name when it is whole.
        let part = to.with_file_name(format!(".{name}.part"));
        let _ = fs::remove_dir_all(&part);
        let done = self.copy(&part).and_then(|files| {
            fs::rename(&part, to).map_err(|error| Error::at(to, error))?;
            Ok(files)
        });
        if done.is_err() {
            let _ = fs::remove_dir_all(&part);
        }
        done
    }

    fn copy(&self, to: &Path) -> Result<usize, Error> {
        let store = to.join(".serve/store");
        s3::file::make_folder(&store).map_err(|error| Error::new(error.to_string()))?;
        // The store comes first: what it knows of is among the objects then, and newer ones do not matter.
        self.store.copy_to(&store).map_err(|error| Error::at(&store, error))?;
        let mut files = 0;
        self.copy_folder(Path::new(""), to, &mut files)
            .map_err(|error| Error::new(format!("the backup cannot be made: {error}")))?;
        Ok(files)
    }

    fn copy_folder(&self, below: &Path, to: &Path, files: &mut usize) -> io::Result<()> {
        for entry in fs::read_dir(self.folder.join(below))? {
            let entry = entry?;
            let place = below.join(entry.file_name());
            if LEFT_OUT.iter().any(|left_out| place == Path::new(left_out)) {
                continue;
            }
            let copied = match entry.file_type()? {
                kind if kind.is_dir() => {
                    s3::file::make_folder(&to.join(&place))?;
                    self.copy_folder(&place, to, files)
                }
                kind if kind.is_file() => {
                    *files += 1;
                    self.copy_file(&place, &to.join(&place))
                }
                // A link of this process, which no other process would follow.
                _ => Ok(()),
            };
            match copied {
                // It was removed or replaced meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                copied => copied?,
            }
        }
        Ok(())
    }

    fn copy_file(&self, place: &Path, to: &Path) -> io::Result<()> {
        let from = self.folder.join(place);
        // Files of the server and of runs may be changed in place, and objects are not.
        let hidden = place.iter().next().is_some_and(|first| first.to_string_lossy().starts_with('.'));
        let is_object = !hidden || place.starts_with(".s3");
        if is_object && fs::hard_link(&from, to).is_ok() {
            return Ok(());
        }
        fs::copy(&from, to).map(drop)
    }
}
