//! What an archive holds, as text of at most 80 columns.

use std::fmt::Write as _;

use super::{BigRecord, Head, Holdings};
use crate::distinct::{Frequent, Largest, Months, Values};
use crate::report::figures::{grouped, shortened, size};
use crate::source::Facts;

/// How wide the text is, as long as no single word is wider.
const WIDTH: usize = 80;

/// How many values of a field are shown; JSON has up to 200.
const SHOWN_VALUES: usize = 8;

/// How many people, records and files are shown; JSON has ten.
const SHOWN: usize = 5;

/// Everything, ready to print.
pub fn text(holdings: &Holdings, head: &Head, facts: &Facts) -> String {
    let mut rows = Rows::default();
    let variants = if facts.variants.is_empty() { String::new() } else { format!(" ({})", facts.variants.join(", ")) };
    rows.row("format", format!("{}{variants}", head.format));
    rows.row("files", format!("{}, {}", head.files, size(head.bytes)));
    for (name, count) in &facts.counts {
        rows.row(name, count.to_string());
    }
    let unreadable =
        if holdings.unreadable > 0 { format!(", {} unreadable", holdings.unreadable) } else { String::new() };
    rows.row("records", format!("{}{unreadable}", holdings.records));
    let notes = if holdings.notes > 0 { format!(", {} of them private", holdings.notes) } else { String::new() };
    rows.row("entries", format!("{}{notes}", holdings.entries));
    let about = if holdings.people.is_estimate() { "about " } else { "" };
    rows.row("people", format!("{about}{}", holdings.people.count()));
    let mut files = holdings.attachments.to_string();
    if holdings.attachment_bytes > 0 {
        let _ = write!(files, ", {}", size(holdings.attachment_bytes));
    }
    if holdings.without_bytes > 0 {
        let _ = write!(files, ", {} without bytes in the archive", holdings.without_bytes);
    }
    rows.row("attachments", files);
    if let (Some(first), Some(last)) = (holdings.first, holdings.last) {
        rows.row("from", first.to_string());
        rows.row("to", last.to_string());
    }
    for (name, values) in [
        ("statuses", &holdings.statuses),
        ("channels", &holdings.channels),
        ("kinds of entry", &holdings.kinds),
        ("tags", &holdings.tags),
        ("further fields", &holdings.fields),
    ] {
        rows.list(name, most_frequent(values));
    }
    let types = holdings.file_types();
    let shown = types.iter().take(SHOWN_VALUES).map(|(name, kind)| format!("{name} {}", kind.count));
    rows.list("attachment types", shown.collect());
    rows.list("most requests by", people(&holdings.requesters));
    rows.list("most assigned to", people(&holdings.assignees));
    rows.list("most written to", people(&holdings.recipients));
    let mut text = rows.finish();
    push_months(&mut text, &holdings.months);
    push_records(&mut text, "most entries", &holdings.longest, |it| grouped(it.entries));
    push_records(&mut text, "most bytes", &holdings.biggest, |it| size(it.bytes));
    if holdings.biggest_files.iter().next().is_some() {
        text.push_str("\nbiggest attachments\n");
        for (bytes, file) in holdings.biggest_files.iter().take(SHOWN) {
            push_line(&mut text, &size(bytes), &format!("{} ({})", file.name, file.record));
        }
    }
    text
}

/// A table of two columns, the second of which is wrapped.
#[derive(Default)]
struct Rows(Vec<(String, Vec<String>)>);

impl Rows {
    fn row(&mut self, name: &str, value: String) {
        self.0.push((name.replace('_', " "), vec![value]));
    }

    /// Parts that may stand on several lines; without any there is no row.
    fn list(&mut self, name: &str, parts: Vec<String>) {
        if !parts.is_empty() {
            self.0.push((name.to_owned(), parts));
        }
    }

    fn finish(self) -> String {
        let width = self.0.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        let mut text = String::new();
        for (name, parts) in &self.0 {
            let mut line = format!("{name:width$}  ");
            let mut is_begun = false;
            for (at, part) in parts.iter().enumerate() {
                let comma = if at + 1 < parts.len() { "," } else { "" };
                if is_begun && line.chars().count() + part.chars().count() + 1 + comma.len() > WIDTH {
                    let _ = writeln!(text, "{}", line.trim_end());
                    line = " ".repeat(width + 2);
                    is_begun = false;
                }
                let blank = if is_begun { " " } else { "" };
                let _ = write!(line, "{blank}{part}{comma}");
                is_begun = true;
            }
            let _ = writeln!(text, "{line}");
        }
        text
    }
}

