//! What the fuzz targets do with their bytes, and what must hold whatever the bytes are.
//!
//! Both libFuzzer (`fuzz_targets/`) and the ordinary tests (`tests/it/fuzzing.rs`) include this file: the one looks
//! for days, the other tries the same with samples that are damaged a little. A target is called as a user's file
//! would be, and panics when a promise is broken:
//!
//! - No input makes the library panic.
//! - There are as many records as were announced, no id comes twice, and two readings are equal.
//! - What comes out is bounded by what went in: records, entries and text.
//! - An attachment whose bytes are there has the length that it claims.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use foxferry::content::Content;
use foxferry::html::{self, Cut};
use foxferry::input::Input;
use foxferry::mail::{self, Mail, WHOLE, address, body, charset, date, folder, header, labels, mime};
use foxferry::mapping::{Cases, Converted, Lint, Mapping};
use foxferry::record::{Body, Record};
use foxferry::source::{self, Facts, Order, ReadError, Reading, Source};
use foxferry::{check, roster};
use jiff::tz::TimeZone;

/// What can be fuzzed.
pub struct Target {
    /// Its name, which is also that of its file in `fuzz_targets/`.
    pub name: &'static str,
    /// Does with the bytes what the program would; panics when a promise is broken.
    pub run: fn(&[u8]),
    seeds: Seeds,
}

/// Where the inputs come from with which a search begins.
enum Seeds {
    /// Folders of samples: each as a whole, and each of its files alone.
    Folders(&'static [&'static str]),
    /// A sample's folder, packed.
    Packed(fn(&Files) -> Vec<u8>),
    /// Every mail of the samples.
    Mails,
    /// The built-in mappings, and those of the samples.
    Mappings,
    /// Texts that stand here.
    Texts(&'static [&'static str]),
}

/// Files by their paths in a folder.
type Files = [(String, Vec<u8>)];

/// Every target.
pub const TARGETS: &[Target] = &[
    archive("zendesk", |bytes| read("zendesk", "tickets.json", bytes), &["zendesk"]),
    archive("freshdesk", |bytes| read("freshdesk", "tickets.json", bytes), &["freshdesk"]),
    archive("helpscout", |bytes| read("helpscout", "conversations.json", bytes), &["helpscout"]),
    archive("intercom", |bytes| read("intercom", "conversations.json", bytes), &["intercom"]),
    archive("zammad", |bytes| read("zammad", "tickets.json", bytes), &["zammad"]),
    archive("osticket", |bytes| read("osticket", "helpdesk.sql", bytes), &["osticket"]),
    archive("jira", |bytes| read("jira", "issues.json", bytes), &["jira"]),
    archive("freescout", |bytes| read("freescout", "conversations.jsonl", bytes), &["freescout"]),
    archive("records", |bytes| read("records", "records.jsonl", bytes), &["records"]),
    archive("json", |bytes| read("json", "cases-1.json", bytes), &["json"]),
    archive("csv", |bytes| read("csv", "tickets.csv", bytes), &["csv", "csv-tickets"]),
    archive("mbox", |bytes| read("mbox", "mail.mbox", bytes), &["mbox"]),
    archive("maildir", |bytes| read("maildir", "cur/1709542800.M1.mx:2,S", bytes), &["maildir"]),
    archive("eml", |bytes| read("eml", "mail.eml", bytes), &["eml"]),
    archive("xml", |bytes| read("freshdesk", "Tickets0.xml", bytes), &["freshdesk/export"]),
    Target { name: "zip", run: |bytes| unpack("archive.zip", bytes), seeds: Seeds::Packed(zip) },
    Target { name: "tar", run: |bytes| unpack("archive.tar", bytes), seeds: Seeds::Packed(tar) },
    Target { name: "gz", run: |bytes| unpack("archive.tar.gz", bytes), seeds: Seeds::Packed(gz) },
    Target { name: "zst", run: |bytes| unpack("archive.tar.zst", bytes), seeds: Seeds::Packed(zst) },
    Target { name: "xlsx", run: spreadsheet, seeds: Seeds::Packed(xlsx) },
    Target { name: "mime", run: read_mail, seeds: Seeds::Mails },
    Target { name: "header", run: read_header, seeds: Seeds::Texts(HEADERS) },
    Target { name: "address", run: read_addresses, seeds: Seeds::Texts(ADDRESSES) },
    Target { name: "date", run: read_date, seeds: Seeds::Texts(DATES) },
    Target { name: "charset", run: decode_charset, seeds: Seeds::Texts(CHARSETS) },
    Target { name: "body", run: decode_body, seeds: Seeds::Texts(BODIES) },
    Target { name: "folder", run: read_folder_name, seeds: Seeds::Texts(FOLDERS) },
    Target { name: "html", run: clean_html, seeds: Seeds::Texts(HTML) },
    Target { name: "text", run: show_text, seeds: Seeds::Texts(TEXTS) },
    Target { name: "mapping", run: load_mapping, seeds: Seeds::Mappings },
    Target { name: "people", run: read_people, seeds: Seeds::Texts(PEOPLE) },
];

