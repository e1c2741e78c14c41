"""Says what Python's `email` makes of mails: one line of JSON for each file below a folder.

    python3 tests/mail/answers.py FOLDER

The test in `src/mail/compared.rs` runs it and compares. A mail is read with `policy.default`, which decodes; where that
fails on a field, `compat32` and the older functions answer for it.
"""

import email
import email.header
import email.policy
import email.utils
import json
import os
import sys
import zlib


def attempt(*ways):
    """The first of the ways that does not raise."""
    for way in ways:
        try:
            return way()
        except Exception:  # noqa: BLE001 — what it raises on broken mail is many things
            continue
    return None


def clean(text):
    """Lone surrogates, which JSON would carry and no other program could read, as the replacement character."""
    return None if text is None else str(text).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def old_text(message, name):
    raw = message[name]
    return None if raw is None else str(email.header.make_header(email.header.decode_header(raw)))


def date(modern, old):
    def ask(value):
        if value is None:
            return None
        found = email.utils.parsedate_tz(str(value))
        return None if found is None else email.utils.mktime_tz(found)

    return attempt(lambda: ask(modern["date"]), lambda: ask(old["date"]))


def people(modern, old, name):
    def new_way():
        found = []
        for field in modern.get_all(name, []):
            found += [[clean(a.display_name), clean(a.addr_spec)] for a in field.addresses]
        return found

    def old_way():
        return [[clean(n), clean(a)] for n, a in email.utils.getaddresses(old.get_all(name, []))]

    found, older = attempt(new_way, old_way) or [], attempt(old_way) or []
    # Only the older functions know names in comments: `ann@example.org (Ann Lee)`.
    if [address for _, address in found] == [address for _, address in older]:
        found = [[n or o, address] for (n, address), (o, _) in zip(found, older)]
    return found


def text_of(part):
    def by_hand():
        payload = part.get_payload(decode=True) or b""
        charset = part.get_content_charset() or "ascii"
        return attempt(lambda: payload.decode(charset, "replace"), lambda: payload.decode("ascii", "replace"))

    return clean(attempt(part.get_content, by_hand)) or ""


def is_shown(part):
    """A text that is no attachment, or a multipart message that could not be taken apart."""
    is_text = part.get_content_type() in ("text/plain", "text/html") or part.get_content_maintype() == "multipart"
    return is_text and not part.is_attachment()


def walk(part, texts, files, is_body):
    """Sorts the leaves of a message into what is shown and what is a file."""
    kind = part.get_content_type()
    if part.is_multipart() and not kind.startswith("message/"):
        children = [child for child in part.iter_parts()]
        if kind == "multipart/alternative":
            best = None
            for child in children:
                some, more = [], []
                walk(child, some, more, True)
                files += more
                rank = 0 if not any(t.strip() for _, t in some) else 2 if any(k == "html" for k, _ in some) else 1
                if best is None or rank > best[0]:
                    best = (rank, some)
            texts += best[1] if best else []
            return
        for n, child in enumerate(children):
            # Pictures of a page are files, and so is a second page beside it.
            walk(child, texts if kind != "multipart/related" or n == 0 else None, files, n == 0 and is_body)
        return
    name = clean(attempt(part.get_filename))
    if texts is not None and is_shown(part) and (name is None or is_body):
        texts.append(["html" if kind == "text/html" else "plain", text_of(part)])
        return
    payload = None if kind.startswith("message/") else attempt(lambda: part.get_payload(decode=True))
    if payload is not None:
        size, sum_ = len(payload), zlib.crc32(payload)
    else:
        size, sum_ = None, None
    if size != 0 or name is not None:
        files.append([name, kind, size, sum_])


def answer(path):
    with open(path, "rb") as file:
        data = file.read()
    modern = email.message_from_bytes(data, policy=email.policy.default)
    old = email.message_from_bytes(data, policy=email.policy.compat32)
    texts, files = [], []
    problem = None
    try:
        walk(modern, texts, files, True)
    except Exception as error:  # noqa: BLE001
        problem = type(error).__name__
    return {
        "subject": clean(attempt(lambda: modern["subject"], lambda: old_text(old, "subject"))),
        "date": date(modern, old),
        "from": people(modern, old, "from"),
        "to": people(modern, old, "to"),
        "cc": people(modern, old, "cc"),
        "texts": texts,
        "files": files,
        "problem": problem,
    }


def main(folder):
    for path, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            whole = os.path.join(path, name)
            shown = os.path.relpath(whole, folder).replace(os.sep, "/")
            print(json.dumps({"file": shown, **answer(whole)}))


if __name__ == "__main__":
    main(sys.argv[1])
