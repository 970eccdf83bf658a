//! A command line that was read: typed values by flag name, and the positional arguments.

use crate::error::ArgError;
use crate::spec::{FlagSpec, Kind, Support, find};
use crate::value::{parse_bool, parse_duration, parse_float, parse_int, parse_size, parse_uint};
use std::collections::HashMap;
use std::time::Duration;

/// A flag's value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Bytes(u64),
    Span(Duration),
    Text(String),
}

/// What was given. The getters answer the default for a flag that was not given; asking for a
/// flag that is in no table, or by the wrong kind, is a mistake in the program and panics.
#[derive(Clone, Debug)]
pub struct Parsed {
    tables: [&'static [FlagSpec]; 2],
    values: HashMap<&'static str, Value>,
    typed: HashMap<&'static str, String>,
    args: Vec<String>,
    positions: Vec<usize>,
}

impl Parsed {
    pub(crate) fn new(tables: [&'static [FlagSpec]; 2]) -> Parsed {
        Parsed {
            tables,
            values: HashMap::new(),
            typed: HashMap::new(),
            args: Vec::new(),
            positions: Vec::new(),
        }
    }

    /// Reads a value as typed and keeps it; a later one of the same flag wins.
    pub(crate) fn set(
        &mut self,
        spec: &'static FlagSpec,
        typed: &str,
        text: &str,
    ) -> Result<(), ArgError> {
        let value = read_value(spec, typed, text)?;
        self.values.insert(spec.name(), value);
        self.typed.insert(spec.name(), text.to_string());
        Ok(())
    }

    pub(crate) fn push_arg(&mut self, position: usize, arg: String) {
        self.positions.push(position);
        self.args.push(arg);
    }

    /// Refuses what is asked for and not there yet.
    pub(crate) fn check_support(&self) -> Result<(), ArgError> {
        for spec in self.tables.iter().copied().flatten() {
            let Support::OffOnly(accepted) = spec.support else {
                continue;
            };
            let Some(value) = self.values.get(spec.name()) else {
                continue;
            };
            let fine = accepted
                .iter()
                .any(|text| read_value(spec, spec.name(), text).is_ok_and(|v| v == *value));
            if !fine {
                let value = match value {
                    Value::Text(text) if spec.kind != Kind::Secret => text.clone(),
                    _ => String::new(),
                };
                return Err(ArgError::NotSupported {
                    flag: long_name(spec).to_string(),
                    value,
                });
            }
        }
        Ok(())
    }

    /// The positional arguments in order.
    pub fn args(&self) -> &[String] {
        &self.args
    }

    /// The positional argument at `index`; empty when there are fewer.
    pub fn arg(&self, index: usize) -> &str {
        self.args.get(index).map_or("", String::as_str)
    }

    /// Where in the command line the positional argument at `index` stood.
    pub fn position(&self, index: usize) -> Option<usize> {
        self.positions.get(index).copied()
    }

    /// Whether the flag was given, whatever its value.
    pub fn given(&self, name: &str) -> bool {
        self.values.contains_key(self.spec(name).name())
    }

    /// The flag's value as it was typed; `None` when it was not given.
    pub fn typed(&self, name: &str) -> Option<String> {
        self.typed.get(self.spec(name).name()).cloned()
    }

    /// A switch.
    pub fn bool(&self, name: &str) -> bool {
        match self.value(name) {
            Value::Bool(b) => b,
            other => wrong_kind(name, &other),
        }
    }

    /// A signed number.
    pub fn int(&self, name: &str) -> i64 {
        match self.value(name) {
            Value::Int(n) => n,
            other => wrong_kind(name, &other),
        }
    }

    /// An unsigned number.
    pub fn uint(&self, name: &str) -> u64 {
        match self.value(name) {
            Value::Uint(n) => n,
            other => wrong_kind(name, &other),
        }
    }

    /// A decimal number.
    pub fn float(&self, name: &str) -> f64 {
        match self.value(name) {
            Value::Float(n) => n,
            other => wrong_kind(name, &other),
        }
    }

    /// A size in bytes.
    pub fn bytes(&self, name: &str) -> u64 {
        match self.value(name) {
            Value::Bytes(n) => n,
            other => wrong_kind(name, &other),
        }
    }

    /// A time span.
    pub fn duration(&self, name: &str) -> Duration {
        match self.value(name) {
            Value::Span(d) => d,
            other => wrong_kind(name, &other),
        }
    }

    /// Text.
    pub fn text(&self, name: &str) -> String {
        match self.value(name) {
            Value::Text(text) => text,
            other => wrong_kind(name, &other),
        }
    }

    fn spec(&self, name: &str) -> &'static FlagSpec {
        self.tables
            .iter()
            .find_map(|table| find(table, name))
            .unwrap_or_else(|| panic!("flag {name} is in no table of this command"))
    }

    fn value(&self, name: &str) -> Value {
        let spec = self.spec(name);
        if let Some(value) = self.values.get(spec.name()) {
            return value.clone();
        }
        let text = spec.default_text();
        read_value(spec, spec.name(), &text)
            .unwrap_or_else(|error| panic!("the default of flag {name} does not parse: {error}"))
    }
}

fn wrong_kind(name: &str, value: &Value) -> ! {
    panic!("flag {name} holds {value:?}, asked for as another kind")
}

/// The first name of more than one letter; the flag as help and documentation call it.
fn long_name(spec: &FlagSpec) -> &'static str {
    spec.names
        .iter()
        .copied()
        .find(|n| n.len() > 1)
        .unwrap_or(spec.name())
}

fn read_value(spec: &FlagSpec, typed: &str, text: &str) -> Result<Value, ArgError> {
    let bad = || ArgError::BadValue {
        flag: typed.to_string(),
        value: text.to_string(),
    };
    match spec.kind {
        Kind::Bool => parse_bool(text)
            .map(Value::Bool)
            .ok_or_else(|| ArgError::BadBool {
                flag: typed.to_string(),
                value: text.to_string(),
            }),
        Kind::Int => parse_int(text).map(Value::Int).ok_or_else(bad),
        Kind::Uint => parse_uint(text).map(Value::Uint).ok_or_else(bad),
        Kind::Float => parse_float(text).map(Value::Float).ok_or_else(bad),
        Kind::Size(unit) => {
            parse_size(text, unit)
                .map(Value::Bytes)
                .map_err(|reason| ArgError::BadSize {
                    flag: long_name(spec).to_string(),
                    value: text.to_string(),
                    reason,
                })
        }
        Kind::Duration => parse_duration(text).map(Value::Span).ok_or_else(bad),
        Kind::Text | Kind::Secret => Ok(Value::Text(text.to_string())),
    }
}
