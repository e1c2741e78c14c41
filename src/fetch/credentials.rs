//! What the old help desk wants to see before it gives a file: headers and cookies, for the hosts that the operator names.
//!
//! Promises:
//!
//! - A header or cookie is sent to the hosts named with it and to no other, whatever redirects say.
//! - It goes over https only, unless private addresses are allowed: inside one's own network there may be no other way.
//! - Neither is ever shown: not by `Debug`, and not in an error about the file that holds it.

use std::fmt;

use reqwest::header::{COOKIE, HeaderMap, HeaderName, HeaderValue};
use url::Url;

/// Headers that belong to the connection or to the download itself.
const NOT_ONES_OWN: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-length",
    "host",
    "if-range",
    "keep-alive",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers and cookies, and whom they are for.
#[derive(Clone, Default)]
pub struct Credentials {
    headers: Vec<(HeaderName, HeaderValue)>,
    cookies: Vec<Cookie>,
    hosts: Vec<AuthHost>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (headers, cookies) = (self.headers.len(), self.cookies.len());
        write!(f, "Credentials({headers} headers and {cookies} cookies [redacted] for {:?})", self.hosts)
    }
}

#[derive(Clone)]
struct Cookie {
    pair: String,
    /// Where it belongs; `None`: a raw line, which belongs wherever it is sent.
    scope: Option<Scope>,
}

#[derive(Clone)]
struct Scope {
    domain: String,
    with_subdomains: bool,
    path: String,
    is_secure: bool,
    /// Seconds since 1970; 0: the session's.
    expires: i64,
}

/// A host that may see what is secret: `desk.example.org`, or `desk.example.org:8443` for one port alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthHost {
    host: String,
    port: Option<u16>,
}

/// A file of headers or cookies that cannot be used. What stands in it is not shown.
#[derive(Debug, thiserror::Error)]
#[error("line {line} {fault}")]
pub struct CredentialsError {
    line: usize,
    fault: &'static str,
}

impl AuthHost {
    /// Reads `HOST` or `HOST:PORT`; the error says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "expected a host such as `desk.example.org`, without `https://` and path".to_owned();
        if text.is_empty() || text.contains(['/', '@', '?', '#', '*']) || text.contains(char::is_whitespace) {
            return Err(wrong());
        }
        // As http, the port of https would not be taken for the default and dropped.
        let url = Url::parse(&format!("http://{text}")).map_err(|_| wrong())?;
        let host = url.host_str().ok_or_else(wrong)?.to_owned();
        let named = text.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        Ok(Self { host, port: named.filter(|_| !text.ends_with(']')) })
    }

    fn is_of(&self, url: &Url) -> bool {
        url.host_str() == Some(&self.host) && self.port.is_none_or(|port| url.port_or_known_default() == Some(port))
    }
}

impl Credentials {
    /// Adds the headers of a file: `Name: value` on each line; empty lines and such as begin with `#` say nothing.
    pub fn add_headers(&mut self, text: &str) -> Result<(), CredentialsError> {
        let before = self.headers.len();
        for (line, text) in text.lines().enumerate().map(|(at, text)| (at + 1, text.trim())) {
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let wrong = |fault| CredentialsError { line, fault };
            let (name, value) = text.split_once(':').ok_or(wrong("is not a header: expected `Name: value`"))?;
            let name: HeaderName = name.trim().parse().map_err(|_| wrong("has no header's name before the colon"))?;
            if NOT_ONES_OWN.contains(&name.as_str()) {
                return Err(wrong("names a header that belongs to the connection"));
            }
            let mut value: HeaderValue =
                value.trim().parse().map_err(|_| wrong("has a value that no header can have"))?;
            value.set_sensitive(true);
            self.headers.push((name, value));
        }
        if self.headers.len() == before {
            Err(CredentialsError { line: 1, fault: "and the rest hold no header" })
        } else {
            Ok(())
        }
    }

    /// Adds the cookies of a file: a Netscape cookie file as browsers' extensions and `curl` write it, or one line `a=1; b=2`.
    pub fn add_cookies(&mut self, text: &str) -> Result<(), CredentialsError> {
        let before = self.cookies.len();
        for (line, text) in text.lines().enumerate().map(|(at, text)| (at + 1, text.trim_end_matches(['\r', '\n']))) {
            let wrong = |fault| CredentialsError { line, fault };
            let text = text.strip_prefix("#HttpOnly_").unwrap_or(text);
            if text.trim().is_empty() || text.starts_with('#') {
                continue;
            }
            let cells: Vec<&str> = text.split('\t').collect();
            let cookie = match cells[..] {
                [domain, with_subdomains, path, is_secure, expires, name, value] => Cookie {
                    pair: format!("{name}={value}"),
                    scope: Some(Scope {
                        domain: domain.trim_start_matches('.').to_lowercase(),
                        with_subdomains: with_subdomains.eq_ignore_ascii_case("true"),
                        path: path.to_owned(),
                        is_secure: is_secure.eq_ignore_ascii_case("true"),
                        expires: expires
                            .trim()
                            .parse()
                            .map_err(|_| wrong("has no time of expiry in its fifth column"))?,
                    }),
                },
                [raw] if raw.contains('=') => {
                    let raw = raw.trim();
                    let is_named = raw.get(..7).is_some_and(|name| name.eq_ignore_ascii_case("cookie:"));
                    let pairs = if is_named { raw[7..].trim() } else { raw };
                    Cookie { pair: pairs.trim_end_matches(';').to_owned(), scope: None }
                }
                _ => return Err(wrong("is neither a line of a Netscape cookie file nor `name=value`")),
            };
            HeaderValue::from_str(&cookie.pair).map_err(|_| wrong("holds what no cookie can hold"))?;
            self.cookies.push(cookie);
        }
        if self.cookies.len() == before {
            Err(CredentialsError { line: 1, fault: "and the rest hold no cookie" })
        } else {
            Ok(())
        }
    }