const fn archive(name: &'static str, run: fn(&[u8]), samples: &'static [&'static str]) -> Target {
    Target { name, run, seeds: Seeds::Folders(samples) }
}

impl Target {
    /// The target of this name.
    pub fn named(name: &str) -> &'static Self {
        TARGETS.iter().find(|target| target.name == name).expect("targets are named as their files are")
    }

    /// The inputs with which a search begins, made of the samples that lie in this folder.
    pub fn seeds(&self, samples: &Path) -> Vec<Vec<u8>> {
        match self.seeds {
            Seeds::Folders(folders) => {
                let mut seeds = Vec::new();
                for files in folders.iter().map(|folder| files_of(&samples.join(folder))) {
                    seeds.push(bundle(&files));
                    seeds.extend(files.iter().map(|file| bundle(std::slice::from_ref(file))));
                }
                seeds
            }
            Seeds::Packed(pack) => {
                let folders = ["helpscout", "eml", "csv-tickets"];
                folders.iter().map(|folder| pack(&files_of(&samples.join(folder)))).collect()
            }
            Seeds::Mails => {
                let files = ["eml", "maildir"].iter().flat_map(|folder| files_of(&samples.join(folder)));
                let boxes = files_of(&samples.join("mbox"))
                    .into_iter()
                    .chain(files_of(&samples.join("broken")).into_iter().filter(|(name, _)| name.ends_with(".mbox")));
                let cut = boxes.flat_map(|(_, bytes)| {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    text.split("\nFrom ").map(|mail| mail.as_bytes().to_vec()).collect::<Vec<_>>()
                });
                files.map(|(_, bytes)| bytes).chain(cut).filter(|mail| mail.len() < 16_384).collect()
            }
            Seeds::Mappings => {
                let built_in = Mapping::built_in().iter().map(|(_, text)| text.as_bytes().to_vec());
                let described = files_of(&samples.join("json")).into_iter().filter(|(name, _)| name.ends_with(".toml"));
                built_in.chain(described.map(|(_, bytes)| bytes)).collect()
            }
            Seeds::Texts(texts) => texts.iter().map(|text| text.as_bytes().to_vec()).collect(),
        }
    }
}

/// The input blown up to `most` bytes: some of it is repeated between what stands before and behind it.
///
/// Which part that is stands in the first four bytes, so that a fuzzer can choose it.
pub fn grown(bytes: &[u8], most: usize) -> Vec<u8> {
    let Some((&[a, b, c, d], bytes)) = bytes.split_first_chunk::<4>() else { return bytes.to_vec() };
    if bytes.is_empty() || bytes.len() >= most {
        return bytes.to_vec();
    }
    let start = usize::from(u16::from_le_bytes([a, b])) % bytes.len();
    let length = 1 + usize::from(u16::from_le_bytes([c, d])) % (bytes.len() - start);
    let (before, rest) = bytes.split_at(start);
    let (part, behind) = rest.split_at(length);
    let mut grown = before.to_vec();
    let room = most - bytes.len();
    grown.extend(part.iter().cycle().take(room - room % length + length));
    grown.extend_from_slice(behind);
    grown
}

// --- Archives ---

