//! The wire protocol (RESP2): commands out, replies in, nothing allocated per value.
//!
//! Replies are read in two steps: a [`Scanner`] finds out whether everything that was asked for has
//! arrived, then [`Replies`] walks the same bytes and lends the values.

use crate::errors::classify;
use jfs_meta::EngineError;

/// Longest bulk string the server itself allows; more is garbage.
const BULK_MAX: i64 = 512 << 20;
/// Most elements of an array; more is garbage.
const ARRAY_MAX: i64 = 1 << 28;

/// Commands encoded back to back, sent in one go.
#[derive(Default)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    commands: usize,
}

impl Request {
    /// Appends one command.
    pub(crate) fn call(&mut self, words: &[&[u8]]) {
        self.begin(words.len());
        for word in words {
            self.word(word);
        }
    }

    /// Starts a command of `words` words, each of which follows through [`Request::word`].
    pub(crate) fn begin(&mut self, words: usize) {
        self.commands += 1;
        self.header(b'*', words);
    }

    /// One word of the command begun last.
    pub(crate) fn word(&mut self, word: &[u8]) {
        self.header(b'$', word.len());
        self.bytes.extend_from_slice(word);
        self.bytes.extend_from_slice(b"\r\n");
    }

    fn header(&mut self, kind: u8, n: usize) {
        let mut digits = [0; 20];
        self.bytes.push(kind);
        self.bytes.extend_from_slice(decimal(n as u64, &mut digits));
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// Appends all commands of another request.
    pub(crate) fn append(&mut self, other: &Request) {
        self.bytes.extend_from_slice(&other.bytes);
        self.commands += other.commands;
    }

    /// What to send.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Commands so far, which is the number of replies to expect.
    pub(crate) fn commands(&self) -> usize {
        self.commands
    }

    /// Forgets everything. Keeps a small buffer for the next request.
    pub(crate) fn clear(&mut self, keep: usize) {
        self.bytes.clear();
        self.bytes.shrink_to(keep);
        self.commands = 0;
    }

    /// The first words of all commands, repeats counted: for the log of round trips.
    pub(crate) fn describe(&self) -> String {
        let mut text = String::new();
        let (mut rest, mut last, mut times) = (&self.bytes[..], &b""[..], 0);
        loop {
            let word = first_word(&mut rest);
            if times > 0 && word == Some(last) {
                times += 1;
                continue;
            }
            if times > 0 {
                let space = if text.is_empty() { "" } else { " " };
                text += &format!("{space}{}", String::from_utf8_lossy(last));
                if times > 1 {
                    text += &format!("*{times}");
                }
            }
            match word {
                Some(word) => (last, times) = (word, 1),
                None => return text,
            }
        }
    }
}

/// Takes a whole command off `rest` and returns its first word.
fn first_word<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut replies = Replies::new(rest);
    let Ok(Value::Array(words)) = replies.value() else { return None };
    let mut first = None;
    for _ in 0..words {
        let Ok(Value::Bulk(word)) = replies.value() else { return None };
        first.get_or_insert(word);
    }
    *rest = &rest[replies.at..];
    first
}

/// Writes `n` in decimal.
pub(crate) fn decimal(mut n: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            return &digits[at..];
        }
    }
}

/// Bytes that are no RESP.
#[derive(Debug)]
pub(crate) struct Garbage;

/// Counts replies that have arrived completely; goes on where it stopped.
pub(crate) struct Scanner {
    at: usize,
    left: usize,
}

impl Scanner {
    /// Waits for `replies` replies.
    pub(crate) fn new(replies: usize) -> Scanner {
        Scanner { at: 0, left: replies }
    }

