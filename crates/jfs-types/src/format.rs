//! The volume's setting: one JSON document that every client reads.

use crate::version::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The largest `MetaVersion` this client opens.
pub const META_VERSION: i64 = 1;

/// The setting of a volume (docs/FORMAT.md, "Setting"). Field names and the rules for leaving one
/// out are those of the stored document.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs, reason = "docs/FORMAT.md says what each field means")]
pub struct Format {
    pub name: String,
    #[serde(rename = "UUID")]
    pub uuid: String,
    pub storage: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub storage_class: String,
    pub tiers: Option<Map<String, Value>>,
    pub bucket: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub access_key: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub secret_key: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub session_token: String,
    /// KiB.
    pub block_size: u32,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub compression: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub shards: i64,
    #[serde(skip_serializing_if = "is_false")]
    pub hash_prefix: bool,
    /// Bytes, 0 = no limit.
    #[serde(skip_serializing_if = "is_zero_u")]
    pub capacity: u64,
    /// Inodes, 0 = no limit.
    #[serde(skip_serializing_if = "is_zero_u")]
    pub inodes: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub encrypt_key: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub encrypt_algo: String,
    #[serde(skip_serializing_if = "is_false")]
    pub key_encrypted: bool,
    #[serde(skip_serializing_if = "is_zero")]
    pub upload_limit: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub download_limit: i64,
    pub trash_days: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub meta_version: i64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub min_client_version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub max_client_version: String,
    #[serde(skip_serializing_if = "is_false")]
    pub dir_stats: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub user_group_quota: bool,
    #[serde(rename = "EnableACL")]
    pub enable_acl: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ranger_rest_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ranger_service: String,
    #[serde(skip_serializing_if = "is_false")]
    pub change_log: bool,
    #[serde(skip_serializing_if = "is_zero")]
    pub change_log_max_age: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub change_log_max_lines: i64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kerb_conf: String,
    /// Members that no version we know writes; kept on rewrite.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

fn is_zero(n: &i64) -> bool {
    *n == 0
}
fn is_zero_u(n: &u64) -> bool {
    *n == 0
}
fn is_false(b: &bool) -> bool {
    !*b
}

impl Format {
    /// Decodes a stored setting. The error says what is wrong with the document.
    pub fn from_json(text: &[u8]) -> Result<Format, String> {
        let format: Format =
            serde_json::from_slice(text).map_err(|e| format!("not a setting: {e}"))?;
        if format.name.is_empty() || format.uuid.is_empty() {
            return Err("not a setting: it has no Name or no UUID".to_string());
        }
        let kib = format.block_size;
        if !(64..=16384).contains(&kib) || !kib.is_power_of_two() {
            return Err(format!(
                "BlockSize {kib} KiB is not a power of two from 64 to 16384"
            ));
        }
        Ok(format)
    }

    /// The stored document: one member per line, no indentation, `<`, `>` and `&` escaped.
    pub fn to_json(&self) -> String {
        let formatter = serde_json::ser::PrettyFormatter::with_indent(b"");
        let mut bytes = Vec::new();
        let mut out = serde_json::Serializer::with_formatter(&mut bytes, formatter);
        // Writing a struct of strings, numbers and maps with string keys to memory cannot fail.
        let written = self.serialize(&mut out);
        debug_assert!(written.is_ok());
        let out = String::from_utf8_lossy(&bytes);
        out.replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026")
    }

    /// Block size, bytes.
    pub fn block_bytes(&self) -> usize {
        self.block_size as usize * 1024
    }

    /// The kind of object storage in lower case. The reference stores the name as it was typed.
    pub fn storage_kind(&self) -> String {
        self.storage.to_lowercase()
    }

    /// The name of the compression in lower case, `none` when there is none. The reference stores the name as it was
    /// typed.
    pub fn compression_name(&self) -> String {
        match self.compression.as_str() {
            "" => "none".to_string(),
            name => name.to_lowercase(),
        }
    }

    /// Whether blocks are encrypted.
    pub fn encrypted(&self) -> bool {
        !self.encrypt_key.is_empty()
    }

    /// The storage class of new objects: that of tier 0 where there are tiers.
    pub fn class_of_new_objects(&self) -> &str {
        match &self.tiers {
            None => &self.storage_class,
            Some(tiers) => tiers
                .get("0")
                .and_then(|tier| tier["StorageClass"].as_str())
                .unwrap_or_default(),
        }
    }

    /// Changes it, as the reference client does: `StorageClass` itself stays what it was at first.
    pub fn set_class_of_new_objects(&mut self, class: &str) {
        let tiers = self.tiers.get_or_insert_default();
        let tier = tiers.entry("0").or_insert(json!({ "ID": 0, "Tag": "" }));
        if let Some(tier) = tier.as_object_mut() {
            tier.insert("StorageClass".to_string(), json!(class));
        }
    }

