//! One connection to a Modbus device, which never hands over an answer to another question.
//!
//! The answer of Modbus RTU does not say which registers it is about. If a device answers after
//! its time is over, the client would take that for the answer to the next request: a voltage would
//! become an energy. Therefore, on a serial line:
//!
//! 1. Any error ends the link; the port is closed and opened anew.
//! 2. After opening, whatever comes is thrown away until the line has been silent for the time
//!    within which an answer must come (at least 3.5 characters).
//! 3. Before each request the line has to be silent; bytes that are there are an error.
//! 4. The first readings after opening are used only if nothing follows them for that time
//!    ([`Link::confirm`]). A device works off requests one after the other. So if it owed an answer
//!    from before, each answer came for the request before its own, and one is left over at the end.
//!
//! What stays undetected is a device that is slow twice: it owes an answer after the silence (2), then
//! keeps up for the readings, and needs longer than `timeout` again for the one left over.
//!
//! Modbus TCP numbers its requests: an answer with another number is an error, and so a new
//! connection.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use dcnet_profiles::modbus::{Function, ModbusLine, ModbusSerial, ModbusSource, TcpAddress};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_modbus::client::{Client as _, Context, rtu, tcp};
use tokio_modbus::{Error, ProtocolError, Request, Response, Slave};
use tokio_serial::SerialStream;

use super::fault::Fault;
use super::plan::Span;
use crate::source::device::{self, OpenError};

/// Shortest pause between an answer and the next request on a serial line. The standard's 3.5
/// characters are less at most speeds; this gives slow transceivers time to turn round.
const SHORTEST_GAP: Duration = Duration::from_millis(5);

/// Longest time for which a line may go on talking after it was opened.
const LONGEST_DRAIN: Duration = Duration::from_secs(20);

/// An open connection.
pub(super) struct Link {
    context: Context,
    serial: Option<Serial>,
    name: String,
    unit: u8,
    patience: Duration,
}

/// What is needed of a serial line beside its Modbus client.
struct Serial {
    port: Shared<SerialStream>,
    device: ModbusSerial,
    /// Pause before a request.
    gap: Duration,
    /// How long the line has to be silent before it is believed to be.
    quiet: Duration,
}

impl Link {
    /// Connects, and waits until a serial line is silent.
    pub(super) async fn open(source: &ModbusSource) -> Result<Self, Fault> {
        let patience = Duration::from_millis(source.timeout);
        match &source.line {
            ModbusLine::Tcp(address) => Self::connect(address, source.unit, patience).await,
            ModbusLine::Serial(device) => {
                let port = Shared::new(device::open_modbus(device)?);
                let characters = characters(device.baud);
                let serial = Serial {
                    port: port.clone(),
                    device: device.clone(),
                    gap: characters.max(SHORTEST_GAP),
                    quiet: characters.max(patience),
                };
                serial.drain().await?;
                Ok(Self {
                    context: rtu::attach_slave(port, Slave(source.unit)),
                    serial: Some(serial),
                    name: device.device.display().to_string(),
                    unit: source.unit,
                    patience,
                })
            }
        }
    }

    async fn connect(address: &TcpAddress, unit: u8, patience: Duration) -> Result<Self, Fault> {
        let unreachable = |what: String| Fault::Unreachable {
            address: address.to_string(),
            what,
        };
        let stream = timeout(
            patience.max(Duration::from_secs(5)),
            TcpStream::connect(address.as_str()),
        )
        .await
        .map_err(|_| unreachable("no connection in time".into()))?
        .map_err(|error| unreachable(error.to_string()))?;
        stream
            .set_nodelay(true)
            .map_err(|error| unreachable(error.to_string()))?;
        Ok(Self {
            context: tcp::attach_slave(stream, Slave(unit)),
            serial: None,
            name: address.to_string(),
            unit,
            patience,
        })
    }

    /// Throws away what came while nobody asked: a serial line between two readings may be noisy,
    /// and no answer is owed.
    pub(super) async fn begin(&mut self) -> Result<(), Fault> {
        match &self.serial {
            Some(serial) => serial.discard().await,
            None => Ok(()),
        }
    }

