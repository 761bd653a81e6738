//! The accept loop. Our own, because `axum::serve` installs no timer: a client that dribbles its headers would hold its
//! slot for ever.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::extract::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::Service;

/// Most connections at once. One costs 14 kB, and 17 more while a request waits in it, so this bounds memory to some 250 MiB.
const CONNECTIONS: usize = 8192;

/// Connections that may wait to be accepted; the kernel takes as many as its own bound allows. Beyond that, who calls is not
/// heard for a second at least, and the usual 128 are too few where many call at once.
const UNACCEPTED: u32 = 4096;

/// Files that the process needs besides connections: the database, the listener, the standard streams.
const OTHER_FILES: usize = 128;

/// Largest head of a request, in bytes; hyper answers 431 beyond it, or beyond twice as much where it comes in one go.
const HEAD_BYTES: usize = 32 * 1024;

/// Most headers of a request.
const HEADERS: usize = 100;

/// Wait after a failed accept, which means that files or memory ran out: trying at once would only burn the processor.
const BACK_OFF: Duration = Duration::from_millis(50);

/// How long after the stop a connection may begin a request: one that has come by then may lie there unread, and who sent it
/// hears nothing if the connection is closed before it is looked at.
const LAST_REQUEST: Duration = Duration::from_millis(50);

/// The other end of the connection; an extension of every request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// Listens on `address`.
///
/// # Errors
/// When it is taken, or not to be had.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?; // or a restart would wait for the connections of before
    socket.bind(address)?;
    socket.listen(UNACCEPTED)
}

/// Serves until `stop`, then closes idle connections, lets requests in flight finish and returns when all are done.
/// Whoever waits for that bounds the wait.
pub(crate) async fn serve(listener: TcpListener, service: Service, head: Duration, stop: CancellationToken) {
    let slots = Arc::new(Semaphore::new(connection_cap()));
    let connections = TaskTracker::new();
    loop {
        // The slot first: connections beyond the cap wait in the kernel's queue, unaccepted.
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = async {
                let slot = Arc::clone(&slots).acquire_owned().await;
                (slot, listener.accept().await)
            } => accepted,
        };
        match accepted {
            (Ok(slot), Ok((stream, peer))) => {
                let connection = connection(stream, peer, service.clone(), head, stop.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(slot);
                });
            }
            (_, Err(error)) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(BACK_OFF).await;
            }
            (Err(_), _) => break, // the semaphore is never closed
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    service: Service,
    head: Duration,
    stop: CancellationToken,
) {
    // Answers are small and written at once: do not wait for more.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(Peer(peer));
        let service = service.clone();
        async move { Ok::<_, Infallible>(service.answer(request).await) }
    });
    // A request with both Content-Length and Transfer-Encoding could be read in two ways: hyper reads the chunks, drops
    // the length and closes the connection after the answer, so that nothing behind it is taken for a request.
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head) // also bounds how long a kept-alive connection may idle
        .max_headers(HEADERS)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let stopped = async {
        stop.cancelled().await;
        tokio::time::sleep(LAST_REQUEST).await;
    };
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stopped => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Raises the soft limit of open files to the hard one, and tells how many connections fit under it.
fn connection_cap() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let files = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let files = files.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
    let cap = files.saturating_sub(OTHER_FILES).clamp(1, CONNECTIONS);
    if cap < CONNECTIONS {
        tracing::warn!(
            connections = cap,
            "the limit of open files allows fewer connections than {CONNECTIONS}"
        );
    }
    cap
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hundreds_may_call_before_the_first_is_answered() {
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let mut callers = Vec::new();
        for number in 0..512 {
            let caller = tokio::time::timeout(Duration::from_millis(900), TcpStream::connect(address));
            callers.push(caller.await.unwrap_or_else(|_| panic!("caller {number} is not heard")).unwrap());
        }
    }
}