fn most_frequent(values: &Values) -> Vec<String> {
    let all = values.most_frequent();
    let mut shown: Vec<String> =
        all.iter().take(SHOWN_VALUES).map(|(value, count)| format!("{} {count}", cut(value, 50))).collect();
    let rest = all.iter().skip(SHOWN_VALUES).map(|(_, count)| count).sum::<u64>() + values.others;
    if rest > 0 {
        shown.push(format!("others {rest}"));
    }
    shown
}

fn people(people: &Frequent) -> Vec<String> {
    people.top(SHOWN).into_iter().map(|(name, count)| format!("{} {count}", cut(name, 50))).collect()
}

/// A row for each year, with a mark for each month.
fn push_months(text: &mut String, months: &Months) {
    const MARKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let all = months.all();
    let Some(most) = all.iter().map(|(.., count)| *count).max() else { return };
    text.push_str("\nrecords by month, January to December\n");
    let (first, last) = (all[0].0, all[all.len() - 1].0);
    for year in first..=last {
        let counts: Vec<(i8, u64)> =
            all.iter().filter(|(of, ..)| *of == year).map(|(_, month, count)| (*month, *count)).collect();
        let sum: u64 = counts.iter().map(|(_, count)| count).sum();
        if sum == 0 {
            continue;
        }
        let mark = |month: i8| match counts.iter().find(|(of, _)| *of == month).map_or(0, |(_, count)| *count) {
            0 => '·',
            count => MARKS[((count * 8).div_ceil(most) as usize - 1).min(7)],
        };
        let _ = writeln!(text, "  {year}  {}  {}", (1..=12).map(mark).collect::<String>(), grouped(sum));
    }
    if months.elsewhen > 0 {
        let _ = writeln!(text, "  without a date between 1970 and 2038: {}", grouped(months.elsewhen));
    }
}

fn push_records(text: &mut String, title: &str, records: &Largest<BigRecord>, weight: impl Fn(&BigRecord) -> String) {
    if records.iter().next().is_none() {
        return;
    }
    let _ = writeln!(text, "\n{title}");
    for (_, it) in records.iter().take(SHOWN) {
        let subject = if it.subject.is_empty() { "(no subject)" } else { &it.subject };
        push_line(text, &weight(it), &format!("{} ({})", cut(subject, 38), it.record));
    }
}

fn push_line(text: &mut String, weight: &str, what: &str) {
    let _ = writeln!(text, "  {weight:>12}  {}", cut(what, WIDTH - 16).trim_end());
}

/// At most so many characters, without control characters.
fn cut(text: &str, most: usize) -> String {
    let text = shortened(text);
    if text.chars().count() <= most {
        return text;
    }
    let mut short: String = text.chars().take(most - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_wrapped_under_their_beginning() {
        let mut rows = Rows::default();
        rows.row("some_name", "1".to_owned());
        rows.list("tags", (0..9).map(|n| format!("value-number-{n} {n}")).collect());
        rows.list("nothing", Vec::new());
        assert_eq!(
            rows.finish(),
            "some name  1\n\
             tags       value-number-0 0, value-number-1 1, value-number-2 2,\n           \
             value-number-3 3, value-number-4 4, value-number-5 5,\n           \
             value-number-6 6, value-number-7 7, value-number-8 8\n"
        );
    }

    #[test]
    fn each_year_is_a_row_of_twelve_months() {
        let mut months = Months::default();
        for (time, count) in [("2021-03-01T00:00:00Z", 80), ("2021-12-01T00:00:00Z", 1), ("2024-01-01T00:00:00Z", 40)] {
            (0..count).for_each(|_| months.add(time.parse().ok()));
        }
        months.add(None);
        let mut text = String::new();
        push_months(&mut text, &months);
        assert_eq!(
            text,
            "\nrecords by month, January to December\n  2021  ··█········▁  81\n  2024  ▄···········  40\n  \
             without a date between 1970 and 2038: 1\n"
        );
    }
}