/// A line of this form stands before each file of a bundle: `==> users.json`.
const MARK: &[u8] = b"==> ";

/// More files than this say nothing new.
const MOST_FILES: usize = 40;

/// Several files as one input.
fn bundle(files: &Files) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, bytes) in files {
        out.extend_from_slice(MARK);
        out.extend_from_slice(name.as_bytes());
        out.push(b'\n');
        out.extend_from_slice(bytes);
        out.push(b'\n');
    }
    out
}

/// Lays the files of a bundle into a folder; an input that is none becomes one file of this name.
fn unbundle(bytes: &[u8], otherwise: &str, folder: &Path) {
    let lay = |name: &str, bytes: &[u8]| {
        let parts: Vec<&str> = name.split('/').filter(|part| !matches!(*part, "" | "." | "..")).take(4).collect();
        let path = folder.join(parts.iter().collect::<PathBuf>());
        // Names that the disk does not take are no archive's fault.
        if !parts.is_empty() && path.parent().is_some_and(|parent| std::fs::create_dir_all(parent).is_ok()) {
            let _ = std::fs::write(path, bytes);
        }
    };
    let Some(mut rest) = bytes.strip_prefix(MARK) else { return lay(otherwise, bytes) };
    for _ in 0..MOST_FILES {
        let mark = [b"\n", MARK].concat();
        let end = rest.windows(mark.len()).position(|window| window == mark);
        let file = &rest[..end.unwrap_or(rest.len())];
        let (name, content) = match file.iter().position(|byte| *byte == b'\n') {
            Some(at) => (&file[..at], &file[at + 1..]),
            None => (file, &[][..]),
        };
        lay(&String::from_utf8_lossy(name).replace('\0', ""), content);
        match end {
            Some(end) => rest = &rest[end + mark.len()..],
            None => return,
        }
    }
}

/// The files of a folder, by their paths in it.
fn files_of(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).expect("samples can be read").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("it lies in there").to_string_lossy().replace('\\', "/");
                files.push((name, std::fs::read(&path).expect("samples can be read")));
            }
        }
    }
    files.sort();
    files
}

/// A folder in memory, where the system has such a thing.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("temporary folders can be made")
}

/// The mapping with which an archive of this source is read.
fn mapping(source: &str) -> &'static Mapping {
    static MAPPINGS: OnceLock<Vec<(&'static str, Mapping)>> = OnceLock::new();
    let mappings = MAPPINGS.get_or_init(|| {
        let load = |source: &'static dyn Source| {
            let loaded = match source.name() {
                "json" => Mapping::parse("desk.toml", include_str!("../../samples/json/desk.toml")),
                name => Mapping::load(source::family(name)),
            };
            (source.name(), loaded.expect("mappings of ours can be loaded"))
        };
        source::SOURCES.iter().map(|source| load(*source)).collect()
    });
    &mappings.iter().find(|(name, _)| *name == source).expect("targets name built-in sources").1
}

/// Whether an input is one of those that are read twice, or otherwise at length.
fn is_chosen(bytes: &[u8], one_in: u64) -> bool {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish().is_multiple_of(one_in)
}

/// Reads the bytes as an archive of this source: one file of this name, or a bundle of several.
fn read(source: &'static str, name: &str, bytes: &[u8]) {
    let place = scratch();
    let folder = place.path().join("archive");
    std::fs::create_dir(&folder).expect("temporary folders can be made");
    unbundle(bytes, name, &folder);
    let source = source::by_name(source).expect("targets name built-in sources");
    let Some((facts, records)) = read_folder(source, &folder, place.path()) else { return };
    let people = read_contacts(source, &folder, place.path());
    if is_chosen(bytes, 16) {
        let (more_facts, more) = read_folder(source, &folder, place.path()).expect("what could be read can be again");
        assert_eq!(format!("{facts:?} {records:?}"), format!("{more_facts:?} {more:?}"), "two readings are equal");
    }
    let mut ids: HashSet<String> = HashSet::new();
    let (mut entries, mut text) = (0, 0);
    for record in records {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                assert!(!cause.contains("ended early"), "a reading OS thread panicked");
                continue;
            }
        };
        assert!(ids.insert(record.id.to_string()), "{} comes twice", record.id);
        let mut of_record = HashSet::new();
        for entry in &record.entries {
            assert!(of_record.insert(entry.id.as_str()), "{}: entry {} comes twice", record.id, entry.id);
            entries += 1;
            text += match &entry.body {
                Body::Html(text) | Body::Text(text) => text.len(),
                Body::Empty => 0,
            };
            for attachment in &entry.attachments {
                open(&attachment.content);
            }
        }
        convert(mapping(source.name()), record);
    }
    // Files of the archive may be packed themselves, but not in these targets' seeds.
    assert!(ids.len() <= bytes.len() + 1, "{} records", ids.len());
    assert!(entries <= 2 * bytes.len() + ids.len(), "{entries} entries");
    assert!(text <= 16 * bytes.len() + 65_536, "{text} bytes of text");
    for id in people {
        assert!(ids.insert(id.clone()), "{id} comes twice");
    }
}

