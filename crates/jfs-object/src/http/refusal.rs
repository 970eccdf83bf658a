//! What a server says when it refuses a request.

use crate::{ErrorKind, ObjectError};
use http::StatusCode;

/// Codes of errors that pass, whatever their status is.
const PASSING: [&str; 6] = [
    "InternalError",
    "RequestTimeout",
    "ServerBusy",
    "ServiceUnavailable",
    "SlowDown",
    "TooManyRequests",
];

/// The error of an answer with a status that is no success, or not the expected one.
pub(crate) fn refusal(key: &str, status: StatusCode, body: &[u8]) -> ObjectError {
    let body = String::from_utf8_lossy(body);
    let code = element(&body, "Code").unwrap_or("no reason given");
    let message = element(&body, "Message").unwrap_or_default();
    ObjectError::new(
        kind(status, code),
        key,
        format!("{status}: {code}: {message}"),
    )
}

/// What an answer means. One that is neither a refusal nor what was asked for may be another one the next time.
fn kind(status: StatusCode, code: &str) -> ErrorKind {
    let passes = status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED;
    match status {
        _ if passes || is_passing(code) => ErrorKind::Transient,
        StatusCode::NOT_FOUND => ErrorKind::NotFound,
        StatusCode::RANGE_NOT_SATISFIABLE => ErrorKind::Short,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => ErrorKind::Transient,
        _ if status.is_success() => ErrorKind::Transient,
        _ => ErrorKind::Permanent,
    }
}

/// Whether an error with this code passes.
pub(crate) fn is_passing(code: &str) -> bool {
    PASSING.contains(&code)
}

/// The text of the first element of this name.
pub(crate) fn element<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_and_judged() {
        for (status, body, kind, told) in [
            (
                403,
                "<Error><Code>AccessDenied</Code><Message>No.</Message></Error>",
                ErrorKind::Permanent,
                "403 Forbidden: AccessDenied: No.",
            ),
            (
                404,
                "<Error><Code>NoSuchKey</Code></Error>",
                ErrorKind::NotFound,
                "404 Not Found: NoSuchKey: ",
            ),
            (
                416,
                "",
                ErrorKind::Short,
                "416 Range Not Satisfiable: no reason given: ",
            ),
            (
                503,
                "<html>",
                ErrorKind::Transient,
                "503 Service Unavailable: no reason given: ",
            ),
            (
                400,
                "<Code>RequestTimeout</Code>",
                ErrorKind::Transient,
                "400 Bad Request: RequestTimeout: ",
            ),
            (
                429,
                "",
                ErrorKind::Transient,
                "429 Too Many Requests: no reason given: ",
            ),
            (
                302,
                "",
                ErrorKind::Permanent,
                "302 Found: no reason given: ",
            ),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            let e = refusal("k", status, body.as_bytes());
            assert_eq!((e.kind, e.message.as_str()), (kind, told));
        }
    }
}
