//! Files that hold secrets or customers: nobody else on the machine may read them.

use std::{
    fs::{DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

/// Makes a folder, and those that it is in, for this user alone. One that is there already is left as it is.
///
/// # Errors
/// The system's own.
pub fn folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Opens a file that is this user's alone, whatever it was before; one that is not there is made.
///
/// # Errors
/// The system's own.
pub fn file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    // Not a pipe or a terminal, which may be somebody else's.
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

/// Writes a file anew: whoever reads it finds the old text or the new one, and never a part.
///
/// # Errors
/// The system's own.
pub fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = file(&new)?;
    file.set_len(0)?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(new, path)
}
