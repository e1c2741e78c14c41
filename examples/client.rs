//! FreeScout's API from Rust: `cargo run --example client`. It talks to a sandbox in this process.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use foxferry::conversation::{Kind, Status, ThreadKind};
use foxferry::freescout::{
    Client, ConversationFilter, Directory, Embed, Labelled, NewConversation, NewCustomer, NewThread, Page, Target,
};
use foxferry::sandbox;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // In the place of a real one: `Target::new("https://help.example.org", key)`.
    let sandbox = sandbox::start(sandbox::Options::default()).await?;
    let client = Client::new(Target::new(sandbox.url(), sandbox.key().to_owned().into())?)?;

    let directory = Directory::fetch(&client).await?;
    let mailbox = directory.only_mailbox().ok_or("several mailboxes")?.mailbox.clone();
    println!("mailbox {} ({})", mailbox.name, mailbox.email);

    let customer = NewCustomer {
        first_name: "Mia".to_owned(),
        emails: vec![Labelled::work("mia@example.org")],
        ..NewCustomer::default()
    };
    let customer = client.create_customer(&customer).await?.id;
    let opened = "2024-01-31T08:00:00Z".parse()?;
    let thread = NewThread {
        kind: ThreadKind::Customer,
        text: "<p>My drill smokes.</p>".to_owned(),
        user: None,
        customer_id: Some(customer),
        cc: Vec::new(),
        bcc: Vec::new(),
        created_at: opened,
        status: None,
        attachments: Vec::new(),
    };
    // Whatever goes through this client is `imported`: nobody is mailed.
    let created = client
        .create_conversation(&NewConversation {
            subject: "Drill".to_owned(),
            kind: Kind::Email,
            mailbox_id: mailbox.id,
            customer_id: customer,
            status: Status::Active,
            assign_to: None,
            created_at: opened,
            closed_at: None,
            custom_fields: Vec::new(),
            threads: vec![thread],
        })
        .await?;

    let list = client.list_conversations(&ConversationFilter::default(), Page::FIRST).await?;
    let read = client.conversation(created.id, Embed::THREADS).await?.value;
    println!("{} conversation, `{}` with {} thread", list.items.len(), read.subject, read.threads().len());
    Ok(())
}
