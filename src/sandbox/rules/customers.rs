//! Customers: found, created in the open or inside a conversation, and changed.

use serde_json::{Map, Value};

use super::require;
use crate::sandbox::answer::{Answer, Stop};
use crate::sandbox::input::{cut, id, is_array, is_empty, members, snake_map, text};
use crate::sandbox::store::{Customer, Store};
use crate::sandbox::text::{column, sanitize_email};
use crate::sandbox::{Core, Server, dates, show};

/// Where a customer is created: the two differ in what others can do in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Scope {
    /// `POST /customers`: checked and written in one go (recorded: of eight at once one is created).
    Direct,
    /// Inside a conversation or thread: others can take the address between look-up, check and write, and then a
    /// customer without any address is left (recorded with shared customers and eight in flight).
    Nested,
}

fn fails<T>(result: Result<T, crate::sandbox::input::NotText>) -> Result<T, Stop> {
    result.map_err(|_| Stop::crash())
}

impl Server {
    /// The customer that a `customer` object means, created when there is none. Keys are in snake case.
    pub(super) async fn resolve_customer(&self, given: &Map<String, Value>) -> Result<u64, Stop> {
        {
            let store = self.store();
            if !is_empty(given.get("id")) {
                let wanted = &given["id"];
                let found = id(wanted).filter(|id| store.customers.contains_key(id));
                let shown = text(Some(wanted)).ok().flatten().unwrap_or_default();
                return found.ok_or_else(|| {
                    Stop::refuse("customer", format!("Customer with the following ID not found: {shown}"))
                });
            }
            if !is_empty(given.get("email")) {
                let email = fails(text(given.get("email")))?.unwrap_or_default();
                if let Some(found) = store.customer_by_email(&email) {
                    return Ok(found);
                }
            }
            if !is_empty(given.get("phone")) && self.profile.finds_by_phone {
                let phone = fails(text(given.get("phone")))?.unwrap_or_default();
                if let Some(found) = store.customer_by_phone(&phone) {
                    return Ok(found);
                }
            }
        }
        self.yield_to_others().await;
        self.insert_customer(given.clone(), Scope::Nested).await
    }

    pub(in crate::sandbox) async fn create_customer(&self, data: Map<String, Value>) -> Result<Answer, Stop> {
        let data = snake_map(data);
        check_country(&data)?;
        let id = self.insert_customer(data, Scope::Direct).await?;
        let store = self.store();
        let row = store.customers.get(&id).ok_or_else(Stop::crash)?;
        Ok(Answer::created(id, show::customer(self, &store, row)))
    }

