//! Where a FreeScout is and how to get in.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use url::{Host, Url};

/// How the API key is shown to FreeScout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Auth {
    /// In the header `X-FreeScout-API-Key`: the one that works everywhere, and leaves no trace in access logs.
    #[default]
    Header,
    /// In the query, as `api_key`. Web servers write it into their logs.
    Query,
    /// As the user name of HTTP Basic. The reference lists it; module 1.0.87 answers 401
    /// (`freescout-behaviour.md`, section 19).
    Basic,
}

/// How long to wait for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection. A server that has not said hello in ten seconds is away.
    pub connect: Duration,
    /// Without any progress: no byte taken, no byte given. A gateway as a rule gives up after sixty seconds itself.
    pub idle: Duration,
    /// For a whole call, to which a second is added for every 32 KiB of body.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), idle: Duration::from_secs(60), total: Duration::from_secs(300) }
    }
}

impl Timeouts {
    /// How long a call with a body of this many bytes may take.
    pub(super) fn of_call(&self, body: u64) -> Duration {
        self.total + Duration::from_secs(body / (32 * 1024))
    }
}

/// Where a FreeScout is and how to get in.
///
/// ```
/// use foxferry::freescout::Target;
///
/// let target = Target::new("https://help.example.org/desk/api/", "0123456789abcdef".into())?;
/// assert_eq!(target.url, "https://help.example.org/desk");
/// # Ok::<(), foxferry::freescout::ClientError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Target {
    /// The address without `/api`, trailing slash, name, password and query.
    pub url: String,
    /// The API key.
    pub key: SecretString,
    /// How the key is shown.
    pub auth: Auth,
    /// User name and password of the web server in front of FreeScout, if it asks for them.
    pub http_login: Option<(String, SecretString)>,
    /// A PEM file with certificates of authorities to be trusted beside those of the system. A server's own
    /// self-signed certificate works too, unless it says of itself that it is an authority, as OpenSSL's default does.
    pub ca_file: Option<PathBuf>,
    /// How many connections are kept open; as many as requests are in flight.
    pub connections: usize,
    /// How long to wait for what.
    pub timeouts: Timeouts,
}

/// A client could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Not an address. (What was given is not shown: it may hold a password.)
    #[error("the FreeScout address cannot be used: {reason}; expected something like `https://help.example.org`")]
    BadUrl {
        /// What is wrong with it.
        reason: String,
    },
    /// The key cannot be a key.
    #[error("the API key is {reason}; copy it from Manage » API & Webhooks")]
    BadKey {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The key as HTTP Basic and a login of the web server's cannot both be sent.
    #[error("the API key cannot be sent as HTTP Basic to a web server that wants a login of its own")]
    TwoLogins,
    /// The file with certificates cannot be read.
    #[error("could not read the certificates in `{}`", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// TLS cannot be set up.
    #[error("could not set up TLS; are the system's CA certificates installed?")]
    Tls {
        /// Why.
        #[source]
        cause: reqwest::Error,
    },
}

impl Target {
    /// A target with the usual settings. The address may end in `/api`, in a slash or in a sub-folder; a name and
    /// password in it become [`http_login`](Self::http_login).
    pub fn new(url: &str, key: SecretString) -> Result<Self, ClientError> {
        let (base, http_login) = normalise(url)?;
        if key.expose_secret().trim().is_empty() {
            return Err(ClientError::BadKey { reason: "empty" });
        }
        Ok(Self {
            url: show(&base),
            key,
            auth: Auth::default(),
            http_login,
            ca_file: None,
            connections: 8,
            timeouts: Timeouts::default(),
        })
    }
}

/// What a client needs of a target.
pub(super) struct Way {
    pub(super) http: reqwest::Client,
    /// Ends in a slash.
    pub(super) api: Url,
    pub(super) shown: String,
    /// The key for the query, if it goes there.
    pub(super) query_key: Option<SecretString>,
}