type Records = Vec<Result<Record, ReadError>>;

fn read_folder(source: &'static dyn Source, folder: &Path, scratch: &Path) -> Option<(Facts, Records)> {
    let input = Input::open(&[folder.to_owned()], scratch).ok()?;
    if let Ok(head) = input.head() {
        let _ = source::detect("archive", &head);
    }
    let watch = |_: u64| ControlFlow::Continue(());
    let shape = mapping(source.name()).shape();
    let reader =
        source.open(input, &Reading { shape, order: Order::Oldest, index: None, scratch, watch: &watch }).ok()?;
    let facts = reader.facts.clone();
    let records: Records = reader.collect();
    assert_eq!(facts.records, records.len() as u64, "as many records as were announced");
    Some((facts, records))
}

/// The ids of the people whom the archive lists.
fn read_contacts(source: &'static dyn Source, folder: &Path, scratch: &Path) -> Vec<String> {
    let Ok(input) = Input::open(&[folder.to_owned()], scratch) else { return Vec::new() };
    let watch = |_: u64| ControlFlow::Continue(());
    let mapping = mapping(source.name());
    let reading = Reading { shape: mapping.shape(), order: Order::Oldest, index: None, scratch, watch: &watch };
    let Ok(Some(people)) = source.people(input, &reading) else { return Vec::new() };
    let mut ids = Vec::new();
    for person in people.flatten() {
        ids.push(person.id.to_string());
        mapping.convert_contact(person);
    }
    ids
}

/// Reads an attachment to its end.
fn open(content: &Content) {
    let Ok(mut bytes) = content.open() else { return };
    if let Ok(read) = std::io::copy(&mut bytes, &mut std::io::sink()) {
        assert_eq!(content.length(), Some(read), "an attachment is as long as it claims");
    }
}

fn convert(mapping: &Mapping, record: Record) {
    if let Converted::Ready(mapped) = mapping.convert(record) {
        check::check(&mapped.conversation);
    }
}

// --- Containers ---

/// What one packed byte may become in these targets; the library itself refuses at 250.
const MOST_GROWTH: u64 = 1_100;

/// Opens the bytes as a container, and looks into every file of it as detection does.
fn unpack(name: &str, bytes: &[u8]) {
    let place = scratch();
    let path = place.path().join(name);
    std::fs::write(&path, bytes).expect("temporary files can be written");
    let Ok(input) = Input::open(&[path], place.path()) else { return };
    let spooled = input.spooled().unwrap_or(0);
    assert!(spooled <= MOST_GROWTH * bytes.len() as u64 + (1 << 20), "{spooled} bytes were spooled");
    let _ = input.stamp();
    if let Ok(head) = input.head() {
        let _ = source::detect(name, &head);
    }
    for file in input.files() {
        open(&file.content());
    }
    // Whatever was in there, nothing was laid anywhere but into one spool.
    drop(input);
    let left = std::fs::read_dir(place.path()).expect("it is still there").count();
    assert_eq!(left, 1, "only the container is left");
}