    /// Whether all replies are in `bytes`, which starts at the first reply and grows from call to call.
    pub(crate) fn complete(&mut self, bytes: &[u8]) -> Result<bool, Garbage> {
        while self.left > 0 {
            let Some(line) = line(bytes, self.at) else { return Ok(false) };
            let after = self.at + line.len() + 2;
            let (kind, number) = (line.first(), line.get(1..).unwrap_or_default());
            match kind {
                Some(b'+' | b'-' | b':') => self.at = after,
                Some(b'$') => match integer(number)? {
                    -1 => self.at = after,
                    n @ 0..=BULK_MAX => {
                        let end = after + n as usize + 2;
                        if bytes.len() < end {
                            return Ok(false);
                        }
                        self.at = end;
                    }
                    _ => return Err(Garbage),
                },
                Some(b'*') => match integer(number)? {
                    -1 => self.at = after,
                    n @ 0..=ARRAY_MAX => {
                        self.left += n as usize;
                        self.at = after;
                    }
                    _ => return Err(Garbage),
                },
                _ => return Err(Garbage),
            }
            self.left -= 1;
        }
        if self.at == bytes.len() { Ok(true) } else { Err(Garbage) }
    }
}

/// The line that starts at `at`, without its end; `None` when it has not arrived completely.
fn line(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let rest = bytes.get(at..)?;
    let end = rest.iter().position(|b| *b == b'\n')?;
    Some(&rest[..end.max(1) - 1])
}

fn integer(digits: &[u8]) -> Result<i64, Garbage> {
    let text = std::str::from_utf8(digits).map_err(|_| Garbage)?;
    text.parse().map_err(|_| Garbage)
}

/// One reply, or one element of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// A short text such as `OK`.
    Status(&'a [u8]),
    /// The server refused.
    Error(&'a [u8]),
    /// A number.
    Integer(i64),
    /// Bytes.
    Bulk(&'a [u8]),
    /// Nothing there.
    Nil,
    /// So many values follow.
    Array(usize),
}

/// Walks replies that have arrived completely.
pub(crate) struct Replies<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Replies<'a> {
    /// `bytes` must have passed a [`Scanner`]; anything else ends in errors, not in panics.
    pub(crate) fn new(bytes: &'a [u8]) -> Replies<'a> {
        Replies { bytes, at: 0 }
    }

    /// The next value; arrays give their length first.
    pub(crate) fn value(&mut self) -> Result<Value<'a>, EngineError> {
        self.next().ok_or_else(|| EngineError::Fatal("the server's reply ends early".into()))
    }

    fn next(&mut self) -> Option<Value<'a>> {
        let line = line(self.bytes, self.at)?;
        self.at += line.len() + 2;
        let (kind, rest) = line.split_first()?;
        Some(match kind {
            b'+' => Value::Status(rest),
            b'-' => Value::Error(rest),
            b':' => Value::Integer(integer(rest).ok()?),
            b'$' => match usize::try_from(integer(rest).ok()?) {
                Err(_) => Value::Nil,
                Ok(n) => {
                    let bulk = self.bytes.get(self.at..self.at.checked_add(n)?)?;
                    self.at += n + 2;
                    Value::Bulk(bulk)
                }
            },
            b'*' => match usize::try_from(integer(rest).ok()?) {
                Err(_) => Value::Nil,
                Ok(n) => Value::Array(n),
            },
            _ => return None,
        })
    }

    /// The next value; an error reply becomes an engine error.
    fn good(&mut self) -> Result<Value<'a>, EngineError> {
        match self.value()? {
            Value::Error(text) => Err(classify(text)),
            value => Ok(value),
        }
    }

    /// A reply whose content does not matter, elements included; refusals are errors.
    pub(crate) fn done(&mut self) -> Result<(), EngineError> {
        let mut left = 1;
        while left > 0 {
            left -= 1;
            if let Value::Array(n) = self.good()? {
                left += n;
            }
        }
        Ok(())
    }

    /// Passes over a reply, refusals too.
    pub(crate) fn skip(&mut self) -> Result<(), EngineError> {
        let mut left = 1;
        while left > 0 {
            left -= 1;
            if let Value::Array(n) = self.value()? {
                left += n;
            }
        }
        Ok(())
    }

    /// Bytes or nothing.
    pub(crate) fn bulk(&mut self) -> Result<Option<&'a [u8]>, EngineError> {
        match self.good()? {
            Value::Bulk(bytes) => Ok(Some(bytes)),
            Value::Nil => Ok(None),
            other => Err(unexpected(other)),
        }
    }

    /// Bytes that must be there.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], EngineError> {
        self.bulk()?.ok_or_else(|| unexpected(Value::Nil))
    }

    /// A number.
    pub(crate) fn integer(&mut self) -> Result<i64, EngineError> {
        match self.good()? {
            Value::Integer(n) => Ok(n),
            other => Err(unexpected(other)),
        }
    }

    /// A number stored as text; `None` when there is none.
    pub(crate) fn stored_number(&mut self) -> Result<Option<i64>, EngineError> {
        self.bulk()?.map(number).transpose()
    }

    /// The length of an array whose elements follow; `None` for a null array.
    pub(crate) fn array(&mut self) -> Result<Option<usize>, EngineError> {
        match self.good()? {
            Value::Array(n) => Ok(Some(n)),
            Value::Nil => Ok(None),
            other => Err(unexpected(other)),
        }
    }

    /// The length of an array that must be there.
    pub(crate) fn elements(&mut self) -> Result<usize, EngineError> {
        self.array()?.ok_or_else(|| unexpected(Value::Nil))
    }
}

