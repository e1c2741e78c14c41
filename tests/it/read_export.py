"""Reads an export with nothing of foxferry's and compares it with the JSON lines of the same snapshot.

read_export.py FORMAT OUT TRUTH.jsonl
"""

import base64
import csv
import datetime
import email
import email.policy
import html.parser
import json
import mailbox
import pathlib
import re
import sys
import urllib.parse

FORMAT, OUT, TRUTH = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
csv.field_size_limit(10**9)

truth = [json.loads(line) for line in TRUTH.read_text(encoding="utf-8").split("\n") if line]
conversations = {it["id"]: it for it in truth if it["object"] == "conversation"}
customers = {it["id"]: it for it in truth if it["object"] == "customer"}
threads = {}
for conversation in conversations.values():
    for thread in conversation["_embedded"]["threads"]:
        threads[thread["id"]] = (conversation, thread)
assert conversations and customers and threads


def body_of(thread):
    if thread["type"] == "lineitem":
        return (thread["action"] or {}).get("text", "")
    return thread["body"] or ""


def files_of(thread):
    return [(it["fileName"], base64.b64decode(it["content"])) for it in thread["_embedded"]["attachments"] if "content" in it]


def same(what, found, expected):
    assert found == expected, f"{what}: found {found!r}, expected {expected!r}"


def lf(text):
    return text.replace("\r\n", "\n").replace("\r", "\n")


def at(text):
    return (text or "").replace("T", " ").replace("Z", "")


def check_tables(tables):
    """`tables` gives the rows of a table, each a dict of texts."""
    rows = tables("conversations")
    same("conversations", [int(row["conversation_id"]) for row in rows], list(conversations))
    for row in rows:
        it = conversations[int(row["conversation_id"])]
        for key in ("subject", "status", "state", "type", "preview"):
            same(f"conversation {it['id']} {key}", row[key], lf(it[key] or ""))
        same("created_at", row["created_at"], at(it["createdAt"]))
        same("threads", int(row["threads"]), len(it["_embedded"]["threads"]))
        same("customer_email", row["customer_email"], (it["customer"] or {}).get("email", ""))
        for field in it.get("customFields") or []:
            same(field["name"], row["field: " + field["name"]], field["text"] or field["value"] or "")
    rows = tables("threads")
    same("threads", [int(row["thread_id"]) for row in rows], list(threads))
    for row in rows:
        conversation, thread = threads[int(row["thread_id"])]
        same("conversation_id", int(row["conversation_id"]), conversation["id"])
        same(f"body of {thread['id']}", row["body"], lf(body_of(thread)))
        same("thread_type", row["thread_type"], thread["type"])
        same("sent_at", row["sent_at"], at(thread["createdAt"]))
        for key in ("to", "cc", "bcc"):
            same(key, row[key], ", ".join(thread[key]))
        if FORMAT == "csv":
            found = [(OUT / path).read_bytes() for path in row["attachments"].split("; ") if (OUT / path).is_file() and path]
            same("attachments", found, [content for _, content in files_of(thread)])
    rows = tables("customers")
    same("customers", sorted(int(row["customer_id"]) for row in rows), sorted(customers))
    for row in rows:
        it = customers[int(row["customer_id"])]
        same("first_name", row["first_name"], it["firstName"] or "")
        emails = [entry["value"] for entry in it["_embedded"]["emails"]]
        same("emails", [row["email"]] + [text for text in row["other_emails"].split(", ") if text], emails or [""])


