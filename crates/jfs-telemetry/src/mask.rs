//! Addresses with their passwords made unreadable: alone, inside of texts, and among arguments.
//!
//! When in doubt more is masked, never less. The results are for people, not for opening.

use std::borrow::Cow;
use std::sync::OnceLock;

/// The text in place of a secret.
const MASK: &str = "****";

/// Schemes of addresses that are paths: `sqlite3://a:b@c.db` is a file name.
const PATHS: &[&str] = &[
    "sqlite3", "sqlite", "badger", "file", "mem", "memkv", "memory",
];

/// Schemes of addresses whose parameters are known: only some hold secrets. Of others all may.
const KNOWN_SCHEMES: &[&str] = &[
    "redis",
    "rediss",
    "unix",
    "mysql",
    "postgres",
    "postgresql",
    "http",
    "https",
];

/// The address with `****` in place of a password before the `@` and of values of query
/// parameters that hold secrets. An address that cannot be an address, like one whose `@` was
/// forgotten or whose port is no number, is masked from its first colon on.
pub fn mask_url(url: &str) -> String {
    let of_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let scheme = url
        .find("://")
        .filter(|at| url[..*at].chars().all(of_scheme));
    let start = scheme.map_or(0, |at| at + 3);
    let (scheme, rest) = url.split_at(start);
    if PATHS.contains(&scheme.trim_end_matches("://")) {
        return mask_query(url);
    }
    // A password may hold any character, so the last `@` ends it.
    match (rest.rfind('@'), rest.find(':')) {
        (Some(at), Some(colon)) if colon < at => {
            let (user, after) = (&rest[..colon], &rest[at..]);
            mask_query(&format!("{scheme}{user}:{MASK}{after}"))
        }
        (None, Some(colon)) if !is_place(rest) => format!("{scheme}{}:{MASK}", &rest[..colon]),
        _ => mask_query(url),
    }
}

/// Whether an address without `@` names hosts and ports and nothing else.
fn is_place(rest: &str) -> bool {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let hosts = rest[..end].split(',');
    hosts.into_iter().all(|host| {
        // The colons of an IPv6 address stand between brackets.
        let after = host.rfind(']').map_or(host, |at| &host[at + 1..]);
        let mut ports = after.split(':').skip(1);
        ports.all(|port| {
            let port = port.trim_end_matches(|c: char| c.is_ascii_punctuation());
            port.bytes().all(|b| b.is_ascii_digit())
        })
    })
}

fn mask_query(url: &str) -> String {
    let Some((base, query)) = url.split_once('?') else {
        return url.to_string();
    };
    let scheme = base.split_once("://").map(|(scheme, _)| scheme);
    let known = scheme.is_none_or(|scheme| {
        let scheme = scheme.to_ascii_lowercase();
        KNOWN_SCHEMES.contains(&scheme.as_str()) || PATHS.contains(&scheme.as_str())
    });
    let masked: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((key, value))
                if !value.is_empty() && (!known || is_secret(key) || is_key(key)) =>
            {
                format!("{key}={MASK}")
            }
            None if !known && !pair.is_empty() => MASK.to_string(),
            _ => pair.to_string(),
        })
        .collect();
    format!("{base}?{}", masked.join("&"))
}

/// Whether a value of this name is a secret: `secret-key`, `_pwd`, `META_PASSWORD`.
pub(crate) fn is_secret(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = plain.to_ascii_lowercase();
    ["pass", "pwd", "secret", "token", "signature", "credential"]
        .iter()
        .any(|word| plain.contains(word))
}

/// Whether a parameter of this name lets its holder in: `sig` of Azure, `apikey`, `auth`.
fn is_key(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = plain.to_ascii_lowercase();
    let words = ["sig", "sas", "key", "auth", "jwt", "code"];
    let ends = [
        "apikey",
        "accesskey",
        "authkey",
        "privatekey",
        "authorization",
    ];
    words.contains(&plain.as_str()) || ends.iter().any(|end| plain.ends_with(end))
}

/// Arguments of this process that hold secrets, and how they are shown.
static KNOWN: OnceLock<Vec<(String, String)>> = OnceLock::new();
/// Shorter words are too common to be looked for in messages.
const KNOWN_MIN: usize = 4;

/// Makes [`mask_text`] look for these words as well. Counts once.
pub(crate) fn remember(words: impl Iterator<Item = (String, String)>) {
    let long = |pair: &(String, String)| pair.0 != pair.1 && pair.0.len() >= KNOWN_MIN;
    let _ = KNOWN.set(words.filter(long).collect());
}

