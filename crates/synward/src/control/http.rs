//! `/metrics` and `/healthz`.

use std::net::TcpListener;
use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::{Encoder, Registry, TextEncoder};

use super::metrics::Metrics;
use super::view::View;

/// Serves on a listener for as long as the runtime lives.
pub(crate) fn serve(listener: TcpListener, view: Arc<View>) -> Result<()> {
    let registry = Registry::new();
    registry.register(Box::new(Metrics(view)))?;
    registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .with_state(Arc::new(registry));
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the HTTP server has ended");
        }
    });
    Ok(())
}

async fn metrics(State(registry): State<Arc<Registry>>) -> Response {
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    match encoder.encode(&registry.gather(), &mut text) {
        Ok(()) => ([(header::CONTENT_TYPE, encoder.format_type().to_owned())], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
