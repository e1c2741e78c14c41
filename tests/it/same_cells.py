"""Compares what a spreadsheet shows of our tables with what we wrote: same_cells.py TABLES SHOWN."""

import csv
import pathlib
import sys

TABLES, SHOWN = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
csv.field_size_limit(10**9)


def cells(path, encoding="utf-8-sig"):
    with open(path, encoding=encoding, newline="") as file:
        return list(csv.reader(file, strict=True))


def compare(what, shown, written, plain):
    assert len(shown) == len(written), (what, len(shown), len(written))
    for number, (a, b) in enumerate(zip(shown, written)):
        # A spreadsheet leaves out empty cells at the end of a row.
        a += [""] * (len(b) - len(a))
        for column, (found, expected) in enumerate(zip(a, b)):
            expected = plain(expected)
            assert found == expected or "[cut; all" in found and "[cut; all" in expected, (what, number, written[0][column], found, expected)


def unguarded(text):
    return text[1:] if text.startswith("'") else text


for table in ("conversations", "threads", "customers"):
    written = cells(TABLES / f"{table}.csv")
    assert len(written) > 1
    compare(f"{table}.csv", cells(SHOWN / f"{table}.csv"), written, str)
    compare(f"{table} of the workbook", cells(SHOWN / f"book-{table}.csv"), written, unguarded)