    async fn insert_customer(&self, mut data: Map<String, Value>, scope: Scope) -> Result<u64, Stop> {
        for (one, many) in [("email", "emails"), ("phone", "phones")] {
            if !is_empty(data.get(one)) {
                let entry = serde_json::json!({"value": data[one], "type": "work"});
                push(&mut data, many, entry)?;
            }
        }
        let emails: Vec<Value> = match data.get("emails") {
            given if is_empty(given) => Vec::new(),
            Some(list) if is_array(list) => members(list).into_iter().cloned().collect(),
            // Neither list nor object: the loop over it throws.
            _ => return Err(Stop::crash()),
        };
        self.gate().await;
        {
            let store = self.store();
            let is_new = |entry: &Value| {
                !is_empty(entry.get("value"))
                    && entry["value"].as_str().is_none_or(|v| store.customer_by_email(v).is_none())
            };
            if !emails.is_empty() && !emails.iter().any(is_new) {
                return Err(Stop::refuse("emails", "Customers with such email(s) already exist"));
            }
        }
        for entry in &emails {
            if !is_empty(entry.get("value")) {
                let value = fails(text(entry.get("value")))?.unwrap_or_default();
                if sanitize_email(&value).is_none() {
                    return Err(Stop::refuse("emails", format!("Invalid email: {value}")));
                }
            }
        }
        if !is_empty(data.get("address")) {
            let Some(Value::Object(address)) = data.get("address").cloned() else { return Err(Stop::crash()) };
            let lines = address.get("lines").filter(|l| !is_empty(Some(l))).map(|lines| {
                let lines: Vec<String> =
                    members(lines).into_iter().filter_map(|l| text(Some(l)).ok().flatten()).collect();
                lines.join(", ")
            });
            data.extend(address);
            if let Some(lines) = lines {
                data.insert("address".to_owned(), lines.into());
            }
        }
        if is_empty(data.get("first_name")) && emails.is_empty() {
            return Err(Stop::refuse("customer.first_name", "Customer first name or email is required."));
        }
        let now = dates::now();
        let mut row = Customer { created: now, updated: now, ..Customer::default() };
        self.set(&mut row, &data)?;
        if scope == Scope::Direct {
            let mut store = self.store();
            // What the check above saw may have changed before this lock: whoever wrote first is found here.
            let taken = |e: &Value| e["value"].as_str().is_some_and(|v| store.customer_by_email(v).is_some());
            if !emails.is_empty() && emails.iter().all(taken) {
                return Err(Stop::refuse("emails", "Customers with such email(s) already exist"));
            }
            let id = store.insert_customer(row);
            add_emails(&mut store, self.profile.core, id, &emails)?;
            self.hook_customer(&store, "customer.created", id);
            return Ok(id);
        }
        let id = self.store().insert_customer(row);
        self.yield_to_others().await;
        let mut store = self.store();
        add_emails(&mut store, self.profile.core, id, &emails)?;
        self.hook_customer(&store, "customer.created", id);
        Ok(id)
    }

    pub(in crate::sandbox) async fn update_customer(&self, id: u64, data: Map<String, Value>) -> Result<Answer, Stop> {
        if !self.store().customers.contains_key(&id) {
            return Err(Stop::not_found());
        }
        let mut data = snake_map(data);
        check_country(&data)?;
        if !is_empty(data.get("address")) {
            let Some(Value::Object(address)) = data.get("address").cloned() else { return Err(Stop::crash()) };
            let inner = address.get("address").filter(|a| !is_empty(Some(a))).cloned();
            for (key, value) in address {
                data.entry(key).or_insert(value);
            }
            if let Some(inner) = inner {
                data.insert("address".to_owned(), inner);
            }
        }
        self.gate().await;
        let mut store = self.store();
        let mut row = store.customers.get(&id).cloned().ok_or_else(Stop::not_found)?;
        self.set(&mut row, &data)?;
        if !is_empty(data.get("phone")) {
            let value = fails(text(data.get("phone")))?.unwrap_or_default();
            if !row.phones.iter().any(|(known, _)| *known == value) {
                row.phones.push((value, 1));
            }
        }
        row.updated = dates::now();
        let emails = std::mem::take(&mut row.emails);
        store.customers.insert(id, Customer { emails, ..row });

        let replaces = !is_empty(data.get("emails"));
        let key = if !is_empty(data.get("emails_add")) { "emails_add" } else { "emails" };
        let added: Vec<Value> =
            data.get(key).map(|list| members(list).into_iter().cloned().collect()).unwrap_or_default();
        let added: Vec<Value> = added.into_iter().filter(Value::is_object).collect();
        // Words for types are only translated under `emails`: under `emails_add` every type reads back as work.
        let added = if key == "emails" { added } else { added.into_iter().map(as_work).collect() };
        add_emails(&mut store, self.profile.core, id, &added)?;
        if key == "emails_add" && !replaces {
            for plain in data.get(key).map(members).unwrap_or_default() {
                if let Some(value) = plain.as_str() {
                    store.insert_email(id, value, 1);
                }
            }
        }
        if replaces {
            replace_emails(&mut store, id, &data["emails"]);
        }
        Ok(Answer::no_content())
    }

