//! Taking connections, so many at a time.

use std::sync::Arc;

use axum::serve::Listener;
use tokio::sync::Semaphore;

/// Has `converse` talk to everyone who connects, to at most `most` at a time: further ones wait.
pub(super) async fn accept<L, C, F>(mut listener: L, most: usize, converse: C)
where
    L: Listener,
    C: Fn(L::Io) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(most));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let (stream, _) = listener.accept().await;
        let conversation = converse(stream);
        tokio::spawn(async move {
            conversation.await;
            drop(place);
        });
    }
}
