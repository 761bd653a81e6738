//! A door between the service and PostgreSQL that a test can shut: connections break, and new ones are refused.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinSet;

use super::cluster;

/// The door. It is open at first, and ends when it is dropped.
pub(crate) struct Gate {
    address: SocketAddr,
    forwarding: JoinSet<()>,
}

impl Gate {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut gate = Self { address: listener.local_addr().unwrap(), forwarding: JoinSet::new() };
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

    async fn forward(&mut self, listener: TcpListener) {
        let server = cluster().await.connect_options("postgres");
        let socket = server.get_socket().unwrap().join(format!(".s.PGSQL.{}", server.get_port()));
        self.forwarding.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let socket = socket.clone();
                connections.spawn(async move {
                    let Ok(mut server) = UnixStream::connect(socket).await else { return };
                    pass(&mut client, &mut server).await;
                });
            }
        });
    }
}

/// Carries bytes both ways until either end hangs up.
async fn pass(client: &mut TcpStream, server: &mut UnixStream) {
    let _ = copy_bidirectional(client, server).await; // a broken connection is the point
}
