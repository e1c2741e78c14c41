//! What can be sent about people: customers, users; and webhooks.

use super::body::{JsonWriter, Payload};

/// A telephone number, address, profile or site with its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    /// The value.
    pub value: String,
    /// The kind: `work`, `home`, `other`; for telephones also `mobile`, `fax`, `pager`; for profiles the network.
    /// Without a kind FreeScout answers 500 to an address and leaves half a customer behind, so there always is one.
    pub kind: &'static str,
}

impl Labelled {
    /// A value of kind `work`, FreeScout's own default.
    pub fn work(value: impl Into<String>) -> Self {
        Self { value: value.into(), kind: "work" }
    }
}

/// A postal address.
///
/// FreeScout 1.8.235 answers 500 to one without a street, so it is sent only if `street` is not blank.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PostalAddress {
    /// Street and number.
    pub street: String,
    /// City.
    pub city: String,
    /// State.
    pub state: String,
    /// Postal code, at most 12 characters.
    pub zip: String,
    /// Two-letter country code.
    pub country: String,
}

/// A customer to be created. A first name or an address is needed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewCustomer {
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// Addresses, main one first. Those that another customer has are dropped by FreeScout; if all are
    /// taken it refuses.
    pub emails: Vec<Labelled>,
    /// Telephone numbers.
    pub phones: Vec<Labelled>,
    /// Company.
    pub company: Option<String>,
    /// Job title.
    pub job_title: Option<String>,
    /// Notes; line breaks become spaces on core 1.8.235.
    pub notes: Option<String>,
    /// Web sites; FreeScout puts `http://` before bare names.
    pub websites: Vec<String>,
    /// Social profiles.
    pub social_profiles: Vec<Labelled>,
    /// Postal address.
    pub address: Option<PostalAddress>,
    /// Address of a photo, which FreeScout fetches itself.
    pub photo_url: Option<String>,
    /// Type of the photo; FreeScout never keeps it.
    pub photo_type: Option<String>,
}

impl NewCustomer {
    pub(super) fn payload(&self) -> Payload {
        let mut json = JsonWriter::default();
        json.begin_object();
        let texts = [
            ("firstName", Some(&self.first_name)),
            ("lastName", Some(&self.last_name)),
            ("company", self.company.as_ref()),
            ("jobTitle", self.job_title.as_ref()),
            ("notes", self.notes.as_ref()),
            ("photoUrl", self.photo_url.as_ref()),
            ("photoType", self.photo_type.as_ref()),
        ];
        for (key, value) in texts {
            if let Some(value) = value.filter(|value| !value.trim().is_empty()) {
                json.text(key, value);
            }
        }
        write_lists(&mut json, &self.emails, &self.phones, &self.social_profiles, &self.websites);
        if let Some(address) = &self.address {
            write_address(&mut json, address);
        }
        json.end_object();
        json.finish()
    }

    pub(super) fn fault(&self) -> Option<String> {
        if self.first_name.trim().is_empty() && self.emails.is_empty() {
            return Some("a customer needs a first name or an address".into());
        }
        bad_address(&self.emails)
    }
}

/// What to change in a customer. `None` leaves a value as it is; a blank text clears it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomerChange {
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// Company.
    pub company: Option<String>,
    /// Job title.
    pub job_title: Option<String>,
    /// Notes.
    pub notes: Option<String>,
    /// The whole new set of addresses, if not empty. **Those that another customer has are taken from it**;
    /// modules up to 1.0.67 only add.
    pub emails: Vec<Labelled>,
    /// Addresses to add; those known anywhere are skipped. Ignored beside `emails`.
    pub add_emails: Vec<Labelled>,
    /// The whole new set of telephone numbers, if not empty.
    pub phones: Vec<Labelled>,
    /// A telephone number to add.
    pub add_phone: Option<String>,
    /// The whole new set of web sites, if not empty.
    pub websites: Vec<String>,
    /// The whole new set of social profiles, if not empty.
    pub social_profiles: Vec<Labelled>,
    /// Postal address.
    pub address: Option<PostalAddress>,
    /// Address of a photo, which FreeScout fetches itself.
    pub photo_url: Option<String>,
}

