//! Servers that refuse a client: its password, its database, its trust in a certificate.

use super::on_sql_servers;
use super::server::{Bed, DATABASE};
use jfs_testkit::{Certificates, Client, Jfs, PASSWORD_USER, USER_PASSWORD};
use jfs_tests::SqlServer;
use jfs_tests::ending_commands::{refused_with, run};
use std::fs;
use std::path::Path;

on_sql_servers! { a_wrong_password, a_missing_database, a_wrong_certificate }

/// `format`, `status` and `mount` end with one line that holds these words.
fn all_refused(bed: &Bed, url: &str, words: &[&str]) {
    let (point, bucket) = (bed.path("point"), bed.path("bucket"));
    let _ = fs::create_dir(&point);
    let (point, bucket) = (point.display().to_string(), bucket.display().to_string());
    refused_with(&["status", url], words);
    refused_with(&["mount", url, &point], words);
    let format = [
        "format",
        "--storage",
        "file",
        "--bucket",
        &bucket,
        url,
        "vol",
    ];
    refused_with(&format, words);
}

fn a_wrong_password(kind: SqlServer) {
    let bed = Bed::formatted(kind);
    for user in [
        format!("{PASSWORD_USER}:wr0ng"),
        PASSWORD_USER.to_owned(),
        "no_such_user:wr0ng".to_owned(),
    ] {
        let url = bed.url_of(&user, DATABASE);
        all_refused(&bed, &url, &["password"]);
        let (_, text) = run(&["status", &url]);
        assert!(!text.contains("wr0ng"), "the password is shown: {text}");
    }
    // In the URL as each kind of URL has it, and from the environment.
    let escaped = match kind {
        SqlServer::Postgres => "se%2Fsame%3A4%40b",
        SqlServer::Mariadb => USER_PASSWORD,
    };
    let right = bed.url_of(&format!("{PASSWORD_USER}:{escaped}"), DATABASE);
    let (code, text) = run(&["status", &right]);
    assert_eq!(code, 0, "{text}");
    assert!(
        !text.contains(USER_PASSWORD) && !text.contains(escaped),
        "{text}"
    );
    let without = bed.url_of(PASSWORD_USER, DATABASE);
    let jfs: Client = (*Jfs::find().unwrap()).clone();
    let jfs = jfs.with_env("META_PASSWORD", USER_PASSWORD);
    jfs.run(&["status", &without]).unwrap().ok().unwrap();
}

fn a_missing_database(kind: SqlServer) {
    let bed = Bed::new(kind);
    let url = bed.url_of(jfs_testkit::DATABASE_USER, "not_there");
    all_refused(&bed, &url, &["not_there", "database"]);
}

/// The URL with TLS that is checked against this authority.
fn checked(bed: &Bed, authority: &Path) -> String {
    let (user, authority) = (jfs_testkit::DATABASE_USER, authority.display());
    let address = bed.address();
    match bed.kind() {
        SqlServer::Postgres => format!(
            "postgres://{user}@{address}/{DATABASE}?sslmode=verify-full&sslrootcert={authority}"
        ),
        SqlServer::Mariadb => {
            format!("mysql://{user}@({address})/{DATABASE}?tls=true&tls-ca-cert-file={authority}")
        }
    }
}

fn a_wrong_certificate(kind: SqlServer) {
    let (right, wrong) = (Certificates::new().unwrap(), Certificates::new().unwrap());
    let bed = Bed::with_tls(kind, Some(right.server()));
    all_refused(
        &bed,
        &checked(&bed, &wrong.authority()),
        &["TLS", "certificate"],
    );
    let url = checked(&bed, &right.authority());
    let jfs = Jfs::find().unwrap();
    jfs.format(&url, "vol", &bed.path("bucket"), &[]).unwrap();
    assert_eq!(run(&["status", &url]).0, 0);
}