/// A stored decimal number. The caller names the record in the error.
pub(crate) fn number(text: &[u8]) -> Result<i64, EngineError> {
    let parsed = std::str::from_utf8(text).ok().and_then(|t| t.parse().ok());
    parsed.ok_or_else(|| {
        EngineError::corrupt("a number", format!("{:?} is none", String::from_utf8_lossy(text)))
    })
}

fn unexpected(value: Value<'_>) -> EngineError {
    EngineError::Fatal(format!("the server answered with {value:?}, which is not expected here"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn commands_are_encoded_and_described() {
        let mut r = Request::default();
        r.call(&[b"GET", b"i1"]);
        r.call(&[b"GET", b"i2"]);
        r.call(&[b"HGET", b"d1", b"a\r\nb"]);
        let wanted = b"*2\r\n$3\r\nGET\r\n$2\r\ni1\r\n*2\r\n$3\r\nGET\r\n$2\r\ni2\r\n\
            *3\r\n$4\r\nHGET\r\n$2\r\nd1\r\n$4\r\na\r\nb\r\n";
        assert_eq!(r.bytes(), wanted);
        assert_eq!((r.commands(), r.describe()), (3, "GET*2 HGET".to_string()));
        r.clear(0);
        assert_eq!((r.commands(), r.describe()), (0, String::new()));
    }

    #[test]
    fn decimals() {
        for n in [0, 9, 10, 1 << 53, u64::MAX] {
            assert_eq!(decimal(n, &mut [0; 20]), n.to_string().as_bytes());
        }
    }

    const REPLIES: &[u8] = b"+OK\r\n:-7\r\n$-1\r\n*2\r\n$4\r\na\r\nb\r\n*2\r\n:1\r\n$0\r\n\r\n-ERR no\r\n*-1\r\n";

    #[test]
    fn replies_are_complete_at_their_last_byte_only() {
        let mut scanner = Scanner::new(6);
        for n in 0..REPLIES.len() {
            assert!(!scanner.complete(&REPLIES[..n]).unwrap(), "{n}");
        }
        assert!(scanner.complete(REPLIES).unwrap());
        assert!(Scanner::new(5).complete(REPLIES).is_err(), "a reply too many");
        for garbage in [&b"hello\r\n"[..], b"$x\r\n", b"$-5\r\n", b"*99999999999\r\n", b"\n"] {
            assert!(Scanner::new(1).complete(garbage).is_err());
        }
    }

    #[test]
    fn replies_are_walked() {
        let mut r = Replies::new(REPLIES);
        assert_eq!(r.value().unwrap(), Value::Status(b"OK"));
        assert_eq!(r.integer().unwrap(), -7);
        assert_eq!(r.bulk().unwrap(), None);
        assert_eq!(r.array().unwrap(), Some(2));
        assert_eq!(r.bytes().unwrap(), b"a\r\nb");
        r.done().unwrap();
        assert!(matches!(r.bulk(), Err(EngineError::Fatal(t)) if t.contains("no")));
        assert_eq!(r.array().unwrap(), None);
        assert!(r.value().is_err());
    }

    #[test]
    fn any_cut_is_an_error_and_no_panic() {
        for n in 0..REPLIES.len() {
            let mut r = Replies::new(&REPLIES[..n]);
            while r.value().is_ok() {}
        }
        assert!(number(b"12x").is_err() && number(&[0xff]).is_err());
    }
}
