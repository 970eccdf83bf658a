//! Sources of keys for a volume whose setting has none.

use reqsign_core::{Context, ProvideCredential, Result};
use std::fmt::{self, Debug};
use std::time::Duration;

/// How long the metadata service of a cloud may take. It answers within milliseconds; outside of a cloud its
/// address may lead nowhere.
const METADATA_MAX: Duration = Duration::from_secs(3);

/// What the signers' library says when no source has keys.
const NOTHING_FOUND: &str = "failed to load signing credential";
/// What is said instead.
const NO_KEYS: &str = "there are no keys to sign requests with";

/// The message for a volume without keys: `message` is from a library, `variables` name the keys in the environment.
/// `None` when the message is about something else.
pub(crate) fn no_keys(message: &str, variables: &str) -> Option<String> {
    if message.contains(NO_KEYS) || !message.contains(NOTHING_FOUND) {
        return None;
    }
    Some(format!(
        "{NO_KEYS}: give the volume --access-key and --secret-key, or set {variables}"
    ))
}

/// One source of keys. A failure of it is told in one line, and then the next source is asked: the library's own
/// line would be a dump of the source and of the error.
pub(crate) struct Source<P> {
    name: &'static str,
    provider: P,
    /// Asked everywhere, so that its failure says little.
    metadata: bool,
}

impl<P> Source<P> {
    /// A source that answers only where users have set it up.
    pub(crate) fn new(name: &'static str, provider: P) -> Source<P> {
        Source {
            name,
            provider,
            metadata: false,
        }
    }

    /// The metadata service of a cloud.
    pub(crate) fn metadata(provider: P) -> Source<P> {
        Source {
            name: "the metadata service of this machine",
            provider,
            metadata: true,
        }
    }
}

impl<P> Debug for Source<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl<P: ProvideCredential> ProvideCredential for Source<P> {
    type Credential = P::Credential;

    async fn provide_credential(&self, context: &Context) -> Result<Option<P::Credential>> {
        let name = self.name;
        let asked = self.provider.provide_credential(context);
        if !self.metadata {
            return Ok(asked.await.unwrap_or_else(|e| {
                tracing::warn!("{name} gives no keys: {e}");
                None
            }));
        }
        match tokio::time::timeout(METADATA_MAX, asked).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(e)) => tracing::debug!("{name} gives no keys: {e}"),
            Err(_) => tracing::debug!("{name} gives no keys: no answer within {METADATA_MAX:?}"),
        }
        Ok(None)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use reqsign_core::Error;

    /// A source that fails, answers, or hangs.
    #[derive(Debug)]
    enum Trial {
        Fails,
        Answers,
        Hangs,
    }

    impl ProvideCredential for Trial {
        type Credential = u32;

        async fn provide_credential(&self, _: &Context) -> Result<Option<u32>> {
            match self {
                Trial::Fails => Err(Error::unexpected("no such service")),
                Trial::Answers => Ok(Some(7)),
                Trial::Hangs => std::future::pending().await,
            }
        }
    }

    #[tokio::test]
    async fn the_next_source_is_asked_after_a_failure() {
        for (trial, want) in [
            (Trial::Fails, None),
            (Trial::Answers, Some(7)),
            (Trial::Hangs, None),
        ] {
            let source = Source::metadata(trial);
            let context = Context::new();
            let asked = source.provide_credential(&context);
            let minute = Duration::from_secs(60);
            let found = tokio::time::timeout(minute, asked).await;
            assert_eq!(found.unwrap().unwrap(), want, "{source:?}");
        }
        let source = Source::new("a file", Trial::Fails);
        let found = source.provide_credential(&Context::new()).await;
        assert_eq!(found.unwrap(), None);
    }

    #[test]
    fn missing_keys_are_named() {
        let said = no_keys(
            "signing http request: failed to load signing credential",
            "A and B",
        );
        let said = said.unwrap();
        assert!(said.contains("--access-key") && said.ends_with("set A and B"));
        assert_eq!(no_keys(&said, "C"), None, "once is enough");
        assert_eq!(no_keys("connection refused", "A"), None);
    }
}