impl CustomerChange {
    pub(super) fn payload(&self) -> Payload {
        let mut json = JsonWriter::default();
        json.begin_object();
        let texts = [
            ("firstName", &self.first_name),
            ("lastName", &self.last_name),
            ("company", &self.company),
            ("jobTitle", &self.job_title),
            ("notes", &self.notes),
            ("phone", &self.add_phone),
            ("photoUrl", &self.photo_url),
        ];
        for (key, value) in texts {
            if let Some(value) = value {
                json.text(key, value);
            }
        }
        write_lists(&mut json, &self.emails, &self.phones, &self.social_profiles, &self.websites);
        write_entries(&mut json, "emails_add", &self.add_emails);
        if let Some(address) = &self.address {
            write_address(&mut json, address);
        }
        json.end_object();
        json.finish()
    }

    pub(super) fn fault(&self) -> Option<String> {
        bad_address(&self.emails).or_else(|| bad_address(&self.add_emails))
    }
}

fn bad_address(emails: &[Labelled]) -> Option<String> {
    let bad = emails.iter().find(|email| !email.value.contains('@') || email.kind.is_empty())?;
    Some(format!("`{}` is not an address with a kind", bad.value))
}

fn write_entries(json: &mut JsonWriter, key: &'static str, entries: &[Labelled]) {
    if entries.is_empty() {
        return;
    }
    json.key(key);
    json.begin_array();
    for entry in entries {
        json.begin_object();
        json.text("value", &entry.value);
        json.text("type", entry.kind);
        json.end_object();
    }
    json.end_array();
}

fn write_lists(json: &mut JsonWriter, emails: &[Labelled], phones: &[Labelled], social: &[Labelled], sites: &[String]) {
    write_entries(json, "emails", emails);
    write_entries(json, "phones", phones);
    write_entries(json, "socialProfiles", social);
    if !sites.is_empty() {
        json.key("websites");
        json.begin_array();
        for site in sites {
            json.begin_object();
            json.text("value", site);
            json.end_object();
        }
        json.end_array();
    }
}

fn write_address(json: &mut JsonWriter, address: &PostalAddress) {
    if address.street.trim().is_empty() {
        return;
    }
    json.key("address");
    json.begin_object();
    json.text("address", &address.street);
    for (key, value) in [("city", &address.city), ("state", &address.state), ("zip", &address.zip)] {
        if !value.trim().is_empty() {
            json.text(key, value);
        }
    }
    // An empty country is a 500 on PHP 8.1 and later.
    if !address.country.trim().is_empty() {
        json.text("country", &address.country);
    }
    json.end_object();
}

/// A user to be created: always a plain one, without access to any mailbox, and not invited.
#[derive(Clone, Default)]
pub struct NewUser {
    /// First name; at most 20 characters.
    pub first_name: String,
    /// Last name; at most 30 characters.
    pub last_name: String,
    /// Address.
    pub email: String,
    /// Password; FreeScout makes a random one without it.
    pub password: Option<secrecy::SecretString>,
    /// Further addresses.
    pub alternate_emails: Vec<String>,
    /// Job title.
    pub job_title: Option<String>,
    /// Telephone number.
    pub phone: Option<String>,
    /// Time zone (`Europe/Berlin`).
    pub timezone: Option<String>,
    /// Address of a photo, which FreeScout fetches itself.
    pub photo_url: Option<String>,
}

impl std::fmt::Debug for NewUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewUser").field("email", &self.email).finish_non_exhaustive()
    }
}

impl NewUser {
    pub(super) fn payload(&self) -> Payload {
        use secrecy::ExposeSecret as _;
        let mut json = JsonWriter::default();
        json.begin_object();
        json.text("firstName", &self.first_name);
        json.text("lastName", &self.last_name);
        json.text("email", &self.email);
        if let Some(password) = &self.password {
            json.text("password", password.expose_secret());
        }
        if !self.alternate_emails.is_empty() {
            json.text("alternateEmails", &self.alternate_emails.join(","));
        }
        let texts = [
            ("jobTitle", &self.job_title),
            ("phone", &self.phone),
            ("timezone", &self.timezone),
            ("photoUrl", &self.photo_url),
        ];
        for (key, value) in texts {
            if let Some(value) = value {
                json.text(key, value);
            }
        }
        json.end_object();
        json.finish()
    }

    pub(super) fn fault(&self) -> Option<String> {
        let missing = [("email", &self.email), ("firstName", &self.first_name), ("lastName", &self.last_name)];
        let (key, _) = missing.into_iter().find(|(_, value)| value.trim().is_empty())?;
        Some(format!("a user needs `{key}`"))
    }
}

