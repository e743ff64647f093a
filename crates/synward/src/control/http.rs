//! `/metrics` and `/healthz`.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use prometheus::{Encoder, Registry, TextEncoder};
use tokio::net::TcpStream;

use super::accept::accept;
use super::metrics::Metrics;
use super::view::View;

/// The most connections at a time; further ones wait.
const CONNECTIONS: usize = 32;

/// How long a client may take from its connection to the end of its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves on a listener for as long as the runtime lives.
pub(crate) fn serve(listener: TcpListener, view: Arc<View>) -> Result<()> {
    let registry = Registry::new();
    registry.register(Box::new(Metrics(Arc::clone(&view))))?;
    registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
    let router = Router::new()
        .route("/metrics", get(metrics).with_state(Arc::new(registry)))
        .route("/healthz", get(health).with_state(view));
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    tokio::spawn(accept(listener, CONNECTIONS, move |stream| converse(stream, router.clone())));
    Ok(())
}

/// Answers one request. A client that is slow, or asks for nothing, is let go.
async fn converse(stream: TcpStream, router: Router) {
    let mut http = http1::Builder::new();
    http.keep_alive(false).timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    match tokio::time::timeout(PATIENCE, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "an HTTP client has gone"),
        Err(_) => tracing::debug!("an HTTP client is too slow"),
    }
}

async fn health(State(view): State<Arc<View>>) -> Response {
    let wrong: String = view.wrong().into_iter().map(|what| what + "\n").collect();
    if wrong.is_empty() {
        return "ok\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, wrong).into_response()
}

async fn metrics(State(registry): State<Arc<Registry>>) -> Response {
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    match encoder.encode(&registry.gather(), &mut text) {
        Ok(()) => ([(header::CONTENT_TYPE, encoder.format_type().to_owned())], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
