//! Agents whom the target lacks: listed by `check`, created by `import --create-agents`.

use foxferry::finding::{Finding, codes};
use foxferry::freescout::{Client, Directory, NewUser, wire};
use foxferry::mapping::Names;
use foxferry::report::{Event, Reporter};
use foxferry::upload::Stop;

use crate::cli::exit::{Exit, Failure};
use crate::cli::screen::{Screen, shortened};
use crate::cli::settings;
use crate::cli::survey::Survey;

/// FreeScout keeps 20 characters of a user's first name (core migrations).
const FIRST_CHARS: usize = 20;

/// FreeScout keeps 30 characters of a user's last name (core migrations).
const LAST_CHARS: usize = 30;

/// An agent who is no user of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Address, in lower case.
    pub email: String,
    /// Name, as the archive has it, else made of the address.
    pub name: String,
    /// In how many conversations they write or are assigned.
    pub conversations: u64,
}

impl Missing {
    /// A user of another FreeScout.
    pub fn of(user: &wire::User) -> Self {
        let names = [user.first_name.as_deref(), user.last_name.as_deref()];
        let name = names.into_iter().flatten().collect::<Vec<_>>().join(" ");
        Self { email: user.email.trim().to_lowercase(), name, conversations: 0 }
    }
}

/// The agents whom mapping and archive name and the target does not have.
///
/// An address that belongs to a mailbox is none: FreeScout gives no user the address of a mailbox.
pub fn missing(survey: &Survey, names: &Names, directory: &Directory) -> Vec<Missing> {
    all(survey, names)
        .into_iter()
        .filter(|agent| directory.user_by(&agent.email).is_none() && directory.mailbox_by(&agent.email).is_none())
        .collect()
}

/// Every agent whom mapping and archive name.
pub fn all(survey: &Survey, names: &Names) -> Vec<Missing> {
    let agents = survey.agents(names).into_iter();
    agents.map(|(email, name, conversations)| Missing { email, name, conversations }).collect()
}

/// Lists those whom an import would create.
pub fn list(survey: &Survey, names: &Names, directory: Option<&Directory>, screen: &Screen) {
    let (agents, whom) = match directory {
        Some(directory) => (missing(survey, names, directory), "agents whom the target lacks"),
        None => (all(survey, names), "agents named; with `--url`, those whom the target lacks"),
    };
    let mut text = format!("{} {whom}", agents.len());
    for agent in &agents {
        let name = shortened(&agent.name);
        text = format!("{text}\n  {}  {name}, in {} conversations", agent.email, agent.conversations);
    }
    screen.say(&text);
}

/// Creates them one by one, and gives those that were created.
///
/// FreeScout sends no invitation to a user made over its API, and gives them no mailbox. A request without an answer
/// is not repeated: the target is asked whether the user is there.
pub async fn create(
    client: &Client,
    missing: &[Missing],
    reporter: &dyn Reporter,
    stop: &Stop,
) -> Result<Vec<Missing>, Failure> {
    let mut created = Vec::new();
    for agent in missing {
        if stop.is_asked() {
            return Err(Failure::new(Exit::Interrupted, "interrupted; no conversation was sent"));
        }
        let (first_name, last_name) = names(agent);
        let new = NewUser { first_name, last_name, email: agent.email.clone(), ..NewUser::default() };
        if let Err(error) = client.create_user(&new).await {
            let directory = Directory::fetch(client).await.map_err(|error| settings::failure_of(&error))?;
            if directory.user_by(&agent.email).is_none() {
                let message = format!("the agent `{}` could not be created: {error}", agent.email);
                reporter.event(&Event::Finding(&Finding::new(codes::SEND_REFUSED, message)));
                continue;
            }
        }
        let message = format!("the agent `{}` was created, without access to any mailbox", agent.email);
        reporter.event(&Event::Finding(&Finding::new(codes::TARGET_NEW_USER, message)));
        created.push(agent.clone());
    }
    Ok(created)
}

/// Says what is left to do by hand.
pub fn remind(created: &[Missing], screen: &Screen) {
    if created.is_empty() {
        return;
    }
    let who: Vec<String> =
        created.iter().map(|agent| format!("  {} ({})", agent.email, shortened(&agent.name))).collect();
    screen.say(&format!(
        "{} agents were created and nobody was mailed:\n{}\nthey see no mailbox until you give them access: in FreeScout under Manage » Users » Permissions; \
         they get in with an invitation that you send from there",
        created.len(),
        who.join("\n")
    ));
}

/// First and last name within FreeScout's limits; neither may be blank.
fn names(agent: &Missing) -> (String, String) {
    let name = agent.name.trim();
    let (first, last) = name.split_once(char::is_whitespace).unwrap_or((name, ""));
    let cut = |text: &str, most: usize| text.trim().chars().take(most).collect::<String>().trim_end().to_owned();
    let or_agent = |text: String| if text.is_empty() { "Agent".to_owned() } else { text };
    (or_agent(cut(first, FIRST_CHARS)), or_agent(cut(last, LAST_CHARS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_freescouts_limits_and_are_never_blank() {
        let long = "x".repeat(60);
        for (name, expected) in [
            ("Ada Lovelace", ("Ada", "Lovelace")),
            ("Ada King Lovelace", ("Ada", "King Lovelace")),
            ("Ada", ("Ada", "Agent")),
            ("", ("Agent", "Agent")),
            (&*format!("{long} {long}"), (&long[..20], &long[..30])),
        ] {
            let agent = Missing { email: "a@example.org".into(), name: name.to_owned(), conversations: 0 };
            assert_eq!(names(&agent), (expected.0.to_owned(), expected.1.to_owned()), "{name}");
        }
    }
}
