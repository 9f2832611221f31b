//! Answers a partner that is about to fetch, and dials it if that is what it asks for.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::{sleep, timeout};

use super::Bulk;
use super::question::{Wish, answer};
use super::search::head_start;
use crate::network::limits::STREAM_TIMEOUT;
use crate::network::partners::Partner;
use crate::network::status::Transport;
use crate::network::streams::Arrival;

impl Bulk {
    /// Hears one question.
    pub(in crate::network) async fn hear(self, arrival: Arrival, partner: Arc<Partner>) {
        let node = partner.node;
        if let Err(error) = self.heed(arrival, partner).await {
            tracing::debug!(?node, kind = %error.kind(), "no bulk connection was brought");
        }
    }

    async fn heed(self, arrival: Arrival, partner: Arc<Partner>) -> io::Result<()> {
        let Arrival {
            stream,
            permit: _permit,
            connection,
            ..
        } = arrival;
        sleep(partner.charge()).await;
        let question = timeout(STREAM_TIMEOUT, answer(stream, self.port)).await??;
        let (Some(port), Some(path), Some(link)) = (question.port, partner.path(), partner.link())
        else {
            return Ok(());
        };
        let address = SocketAddr::new(path.remote.ip().to_canonical(), port);
        match question.wish {
            Wish::Where => Ok(()),
            Wish::Connection if !self.transports.contains(&Transport::Quic) => Ok(()),
            Wish::Connection => {
                let made = partner.lines.made();
                head_start(link.dialed || self.port.is_none()).await;
                if partner.lines.made() == made {
                    let dialing = self.dial_quic(&partner, address, connection);
                    timeout(self.patience(&partner), dialing).await??;
                }
                Ok(())
            }
            Wish::Stream(_) if !self.transports.contains(&Transport::Tcp) => Ok(()),
            Wish::Stream(number) => self.bring(partner, address, number).await,
        }
    }
}
