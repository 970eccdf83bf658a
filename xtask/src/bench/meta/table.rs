//! Samples of the metadata benchmark, and their medians as a table.

use super::clients::Who;
use super::operations::{Measured, Operation};

/// One operation of one client in one round.
#[derive(Clone, Copy)]
pub(super) struct Sample {
    /// Operations per second.
    pub(super) rate: f64,
    /// Processor time of the client for one operation, in microseconds.
    pub(super) cpu_us: f64,
}

impl Sample {
    pub(super) fn of(measured: &Measured) -> Sample {
        let count = measured.count as f64;
        Sample {
            rate: count / measured.wall.as_secs_f64(),
            cpu_us: measured.cpu.as_secs_f64() * 1e6 / count,
        }
    }
}

/// All rounds.
#[derive(Default)]
pub(super) struct Samples(Vec<(Operation, Who, Sample)>);

impl Samples {
    pub(super) fn add(&mut self, operation: Operation, who: Who, sample: Sample) {
        self.0.push((operation, who, sample));
    }

    /// Medians in Markdown. With two clients the rates of the first are divided by those of the second, and
    /// the processor times of the second by those of the first: above 1 the first client is better.
    pub(super) fn table(&self, title: &str, clients: &[Who]) -> String {
        let (mut names, mut rule) = (String::new(), String::new());
        for column in ["ops/s", "CPU µs/op"] {
            for who in clients {
                names += &format!(" {} {column} |", who.name());
                rule += "---:|";
            }
            if clients.len() == 2 {
                names += " ratio |";
                rule += "---:|";
            }
        }
        let mut text = format!("## {title}\n\n| operation |{names}\n|---|{rule}\n");
        for operation in Operation::ALL {
            text += &format!("| {} |", operation.name());
            let medians = |value: fn(&Sample) -> f64| -> Vec<f64> {
                let of = |who: &Who| self.median(operation, *who, value);
                clients.iter().map(of).collect()
            };
            for (values, more_is_better) in
                [(medians(|s| s.rate), true), (medians(|s| s.cpu_us), false)]
            {
                values.iter().for_each(|v| text += &format!(" {v:.0} |"));
                if let [first, second] = values[..] {
                    let ratio = if more_is_better {
                        first / second
                    } else {
                        second / first
                    };
                    text += &format!(" {ratio:.2} |");
                }
            }
            text.push('\n');
        }
        text
    }

    fn median(&self, operation: Operation, who: Who, value: fn(&Sample) -> f64) -> f64 {
        let ours = self
            .0
            .iter()
            .filter(|(o, w, _)| (*o, *w) == (operation, who));
        let mut values: Vec<f64> = ours.map(|(_, _, sample)| value(sample)).collect();
        values.sort_by(f64::total_cmp);
        match (values.len(), values.len() / 2) {
            (0, _) => f64::NAN,
            (n, middle) if n % 2 == 1 => values[middle],
            (_, middle) => (values[middle - 1] + values[middle]) / 2.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_ratios() {
        let mut samples = Samples::default();
        for operation in Operation::ALL {
            for (who, rates) in [
                (Who::Jfs, [40.0, 20.0, 90.0]),
                (Who::Juicefs, [10.0, 9.0, 30.0]),
            ] {
                for rate in rates {
                    samples.add(
                        operation,
                        who,
                        Sample {
                            rate,
                            cpu_us: rate + 10.0,
                        },
                    );
                }
            }
        }
        let table = samples.table("Redis", &Who::ALL);
        assert!(
            table.contains("| rename | 40 | 10 | 4.00 | 50 | 20 | 0.40 |"),
            "{table}"
        );
        let alone = samples.table("Redis", &[Who::Juicefs]);
        assert!(alone.contains("| rename | 10 | 20 |"), "{alone}");
    }
}
