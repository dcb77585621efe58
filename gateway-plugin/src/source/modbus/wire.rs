//! An open line: one request at a time, and the answer to it.

use std::fmt;
use std::io;
use std::time::Duration;

use dcnet_profiles::modbus::{Function, ModbusLine, ModbusSerial, TcpAddress};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_modbus::client::{Client as _, Context, rtu, tcp};
use tokio_modbus::slave::SlaveContext as _;
use tokio_modbus::{Error, ProtocolError, Request, Response, Slave};
use tokio_serial::SerialStream;

use super::fault::Fault;
use super::plan::Span;
use super::port::{Shared, is_unsolicited};
use crate::source::device::{self, OpenError};

/// Shortest pause between an answer and the next request on a serial line. The standard's 3.5
/// characters are less at most speeds; this gives slow transceivers time to turn round.
const SHORTEST_GAP: Duration = Duration::from_millis(5);

/// Longest time for which a line may go on talking.
pub(super) const LONGEST_DRAIN: Duration = Duration::from_secs(20);

/// How long is listened for bytes that have come already.
const LISTENING: Duration = Duration::from_millis(1);

/// Longest time between two parts of one answer, as adapters hand it over.
const BETWEEN_PARTS: Duration = Duration::from_millis(50);

/// Longest time for a connection, where no unit's `timeout` is longer.
const CONNECT: Duration = Duration::from_secs(5);

/// Bytes of the shortest answer on a serial line: unit, function, exception code, checksum.
const SHORTEST_ANSWER: usize = 5;

/// An open line.
pub(super) struct Wire {
    context: Context,
    serial: Option<Serial>,
    name: String,
}

/// What is needed of a serial line beside its Modbus client.
struct Serial {
    port: Shared<SerialStream>,
    line: ModbusSerial,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wire").field(&self.name).finish()
    }
}

impl Wire {
    /// Opens the port for this process alone, or connects.
    pub(super) async fn open(line: &ModbusLine, patience: Duration) -> Result<Self, Fault> {
        match line {
            ModbusLine::Tcp(address) => Self::connect(address, patience).await,
            ModbusLine::Serial(line) => {
                let port = Shared::new(device::open_modbus(line)?);
                Ok(Self {
                    context: rtu::attach(port.clone()),
                    serial: Some(Serial {
                        port,
                        line: line.clone(),
                    }),
                    name: line.device.display().to_string(),
                })
            }
        }
    }

    async fn connect(address: &TcpAddress, patience: Duration) -> Result<Self, Fault> {
        let unreachable = |what: String| Fault::Unreachable {
            address: address.to_string(),
            what,
        };
        let stream = timeout(patience.max(CONNECT), TcpStream::connect(address.as_str()))
            .await
            .map_err(|_| unreachable("no connection in time".into()))?
            .map_err(|error| unreachable(error.to_string()))?;
        stream
            .set_nodelay(true)
            .map_err(|error| unreachable(error.to_string()))?;
        Ok(Self {
            context: tcp::attach(stream),
            serial: None,
            name: address.to_string(),
        })
    }

    /// The registers of `span` of a unit, exactly as many as asked for.
    pub(super) async fn ask(
        &mut self,
        unit: u8,
        patience: Duration,
        span: Span,
    ) -> Result<Vec<u16>, Fault> {
        if let Some(serial) = &self.serial {
            sleep(characters(serial.line.baud).max(SHORTEST_GAP)).await;
            serial.port.forget();
        }
        let request = match span.function {
            Function::Holding => Request::ReadHoldingRegisters(span.address, span.count),
            Function::Input => Request::ReadInputRegisters(span.address, span.count),
        };
        self.context.set_slave(Slave(unit));
        // `call` and not the shorter `read_*`, which asserts the number of registers.
        let answer = timeout(patience, self.context.call(request))
            .await
            .map_err(|_| Fault::NoAnswer {
                unit,
                millis: u64::try_from(patience.as_millis()).unwrap_or(u64::MAX),
            })?;
        let answer = match (answer.map_err(|error| self.explain(&error))?, span.function) {
            (Ok(Response::ReadHoldingRegisters(words)), Function::Holding)
            | (Ok(Response::ReadInputRegisters(words)), Function::Input) => Ok(words),
            (Ok(_), _) => return Err(Fault::Mismatch { what: "function" }),
            (Err(exception), _) => Err(exception.into()),
        };
        // The client throws away what it read behind the answer.
        let whole = SHORTEST_ANSWER + answer.as_ref().map_or(0, |words| 2 * words.len());
        if self.heard() >= whole + SHORTEST_ANSWER {
            return Err(Fault::Unsolicited);
        }
        match answer {
            Ok(words) if words.len() == usize::from(span.count) => Ok(words),
            Ok(_) => Err(Fault::Mismatch {
                what: "number of registers",
            }),
            Err(code) => Err(Fault::Refused { span, code }),
        }
    }

