//! Another process of the service, on the same database and with the same clock.

use std::net::SocketAddr;
use std::sync::Arc;

use smartline::App;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::{House, PATIENCE, Plan};
use crate::wire::{Ask, Connection, Reply};

/// It ends with [`Replica::close`], before its house does.
pub(crate) struct Replica {
    pub(crate) app: Arc<App>,
    address: SocketAddr,
    serving: JoinSet<()>,
}

impl House {
    /// Starts it. Calls find the lines there as the database has them now.
    pub(crate) async fn replica(&self) -> Replica {
        let app = Arc::new(Plan::new().app(&self.database.url().await, Arc::clone(&self.clock)));
        app.prepare(true).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut serving = JoinSet::new();
        let service = Arc::clone(&app);
        serving.spawn(async move { service.serve(listener, std::future::pending()).await });
        app.lines_caught_up().await.unwrap();
        Replica { app, address, serving }
    }
}

impl Replica {
    pub(crate) async fn ask(&self, ask: &Ask) -> Reply {
        Connection::open(self.address).await.ask(ask).await
    }

    /// Stops it in order.
    pub(crate) async fn close(mut self) {
        self.app.stop();
        let served = tokio::time::timeout(PATIENCE, self.serving.join_next()).await;
        served.expect("serve() returns").unwrap().expect("serve() does not panic");
    }
}