    pub(in crate::sandbox) async fn update_customer_fields(
        &self,
        id: u64,
        data: Map<String, Value>,
    ) -> Result<Answer, Stop> {
        if !self.profile.has_crm {
            return Err(Stop::module_off("Customer Fields"));
        }
        if !self.store().customers.contains_key(&id) {
            return Err(Stop::not_found());
        }
        require(&data, &["customerFields"])?;
        let list = &data["customerFields"];
        if !is_array(list) {
            return Err(Stop::crash());
        }
        self.gate().await;
        let mut store = self.store();
        let row = store.customers.get_mut(&id).ok_or_else(Stop::not_found)?;
        for entry in members(list) {
            let (Some(field), Some(value)) = (entry.get("id").and_then(crate::sandbox::input::id), entry.get("value"))
            else {
                continue;
            };
            if value.is_null() {
                continue;
            }
            let value = super::others::joined(value);
            match row.fields.iter_mut().find(|(known, _)| *known == field) {
                Some((_, kept)) => *kept = value,
                None => row.fields.push((field, value)),
            }
        }
        Ok(Answer::no_content())
    }

    /// Writes the given columns, as blank as they are given; what is not given stays.
    fn set(&self, row: &mut Customer, data: &Map<String, Value>) -> Result<(), Stop> {
        let strips = self.profile.core == Core::V1_8_235;
        let put = |key: &str, into: &mut Option<String>, longest: usize, strips: bool| -> Result<(), Stop> {
            let Some(value) = data.get(key) else { return Ok(()) };
            if is_array(value) {
                // The newer tag stripper throws on an address without its inner address; the older core has no
                // stripper and stores nothing.
                return if strips { Err(Stop::crash()) } else { Ok(()) };
            }
            *into = fails(text(Some(value)))?.map(|t| column(&t, longest, strips));
            Ok(())
        };
        put("first_name", &mut row.first_name, 255, strips)?;
        put("last_name", &mut row.last_name, 255, strips)?;
        put("company", &mut row.company, 255, strips)?;
        put("job_title", &mut row.job_title, 255, strips)?;
        put("background", &mut row.notes, 65_535, strips)?;
        put("notes", &mut row.notes, 65_535, strips)?;
        put("city", &mut row.city, 255, strips)?;
        put("state", &mut row.state, 255, strips)?;
        put("zip", &mut row.zip, 12, strips)?;
        put("address", &mut row.address, 65_535, strips)?;
        if let Some(country) = data.get("country") {
            let code = fails(text(Some(country)))?.unwrap_or_default().to_uppercase();
            row.country = Some(if is_country(&code) { code } else { String::new() });
        }
        if let Some(list) = data.get("phones") {
            row.phones = typed(list, &show::PHONE_TYPES, Missing::First);
        }
        if let Some(list) = data.get("social_profiles") {
            if strips && members(list).iter().any(|e| e.is_string()) {
                return Err(Stop::crash());
            }
            row.social_profiles = typed(list, &show::SOCIAL_TYPES, Missing::Drop);
        }
        if let Some(list) = data.get("websites") {
            let plain = members(list).into_iter().filter_map(|e| e.as_str().or_else(|| e.get("value")?.as_str()));
            row.websites = plain
                .map(|site| {
                    let has_scheme = site.to_ascii_lowercase().starts_with("http");
                    if has_scheme { site.to_owned() } else { format!("http://{site}") }
                })
                .collect();
        }
        Ok(())
    }
}

/// Adds an entry to a list that may be missing.
fn push(data: &mut Map<String, Value>, key: &str, entry: Value) -> Result<(), Stop> {
    match data.get_mut(key) {
        None | Some(Value::Null) => {
            data.insert(key.to_owned(), Value::Array(vec![entry]));
        }
        Some(Value::Array(list)) => list.push(entry),
        Some(Value::Object(map)) => {
            map.insert(map.len().to_string(), entry);
        }
        Some(_) => return Err(Stop::crash()),
    }
    Ok(())
}

