//! The tables of osTicket: which are read, and by what their rows are found.
//!
//! Names and columns are those of osTicket's own schema, `setup/inc/streams/core/install-mysql.sql`, as it was from 1.6 on.
//! Tables with secrets are not in the list and are never read: `config`, `api_key`, `email`, `email_account`,
//! `user_account`, `session`, `syslog`. Of `staff` only [`STAFF_COLUMNS`] are.

use serde::{Deserialize, Serialize};

use crate::catalog;

/// What a piece of the catalog is.
pub(super) mod kind {
    pub const TICKET: u8 = 0;
    pub const CDATA: u8 = 1;
    pub const THREAD: u8 = 2;
    pub const ENTRY: u8 = 3;
    pub const MAIL: u8 = 4;
    pub const EVENT: u8 = 5;
    pub const COLLABORATOR: u8 = 6;
    pub const USER: u8 = 7;
    pub const ADDRESS: u8 = 8;
    pub const STAFF: u8 = 9;
    pub const NAMED: u8 = 10;
    pub const ATTACHMENT: u8 = 11;
    pub const FILE: u8 = 12;
    pub const CHUNK: u8 = 13;
    pub const FORM: u8 = 14;
    pub const VALUE: u8 = 15;
    /// Up to 1.9: what was written, under its ticket.
    pub const OLD_ENTRY: u8 = 16;
    pub const OLD_MESSAGE: u8 = 17;
    pub const OLD_RESPONSE: u8 = 18;
    pub const OLD_NOTE: u8 = 19;
    /// A thread of a ticket, or of whatever else, under the name of its entries.
    pub const ANCHOR: u8 = 20;
    pub const KNOWN: u8 = 21;
    /// A file of the archive that is no dump.
    pub const STORED: u8 = 22;
    /// A row with fewer or more values than its table has columns.
    pub const RAGGED: u8 = 80;
}

/// All that is ever read of an agent; passwords are in the same table.
pub(super) const STAFF_COLUMNS: &[&str] =
    &["staff_id", "username", "firstname", "lastname", "email", "phone", "phone_ext", "mobile", "isactive"];

/// A table that is read.
pub(super) struct Table {
    /// Its name without the prefix.
    pub base: &'static str,
    pub kind: u8,
    /// What its rows belong to.
    pub what: &'static str,
    /// The column that says to which one; of several the first that there is.
    pub keys: &'static [&'static str],
}

const fn table(base: &'static str, kind: u8, what: &'static str, keys: &'static [&'static str]) -> Table {
    Table { base, kind, what, keys }
}

pub(super) const TICKET: &str = "ticket";
pub(super) const THREAD: &str = "thread";
pub(super) const ENTRY: &str = "entry";
pub(super) const OLD_ENTRY: &str = "old entry";
pub(super) const USER: &str = "user";
pub(super) const STAFF: &str = "staff";
pub(super) const FILE: &str = "file";
pub(super) const FORM: &str = "form";
pub(super) const FIELD: &str = "form_field";
pub(super) const STORED: &str = "stored";

