//! What the target holds: mailboxes, users and who may see what, conversations that are there already, their numbers.

use crate::freescout::{Client, ConversationFilter, ConversationSort, Directory, Page, SortOrder};

use crate::report::figures::counted;

use super::{Desk, Grade};

/// So many users are asked for their mailboxes at most.
const MOST_USERS: usize = 200;

/// So many names are listed.
const SHOWN: usize = 10;

pub(super) async fn look(desk: &mut Desk<'_>, directory: &Directory) {
    mailboxes(desk, directory).await;
    users(desk, directory);
    access(desk, directory).await;
}

async fn mailboxes(desk: &mut Desk<'_>, directory: &Directory) {
    if directory.mailboxes.is_empty() {
        let advice = "make one first (Manage » Mailboxes); nothing can be imported without";
        return desk.say("mailboxes", Grade::Error, "there is no mailbox", advice);
    }
    let names: Vec<_> = directory.mailboxes.iter().map(|entry| entry.mailbox.email.as_str()).collect();
    let count = if let [_] = &names[..] { "1 mailbox".to_owned() } else { format!("{} mailboxes", names.len()) };
    desk.fine("mailboxes", format!("{count}: {}", listed(&names)));
    for entry in &directory.mailboxes {
        let fields = entry.fields.as_deref().unwrap_or_default();
        if !fields.is_empty() {
            let names: Vec<_> = fields.iter().map(|field| field.name.as_str()).collect();
            let count = counted(fields.len() as u64, "custom field");
            desk.fine("fields", format!("`{}` has {count}: {}", entry.mailbox.email, listed(&names)));
        }
    }
    let anything = ConversationFilter::default();
    match desk.ask(|client: &Client| client.list_conversations(&anything, Page::of(1))).await {
        Ok(list) if list.page.total_elements == 0 => desk.fine("contents", "it holds no conversation yet"),
        Ok(list) => desk.say(
            "contents",
            Grade::Note,
            format!("it holds {} already", counted(list.page.total_elements, "conversation")),
            "make a backup before an import: `foxferry backup DIR`; if they came from an earlier import of the same archive, go on with its \
             journal (`--journal FILE`): without it everything would be there twice",
        ),
        Err(error) => desk.unanswered("contents", "what it holds cannot be listed", &error),
    }
}

fn users(desk: &mut Desk<'_>, directory: &Directory) {
    if directory.users.is_empty() {
        let advice = "make users for those who answered mail (Manage » Users), or give `--create-agents`";
        return desk.say("users", Grade::Error, "there is no user, so messages and notes have no author", advice);
    }
    let names: Vec<_> = directory.users.iter().map(|user| user.email.as_str()).collect();
    let count = counted(names.len() as u64, "user");
    match directory.first_administrator() {
        Some(_) => desk.fine("users", format!("{count}: {}", listed(&names))),
        None => desk.say(
            "users",
            Grade::Warning,
            format!("{count}, none of them an administrator: {}", listed(&names)),
            "name a user for unknown agents in the mapping (`[people.agents]`, `default`)",
        ),
    }
}

/// Who is assigned a conversation of a mailbox they may not see does not see it.
async fn access(desk: &mut Desk<'_>, directory: &Directory) {
    let all = directory.mailboxes.len();
    let (mut nowhere, mut partly) = (Vec::new(), Vec::new());
    let plain = directory.users.iter().filter(|user| !user.is_admin());
    let asked = plain.clone().count();
    for user in plain.take(MOST_USERS) {
        let id = user.id;
        match desk.ask(|client: &Client| client.list_mailboxes(Some(id), Page::of(500))).await {
            Ok(list) if list.items.is_empty() => nowhere.push(user.email.as_str()),
            Ok(list) if list.items.len() < all => partly.push(user.email.as_str()),
            Ok(_) => {}
            Err(error) => return desk.unanswered("access", "who may see which mailbox cannot be found out", &error),
        }
    }
    let advice = "give access in FreeScout (Manage » Mailboxes » Permissions): what is assigned to somebody without access is in \
                  nobody's list";
    if !nowhere.is_empty() {
        let who = counted(nowhere.len() as u64, "user");
        desk.say("access", Grade::Warning, format!("{who} without any mailbox: {}", listed(&nowhere)), advice);
    }
    if !partly.is_empty() {
        let who = counted(partly.len() as u64, "user");
        desk.say(
            "access",
            Grade::Note,
            format!("{who} with some mailboxes and not others: {}", listed(&partly)),
            advice,
        );
    }
    if asked > MOST_USERS {
        let text = format!("only the first {MOST_USERS} of {asked} users were asked for");
        desk.say("access", Grade::Note, text, "look at the others by hand");
    }
    if nowhere.is_empty() && partly.is_empty() && all > 0 {
        desk.fine("access", "every user sees every mailbox");
    }
}

/// Whether FreeScout counts conversations by itself; `None`: there is none to see it by.
pub(super) async fn numbers(desk: &mut Desk<'_>) -> Option<bool> {
    let latest = ConversationFilter {
        sort: ConversationSort::Number,
        order: SortOrder::Descending,
        ..ConversationFilter::default()
    };
    let is_custom = match desk.ask(|client: &Client| client.list_conversations(&latest, Page::of(20))).await {
        Ok(list) => {
            let mut pairs = list.items.iter().filter_map(|row| Some((row.id, row.number?))).peekable();
            pairs.peek()?;
            pairs.any(|(id, number)| id != number)
        }
        Err(error) => {
            desk.unanswered("numbers", "how conversations are numbered cannot be found out", &error);
            return None;
        }
    };
    say_numbers(desk, is_custom);
    Some(is_custom)
}

/// Tells how conversations are numbered.
pub(super) fn say_numbers(desk: &mut Desk<'_>, is_custom: bool) {
    if is_custom {
        desk.say(
            "numbers",
            Grade::Note,
            "FreeScout numbers conversations by itself (APP_CUSTOM_NUMBER), and can give one number to two that are made at the \
             same time",
            "nothing: an import over this journal makes them one after the other; nobody else should be making any meanwhile",
        );
    } else {
        desk.fine("numbers", "a conversation's number is its id");
    }
}

fn listed(names: &[&str]) -> String {
    let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
