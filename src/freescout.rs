//! The client for FreeScout's "API & Webhooks" module: one typed method for each endpoint.