    /// The registers of `span`, exactly as many as asked for.
    pub(super) async fn read(&mut self, span: Span) -> Result<Vec<u16>, Fault> {
        if let Some(serial) = &self.serial {
            sleep(serial.gap).await;
        }
        let request = match span.function {
            Function::Holding => Request::ReadHoldingRegisters(span.address, span.count),
            Function::Input => Request::ReadInputRegisters(span.address, span.count),
        };
        // `call` and not the shorter `read_*`, which asserts the number of registers.
        let answer = timeout(self.patience, self.context.call(request))
            .await
            .map_err(|_| Fault::NoAnswer {
                unit: self.unit,
                millis: u64::try_from(self.patience.as_millis()).unwrap_or(u64::MAX),
            })?;
        let words = match (answer.map_err(|error| self.explain(&error))?, span.function) {
            (Ok(Response::ReadHoldingRegisters(words)), Function::Holding)
            | (Ok(Response::ReadInputRegisters(words)), Function::Input) => words,
            (Ok(_), _) => return Err(Fault::Mismatch { what: "function" }),
            (Err(exception), _) => {
                let code = exception.into();
                return Err(Fault::Refused { span, code });
            }
        };
        if words.len() == usize::from(span.count) {
            Ok(words)
        } else {
            Err(Fault::Mismatch {
                what: "number of registers",
            })
        }
    }

    /// Waits for what follows the first readings of a serial line; see point 4 above.
    pub(super) async fn confirm(&mut self) -> Result<(), Fault> {
        let Some(serial) = &self.serial else {
            return Ok(());
        };
        match serial.hear(serial.quiet).await? {
            0 => Ok(()),
            _ => Err(Fault::Unsolicited),
        }
    }

    /// The client's own texts hold the registers of the answer: readings have no place in a log.
    fn explain(&self, error: &Error) -> Fault {
        match error {
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
    async fn drain(&self) -> Result<(), Fault> {
        let started = Instant::now();
        while self.hear(self.quiet).await? > 0 {
            if started.elapsed() > LONGEST_DRAIN {
                return Err(Fault::Noise);
            }
        }
        Ok(())
    }

    async fn discard(&self) -> Result<(), Fault> {
        let started = Instant::now();
        while self.hear(Duration::ZERO).await? > 0 {
            if started.elapsed() > LONGEST_DRAIN {
                return Err(Fault::Noise);
            }
        }
        Ok(())
    }

    /// How many bytes come first within `time`; 0 if none do.
    async fn hear(&self, time: Duration) -> Result<usize, Fault> {
        let mut port = self.port.clone();
        let mut buffer = [0; 256];
        match timeout(time, port.read(&mut buffer)).await {
            Err(_) => Ok(0),
            Ok(Ok(0)) => Err(self.lost(&io::ErrorKind::UnexpectedEof.into())),
            Ok(Ok(count)) => Ok(count),
            Ok(Err(error)) => Err(self.lost(&error)),
        }
    }

    fn lost(&self, error: &io::Error) -> Fault {
        Fault::Port(OpenError::Lost {
            device: self.device.device.clone(),
            what: error.to_string(),
        })
    }
}

/// Three and a half characters of eleven bits (Modbus over serial line 1.02, 2.5.1.1).
fn characters(baud: u32) -> Duration {
    Duration::from_micros(38_500_000 / u64::from(baud.max(1)))
}

/// A port that its Modbus client and we have in common. Only one task uses it.
struct Shared<T>(Arc<Mutex<T>>);

impl<T> Shared<T> {
    fn new(port: T) -> Self {
        Self(Arc::new(Mutex::new(port)))
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Shared<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_read(context, buffer)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Shared<T> {
    /// Refuses to ask while something unasked is there; see point 3 above.
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut port = self.lock();
        let mut unasked = [0; 256];
        let mut unasked = ReadBuf::new(&mut unasked);
        if let Poll::Ready(read) = Pin::new(&mut *port).poll_read(context, &mut unasked) {
            read?;
            return Poll::Ready(Err(if unasked.filled().is_empty() {
                io::ErrorKind::UnexpectedEof.into()
            } else {
                io::Error::other(Unasked)
            }));
        }
        let written = ready!(Pin::new(&mut *port).poll_write(context, bytes));
        Poll::Ready(written)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_shutdown(context)
    }
}

/// Bytes nobody asked for.
#[derive(Debug, thiserror::Error)]
#[error("bytes that nobody asked for")]
struct Unasked;

fn is_unsolicited(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(<dyn std::error::Error + Send + Sync>::is::<Unasked>)
}