    /// Bytes that came since the last request went out; 0 of a connection.
    pub(super) fn heard(&self) -> usize {
        self.serial.as_ref().map_or(0, |serial| serial.port.heard())
    }

    /// Throws away what is there, and says whether anything was. A connection has nothing.
    pub(super) async fn discard(&mut self) -> Result<bool, Fault> {
        let Some(serial) = &self.serial else {
            return Ok(false);
        };
        let started = Instant::now();
        let mut anything = false;
        while serial.hears_until(Instant::now() + LISTENING).await? {
            anything = true;
            if started.elapsed() > LONGEST_DRAIN {
                return Err(Fault::Noise);
            }
        }
        Ok(anything)
    }

    /// Waits for the answer to a request that another one was taken for, until `deadline`, and throws it
    /// away: the next to ask must not meet it.
    pub(super) async fn settle(&mut self, deadline: Instant) -> Result<(), Fault> {
        let Some(serial) = &self.serial else {
            return Ok(());
        };
        let mut until = deadline;
        while serial.hears_until(until).await? {
            until = deadline.min(Instant::now() + BETWEEN_PARTS);
        }
        Ok(())
    }

    /// The line after an exchange that went wrong, without what its client still has of it; none of
    /// a connection, on which a late answer would be taken for a wrong one.
    pub(super) fn renewed(self) -> Option<Self> {
        let serial = self.serial?;
        Some(Self {
            context: rtu::attach(serial.port.clone()),
            serial: Some(serial),
            name: self.name,
        })
    }

    /// The client's own texts hold the registers of the answer: readings have no place in a log.
    fn explain(&self, error: &Error) -> Fault {
        match error {
            Error::Protocol(ProtocolError::HeaderMismatch { .. }) if self.serial.is_some() => {
                Fault::OtherUnit
            }
            Error::Protocol(ProtocolError::HeaderMismatch { .. }) => Fault::Mismatch {
                what: "unit or number of the request",
            },
            Error::Protocol(ProtocolError::FunctionCodeMismatch { .. }) => {
                Fault::Mismatch { what: "function" }
            }
            Error::Transport(error) if is_unsolicited(error) => Fault::Unsolicited,
            Error::Transport(error) => match &self.serial {
                Some(serial) => serial.lost(error),
                None => Fault::Broken {
                    address: self.name.clone(),
                    what: match error.raw_os_error() {
                        // The client asks the system what went wrong at an end of file.
                        Some(0) => "closed by the meter".into(),
                        _ => error.to_string(),
                    },
                },
            },
        }
    }
}

impl Serial {
    /// Whether bytes come; they are thrown away.
    async fn hears_until(&self, until: Instant) -> Result<bool, Fault> {
        let mut port = self.port.clone();
        let mut buffer = [0; 256];
        match timeout_at(until, port.read(&mut buffer)).await {
            Err(_) => Ok(false),
            Ok(Ok(0)) => Err(self.lost(&io::ErrorKind::UnexpectedEof.into())),
            Ok(Ok(_)) => Ok(true),
            Ok(Err(error)) => Err(self.lost(&error)),
        }
    }

    fn lost(&self, error: &io::Error) -> Fault {
        Fault::Port(OpenError::Lost {
            device: self.line.device.clone(),
            what: error.to_string(),
        })
    }
}

/// How long a serial line has to be silent before it is believed to be: none of a unit's answers is
/// under way any more. `None`: a connection numbers its requests.
pub(super) fn quiet(line: &ModbusLine, patience: Duration) -> Option<Duration> {
    match line {
        ModbusLine::Serial(line) => Some(characters(line.baud).max(patience)),
        ModbusLine::Tcp(_) => None,
    }
}

/// Three and a half characters of eleven bits (Modbus over serial line 1.02, 2.5.1.1).
fn characters(baud: u32) -> Duration {
    Duration::from_micros(38_500_000 / u64::from(baud.max(1)))
}