def check_csv():
    def table(name):
        data = (OUT / f"{name}.csv").read_bytes()
        assert data.startswith(b"\xef\xbb\xbf") and data.endswith(b"\r\n")
        with open(OUT / f"{name}.csv", encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
        assert all(None not in row and None not in row.values() for row in rows)
        for row in rows:
            for key, text in row.items():
                assert not text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")), (key, text)
                row[key] = text[1:] if text.startswith("'") else text
        return rows

    check_tables(table)


def check_xlsx():
    import openpyxl

    book = openpyxl.load_workbook(OUT)

    def text_of(cell):
        assert cell.data_type != "f", cell.coordinate
        value = cell.value
        if value is None:
            return ""
        if isinstance(value, datetime.datetime):
            return value.strftime("%Y-%m-%d %H:%M:%S")
        # The reader leaves this escape of the format's as it is.
        return re.sub("_x([0-9A-Fa-f]{4})_", lambda found: chr(int(found[1], 16)), str(value))

    long = {}
    if "long texts" in book.sheetnames:
        for row in list(book["long texts"])[1:]:
            table, own, column, _, text = [text_of(cell) for cell in row]
            long[(table, own, column)] = long.get((table, own, column), "") + text

    def table(name):
        sheet = [[text_of(cell) for cell in row] for row in book[name]]
        rows = [dict(zip(sheet[0], row)) for row in sheet[1:]]
        for (of, own, column), text in long.items():
            for row in rows:
                if of == name and row[sheet[0][sheet[0].index(name[:-1] + "_id")]] == own:
                    assert "[cut; all" in row[column] and text.startswith(row[column][:1000])
                    row[column] = text
        return rows

    check_tables(table)
    assert any(of == "threads" for of, _, _ in long), "the sample has a long text"


def check_json():
    def plain(it):
        return {key: value for key, value in it.items() if key != "object"}

    if FORMAT == "jsonl":
        lines = [json.loads(line) for line in OUT.read_text(encoding="utf-8").split("\n") if line]
        found = [plain(it) for it in lines if it["object"] == "conversation"]
        people = [plain(it) for it in lines if it["object"] == "customer"]
    else:
        document = json.loads(OUT.read_text(encoding="utf-8"))
        found, people = document["conversations"], document["customers"]
    same("conversations", found, [plain(it) for it in conversations.values()])
    same("customers", people, [plain(it) for it in customers.values()])


def check_mails():
    if FORMAT == "mbox":
        box = mailbox.mbox(OUT, create=False)
        # In mboxrd each line that looks like a separator has one more mark before it.
        raw = [re.sub(rb"(?m)^>(>*From )", rb"\1", box.get_bytes(key)) for key in box.keys()]
    else:
        box = mailbox.Maildir(OUT, create=False)
        assert all("S" in mail.get_flags() for mail in box)
        raw = [box.get_bytes(key) for key in box.keys()]
    mails = [email.message_from_bytes(data, policy=email.policy.default) for data in raw]
    same("mails", sorted(int(mail["X-FreeScout-Thread"]) for mail in mails), sorted(threads))
    ids = {int(mail["X-FreeScout-Thread"]): mail["Message-ID"] for mail in mails}
    same("message ids", len(set(ids.values())), len(threads))
    for mail in mails:
        conversation, thread = threads[int(mail["X-FreeScout-Thread"])]
        what = f"mail of thread {thread['id']}"
        same(f"{what}: defects", [part.defects for part in mail.walk() if part.defects], [])
        same(f"{what}: conversation", int(mail["X-FreeScout-Conversation"]), conversation["id"])
        subject = " ".join(conversation["subject"].split())
        assert " ".join(mail["Subject"].split()).endswith(subject), (what, mail["Subject"], subject)
        date = mail["Date"].datetime.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        same(f"{what}: date", date, thread["createdAt"])
        own = [it["id"] for it in conversation["_embedded"]["threads"]]
        before = own[: own.index(thread["id"])]
        same(f"{what}: in reply to", mail["In-Reply-To"], ids[before[-1]] if before else None)
        references = (mail["References"] or "").split()
        assert set(references) <= {ids[it] for it in before} and bool(references) == bool(before), what
        html_part = mail.get_body(("html",))
        text = lf(html_part.get_content()).rstrip("\n")
        expected = lf(body_of(thread)).rstrip("\n")
        if thread["type"] != "lineitem":
            same(f"{what}: text", text, expected)
        found = [(part.get_filename(), part.get_payload(decode=True)) for part in mail.iter_attachments()]
        names = [(" ".join(name.split()), content) for name, content in files_of(thread)]
        same(f"{what}: files", [(" ".join(name.split()), content) for name, content in found], names)


class Page(html.parser.HTMLParser):
    """What a page shows, and where it leads."""

    SILENT = {"script", "style", "title", "template", "iframe", "object", "noembed", "head"}

    def __init__(self, text):
        super().__init__()
        self.text, self.links, self.silent, self.tags = [], [], 0, []
        self.feed(text)
        self.close()
        self.shown = re.sub(r"\s+", "", "".join(self.text))

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.silent += tag in self.SILENT
        for name, value in attributes:
            assert not name.startswith("on"), (tag, name)
            if name in ("href", "src", "srcset", "action", "poster", "background", "data"):
                self.links.append((tag, name, value or ""))

    def handle_endtag(self, tag):
        self.silent -= tag in self.SILENT and self.silent > 0

    def handle_data(self, data):
        if not self.silent:
            self.text.append(data)


def text_of_html(text):
    class Text(Page):
        def handle_starttag(self, tag, attributes):
            self.silent += tag in self.SILENT

    return Text(text).shown


def check_html():
    reached = set()
    for place in OUT.rglob("*.html"):
        if place.relative_to(OUT).parts[0] == "files":
            raise AssertionError(f"{place} would run in a browser")
        page = Page(place.read_text(encoding="utf-8"))
        same(f"scripts of {place}", page.tags.count("script"), int(place == OUT / "index.html"))
        for tag, name, value in page.links:
            scheme = urllib.parse.urlsplit(value).scheme
            assert scheme in ("", "http", "https", "mailto", "tel", "cid", "data"), (place, value)
            if not scheme and not value.startswith("#"):
                target = (place.parent / urllib.parse.unquote(value)).resolve()
                assert target.is_relative_to(OUT.resolve()) and target.is_file(), (place, value)
                reached.add(target)
            else:
                assert tag in ("a", "img"), (place, tag, name, value)
    for conversation in conversations.values():
        place = OUT / f"c/{conversation['id'] // 1000:04}/{conversation['id']}.html"
        assert place.resolve() in reached, f"no page leads to {place}"
        page = Page(place.read_text(encoding="utf-8"))
        assert re.sub(r"\s+", "", conversation["subject"]) in page.shown, conversation["subject"]
        for thread in conversation["_embedded"]["threads"]:
            text = text_of_html(body_of(thread))
            assert text in page.shown, f"thread {thread['id']}: {text!r} not in {page.shown!r}"
            for number, file in enumerate(thread["_embedded"]["attachments"], 1):
                if "content" in file:
                    folder = OUT / f"files/{conversation['id'] // 1000:04}/{conversation['id']}/{thread['id']}-{number}"
                    (stored,) = folder.iterdir()
                    assert stored.resolve() in reached, f"no page leads to {stored}"
                    same("file", stored.read_bytes(), base64.b64decode(file["content"]))


CHECKS = {
    "csv": check_csv,
    "xlsx": check_xlsx,
    "json": check_json,
    "jsonl": check_json,
    "mbox": check_mails,
    "maildir": check_mails,
    "html": check_html,
}
CHECKS[FORMAT]()
