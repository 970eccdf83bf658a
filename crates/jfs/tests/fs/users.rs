use crate::place::{Place, kind};
use jfs::ErrorKind;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn permissions_are_those_of_the_views_user() {
    let place = Place::new().await;
    let volume = place.open().await;
    let root = volume.fs();
    let mode = Permissions::from_mode;
    root.write("/secret", "s").await.unwrap();
    root.set_permissions("/secret", mode(0o640)).await.unwrap();
    root.chown("/secret", None, Some(77)).await.unwrap();
    root.create_dir("/closed").await.unwrap();
    root.write("/closed/f", "f").await.unwrap();
    root.set_permissions("/closed", mode(0o711)).await.unwrap();

    let user = root.as_user(1000, 1000, &[]);
    let member = root.as_user(1001, 1001, &[5, 77]);
    let denied = ErrorKind::PermissionDenied;
    assert_eq!(kind(user.read("/secret").await), denied);
    assert_eq!(member.read("/secret").await.unwrap(), b"s");
    assert_eq!(kind(member.write("/secret", "x").await), denied);
    // Searched, not listed.
    assert_eq!(user.read("/closed/f").await.unwrap(), b"f");
    assert_eq!(kind(user.read_dir("/closed").await.map(|_| ())), denied);
    root.set_permissions("/closed", mode(0o700)).await.unwrap();
    assert_eq!(kind(user.read("/closed/f").await), denied);
    assert_eq!(kind(user.metadata("/closed/../closed").await), denied);
    assert_eq!(kind(user.create_dir("/closed/d").await), denied);
    assert_eq!(kind(user.remove_file("/closed/f").await), denied);
    assert_eq!(
        kind(user.set_permissions("/secret", mode(0o777)).await),
        denied
    );
    assert_eq!(root.read("/closed/f").await.unwrap(), b"f");

    // What is made belongs to its maker, within the umask.
    root.create_dir("/home").await.unwrap();
    root.chown("/home", Some(1000), Some(1000)).await.unwrap();
    user.write("/home/mine", "m").await.unwrap();
    let mine = root.metadata("/home/mine").await.unwrap();
    assert_eq!(
        (mine.uid(), mine.gid(), mine.mode() & 0o777),
        (1000, 1000, 0o644)
    );
    let private = user.with_umask(0o077);
    private.create_dir("/home/private").await.unwrap();
    let made = root.metadata("/home/private").await.unwrap();
    assert_eq!(made.mode() & 0o777, 0o700);
    let own = user.options().write(true).create_new(true).mode(0o400);
    own.open("/home/read-only").await.unwrap();
    assert_eq!(kind(user.write("/home/read-only", "x").await), denied);
    volume.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_by_a_user_takes_setuid_away() {
    use tokio::io::AsyncWriteExt;
    let place = Place::new().await;
    let volume = place.open().await;
    let root = volume.fs();
    let user = root.as_user(1000, 1000, &[]);
    for (path, positioned) in [("/by-offset", true), ("/by-stream", false)] {
        root.write(path, "program").await.unwrap();
        let mode = Permissions::from_mode(0o4777);
        root.set_permissions(path, mode).await.unwrap();
        let mut file = user.options().write(true).open(path).await.unwrap();
        match positioned {
            true => file.write_at(0, "P").await.unwrap(),
            false => file.write_all(b"P").await.unwrap(),
        }
        file.close().await.unwrap();
        let mode = root.metadata(path).await.unwrap().mode();
        assert_eq!(mode & 0o7777, 0o777, "{path}");
        assert_eq!(root.read(path).await.unwrap(), b"Program");
    }
    // A member of the group keeps setgid where the group may not execute.
    root.write("/kept", "list").await.unwrap();
    root.chown("/kept", None, Some(77)).await.unwrap();
    let mode = Permissions::from_mode(0o2767);
    root.set_permissions("/kept", mode).await.unwrap();
    let member = root.as_user(1001, 1001, &[77]);
    let mut file = member.options().write(true).open("/kept").await.unwrap();
    file.write_all(b"L").await.unwrap();
    file.write_all(b"I").await.unwrap();
    file.close().await.unwrap();
    let mode = root.metadata("/kept").await.unwrap().mode();
    assert_eq!(mode & 0o7777, 0o2767);
    assert_eq!(root.read("/kept").await.unwrap(), b"LIst");
    volume.close().await.unwrap();
}
