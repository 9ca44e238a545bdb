//! A connection that notices bytes which belong to no request.
//!
//! HTTP/1 matches responses to requests by their order alone. If a server or proxy sends more than one
//! response to a request, the surplus is taken as the response to the next request on the connection, unless
//! it arrives before that request is sent. So the first connections of a host are used once and watched for
//! [`REST`] after their response. A host whose connections were quiet is trusted, and its connections are
//! used again. A host that has sent surplus bytes, then or later, is not.
//!
//! The client reads an idle connection. It drops one on which bytes arrive, and shuts it down in any other
//! case, which tells the one from the other.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper_util::client::legacy::connect::{self, Connected};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::hosts::Hosts;

/// How long a connection of a host that is not trusted yet is watched after its response.
const REST: Duration = Duration::from_millis(50);

/// What is known about an HTTP/1 connection, for its host.
pub(crate) struct Watch {
    hosts: Arc<Hosts>,
    host: Box<str>,
    /// The response to the last request was read to its end.
    has_responded: AtomicBool,
    /// Bytes arrived after a response, or after a request that was given up.
    has_surplus: AtomicBool,
}

impl Watch {
    pub(super) fn new(hosts: Arc<Hosts>, host: &str) -> Arc<Self> {
        Arc::new(Self {
            hosts,
            host: host.into(),
            has_responded: AtomicBool::new(false),
            has_surplus: AtomicBool::new(false),
        })
    }

    /// The response was read to its end.
    pub(super) fn responded(&self) {
        self.has_responded.store(true, Ordering::SeqCst);
        self.judge();
    }

    fn has_responded(&self) -> bool {
        self.has_responded.load(Ordering::SeqCst)
    }

    /// Another request is sent.
    fn requested(&self) {
        self.has_responded.store(false, Ordering::SeqCst);
    }

    fn surplus(&self) {
        self.has_surplus.store(true, Ordering::SeqCst);
        self.judge();
    }

    /// The bytes may be noticed before the response is read to its end by the one who asked for it.
    fn judge(&self) {
        if self.has_surplus.load(Ordering::SeqCst) && self.has_responded() {
            self.hosts.distrust(&self.host);
        }
    }
}

/// A connection, and what it is used for.
pub(crate) struct Connection<S> {
    stream: TokioIo<S>,
    /// `None` if the connection is never used again for another HTTP/1 request.
    watch: Option<Arc<Watch>>,
    is_used_once: bool,
    /// Bytes were read since the last request was sent.
    has_read: bool,
    stage: Stage,
}

enum Stage {
    Open,
    /// The client is done with it, and it is watched.
    Rest(Rest),
    /// It has ended, has failed, or is being shut down.
    Over,
}

/// The time after its response in which a connection is watched.
struct Rest {
    watch: Arc<Watch>,
    end: Pin<Box<Sleep>>,
    was_quiet: bool,
}

impl<S> Connection<S> {
    /// A connection that is used again as its pool decides. One with a watch, which is HTTP/1, is used once if
    /// its host is not trusted.
    pub(super) fn new(stream: S, watch: Option<Arc<Watch>>) -> Self {
        let is_used_once = watch.as_ref().is_some_and(|watch| !watch.hosts.is_trusted(&watch.host));
        let stream = TokioIo::new(stream);
        Self { stream, watch, is_used_once, has_read: false, stage: Stage::Open }
    }

    /// The client is done with the connection.
    fn release(&mut self) {
        if !matches!(self.stage, Stage::Open) {
            return;
        }
        let watch = self.watch.as_ref().filter(|_| self.is_used_once && self.has_read);
        self.stage = match watch {
            Some(watch) if watch.hosts.watch(&watch.host) => {
                Stage::Rest(Rest { watch: watch.clone(), end: Box::pin(sleep(REST)), was_quiet: false })
            }
            _ => Stage::Over,
        };
    }
}

impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        // hyper shuts a connection down unless it has failed. It was idle, and it has not ended.
        if let (Stage::Open, Some(watch)) = (&self.stage, &self.watch) {
            watch.surplus();
        }
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.watch.hosts.watched(&self.watch.host, self.was_quiet);
    }
}

impl<S: connect::Connection> connect::Connection for Connection<S> {
    fn connected(&self) -> Connected {
        let connected = self.stream.connected();
        let Some(watch) = &self.watch else { return connected };
        if self.is_used_once {
            connected.poison();
        }
        connected.extra(watch.clone())
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
        if result.is_err() || buffer.filled().len() == before {
            self.stage = Stage::Over;
        }
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
        if result.is_err() {
            self.stage = Stage::Over;
        }
        Poll::Ready(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        if result.is_err() {
            self.stage = Stage::Over;
        }
        Poll::Ready(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.release();
        if let Stage::Rest(rest) = &mut this.stage {
            ready!(rest.poll(&mut this.stream, cx));
            this.stage = Stage::Over;
        }
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}

impl Rest {
    /// Watches the connection to the end of the rest, or until something happens.
    fn poll<S: AsyncRead + Unpin>(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Poll<()> {
        let mut space = [0; 1];
        let mut read = ReadBuf::new(&mut space);
        match Pin::new(stream).poll_read(cx, &mut read) {
            Poll::Pending => {
                ready!(self.end.as_mut().poll(cx));
                self.was_quiet = self.watch.has_responded();
            }
            Poll::Ready(Ok(())) if !read.filled().is_empty() => self.watch.surplus(),
            Poll::Ready(_) => {}
        }
        Poll::Ready(())
    }
}
