//! Rows in a file, so that a rehearsal can be looked at again.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::store::Store;

fn bytes_beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".bytes");
    name.into()
}

/// Reads what [`save`] has written.
pub(super) fn load(file: &Path) -> io::Result<Store> {
    let mut store: Store = serde_json::from_reader(BufReader::new(File::open(file)?))?;
    store.index_all();
    let rows: Vec<(u64, u64)> = store.files.rows().map(|row| (row.id, row.size)).collect();
    if !rows.is_empty() {
        let mut all = BufReader::new(File::open(bytes_beside(file))?);
        for (id, size) in rows {
            let mut bytes = Vec::new();
            all.by_ref().take(size).read_to_end(&mut bytes)?;
            store.files.restore(id, bytes.into());
        }
    }
    Ok(store)
}

/// Writes rows and attachments, each to a new file that then takes the old one's place.
pub(super) fn save(file: &Path, store: &Store) -> io::Result<()> {
    let beside = bytes_beside(file);
    replace(&beside, |out| {
        for row in store.files.rows() {
            let mut bytes = store.files.bytes(row.id).unwrap_or_default().to_vec();
            // A file whose bytes are lost keeps its length, so that those after it stay in place.
            bytes.resize(usize::try_from(row.size).unwrap_or(0), 0);
            out.write_all(&bytes)?;
        }
        Ok(())
    })?;
    replace(file, |out| serde_json::to_writer(out, store).map_err(io::Error::from))
}

fn replace(file: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    let next = PathBuf::from(name);
    let mut out = BufWriter::new(File::create(&next)?);
    write(&mut out)?;
    out.flush()?;
    fs::rename(next, file)
}
