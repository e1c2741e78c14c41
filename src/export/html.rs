//! A browsable archive: an index, a page for each conversation, attachments beside it, and search without a server.
//!
//! Promises:
//!
//! - Nothing from outside runs: texts are cleaned, everything else is escaped, and each page's policy allows no script but our
//!   own search by a number that no mail could know, and no request to any server. Attached pages and drawings, which a browser
//!   would run when they are opened, get a name that it shows as text.
//! - Everything works from a disk, from a web server and on paper, and without scripts but for the search.
//!
//! ```text
//! index.html            the newest conversations, search, and the way to all lists
//! list/00001.html …     lists of 200, oldest first
//! c/0004/4711.html      a conversation
//! files/0004/4711/…     its attachments
//! people/00001.html …   customers
//! search/…              the index for the search
//! ```

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use jiff::Timestamp;

use super::files::{Names, safe_name};
use super::hub::{self, Exported, ExportedThread, Site};
use super::output::Staged;
use super::{Bodies, ExportError, Exporter, Form, Notes, Options, Writer, table, text};
use crate::content::Content;
use crate::freescout::wire;
use crate::html::page::is_picture;
use crate::html::{clean, escape, from_text};
use crate::report::figures::size;

mod words;

use words::Index;

/// Conversations or customers of one list.
const PER_LIST: usize = 200;

/// The `html` exporter.
pub struct Html;

impl Exporter for Html {
    fn name(&self) -> &'static str {
        "html"
    }

    fn form(&self) -> Form {
        Form::Folder
    }

    fn wants_files(&self, _: &Options) -> bool {
        true
    }

    fn create(&self, site: &Site, _: &Options, place: &Staged) -> Result<Box<dyn Writer>, ExportError> {
        let root = place.folder().expect("an HTML archive is a folder").to_owned();
        let failed = |cause| ExportError::Io { path: root.clone(), cause };
        for folder in ["list", "people"] {
            fs::create_dir_all(root.join(folder)).map_err(failed)?;
        }
        fs::write(root.join("style.css"), include_str!("html/style.css")).map_err(failed)?;
        fs::write(root.join("search.js"), include_str!("html/search.js")).map_err(failed)?;
        let index = Index::new(&root).map_err(failed)?;
        // What is in the mails was written before this number was drawn.
        let nonce = format!("{:032x}", fastrand::u128(..));
        Ok(Box::new(Archive {
            site: site.clone(),
            names: Names::new(&root, "files"),
            root,
            index: Some(index),
            nonce,
            rows: Vec::new(),
            lists: Vec::new(),
            people: Vec::new(),
            people_lists: 0,
            count: 0,
        }))
    }
}

struct Archive {
    root: PathBuf,
    site: Site,
    names: Names,
    index: Option<Index>,
    nonce: String,
    /// Rows of the list that is not full yet.
    rows: Vec<Row>,
    /// First and last day of each list that is written.
    lists: Vec<(String, String)>,
    people: Vec<String>,
    people_lists: usize,
    count: u64,
}

struct Row {
    html: String,
    day: String,
}

/// Which scripts a page may run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scripts {
    None,
    Search,
}

fn day(time: Option<Timestamp>) -> String {
    time.map(|time| time.strftime("%Y-%m-%d").to_string()).unwrap_or_default()
}

fn minute(time: Option<Timestamp>) -> String {
    time.map(|time| time.strftime("%Y-%m-%d %H:%M").to_string()).unwrap_or_default()
}

fn time_tag(time: Option<Timestamp>) -> String {
    time.map_or_else(String::new, |at| {
        format!("<time datetime=\"{}\">{} UTC</time>", wire::show_time(at), minute(time))
    })
}

/// The place of a conversation's page from the root.
fn place_of(id: u64) -> String {
    format!("c/{:04}/{id}.html", id / 1000)
}

impl Archive {
    fn failed(&self, cause: std::io::Error) -> ExportError {
        ExportError::Io { path: self.root.clone(), cause }
    }

    fn put(&self, path: &str, html: &str) -> Result<(), ExportError> {
        let place = self.root.join(path);
        fs::write(&place, html).map_err(|cause| ExportError::Io { path: place, cause })
    }

