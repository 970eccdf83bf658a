//! Requests to a bucket that opendal has no call for, or does not do well enough: reading an object, where every byte
//! counts, and making the bucket.

use super::client;
use super::refusal::refusal;
use super::sign::Sign;
use crate::buffers::Buffer;
use crate::{ErrorKind, ObjectError};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use http::{HeaderMap, Method, Request, StatusCode};
use opendal::raw::percent_encode_path;
use reqwest::{Body, Client, Response};
use std::ops::Range;
use std::sync::Arc;

/// Room that is made on the word of a server alone, bytes. Longer objects make it grow as they arrive.
const ROOM_MAX: u64 = 32 << 20;
/// What is read of the text of an error, bytes.
const ERROR_TEXT_MAX: usize = 64 << 10;

/// A bucket behind HTTP, and the volume's name in it.
#[derive(Debug)]
pub(crate) struct HttpBucket {
    /// Name of the bucket, for messages.
    pub(crate) name: String,
    /// Address of the bucket; keys of objects come behind a slash.
    pub(crate) url: String,
    /// First part of every key.
    pub(crate) volume_name: String,
    /// Added to every request before it is signed.
    pub(crate) headers: &'static [(&'static str, &'static str)],
    /// Name of the answer's header that holds the checksum of an object; `None`: objects have none.
    pub(crate) checksum: Option<&'static str>,
    /// Body of the request that makes the bucket.
    pub(crate) creation: String,
    pub(crate) client: Client,
    pub(crate) sign: Arc<dyn Sign>,
}

/// An object's stored checksum, and that of what has arrived.
struct Checksum {
    stored: u32,
    found: crc_fast::Digest,
}

impl HttpBucket {
    /// Reads a range of an object, or all of it. The bytes go to their final place as they arrive, and their
    /// checksum is made while they are in the processor's cache.
    pub(crate) async fn get(
        &self,
        key: &str,
        range: Option<Range<u64>>,
    ) -> Result<Bytes, ObjectError> {
        let path = percent_encode_path(&format!("{}/{key}", self.volume_name));
        let url = format!("{}/{path}", self.url.trim_end_matches('/'));
        let mut request = Request::get(url);
        if let Some(range) = &range {
            let last = range.end.saturating_sub(1);
            request = request.header(RANGE, format!("bytes={}-{last}", range.start));
        }
        let mut response = self.send(key, request, String::new()).await?;
        let (status, wanted) = (response.status(), range.as_ref().map(|r| r.end - r.start));
        let expected = match range {
            Some(_) => StatusCode::PARTIAL_CONTENT,
            None => StatusCode::OK,
        };
        let length = response.content_length();
        // A server may answer with all of an object that is as long as the range.
        let whole = status == StatusCode::OK && range.as_ref().is_none_or(|r| r.start == 0);
        if status != expected && !(whole && length == wanted) {
            return Err(self.refused(key, response).await);
        }
        let total = match whole {
            true => length,
            false => total_length(response.headers()),
        };
        let from_first = range.as_ref().is_none_or(|r| r.start == 0);
        let is_all = from_first && (wanted.is_none() || total.or(length) == wanted);
        let mut checksum = match is_all {
            true => self.stored_checksum(key, response.headers()),
            false => None,
        };

        let room = length
            .or(wanted)
            .unwrap_or(0)
            .min(wanted.unwrap_or(ROOM_MAX))
            .min(ROOM_MAX);
        let mut data = Buffer::with_capacity(usize::try_from(room).unwrap_or(0));
        loop {
            let chunk = response.chunk().await;
            let Some(chunk) = chunk.map_err(|e| client::failure(key, e))? else {
                break;
            };
            let filled = data.len() + chunk.len();
            if wanted.is_some_and(|wanted| filled as u64 > wanted) {
                let message = format!("more than the {} bytes asked for", wanted.unwrap_or(0));
                return Err(ObjectError::new(ErrorKind::Transient, key, message));
            }
            if filled > data.capacity() {
                data = data.grown(filled.next_power_of_two());
            }
            if let Some(checksum) = &mut checksum {
                checksum.found.update(&chunk);
            }
            data.extend_from_slice(&chunk);
        }
        match wanted {
            Some(wanted) if (data.len() as u64) < wanted => {
                let message = format!("{} of {wanted} bytes", data.len());
                // An object that is longer than the answer is all right, the answer was not.
                let end = range.map_or(0, |r| r.end);
                let kind = match total.is_some_and(|total| total >= end) {
                    true => ErrorKind::Transient,
                    false => ErrorKind::Short,
                };
                Err(ObjectError::new(kind, key, message))
            }
            _ => {
                checksum.map_or(Ok(()), |checksum| checksum.compare(key))?;
                Ok(data.freeze())
            }
        }
    }

