use std::io::{Cursor, Seek as _};
use std::path::PathBuf;

use zip::write::SimpleFileOptions;

use super::*;
use crate::input::Input;

fn zipped(members: &[(&str, &[u8])], method: zip::CompressionMethod) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        archive.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn deflated(members: &[(&str, &[u8])]) -> Vec<u8> {
    zipped(members, zip::CompressionMethod::Deflated)
}

fn tarred(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        // The library refuses to write what it should be tried on.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append(&header, *bytes).unwrap();
    }
    archive.into_inner().unwrap()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

struct Bench {
    folder: tempfile::TempDir,
    scratch: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), scratch: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn open(&self, path: &Path) -> Result<Input, InputError> {
        Input::open(&[path.to_owned()], self.scratch.path())
    }

    /// Every file of an archive as `name=content`.
    fn seen(&self, name: &str, bytes: &[u8]) -> Vec<String> {
        listed(&self.open(&self.file(name, bytes)).unwrap())
    }

    fn refused(&self, name: &str, bytes: &[u8]) -> String {
        self.open(&self.file(name, bytes)).unwrap_err().to_string()
    }
}

fn listed(input: &Input) -> Vec<String> {
    let text = |file: &InputFile| {
        let mut text = String::new();
        file.content().open().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text.len() as u64, file.length);
        text
    };
    input.files().iter().map(|file| format!("{}={}", file.shown, text(file))).collect()
}

const MEMBERS: &[(&str, &[u8])] = &[
    ("export/tickets.json", b"[]"),
    ("export/.hidden", b"x"),
    ("__MACOSX/export/._tickets.json", b"x"),
    ("export/files/b.txt", b"bytes of b"),
    ("export/files/a.zip", b"PK\x03\x04 of a customer"),
];

#[test]
fn containers_of_every_kind_show_the_files_of_a_folder() {
    let expected = ["files/a.zip=PK\u{3}\u{4} of a customer", "files/b.txt=bytes of b", "tickets.json=[]"];
    let tar = tarred(MEMBERS);
    for (name, bytes) in [
        ("a.zip", deflated(MEMBERS)),
        ("b.zip", zipped(MEMBERS, zip::CompressionMethod::Stored)),
        ("c.tar", tar.clone()),
        ("d.tar.gz", gzipped(&tar)),
        ("e.tgz", gzipped(&tar)),
        ("f.tar.zst", zstd(&tar)),
        ("no ending", deflated(MEMBERS)),
    ] {
        assert_eq!(Bench::new().seen(name, &bytes), expected, "{name}");
    }
}

#[test]
fn what_can_be_sought_is_not_copied() {
    let bench = Bench::new();
    for (name, bytes) in [("a.zip", zipped(MEMBERS, zip::CompressionMethod::Stored)), ("a.tar", tarred(MEMBERS))] {
        let input = bench.open(&bench.file(name, &bytes)).unwrap();
        assert_eq!(input.spooled(), None, "{name}");
    }
    let input = bench.open(&bench.file("b.zip", &deflated(MEMBERS))).unwrap();
    assert!(input.spooled().is_some());
    assert_eq!(std::fs::read_dir(bench.scratch.path()).unwrap().count(), 1, "one spool for all members");
    drop(input);
    assert_eq!(std::fs::read_dir(bench.scratch.path()).unwrap().count(), 0, "and nothing afterwards");
}

