//! `init --interactive`: asks about what was not matched.

use dialoguer::theme::ColorfulTheme;
use dialoguer::{Error, Select};
use foxferry::freescout::Directory;
use foxferry::init::Matches;
use foxferry::init::matching::Found;

use crate::cli::exit::{Exit, Failure};
use crate::cli::screen::{Screen, shortened};

/// Asks for a user for each agent without one, and for a mailbox for each value without one.
pub fn about(matches: &mut Matches, target: Option<&Directory>, screen: &Screen) -> Result<(), Failure> {
    let Some(target) = target else {
        screen.say("there is nothing to ask about without a target; name one with `--url`");
        return Ok(());
    };
    let users: Vec<(String, String)> = target
        .users
        .iter()
        .map(|user| {
            let name =
                [user.first_name.as_deref(), user.last_name.as_deref()].into_iter().flatten().collect::<Vec<_>>();
            (user.email.to_lowercase(), format!("{} <{}>", name.join(" "), user.email))
        })
        .collect();
    for agent in &mut matches.agents {
        if agent.found.sure().is_none() {
            let question = format!("Who is {} <{}> ({})?", agent.name, agent.key, agent.about);
            if let Some(to) = choose(&question, &users, &agent.found)? {
                agent.found = Found::Sure { to, why: "chosen" };
            }
        }
    }
    let mailboxes: Vec<(String, String)> = target
        .mailboxes
        .iter()
        .map(|entry| (entry.mailbox.email.to_lowercase(), format!("{} <{}>", entry.mailbox.name, entry.mailbox.email)))
        .collect();
    if mailboxes.len() > 1 {
        for value in &mut matches.mailboxes {
            if value.found.sure().is_none() {
                let question = format!("Which mailbox is {} ({} records)?", value.value, value.count);
                if let Some(to) = choose(&question, &mailboxes, &value.found)? {
                    value.found = Found::Sure { to, why: "chosen" };
                }
            }
        }
    }
    Ok(())
}

/// One of the choices, or none for now.
fn choose(question: &str, choices: &[(String, String)], likely: &Found) -> Result<Option<String>, Failure> {
    let mut items = vec!["leave it open".to_owned()];
    items.extend(choices.iter().map(|(_, shown)| shortened(shown)));
    let likely = match likely {
        Found::Likely { to, .. } => choices.iter().position(|(known, _)| known == to).map_or(0, |at| at + 1),
        _ => 0,
    };
    let theme = ColorfulTheme::default();
    let chosen =
        Select::with_theme(&theme).with_prompt(shortened(question)).items(&items).default(likely).interact_opt();
    match chosen {
        Ok(Some(0) | None) => Ok(None),
        Ok(Some(at)) => Ok(choices.get(at - 1).map(|(value, _)| value.clone())),
        Err(Error::IO(cause)) => {
            Err(Failure::new(Exit::Interrupted, format_args!("interrupted; nothing was written: {cause}")))
        }
    }
}
