//! What Lambda fetches and pages in before a function starts: the bootstrap, and the zip that it comes in.

use std::{io::Write, path::Path};

use anyhow::Context;
use flate2::{Compression, write::DeflateEncoder};
use serde::{Deserialize, Serialize};

/// Headers of a zip that holds one file, `bootstrap`: local, central and end of directory (APPNOTE 4.3).
const ZIP_HEADERS: u64 = (30 + 9) + (46 + 9) + 22;

/// Of one function, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Size {
    /// The bootstrap.
    pub(crate) bytes: u64,
    /// Deflated as well as `zip -9` does it.
    pub(crate) zip: u64,
}

/// Measures a binary.
pub(crate) fn measure(binary: &Path) -> anyhow::Result<Size> {
    let content = std::fs::read(binary).with_context(|| format!("cannot read {}", binary.display()))?;
    let mut encoder = DeflateEncoder::new(Counted(0), Compression::best());
    encoder.write_all(&content)?;
    let Counted(deflated) = encoder.finish()?;
    Ok(Size { bytes: content.len() as u64, zip: deflated + ZIP_HEADERS })
}

/// What is written is counted and forgotten.
struct Counted(u64);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zip_is_as_large_as_its_content_deflated_and_its_headers() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![0; 1 << 20]).unwrap();
        let size = measure(file.path()).unwrap();
        assert_eq!(size.bytes, 1 << 20);
        // A thousandth is the most that deflate makes of anything.
        assert!(size.zip > ZIP_HEADERS && size.zip < size.bytes / 900, "{size:?}");
    }
}