    /// A page; `up` leads to the root.
    fn page(&self, up: &str, title: &str, scripts: Scripts, main: &str) -> String {
        let nonce = &self.nonce;
        let script = match scripts {
            Scripts::None => String::new(),
            Scripts::Search => format!("; script-src 'nonce-{nonce}' 'strict-dynamic' 'self' file:"),
        };
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src 'self' data: file:; \
             style-src 'nonce-{nonce}'; style-src-attr 'unsafe-inline'; base-uri 'none'; form-action 'none'{script}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"robots\" content=\"noindex\">\n\
             <title>{}</title>\n<link rel=\"stylesheet\" href=\"{up}style.css\" nonce=\"{nonce}\">\n</head>\n<body>\n{main}\n</body>\n</html>\n",
            escape(title)
        )
    }

    fn site_name(&self) -> String {
        let url = self.site.url.trim_start_matches("https://").trim_start_matches("http://");
        if url.is_empty() { "help desk".to_owned() } else { url.to_owned() }
    }

    /// Writes the list that is gathered; `is_last` says that no newer one follows.
    fn write_list(&mut self, is_last: bool) -> Result<(), ExportError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let number = self.lists.len() + 1;
        let rows = std::mem::take(&mut self.rows);
        let days = |rows: &[Row]| {
            let known = || rows.iter().map(|row| row.day.clone()).filter(|day| !day.is_empty());
            (known().min().unwrap_or_default(), known().max().unwrap_or_default())
        };
        let (first, last) = days(&rows);
        let mut main = format!("<header><a href=\"../index.html\">{}</a></header>\n", escape(&self.site_name()));
        let _ = writeln!(main, "<h1>Conversations {} to {}</h1>", escape(&first), escape(&last));
        let older = (number > 1).then(|| format!("<a href=\"{:05}.html\">← older</a>", number - 1));
        let newer = (!is_last).then(|| format!("<a href=\"{:05}.html\">newer →</a>", number + 1));
        let nav = format!("<nav>{} {}</nav>\n", older.unwrap_or_default(), newer.unwrap_or_default());
        main.push_str(&nav);
        main.push_str(&list_of(&rows, "../"));
        main.push_str(&nav);
        self.lists.push((first, last));
        let html = self.page("../", "Conversations", Scripts::None, &main);
        self.put(&format!("list/{number:05}.html"), &html)?;
        if is_last {
            self.rows = rows;
        }
        Ok(())
    }

    fn write_people(&mut self, is_last: bool) -> Result<(), ExportError> {
        if self.people.is_empty() {
            return Ok(());
        }
        self.people_lists += 1;
        let number = self.people_lists;
        let people = std::mem::take(&mut self.people).concat();
        let older = (number > 1).then(|| format!("<a href=\"{:05}.html\">← before</a>", number - 1));
        let newer = (!is_last).then(|| format!("<a href=\"{:05}.html\">after →</a>", number + 1));
        let main = format!(
            "<header><a href=\"../index.html\">{}</a></header>\n<h1>Customers</h1>\n{people}<nav>{} {}</nav>\n",
            escape(&self.site_name()),
            older.unwrap_or_default(),
            newer.unwrap_or_default()
        );
        let html = self.page("../", "Customers", Scripts::None, &main);
        self.put(&format!("people/{number:05}.html"), &html)
    }

    fn conversation_page(&self, exported: &Exported, paths: &[Vec<Option<String>>]) -> String {
        let it = &exported.conversation;
        let number = it.number.unwrap_or(it.id);
        let mut main = format!(
            "<header><a href=\"../../index.html\">{}</a><span>#{number}</span></header>\n<h1>{}</h1>\n<dl>",
            escape(&self.site_name()),
            escape(subject_of(it))
        );
        let mut fact = |name: &str, value: String| {
            if !value.is_empty() {
                let _ = write!(main, "<dt>{}</dt><dd>{value}</dd>", escape(name));
            }
        };
        let person = |person: &Option<wire::Person>| person.as_ref().map(name_and_address).unwrap_or_default();
        fact("Customer", escape(&person(&it.customer)));
        fact("Status", escape(&status_of(it)));
        fact("Assignee", escape(&person(&it.assignee)));
        let mailbox = self.site.mailbox(it.mailbox_id);
        fact(
            "Mailbox",
            mailbox.map(|mailbox| escape(&format!("{} <{}>", mailbox.name, mailbox.email))).unwrap_or_default(),
        );
        fact("Opened", time_tag(it.created_at));
        fact("Closed", time_tag(it.closed_at.filter(|_| it.status == "closed")));
        let tags: Vec<String> =
            exported.tags().map(|tag| format!("<span class=\"word\">{}</span>", escape(tag))).collect();
        fact("Tags", tags.join(" "));
        for field in it.custom_fields.iter().flatten().filter(|field| !hub::field_text(field).is_empty()) {
            fact(&field.name, escape(hub::field_text(field)));
        }
        let seconds: u64 = it.embedded.timelogs.iter().flatten().filter_map(|log| log.time_spent).sum();
        fact("Time spent", if seconds > 0 { format!("{} min", seconds.div_ceil(60)) } else { String::new() });
        if let Some(old) = &exported.old {
            fact("Before", escape(&old.to_string()));
        }
        main.push_str("</dl>\n");
        for (thread, paths) in exported.threads.iter().zip(paths) {
            self.thread(&mut main, exported, thread, paths);
        }
        self.page("../../", subject_of(it), Scripts::None, &main)
    }

    fn thread(&self, main: &mut String, exported: &Exported, it: &ExportedThread, paths: &[Option<String>]) {
        let thread = &it.thread;
        let at = time_tag(thread.created_at);
        if hub::is_line_item(thread) {
            let said = escape(&table::body_of(thread, Bodies::Text));
            let _ = writeln!(main, "<article class=\"lineitem\">{said} {at}</article>");
            return;
        }
        let kind = match thread.kind.as_str() {
            "note" => "note",
            "customer" => "customer",
            _ => "message",
        };
        let author = table::author_of(exported, thread).map(name_and_address).unwrap_or_else(|| "nobody".to_owned());
        let mark = if kind == "note" { " <span class=\"word\">internal note</span>" } else { "" };
        let _ = writeln!(main, "<article class=\"{kind}\">\n<h2>{}{mark} {at}</h2>", escape(&author));
        for (name, list) in [("To", &thread.to), ("Cc", &thread.cc), ("Bcc", &thread.bcc)] {
            if !list.is_empty() {
                let _ = writeln!(main, "<p class=\"to\">{name}: {}</p>", escape(&list.join(", ")));
            }
        }
        let mut body = clean(crate::upload::bare(thread.body.as_deref().unwrap_or_default())).html;
        for (file, path) in thread.attachments().iter().zip(paths) {
            if let Some(path) = path.as_ref().filter(|_| !file.file_url.is_empty() && is_picture(&file.mime_type)) {
                // Pictures of a text lead to the old server; they are beside the page now.
                body = body.replace(&escape(&file.file_url), &format!("../../{}", link_to(path)));
            }
        }
        let _ = writeln!(main, "<div class=\"body\">{body}</div>");
        if !thread.attachments().is_empty() {
            main.push_str("<ul class=\"files\">\n");
            for (at, file) in thread.attachments().iter().enumerate() {
                main.push_str(&file_item(file, paths.get(at).and_then(Option::as_deref), &it.files[at]));
            }
            main.push_str("</ul>\n");
        }
        main.push_str("</article>\n");
    }
}

