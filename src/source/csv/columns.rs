//! Finds out which column means what.
//!
//! The mapping's `[shape.csv.columns]` wins. What it leaves open is matched by name: without regard to case, spaces
//! and punctuation, in English, German, French, Spanish, Italian and Dutch, with the headers of Zendesk's and
//! Freshdesk's CSV, osTicket's queue, and scripts that write one row per comment. One column means one thing.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;

use crate::record::first_free;

/// What a column means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The ticket's id; rows with the same id are one record.
    Id,
    /// The subject.
    Subject,
    /// What was written: HTML or plain text.
    Body,
    /// Status.
    Status,
    /// How it came in.
    Channel,
    /// The customer's name, or `Name <address>`.
    RequesterName,
    /// The customer's address.
    RequesterEmail,
    /// The customer's own id.
    RequesterId,
    /// The customer's telephone number.
    RequesterPhone,
    /// The customer's company.
    Company,
    /// The agent's name, or `Name <address>`, or address.
    Assignee,
    /// The agent's address.
    AssigneeEmail,
    /// When the ticket was opened; also the message's time where there is no column for that.
    CreatedAt,
    /// When it last changed.
    UpdatedAt,
    /// When it was closed or solved.
    ClosedAt,
    /// Tags.
    Tags,
    /// Copied addresses.
    Cc,
    /// A link to the ticket.
    Url,
    /// One row per message: the message's id.
    EntryId,
    /// One row per message: when it was written.
    EntryAt,
    /// One row per message: what it is (`note` and `internal` are not public).
    EntryKind,
    /// One row per message: who wrote it, a name or `Name <address>`.
    AuthorName,
    /// One row per message: the writer's address.
    AuthorEmail,
    /// One row per message: the writer's part (`agent`, `customer`).
    AuthorRole,
    /// Whether customers could see the message.
    Public,
    /// Whether they could not.
    Private,
    /// Files: addresses, or names of files beside the table.
    Attachments,
    /// One row per ticket: the answer to the message.
    Reply,
    /// One row per ticket: when it was answered.
    ReplyAt,
}

/// A header's name, or several of which the first that holds something counts; none: no column has this meaning.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Headers {
    /// One; an empty name is none.
    One(String),
    /// In order of preference.
    Several(Vec<String>),
}

impl Headers {
    fn names(&self) -> Vec<&str> {
        match self {
            Self::One(name) => Some(&**name).filter(|name| !name.is_empty()).into_iter().collect(),
            Self::Several(names) => names.iter().map(String::as_str).collect(),
        }
    }
}

/// How many roles there are.
const ROLES: usize = Role::ReplyAt as usize + 1;

