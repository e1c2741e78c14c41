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
    ("osticket", "channel", &["Web", "Email", "Phone", "API", "Other"]),
    // Statuses can be named at will; priorities cannot: <https://developers.freshdesk.com/api/#tickets>. The
    // words for people and entries are the reader's own.
    ("freshdesk", "priority", &["1", "2", "3", "4"]),
    ("freshdesk", "requester.role", &["contact", "agent"]),
    ("freshdesk", "assignee.role", &["agent"]),
    ("freshdesk", "entry.author.role", &["contact", "agent"]),
    ("freshdesk", "entry.kind", &["description", "outbound", "conversation"]),
    // <https://developer.helpscout.com/mailbox-api/endpoints/conversations/list/>; `open` is that of API 1.
    ("helpscout", "status", &["active", "open", "pending", "closed", "spam"]),
    ("helpscout", "state", &["published", "draft", "deleted"]),
    ("helpscout", "channel", &["email", "chat", "phone"]),
    ("helpscout", "requester.role", &["customer", "user", "team"]),
    ("helpscout", "assignee.role", &["user", "team"]),
    ("helpscout", "entry.author.role", &["customer", "user", "team"]),
    ("helpscout", "entry.state", &["published", "draft", "hidden", "underreview"]),
    // <https://developers.intercom.com/docs/references/rest-api/api.intercom.io/conversations>; priorities are words or truth values.
    ("intercom", "status", &["open", "closed", "snoozed"]),
    ("intercom", "priority", &["priority", "not_priority", "true", "false"]),
    // Zammad's states and priorities can be named at will; who sent an article cannot: `Ticket::Article::Sender`. Where
    // an article does not say, the author's role stands there.
    ("zammad", "entry.author.role", &["Agent", "Customer", "System", "Admin"]),
    // Jira's statuses are those of each workflow, their categories everybody's: `statusCategory.key`.
    ("jira", "status_category", &["new", "indeterminate", "done", "undefined"]),
    ("jira", "requester.role", &["customer", "agent", "app"]),
    ("jira", "assignee.role", &["customer", "agent", "app"]),
    ("jira", "entry.author.role", &["customer", "agent", "app"]),
    ("jira", "entry.kind", &["description", "comment", "event"]),
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
