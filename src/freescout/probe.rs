//! Calls that only the doctor makes: they ask what a server does, and change nothing or what is taken back.

use reqwest::Method;
use serde_json::Value;

use super::body::JsonWriter;
use super::error::ApiError;
use super::transport::Call;
use super::{Client, Created, wire};

const CREATE: &str = "POST /conversations";

impl Client {
    /// Sends a create of about so many bytes that lacks everything a create needs.
    ///
    /// A server that takes bodies of this size refuses it for that ([`ErrorKind::Refused`](super::ErrorKind::Refused),
    /// in the module's own words), and nothing is made; `freescout-behaviour.md`, 1.8. `Ok`: a success, which no FreeScout gives.
    pub(crate) async fn offer(&self, bytes: u64) -> Result<(), ApiError> {
        let mut json = JsonWriter::default();
        json.begin_object();
        let around = r#"{"padding":""}"#.len() as u64;
        let padding = usize::try_from(bytes.saturating_sub(around)).unwrap_or(usize::MAX);
        json.text("padding", &"x".repeat(padding));
        json.end_object();
        let call = Call { payload: Some(json.finish()), ..self.call(Method::POST, CREATE, "conversations".into()) };
        self.transport.send(call).await.map(drop)
    }

    /// `POST /conversations` with this body as it is: for what [`NewConversation`](super::NewConversation) cannot say.
    pub(crate) async fn create_as_written(&self, body: &Value) -> Result<Created<wire::Conversation>, ApiError> {
        let mut json = JsonWriter::default();
        json.value_of(body);
        self.create(CREATE, "conversations".into(), json.finish()).await
    }
}
