//! Buckets of vendors (`cos`, `oss`) under their own host names: the tutorial's line as typed, every form of an address
//! and of keys, refusals, and volumes that the reference shares.
#![allow(clippy::unwrap_used, reason = "tests")]

use jfs_testkit::{Jfs, Ran, Reference, Vendors, scratch_dir};
use serde_json::Value;
use std::path::Path;

const HOSTS: &[&str] = &[
    "myjfs-1304979731.cos.ap-nanjing.myqcloud.com",
    "missing-1.cos.ap-nanjing.myqcloud.com",
    "service.cos.myqcloud.com",
    "bucket.oss-cn-hangzhou.aliyuncs.com",
    "bucket.oss-cn-hangzhou-internal.aliyuncs.com",
    "bucket.oss-cn-shanghai.aliyuncs.com",
    "missing.oss-cn-hangzhou.aliyuncs.com",
];
/// The keys of the tutorial, and temporary ones.
const KEYS: &[(&str, &str)] = &[("xxxx", "xxx"), ("TMP", "half token")];
const COS: &str = "https://myjfs-1304979731.cos.ap-nanjing.myqcloud.com";
const OSS: &str = "https://bucket.oss-cn-hangzhou.aliyuncs.com";

fn vendors() -> Vendors {
    Vendors::new(HOSTS, KEYS).unwrap()
}

/// Runs a script with `juicefs` and `reference` on the path, our client and the reference.
fn run(vendors: &Vendors, script: &str, home: &Path) -> Ran {
    let (ours, theirs) = (Jfs::find().unwrap(), Reference::find().unwrap());
    let bin = home.join("bin");
    if !bin.exists() {
        std::fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(ours.program(), bin.join("juicefs")).unwrap();
        std::os::unix::fs::symlink(theirs.program(), bin.join("reference")).unwrap();
    }
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let script = format!("unset ACCESS_KEY SECRET_KEY; set -e\n{script}");
    let home_text = home.display().to_string();
    let env = [("PATH", path.as_str()), ("HOME", &home_text)];
    vendors.run(&script, home, &env).unwrap()
}

fn succeeds(vendors: &Vendors, script: &str, home: &Path) -> String {
    let ran = run(vendors, script, home);
    assert!(ran.ok, "{}", ran.text);
    ran.text
}

#[test]
fn the_tutorials_volume_in_a_bucket_of_cos() {
    let (vendors, home) = (vendors(), scratch_dir().unwrap());
    let shown = succeeds(
        &vendors,
        r#"
        juicefs format --storage cos --bucket https://myjfs-1304979731.cos.ap-nanjing.myqcloud.com --access-key xxxx --secret-key xxx sqlite3://myjfs.db myjfs
        juicefs mount -d sqlite3://myjfs.db jfs --cache-dir memory --cache-size 0 --log log
        echo hello > jfs/hello
        head -c 5000000 /dev/urandom > data
        cp data jfs/data
        cmp data jfs/data
        rm jfs/hello
        juicefs umount jfs
        juicefs mount -d sqlite3://myjfs.db jfs --cache-dir memory --log log
        cmp data jfs/data
        juicefs umount jfs
        juicefs status sqlite3://myjfs.db
        cat log
        "#,
        home.path(),
    );
    for want in [
        "Data use cos://myjfs-1304979731/myjfs/",
        "Volume is formatted as {",
        "\"Bucket\": \"https://myjfs-1304979731.cos.ap-nanjing.myqcloud.com\"",
        "\"AccessKey\": \"xxxx\"",
        "\"SecretKey\": \"removed\"",
        "\"KeyEncrypted\": true",
        "OK, myjfs is ready at",
    ] {
        assert!(shown.contains(want), "{want}: {shown}");
    }
    assert!(
        !shown.contains("Set storage tier"),
        "COS has classes: {shown}"
    );
    let requests = vendors.requests().unwrap();
    let block = |r: &&Value| r["path"].as_str().unwrap().starts_with("/myjfs/chunks/");
    assert!(requests.iter().filter(block).count() >= 4, "{requests:?}");
    for request in &requests {
        assert_eq!(request["signature"], "good", "{request}");
        assert_eq!(request["host"], HOSTS[0], "{request}");
        assert_eq!(request["tls"], true, "{request}");
        let is_put = request["method"] == "PUT" && request["status"] == 200;
        let sum = &request["headers"]["x-cos-meta-crc32c"];
        assert_eq!(
            sum.is_string(),
            is_put && request["path"] != "/",
            "{request}"
        );
    }
}