/// Names by which a column is known, normalised, best first. The order of roles matters: an earlier one takes a column first.
#[rustfmt::skip]
const KNOWN: &[(Role, &[&str])] = &[
    (Role::Id, &["ticketid", "ticketnumber", "ticketno", "ticketnr", "ticketnummer", "ticket", "conversationid",
        "conversationnumber", "caseid", "casenumber", "issueid", "requestid", "vorgangsnummer", "vorgang", "numerodeticket",
        "numeroticket", "idticket", "iddelticket", "idduticket", "id", "number", "nummer", "nr", "numero", "key", "no"]),
    (Role::EntryId, &["commentid", "messageid", "entryid", "articleid", "threadid", "postid", "nachrichtid", "id"]),
    (Role::EntryAt, &["commentdate", "commentcreatedat", "messagedate", "messagecreatedat", "messagetime", "entrydate",
        "sentat", "sentdate", "datesent", "gesendetam", "nachrichtdatum", "postedat", "timestamp"]),
    (Role::EntryKind, &["commenttype", "messagetype", "threadtype", "entrytype", "articletype", "kind", "art"]),
    (Role::AuthorEmail, &["authoremail", "commentauthoremail", "fromemail", "senderemail", "fromaddress", "absenderemail",
        "absenderadresse", "verfasseremail"]),
    (Role::AuthorName, &["authorname", "author", "commentauthor", "fromname", "sendername", "sender", "absender",
        "verfasser", "autor", "auteur", "autore", "afzender", "from", "von"]),
    (Role::AuthorRole, &["authorrole", "authortype", "sendertype", "senderrole", "fromtype", "role", "rolle"]),
    (Role::Public, &["public", "ispublic", "oeffentlich", "publico", "pubblico", "openbaar"]),
    (Role::Private, &["private", "isprivate", "internal", "isinternal", "internalnote", "intern", "privat", "prive"]),
    (Role::Reply, &["resolution", "reply", "answer", "response", "solution", "antwort", "loesung", "reponse", "respuesta",
        "risposta", "antwoord"]),
    (Role::ReplyAt, &["replydate", "replyat", "repliedat", "answerdate", "answeredat", "responsedate", "resolutiondate",
        "antwortdatum", "beantwortetam"]),
    (Role::Subject, &["subject", "ticketsubject", "conversationsubject", "title", "betreff", "sujet", "objet", "asunto",
        "oggetto", "onderwerp", "titel", "titre", "titulo", "summary"]),
    (Role::Body, &["commentbody", "messagebody", "bodyhtml", "htmlbody", "bodytext", "plainbody", "body", "comment",
        "message", "nachricht", "content", "text", "inhalt", "description", "ticketdescription", "beschreibung",
        "kommentar", "contenu", "mensaje", "descripcion", "messaggio", "descrizione", "bericht", "omschrijving"]),
    (Role::Status, &["status", "ticketstatus", "currentstatus", "state", "statut", "estado", "stato", "zustand"]),
    (Role::Channel, &["channel", "ticketchannel", "via", "source", "kanal", "quelle", "canal", "canale", "kanaal", "origin"]),
    (Role::RequesterEmail, &["requesteremail", "customeremail", "contactemail", "clientemail", "useremail", "emailaddress",
        "kundenemail", "kundeemail", "email", "mail", "emailadresse", "correo", "correoelectronico", "adressemail"]),
    (Role::RequesterName, &["requestername", "requester", "customername", "customer", "contactname", "contact", "clientname",
        "client", "fullname", "kundenname", "kunde", "cliente", "klant", "name", "username"]),
    (Role::RequesterId, &["requesterid", "customerid", "contactid", "kundennummer", "kundenid"]),
    (Role::RequesterPhone, &["requesterphone", "customerphone", "workphone", "phone", "phonenumber", "telefon", "telephone",
        "telefono", "telefoon"]),
    (Role::Company, &["organization", "organisation", "company", "companyname", "firma", "entreprise", "empresa", "azienda",
        "bedrijf"]),
    (Role::AssigneeEmail, &["assigneeemail", "agentemail", "owneremail", "bearbeiteremail"]),
    (Role::Assignee, &["assignee", "assigneename", "assignedto", "agent", "agentname", "owner", "bearbeiter",
        "zugewiesenan", "asignadoa", "agente", "behandelaar"]),
    (Role::CreatedAt, &["createdat", "createdtime", "created", "createddate", "creationdate", "datecreated",
        "datesubmitted", "ticketdate", "openedat", "opened", "dateopened", "opendate", "erstelltam", "erstellt",
        "erstelldatum", "eroeffnetam", "creele", "datedecreation", "fechadecreacion", "creadoel", "creatoil",
        "aangemaaktop", "date", "datum", "fecha", "data"]),
    (Role::UpdatedAt, &["updatedat", "updated", "updatedtime", "lastupdate", "lastupdated", "lastupdatetime",
        "lastmodified", "modifiedat", "aktualisiertam", "geaendertam", "misajourle"]),
    (Role::ClosedAt, &["closedat", "closedtime", "closeddate", "dateclosed", "closed", "solvedat", "resolvedat",
        "resolvedtime", "resolveddate", "geschlossenam", "geloestam", "fermele", "cerradoel"]),
    (Role::Tags, &["tags", "tag", "labels", "schlagworte", "stichworte", "etiketten", "etiquetas", "etiquettes", "etichette"]),
    (Role::Cc, &["cc", "ccs", "ccemails", "ccemail", "ccaddresses", "kopie", "kopiean"]),
    (Role::Url, &["url", "ticketurl", "ticketlink", "link"]),
    (Role::Attachments, &["attachments", "attachment", "attachmenturls", "attachmentlinks", "files", "anhaenge", "anlagen",
        "piecesjointes", "adjuntos", "allegati", "bijlagen"]),
];

/// Roles that only a table of messages has.
const OF_MESSAGES: &[Role] = &[
    Role::EntryId,
    Role::EntryAt,
    Role::EntryKind,
    Role::AuthorName,
    Role::AuthorEmail,
    Role::AuthorRole,
    Role::Public,
    Role::Private,
];

/// A table's columns and what they mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// The headers; empty and repeated ones have been given names.
    pub header: Vec<String>,
    roles: Vec<Vec<usize>>,
    /// Whether a column has no role and so stays a field.
    pub is_left: Vec<bool>,
    /// Whether a row is a message, not a ticket.
    pub is_of_messages: bool,
}

/// A mapping that names a header which is not there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoSuchHeader {
    /// As the mapping has it.
    pub name: String,
    /// The one that looks most like it.
    pub nearest: Option<String>,
}