/// Sets up connections to a target: TLS provider, roots, headers, pool, proxies.
pub(super) fn open(target: &Target) -> Result<Way, ClientError> {
    let (base, login_in_url) = normalise(&target.url)?;
    let login = target.http_login.clone().or(login_in_url);
    if target.auth == Auth::Basic && login.is_some() {
        return Err(ClientError::TwoLogins);
    }

    // Whoever was first has chosen, and any provider will do.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let _ = rustls::crypto::ring::default_provider().install_default();
    }

    let key = target.key.expose_secret().trim();
    let mut headers = HeaderMap::new();
    // Without it errors of FreeScout's core come as web pages (`freescout-behaviour.md` 1.9).
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    match target.auth {
        Auth::Header => {
            headers.insert(HeaderName::from_static("x-freescout-api-key"), secret_value(key)?);
        }
        Auth::Basic => {
            headers.insert(AUTHORIZATION, basic(key, "foxferry")?);
        }
        Auth::Query => {}
    }
    if let Some((name, password)) = &login {
        headers.insert(AUTHORIZATION, basic(name, password.expose_secret())?);
    }

    let is_loopback = is_loopback(&base);
    let builder = || {
        let builder = reqwest::Client::builder()
            .user_agent(concat!("foxferry/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers.clone())
            .http1_only()
            // A redirected POST becomes a GET in most hands, and a redirected key is a key given away.
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // Whether a request may be sent again is decided by whoever can ask FreeScout first.
            .retry(reqwest::retry::never())
            .connect_timeout(target.timeouts.connect)
            .tcp_nodelay(true)
            // Apache closes idle connections after five seconds by default; a request that meets the closing is
            // one with an unknown outcome.
            .pool_idle_timeout(Duration::from_secs(4))
            .pool_max_idle_per_host(target.connections.max(1));
        // A proxy cannot reach what is on this machine only.
        if is_loopback { builder.no_proxy() } else { builder }
    };
    let extra = extra_roots(target)?;
    let http = if is_loopback && base.scheme() == "http" {
        // Reading the system's certificates takes longer than a sandbox takes to start.
        builder().tls_certs_only([]).build()
    } else {
        match builder().tls_certs_merge(extra.iter().cloned()).build() {
            // A bare container has no certificates, and needs none for plain HTTP.
            Err(_) if base.scheme() == "http" || !extra.is_empty() => builder().tls_certs_only(extra).build(),
            result => result,
        }
    };
    let http = http.map_err(|cause| ClientError::Tls { cause: cause.without_url() })?;

    let mut api = base.clone();
    api.set_path(&format!("{}/api/", base.path().trim_end_matches('/')));
    Ok(Way {
        http,
        api,
        shown: show(&base),
        query_key: (target.auth == Auth::Query).then(|| SecretString::from(key.to_owned())),
    })
}

fn extra_roots(target: &Target) -> Result<Vec<reqwest::Certificate>, ClientError> {
    let Some(path) = &target.ca_file else { return Ok(Vec::new()) };
    let unreadable = |cause: io::Error| ClientError::CaFile { path: path.clone(), cause };
    let pem = std::fs::read(path).map_err(unreadable)?;
    let roots = reqwest::Certificate::from_pem_bundle(&pem).map_err(|cause| unreadable(io::Error::other(cause)))?;
    if roots.is_empty() {
        return Err(unreadable(io::Error::other("it holds no certificate in PEM form")));
    }
    Ok(roots)
}

fn secret_value(text: &str) -> Result<HeaderValue, ClientError> {
    if text.is_empty() {
        return Err(ClientError::BadKey { reason: "empty" });
    }
    let mut value =
        HeaderValue::from_str(text).map_err(|_| ClientError::BadKey { reason: "not one line of plain text" })?;
    value.set_sensitive(true);
    Ok(value)
}

fn basic(name: &str, password: &str) -> Result<HeaderValue, ClientError> {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
    secret_value(&format!("Basic {encoded}"))
}

type Login = Option<(String, SecretString)>;

/// The base address without `/api`, trailing slash and login; and the login.
fn normalise(url: &str) -> Result<(Url, Login), ClientError> {
    let bad = |reason: &str| ClientError::BadUrl { reason: reason.to_owned() };
    let url = url.trim();
    if url.is_empty() {
        return Err(bad("it is empty"));
    }
    let mut url = Url::parse(url).map_err(|error| match error {
        url::ParseError::RelativeUrlWithoutBase => bad("it does not begin with `https://` or `http://`"),
        other => bad(&other.to_string()),
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad("it does not begin with `https://` or `http://`"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("it has a part after `?` or `#`"));
    }
    let login = login_in(&url);
    // Both only fail for addresses without a host, and those have been refused.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix("/api").unwrap_or(path).trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok((url, login))
}

fn login_in(url: &Url) -> Login {
    let plain = |text: &str| {
        let pairs = format!("x={}", text.replace('+', "%2B").replace('&', "%26"));
        url::form_urlencoded::parse(pairs.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    (!url.username().is_empty())
        .then(|| (plain(url.username()), SecretString::from(plain(url.password().unwrap_or_default()))))
}

fn show(base: &Url) -> String {
    base.as_str().trim_end_matches('/').to_owned()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SecretString {
        "0123456789abcdef0123456789abcdef".into()
    }

    #[test]
    fn every_usual_way_to_write_an_address_means_the_same() {
        let cases = [
            ("https://help.example.org", "https://help.example.org", "https://help.example.org/api/"),
            ("https://help.example.org/", "https://help.example.org", "https://help.example.org/api/"),
            ("https://help.example.org/api", "https://help.example.org", "https://help.example.org/api/"),
            (" https://help.example.org/api/ ", "https://help.example.org", "https://help.example.org/api/"),
            ("https://HELP.example.org:443//", "https://help.example.org", "https://help.example.org/api/"),
            (
                "http://help.example.org:8080/desk",
                "http://help.example.org:8080/desk",
                "http://help.example.org:8080/desk/api/",
            ),
            ("https://example.org/a/b/api//", "https://example.org/a/b", "https://example.org/a/b/api/"),
            ("http://[::1]:8025", "http://[::1]:8025", "http://[::1]:8025/api/"),
            ("https://ada:s%40crét@help.example.org/", "https://help.example.org", "https://help.example.org/api/"),
        ];
        for (given, shown, api) in cases {
            let target = Target::new(given, key()).unwrap();
            assert_eq!(target.url, shown, "{given}");
            let way = open(&target).unwrap();
            assert_eq!(way.api.as_str(), api, "{given}");
            assert_eq!(way.shown, shown);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_repeated() {
        let cases = [
            "",
            "help.example.org",
            "ftp://x.example",
            "https://",
            "https://x.example/api?api_key=sesame",
            "https://x.example/#sesame",
        ];
        for given in cases {
            let error = Target::new(given, key()).unwrap_err();
            assert!(matches!(error, ClientError::BadUrl { .. }), "{given}");
            assert!(!error.to_string().contains("sesame"));
        }
        assert!(matches!(Target::new("http://x.example", " ".into()), Err(ClientError::BadKey { .. })));
    }

    #[test]
    fn a_login_in_the_address_is_taken_out_of_it() {
        let target = Target::new("https://ada:s%40+sam@help.example.org", key()).unwrap();
        let (name, password) = target.http_login.unwrap();
        assert_eq!((name.as_str(), password.expose_secret()), ("ada", "s@+sam"));
        assert_eq!(target.url, "https://help.example.org");
    }

    #[test]
    fn two_logins_cannot_share_one_header() {
        let mut target = Target::new("https://ada:x@help.example.org", key()).unwrap();
        target.auth = Auth::Basic;
        assert!(matches!(open(&target), Err(ClientError::TwoLogins)));
    }

    #[test]
    fn the_key_does_not_show_when_a_target_is_printed() {
        let target = Target::new("https://ada:sesame@help.example.org", key()).unwrap();
        let printed = format!("{target:?}");
        assert!(!printed.contains("0123456789abcdef") && !printed.contains("sesame"), "{printed}");
    }
}
