//! Cuts a listing into its records while its bytes come. One record is held at a time, and each part has a limit that is
//! checked before a byte is kept: nobody knows how long an answer is before it is over.

use bytes::{Buf as _, Bytes};
use serde_json::value::RawValue;

use super::{
    envelope::{BOM, Envelope, describe},
    error::{Error, Result},
    matrix::{LISTING_CUT, UNREADABLE},
};
use crate::domain::reasons::Reason;

/// Longest record in bytes; real ones have one kilobyte.
const MAX_RECORD: usize = 1 << 20;
/// Longest envelope, and longest text behind a list, in bytes.
const MAX_AROUND: usize = 1 << 16;
/// So much of something else is enough to say what it is.
const MAX_SHOWN: usize = 256;
/// Most open brackets.
const MAX_DEPTH: usize = 64;
/// Most records; Haier's whole catalogue has some ten thousand.
const MAX_RECORDS: usize = 1_000_000;

/// A listing, as far as its bytes have come: the list alone, or an envelope with the list in `data`.
#[derive(Default)]
pub(super) struct Frames {
    place: Place,
    lexer: Lexer,
    /// The bytes of the record that is under way.
    record: Vec<u8>,
    /// The envelope, with an empty list in place of its list; what stands where a list should.
    around: Vec<u8>,
    /// What follows the list or the envelope.
    behind: Vec<u8>,
    /// Where the last string directly in the envelope begins and ends.
    key: (usize, usize),
    /// Whether the last thing directly in the envelope was a colon.
    after_colon: bool,
    enveloped: bool,
    has_list: bool,
    records: usize,
    /// Whether the last record was followed by a comma.
    after_comma: bool,
}

/// Where the next byte belongs.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the first bracket.
    #[default]
    Start,
    Envelope,
    List,
    Behind,
    /// In something that is no listing.
    Other,
}

/// Follows strings and brackets; everything else is the parser's.
#[derive(Default)]
struct Lexer {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Lexer {
    /// Whether this byte stands outside of strings.
    fn step(&mut self, byte: u8) -> bool {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.in_string = true,
            b'[' | b'{' => self.depth += 1,
            b']' | b'}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        !self.in_string
    }
}

impl Frames {
    /// How many records have come.
    pub(super) const fn records(&self) -> usize {
        self.records
    }

    /// The next record; takes the bytes up to its end. `None`: they hold no further one.
    pub(super) fn next(&mut self, bytes: &mut Bytes) -> Result<Option<Box<RawValue>>> {
        for (at, byte) in bytes.iter().enumerate() {
            if self.take(*byte)? {
                bytes.advance(at + 1);
                return self.finish_record().map(Some);
            }
        }
        bytes.clear();
        Ok(None)
    }

    /// Judges the whole after its last byte: whether it ended as it should, and whether the envelope refuses.
    pub(super) fn finish(&self) -> Result<()> {
        match self.place {
            Place::Other => return Err(Error::of(UNREADABLE, describe(&self.around))),
            Place::Behind => {}
            Place::Start | Place::Envelope | Place::List => {
                let detail = format!("the listing broke off after {} records: it does not end", self.records);
                return Err(Error::of(LISTING_CUT, detail));
            }
        }
        if self.enveloped {
            let envelope = serde_json::from_slice::<Envelope<'_>>(&self.around)
                .map_err(|error| self.unreadable(&format!("its envelope is not as expected ({error})")))?;
            if let Some(refusal) = envelope.refusal(self.has_list) {
                return Err(refusal);
            }
            if !self.has_list && !envelope.is_empty_answer() {
                return Err(self.unreadable("an object without a list in data"));
            }
        }
        if self.behind.is_empty() {
            return Ok(());
        }
        // A server that fails in mid-answer may write its error behind what it has sent.
        let refusal = serde_json::from_slice::<Envelope<'_>>(&self.behind);
        let refusal = refusal.ok().and_then(|envelope| envelope.refusal(false));
        Err(refusal.unwrap_or_else(|| self.unreadable("something follows the end of its list")))
    }

    /// Takes a byte in; whether a record ends with it.
    fn take(&mut self, byte: u8) -> Result<bool> {
        match self.place {
            Place::Start => self.start(byte),
            Place::Envelope => self.envelope(byte),
            Place::List => return self.list(byte),
            Place::Behind if self.behind.is_empty() && byte.is_ascii_whitespace() => Ok(()),
            Place::Behind => keep(&mut self.behind, byte, MAX_AROUND, "text behind its list"),
            Place::Other if self.around.len() >= MAX_SHOWN => {
                Err(Error::of(UNREADABLE, describe(&self.around)))
            }
            Place::Other => {
                self.around.push(byte);
                Ok(())
            }
        }
        .map(|()| false)
    }