impl Layout {
    /// Works out what the columns of a header mean.
    pub(super) fn of(
        header: &[String],
        columns: &BTreeMap<Role, Headers>,
        group_by: Option<&str>,
    ) -> Result<Self, NoSuchHeader> {
        let header = named(header);
        let normal: Vec<String> = header.iter().map(|name| normalised(name)).collect();
        let mut roles = vec![Vec::new(); ROLES];
        let mut is_left = vec![true; header.len()];
        let mut wanted: Vec<(Role, Vec<&str>)> = columns.iter().map(|(role, names)| (*role, names.names())).collect();
        if let Some(name) = group_by {
            wanted.retain(|(role, _)| *role != Role::Id);
            wanted.push((Role::Id, vec![name]));
        }
        for (role, names) in &wanted {
            for name in names {
                let at = find(&header, &normal, name)?;
                roles[*role as usize].push(at);
                is_left[at] = false;
            }
        }
        for (role, names) in KNOWN {
            if wanted.iter().any(|(settled, _)| settled == role) {
                continue;
            }
            let found = names.iter().find_map(|name| (0..header.len()).find(|&at| is_left[at] && normal[at] == *name));
            // A lone number sign normalises to nothing.
            let found = found
                .or_else(|| (*role == Role::Id).then(|| header.iter().position(|name| name.trim() == "#")).flatten());
            if let Some(at) = found {
                roles[*role as usize].push(at);
                is_left[at] = false;
            }
        }
        let is_of_messages = group_by.is_some() || OF_MESSAGES.iter().any(|role| !roles[*role as usize].is_empty());
        Ok(Self { header, roles, is_left, is_of_messages })
    }

    /// The columns that have a role, best first.
    pub(super) fn columns(&self, role: Role) -> &[usize] {
        &self.roles[role as usize]
    }

    /// Whether some column has this role.
    pub(super) fn has(&self, role: Role) -> bool {
        !self.columns(role).is_empty()
    }

    /// The header of the first column with this role.
    #[cfg(test)]
    pub(super) fn name(&self, role: Role) -> &str {
        self.columns(role).first().map_or("", |at| &self.header[*at])
    }
}

fn find(header: &[String], normal: &[String], name: &str) -> Result<usize, NoSuchHeader> {
    let wanted = normalised(name);
    let exact = header.iter().position(|known| known == name);
    exact.or_else(|| normal.iter().position(|known| *known == wanted && !wanted.is_empty())).ok_or_else(|| {
        let nearest = header
            .iter()
            .map(|known| (strsim::jaro_winkler(&known.to_lowercase(), &name.to_lowercase()), known))
            .filter(|(score, _)| *score > 0.8)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        NoSuchHeader { name: name.to_owned(), nearest: nearest.map(|(_, known)| known.clone()) }
    })
}

/// Every header gets a name of its own, so that no field hides another.
fn named(header: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(header.len());
    let mut taken = HashSet::new();
    for (at, name) in header.iter().enumerate() {
        let name = name.trim_matches(|c: char| c.is_whitespace() || c == '\u{FEFF}');
        let name = if name.is_empty() { format!("column {}", at + 1) } else { name.to_owned() };
        let unique = first_free(name.clone(), |name| taken.contains(name), |count| format!("{name} ({count})"));
        taken.insert(unique.clone());
        names.push(unique);
    }
    names
}