    /// Makes the bucket. One that is there already, also one made meanwhile, is fine.
    pub(crate) async fn make(&self) -> Result<(), ObjectError> {
        let request = Request::builder().method(Method::PUT);
        let request = request
            .uri(format!("{}/", self.url.trim_end_matches('/')))
            .header(CONTENT_LENGTH, self.creation.len());
        let response = self
            .send(&self.name, request, self.creation.clone())
            .await?;
        if response.status().is_success() {
            return Ok(());
        }
        let e = self.refused(&self.name, response).await;
        let exists = ["BucketAlreadyOwnedByYou", "BucketAlreadyExists"];
        match exists.iter().any(|code| e.message.contains(code)) {
            true => Ok(()),
            false => Err(e),
        }
    }

    async fn send(
        &self,
        key: &str,
        request: http::request::Builder,
        body: String,
    ) -> Result<Response, ObjectError> {
        let invalid = |e: String| ObjectError::permanent(key, e);
        let request = self
            .headers
            .iter()
            .fold(request, |r, (k, v)| r.header(*k, *v));
        let request = request.body(()).map_err(|e| invalid(e.to_string()))?;
        let (mut head, ()) = request.into_parts();
        self.sign.sign(&mut head).await?;
        let request = Request::from_parts(head, Body::from(body));
        let request = reqwest::Request::try_from(request).map_err(|e| invalid(e.to_string()))?;
        let response = self.client.execute(request).await;
        response.map_err(|e| client::failure(key, e))
    }

    /// The error in an answer that is not what was asked for.
    async fn refused(&self, key: &str, mut response: Response) -> ObjectError {
        let status = response.status();
        let mut text = Vec::new();
        while text.len() < ERROR_TEXT_MAX
            && let Ok(Some(chunk)) = response.chunk().await
        {
            text.extend_from_slice(&chunk[..chunk.len().min(ERROR_TEXT_MAX - text.len())]);
        }
        refusal(key, status, &text)
    }

    /// The checksum that an object carries. Not all do, and a text that is no number is no checksum.
    fn stored_checksum(&self, key: &str, headers: &HeaderMap) -> Option<Checksum> {
        let text = headers.get(self.checksum?)?.to_str().unwrap_or_default();
        let Ok(stored) = text.parse::<i64>() else {
            tracing::warn!("object {key}: its checksum is no number: {text:?}");
            return None;
        };
        Some(Checksum {
            stored: stored as u32,
            found: crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi),
        })
    }
}

impl Checksum {
    fn compare(self, key: &str) -> Result<(), ObjectError> {
        // A checksum of 32 bits in a type that holds those of 64 too.
        let (stored, found) = (self.stored, self.found.finalize() as u32);
        if stored == found {
            return Ok(());
        }
        let message = format!("its checksum is {found}, and was {stored} when it was stored");
        Err(ObjectError::new(ErrorKind::Altered, key, message))
    }
}

/// Length of the whole object, from `bytes 0-9/100`.
fn total_length(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    range.rsplit_once('/')?.1.trim().parse().ok()
}