/// Reads the bytes as a spreadsheet of tickets.
fn spreadsheet(bytes: &[u8]) {
    let place = scratch();
    let path = place.path().join("tickets.xlsx");
    std::fs::write(&path, bytes).expect("temporary files can be written");
    let Some((_, records)) = read_folder(&foxferry::source::csv::Csv, &path, place.path()) else { return };
    let mut ids = HashSet::new();
    for record in records.into_iter().flatten() {
        assert!(ids.insert(record.id.to_string()), "{} comes twice", record.id);
        convert(mapping("csv"), record);
    }
}

fn zip(files: &Files) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (number, (name, bytes)) in files.iter().enumerate() {
        let method = if number % 2 == 0 { zip::CompressionMethod::Stored } else { zip::CompressionMethod::Deflated };
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        archive.start_file(name.as_str(), options).expect("memory takes it");
        archive.write_all(bytes).expect("memory takes it");
    }
    archive.finish().expect("memory takes it").into_inner()
}

fn tar(files: &Files) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, bytes.as_slice()).expect("memory takes it");
    }
    archive.into_inner().expect("memory takes it")
}

fn gz(files: &Files) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&tar(files)).expect("memory takes it");
    packed.finish().expect("memory takes it")
}

fn zst(files: &Files) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(tar(files).as_slice(), ruzstd::encoding::CompressionLevel::Fastest)
}

/// The first text file as a spreadsheet, lines as rows.
fn xlsx(files: &Files) -> Vec<u8> {
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    let text = files.iter().find_map(|(_, bytes)| std::str::from_utf8(bytes).ok()).unwrap_or_default();
    for (row, line) in (0..40).zip(text.lines()) {
        for (column, cell) in (0..20).zip(line.split([',', ';'])) {
            match cell.parse::<f64>() {
                Ok(number) if number.is_finite() => sheet.write(row, column, number),
                _ => sheet.write(row, column, cell),
            }
            .expect("there is room for it");
        }
    }
    book.save_to_buffer().expect("memory takes it")
}

// --- Mail ---

/// Reads the bytes as one message.
fn read_mail(bytes: &[u8]) {
    let message = mail::unquote(bytes);
    assert!(message.len() <= bytes.len());
    let (mail, sent) = Mail::parse_sent(&message, b"From ann@example.org Mon Jan  1 00:00:00 2024", &TimeZone::UTC);
    let _ = format!("{sent:?}");
    let text = match &mail.body {
        Body::Html(text) | Body::Text(text) => text.len(),
        Body::Empty => 0,
    };
    assert!(text <= 8 * bytes.len() + 4_096, "{text} bytes of text out of {}", bytes.len());
    assert!(mail.files.len() <= bytes.len() + 1, "{} files", mail.files.len());
    let length: u64 = mail.files.iter().map(|file| file.length).sum();
    // A file may be a part and stand in another as well, at each level of a mail in a mail.
    assert!(length <= 64 * bytes.len() as u64 + 4_096, "{length} bytes of files out of {}", bytes.len());
    for file in mail.files.iter().take(8) {
        let leaf = mail::leaf(message.to_vec(), false, file.part).expect("what was found is found again");
        assert_eq!(leaf.len() as u64, file.length, "a file is as long as was said");
    }
    assert!(mail::leaf(message.to_vec(), true, WHOLE).is_ok());
    let _ = mail::leaf(message.to_vec(), false, 1_000_000);
    assert_eq!(mail::content_id(&message, b""), mail::content_id(&message, b""));
    let _ = mail::body_hash(&message);
    let tree = mime::Tree::parse(&message);
    for leaf in tree.leaves() {
        let decoded = leaf.decoded();
        assert_eq!(decoded.len() as u64, leaf.decoded_length(), "a part is as long as was said");
        let _ = (leaf.text(), leaf.file_name(), leaf.content_id());
    }
}