/// Writes addresses one by one: the taken ones are dropped without a word, one without `type` throws.
fn add_emails(store: &mut Store, core: Core, customer: u64, entries: &[Value]) -> Result<(), Stop> {
    for entry in entries.iter().filter(|e| e.is_object() && !is_empty(e.get("value"))) {
        let Some(kind) = entry.get("type") else { return Err(Stop::crash()) };
        let value = fails(text(entry.get("value")))?.unwrap_or_default();
        let kind = kind.as_str().and_then(|word| show::code_of(&show::EMAIL_TYPES, word)).unwrap_or(1);
        store.insert_email(customer, &address_column(core, &value), kind);
    }
    Ok(())
}

/// What the column keeps of an address: 191 bytes, the last on newer cores and the first on older ones.
fn address_column(core: Core, value: &str) -> String {
    const LONGEST: usize = 191;
    if core == Core::V1_8_175 {
        return cut(value, LONGEST).to_owned();
    }
    let from = (value.len().saturating_sub(LONGEST)..value.len()).find(|at| value.is_char_boundary(*at));
    value[from.unwrap_or(0)..].to_owned()
}

fn as_work(mut entry: Value) -> Value {
    if entry.get("type").is_some() {
        entry["type"] = "work".into();
    }
    entry
}

/// Makes the list the customer's only addresses: others' are taken from them; what is dropped goes to a new blank
/// customer while a conversation still uses it.
fn replace_emails(store: &mut Store, customer: u64, list: &Value) {
    let wanted: Vec<String> = members(list)
        .into_iter()
        .filter_map(|e| e.as_str().or_else(|| e.get("value")?.as_str()))
        .filter_map(sanitize_email)
        .collect();
    if wanted.is_empty() {
        return;
    }
    for address in &wanted {
        match store.take_email(address) {
            Some((_, email)) => store.give_email(customer, email),
            None => {
                store.insert_email(customer, address, 1);
            }
        }
    }
    let kept: Vec<String> = store.customers.get(&customer).map_or_else(Vec::new, |row| {
        row.emails.iter().map(|e| e.value.clone()).filter(|v| !wanted.contains(&v.to_lowercase())).collect()
    });
    for address in kept {
        let Some((_, email)) = store.take_email(&address) else { continue };
        let users: Vec<u64> = store.of_customer(customer).into_iter().flatten().copied().collect();
        let used: Vec<u64> = users
            .into_iter()
            .filter(|id| store.conversation(*id).is_some_and(|c| c.customer_email.eq_ignore_ascii_case(&address)))
            .collect();
        if !used.is_empty() {
            let now = dates::now();
            let blank = store.insert_customer(Customer { created: now, updated: now, ..Customer::default() });
            store.give_email(blank, email);
            for conversation in used {
                store.change(conversation, |c| c.customer = Some(blank));
            }
        }
    }
}

/// What an entry without a known type becomes.
#[derive(PartialEq, Eq, Clone, Copy)]
enum Missing {
    First,
    Drop,
}

/// Entries with value and type, each value once.
fn typed(list: &Value, words: &[&str], missing: Missing) -> Vec<(String, u8)> {
    let mut out: Vec<(String, u8)> = Vec::new();
    for entry in members(list) {
        let value = if is_array(entry) { entry.get("value") } else { Some(entry) };
        let Some(value) = text(value).ok().flatten().filter(|v| !v.is_empty()) else { continue };
        if missing == Missing::Drop && is_empty(entry.get("type")) {
            continue;
        }
        let kind = entry.get("type").and_then(Value::as_str).and_then(|w| show::code_of(words, w)).unwrap_or(1);
        if !out.iter().any(|(known, _)| *known == value) {
            out.push((value, kind));
        }
    }
    out
}

/// A country given as null throws before anything else happens.
pub(super) fn check_country(data: &Map<String, Value>) -> Result<(), Stop> {
    let nested = data.get("address").and_then(|a| a.get("country"));
    match data.get("country").or(nested) {
        Some(Value::Null) => Err(Stop::crash()),
        _ => Ok(()),
    }
}

/// ISO 3166-1 two-letter codes.
fn is_country(code: &str) -> bool {
    const CODES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS \
        BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI \
        FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR \
        IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM \
        MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT \
        PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM \
        TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";
    code.len() == 2 && CODES.split_ascii_whitespace().any(|known| known == code)
}
