//! What goes into a statement and what comes out of it, the same for every driver.

use bytes::Bytes;
use jfs_meta::EngineError;
use jfs_types::Ino;

/// A parameter of a statement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Value {
    /// No value.
    Null,
    /// A number. Ids, which are unsigned, are stored as signed ones.
    Int(i64),
    /// Binary data.
    Bytes(Bytes),
    /// Data of a text column, UTF-8 or not: SQLite stores both.
    Text(Bytes),
}

impl Value {
    /// Binary data, copied.
    pub(crate) fn bytes(data: &[u8]) -> Value {
        Value::Bytes(Bytes::copy_from_slice(data))
    }

    /// Text, copied.
    pub(crate) fn text(data: &[u8]) -> Value {
        Value::Text(Bytes::copy_from_slice(data))
    }
}

macro_rules! from_numbers {
    ($($number:ty),*) => { $(impl From<$number> for Value {
        fn from(n: $number) -> Value {
            Value::Int(n as i64)
        }
    })* };
}

from_numbers!(i64, u64, u32, u16, i32, usize);

impl From<Ino> for Value {
    fn from(ino: Ino) -> Value {
        Value::Int(ino.0 as i64)
    }
}

/// The parameters of a statement, `$1` first.
pub(crate) type Params = Vec<Value>;

/// A row of a result. Columns count from 0.
pub(crate) trait Row {
    /// The number in a column, `None` for NULL. `Corrupt` for anything else.
    fn number(&self, column: usize) -> Result<Option<i64>, EngineError>;

    /// The bytes in a column of bytes or text, `None` for NULL. `Corrupt` for anything else.
    fn data(&self, column: usize) -> Result<Option<&[u8]>, EngineError>;
}

impl dyn Row + '_ {
    /// A number that must be there.
    pub(crate) fn int(&self, column: usize) -> Result<i64, EngineError> {
        self.number(column)?
            .ok_or_else(|| EngineError::corrupt(format!("column {column}"), "no value"))
    }

    /// An id, which is stored as a signed number.
    pub(crate) fn id(&self, column: usize) -> Result<u64, EngineError> {
        self.int(column).map(|n| n as u64)
    }

    /// A number that must fit.
    pub(crate) fn fitting<T: TryFrom<i64>>(&self, column: usize) -> Result<T, EngineError> {
        let n = self.int(column)?;
        T::try_from(n).map_err(|_| EngineError::corrupt(format!("column {column}"), n.to_string()))
    }

    /// Bytes, none for NULL.
    pub(crate) fn bytes(&self, column: usize) -> Result<&[u8], EngineError> {
        Ok(self.data(column)?.unwrap_or_default())
    }

    /// Bytes, copied; none for NULL.
    pub(crate) fn owned(&self, column: usize) -> Result<Bytes, EngineError> {
        self.bytes(column).map(Bytes::copy_from_slice)
    }
}

/// The rows of a result, one after the other.
pub(crate) trait Rows {
    /// The next row, `None` after the last one.
    fn next(&mut self) -> Result<Option<&dyn Row>, EngineError>;
}

impl dyn Rows + '_ {
    /// What `f` makes of the first row.
    pub(crate) fn first<T>(
        &mut self,
        f: impl FnOnce(&dyn Row) -> Result<T, EngineError>,
    ) -> Result<Option<T>, EngineError> {
        self.next()?.map(f).transpose()
    }

    /// What `f` makes of each row. The statement bounds their number.
    pub(crate) fn all<T>(
        &mut self,
        mut f: impl FnMut(&dyn Row) -> Result<T, EngineError>,
    ) -> Result<Vec<T>, EngineError> {
        let mut all = Vec::new();
        while let Some(row) = self.next()? {
            all.push(f(row)?);
        }
        Ok(all)
    }

    /// Whether there is a row.
    pub(crate) fn any(&mut self) -> Result<bool, EngineError> {
        Ok(self.next()?.is_some())
    }
}

/// Rows that are in memory.
pub(crate) struct RowList<'a>(std::slice::Iter<'a, Box<dyn Row + Send>>);

impl<'a> RowList<'a> {
    /// `rows` in their order.
    pub(crate) fn new(rows: &'a [Box<dyn Row + Send>]) -> RowList<'a> {
        RowList(rows.iter())
    }
}

impl Rows for RowList<'_> {
    fn next(&mut self) -> Result<Option<&dyn Row>, EngineError> {
        Ok(self.0.next().map(|row| &**row as &dyn Row))
    }
}

/// A row whose columns are values.
impl Row for Vec<Value> {
    fn number(&self, column: usize) -> Result<Option<i64>, EngineError> {
        match self.get(column) {
            Some(Value::Int(n)) => Ok(Some(*n)),
            Some(Value::Null) => Ok(None),
            other => Err(unexpected(column, "a number", other)),
        }
    }

    fn data(&self, column: usize) -> Result<Option<&[u8]>, EngineError> {
        match self.get(column) {
            Some(Value::Bytes(data) | Value::Text(data)) => Ok(Some(data)),
            Some(Value::Null) => Ok(None),
            other => Err(unexpected(column, "bytes", other)),
        }
    }
}

fn unexpected(column: usize, wanted: &str, value: Option<&Value>) -> EngineError {
    let found = match value {
        None => "no such column",
        Some(Value::Null) => "NULL",
        Some(Value::Int(_)) => "a number",
        Some(Value::Bytes(_)) => "bytes",
        Some(Value::Text(_)) => "text",
    };
    EngineError::corrupt(
        format!("column {column}"),
        format!("{found} where {wanted} is stored"),
    )
}