fn subject_of(it: &wire::Conversation) -> &str {
    if it.subject.trim().is_empty() { "(no subject)" } else { &it.subject }
}

fn status_of(it: &wire::Conversation) -> String {
    if it.state.is_empty() || it.state == "published" {
        it.status.clone()
    } else {
        format!("{} ({})", it.status, it.state)
    }
}

fn name_and_address(person: &wire::Person) -> String {
    match (hub::name_of(person), person.email.as_str()) {
        (name, "") => name,
        (name, email) if name.is_empty() => email.to_owned(),
        (name, email) => format!("{name} <{email}>"),
    }
}

fn list_of(rows: &[Row], up: &str) -> String {
    // The newest first, as one reads mail.
    let rows: Vec<String> = rows.iter().rev().map(|row| row.html.replace("{up}", up)).collect();
    format!("<ol class=\"list\">\n{}</ol>\n", rows.concat())
}

fn file_item(file: &wire::Attachment, path: Option<&str>, content: &Content) -> String {
    let name = escape(&file.file_name);
    let size = content.length().or(file.size).map(|bytes| format!(" <span class=\"dim\">{}</span>", size(bytes)));
    let size = size.unwrap_or_default();
    let Some(path) = path else {
        return format!("<li>{name}{size} <span class=\"word\">not in the archive</span></li>\n");
    };
    let link = format!("../../{}", link_to(path));
    let picture = if is_picture(&file.mime_type) {
        format!("<img src=\"{link}\" alt=\"\" loading=\"lazy\">")
    } else {
        String::new()
    };
    let renamed = if is_active(&file.file_name) && path.ends_with(".txt") {
        " <span class=\"word\">shown as text</span>"
    } else {
        ""
    };
    format!("<li><a href=\"{link}\">{picture}{name}</a>{size}{renamed}</li>\n")
}

