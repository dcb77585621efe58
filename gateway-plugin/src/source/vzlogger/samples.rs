//! The forms in which vzlogger hands values over, to samples.
//!
//! Numbers are taken from the text as it stands there: they are doubles, and what their decimal
//! was is found out from all of their digits.

use dcnet_obis::{ObisCode, ScaledInteger};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A value of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sample {
    /// UUID or topic of the channel.
    pub(super) channel: String,
    /// The code that vzlogger says it stands for, if it does.
    pub(super) obis: Option<ObisCode>,
    /// When the value was taken, in milliseconds since 1970, if that was told.
    pub(super) millis: Option<u64>,
    /// How much.
    pub(super) value: ScaledInteger,
}

/// Why what came in makes no samples. It goes into the log and the logbooks, so it quotes nothing: that
/// may be a reading.
#[derive(Debug, thiserror::Error)]
pub(super) enum SampleError {
    #[error(
        "this is not what vzlogger sends (line {}, column {} of it)", source.line(), source.column()
    )]
    Json {
        /// Quotes what it does not expect.
        source: serde_json::Error,
    },
    #[error("what stands in the place of a value is no number: {source}")]
    Number {
        source: dcnet_obis::ParseDecimalError,
    },
    #[error("what stands in the place of a time is no time in milliseconds")]
    Time,
    #[error("not UTF-8 text")]
    Text,
}

impl From<serde_json::Error> for SampleError {
    fn from(source: serde_json::Error) -> Self {
        Self::Json { source }
    }
}

/// Most values taken from one message.
const MOST: usize = 20_000;

/// A tuple: time in milliseconds, value. Further members (counts of `agg`) are of no use here.
#[derive(Deserialize)]
struct Tuple<'a>(#[serde(borrow)] Vec<&'a RawValue>);

#[derive(Deserialize)]
struct Posted<'a> {
    #[serde(borrow)]
    data: Vec<PostedChannel<'a>>,
}

#[derive(Deserialize)]
struct PostedChannel<'a> {
    uuid: String,
    #[serde(default)]
    obis: Option<String>,
    #[serde(borrow, default)]
    tuples: Vec<Tuple<'a>>,
}

/// What `push` posts, and what the local interface answers: `{"data":[{"uuid":…,"tuples":[…]}]}`.
pub(super) fn document(text: &str) -> Result<Vec<Sample>, SampleError> {
    let posted: Posted<'_> = serde_json::from_str(text)?;
    let mut samples = Vec::new();
    for channel in posted.data {
        let obis = channel.obis.as_deref().and_then(code);
        for tuple in channel.tuples.iter().take(MOST) {
            samples.push(sample(&channel.uuid.to_ascii_lowercase(), obis, tuple)?);
        }
    }
    Ok(samples)
}

/// What goes to a middleware for one channel: `[[ms,value],…]`.
pub(super) fn tuples(uuid: &str, text: &str) -> Result<Vec<Sample>, SampleError> {
    let tuples: Vec<Tuple<'_>> = serde_json::from_str(text)?;
    let uuid = uuid.to_ascii_lowercase();
    let tuples = tuples.iter().take(MOST);
    tuples.map(|tuple| sample(&uuid, None, tuple)).collect()
}

/// What is published below `raw` or `agg` of a channel: a number, or one with a time.
pub(super) fn published(channel: &str, payload: &[u8]) -> Result<Sample, SampleError> {
    #[derive(Deserialize)]
    struct WithTime<'a> {
        #[serde(borrow)]
        timestamp: &'a RawValue,
        #[serde(borrow)]
        value: &'a RawValue,
    }
    let text = std::str::from_utf8(payload).map_err(|_| SampleError::Text)?;
    let text = text.trim();
    let (millis, value) = if text.starts_with('{') {
        let with_time: WithTime<'_> = serde_json::from_str(text)?;
        let millis = millis(with_time.timestamp.get())?;
        (Some(millis), with_time.value.get())
    } else {
        (None, text)
    };
    Ok(Sample {
        channel: channel.to_owned(),
        obis: None,
        millis,
        value: number(value)?,
    })
}