/// Reads the bytes as a message's header.
fn read_header(bytes: &[u8]) {
    let fields = header::Fields::of_message(bytes);
    assert!(fields.body_start() <= bytes.len());
    assert!(header::Fields::of_part(bytes).body_start() <= bytes.len());
    for field in fields {
        let text = header::decode(field.value);
        assert!(text.len() <= 8 * field.value.len() + 64, "{} of {}", text.len(), field.value.len());
        let _ = (header::unfold(field.value), header::message_ids(field.value), labels::split(field.value));
        let parameters = header::Parameters::parse(field.value);
        for name in ["charset", "name", "filename", "boundary", "format"] {
            let _ = parameters.text(name);
        }
    }
    let _ = header::field_name(bytes);
    let text = header::decode_words(bytes);
    assert!(text.len() <= 8 * bytes.len() + 64, "{} of {}", text.len(), bytes.len());
    let headers = header::Headers::new(header::Fields::of_message(bytes).collect());
    let _ = (mail::message_id(&headers), headers.text("Subject"));
}

/// Reads the bytes as a list of addresses.
fn read_addresses(bytes: &[u8]) {
    let addresses = address::parse(bytes);
    assert!(addresses.len() <= bytes.len() + 1, "{} addresses out of {}", addresses.len(), bytes.len());
    for address in addresses {
        if let Some(email) = address.email {
            assert!(email.contains('@'), "{email}");
        }
    }
}

/// Reads the bytes as a date.
fn read_date(bytes: &[u8]) {
    let berlin = TimeZone::get("Europe/Berlin").expect("zones are built in");
    for zone in [&TimeZone::UTC, &berlin] {
        assert_eq!(date::parse(bytes, zone), date::parse(bytes, zone));
        let _ = date::parse_received(bytes, zone);
    }
}

/// Decodes the bytes behind the first line by the charset that stands in it.
fn decode_charset(bytes: &[u8]) {
    let (label, text) = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(at) => (String::from_utf8_lossy(&bytes[..at]), &bytes[at + 1..]),
        None => ("".into(), bytes),
    };
    for label in [None, Some(label.trim())] {
        let decoded = charset::decode(text, label);
        assert!(decoded.text.len() <= 4 * text.len() + 16, "{} of {}", decoded.text.len(), text.len());
    }
    let guessed = charset::guess(text);
    assert!(guessed.len() <= 4 * text.len() + 16, "{} of {}", guessed.len(), text.len());
}

/// Decodes the bytes in every way in which a body can be written.
fn decode_body(bytes: &[u8]) {
    assert_eq!(body::decode_base64(bytes).len() as u64, body::base64_length(bytes));
    for ends in [body::Ends::Trimmed, body::Ends::Kept] {
        assert!(body::decode_quoted_printable(bytes, ends).len() <= 2 * bytes.len() + 2);
    }
    if let Some(decoded) = body::decode_uuencode(bytes) {
        assert!(decoded.len() <= 2 * bytes.len() + 64);
    }
    let text = String::from_utf8_lossy(bytes);
    for is_delsp in [false, true] {
        assert!(body::unfold_flowed(&text, is_delsp).len() <= 2 * text.len() + 2);
    }
}

/// Reads the bytes as the name of a mail folder, and as a label.
fn read_folder_name(bytes: &[u8]) {
    let name = String::from_utf8_lossy(bytes);
    let decoded = folder::decode(&name);
    let _ = folder::system(decoded.split('/'));
    for label in labels::split(bytes) {
        let _ = labels::system(&label);
    }
}

// --- Texts ---

/// Cleans the bytes as the HTML of a stranger, and does with it what a mapping can.
fn clean_html(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let cleaned = html::clean(&text);
    // Formatting that was never closed is repeated in every paragraph, within bounds.
    assert!(cleaned.html.len() <= 64 * text.len() + (32 << 20), "{} out of {}", cleaned.html.len(), text.len());
    let lower = cleaned.html.to_ascii_lowercase();
    for forbidden in ["<script", "<iframe", "<form", "<object", "<style", "<meta", "<base"] {
        assert!(!lower.contains(forbidden), "{forbidden} is left: {}", cleaned.html);
    }
    let _ = html::to_text(&text);
    let shown = html::with_images(&cleaned.html, |_| Some("data:image/png;base64,AAAA".to_owned()));
    assert!(shown.len() <= 16 * cleaned.html.len() + 1_024);
    let _ = html::with_linked_images(&text, |_| None);
    if is_chosen(bytes, 4) && cleaned.html.len() < 1 << 20 {
        // Text that stands for HTML beyond all bounds is written a little differently at first.
        let again = html::clean(&cleaned.html).html;
        assert_eq!(html::clean(&again).html, again, "what is clean stays as it is");
    }
    for cut in CUTS {
        if let Some(shorter) = html::cut_html(&text, cut) {
            html::clean(&shorter);
        }
    }
}

