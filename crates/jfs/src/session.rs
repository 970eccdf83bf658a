//! What a session says about this client.

use jfs_meta::SessionInfo;
use jfs_types::version::session_version;

/// Describes this process. `mountpoint` as the session record shows it.
pub(crate) fn describe(mountpoint: &str) -> SessionInfo {
    let host_name = hostname::get()
        .map(|h| h.to_string_lossy().into_owned())
        .unwrap_or_default();
    SessionInfo {
        version: session_version(),
        host_name,
        ip_addrs: addresses(),
        mount_point: mountpoint.to_string(),
        mount_time: now_rfc3339(),
        process_id: std::process::id(),
    }
}

/// Local time with nanoseconds, as the reference client writes it.
fn now_rfc3339() -> String {
    use time::format_description::well_known::Rfc3339;
    let now = time::OffsetDateTime::now_local().unwrap_or_else(|_| time::OffsetDateTime::now_utc());
    now.format(&Rfc3339)
        .unwrap_or_else(|_| "1970-01-01T00:00:00Z".to_string())
}

/// Addresses of this host's interfaces, without loopback.
fn addresses() -> Vec<String> {
    let mut all: Vec<String> = nix::ifaddrs::getifaddrs()
        .into_iter()
        .flatten()
        .filter_map(|interface| interface.address)
        .filter_map(|a| {
            let v4 = a.as_sockaddr_in().map(|a| std::net::IpAddr::V4(a.ip()));
            v4.or_else(|| a.as_sockaddr_in6().map(|a| std::net::IpAddr::V6(a.ip())))
        })
        .filter(|ip| !ip.is_loopback())
        .map(|ip| ip.to_string())
        .collect();
    all.dedup();
    all
}