static TABLES: &[Table] = &[
    table("ticket", kind::TICKET, TICKET, &["ticket_id"]),
    table("ticket__cdata", kind::CDATA, TICKET, &["ticket_id"]),
    table("thread", kind::THREAD, TICKET, &["object_id"]),
    table("thread_entry", kind::ENTRY, THREAD, &["thread_id"]),
    table("thread_event", kind::EVENT, THREAD, &["thread_id"]),
    table("thread_collaborator", kind::COLLABORATOR, THREAD, &["thread_id"]),
    table("thread_entry_email", kind::MAIL, ENTRY, &["thread_entry_id"]),
    table("attachment", kind::ATTACHMENT, ENTRY, &["object_id"]),
    table("user", kind::USER, USER, &["id"]),
    table("user_email", kind::ADDRESS, USER, &["user_id"]),
    table("staff", kind::STAFF, STAFF, &["staff_id"]),
    table("department", kind::NAMED, "department", &["id", "dept_id"]),
    table("team", kind::NAMED, "team", &["team_id"]),
    table("help_topic", kind::NAMED, "help_topic", &["topic_id"]),
    table("sla", kind::NAMED, "sla", &["id"]),
    table("organization", kind::NAMED, "organization", &["id"]),
    table("ticket_status", kind::NAMED, "ticket_status", &["id"]),
    table("ticket_priority", kind::NAMED, "ticket_priority", &["priority_id"]),
    table("event", kind::NAMED, "event", &["id"]),
    table("form_field", kind::NAMED, FIELD, &["id"]),
    table("form_entry", kind::FORM, TICKET, &["object_id"]),
    table("form_entry_values", kind::VALUE, FORM, &["entry_id"]),
    table("file", kind::FILE, FILE, &["id"]),
    table("file_chunk", kind::CHUNK, FILE, &["file_id"]),
    // 1.7 to 1.9.
    table("ticket_thread", kind::OLD_ENTRY, TICKET, &["ticket_id"]),
    table("ticket_email_info", kind::MAIL, OLD_ENTRY, &["thread_id", "message_id"]),
    table("ticket_attachment", kind::ATTACHMENT, OLD_ENTRY, &["ref_id"]),
    table("ticket_collaborator", kind::COLLABORATOR, TICKET, &["ticket_id"]),
    table("ticket_event", kind::EVENT, TICKET, &["ticket_id"]),
    // Up to 1.6.
    table("ticket_message", kind::OLD_MESSAGE, TICKET, &["ticket_id"]),
    table("ticket_response", kind::OLD_RESPONSE, TICKET, &["ticket_id"]),
    table("ticket_note", kind::OLD_NOTE, TICKET, &["ticket_id"]),
];

/// The table of this name, and its prefix. The longest name counts: `ost_ticket_status` is no `status` of `ost_ticket_`.
///
/// Tables of other programs may end alike. Their prefix has no tickets, so nothing ever asks for their rows.
pub(super) fn table_of(name: &str) -> Option<(&'static Table, &str)> {
    let prefix = |table: &Table| {
        let at = name.len().checked_sub(table.base.len()).filter(|at| name.is_char_boundary(*at))?;
        let (prefix, base) = name.split_at(at);
        (base.eq_ignore_ascii_case(table.base) && (prefix.is_empty() || prefix.ends_with('_'))).then_some(prefix)
    };
    let found = TABLES.iter().filter_map(|table| Some((table, prefix(table)?)));
    found.max_by_key(|(table, _)| table.base.len())
}

/// The columns of rows, remembered beside the index.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Layout {
    /// The table's name as the dump has it.
    pub table: String,
    /// What stands before the name that osTicket knows it by.
    pub prefix: String,
    pub columns: Vec<String>,
}

impl Layout {
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.eq_ignore_ascii_case(name))
    }
}

/// The name under which the rows of one thing are found.
pub(super) fn name_key(prefix: &str, what: &str, id: &str) -> i64 {
    let id = id.trim();
    let digits = id.trim_start_matches('0');
    let id = if id.bytes().all(|it| it.is_ascii_digit()) && !digits.is_empty() { digits } else { id };
    catalog::key(&format!("{} {what}", prefix.to_ascii_lowercase()), id.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_known_by_their_longest_name_with_any_prefix() {
        let known = [
            ("ost_ticket", Some(("ticket", "ost_"))),
            ("ticket", Some(("ticket", ""))),
            ("help_desk_ticket_status", Some(("ticket_status", "help_desk_"))),
            ("OST_Ticket__cdata", Some(("ticket__cdata", "OST_"))),
            ("ost_thread_entry_email", Some(("thread_entry_email", "ost_"))),
            ("ost_ticket_thread", Some(("ticket_thread", "ost_"))),
            ("ost_config", None),
            ("ost_api_key", None),
            ("ost_user_account", None),
            ("ost_email_account", None),
            ("osticket", None),
            ("ü", None),
        ];
        for (name, expected) in known {
            assert_eq!(table_of(name).map(|(table, prefix)| (table.base, prefix)), expected, "{name}");
        }
    }
}