/// What one line of `juicefs format` shows: whether it succeeded, what it printed, and its requests.
struct Formatted {
    ok: bool,
    text: String,
    requests: Vec<Value>,
}

/// Formats a volume for each line, all in one network.
fn format_all(lines: &[String]) -> Vec<Formatted> {
    let (vendors, home) = (vendors(), scratch_dir().unwrap());
    let numbered = lines.iter().enumerate();
    let script = numbered.map(|(n, line)| {
        format!(
            "(if env {line} sqlite3://v{n}.db vol-{n}; then echo rc=0; else echo rc=1; fi > out{n} 2>&1) &\n"
        )
    });
    let script = script.collect::<String>() + "wait\n";
    succeeds(&vendors, &script, home.path());
    let requests = vendors.requests().unwrap();
    let of = |n: usize| {
        let text = std::fs::read_to_string(home.path().join(format!("out{n}"))).unwrap();
        let own = format!("/vol-{n}/");
        let own = requests
            .iter()
            .filter(|r| r["path"].as_str().unwrap().starts_with(&own));
        Formatted {
            ok: text.contains("rc=0"),
            requests: own.cloned().collect(),
            text,
        }
    };
    (0..lines.len()).map(of).collect()
}

#[test]
fn every_form_of_an_address_and_of_keys() {
    let keys = "--access-key xxxx --secret-key xxx";
    let cos_host = "myjfs-1304979731.cos.ap-nanjing.myqcloud.com";
    let oss_host = "bucket.oss-cn-hangzhou.aliyuncs.com";
    let internal = "bucket.oss-cn-hangzhou-internal.aliyuncs.com";
    let temporary = "--access-key TMP --secret-key half --session-token token";
    // Environment, bucket, flags; then host and signature of the requests.
    let rows = [
        (
            "",
            "http://myjfs-1304979731.cos.ap-nanjing.myqcloud.com",
            keys,
            cos_host,
            "cos",
        ),
        (
            "",
            "myjfs-1304979731.cos.ap-nanjing.myqcloud.com",
            keys,
            cos_host,
            "cos",
        ),
        (
            "",
            "https://myjfs-1304979731.cos.ap-nanjing.myqcloud.com/sub/?a=b",
            keys,
            cos_host,
            "cos",
        ),
        ("", "myjfs-1304979731", keys, cos_host, "cos"),
        (
            "COS_SECRETID=xxxx COS_SECRETKEY=xxx",
            COS,
            "",
            cos_host,
            "cos",
        ),
        ("ACCESS_KEY=xxxx SECRET_KEY=xxx", COS, "", cos_host, "cos"),
        (
            "COS_SECRETID=no COS_SECRETKEY=no",
            COS,
            keys,
            cos_host,
            "cos",
        ),
        ("", COS, temporary, cos_host, "cos"),
        (
            "",
            "http://bucket.oss-cn-hangzhou.aliyuncs.com",
            keys,
            oss_host,
            "oss4",
        ),
        (
            "",
            "bucket.oss-cn-hangzhou.aliyuncs.com/",
            keys,
            oss_host,
            "oss4",
        ),
        (
            "",
            "https://bucket.oss-cn-hangzhou-internal.aliyuncs.com",
            keys,
            internal,
            "oss4",
        ),
        // A name alone: the vendor is asked, and its internal host is better.
        ("", "bucket", keys, internal, "oss4"),
        ("", "oss://bucket", keys, internal, "oss4"),
        (
            "ALICLOUD_REGION_ID=cn-shanghai",
            "bucket",
            keys,
            "bucket.oss-cn-shanghai.aliyuncs.com",
            "oss4",
        ),
        (
            "ALICLOUD_ACCESS_KEY_ID=xxxx ALICLOUD_ACCESS_KEY_SECRET=xxx",
            OSS,
            "",
            oss_host,
            "oss4",
        ),
        (
            "ALIBABA_CLOUD_ACCESS_KEY_ID=xxxx ALIBABA_CLOUD_ACCESS_KEY_SECRET=xxx",
            OSS,
            "",
            oss_host,
            "oss4",
        ),
        (
            "ALICLOUD_ACCESS_KEY_ID=TMP ALICLOUD_ACCESS_KEY_SECRET=half SECURITY_TOKEN=token",
            OSS,
            "",
            oss_host,
            "oss4",
        ),
        (
            "ALICLOUD_ACCESS_KEY_ID=no ALICLOUD_ACCESS_KEY_SECRET=no",
            OSS,
            keys,
            oss_host,
            "oss4",
        ),
        ("", OSS, temporary, oss_host, "oss4"),
    ];
    let storage = |signature: &str| signature.trim_end_matches('4').to_string();
    let lines = rows.map(|(env, bucket, flags, _, signature)| {
        let storage = storage(signature);
        format!("{env} juicefs format --storage {storage} --bucket '{bucket}' {flags}")
    });
    for (row, found) in rows.iter().zip(format_all(&lines)) {
        let (_, bucket, flags, host, signature) = row;
        assert!(found.ok, "{row:?}: {}", found.text);
        let short = host.split('.').next().unwrap();
        let place = format!("Data use {}://{short}/vol-", storage(signature));
        assert!(found.text.contains(&place), "{row:?}: {}", found.text);
        assert!(found.requests.len() >= 4, "{row:?}: {:?}", found.requests);
        for request in found.requests {
            assert_eq!(request["host"], **host, "{row:?}: {request}");
            assert_eq!(request["scheme"], **signature, "{row:?}: {request}");
            assert_eq!(request["signature"], "good", "{row:?}: {request}");
            assert_eq!(
                request["tls"],
                !bucket.starts_with("http:"),
                "{row:?}: {request}"
            );
        }
        assert!(!found.text.contains("half") || flags.contains("half"));
    }
}