const CUTS: [Cut; 3] = [
    Cut { quoted: true, signature: false },
    Cut { quoted: false, signature: true },
    Cut { quoted: true, signature: true },
];

/// Makes HTML of the bytes as plain text.
fn show_text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let made = html::from_text(&text);
    // An address becomes a link, in which it stands twice.
    assert!(made.len() <= 100 * text.len() + 1_024, "{} out of {}", made.len(), text.len());
    let cleaned = html::clean(&made);
    assert!(!cleaned.has_lost_something || text.len() > 1 << 20, "a text of ours is clean: {made}");
    assert!(!html::escape(&text).contains(['<', '>', '"']));
    for cut in CUTS {
        if let Some(shorter) = html::cut_text(&text, cut) {
            assert!(shorter.len() <= text.len());
        }
    }
}

// --- What operators write ---

/// Loads the bytes as a mapping; one that can be loaded converts the records of a sample.
fn load_mapping(bytes: &[u8]) {
    static RECORDS: OnceLock<Vec<Record>> = OnceLock::new();
    let text = String::from_utf8_lossy(bytes);
    // What a mapping extends is a file that its writer chose; of those of this machine some have no end.
    if text.contains("/dev") || text.contains("/proc") {
        return;
    }
    let loaded = Mapping::parse("fuzz.toml", &text);
    match &loaded {
        Ok(mapping) => {
            let records = RECORDS.get_or_init(|| {
                let place = scratch();
                let path = place.path().join("records.jsonl");
                let text = include_str!("../../samples/records/records.jsonl");
                std::fs::write(&path, text).expect("temporary files can be written");
                let records = source::by_name("records").expect("it is built in");
                let (_, records) = read_folder(records, &path, place.path()).expect("the sample can be read");
                records.into_iter().flatten().collect()
            });
            for record in records {
                convert(mapping, record.clone());
            }
            let _ = (mapping.names(), mapping.hash());
        }
        Err(error) => assert!(!error.report.is_empty(), "a mapping that is refused has a report"),
    }
    let lint = Lint::parse("fuzz.toml", &text);
    assert_eq!(lint.mapping().is_some(), loaded.is_ok(), "lint loads what a run loads");
    let mut told = String::new();
    for notice in lint.notices() {
        let _ = write!(told, "{notice:?}");
    }
    if let Ok(cases) = Cases::parse("fuzz.cases.toml", &text, "zendesk") {
        let zendesk = mapping("zendesk");
        for verdict in cases.run(zendesk) {
            let _ = verdict.has_passed();
        }
    }
}

/// Reads the bytes as a list of people that was edited in a spreadsheet.
fn read_people(bytes: &[u8]) {
    match roster::read(bytes) {
        Ok(rows) => assert!(rows.len() <= bytes.len() + 1),
        Err(faults) => assert!(!faults.is_empty(), "a list that is refused has faults"),
    }
}

// --- Seeds ---

const HEADERS: &[&str] = &[
    "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe_aus?= =?iso-8859-1?B?S/ZsbiE=?=\r\nFrom: Ann <ann@example.org>\r\n\r\nHello",
    "Content-Type: multipart/mixed; boundary=\"a b\"; charset=utf-8\r\nContent-Disposition: attachment;\r\n\tfilename*0*=utf-8''R%C3%BCck;\r\n\tfilename*1=\"gabe.pdf\"\r\n\r\n",
    "Message-ID: <a@b.example>\nReferences: <1@b.example> <2@b.example>\n <3@b.example>\nX-Gmail-Labels: =?UTF-8?Q?Entw=C3=BCrfe?=,\"a, b\",Inbox\n\n",
    "From ann@example.org Mon Jan  1 00:00:00 2024\nReceived: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\n",
    "=?utf-7?Q?+AOQ-?= =?x?X?x?= =?gb2312?B?xOO6ww==?= =?utf-8?q?a?==?utf-8?q?b?= =?ISO-2022-JP?B?GyRCRnxLXBsoQg==?=",
];