/// The text with every address in it masked, as they stand in messages of libraries, and with what this
/// process was given as a secret.
pub fn mask_text(text: &str) -> String {
    let mut known = Cow::Borrowed(text);
    for (given, shown) in KNOWN.get().into_iter().flatten() {
        if known.contains(given) {
            known = Cow::Owned(known.replace(given, shown));
        }
    }
    let mut rest = &*known;
    let mut out = String::with_capacity(text.len());
    while let Some(at) = rest.find("://") {
        let in_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '%');
        let start = rest[..at]
            .rfind(|c| !in_scheme(c))
            .map_or(0, |before| before + char_len(rest, before));
        let (before, url) = rest.split_at(start);
        // Quoted text may hold blanks.
        let quote = before.chars().next_back().filter(|c| "\"'`".contains(*c));
        let closing = quote.and_then(|quote| url.find(quote));
        let end = closing.or_else(|| url.find(char::is_whitespace));
        let (url, after) = url.split_at(end.unwrap_or(url.len()));
        out.push_str(before);
        out.push_str(&mask_url(url));
        rest = after;
    }
    out.push_str(rest);
    out
}

fn char_len(text: &str, at: usize) -> usize {
    text[at..].chars().next().map_or(0, char::len_utf8)
}

/// Arguments of a program, with addresses and the values of secret flags masked: as `ps` may show
/// them. Paths stay as they are, whatever is in their names.
pub fn mask_arguments(arguments: &[String]) -> Vec<String> {
    let mut secret = false;
    let mask = |argument: &String| {
        let flag = argument
            .strip_prefix('-')
            .map(|f| f.trim_start_matches('-'));
        let shown = match flag {
            _ if secret && !argument.is_empty() => MASK.to_string(),
            Some(flag) => match flag.split_once('=') {
                Some((name, value)) if is_secret_flag(name) && !value.is_empty() => {
                    let dashes = &argument[..argument.len() - flag.len()];
                    format!("{dashes}{name}={MASK}")
                }
                Some((_, value)) => {
                    let before = &argument[..argument.len() - value.len()];
                    format!("{before}{}", mask_word(value))
                }
                None => argument.clone(),
            },
            None => mask_word(argument),
        };
        secret = !secret && flag.is_some_and(|f| !f.contains('=') && is_secret_flag(f));
        shown
    };
    arguments.iter().map(mask).collect()
}

/// A flag whose value is a secret itself. Paths of files and switches are none.
fn is_secret_flag(name: &str) -> bool {
    is_secret(name) && !name.ends_with("file") && name != "encrypt-secret"
}