/// A header without case, spaces, punctuation, accents and Zendesk's type suffix (`[list]`).
pub(super) fn normalised(name: &str) -> String {
    let name = match name.rfind('[') {
        Some(at) if at > 0 && name.trim_end().ends_with(']') => &name[..at],
        _ => name,
    };
    let mut out = String::with_capacity(name.len());
    for c in name.chars().flat_map(char::to_lowercase) {
        match c {
            'ä' | 'æ' => out.push_str("ae"),
            'ö' | 'œ' => out.push_str("oe"),
            'ü' => out.push_str("ue"),
            'ß' => out.push_str("ss"),
            'á' | 'à' | 'â' | 'ã' | 'å' => out.push('a'),
            'é' | 'è' | 'ê' | 'ë' => out.push('e'),
            'í' | 'ì' | 'î' | 'ï' => out.push('i'),
            'ó' | 'ò' | 'ô' | 'õ' => out.push('o'),
            'ú' | 'ù' | 'û' => out.push('u'),
            'ç' => out.push('c'),
            'ñ' => out.push('n'),
            c if c.is_alphanumeric() => out.push(c),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(header: &str) -> Layout {
        let header: Vec<String> = header.split(',').map(str::to_owned).collect();
        Layout::of(&header, &BTreeMap::new(), None).unwrap()
    }

    /// A name, a header, whether rows are messages, and the roles expected.
    type Case<'a> = (&'a str, &'a str, bool, &'a [(Role, &'a str)]);

    #[test]
    fn well_known_headers_are_understood() {
        use Role::*;
        let table: [Case<'_>; 6] = [
            (
                "zendesk",
                "Summation column,Id,Requester,Requester id,Requester external id,Requester email,Requester domain,Submitter,\
                 Assignee,Group,Subject,Tags,Status,Priority,Via,Ticket type,Created at,Updated at,Assigned at,Organization,\
                 Due date,Solved at,Resolution time",
                false,
                &[
                    (Id, "Id"),
                    (Subject, "Subject"),
                    (RequesterName, "Requester"),
                    (RequesterEmail, "Requester email"),
                    (RequesterId, "Requester id"),
                    (Assignee, "Assignee"),
                    (Channel, "Via"),
                    (CreatedAt, "Created at"),
                    (ClosedAt, "Solved at"),
                    (Company, "Organization"),
                    (Reply, ""),
                ],
            ),
            (
                "freshdesk",
                "Ticket ID,Subject,Status,Priority,Source,Type,Agent,Group,Created time,Due by Time,Resolved time,Closed time,\
                 Last update time,Initial response time,Tags,Full name,Email,Work phone",
                false,
                &[
                    (Id, "Ticket ID"),
                    (Assignee, "Agent"),
                    (CreatedAt, "Created time"),
                    (ClosedAt, "Closed time"),
                    (UpdatedAt, "Last update time"),
                    (RequesterName, "Full name"),
                    (RequesterEmail, "Email"),
                    (Channel, "Source"),
                ],
            ),
            (
                "osticket",
                "Ticket Number,Date Created,Subject,From,From Email,Priority,Department,Source,Current Status,Last Updated,\
                 Due Date,Assigned To",
                true,
                &[
                    (Id, "Ticket Number"),
                    (CreatedAt, "Date Created"),
                    (AuthorName, "From"),
                    (AuthorEmail, "From Email"),
                    (Status, "Current Status"),
                    (Assignee, "Assigned To"),
                ],
            ),
            (
                "one row per comment",
                "Comment date,Ticket ID,From email,Comment,Ticket date,subject,description,status,channel,tags",
                true,
                &[
                    (Id, "Ticket ID"),
                    (EntryAt, "Comment date"),
                    (AuthorEmail, "From email"),
                    (Body, "Comment"),
                    (CreatedAt, "Ticket date"),
                ],
            ),
            (
                "german",
                "Ticket-Nr.,Betreff,Beschreibung,Erstellt am,Kunde,E-Mail,Bearbeiter,Status,Schlagworte,Lösung",
                false,
                &[
                    (Id, "Ticket-Nr."),
                    (Body, "Beschreibung"),
                    (CreatedAt, "Erstellt am"),
                    (RequesterEmail, "E-Mail"),
                    (Reply, "Lösung"),
                    (Tags, "Schlagworte"),
                ],
            ),
            ("two ids", "id,ticket_id,body", true, &[(Id, "ticket_id"), (EntryId, "id")]),
        ];
        for (name, header, is_of_messages, expected) in table {
            let layout = layout(header);
            for (role, column) in expected {
                assert_eq!(layout.name(*role), *column, "{name}: {role:?}");
            }
            assert_eq!(layout.is_of_messages, is_of_messages, "{name}");
        }
    }

    #[test]
    fn what_the_mapping_names_wins_and_a_wrong_name_is_answered_with_the_nearest() {
        let header = ["Ticket ID", "Case", "Notes"].map(str::to_owned);
        let named = |name: &str| BTreeMap::from([(Role::Id, Headers::One(name.to_owned()))]);
        let layout = Layout::of(&header, &named("case"), None).unwrap();
        assert_eq!(layout.name(Role::Id), "Case");
        assert!(layout.is_left[0], "a column that nobody claims stays a field");
        let error = Layout::of(&header, &named("Ticket IDs"), None).unwrap_err();
        assert_eq!(error.nearest.as_deref(), Some("Ticket ID"));
        let layout = Layout::of(&header, &named(""), None).unwrap();
        assert!(!layout.has(Role::Id), "an empty name switches a role off");
    }

    #[test]
    fn every_column_has_a_name_of_its_own() {
        assert_eq!(layout("a,,a,\u{FEFF} b").header, ["a", "column 2", "a (2)", "b"]);
    }
}