const ADDRESSES: &[&str] = &[
    "Ann Example <ann@example.org>, \"Bee, Bob\" <bob@example.org>",
    "undisclosed-recipients:;, Team: ann@example.org, bob@example.org;",
    "=?utf-8?Q?J=C3=B6rg?= (comment (nested)) <@relay.example,@two.example:joerg@example.org>",
    "ann at example.org (Ann Example), \"a\\\"b\"@example.org, <>, mailto:ann@example.org",
    "Ann <ann@example.org> <ann@old.example>; bob@example.org bob@example.net",
];

const DATES: &[&str] = &[
    "Mon, 1 Jan 2024 12:34:56 +0100",
    "Mon, 01 Jan 24 12:34 EST (Eastern)",
    "Mon Jan  1 12:34:56 2024",
    "2024-01-01T12:34:56.789Z",
    "1/2/2024 3:45:06 PM GMT-0500",
    "from a by b; Sun, 31 Mar 2024 02:30:00",
    "Thu, 32 Foo 99999 25:61:61 +9999",
];

const CHARSETS: &[&str] = &[
    "utf-8\nGrüße",
    "iso-2022-jp\n\u{1b}$B%F%9%H\u{1b}(B",
    "utf-7\n+AOQ-bc &AOQ-",
    "cp437\nabc",
    "utf-16le\na\0b\0",
    "hz-gb-2312\n~{<:Ky2;S{~}",
    "gb18030\n\u{fffd}",
    "x-mac-roman\nabc",
];

const BODIES: &[&str] = &[
    "SGVsbG8s\r\nIHdvcmxk!!IQ==\r\nSGVsbG8=",
    "Gr=C3=BC=C3=9Fe =\r\nund=20\r\n=ZZ=4",
    "begin 644 a.txt\n#0V%T\n`\nend\n",
    "> quoted \n> text\nflowed \nlines\n-- \nAnn",
];

const FOLDERS: &[&str] = &[
    "INBOX.Entw&APw-rfe",
    "[Gmail]/Gesendet",
    "&ZeVnLIqe-/&-",
    "\"a, b\",Inbox,=?UTF-8?Q?Papierkorb?=",
    "Deleted Items.Sent",
];

const HTML: &[&str] = &[
    "<p>Hello <b>there</b>, <a href=\"https://example.org/?a=1&amp;b=2\">see</a><br><img src=\"cid:a@b\"></p>",
    "<table><tr><td style=\"color:red;background:url(x)\" onclick=\"x()\">a<script>alert(1)</script></table>",
    "<div class=\"gmail_quote\">On Monday Ann wrote:<blockquote>old</blockquote></div>",
    "<!--[if mso]><p>a</p><![endif]--><svg><a xlink:href=\"javascript:x\"><style>a{}</style></svg><math><mtext>",
    "<b><i><u><p>1<p>2<p>3</b></i></u><ul><li>a<li>b</ul>&nbsp;&#x41;&#0;&bogus;",
    "<div>Hi</div><div>-- <br>Ann</div><hr><b>From:</b> Bob<br><b>Sent:</b> Monday<br>",
];

const TEXTS: &[&str] = &[
    "Hello,\n\nsee https://example.org/a?b=c&d=(e) and ann@example.org.\n\n-- \nAnn",
    "Yes.\n\nOn Mon, 1 Jan 2024, Ann wrote:\n> old\n> > older\n",
    "  indented\n\ttab <b>&amp;</b> \u{202e}rtl\u{0}\r\nwww.example.org\n-----Original Message-----\nFrom: Bob\n",
];

const PEOPLE: &[&str] = &[
    "address,role,user,name,other_addresses,old_id\nann@example.org,agent,ann@example.org,Ann,,1\nbob@example.net,customer,,Bob,bob@example.com,2\n",
    "\u{feff}address;role\r\n'=ann@example.org;nobody\r\n\"a;b\";customer\r\n",
];