/// The code in what vzlogger calls an identifier: `1-0:1.8.0*255`, from 0.8.10 on with
/// `ObisIdentifier:` before it.
pub(super) fn code(identifier: &str) -> Option<ObisCode> {
    let identifier = identifier.trim();
    let code = identifier
        .strip_prefix("ObisIdentifier:")
        .unwrap_or(identifier);
    code.parse().ok()
}

fn sample(channel: &str, obis: Option<ObisCode>, tuple: &Tuple<'_>) -> Result<Sample, SampleError> {
    let member = |place: usize| tuple.0.get(place).map_or("", |raw| raw.get());
    Ok(Sample {
        channel: channel.to_owned(),
        obis,
        millis: Some(millis(member(0))?),
        value: number(member(1))?,
    })
}

fn number(text: &str) -> Result<ScaledInteger, SampleError> {
    ScaledInteger::from_noisy_decimal(text).map_err(|source| SampleError::Number { source })
}

/// Times may come as `1795426921180`, or as a double with decimals.
fn millis(text: &str) -> Result<u64, SampleError> {
    let number = ScaledInteger::from_noisy_decimal(text).ok();
    let millis = number.and_then(|number| u64::try_from(number.floor_to(0)?).ok());
    millis.ok_or(SampleError::Time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(mantissa: i128, exponent: i8) -> ScaledInteger {
        ScaledInteger::new(mantissa, exponent)
    }

    #[test]
    fn what_binary_left_of_a_decimal_is_that_decimal() {
        let sample = published(
            "chn0",
            b"{ \"timestamp\": 1795426921180, \"value\": 13232.900000000001 }",
        );
        let sample = sample.unwrap();
        assert_eq!(sample.millis, Some(1_795_426_921_180));
        assert_eq!(
            (sample.value.mantissa(), sample.value.exponent()),
            (132_329, -1)
        );
        let plain = published("chn0", b"18352680.000000").unwrap();
        assert_eq!((plain.millis, plain.value), (None, value(18_352_680, 0)));
    }

    #[test]
    fn a_channel_without_a_value_has_no_samples() {
        let text = r#"{"data":[{"uuid":"0B2E57AA-5d1c-4be4-8f43-b6fa0a3fdc11","obis":"ObisIdentifier:1-0:99.99.0*255","last":0}]}"#;
        assert_eq!(document(text).unwrap(), []);
        let text = r#"{"data":[{"uuid":"AA","obis":"ObisIdentifier:1-0:1.8.0*255","tuples":[[5,1.5],[6,2]]}]}"#;
        let samples = document(text).unwrap();
        assert_eq!(samples.len(), 2);
        assert_eq!(samples[0].channel, "aa");
        assert_eq!(samples[0].obis, Some(ObisCode::ACTIVE_ENERGY_IMPORT));
        assert_eq!(samples[1].millis, Some(6));
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for text in [
            "",
            "[1]",
            "[[1]]",
            "[[1,\"x\"]]",
            "[[-1,2]]",
            "[[1,null]]",
            "{}",
        ] {
            assert!(tuples("x", text).is_err(), "{text}");
        }
        for payload in [&b"on"[..], b"nan", b"", b"{\"value\":1}", b"\xff"] {
            assert!(published("x", payload).is_err(), "{payload:?}");
        }
    }

    #[test]
    fn why_it_is_refused_quotes_no_reading() {
        let errors = [
            document(r#"{"data":48151.6}"#).unwrap_err(),
            document(r#"{"data":[{"uuid":"x","tuples":[[1,"48151.6"]]}]}"#).unwrap_err(),
            tuples("x", r#"[[1,"48151.6"]]"#).unwrap_err(),
            tuples("x", "[[-48151,2]]").unwrap_err(),
            published("x", b"{\"timestamp\":1,\"value\":\"48151\"}").unwrap_err(),
            published("x", b"48151.6 kWh").unwrap_err(),
        ];
        for error in errors {
            assert!(!error.to_string().contains("48151"), "{error}");
        }
    }
}
