//! Attachments as they come back: fetched from FreeScout's own `/storage/`, and from nowhere else.
//!
//! An attachment's `fileUrl` holds a token and needs no key, and its host is whatever the server's `APP_URL`
//! says, which need not be the host that we call (`freescout-behaviour.md` 3.5). So only the part from
//! `/storage/` on is used, and asked of the target itself: neither the key nor a request ever goes to a
//! host that an answer names.

use std::time::Duration;

use bytes::Bytes;

use super::Client;
use super::error::{ApiError, ErrorKind, Progress};

const ENDPOINT: &str = "GET /storage/attachment";

/// The bytes of an attachment on their way.
pub struct Download {
    response: reqwest::Response,
    idle: Duration,
    received: u64,
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Download")
            .field("length", &self.length())
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Fetches an attachment by its `fileUrl`, from the target.
    ///
    /// Every error is about this one file: a wrong or old token is a 403, an unknown attachment a 404 in whatever
    /// words the server has, an address without `/storage/` is [`ErrorKind::Invalid`].
    ///
    /// ```no_run
    /// # async fn example(client: foxferry::freescout::Client, url: &str) -> Result<(), foxferry::freescout::ApiError> {
    /// let mut download = client.download(url).await?;
    /// let mut length = 0;
    /// while let Some(piece) = download.piece().await? {
    ///     length += piece.len();
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn download(&self, file_url: &str) -> Result<Download, ApiError> {
        let Some((path, query)) = place_in_storage(file_url) else {
            return Err(ApiError::invalid(ENDPOINT, "the address does not lead to FreeScout's storage"));
        };
        let (response, idle) = self.transport.file(ENDPOINT, &path, query).await?;
        Ok(Download { response, idle, received: 0 })
    }
}

impl Download {
    /// The length that the server announces, in bytes.
    pub fn length(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// The next bytes; `None` at the end. A file that breaks off is an error.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, ApiError> {
        let broken = |kind| ApiError::new(ENDPOINT, kind, Progress::Answered).with_status(200);
        match tokio::time::timeout(self.idle, self.response.chunk()).await {
            Ok(Ok(piece)) => {
                self.received += piece.as_ref().map_or(0, |piece| piece.len() as u64);
                Ok(piece)
            }
            Ok(Err(cause)) => Err(broken(ErrorKind::HungUp).with_cause(cause.without_url())),
            Err(_) => Err(broken(ErrorKind::TimedOut)),
        }
    }
}

/// Path and query of an address from `/storage/` on.
///
/// FreeScout leaves a question mark in a file's name as it is, so the query begins at the last one.
fn place_in_storage(file_url: &str) -> Option<(String, &str)> {
    let place = &file_url[file_url.find("/storage/")?..];
    let (path, query) = place.rsplit_once('?').unwrap_or((place, ""));
    // An address may write a dot as `%2e`, and still means the folder above.
    let is_step = |part: &str| matches!(part.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    if path.split('/').any(is_step) || path.contains('\\') {
        return None;
    }
    Some((path.replace('?', "%3F").replace('#', "%23"), query))
}

#[cfg(test)]
mod tests {
    use super::super::Target;
    use super::super::stub::{KEY, Stub};
    use super::*;

    #[test]
    fn only_the_storage_of_the_target_is_reached() {
        let cases = [
            (
                "https://x.example/storage/attachment/7/3/1/a.pdf?id=71&token=c5",
                Some(("/storage/attachment/7/3/1/a.pdf", "id=71&token=c5")),
            ),
            (
                "https://x.example/desk/storage/attachment/1/what?.pdf?id=1",
                Some(("/storage/attachment/1/what%3F.pdf", "id=1")),
            ),
            ("/storage/attachment/1/\u{e9}.pdf?id=1", Some(("/storage/attachment/1/\u{e9}.pdf", "id=1"))),
            ("https://x.example/storage/users/a.jpg", Some(("/storage/users/a.jpg", ""))),
            ("https://x.example/storage/../api/users?x=1", None),
            ("https://x.example/storage/..\\api", None),
            ("https://x.example/storage/%2E%2e/api/users?x=1", None),
            ("https://x.example/storage/.%2e/api/users", None),
            ("https://x.example/a.pdf", None),
            ("", None),
        ];
        for (url, expected) in cases {
            let found = place_in_storage(url);
            assert_eq!(found.as_ref().map(|(path, query)| (path.as_str(), *query)), expected, "{url}");
        }
    }

    #[tokio::test]
    async fn the_host_in_the_address_is_not_called() {
        let stub = Stub::answering("200 OK", "", "bytes").await;
        let client = Client::new(Target::new(&format!("{}/desk", stub.address), KEY.into()).unwrap()).unwrap();
        let mut download =
            client.download("https://evil.invalid/storage/attachment/1/a%2520b.txt?id=1&token=t").await.unwrap();
        assert_eq!(download.length(), Some(5));
        assert_eq!(download.piece().await.unwrap().unwrap(), "bytes");
        assert!(download.piece().await.unwrap().is_none());
        assert!(stub.request().starts_with("GET /desk/storage/attachment/1/a%2520b.txt?id=1&token=t HTTP/1.1\r\n"));
    }

    #[tokio::test]
    async fn errors_do_not_show_the_token() {
        let stub = Stub::answering("403 Forbidden", "Content-Type: text/html\r\n", "<title>Forbidden</title>").await;
        let error =
            stub.client().download("https://x.example/storage/attachment/1/a?id=1&token=sesame").await.unwrap_err();
        assert_eq!((error.status(), error.kind()), (Some(403), &ErrorKind::Forbidden));
        assert!(!format!("{error} {error:?}").contains("sesame"));
        let error = stub.client().download("https://x.example/a").await.unwrap_err();
        assert_eq!((error.kind(), error.progress()), (&ErrorKind::Invalid, Progress::NotSent));
    }
}
