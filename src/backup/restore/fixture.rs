//! A sandbox's beginning: what must be there before a snapshot can be restored, and the API cannot make.

use crate::backup::BackupError;
use crate::backup::read::Snapshot;
use crate::freescout::wire;
use crate::sandbox::{Fixture, FixtureField, FixtureMailbox, FixtureUser};

/// Mailboxes, users, custom fields and customer fields of a snapshot. Deleted users and robots are not there, as they are
/// not in a FreeScout that somebody has set up anew.
pub(super) fn of(snapshot: &Snapshot) -> Result<Fixture, BackupError> {
    let mut fixture = Fixture::empty();
    for row in snapshot.list("users")? {
        let Ok(user) = row.typed::<wire::User>() else { continue };
        if user.is_deleted() || user.is_robot() {
            continue;
        }
        fixture.users.push(FixtureUser {
            first_name: user.first_name.unwrap_or_default(),
            last_name: user.last_name.unwrap_or_default(),
            email: user.email,
            role: user.role,
            timezone: user.timezone.unwrap_or_default(),
            ..FixtureUser::default()
        });
    }
    if !fixture.users.iter().any(|user| user.role == "admin") {
        fixture = fixture.with_user("admin@sandbox.example", "Ada", "Admin", true);
    }
    let fields = snapshot.list("custom_fields")?;
    for row in snapshot.list("mailboxes")? {
        let Ok(mailbox) = row.typed::<wire::Mailbox>() else { continue };
        let own = fields.iter().filter(|field| field.ours.mailbox == Some(mailbox.id));
        let custom_fields = own.map(|field| FixtureField {
            id: 0,
            name: text(field, "name"),
            kind: text(field, "type"),
            options: field.raw["options"].clone(),
            required: field.raw["required"].as_bool().unwrap_or_default(),
            sort_order: field.raw["sortOrder"].as_i64().unwrap_or_default(),
        });
        fixture.mailboxes.push(FixtureMailbox {
            name: mailbox.name,
            email: mailbox.email,
            custom_fields: custom_fields.collect(),
            ..FixtureMailbox::default()
        });
    }
    // Of these the API shows only the names.
    for (n, field) in (1..).zip(snapshot.list("customer_fields")?) {
        let (name, kind) = (text(&field, "name"), "singleline".to_owned());
        fixture.customer_fields.push(FixtureField { name, kind, sort_order: n, ..FixtureField::default() });
    }
    Ok(fixture)
}

fn text(row: &crate::backup::read::Stored, key: &str) -> String {
    row.raw[key].as_str().unwrap_or_default().to_owned()
}
