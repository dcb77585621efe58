//! A serial port that its Modbus client and we have in common.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A port that its Modbus client and we have in common. Only one task uses it at a time.
pub(super) struct Shared<T>(Arc<Mutex<Inner<T>>>);

struct Inner<T> {
    port: T,
    /// Bytes read since [`Shared::forget`].
    heard: usize,
}

impl<T> Shared<T> {
    pub(super) fn new(port: T) -> Self {
        Self(Arc::new(Mutex::new(Inner { port, heard: 0 })))
    }

    /// Begins to count the bytes read anew.
    pub(super) fn forget(&self) {
        self.lock().heard = 0;
    }

    /// How many bytes were read since [`Self::forget`].
    pub(super) fn heard(&self) -> usize {
        self.lock().heard
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
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
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut inner = self.lock();
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut inner.port).poll_read(context, buffer));
        let got = buffer.filled().len().saturating_sub(before);
        inner.heard = inner.heard.saturating_add(got);
        Poll::Ready(read)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Shared<T> {
    /// Refuses to ask while something unasked is there; see point 3 of [`super::bus`].
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut inner = self.lock();
        let mut unasked = [0; 256];
        let mut unasked = ReadBuf::new(&mut unasked);
        if let Poll::Ready(read) = Pin::new(&mut inner.port).poll_read(context, &mut unasked) {
            read?;
            return Poll::Ready(Err(if unasked.filled().is_empty() {
                io::ErrorKind::UnexpectedEof.into()
            } else {
                io::Error::other(Unasked)
            }));
        }
        let written = ready!(Pin::new(&mut inner.port).poll_write(context, bytes));
        Poll::Ready(written)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.lock().port).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.lock().port).poll_shutdown(context)
    }
}

/// Bytes nobody asked for.
#[derive(Debug, thiserror::Error)]
#[error("bytes that nobody asked for")]
struct Unasked;

/// Whether a write was refused because something unasked was there.
pub(super) fn is_unsolicited(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(<dyn std::error::Error + Send + Sync>::is::<Unasked>)
}
