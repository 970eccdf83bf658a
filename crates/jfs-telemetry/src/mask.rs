//! Addresses with their passwords made unreadable.

/// The address with `****` in place of a password before the `@` and of values of query
/// parameters that hold secrets. When in doubt more is masked, never less. The result is for
/// people, not for opening.
pub fn mask_url(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    let scheme = url[..start].trim_end_matches("://");
    // A path is not an authority: `sqlite3://a:b@c.db` is a file name.
    if matches!(
        scheme,
        "sqlite3" | "sqlite" | "badger" | "file" | "mem" | "memkv"
    ) {
        return mask_query(url);
    }
    let rest = &url[start..];
    // A password may hold any character, so the last `@` ends it.
    let Some(at) = rest.rfind('@') else {
        return mask_query(url);
    };
    match rest[..at].find(':') {
        Some(colon) => mask_query(&format!(
            "{}{}:****{}",
            &url[..start],
            &rest[..colon],
            &rest[at..]
        )),
        None => mask_query(url),
    }
}

fn mask_query(url: &str) -> String {
    let Some((base, query)) = url.split_once('?') else {
        return url.to_string();
    };
    let masked: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((key, value)) if !value.is_empty() && is_secret(key) => format!("{key}=****"),
            _ => pair.to_string(),
        })
        .collect();
    format!("{base}?{}", masked.join("&"))
}

fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["pass", "pwd", "secret", "token"]
        .iter()
        .any(|word| key.contains(word))
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
            ("redis://h:6379/1", "redis://h:6379/1"),
            ("redis://us@h:6379/1", "redis://us@h:6379/1"),
            ("sqlite3:///data/a:b@c.db", "sqlite3:///data/a:b@c.db"),
            ("sqlite3://x.db?_pwd=hush", "sqlite3://x.db?_pwd=****"),
            ("", ""),
        ] {
            assert_eq!(mask_url(url), want, "{url}");
        }
    }

    #[test]
    fn whatever_stands_between_colon_and_at_is_gone() {
        for secret in ["x", "a:b", "a@b", "a/b", "a?b=c", "a#b", "://"] {
            let masked = mask_url(&format!("redis://user:{secret}@host/0"));
            assert_eq!(masked, "redis://user:****@host/0", "{secret}");
        }
    }
}
