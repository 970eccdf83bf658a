//! Finding the commits in what a client sends.

use super::Wire;
use std::collections::HashSet;

/// Counts the commits of one connection as its bytes pass.
pub(super) enum Commits {
    Redis,
    Postgres(Postgres),
    Mysql(Mysql),
}

impl Commits {
    /// For a new connection.
    pub(super) fn of(wire: Wire) -> Commits {
        match wire {
            Wire::Redis => Commits::Redis,
            Wire::Postgres => Commits::Postgres(Postgres::default()),
            Wire::Mysql => Commits::Mysql(Mysql::default()),
        }
    }

    /// The commits that end within these bytes, the next ones of the connection.
    pub(super) fn count(&mut self, bytes: &[u8]) -> usize {
        match self {
            Commits::Redis => usize::from(redis(bytes)),
            Commits::Postgres(connection) => connection.count(bytes),
            Commits::Mysql(connection) => connection.count(bytes),
        }
    }
}

/// The client sends a commit in one piece, with the mark that tells the commits of operations and new ACL
/// rules from counters and the like, which are kept in transactions too.
fn redis(bytes: &[u8]) -> bool {
    let holds = |what: &[u8]| bytes.windows(what.len()).any(|w| w == what);
    holds(b"EXEC\r\n") && (holds(b"jfsCommit:") || holds(b"aclMaxId"))
}

/// A connection to PostgreSQL. Messages: a type, a length that counts itself, the content; the first
/// messages have no type.
#[derive(Default)]
pub(super) struct Postgres {
    pending: Vec<u8>,
    started: bool,
    /// Prepared statements that are COMMIT.
    commits: HashSet<Vec<u8>>,
    /// Portals that are bound to one.
    portals: HashSet<Vec<u8>>,
}

/// Asks for TLS or another encryption: after the server's refusal comes another first message.
const ENCRYPTION_REQUESTS: [u32; 2] = [80_877_103, 80_877_104];

impl Postgres {
    fn count(&mut self, bytes: &[u8]) -> usize {
        self.pending.extend(bytes);
        let mut commits = 0;
        loop {
            let head = usize::from(self.started);
            let Some(length) = self.pending.get(head..head + 4) else {
                return commits;
            };
            let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
            if self.pending.len() < head + length {
                return commits;
            }
            let message: Vec<u8> = self.pending.drain(..head + length).collect();
            let content = &message[head + 4..];
            match self.started {
                true => commits += usize::from(self.commits(message[0], content)),
                false => {
                    let request = content.first_chunk().map(|b| u32::from_be_bytes(*b));
                    self.started = !request.is_some_and(|r| ENCRYPTION_REQUESTS.contains(&r));
                }
            }
        }
    }

    /// Whether the message carries out a commit.
    fn commits(&mut self, kind: u8, content: &[u8]) -> bool {
        let mut words = content.split(|b| *b == 0).map(<[u8]>::to_vec);
        let mut word = || words.next().unwrap_or_default();
        match kind {
            b'Q' => has_commit(&word()),
            b'P' => {
                let (name, text) = (word(), word());
                mark(&mut self.commits, name, has_commit(&text));
                false
            }
            b'B' => {
                let (portal, statement) = (word(), word());
                let commits = self.commits.contains(&statement);
                mark(&mut self.portals, portal, commits);
                false
            }
            b'E' => self.portals.contains(&word()),
            _ => false,
        }
    }
}

fn mark(set: &mut HashSet<Vec<u8>>, name: Vec<u8>, there: bool) {
    if there {
        set.insert(name);
    } else {
        set.remove(&name);
    }
}

/// A connection to MySQL. Packets: a length of three bytes, a number, the content.
#[derive(Default)]
pub(super) struct Mysql {
    pending: Vec<u8>,
}

/// The command that runs a text.
const COM_QUERY: u8 = 3;

impl Mysql {
    fn count(&mut self, bytes: &[u8]) -> usize {
        self.pending.extend(bytes);
        let mut commits = 0;
        while let Some([a, b, c, _]) = self.pending.first_chunk() {
            let length = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
            if self.pending.len() < 4 + length {
                break;
            }
            let packet: Vec<u8> = self.pending.drain(..4 + length).collect();
            let first = packet[3] == 0;
            let text = packet[4..].split_first();
            commits += usize::from(
                first && text.is_some_and(|(c, text)| *c == COM_QUERY && has_commit(text)),
            );
        }
        commits
    }
}

/// Whether a COMMIT is among the statements of the text. Stored bytes are parameters or hexadecimal digits.
fn has_commit(text: &[u8]) -> bool {
    let mut statements = text.split(|b| *b == b';');
    statements.any(|statement| statement.trim_ascii().eq_ignore_ascii_case(b"COMMIT"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Commits in a stream, whole and byte by byte.
    fn count(wire: Wire, stream: &[u8]) -> usize {
        let whole = Commits::of(wire).count(stream);
        let mut commits = Commits::of(wire);
        let bytes: usize = stream.iter().map(|b| commits.count(&[*b])).sum();
        assert_eq!(whole, bytes);
        whole
    }

    fn postgres(messages: &[(u8, &[u8])]) -> Vec<u8> {
        let mut stream = Vec::new();
        for first in [&80_877_103u32.to_be_bytes()[..], b"\0\x03\0\0user\0me\0\0"] {
            stream.extend((first.len() as u32 + 4).to_be_bytes());
            stream.extend(first);
        }
        for (kind, content) in messages {
            stream.push(*kind);
            stream.extend((content.len() as u32 + 4).to_be_bytes());
            stream.extend(*content);
        }
        stream
    }

    #[test]
    fn commits_of_postgres() {
        let stream = postgres(&[
            (b'P', b"s1\0COMMIT\0\0\0"),
            (b'P', b"s2\0SELECT 'COMMIT'\0\0\0"),
            (b'B', b"\0s2\0\0\0\0\0\0\0"),
            (b'E', b"\0\0\0\0\0"),
            (b'B', b"\0s1\0\0\0\0\0\0\0"),
            (b'E', b"\0\0\0\0\0"),
            (b'B', b"\0s2\0\0\0\0\0\0\0"),
            (b'E', b"\0\0\0\0\0"),
            (b'S', b""),
            (b'Q', b"begin; select 1; commit\0"),
        ]);
        assert_eq!(count(Wire::Postgres, &stream), 2);
        assert_eq!(
            count(Wire::Postgres, &postgres(&[(b'Q', b"ROLLBACK\0")])),
            0
        );
    }

    #[test]
    fn commits_of_mysql() {
        let mut stream = Vec::new();
        for (number, content) in [
            (1, &b"\x03;COMMIT"[..]),
            (
                0,
                b"\x03BEGIN;INSERT INTO t VALUES (x'434f4d4d4954');COMMIT",
            ),
            (0, b"\x03SELECT 1;ROLLBACK"),
            (0, b"\x0e"),
            (0, b"\x03commit;"),
        ] {
            stream.extend(&(content.len() as u32).to_le_bytes()[..3]);
            stream.push(number);
            stream.extend(content);
        }
        assert_eq!(count(Wire::Mysql, &stream), 2);
    }
}
