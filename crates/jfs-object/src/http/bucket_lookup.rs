//! The address of a bucket that is known by its name alone: the vendor is asked, once.

use super::client;
use super::refusal::refusal;
use super::sign::Sign;
use crate::{ErrorKind, ObjectError};
use http::Request;
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use reqwest::Client;
use std::fmt::Debug;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// Longest answer that is read, bytes: a list of all buckets.
const ANSWER_MAX: usize = 4 << 20;

/// Where a bucket was found.
#[derive(Clone, Debug)]
pub(crate) struct FoundBucket {
    /// Host of the bucket, its name included.
    pub(crate) host: String,
    /// The signature that this host wants.
    pub(crate) sign: Arc<dyn Sign>,
}

/// Asks a vendor.
#[async_trait::async_trait]
pub(crate) trait Find: Debug + Send + Sync {
    async fn find(&self) -> Result<FoundBucket, ObjectError>;
}

/// A signature that first leads the request to the bucket's own host.
#[derive(Debug)]
pub(crate) struct Located<F> {
    pub(crate) finder: F,
    pub(crate) place: OnceCell<FoundBucket>,
}

impl<F: Find> Located<F> {
    pub(crate) fn new(finder: F) -> Located<F> {
        Located {
            finder,
            place: OnceCell::new(),
        }
    }
}

#[async_trait::async_trait]
impl<F: Find> Sign for Located<F> {
    async fn sign(&self, head: &mut Parts) -> Result<(), ObjectError> {
        let place = self.place.get_or_try_init(|| self.finder.find()).await?;
        let unusable = |e: String| ObjectError::permanent(&place.host, e);
        let path = head.uri.path_and_query().cloned();
        let host = place.host.parse::<Authority>();
        head.uri = Uri::builder()
            .scheme(Scheme::HTTPS)
            .authority(host.map_err(|e| unusable(e.to_string()))?)
            .path_and_query(path.unwrap_or_else(|| PathAndQuery::from_static("/")))
            .build()
            .map_err(|e| unusable(e.to_string()))?;
        place.sign.sign(head).await
    }
}

/// The text that a signed GET brings.
pub(crate) async fn ask(
    client: &Client,
    url: &str,
    sign: &dyn Sign,
) -> Result<String, ObjectError> {
    let invalid = |e: String| ObjectError::permanent(url, e);
    let request = Request::get(url).body(());
    let (mut head, ()) = request.map_err(|e| invalid(e.to_string()))?.into_parts();
    sign.sign(&mut head).await?;
    let request = Request::from_parts(head, reqwest::Body::from(""));
    let request = reqwest::Request::try_from(request).map_err(|e| invalid(e.to_string()))?;
    let answer = client.execute(request).await;
    let mut answer = answer.map_err(|e| client::failure(url, e))?;
    let mut text = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|e| client::failure(url, e))? {
        if text.len() + chunk.len() > ANSWER_MAX {
            return Err(invalid(format!(
                "an answer of more than {ANSWER_MAX} bytes"
            )));
        }
        text.extend_from_slice(&chunk);
    }
    match answer.status().is_success() {
        true => Ok(String::from_utf8_lossy(&text).into_owned()),
        // That the bucket is missing is an answer about the volume's setting, not about an object.
        false => Err(match refusal(url, answer.status(), &text) {
            e if e.is_not_found() => ObjectError {
                kind: ErrorKind::Permanent,
                ..e
            },
            e => e,
        }),
    }
}