    /// Says whom they are for.
    pub fn allow(&mut self, hosts: impl IntoIterator<Item = AuthHost>) {
        self.hosts.extend(hosts);
    }

    /// What a request to this address carries. `now` in seconds since 1970.
    pub(super) fn of(&self, url: &Url, is_plain_allowed: bool, now: i64) -> HeaderMap {
        let mut sent = HeaderMap::new();
        let is_safe = url.scheme() == "https" || is_plain_allowed;
        if !is_safe || !self.hosts.iter().any(|host| host.is_of(url)) {
            return sent;
        }
        for (name, value) in &self.headers {
            sent.append(name.clone(), value.clone());
        }
        let fitting =
            self.cookies.iter().filter(|cookie| cookie.scope.as_ref().is_none_or(|scope| scope.fits(url, now)));
        let pairs: Vec<&str> = fitting.map(|cookie| cookie.pair.as_str()).collect();
        if let Ok(mut value) = HeaderValue::from_str(&pairs.join("; "))
            && !pairs.is_empty()
        {
            value.set_sensitive(true);
            sent.insert(COOKIE, value);
        }
        sent
    }
}

impl Scope {
    fn fits(&self, url: &Url, now: i64) -> bool {
        let host = url.host_str().unwrap_or_default();
        let is_below = || host.strip_suffix(&self.domain).is_some_and(|rest| rest.ends_with('.'));
        let is_there = host == self.domain || (self.with_subdomains && is_below());
        let path = url.path().strip_prefix(self.path.trim_end_matches('/'));
        is_there
            && path.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            && (!self.is_secure || url.scheme() == "https")
            && (self.expires == 0 || self.expires > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(credentials: &Credentials, url: &str) -> Vec<String> {
        let headers = credentials.of(&Url::parse(url).unwrap(), false, 1_000);
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
    }

    #[test]
    fn headers_go_to_the_named_hosts_over_https_alone() {
        let mut credentials = Credentials::default();
        credentials.add_headers("# mine\n\nAuthorization: Basic sesame\nX-Key:  k \n").unwrap();
        credentials.allow(["Desk.example.org", "files.example.org:8443"].map(|host| AuthHost::parse(host).unwrap()));
        let all = ["authorization: Basic sesame", "x-key: k"];
        for (url, expected) in [
            ("https://desk.example.org/a", &all[..]),
            ("https://desk.example.org:444/a", &all),
            ("https://DESK.example.org/a", &all),
            ("https://files.example.org:8443/a", &all),
            ("https://files.example.org/a", &[]),
            ("http://desk.example.org/a", &[]),
            ("https://x.desk.example.org/a", &[]),
            ("https://desk.example.org.evil.example/a", &[]),
            ("https://desk.example.org@evil.example/a", &[]),
        ] {
            assert_eq!(sent(&credentials, url), expected, "{url}");
        }
        assert!(!format!("{credentials:?}").contains("sesame"));
    }

    #[test]
    fn cookies_table() {
        let netscape = "# Netscape HTTP Cookie File\n.example.org\tTRUE\t/\tTRUE\t0\tall\t1\n\
                        #HttpOnly_desk.example.org\tFALSE\t/hc\tFALSE\t2000\thc\t2\ndesk.example.org\tFALSE\t/\tTRUE\t900\told\t3\n";
        for (file, url, expected) in [
            (netscape, "https://desk.example.org/hc/a", Some("all=1; hc=2")),
            (netscape, "https://desk.example.org/hcx", Some("all=1")),
            (netscape, "https://other.example.org/hc", None),
            ("a=1; b=2;\n", "https://desk.example.org/", Some("a=1; b=2")),
            ("Cookie: a=1", "https://desk.example.org/", Some("a=1")),
        ] {
            let mut credentials = Credentials::default();
            credentials.add_cookies(file).unwrap();
            credentials.allow([AuthHost::parse("desk.example.org").unwrap()]);
            let expected: Vec<String> = expected.iter().map(|pairs| format!("cookie: {pairs}")).collect();
            assert_eq!(sent(&credentials, url), expected, "{file} {url}");
        }
    }

    #[test]
    fn a_wrong_file_is_told_without_what_it_holds() {
        let headers = |text: &str| Credentials::default().add_headers(text);
        let cookies = |text: &str| Credentials::default().add_cookies(text);
        for (result, expected) in [
            (headers("A: 1\nsesame"), "line 2 is not a header"),
            (headers("sesame key: 1"), "no header's name"),
            (headers("Host: sesame"), "belongs to the connection"),
            (headers("A: sesame\u{1}"), "no header can have"),
            (headers("\n#\n"), "hold no header"),
            (cookies("sesame"), "neither a line"),
            (cookies("a\tTRUE\t/\tTRUE\tsoon\tsesame\t1"), "expiry"),
            (cookies(""), "hold no cookie"),
        ] {
            let error = result.unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("sesame"), "{error}");
        }
    }

    #[test]
    fn hosts_table() {
        for (text, is_fine) in [
            ("desk.example.org", true),
            ("127.0.0.1:8080", true),
            ("[::1]", true),
            ("[::1]:443", true),
            ("https://desk.example.org", false),
            ("desk.example.org/a", false),
            ("*.example.org", false),
            ("a b", false),
            ("", false),
        ] {
            assert_eq!(AuthHost::parse(text).is_ok(), is_fine, "{text}");
        }
        assert_eq!(AuthHost::parse("a.example:80").unwrap().port, Some(80));
        assert_eq!(AuthHost::parse("[::1]").unwrap().port, None);
    }
}