    fn start(&mut self, byte: u8) -> Result<()> {
        if byte.is_ascii_whitespace() && self.around.is_empty() {
            return Ok(());
        }
        let opening = self.around.is_empty() || self.around == BOM;
        match byte {
            b'[' if opening => self.place = Place::List,
            b'{' if opening => (self.place, self.enveloped) = (Place::Envelope, true),
            _ if BOM.starts_with(&self.around) && BOM.get(self.around.len()) == Some(&byte) => {}
            _ => self.place = Place::Other,
        }
        match self.place {
            Place::List | Place::Envelope => {
                self.around.clear();
                self.lexer.step(byte);
                if self.enveloped {
                    self.around.push(byte);
                }
            }
            _ => self.around.push(byte),
        }
        Ok(())
    }

    fn envelope(&mut self, byte: u8) -> Result<()> {
        let begins_string = byte == b'"' && !self.lexer.in_string;
        let outside = self.lexer.step(byte);
        self.check_depth()?;
        if self.lexer.depth == 2 && byte == b'[' && outside && self.after_colon && self.is_data() {
            self.around.extend_from_slice(b"[]");
            (self.place, self.has_list) = (Place::List, true);
            (self.after_colon, self.after_comma) = (false, false);
            return Ok(());
        }
        keep(&mut self.around, byte, MAX_AROUND, "envelope")?;
        if self.lexer.depth == 1 {
            match byte {
                _ if begins_string => self.key.0 = self.around.len() - 1,
                b'"' if !self.lexer.in_string => self.key.1 = self.around.len(),
                _ => {}
            }
        }
        if !byte.is_ascii_whitespace() {
            self.after_colon = outside && byte == b':' && self.lexer.depth == 1;
        }
        if self.lexer.depth == 0 {
            self.place = Place::Behind;
        }
        Ok(())
    }

    /// Whether the value that begins is that of `data`.
    fn is_data(&self) -> bool {
        let key = self.around.get(self.key.0..self.key.1).unwrap_or_default();
        serde_json::from_slice::<String>(key).is_ok_and(|key| key == "data")
    }

    fn list(&mut self, byte: u8) -> Result<bool> {
        let outside = self.lexer.step(byte);
        self.check_depth()?;
        let depth = if self.enveloped { 2 } else { 1 };
        if outside && self.lexer.depth < depth {
            if byte != b']' {
                return Err(self.unreadable("its list does not end with `]`"));
            }
            self.place = if self.enveloped { Place::Envelope } else { Place::Behind };
            let is_blank = self.record.iter().all(u8::is_ascii_whitespace);
            // An empty list; behind a comma a record is missing.
            return Ok(!is_blank || self.after_comma);
        }
        if outside && self.lexer.depth == depth && byte == b',' {
            self.after_comma = true;
            return Ok(true);
        }
        keep(&mut self.record, byte, MAX_RECORD, "record")?;
        Ok(false)
    }

    fn finish_record(&mut self) -> Result<Box<RawValue>> {
        if self.records == MAX_RECORDS {
            let detail = format!("the listing holds more than {MAX_RECORDS} records");
            return Err(Error::new(Reason::MalformedAnswer, detail));
        }
        let text = String::from_utf8(std::mem::take(&mut self.record));
        let text = text.map_err(|_| self.unreadable("it is not UTF-8"))?;
        let raw = RawValue::from_string(text).map_err(|error| self.unreadable(&error.to_string()))?;
        self.records += 1;
        Ok(raw)
    }

    fn check_depth(&self) -> Result<()> {
        if self.lexer.depth <= MAX_DEPTH {
            return Ok(());
        }
        Err(self.unreadable(&format!("more than {MAX_DEPTH} brackets are open")).for_good())
    }