#[test]
fn classes_missing_buckets_and_refusals() {
    let keys = "--access-key xxxx --secret-key xxx";
    let cases = [
        format!("--storage cos --bucket {COS} {keys} --storage-class STANDARD_IA"),
        format!("--storage oss --bucket {OSS} {keys} --storage-class IA"),
        format!("--storage cos --bucket https://missing-1.cos.ap-nanjing.myqcloud.com {keys}"),
        format!("--storage oss --bucket https://missing.oss-cn-hangzhou.aliyuncs.com {keys}"),
        format!("--storage cos --bucket {COS} --access-key xxxx --secret-key not-it"),
        format!("--storage cos --bucket {COS} --access-key nobody --secret-key not-it"),
        format!("--storage oss --bucket {OSS} --access-key xxxx --secret-key not-it"),
        format!("--storage cos --bucket {COS}"),
        format!("--storage cos --bucket {COS} --access-key xxxx"),
        format!("--storage cos --bucket nowhere-1 {keys}"),
        format!(
            "--storage cos --bucket https://k:hush@myjfs-1304979731.cos.ap-nanjing.myqcloud.com {keys}"
        ),
        format!("--storage oss --bucket ftp://bucket.oss-cn-hangzhou.aliyuncs.com {keys}"),
    ];
    let mut lines: Vec<String> = cases
        .iter()
        .map(|c| format!("juicefs format {c}"))
        .collect();
    // A certificate that is not trusted is not tried again.
    lines.push(format!(
        "SSL_CERT_FILE=$VENDORS/server.crt juicefs format --storage cos --bucket {COS} {keys}"
    ));
    // A machine without certificates of authorities can still use http.
    lines.push(format!(
        "SSL_CERT_FILE=/none SSL_CERT_DIR=/none juicefs format --storage cos --bucket {} {keys}",
        COS.replace("https", "http")
    ));
    let mut found = format_all(&lines);
    let bare = found.pop().unwrap();
    let told = bare.text.contains("set SSL_CERT_FILE");
    assert!(bare.ok && told, "{}", bare.text);
    let untrusted = found.pop().unwrap();
    let told = untrusted.text.contains("the certificate of host");
    let once = !untrusted.text.contains("trying again");
    assert!(!untrusted.ok && told && once, "{}", untrusted.text);
    for (n, header, class) in [
        (0, "x-cos-storage-class", "STANDARD_IA"),
        (1, "x-oss-storage-class", "IA"),
    ] {
        assert!(found[n].ok, "{}", found[n].text);
        for request in &found[n].requests {
            let carries = request["headers"][header] == class;
            assert_eq!(carries, request["method"] == "PUT", "{request}");
        }
    }
    for made in &found[2..4] {
        assert!(made.ok, "the bucket is made: {}", made.text);
    }
    for (n, want) in [
        (
            4,
            "SignatureDoesNotMatch: told by the test; check --bucket and the keys",
        ),
        (
            5,
            "InvalidAccessKeyId: told by the test; check --bucket and the keys",
        ),
        (
            6,
            "SignatureDoesNotMatch: told by the test; check --bucket and the keys",
        ),
        (
            7,
            "AccessDenied: told by the test; check --bucket and the keys",
        ),
        (8, "the access key has no secret key"),
        (9, "the account has no such bucket"),
        (10, "keys do not belong into the bucket's address"),
        (11, "begins with http:// or https://, not ftp://"),
    ] {
        let found = &found[n];
        assert!(
            !found.ok && found.text.contains(want),
            "{want}: {}",
            found.text
        );
        for secret in ["not-it", "hush", "q-sign", "Signature="] {
            assert!(!found.text.contains(secret), "{secret}: {}", found.text);
        }
        let tries = found
            .requests
            .iter()
            .filter(|r| r["method"] == "PUT")
            .count();
        assert!(
            tries <= 1,
            "a refusal is not tried again: {:?}",
            found.requests
        );
    }
}

