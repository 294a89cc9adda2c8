//! Compression of bodies whose size is not known: piece by piece, so that a client receives what there is.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::{once, try_unfold};
use http_body_util::BodyExt;
use tokio::sync::OwnedSemaphorePermit;

use super::coding::Coding;
use super::encoder::Encoder;
use super::workers::Workers;

/// The body with this coding. It takes the place until it has ended.
pub(super) fn compressed(coding: Coding, body: Body, workers: Arc<Workers>, place: OwnedSemaphorePermit) -> Body {
    Body::from_stream(try_unfold(Some((body, None)), move |state: Option<(Body, Option<Encoder>)>| {
        let workers = Arc::clone(&workers);
        let _place = &place;
        async move {
            let Some((mut body, mut encoder)) = state else { return Ok(None) };
            loop {
                let frame = body.frame().await.transpose()?;
                let Some(data) = frame.map(|frame| frame.into_data().unwrap_or_default()) else {
                    let rest = workers.run(move || ready(coding, encoder)?.finish()).await.map_err(axum::Error::new)?;
                    return Ok::<_, axum::Error>(Some((Bytes::from(rest), None)));
                };
                let written = workers.run(move || {
                    let mut encoder = ready(coding, encoder)?;
                    encoder.write(&data)?;
                    Ok((encoder.flush()?, encoder))
                });
                let (piece, used) = written.await.map_err(axum::Error::new)?;
                encoder = Some(used);
                if !piece.is_empty() {
                    return Ok(Some((Bytes::from(piece), Some((body, encoder)))));
                }
            }
        }
    }))
}

fn ready(coding: Coding, encoder: Option<Encoder>) -> std::io::Result<Encoder> {
    encoder.map_or_else(|| Encoder::new(coding, None), Ok)
}

/// A body that ends in this error.
pub(super) fn failed(error: axum::Error) -> impl Stream<Item = Result<Bytes, axum::Error>> {
    once(async move { Err(error) })
}
