//! What this version can maintain, and what it can only read.

use crate::Error;
use jfs_types::Format;
use jfs_types::version::ACTS_AS;

/// Refuses a volume whose metadata is for newer or older clients.
pub(crate) fn check_version(format: &Format) -> Result<(), Error> {
    format.check_version(ACTS_AS).map_err(Error::unsupported)
}

/// Refuses a volume that cannot even be read.
pub(crate) fn check_readable(format: &Format) -> Result<(), Error> {
    check_version(format)?;
    let no = |what: &str| Err(Error::unsupported(format!("{what} is not supported yet")));
    match format.compression.as_str() {
        "" | "none" | "lz4" | "zstd" => Ok(()),
        other => no(&format!("compression {other}")),
    }
}

/// Why the volume can only be read: features that a writer must maintain and this one
/// does not yet. `None` when it can be written.
pub(crate) fn read_only_reason(format: &Format) -> Option<String> {
    let tiers = format
        .tiers
        .as_ref()
        .is_some_and(|t| t.keys().any(|k| k != "0"));
    let reasons = [
        (tiers, "storage tiers"),
        (
            !format.ranger_rest_url.is_empty() || !format.ranger_service.is_empty(),
            "Apache Ranger",
        ),
        (!format.kerb_conf.is_empty(), "Kerberos"),
    ];
    let used: Vec<&str> = reasons
        .iter()
        .filter(|(on, _)| *on)
        .map(|(_, what)| *what)
        .collect();
    (!used.is_empty()).then(|| {
        format!(
            "the volume uses {}, which this version cannot maintain yet",
            used.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_named() {
        let mut format = Format {
            meta_version: 1,
            ..Format::default()
        };
        format.enable_acl = true;
        assert_eq!(read_only_reason(&format), None);
        format.user_group_quota = true;
        format.change_log = true;
        assert_eq!(read_only_reason(&format), None);
        format.kerb_conf = "[libdefaults]".into();
        format.ranger_service = "hadoop".into();
        let reason = read_only_reason(&format);
        assert_eq!(
            reason.as_deref(),
            Some("the volume uses Apache Ranger, Kerberos, which this version cannot maintain yet")
        );
        assert!(check_readable(&format).is_ok());
        format.compression = "gz".into();
        assert!(check_readable(&format).is_err());
    }
}