#[test]
fn failures_that_pass_are_tried_again() {
    let (vendors, home) = (vendors(), scratch_dir().unwrap());
    let planned = "PUT 503 SlowDown\nGET 500 InternalError\nGET 503 ServiceUnavailable\n";
    for (storage, bucket) in [("cos", COS), ("oss", OSS)] {
        std::fs::write(vendors.faults(), planned).unwrap();
        let script = format!(
            "juicefs format --storage {storage} --bucket {bucket} --access-key xxxx --secret-key xxx \
             sqlite3://{storage}.db vol-{storage}"
        );
        let shown = succeeds(&vendors, &script, home.path());
        assert!(shown.contains("trying again"), "{shown}");
        let left = std::fs::read_to_string(vendors.faults()).unwrap();
        assert_eq!(left, "", "{shown}");
    }
}

/// Two volumes of each vendor: made and written by one client, read and written by the other, and checked.
#[test]
fn the_reference_shares_volumes_in_buckets_of_vendors() {
    let (vendors, home) = (vendors(), scratch_dir().unwrap());
    let mut script = "head -c 9000000 /dev/urandom > data\n".to_string();
    for (storage, bucket) in [("cos", COS), ("oss", OSS)] {
        for (first, second) in [("juicefs", "reference"), ("reference", "juicefs")] {
            let (url, at) = (
                format!("sqlite3://{storage}-{first}.db"),
                format!("{storage}-{first}"),
            );
            script += &format!(
                r#"
                turn() {{
                    "$1" mount -d {url} {at} --cache-dir memory --log {at}.log --metrics 127.0.0.1:0 --no-usage-report
                    shift; "$@"; juicefs umount {at}
                }}
                {first} format --storage {storage} --bucket {bucket} --access-key xxxx --secret-key xxx \
                    --block-size 1M --trash-days 0 {url} vol-{at}
                turn {first} cp data {at}/of-first
                both() {{ cmp data {at}/of-first; cp data {at}/of-second; rm {at}/of-first; }}
                turn {second} both
                turn {first} cmp data {at}/of-second
                reference fsck {url}
                reference gc {url} > {at}.gc 2>&1
                grep ' 0 leaked' {at}.gc
                "#
            );
        }
    }
    succeeds(&vendors, &script, home.path());
    for request in vendors.requests().unwrap() {
        assert_eq!(request["signature"], "good", "{request}");
    }
}
