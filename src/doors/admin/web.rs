//! What a monitor asks over HTTP: `/healthz`, and `/metrics` by setting.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::{StatusCode, header};

use crate::services::Services;

/// OpenMetrics 1.0.0, as Prometheus asks for it.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The routes for monitors. They are for the plain listener only.
pub fn router(services: &Arc<Services>) -> Router {
    let mut router = Router::new().route("/healthz", get(healthz));
    if services.config.metrics.enabled {
        router = router.route("/metrics", get(metrics));
    }
    router.with_state(services.clone())
}

/// 200 while the server takes work, 503 once its store has failed or it is ending.
async fn healthz(State(services): State<Arc<Services>>) -> (StatusCode, &'static str) {
    if services.store.failed() {
        (StatusCode::SERVICE_UNAVAILABLE, "the store has failed; restart the server\n")
    } else if services.shutdown.has_begun() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else {
        (StatusCode::OK, "ok\n")
    }
}

async fn metrics(State(services): State<Arc<Services>>) -> ([(header::HeaderName, &'static str); 1], String) {
    ([(header::CONTENT_TYPE, OPEN_METRICS)], services.metrics.text())
}
