//! What clients talk to: connections, keys, handlers.
//!
//! `accept` takes connections, `ingress` has an endpoint for each dialect, `intake` reads and decides a
//! request, `exchange` answers it, `count` counts its tokens, `models` lists what
//! can be asked for, `pages` are the small endpoints; `admin` is what operators talk to; `world` is
//! what a configuration comes to, `serve` keeps it all running.

pub mod accept;
pub mod admin;
mod array;
pub mod auth;
mod count;
pub mod decision_log;
mod decisions;
mod error;
mod exchange;
pub mod headers;
mod ingress;
mod intake;
pub mod lanes;
mod models;
mod pages;
pub mod reload;
pub mod serve;
mod state;
mod traffic;
pub mod world;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

pub use error::ApiError;
pub use state::Gateway;
pub use world::World;

/// All endpoints of the data listener.
pub fn router(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(ingress::chat))
        .route("/v1/completions", post(ingress::completions))
        .route("/v1/responses", post(ingress::responses))
        .route("/v1/messages", post(ingress::messages))
        .route("/v1/messages/count_tokens", post(ingress::count_tokens))
        .route("/v1/embeddings", post(ingress::embeddings))
        .route("/v1beta/models", get(models::list))
        .route("/v1beta/models/{*id}", get(models::one).post(ingress::gemini))
        .route("/v1/quote", post(pages::quote))
        .route("/v1/models", get(models::list))
        // Google's clients may be told to speak of version 1.
        .route("/v1/models/{*id}", get(models::one).post(ingress::gemini))
        .route("/v1/decisions/{id}", get(pages::decision))
        .route("/healthz", get(pages::healthz))
        .route("/readyz", get(pages::readyz))
        .method_not_allowed_fallback(pages::wrong_method)
        .fallback(pages::not_found)
        .with_state(gateway)
}
