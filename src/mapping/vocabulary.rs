//! Words that can occur: those of the language itself, and those that each source can give.

/// A part of a text stays.
pub(super) const KEEP: &str = "keep";
/// A part of a text, or an image, goes.
pub(super) const DROP: &str = "drop";
/// Images become part of the text.
pub(super) const EMBED: &str = "embed";
/// Images become attachments.
pub(super) const ATTACH: &str = "attach";
/// Texts stay HTML.
pub(super) const HTML: &str = "html";
/// Texts become plain.
pub(super) const PLAIN: &str = "plain";

/// What becomes of a part of a text.
pub(super) const KEEP_OR_DROP: &[&str] = &[KEEP, DROP];

/// What becomes of images in HTML.
pub(super) const IMAGES: &[&str] = &[EMBED, ATTACH, DROP];

/// What becomes of HTML.
pub(super) const HTML_TEXTS: &[&str] = &[HTML, PLAIN];

/// The only words that a source gives under a path, where there are no others.
///
/// Status words of Zendesk: <https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/>; `deleted` and
/// `suspended` are those of deleted tickets and suspended mails. Roles: the same reference, under Users.
const ONLY: &[(&str, &str, &[&str])] = &[
    ("zendesk", "status", &["new", "open", "pending", "hold", "solved", "closed", "deleted", "suspended"]),
    ("zendesk", "requester.role", &["end-user", "agent", "admin"]),
    ("zendesk", "assignee.role", &["end-user", "agent", "admin"]),
    ("zendesk", "entry.author.role", &["end-user", "agent", "admin"]),
    ("zendesk", "priority", &["low", "normal", "high", "urgent"]),
    ("zendesk", "type", &["problem", "incident", "question", "task"]),
    // `ticket_status.state` and the kinds of entries: osTicket's `include/class.list.php` and `class.thread.php`.
    ("osticket", "status", &["open", "closed", "archived", "deleted"]),
    ("osticket", "requester.role", &["user", "agent"]),
    ("osticket", "assignee.role", &["user", "agent"]),
    ("osticket", "entry.author.role", &["user", "agent"]),
    ("mbox", "status", &["spam", "trash", "draft"]),
    ("*", "entry.public", &["true", "false"]),
];

/// The words that can stand under a path; nothing, if any can.
pub(super) fn only(source: &str, path: &[String]) -> Option<&'static [&'static str]> {
    let path = path.join(".");
    let source = crate::source::family(source);
    let known = ONLY.iter().find(|(of, known, _)| (*of == source || *of == "*") && *known == path);
    known.map(|(_, _, words)| *words)
}