/// A webhook to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWebhook {
    /// Where deliveries go.
    pub url: String,
    /// Events (`convo.created`, …); unknown ones are dropped by FreeScout.
    pub events: Vec<String>,
}

impl NewWebhook {
    pub(super) fn payload(&self) -> Payload {
        let mut json = JsonWriter::default();
        json.begin_object();
        json.text("url", &self.url);
        json.strings("events", &self.events);
        json.end_object();
        json.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn sent(payload: Payload) -> String {
        String::from_utf8(payload.into_bytes().await).unwrap()
    }

    #[tokio::test]
    async fn a_customer_on_the_wire_is_exactly_this() {
        let new = NewCustomer {
            first_name: "Mark".into(),
            last_name: "Morrison".into(),
            emails: vec![Labelled::work("mark@example.org"), Labelled { value: "m@example.org".into(), kind: "home" }],
            phones: vec![Labelled { value: "777-777".into(), kind: "mobile" }],
            company: Some("Example, Inc".into()),
            job_title: Some(" ".into()),
            notes: Some("n".into()),
            websites: vec!["https://example.org".into()],
            social_profiles: vec![Labelled { value: "@mark".into(), kind: "telegram" }],
            address: Some(PostalAddress { street: "1 Road".into(), city: "LA".into(), ..Default::default() }),
            photo_url: None,
            photo_type: None,
        };
        assert_eq!(
            sent(new.payload()).await,
            concat!(
                r#"{"firstName":"Mark","lastName":"Morrison","company":"Example, Inc","notes":"n","#,
                r#""emails":[{"value":"mark@example.org","type":"work"},{"value":"m@example.org","type":"home"}],"#,
                r#""phones":[{"value":"777-777","type":"mobile"}],"socialProfiles":[{"value":"@mark","type":"telegram"}],"#,
                r#""websites":[{"value":"https://example.org"}],"address":{"address":"1 Road","city":"LA"}}"#,
            )
        );
    }

    #[tokio::test]
    async fn an_address_that_would_crash_freescout_is_left_out() {
        let address = Some(PostalAddress { city: "LA".into(), country: "US".into(), ..Default::default() });
        let new = NewCustomer { first_name: "Mark".into(), address, ..Default::default() };
        assert_eq!(sent(new.payload()).await, r#"{"firstName":"Mark"}"#);
    }

    #[tokio::test]
    async fn a_change_says_only_what_changes_and_a_blank_clears() {
        let change = CustomerChange {
            last_name: Some(String::new()),
            add_emails: vec![Labelled::work("b@x.org")],
            add_phone: Some("1".into()),
            ..Default::default()
        };
        assert_eq!(
            sent(change.payload()).await,
            r#"{"lastName":"","phone":"1","emails_add":[{"value":"b@x.org","type":"work"}]}"#
        );
    }

    #[test]
    fn nobody_and_bad_addresses_are_refused() {
        assert!(NewCustomer::default().fault().is_some());
        let emails = |value: &str| NewCustomer { emails: vec![Labelled::work(value)], ..Default::default() };
        assert!(emails("nobody").fault().is_some());
        assert_eq!(emails("a@x.org").fault(), None);
        let change = CustomerChange { emails: vec![Labelled::work("nobody")], ..Default::default() };
        assert!(change.fault().is_some());
    }

    #[tokio::test]
    async fn a_user_and_a_webhook_on_the_wire_are_exactly_these() {
        let new = NewUser {
            first_name: "John".into(),
            last_name: "Doe".into(),
            email: "john@example.org".into(),
            password: Some("se\"same".into()),
            alternate_emails: vec!["a@x.org".into(), "b@x.org".into()],
            timezone: Some("Europe/Paris".into()),
            ..Default::default()
        };
        assert_eq!(
            sent(new.payload()).await,
            concat!(
                r#"{"firstName":"John","lastName":"Doe","email":"john@example.org","password":"se\"same","#,
                r#""alternateEmails":"a@x.org,b@x.org","timezone":"Europe/Paris"}"#
            )
        );
        assert!(!format!("{new:?}").contains("same"));
        assert!(NewUser::default().fault().is_some());
        let webhook = NewWebhook { url: "https://example.org/x".into(), events: vec!["convo.created".into()] };
        assert_eq!(sent(webhook.payload()).await, r#"{"url":"https://example.org/x","events":["convo.created"]}"#);
    }
}
