//! What became of the archive's fields and values, as far as the report is told.

/// The account of a run: a row for each field.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    /// In any order; the report sorts them, lost ones first.
    pub fields: Vec<FieldAccount>,
}

/// What became of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// Neither used by a rule nor ignored with a reason.
    Lost,
    /// A rule uses it, and some of its values are in no table.
    Partly,
    /// Ignored on purpose.
    Ignored,
    /// A rule uses it.
    Used,
}

impl Fate {
    /// For people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Partly => "values in no table",
            Self::Ignored => "ignored",
            Self::Used => "used",
        }
    }
}

/// One field, or one rule whose values are in no table.
#[derive(Debug, Clone)]
pub struct FieldAccount {
    /// Its path, ids as `*`.
    pub field: String,
    /// What became of it.
    pub fate: Fate,
    /// Records (or values, for [`Fate::Partly`]) that this is about; `None`: not counted.
    pub count: Option<u64>,
    /// How many different values it has; `None`: not counted.
    pub distinct: Option<u64>,
    /// The most frequent values with their counts.
    pub values: Vec<(String, u64)>,
    /// Why it is ignored.
    pub reason: Option<String>,
    /// A place where it can be seen.
    pub place: Option<String>,
}

impl FieldAccount {
    /// A field of which nothing more is known.
    pub fn new(field: impl Into<String>, fate: Fate) -> Self {
        Self { field: field.into(), fate, count: None, distinct: None, values: Vec::new(), reason: None, place: None }
    }
}
