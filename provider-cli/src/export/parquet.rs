//! Parquet, for columnar readers.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType, FixedLenByteArray, FixedLenByteArrayType, Int32Type,
    Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;

use super::Value;

/// Digits of the decimals, the most that readers take.
const PRECISION: i32 = 38;
/// Bytes of such a decimal.
const WIDTH: i32 = 16;
/// Digits that a sum, a number of 64 bits, can have.
const SUM_DIGITS: i32 = 19;

/// A file that is being written: one row group for each call of [`Self::write`].
pub(crate) struct Rows<W: Write + Send> {
    file: SerializedFileWriter<W>,
    /// Digits behind the decimal point of the column of values.
    digits: i32,
}

impl<W: Write + Send> Rows<W> {
    /// Begins a file for slots of these scales.
    pub(crate) fn begin(out: W, scales: impl Iterator<Item = i8>) -> io::Result<Self> {
        let scales: Vec<i32> = scales.map(i32::from).collect();
        // A column has one scale: that of the finest slot.
        let digits = scales.iter().map(|scale| -scale).max().unwrap_or(0).max(0);
        let coarsest = scales.iter().copied().max().unwrap_or(0);
        if SUM_DIGITS + digits + coarsest > PRECISION {
            return Err(io::Error::other(format!(
                "scales of slots that differ by so much need more than {PRECISION} digits in one column; \
                 export the nets one by one"
            )));
        }
        let schema = schema(digits).map_err(io_error)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .build();
        let file = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties));
        Ok(Self {
            file: file.map_err(io_error)?,
            digits,
        })
    }

    /// Writes a row group.
    pub(crate) fn write(&mut self, values: &[Value]) -> io::Result<()> {
        self.group(values).map_err(io_error)
    }

    /// What `out` has got so far.
    pub(crate) fn take(&mut self) -> W
    where
        W: Default,
    {
        std::mem::take(self.file.inner_mut())
    }

    /// Writes what stands at the end of a file.
    pub(crate) fn finish(self) -> io::Result<W> {
        self.file.into_inner().map_err(io_error)
    }

    fn group(&mut self, values: &[Value]) -> Result<(), ParquetError> {
        let digits = self.digits;
        let mut group = self.file.next_row_group()?;
        let texts: [fn(&Value) -> &str; 4] = [|v| &v.net, |v| &v.region, |v| &v.obis, |v| &v.unit];
        for text in texts {
            let column: Vec<ByteArray> = values.iter().map(|value| text(value).into()).collect();
            write::<_, ByteArrayType>(&mut group, &column, None)?;
        }
        let scales: Vec<i32> = values.iter().map(|value| value.scale.into()).collect();
        write::<_, Int32Type>(&mut group, &scales, None)?;
        let whole: [fn(&Value) -> i64; 3] = [
            |v| i64::try_from(v.round).unwrap_or(i64::MAX),
            |v| v.start.as_microsecond(),
            |v| v.end.as_microsecond(),
        ];
        for number in whole {
            let column: Vec<i64> = values.iter().map(number).collect();
            write::<_, Int64Type>(&mut group, &column, None)?;
        }
        let sums: Vec<FixedLenByteArray> = values
            .iter()
            .filter_map(|value| Some(decimal(value.sum?, value.scale, digits)))
            .collect();
        let levels = levels(values, |value| value.sum.is_some());
        write::<_, FixedLenByteArrayType>(&mut group, &sums, Some(&levels))?;
        let counts: [fn(&Value) -> u32; 2] = [|v| v.contributors, |v| v.members];
        for count in counts {
            let column: Vec<i64> = values.iter().map(|value| count(value).into()).collect();
            write::<_, Int64Type>(&mut group, &column, None)?;
        }
        let qualities: Vec<ByteArray> = values
            .iter()
            .map(|value| value.quality.as_str().into())
            .collect();
        write::<_, ByteArrayType>(&mut group, &qualities, None)?;
        let reasons: Vec<ByteArray> = values
            .iter()
            .filter_map(|value| Some(value.reason?.into()))
            .collect();
        let levels = self::levels(values, |value| value.reason.is_some());
        write::<_, ByteArrayType>(&mut group, &reasons, Some(&levels))?;
        group.close()?;
        Ok(())
    }
}

/// The columns, those of [`super::format::COLUMNS`].
fn schema(digits: i32) -> Result<Type, ParquetError> {
    let column = |name, physical| {
        Type::primitive_type_builder(name, physical).with_repetition(Repetition::REQUIRED)
    };
    let text =
        |name| column(name, Physical::BYTE_ARRAY).with_logical_type(Some(LogicalType::String));
    let time = |name| {
        let kind = LogicalType::timestamp(true, TimeUnit::MICROS);
        column(name, Physical::INT64).with_logical_type(Some(kind))
    };
    let decimal = Type::primitive_type_builder("value", Physical::FIXED_LEN_BYTE_ARRAY)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(Some(LogicalType::decimal(digits, PRECISION)))
        .with_length(WIDTH)
        .with_precision(PRECISION)
        .with_scale(digits);
    let columns = [
        text("net"),
        text("region"),
        text("obis"),
        text("unit"),
        column("scale", Physical::INT32),
        column("round", Physical::INT64),
        time("start"),
        time("end"),
        decimal,
        column("contributors", Physical::INT64),
        column("members", Physical::INT64),
        text("quality"),
        text("reason").with_repetition(Repetition::OPTIONAL),
    ];
    let columns = columns
        .into_iter()
        .map(|column| column.build().map(Arc::new))
        .collect::<Result<_, _>>()?;
    Type::group_type_builder("values")
        .with_fields(columns)
        .build()
}

/// The sum with `digits` behind the decimal point. It fits: [`Rows::begin`] has looked at the scales.
fn decimal(sum: i64, scale: i8, digits: i32) -> FixedLenByteArray {
    let shift = u32::try_from(i32::from(scale) + digits).unwrap_or(0);
    let number = i128::from(sum).saturating_mul(10_i128.saturating_pow(shift));
    number.to_be_bytes().to_vec().into()
}

fn levels(values: &[Value], is_there: impl Fn(&Value) -> bool) -> Vec<i16> {
    values
        .iter()
        .map(|value| i16::from(is_there(value)))
        .collect()
}

fn write<W: Write + Send, T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    column: &[T::T],
    levels: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let next = group.next_column()?;
    let mut writer =
        next.ok_or_else(|| ParquetError::General("more columns than the schema has".to_owned()))?;
    writer.typed::<T>().write_batch(column, levels, None)?;
    writer.close()
}

fn io_error(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(error) => io::Error::other(error),
        },
        error => io::Error::other(error),
    }
}