/// Files that a browser runs when it opens them.
pub(super) fn is_active(name: &str) -> bool {
    let name = safe_name(name).to_lowercase();
    [
        "html", "htm", "xhtml", "xht", "shtml", "svg", "svgz", "xml", "xsl", "xslt", "mht", "mhtml", "hta", "swf",
        "js", "mjs", "url", "webloc", "desktop",
    ]
    .iter()
    .any(|ending| name.ends_with(&format!(".{ending}")))
}

/// A relative path as an address.
fn link_to(path: &str) -> String {
    let mut link = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            link.push(char::from(byte));
        } else {
            let _ = write!(link, "%{byte:02X}");
        }
    }
    link
}

impl Writer for Archive {
    fn write(&mut self, exported: &Exported, notes: &mut Notes) -> Result<(), ExportError> {
        let it = &exported.conversation;
        if self.rows.len() == PER_LIST {
            self.write_list(false)?;
        }
        let mut paths = Vec::with_capacity(exported.threads.len());
        for thread in &exported.threads {
            paths.push(self.names.write_tame(it.id, thread, is_active, notes)?);
        }
        let place = place_of(it.id);
        let folder = self.root.join(&place);
        fs::create_dir_all(folder.parent().unwrap_or(&self.root)).map_err(|cause| self.failed(cause))?;
        let page = self.conversation_page(exported, &paths);
        self.put(&place, &page)?;

        let who = it.customer.as_ref().map(name_and_address).unwrap_or_default();
        let status = status_of(it);
        self.rows.push(Row {
            html: format!(
                "<li><a href=\"{{up}}{place}\">{}</a><time>{}</time><span class=\"who\">{} · {}</span></li>\n",
                escape(subject_of(it)).replace('{', "&#123;"),
                day(it.created_at),
                escape(&who).replace('{', "&#123;"),
                escape(&status)
            ),
            day: day(it.created_at),
        });
        let mut all = BTreeSet::new();
        for text in [it.subject.as_str(), &who, &status, &it.number.unwrap_or(it.id).to_string()] {
            words::collect(text, &mut all);
        }
        for text in exported.tags().chain(it.custom_fields.iter().flatten().map(hub::field_text)) {
            words::collect(text, &mut all);
        }
        for thread in &exported.threads {
            let html = thread.thread.body.as_deref().unwrap_or_default();
            words::collect(&text::lines_of(crate::upload::bare(html)), &mut all);
            let author = table::author_of(exported, &thread.thread).map(name_and_address).unwrap_or_default();
            words::collect(&author, &mut all);
            for file in thread.thread.attachments() {
                words::collect(&file.file_name, &mut all);
            }
        }
        let headline = serde_json::json!([place, subject_of(it), who, day(it.created_at), status]).to_string();
        let added = self.index.as_mut().map_or(Ok(()), |index| index.add(&self.root, headline, &all));
        added.map_err(|cause| self.failed(cause))?;
        self.count += 1;
        Ok(())
    }

    fn customer(&mut self, customer: &wire::Customer, _: &mut Notes) -> Result<(), ExportError> {
        if self.people.len() == PER_LIST {
            self.write_people(false)?;
        }
        let name = hub::full_name(customer.first_name.as_deref(), customer.last_name.as_deref());
        let parts = &customer.embedded;
        let mut html = format!("<article><h2>{}</h2><dl>", escape(if name.is_empty() { "(no name)" } else { &name }));
        let values =
            |entries: &[wire::Entry]| entries.iter().map(|entry| entry.value.clone()).collect::<Vec<_>>().join(", ");
        let address = &parts.address;
        let place = [&address.address, &address.zip, &address.city, &address.state, &address.country];
        let place: Vec<&str> =
            place.into_iter().flatten().map(String::as_str).filter(|part| !part.is_empty()).collect();
        let facts = [
            ("E-mail", values(&parts.emails)),
            ("Phone", values(&parts.phones)),
            ("Company", customer.company.clone().unwrap_or_default()),
            ("Job title", customer.job_title.clone().unwrap_or_default()),
            ("Web sites", values(&parts.websites)),
            ("Profiles", values(&parts.social_profiles)),
            ("Address", place.join(", ")),
            ("Notes", customer.notes.clone().unwrap_or_default()),
        ];
        let fields = customer
            .customer_fields
            .iter()
            .flatten()
            .map(|field| (field.name.as_str(), hub::field_text(field).to_owned()));
        for (name, value) in facts.into_iter().chain(fields).filter(|(_, value)| !value.is_empty()) {
            let _ = write!(html, "<dt>{}</dt><dd>{}</dd>", escape(name), from_text(&value));
        }
        html.push_str("</dl></article>\n");
        self.people.push(html);
        Ok(())
    }

