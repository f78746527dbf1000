//! Clocks of a process that are not the machine's: the library in `tests/frozen/clock`, preloaded into it, reads them from
//! a file.

use std::{fs::File, os::unix::fs::FileExt, path::Path, time::Duration};

use anyhow::{Context, ensure};

use super::Environment;

/// How far a process's clocks are ahead of the machine's, in the file that its library reads.
#[derive(Debug)]
pub struct Clocks {
    file: File,
    /// Nanoseconds.
    wall: i64,
    /// Nanoseconds.
    monotonic: i64,
}

impl Clocks {
    /// Clocks of a new process, and the variables that it needs for them. They are kept in `file`. Its wall clock is so far
    /// `off` the machine's, behind it or ahead. The library is beside this program.
    ///
    /// # Errors
    /// A sentence when the library is missing, or the file cannot be made.
    pub fn new(file: &Path, off: Duration, behind: bool) -> anyhow::Result<(Self, Environment)> {
        let beside = std::env::current_exe()?;
        // Tests are a folder further down.
        let mut folders = beside.ancestors().skip(1).take(2);
        let library = folders.find_map(|folder| Some(folder.join("libposnext_frozen_clock.so")).filter(|path| path.is_file()));
        let library = library.with_context(|| {
            format!("libposnext_frozen_clock.so is not beside {}; build it: cargo build --workspace", beside.display())
        })?;
        let own = File::options().create(true).truncate(true).read(true).write(true).open(file);
        let own = own.with_context(|| format!("cannot keep a process's clocks in {}", file.display()))?;
        ensure!(file.is_absolute(), "{} has to be an absolute path", file.display());
        let clocks = Self { file: own, wall: if behind { -nanoseconds(off) } else { nanoseconds(off) }, monotonic: 0 };
        clocks.write()?;
        let named = [("LD_PRELOAD", library.as_path()), ("POSNEXT_FROZEN_CLOCK", file)];
        Ok((clocks, named.map(|(name, path)| (name.to_owned(), path.display().to_string())).into()))
    }

    /// How far the wall clock is ahead, in nanoseconds.
    pub(super) fn ahead(&self) -> i64 {
        self.wall
    }

    /// Moves the wall clock by this many nanoseconds, and the clocks that only go forward by those.
    pub(super) fn turn(&mut self, wall: i64, monotonic: i64) {
        self.wall += wall;
        self.monotonic += monotonic;
        // The file is open, and as long as it will ever be.
        let _ = self.write();
    }

    fn write(&self) -> std::io::Result<()> {
        self.file.write_all_at(&[self.wall.to_ne_bytes(), self.monotonic.to_ne_bytes()].concat(), 0)
    }
}

/// A span in the nanoseconds of a clock.
pub(super) fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}
