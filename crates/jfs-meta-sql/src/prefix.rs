//! The prefix of the tables of a volume: several volumes may share a database.

use jfs_meta::EngineError;

/// Most characters of `table_prefix`. The longest name of an index then has 60 of the 63 bytes that
/// PostgreSQL keeps.
const LENGTH_MAX: usize = 32;

/// The beginning of the names of tables for the option `table_prefix=P` of a URL: `jfs_P_`, and `jfs_` for
/// an empty `P`. Letters of ASCII, digits and `_` may be in it, 32 at most: statements do not quote names
/// on every database.
pub(crate) fn table_prefix(p: &str) -> Result<String, EngineError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if p.len() > LENGTH_MAX || !p.chars().all(fits) {
        return Err(EngineError::Fatal(format!(
            "table_prefix={p} in the database URL: at most {LENGTH_MAX} letters, digits and _ are needed"
        )));
    }
    Ok(match p {
        "" => "jfs_".to_string(),
        p => format!("jfs_{p}_"),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        assert_eq!(table_prefix("").unwrap(), "jfs_");
        assert_eq!(table_prefix("Test_2").unwrap(), "jfs_Test_2_");
        assert!(table_prefix(&"x".repeat(32)).is_ok());
        for p in [
            "a-b",
            "a b",
            "a\"b",
            "a`b",
            "\u{e4}",
            "a;",
            "P%31",
            &"x".repeat(33),
        ] {
            let text = table_prefix(p).unwrap_err().to_string();
            assert!(text.contains("table_prefix"), "{text}");
        }
    }
}