#[test]
fn compressed_files_are_read_frame_after_frame() {
    let two = [gzipped(b"From one\n"), gzipped(b"From two\n")].concat();
    assert_eq!(Bench::new().seen("list.mbox.gz", &two)[0].split_once('=').unwrap().1, "From one\nFrom two\n");
    let skippable = [&[0x50, 0x2A, 0x4D, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    let two = [zstd(b"From one\n"), skippable, zstd(b"From two\n")].concat();
    assert_eq!(Bench::new().seen("list.mbox.zst", &two)[0].split_once('=').unwrap().1, "From one\nFrom two\n");
}

#[test]
fn names_inside_containers_are_only_shown() {
    let names: &[(&str, &[u8])] =
        &[("../../up.txt", b"1"), ("/root.txt", b"2"), ("a\\..\\back.txt", b"3"), ("bell\u{7}.txt", b"4")];
    let expected = ["a/back.txt=3", "bell\u{FFFD}.txt=4", "root.txt=2", "up.txt=1"];
    for (name, bytes) in [("a.zip", deflated(names)), ("b.tar", tarred(names))] {
        let bench = Bench::new();
        assert_eq!(bench.seen(name, &bytes), expected, "{name}");
        assert_eq!(std::fs::read_dir(bench.folder.path()).unwrap().count(), 1, "nothing but the archive");
    }
}

#[test]
fn a_bomb_is_refused_in_words() {
    let bench = Bench::new();
    let mut nested = deflated(&[("tickets.json", b"[]")]);
    for _ in 0..MOST_DEPTH {
        nested = deflated(&[("inner.zip", &nested)]);
    }
    assert!(bench.refused("nested.zip", &nested).contains("more than 4 containers"), "nested");
    let mut quine = gzipped(b"x");
    for _ in 0..=MOST_DEPTH {
        quine = gzipped(&quine);
    }
    assert!(bench.refused("quine.gz", &quine).contains("more than 4 containers"), "packed again and again");

    // A member that claims to be empty and is not, one that claims a terabyte.
    let mut liar = deflated(&[("a.json", &[b'0'; 100_000])]);
    let at = liar.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap();
    liar[at + 24..at + 28].copy_from_slice(&u32::MAX.to_le_bytes()[..]);
    assert!(bench.refused("liar.zip", &liar).contains("250 times its size"), "by its claim");

    let watch = |_: Unpacking| ControlFlow::Continue(());
    let mut unpacker = Unpacker::new(bench.scratch.path(), &watch);
    let kept = unpacker.keep("zeros.gz", &mut io::repeat(0), 1 << 20);
    assert!(matches!(kept, Err(Ended::All(InputError::Container { .. }))), "by its bytes");
}

#[test]
fn unpacking_can_be_stopped() {
    let bench = Bench::new();
    let watch = |_: Unpacking| ControlFlow::Break(());
    let mut unpacker = Unpacker::new(bench.scratch.path(), &watch);
    let kept = unpacker.keep("zeros.gz", &mut io::repeat(0), u64::MAX);
    assert!(matches!(kept, Err(Ended::All(InputError::Interrupted))));
}

#[test]
fn what_cannot_be_opened_is_explained() {
    let bench = Bench::new();
    let mut locked = deflated(&[("a.json", b"[1, 2, 3]")]);
    for magic in [b"PK\x03\x04", b"PK\x01\x02"] {
        let at = locked.windows(4).position(|window| window == magic).unwrap();
        locked[at + if magic[2] == 3 { 6 } else { 8 }] |= 1;
    }
    assert!(bench.refused("locked.zip", &locked).contains("password"));
    let cut = deflated(MEMBERS);
    assert!(bench.refused("cut.zip", &cut[..cut.len() - 30]).contains("cut off or damaged"));
    assert!(bench.refused("mail.pst", b"!BDN........").contains("PST files are not read"));
    assert!(bench.refused("a.7z", b"7z\xBC\xAF\x27\x1C....").contains("7z files are not read"));
    assert!(bench.refused("a.gz", b"\x1F\x8B\x08....").contains("damaged"));
    assert!(bench.refused("a.xls", b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1....").contains("spreadsheet cannot be read"));
}

#[test]
fn what_is_cut_off_is_read_as_far_as_it_goes() {
    let bench = Bench::new();
    let mut text = String::new();
    for n in 0..20_000 {
        text.push_str(&format!("line {n} of many\n"));
    }
    let packed = gzipped(text.as_bytes());
    let input = bench.open(&bench.file("a.txt.gz", &packed[..packed.len() / 2])).unwrap();
    assert!(input.files()[0].length > 0);
    assert_eq!(input.oddities()[0].code, codes::READ_TRUNCATED);

    let whole = tarred(&[("a.txt", &[b'a'; 600]), ("b.txt", &[b'b'; 600])]);
    let input = bench.open(&bench.file("cut.tar", &whole[..512 + 1024 + 512 + 100])).unwrap();
    assert_eq!(input.files().iter().map(|file| file.length).collect::<Vec<_>>(), [600, 100]);
    assert_eq!(input.oddities()[0].code, codes::READ_TRUNCATED);

    let mut broken = deflated(&[("a.json", &[b'a'; 5000]), ("b.json", b"[]")]);
    broken[30 + "a.json".len() + 2] ^= 0xFF;
    let input = bench.open(&bench.file("broken.zip", &broken)).unwrap();
    assert_eq!(listed(&input), ["b.json=[]"], "the others go on");
    assert_eq!(input.oddities()[0].code, codes::READ_BROKEN_PART);
    assert!(input.oddities()[0].message.contains("`a.json`"));
}

#[test]
fn attachments_stay_closed() {
    let bench = Bench::new();
    let inner = deflated(&[("x.json", b"{}")]);
    bench.file("f/tickets.json", b"[]");
    bench.file("f/report.zip", &inner);
    bench.file("f/attachments/1/logs.zip", &inner);
    bench.file("f/attachments/1/log.txt.gz", &gzipped(b"x"));
    let input = bench.open(&bench.folder.path().join("f")).unwrap();
    let shown: Vec<_> = input.files().iter().map(|file| &*file.shown).collect();
    assert_eq!(shown, ["attachments/1/log.txt.gz", "attachments/1/logs.zip", "report.zip", "tickets.json"]);

    bench.file("t/takeout-1.zip", &deflated(&[("Mail/a.mbox", b"From a")]));
    bench.file("t/takeout-2.zip", &deflated(&[("Mail/b.mbox", b"From b")]));
    bench.file("t/2005-May.txt.gz", &gzipped(b"From c"));
    let input = bench.open(&bench.folder.path().join("t")).unwrap();
    assert_eq!(listed(&input), ["2005-May.txt=From c", "takeout-1.zip/a.mbox=From a", "takeout-2.zip/b.mbox=From b"]);
}

#[test]
fn an_archive_keeps_its_stamp_whatever_it_was_spooled_to() {
    let bench = Bench::new();
    let path = bench.file("a.zip", &deflated(MEMBERS));
    let stamp = |bench: &Bench| bench.open(&path).unwrap().stamp().unwrap();
    let first = stamp(&bench);
    assert_eq!(stamp(&Bench::new()), first);
    bench.file("a.zip", &deflated(&[("export/tickets.json", b"[1]")]));
    assert_ne!(stamp(&bench), first);
}

#[test]
fn sheets_are_tables() {
    use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};

    let mut book = Workbook::new();
    let sheet = book.add_worksheet().set_name("Tickets").unwrap();
    for (column, name) in ["id", "subject", "opened", "day", "open?", "last"].iter().enumerate() {
        sheet.write(0, column as u16, *name).unwrap();
    }
    let time = Format::new().set_num_format("yyyy-mm-dd hh:mm:ss");
    let day = Format::new().set_num_format("dd.mm.yyyy");
    sheet.write(2, 0, 4_503_599_627_370_497_u64 as f64).unwrap();
    sheet.write(2, 1, "Ünïcode, \"quoted\"").unwrap();
    let at = ExcelDateTime::parse_from_str("2021-03-04 05:06:07").unwrap();
    sheet.write_with_format(2, 2, &at, &time).unwrap();
    sheet.write_with_format(2, 3, ExcelDateTime::parse_from_str("2021-03-04").unwrap(), &day).unwrap();
    sheet.write(2, 4, true).unwrap();
    book.add_worksheet().set_name("Empty").unwrap();
    let bytes = book.save_to_buffer().unwrap();

    let bench = Bench::new();
    assert_eq!(
        bench.seen("book.xlsx", &bytes),
        ["Tickets.csv=id,subject,opened,day,open?,last\n\"\"\n\
          4503599627370497,\"Ünïcode, \"\"quoted\"\"\",2021-03-04 05:06:07,2021-03-04,true,\n"]
    );
    assert_eq!(bench.open(&bench.folder.path().join("book.xlsx")).unwrap().containers(), ["spreadsheet"]);
}

#[test]
fn damage_anywhere_gives_an_error_or_a_finding_and_no_panic() {
    let tar = tarred(MEMBERS);
    let wholes = [deflated(MEMBERS), tar.clone(), gzipped(&tar), zstd(&tar)];
    let mut random = fastrand::Rng::with_seed(8);
    for (kind, whole) in wholes.iter().enumerate() {
        for _ in 0..120 {
            let mut bytes = whole.clone();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
            }
            bytes.truncate(random.usize(1..=bytes.len()));
            let bench = Bench::new();
            if let Ok(input) = bench.open(&bench.file("a", &bytes)) {
                for file in input.files() {
                    let mut open = file.open().unwrap();
                    open.seek(io::SeekFrom::End(0)).unwrap();
                    let _ = file.head().unwrap_or_else(|error| panic!("kind {kind}: {error}"));
                }
            }
        }
    }
}
