//! `--name value` pairs, each at most once, values being lists with commas.

use anyhow::{Context, Result, bail};

/// Pairs that were not asked for yet.
pub(crate) struct Options<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Options<'a> {
    pub(crate) fn parse(words: &[&'a str]) -> Result<Self> {
        let (pairs, rest) = words.as_chunks::<2>();
        if let [lone] = rest {
            bail!("{lone} needs a value");
        }
        Ok(Self(
            pairs.iter().map(|[name, value]| (*name, *value)).collect(),
        ))
    }

    /// The values of `name`, each read by `one`; `None` when it was not given.
    pub(crate) fn list<T>(
        &mut self,
        name: &str,
        one: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<Vec<T>>> {
        let Some(at) = self.0.iter().position(|(given, _)| *given == name) else {
            return Ok(None);
        };
        let (_, value) = self.0.remove(at);
        let read = |word| one(word).with_context(|| format!("{name} {word}: not understood"));
        value.split(',').map(read).collect::<Result<_>>().map(Some)
    }

    /// Refuses what is left over.
    pub(crate) fn end(self) -> Result<()> {
        match self.0.first() {
            Some((name, _)) => bail!("unknown option {name}, or given twice"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::Options;

    #[test]
    fn lists_and_leftovers() {
        let number = |word: &str| word.parse::<u32>().ok();
        let mut options = Options::parse(&["--a", "1,2", "--b", "x"]).unwrap();
        assert_eq!(options.list("--a", number).unwrap(), Some(vec![1, 2]));
        assert_eq!(options.list("--a", number).unwrap(), None);
        assert!(options.list("--b", number).is_err());
        assert!(Options::parse(&["--a"]).is_err());
        assert!(Options::parse(&["--a", "1"]).unwrap().end().is_err());
    }
}
