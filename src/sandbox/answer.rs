//! What a request is answered with, before it becomes bytes.

use serde_json::{Value, json};

/// One answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub resource: Option<u64>,
    pub body: Body,
}

/// The body of an [`Answer`].
#[derive(Debug)]
pub(super) enum Body {
    Json(Value),
    /// Written by the framework's error page: JSON or HTML as the client asked.
    Page(&'static str),
    /// Written by a proxy: always HTML.
    Proxy(&'static str),
    /// No body; the content type is that of a page.
    Empty,
    /// White space where a body should be.
    Blank,
    File {
        bytes: bytes::Bytes,
        mime: String,
    },
}

/// Why a rule did not go on.
#[derive(Debug)]
pub(super) enum Stop {
    /// The API answered with an error of its own: inside a create, the next thread is tried.
    Refused(Answer),
    /// An exception or the end of the worker: nothing after it happens.
    Failed(Answer),
}

impl Stop {
    pub fn into_answer(self) -> Answer {
        match self {
            Stop::Refused(answer) | Stop::Failed(answer) => answer,
        }
    }

    /// An uncaught exception.
    pub fn crash() -> Stop {
        Stop::Failed(Answer::page(500, "Server Error"))
    }

    /// The worker was killed; the web server in front of it says so.
    pub fn killed() -> Stop {
        Stop::Failed(Answer::proxy(502, "502 Bad Gateway"))
    }

    /// 400 with one error entry.
    pub fn refuse(path: &str, message: impl Into<String>) -> Stop {
        Stop::Refused(Answer::error(path, message))
    }

    /// 404 of the API.
    pub fn not_found() -> Stop {
        Stop::Refused(Answer::message(404, "Not Found"))
    }

    /// 400 for a module that is off.
    pub fn module_off(module: &str) -> Stop {
        Stop::Refused(Answer::message(400, &format!("{module} module is not installed or not activated")))
    }
}

impl Answer {
    pub fn ok(value: Value) -> Answer {
        Answer { status: 200, resource: None, body: Body::Json(value) }
    }

    pub fn created(id: u64, value: Value) -> Answer {
        Answer { status: 201, resource: Some(id), body: Body::Json(value) }
    }

    pub fn no_content() -> Answer {
        Answer { status: 204, resource: None, body: Body::Empty }
    }

    pub fn error(path: &str, message: impl Into<String>) -> Answer {
        let entry = json!({"path": path, "message": message.into(), "source": "JSON"});
        let body = json!({"message": "Error occurred", "_embedded": {"errors": [entry]}});
        Answer { status: 400, resource: None, body: Body::Json(body) }
    }

    /// The API's error body without entries.
    pub fn message(status: u16, message: &str) -> Answer {
        let body = json!({"message": message, "_embedded": {"errors": []}});
        Answer { status, resource: None, body: Body::Json(body) }
    }

    pub fn page(status: u16, message: &'static str) -> Answer {
        Answer { status, resource: None, body: Body::Page(message) }
    }

    pub fn proxy(status: u16, title: &'static str) -> Answer {
        Answer { status, resource: None, body: Body::Proxy(title) }
    }
}