    fn unreadable(&self, why: &str) -> Error {
        let what = if self.records == 0 { "the answer is no listing" } else { "the listing cannot be read" };
        Error::of(UNREADABLE, format!("{what} after {} records: {why}", self.records))
    }
}

fn keep(kept: &mut Vec<u8>, byte: u8, most: usize, what: &str) -> Result<()> {
    if kept.len() == most {
        // It would be as long the next time.
        let detail = format!("the listing has a {what} of more than {most} bytes");
        return Err(Error::new(Reason::MalformedAnswer, detail));
    }
    kept.push(byte);
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    /// The records and how it ends, whatever pieces the bytes come in.
    fn read(body: &[u8], piece: usize) -> (Vec<String>, Result<()>) {
        let (mut frames, mut records) = (Frames::default(), Vec::new());
        for piece in body.chunks(piece) {
            let mut bytes = Bytes::copy_from_slice(piece);
            loop {
                match frames.next(&mut bytes) {
                    Ok(Some(record)) => records.push(record.get().to_owned()),
                    Ok(None) => break,
                    Err(error) => return (records, Err(error)),
                }
            }
        }
        let end = frames.finish();
        (records, end)
    }

    #[test]
    fn a_listing_is_cut_into_its_records_in_whatever_pieces_it_comes() {
        for (body, records) in [
            ("[]", &[][..]),
            (" [ ] ", &[]),
            ("\u{feff}[1]", &["1"]),
            (r#"[{"a":[1,{"b":"]}\\\""}]}, 2 ,"x,y"]"#, &[r#"{"a":[1,{"b":"]}\\\""}]}"#, "2", r#""x,y""#]),
            (r#"{"success":true,"rows":[1,2],"data":[{"a":1},{}],"code":200}"#, &[r#"{"a":1}"#, "{}"]),
            (r#"{"d\u0061ta":[1]}"#, &["1"]),
            (r#"{"x":{"data":[7]},"data" : [ 1 , 2 ] , "message" : "data"}"#, &["1", "2"]),
            (r#"{"success":true,"data":null}"#, &[]),
            (r#"{"code":200}"#, &[]),
        ] {
            for piece in [1, 2, 3, 7, 1_000] {
                let (read, end) = read(body.as_bytes(), piece);
                assert_eq!(
                    (read.iter().map(String::as_str).collect::<Vec<_>>(), end),
                    (records.to_vec(), Ok(())),
                    "{body}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_listing_or_ends_too_soon_or_goes_on_behind_its_end_is_refused() {
        use Reason::{ListingCut, MalformedAnswer, ServerError};
        for (body, records, reason) in [
            (&b""[..], 0, ListingCut),
            (b"\xef\xbb", 0, ListingCut),
            (b"[1,2", 1, ListingCut),
            (br#"{"data":[1,2]"#, 2, ListingCut),
            (br#"{"data":[{"a":"]}"#, 0, ListingCut),
            (b"<html>", 0, MalformedAnswer),
            (b"true", 0, MalformedAnswer),
            (b"\xff\xfe[\0]\0", 0, MalformedAnswer),
            (b"[1,]", 1, MalformedAnswer),
            (b"[,1]", 0, MalformedAnswer),
            (b"[1 2]", 0, MalformedAnswer),
            (b"[1}", 0, MalformedAnswer),
            (b"[NaN]", 0, MalformedAnswer),
            (b"[{\"a\":1]]", 0, MalformedAnswer),
            (b"[\"\xff\"]", 0, MalformedAnswer),
            (b"[1] x", 1, MalformedAnswer),
            (b"[1][2]", 1, MalformedAnswer),
            (br#"{"data":[1]}{"data":[2]}"#, 1, MalformedAnswer),
            (b"{}", 0, MalformedAnswer),
            (br#"{"success":true,"data":{"list":[1]}}"#, 0, MalformedAnswer),
            (br#"{"data":[1],"success":}"#, 1, MalformedAnswer),
            // An error that counts, wherever it stands.
            (br#"{"success":false,"code":"500","data":[1]}"#, 1, ServerError),
            (br#"{"data":[1],"success":false,"code":"500"}"#, 1, ServerError),
            (br#"[1]{"success":false,"code":"500","message":"m"}"#, 1, ServerError),
            (br#"[1] {"code":503}"#, 1, ServerError),
        ] {
            for piece in [1, 5, 1_000] {
                let (read, end) = read(body, piece);
                let text = String::from_utf8_lossy(body);
                assert_eq!(
                    (read.len(), end.as_ref().map_err(|error| error.reason)),
                    (records, Err(reason)),
                    "{text}: {end:?}"
                );
            }
        }
    }

    #[test]
    fn no_part_of_a_listing_grows_without_end() {
        let long = "x".repeat(MAX_RECORD + 1);
        let deep = "[".repeat(MAX_DEPTH + 1);
        for (body, word) in [
            (format!(r#"[{{"productCode":"A","productName":"{long}"#), "record"),
            (format!(r#"[{{"{long}"#), "record"),
            (format!("[{}", "9".repeat(MAX_RECORD + 1)), "record"),
            (format!("[{}", " ".repeat(MAX_RECORD + 1)), "record"),
            (format!(r#"{{"message":"{long}"#), "envelope"),
            (format!(r#"{{"data":[1],"{long}"#), "envelope"),
            (format!(r#"{{"code":[{}"#, "1,".repeat(MAX_AROUND)), "envelope"),
            (format!("[1]{long}"), "behind"),
            (format!("[{deep}"), "brackets"),
            (format!(r#"{{"x":{deep}"#), "brackets"),
        ] {
            let (mut frames, mut bytes) = (Frames::default(), Bytes::from(body));
            let error = loop {
                match frames.next(&mut bytes) {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("{word}: nothing is wrong"),
                    Err(error) => break error,
                }
            };
            assert!(
                error.reason == Reason::MalformedAnswer && error.detail.contains(word),
                "{word}: {error}"
            );
            assert!(
                frames.record.len() + frames.around.len() + frames.behind.len()
                    <= MAX_RECORD + 2 * MAX_AROUND
            );
        }
    }
}
