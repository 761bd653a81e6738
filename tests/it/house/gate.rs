//! A door before PostgreSQL, or before the service, that a test can shut, so that connections break and new ones are
//! refused, or stall, so that nothing comes through and nobody is told.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::cluster;

/// The door. It is open at first, and ends when it is dropped.
pub(crate) struct Gate {
    pub(crate) address: SocketAddr,
    /// The service behind it; none: PostgreSQL.
    service: Option<SocketAddr>,
    forwarding: JoinSet<()>,
    stalled: watch::Sender<bool>,
}

impl Gate {
    /// A door before PostgreSQL.
    pub(crate) async fn open() -> Self {
        Self::before(None).await
    }

    /// A door before the service at this address.
    pub(crate) async fn before_service(service: SocketAddr) -> Self {
        Self::before(Some(service)).await
    }

    async fn before(service: Option<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut gate =
            Self { address, service, forwarding: JoinSet::new(), stalled: watch::Sender::new(false) };
        gate.forward(listener).await;
        gate
    }

    /// The URL of `database`, through this door.
    pub(crate) async fn url(&self, database: &str) -> String {
        let options = cluster().await.connect_options(database);
        format!("postgres://{}@{}/{database}?sslmode=disable", options.get_username(), self.address)
    }

    /// Breaks every connection, and refuses new ones.
    pub(crate) async fn shut(&mut self) {
        self.forwarding.shutdown().await;
    }

    /// Lets through again.
    pub(crate) async fn reopen(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.forward(listener).await;
    }

    /// Lets nothing through any more, and closes nothing: connections stay open at both ends, but what is written into
    /// them is never read. New ones are taken and lead nowhere.
    pub(crate) fn stall(&self) {
        self.stalled.send_replace(true);
    }

    /// Lets new connections through again. Those that were stalled stay so for ever, as after a reboot on the way.
    pub(crate) fn release(&self) {
        self.stalled.send_replace(false);
    }

    async fn forward(&mut self, listener: TcpListener) {
        let service = self.service;
        let server = cluster().await.connect_options("postgres");
        let socket = server.get_socket().unwrap().join(format!(".s.PGSQL.{}", server.get_port()));
        let stalled = self.stalled.subscribe();
        self.forwarding.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let (socket, mut stalled) = (socket.clone(), stalled.clone());
                connections.spawn(async move {
                    let server: std::io::Result<Box<dyn Wire>> = match service {
                        Some(service) => {
                            TcpStream::connect(service).await.map(|server| Box::new(server) as _)
                        }
                        None => UnixStream::connect(socket).await.map(|server| Box::new(server) as _),
                    };
                    let Ok(mut server) = server else { return };
                    let stall = async { drop(stalled.wait_for(|stalled| *stalled).await) };
                    tokio::select! {
                        biased;
                        () = stall => std::future::pending().await, // with both ends open
                        () = pass(&mut client, &mut *server) => {}
                    }
                });
            }
        });
    }
}

/// What bytes go through.
trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// Carries bytes both ways until either end hangs up.
async fn pass(client: &mut TcpStream, server: &mut dyn Wire) {
    let _ = copy_bidirectional(client, server).await; // a broken connection is the point
}
