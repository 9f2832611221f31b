//! Reading the bodies of requests, within bounds.

use std::pin::Pin;

use bytes::Bytes;
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use zeroize::Zeroizing;

use super::limits::{DISCARD_TIME, DISCARDED, STALL_TIME};

/// Why a body is not there.
pub(super) enum BodyError {
    /// It is longer than it may be.
    TooLong,
    /// It did not come in time, or its client is gone.
    Gone,
}

/// The next piece of a body.
pub(super) async fn next_frame(
    incoming: &mut Incoming,
) -> Option<Result<Frame<Bytes>, hyper::Error>> {
    std::future::poll_fn(|context| Pin::new(&mut *incoming).poll_frame(context)).await
}

/// All of a body of so many bytes at the most. It may hold a password or a patient.
///
/// # Errors
/// [`BodyError`].
pub(super) async fn whole(
    incoming: &mut Incoming,
    most: usize,
) -> Result<Zeroizing<Vec<u8>>, BodyError> {
    let reading = async {
        let mut bytes = Zeroizing::new(Vec::new());
        while let Some(frame) = next_frame(incoming).await {
            let frame = frame.map_err(|_| BodyError::Gone)?;
            let data = frame.into_data().unwrap_or_default();
            if bytes.len() + data.len() > most {
                return Err(BodyError::TooLong);
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes)
    };
    let read = tokio::time::timeout(STALL_TIME, reading).await;
    read.unwrap_or(Err(BodyError::Gone))
}

/// Reads what is left of a body and throws it away, so that whoever sends it hears why it is not taken; whether that was
/// all of it.
pub(super) async fn is_read(incoming: &mut Incoming) -> bool {
    let mut left = DISCARDED;
    let reading = async {
        while let Some(Ok(frame)) = next_frame(incoming).await {
            let count = frame.data_ref().map_or(0, Bytes::len);
            left = left.saturating_sub(count);
            if left == 0 {
                return false;
            }
        }
        incoming.is_end_stream()
    };
    let read = tokio::time::timeout(DISCARD_TIME, reading).await;
    read.unwrap_or(false)
}
