//! `[findings]`: how kinds of finding are to be taken.

use toml::de::DeTable;

use super::fault::suggestion;
use super::file::Loader;
use crate::finding::{LEVELS, LevelError, Levels, codes};

impl Loader<'_> {
    pub(super) fn levels(&mut self, root: &DeTable<'_>) -> Levels {
        let mut levels = Levels::default();
        for (code, value) in self.section(root, "findings").into_iter().flatten() {
            // Anything but a text has been found wrong already.
            let Some(level) = value.get_ref().as_str() else { continue };
            let Err(error) = levels.set(code.get_ref(), level) else { continue };
            let (span, hint) = match &error {
                LevelError::Code(_) => {
                    let known: Vec<&str> = codes::ALL.iter().map(|(known, ..)| *known).collect();
                    (code.span(), suggestion(code.get_ref(), &known))
                }
                LevelError::Level(_) => (value.span(), suggestion(level, LEVELS)),
            };
            self.fault(span, error.to_string(), hint);
        }
        levels
    }
}
