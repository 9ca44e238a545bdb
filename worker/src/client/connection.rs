//! A connection that notices bytes which belong to no request.
//!
//! hyper reads an idle connection. It drops one on which bytes arrive, and shuts it down or finds its end in
//! any other case, which tells the one from the others.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use hyper_util::client::legacy::connect::{self, Connected};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::hosts::Host;
use crate::sockets::Socket;

/// What is known about an HTTP/1 connection, for its host.
pub(crate) struct Watch {
    /// Its connections do not keep a host that the run has forgotten.
    host: Weak<Host>,
    /// The response to the last request was read to its end.
    has_responded: AtomicBool,
    /// Bytes arrived after a response.
    has_surplus: AtomicBool,
}

impl Watch {
    pub(super) fn new(host: &Arc<Host>) -> Self {
        Self {
            host: Arc::downgrade(host),
            has_responded: AtomicBool::new(false),
            has_surplus: AtomicBool::new(false),
        }
    }

    /// The response was read to its end.
    pub(super) fn responded(&self) {
        self.has_responded.store(true, Ordering::SeqCst);
        self.judge();
    }

    /// Another request is sent.
    fn requested(&self) {
        self.has_responded.store(false, Ordering::SeqCst);
    }

    fn surplus(&self) {
        self.has_surplus.store(true, Ordering::SeqCst);
        self.judge();
    }

    /// The connection may notice the bytes before the response is read to its end.
    fn judge(&self) {
        let is_surplus = self.has_surplus.load(Ordering::SeqCst) && self.has_responded.load(Ordering::SeqCst);
        if is_surplus && let Some(host) = self.host.upgrade() {
            host.distrust();
        }
    }
}

/// A connection to a host.
pub(crate) struct Connection<S> {
    stream: TokioIo<S>,
    /// `None` for HTTP/2.
    watch: Option<Arc<Watch>>,
    /// Bytes were read since the last request was sent.
    has_read: bool,
    /// It has ended, has failed, or is being shut down.
    is_over: bool,
    _socket: Socket,
}

impl<S> Connection<S> {
    pub(super) fn new(stream: S, socket: Socket, watch: Option<Watch>) -> Self {
        let (stream, watch) = (TokioIo::new(stream), watch.map(Arc::new));
        Self { stream, watch, has_read: false, is_over: false, _socket: socket }
    }

    pub(super) fn watch(&self) -> Option<Arc<Watch>> {
        self.watch.clone()
    }
}

impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        if let (false, Some(watch)) = (self.is_over, &self.watch) {
            watch.surplus();
        }
    }
}

impl<S: connect::Connection> connect::Connection for Connection<S> {
    fn connected(&self) -> Connected {
        self.stream.connected()
    }
}

impl<S: hyper::rt::Read + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        self.has_read = true;
        self.is_over |= result.is_err() || buffer.filled().len() == before;
        Poll::Ready(result)
    }
}

impl<S: hyper::rt::Read + hyper::rt::Write + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if std::mem::take(&mut self.has_read)
            && let Some(watch) = &self.watch
        {
            watch.requested();
        }
        let result = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bytes));
        self.is_over |= result.is_err();
        Poll::Ready(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        self.is_over |= result.is_err();
        Poll::Ready(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.is_over = true;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