    /// The same setting with secrets replaced by `removed`, for people's eyes.
    pub fn without_secrets(&self) -> Format {
        let mut f = self.clone();
        for s in [&mut f.secret_key, &mut f.session_token, &mut f.encrypt_key] {
            if !s.is_empty() {
                *s = "removed".to_string();
            }
        }
        f
    }

    /// Whether a client that acts as version `own` may open the volume. The error names the limit.
    pub fn check_version(&self, own: &str) -> Result<(), String> {
        if self.meta_version > META_VERSION {
            return Err(format!(
                "metadata of version {} is too new for this client, which knows {META_VERSION}: use a newer one",
                self.meta_version
            ));
        }
        let Some(own_version) = Version::parse(own) else {
            return Err(format!("{own} is not a version"));
        };
        let limit = |text: &str| {
            if text.is_empty() {
                None
            } else {
                Version::parse(text)
            }
        };
        if limit(&self.min_client_version).is_some_and(|min| own_version < min) {
            return Err(format!(
                "allowed minimum client version is {}, this one acts as {own}: please upgrade",
                self.min_client_version
            ));
        }
        if limit(&self.max_client_version).is_some_and(|max| own_version > max) {
            return Err(format!(
                "allowed maximum client version is {}, this one acts as {own}: use an older client",
                self.max_client_version
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: &str = r#"{"Name":"v","UUID":"00000000-0000-0000-0000-000000000000","Storage":"file",
        "Tiers":{"0":{"ID":0,"StorageClass":"","Tag":""}},"Bucket":"/tmp/","BlockSize":4096,
        "Compression":"none","EncryptAlgo":"aes256gcm-rsa","TrashDays":1,"MetaVersion":1,
        "MinClientVersion":"1.1.0-A","DirStats":true,"EnableACL":false,"Later":{"a":[1]}}"#;

    #[test]
    fn unknown_members_survive() {
        let f = Format::from_json(REAL.as_bytes()).expect("a setting");
        let again = Format::from_json(f.to_json().as_bytes()).expect("a setting");
        assert_eq!(f, again);
        assert!(again.to_json().contains("\"Later\": {\n\"a\": [\n1\n]\n}"));
    }

    #[test]
    fn new_objects_get_the_class_of_tier_0() {
        let mut f = Format {
            storage_class: "OLD".to_string(),
            ..Format::default()
        };
        assert_eq!(f.class_of_new_objects(), "OLD");
        f.set_class_of_new_objects("NEW");
        assert_eq!(f.class_of_new_objects(), "NEW");
        assert_eq!(f.storage_class, "OLD");
        let tier = json!({ "0": { "ID": 0, "StorageClass": "NEW", "Tag": "" } });
        assert_eq!(f.tiers, tier.as_object().cloned());
        f.tiers = Some(Map::new());
        assert_eq!(f.class_of_new_objects(), "");
    }

    #[test]
    fn names_count_in_any_case() {
        let mut f = Format {
            storage: "FILE".to_string(),
            compression: "LZ4".to_string(),
            ..Format::default()
        };
        assert_eq!(f.storage_kind(), "file");
        assert_eq!(f.compression_name(), "lz4");
        f.compression.clear();
        assert_eq!(f.compression_name(), "none");
    }

    #[test]
    fn version_limits() {
        let mut f = Format::from_json(REAL.as_bytes()).expect("a setting");
        assert!(f.check_version("1.4.2").is_ok());
        f.min_client_version = "1.9.0".to_string();
        assert!(f.check_version("1.4.2").is_err());
        assert!(f.check_version("1.9.0").is_ok());
        f.max_client_version = "1.9.1".to_string();
        assert!(f.check_version("1.9.1").is_ok());
        assert!(f.check_version("1.9.2").is_err());
        f.max_client_version.clear();
        f.min_client_version.clear();
        f.meta_version = 2;
        assert!(f.check_version("1.4.2").is_err());
    }

    #[test]
    fn secrets_are_not_shown() {
        let mut f = Format::from_json(REAL.as_bytes()).expect("a setting");
        assert!(!f.encrypted());
        assert_eq!(f.without_secrets(), f, "there are none");
        f.secret_key = "s1".to_string();
        f.session_token = "s2".to_string();
        f.encrypt_key = "s3".to_string();
        assert!(f.encrypted());
        let shown = f.without_secrets();
        assert_eq!((&*shown.name, shown.block_bytes()), ("v", 4 << 20));
        let secrets = [shown.secret_key, shown.session_token, shown.encrypt_key];
        assert_eq!(secrets, ["removed"; 3]);
    }

    #[test]
    fn nonsense_is_refused_in_words() {
        assert!(Format::from_json(b"[]").is_err());
        assert!(Format::from_json(b"{}").is_err());
        let unnamed = REAL.replace("\"v\"", "\"\"");
        assert!(Format::from_json(unnamed.as_bytes()).is_err());
        assert!(Format::from_json(REAL.replace("4096", "5000").as_bytes()).is_err());
    }
}