/// One word: an address, a list of `key=value`, or something else.
fn mask_word(word: &str) -> String {
    if word.starts_with(['/', '.']) {
        return word.to_string();
    }
    if word.contains("://") || word.contains('@') {
        return mask_url(word);
    }
    let mut items = word.split(',').map(|item| match item.split_once('=') {
        Some((key, value)) if is_secret_flag(key) && !value.is_empty() => format!("{key}={MASK}"),
        _ => item.to_string(),
    });
    match word.contains('=') {
        true => items.by_ref().collect::<Vec<_>>().join(","),
        false => word.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_never_show() {
        for (url, want) in [
            (
                "redis://:pw@127.0.0.1:6379/1",
                "redis://:****@127.0.0.1:6379/1",
            ),
            ("redis://us:pw@h/1", "redis://us:****@h/1"),
            ("redis://us:p@ss:w/rd?@h:6379/1", "redis://us:****@h:6379/1"),
            (
                "rediss://us:pw@h:1,h2:2/1?x=y",
                "rediss://us:****@h:1,h2:2/1?x=y",
            ),
            (
                "mysql://jfs:pw@(127.0.0.1:3306)/juicefs",
                "mysql://jfs:****@(127.0.0.1:3306)/juicefs",
            ),
            ("us:pw@h:6379/1", "us:****@h:6379/1"),
            (
                "postgres://us@h/db?password=pw&sslmode=x",
                "postgres://us@h/db?password=****&sslmode=x",
            ),
            (
                "unix://us:p%40w@/run/r.sock?db=1",
                "unix://us:****@/run/r.sock?db=1",
            ),
            ("https://ak:sk@h/bucket", "https://ak:****@h/bucket"),
            (
                "https://h/b?X-Amz-Signature=x&y=1",
                "https://h/b?X-Amz-Signature=****&y=1",
            ),
            (
                "https://h/b?sig=x&api-key=y&region=z&AccessKey=a&auth=b",
                "https://h/b?sig=****&api-key=****&region=z&AccessKey=****&auth=****",
            ),
            ("redis://h:6379/1", "redis://h:6379/1"),
            ("redis://us@h:6379/1", "redis://us@h:6379/1"),
            ("redis://h1:1,h2:2,[::1]:3/1", "redis://h1:1,h2:2,[::1]:3/1"),
            ("unix:///run/a:b.sock", "unix:///run/a:b.sock"),
            ("sqlite3:///data/a:b@c.db", "sqlite3:///data/a:b@c.db"),
            ("sqlite3://x.db?_pwd=hush", "sqlite3://x.db?_pwd=****"),
            ("tikv://h:1/p?x=hush&y=", "tikv://h:1/p?x=****&y="),
            ("etcd://us:pw@h:1/p?hush", "etcd://us:****@h:1/p?****"),
            ("", ""),
        ] {
            assert_eq!(mask_url(url), want, "{url}");
        }
    }

    #[test]
    fn whatever_stands_between_colon_and_at_is_gone() {
        for secret in [
            "x", "a:b", "a@b", "a/b", "a?b=c", "a#b", "://", "a b", "%41", "ä\"", "a&b",
        ] {
            let masked = mask_url(&format!("redis://user:{secret}@host/0"));
            assert_eq!(masked, "redis://user:****@host/0", "{secret}");
        }
    }

    #[test]
    fn what_is_no_address_shows_no_password_either() {
        for url in [
            "redis://:hush",
            "redis://us:hush/1",
            "redis://:hush%40h:6379/1",
            "redis://us:hush?x=1",
            "redis:/us:hush@h",
            "redis//:hush@h/1",
            ":hush@h",
            "redis://h:6379:hush/1",
            "unix://:hush/run/r.sock",
            "us:hush@x://h/1",
        ] {
            let masked = mask_url(url);
            assert!(
                !masked.contains("hush") && masked.contains(":****"),
                "{masked}"
            );
        }
    }

    #[test]
    fn addresses_in_texts_are_masked_and_the_rest_stays() {
        for (text, want) in [
            (
                "Meta address: redis://:hush@h:1/1, then http://a:hush@b/c: refused",
                "Meta address: redis://:****@h:1/1, then http://a:****@b/c: refused",
            ),
            (
                "error sending request for url (https://ak:hush@h:9000/b?list-type=2)",
                "error sending request for url (https://ak:****@h:9000/b?list-type=2)",
            ),
            (
                "\"Bucket\": \"http://ak:hu sh@h/b\" is \"x y@z\"",
                "\"Bucket\": \"http://ak:****@h/b\" is \"x y@z\"",
            ),
            ("ä://us:hush@h\n:// ü", "ä://us:****@h\n:// ü"),
            (
                "connect to redis://127.0.0.1:6379: refused",
                "connect to redis://127.0.0.1:6379: refused",
            ),
            ("nothing: here@all", "nothing: here@all"),
            ("", ""),
        ] {
            assert_eq!(mask_text(text), want);
        }
    }

    #[test]
    fn arguments_are_masked_where_secrets_are() {
        let words = |line: &str| line.split('|').map(str::to_string).collect::<Vec<_>>();
        for (line, want) in [
            (
                "mount|-d|redis://:hush@h/1|/mnt/a:b@c|--log|/x",
                "mount|-d|redis://:****@h/1|/mnt/a:b@c|--log|/x",
            ),
            (":hush@h:1/1|m", ":****@h:1/1|m"),
            (
                "format|--secret-key|hush|-session-token=hush|--bucket=http://a:hush@h/b|u|v",
                "format|--secret-key|****|-session-token=****|--bucket=http://a:****@h/b|u|v",
            ),
            (
                "--secret-key=|--secret-key||x|--encrypt-secret|name",
                "--secret-key=|--secret-key||x|--encrypt-secret|name",
            ),
            (
                "-o|ro,password=hush,cache-dir=/a,x=y|--cache-dir=/a@b:/c",
                "-o|ro,password=****,cache-dir=/a,x=y|--cache-dir=/a@b:/c",
            ),
            ("-|--|", "-|--|"),
        ] {
            assert_eq!(mask_arguments(&words(line)), words(want), "{line}");
        }
    }
}