    fn finish(mut self: Box<Self>, _: &mut Notes) -> Result<(), ExportError> {
        self.write_list(true)?;
        self.write_people(true)?;
        if let Some(index) = self.index.take() {
            index.finish(&self.root).map_err(|cause| self.failed(cause))?;
        }
        let name = escape(&self.site_name());
        let taken = self.site.taken_at.map(|time| format!(", as of {}", minute(Some(time)))).unwrap_or_default();
        let mut main = format!(
            "<h1>Archive of {name}</h1>\n<p class=\"dim\">{} conversations{taken} UTC.</p>\n\
             <div class=\"search\"><label for=\"search\" class=\"dim\">Search</label>\n\
             <input type=\"search\" id=\"search\" autocomplete=\"off\" placeholder=\"words, names, addresses, numbers\">\n\
             <noscript><p class=\"dim\">The search needs scripts; the lists below do not.</p></noscript>\n\
             <p id=\"said\" class=\"dim\" role=\"status\"></p>\n<ol class=\"list\" id=\"found\"></ol></div>\n<div id=\"rest\">\n",
            self.count
        );
        if self.people_lists > 0 {
            main.push_str("<nav><a href=\"people/00001.html\">Customers</a></nav>\n");
        }
        main.push_str(&list_of(&self.rows, ""));
        if self.lists.len() > 1 {
            main.push_str("<h2>All conversations</h2>\n<nav>");
            for (at, (first, last)) in self.lists.iter().enumerate().rev() {
                let _ = write!(main, "<a href=\"list/{:05}.html\">{first} – {last}</a> ", at + 1);
            }
            main.push_str("</nav>\n");
        }
        main.push_str("</div>\n");
        let _ = write!(main, "<script src=\"search.js\" nonce=\"{}\"></script>", self.nonce);
        let html = self.page("", &format!("Archive of {}", self.site_name()), Scripts::Search, &main);
        self.put("index.html", &html)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{export, hostile};
    use super::*;

    #[test]
    fn nothing_from_outside_becomes_markup() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        export("html", hostile(), &out, Options::default()).unwrap();
        for entry in walkdir::WalkDir::new(&out) {
            let entry = entry.unwrap();
            if entry.path().extension().is_none_or(|ending| ending != "html") {
                continue;
            }
            let html = std::fs::read_to_string(entry.path()).unwrap();
            let shown = entry.path().display();
            assert!(html.contains("default-src 'none'"), "{shown}");
            let scripts = html.matches("<script").count();
            assert_eq!(scripts, usize::from(entry.path().ends_with("index.html")), "{shown}");
            for word in ["<img src=x", "onclick", " onerror=alert(5)", "javascript:", "<form", "<iframe"] {
                assert!(!html.contains(word), "{shown}: {word}");
            }
        }
        let page = std::fs::read_to_string(out.join("c/0000/7.html")).unwrap();
        assert!(
            page.contains("internal note") && page.contains("Ada closed it") && page.contains("not in the archive"),
            "{page}"
        );
        assert!(page.contains("href=\"../../files/0000/7/11-1/_.._"), "{page}");
        assert!(out.join("files/0000/7").read_dir().unwrap().count() == 1);
    }

    #[test]
    fn lists_lead_to_each_other_and_to_every_conversation() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let mut given = hostile();
        given.conversations = (1..=450)
            .map(|id| {
                let row = serde_json::json!({"id": id, "subject": format!("Question {id}"), "createdAt": "2024-01-31T12:00:00Z"});
                Exported::new(serde_json::from_value(row).unwrap())
            })
            .collect();
        export("html", given, &out, Options::default()).unwrap();
        let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
        assert_eq!(
            (1..=3).map(|n| read(&format!("list/{n:05}.html")).matches("<li>").count()).collect::<Vec<_>>(),
            [200, 200, 50]
        );
        assert!(
            read("list/00002.html").contains("href=\"00001.html\"")
                && read("list/00002.html").contains("href=\"00003.html\"")
        );
        assert!(!read("list/00003.html").contains("href=\"00004.html\""));
        let index = read("index.html");
        assert!(index.contains("href=\"c/0000/450.html\"") && index.contains("href=\"list/00001.html\""));
        assert!(out.join("search/d0.js").exists());
    }

    #[test]
    fn what_a_browser_would_run_is_shown_as_text() {
        for (name, expected) in
            [("a.html", true), ("A.SVG", true), ("a.html.", true), ("a.pdf", false), ("html", false), ("a.png", false)]
        {
            assert_eq!(is_active(name), expected, "{name}");
        }
        assert_eq!(link_to("files/1/a b#é.txt"), "files/1/a%20b%23%C3%A9.txt");
    }
}
