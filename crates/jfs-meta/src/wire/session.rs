//! The description a session stores about itself.

use serde::{Deserialize, Serialize};

/// Session description, JSON in the engine. Field names are those of the stored document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SessionInfo {
    /// Client version; must parse as a version.
    pub version: String,
    /// Name of the host.
    pub host_name: String,
    /// Addresses of the host.
    #[serde(rename = "IPAddrs", skip_serializing_if = "Vec::is_empty")]
    pub ip_addrs: Vec<String>,
    /// The mount point.
    pub mount_point: String,
    /// RFC 3339 time of the mount.
    pub mount_time: String,
    /// Process id.
    #[serde(rename = "ProcessID")]
    pub process_id: u32,
}
