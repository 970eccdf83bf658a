//! The library as this program uses it: the volume of a plan, and its FUSE edge.

use crate::mountpoint;
use crate::plan::Plan;
use anyhow::Context;
use jfs_commands::address::data_address;
use jfs_telemetry::scripted;
use jfs_types::Format;

/// Logs what a mount starts with, checks that there is a volume, and answers its name. Used by
/// the process that starts a daemon; nothing stays open.
pub(crate) fn introduce(plan: &Plan) -> anyhow::Result<String> {
    tracing::info!("{}", scripted::meta_address(&plan.shown_url));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let format = runtime
        .block_on(jfs::admin::load_format(&plan.url))?
        .ok_or_else(jfs::Error::not_formatted)?;
    let format = plan.open.apply(format);
    log_data(&format);
    // The new process says so in its log only.
    if let Some(reason) = jfs::admin::read_only_reason(&format)
        && !plan.open.read_only
    {
        tracing::warn!("{reason}: it is opened read-only");
    }
    mountpoint::check_bucket(&plan.place, &format)?;
    Ok(format.name)
}

/// Logs where the data is.
pub(crate) fn log_data(format: &Format) {
    jfs_commands::address::warn_without_classes(format);
    for line in jfs::admin::without_effect(format) {
        tracing::warn!("{line}");
    }
    let address = data_address(format, jfs::shown_bucket);
    tracing::info!("{}", scripted::data_use(&address));
}

/// Opens the volume on the current runtime and logs it.
pub(crate) async fn open(plan: &Plan) -> anyhow::Result<jfs::Volume> {
    tracing::info!("{}", scripted::meta_address(&plan.shown_url));
    let volume = jfs::Volume::open(&plan.url, plan.open.clone()).await?;
    log_data(&volume.setting());
    let version = jfs_types::version::session_version();
    tracing::info!("{}", scripted::version(&version));
    crate::disk::log_caches(&plan.open, &volume.setting().uuid);
    match volume.session_id() {
        Some(sid) => tracing::info!("{}", scripted::session_created(sid, &version)),
        None => tracing::info!("{}", scripted::read_only_session(&version)),
    }
    Ok(volume)
}

/// Mounts the volume as the plan says.
pub(crate) fn mount(plan: &Plan, volume: &jfs::Volume) -> anyhow::Result<jfs_fuse::MountHandle> {
    mountpoint::check_bucket(&plan.place, &plan.open.apply((*volume.setting()).clone()))?;
    let name = volume.setting().name.clone();
    tracing::info!("{}", scripted::mounting(&name, plan.mountpoint.display()));
    let options = jfs_fuse::MountOptions {
        mountpoint: plan.place.clone(),
        fsname: format!("JuiceFS:{name}"),
        max_fuse_io: plan.max_fuse_io,
        umask: plan.umask,
        xattr: plan.enable_xattr,
        acl: volume.setting().enable_acl,
        ioctl: plan.enable_ioctl,
        root_squash: plan.root_squash,
        all_squash: plan.all_squash,
        default_permissions: plan.default_permissions,
        options: plan.fuse_options.clone(),
        read_only: volume.read_only(),
        allow_other: nix::unistd::geteuid().is_root(),
        runtime: tokio::runtime::Handle::current(),
    };
    jfs_fuse::mount(volume.view().clone(), options).context("fuse")
}
