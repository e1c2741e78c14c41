//! Mails that S/MIME signs as a whole: the mail inside the signature.
//!
//! Nothing is verified here; the signature stays an attachment. Facts: RFC 5652 for what is signed, X.690 for how it is
//! written: lengths may be missing, and a text may come in pieces.

/// `1.2.840.113549.1.7.2` and `….1`: what is signed, and data.
const SIGNED: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x02];
const DATA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x01];

const SEQUENCE: u8 = 0x30;
const OBJECT_ID: u8 = 0x06;
const OCTETS: u8 = 0x04;
const OCTETS_IN_PIECES: u8 = 0x24;
/// What the standard marks with `[0]`.
const FIRST: u8 = 0xA0;

/// Deeper than anything that is signed; hostile bytes nest as deep as they are long.
const DEPTH: usize = 16;

/// The mail that was signed; `None` when these bytes are something else, or were signed apart from it.
pub fn signed(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut outer = Reader { rest: bytes }.inside(SEQUENCE)?;
    (outer.inside(OBJECT_ID)?.rest == SIGNED).then_some(())?;
    let mut signed = outer.inside(FIRST)?.inside(SEQUENCE)?;
    // The version and the list of algorithms.
    signed.skip(0)?;
    signed.skip(0)?;
    let mut content = signed.inside(SEQUENCE)?;
    (content.inside(OBJECT_ID)?.rest == DATA).then_some(())?;
    let mut out = Vec::new();
    content.inside(FIRST)?.octets(&mut out, 0)?;
    (!out.is_empty()).then_some(out)
}

/// Values, one after the other.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The kind of the next value, and its length unless that is missing; what follows is its content.
    fn head(&mut self) -> Option<(u8, Option<usize>)> {
        let [kind, first, rest @ ..] = self.rest else { return None };
        self.rest = rest;
        let length = match first {
            0x80 => None,
            0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7F))?;
                self.rest = rest;
                Some(digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)))
            }
            0x85.. => return None,
            short => Some(usize::from(*short)),
        };
        Some((*kind, length))
    }

    /// Goes into the next value, which has to be of this kind, and passes over it here.
    ///
    /// Where its length is missing it goes on to the end of what holds it: nothing after it is asked for.
    fn inside(&mut self, wanted: u8) -> Option<Reader<'a>> {
        let (kind, length) = self.head()?;
        (kind == wanted).then_some(())?;
        let inner = match length {
            // What was cut off gives what there is.
            Some(length) => &self.rest[..length.min(self.rest.len())],
            None => self.rest,
        };
        self.rest = &self.rest[inner.len()..];
        Some(Reader { rest: inner })
    }

    /// Passes over a value and what is in it.
    fn skip(&mut self, depth: usize) -> Option<()> {
        let (_, length) = self.head()?;
        match length {
            Some(length) => self.rest = self.rest.get(length..)?,
            None if depth >= DEPTH => return None,
            None => {
                while !self.rest.starts_with(&[0, 0]) {
                    self.skip(depth + 1)?;
                }
                self.rest = &self.rest[2..];
            }
        }
        Some(())
    }

    /// Puts bytes together that may have come in pieces.
    fn octets(&mut self, out: &mut Vec<u8>, depth: usize) -> Option<()> {
        let mut pieces = match *self.rest.first()? {
            OCTETS => {
                out.extend_from_slice(self.inside(OCTETS)?.rest);
                return Some(());
            }
            OCTETS_IN_PIECES if depth < DEPTH => self.inside(OCTETS_IN_PIECES)?,
            _ => return None,
        };
        while !pieces.rest.is_empty() && !pieces.rest.starts_with(&[0, 0]) {
            pieces.octets(out, depth + 1)?;
        }
        Some(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn value(kind: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        let length = match length {
            0..0x80 => vec![length as u8],
            _ => vec![0x82, (length >> 8) as u8, length as u8],
        };
        [&[kind][..], &length, content].concat()
    }

    /// As mail programs write it, with every length.
    pub fn wrapped(content: &[u8]) -> Vec<u8> {
        let inner = [value(OBJECT_ID, DATA), value(FIRST, &value(OCTETS, content))].concat();
        let signed = [value(0x02, &[1]), value(0x31, &[]), value(SEQUENCE, &inner), value(0x31, b"signers")].concat();
        value(SEQUENCE, &[value(OBJECT_ID, SIGNED), value(FIRST, &value(SEQUENCE, &signed))].concat())
    }

    /// As a program writes it that does not know the length yet: without any, and in pieces.
    fn streamed(pieces: &[&[u8]]) -> Vec<u8> {
        let open = |kind: u8| vec![kind, 0x80];
        let pieces: Vec<u8> = pieces.iter().flat_map(|piece| value(OCTETS, piece)).collect();
        let end = [0_u8; 2];
        [
            open(SEQUENCE),
            value(OBJECT_ID, SIGNED),
            open(FIRST),
            open(SEQUENCE),
            value(0x02, &[1]),
            [open(0x31), value(SEQUENCE, b""), end.to_vec()].concat(),
            open(SEQUENCE),
            value(OBJECT_ID, DATA),
            open(FIRST),
            open(OCTETS_IN_PIECES),
            pieces,
            end.repeat(6),
        ]
        .concat()
    }

    #[test]
    fn what_was_signed_is_found() {
        let long = b"x".repeat(300);
        assert_eq!(signed(&wrapped(b"hello")).as_deref(), Some(&b"hello"[..]));
        assert_eq!(signed(&wrapped(&long)), Some(long));
        assert_eq!(signed(&streamed(&[b"hel", b"lo"])).as_deref(), Some(&b"hello"[..]));
        assert_eq!(signed(b"hello"), None);
        assert_eq!(signed(&wrapped(b"")), None);
        let encrypted = [value(OBJECT_ID, &[&SIGNED[..8], &[3]].concat()), value(FIRST, b"x")].concat();
        assert_eq!(signed(&value(SEQUENCE, &encrypted)), None);
    }

    #[test]
    fn hostile_bytes_end() {
        for unit in
            [&[0x30_u8, 0x80][..], &[0x24, 0x80], &[0xA0, 0x80], &[0x04, 0], &[0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]]
        {
            assert_eq!(signed(&unit.repeat(100_000)), None);
            assert!(signed(&[&streamed(&[b"x"])[..40], &unit.repeat(100_000)].concat()).is_none_or(|it| it.len() < 9));
        }
    }
}
