//! The metadata benchmark: our client and the reference client take turns on the same database server.
//!
//! Both clients work through mounts, because a mount is what users compare, and the reference client offers
//! nothing else. The kernel's share is the same for both. Each client has a volume of its own on the
//! server; objects go to a local directory. Numbers are medians over the rounds.

mod clients;
mod operations;
mod servers;
mod table;

pub(crate) use operations::worker;

use self::clients::{Bed, Who};
use self::operations::Operation;
use self::servers::{Link, Server, ServerKind};
use self::table::{Sample, Samples};
use crate::options::Options;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::time::Duration;

/// The choices of a run.
struct Choices {
    servers: Vec<ServerKind>,
    links: Vec<Link>,
    clients: Vec<Who>,
    /// Files or directories per operation and round.
    count: usize,
    rounds: usize,
    /// Processes that create in one directory at a time.
    processes: usize,
    /// Delay of each reply behind the relay.
    delay: Duration,
    /// Whether servers wait for the disk at each commit.
    durable: bool,
    /// Gets the tables too.
    out: Option<PathBuf>,
}

pub(super) fn run(words: &[&str]) -> Result<()> {
    let choices = Choices::parse(Options::parse(words)?)?;
    let mut text = choices.heading();
    for kind in &choices.servers {
        for link in &choices.links {
            let samples = choices.measure(*kind, *link)?;
            let title = format!("{kind}, {}", choices.name_of(*link));
            let table = samples.table(&title, &choices.clients);
            println!("\n{table}");
            text += &format!("\n{table}");
        }
    }
    let Some(out) = &choices.out else {
        return Ok(());
    };
    std::fs::write(out, text).with_context(|| format!("writing {}", out.display()))
}

impl Choices {
    fn parse(mut options: Options<'_>) -> Result<Choices> {
        let number = |word: &str| word.parse().ok().filter(|n| *n > 0);
        let mut one = |name: &str, otherwise: usize| -> Result<usize> {
            let given = options.list(name, number)?;
            Ok(given
                .and_then(|list| list.first().copied())
                .unwrap_or(otherwise))
        };
        let (count, rounds) = (one("--count", 400)?, one("--rounds", 5)?);
        let (processes, delay_us) = (one("--processes", 8)?, one("--delay-us", 1000)?);
        let choices = Choices {
            servers: options
                .list("--meta", ServerKind::parse)?
                .unwrap_or_else(|| ServerKind::ALL.to_vec()),
            links: options
                .list("--link", Link::parse)?
                .unwrap_or_else(|| Link::ALL.to_vec()),
            clients: options
                .list("--clients", Who::parse)?
                .unwrap_or_else(|| Who::ALL.to_vec()),
            count,
            rounds,
            processes,
            delay: Duration::from_micros(delay_us as u64),
            durable: options
                .list("--durable", |word| word.parse::<bool>().ok())?
                .is_some_and(|list| list == [true]),
            out: options
                .list("--out", |word| Some(PathBuf::from(word)))?
                .and_then(|mut list| list.pop()),
        };
        options.end()?;
        Ok(choices)
    }

    /// All rounds on one server. The clients swap their order from round to round.
    fn measure(&self, kind: ServerKind, link: Link) -> Result<Samples> {
        let delay = (link == Link::Delayed).then_some(self.delay);
        let server = Server::start(kind, delay, self.durable)?;
        let bed = Bed::new(&server, &self.clients)?;
        let mut samples = Samples::default();
        for round in 0..self.rounds {
            let mut mounts: Vec<_> = bed.mounts().collect();
            if round % 2 == 1 {
                mounts.reverse();
            }
            for operation in Operation::ALL {
                for (who, mount) in &mounts {
                    let top = mount.at(format!("round-{round}"));
                    let measured = operation.measure(&top, self, &mount.pids())?;
                    samples.add(operation, *who, Sample::of(&measured));
                }
            }
            eprintln!(
                "{kind}, {}: round {} of {}",
                self.name_of(link),
                round + 1,
                self.rounds
            );
        }
        bed.end()?;
        Ok(samples)
    }

    fn name_of(&self, link: Link) -> String {
        match link {
            Link::Direct => "direct".to_owned(),
            Link::Delayed => format!("each reply {:?} later", self.delay),
        }
    }

    fn heading(&self) -> String {
        format!(
            "# Metadata operations through mounts\n\n{} operations a round, {} rounds, {} processes; servers {} for the disk.\n",
            self.count,
            self.rounds,
            self.processes,
            if self.durable { "wait" } else { "do not wait" }
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read_and_unknown_ones_refused() {
        let words = ["--meta", "redis", "--count", "7", "--durable", "true"];
        let choices = Choices::parse(Options::parse(&words).unwrap()).unwrap();
        assert_eq!(choices.servers, [ServerKind::Redis]);
        assert_eq!((choices.count, choices.rounds), (7, 5));
        assert!(choices.durable);
        for words in [["--meta", "oracle"], ["--count", "0"], ["--cuont", "7"]] {
            assert!(Choices::parse(Options::parse(&words).unwrap()).is_err());
        }
    }
}
