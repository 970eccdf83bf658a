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
    match format.compression_name().as_str() {
        "none" | "lz4" | "zstd" => Ok(()),
        _ => no(&format!("compression {}", format.compression)),
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

/// What the setting asks of every client and this version does not do, one line for each field. The volume works
/// without.
pub(crate) fn without_effect(format: &Format) -> Vec<String> {
    let tag = |tier: &serde_json::Value| tier["Tag"].as_str().is_some_and(|tag| !tag.is_empty());
    let tags = format.tiers.iter().flat_map(|tiers| tiers.values());
    let fields = [
        (
            format.upload_limit != 0,
            "UploadLimit",
            "uploads have no limit",
        ),
        (
            format.download_limit != 0,
            "DownloadLimit",
            "downloads have no limit",
        ),
        (tags.into_iter().any(tag), "Tag", "new objects get no tag"),
    ];
    let set = fields.iter().filter(|(set, _, _)| *set);
    set.map(|(_, field, what)| {
        format!("{field} in the volume's setting has no effect in this version: {what}")
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_without_effect_are_named() {
        let mut format = Format::default();
        format.set_class_of_new_objects("STANDARD");
        assert_eq!(without_effect(&format), Vec::<String>::new());
        format.upload_limit = 8;
        format.download_limit = 9;
        let tier = serde_json::json!({ "ID": 0, "StorageClass": "", "Tag": "a=b" });
        format
            .tiers
            .get_or_insert_default()
            .insert("0".into(), tier);
        let named = without_effect(&format);
        for (line, field) in named.iter().zip(["UploadLimit", "DownloadLimit", "Tag"]) {
            assert!(line.starts_with(field), "{line}");
        }
        assert_eq!(named.len(), 3);
    }

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
        format.compression = "LZ4".into();
        assert!(check_readable(&format).is_ok());
        format.compression = "gz".into();
        assert!(check_readable(&format).is_err());
    }
}
