//! Where a download may go: to `http` and `https`, and to no private address unless that is allowed.
//!
//! An archive is written by strangers, and its links are asked for from inside the operator's network. Three ways lead to a
//! private address, and all are closed: an address that is a number is looked at before each request, a name when it is
//! resolved (and only what was looked at is connected to), and a redirect like any first address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Why an address is not asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Neither `http` nor `https`.
    Scheme,
    /// At a private address.
    Private,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "its address is neither http nor https",
            Self::Private => "it is at a private address; `--allow-private` permits that",
        })
    }
}

impl std::error::Error for Refusal {}

/// Whether an address may be asked, as far as it can be told without resolving its name.
pub(super) fn look(url: &Url, is_private_allowed: bool) -> Result<(), Refusal> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Refusal::Scheme);
    }
    let number = match url.host() {
        Some(Host::Ipv4(number)) => IpAddr::V4(number),
        Some(Host::Ipv6(number)) => IpAddr::V6(number),
        Some(Host::Domain(_)) => return Ok(()),
        None => return Err(Refusal::Scheme),
    };
    if is_private_allowed || is_public(number) { Ok(()) } else { Err(Refusal::Private) }
}

/// Resolves names by the system, and gives public addresses only.
pub(super) struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            let has_any = !found.is_empty();
            let public: Vec<SocketAddr> = found.into_iter().filter(|found| is_public(found.ip())).collect();
            if has_any && public.is_empty() {
                return Err(Refusal::Private.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Whether an address belongs to the internet at large (IANA's registries of special-purpose addresses).
///
/// Loopback, private, shared, link-local (where clouds keep their metadata), multicast, documentation and reserved ones do
/// not, however they are written: IPv6 addresses that hold an IPv4 address are judged by it.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = matches!(
        (a, b, c),
        // This network, private, loopback, multicast and reserved.
        (0 | 10 | 127 | 224..=255, _, _)
            // Shared by carriers, link-local, private, private.
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 168, _)
            // Protocol assignments, documentation, 6to4 relays, benchmarks, documentation.
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    );
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let held = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        // IPv4 inside IPv6, and its translation.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => held(high, low),
        // Protocol assignments (Teredo and others), documentation, 6to4, documentation.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // Everything that is handed out to the internet lies in here.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_table() {
        for (address, expected) in [
            ("93.184.216.34", true),
            ("8.8.8.8", true),
            ("100.63.255.255", true),
            ("100.64.0.1", false),
            ("100.127.255.255", false),
            ("127.0.0.1", false),
            ("127.8.8.8", false),
            ("0.0.0.0", false),
            ("10.1.2.3", false),
            ("172.15.0.1", true),
            ("172.16.0.1", false),
            ("172.31.255.255", false),
            ("172.32.0.1", true),
            ("192.168.0.1", false),
            ("169.254.169.254", false),
            ("169.253.0.1", true),
            ("192.0.0.1", false),
            ("192.0.2.1", false),
            ("192.0.1.1", true),
            ("198.18.0.1", false),
            ("198.51.100.1", false),
            ("203.0.113.1", false),
            ("224.0.0.1", false),
            ("240.0.0.1", false),
            ("255.255.255.255", false),
            ("::1", false),
            ("::", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:10.0.0.1", false),
            ("::ffff:169.254.169.254", false),
            ("::ffff:8.8.8.8", true),
            ("::127.0.0.1", false),
            ("64:ff9b::10.0.0.1", false),
            ("64:ff9b::8.8.8.8", true),
            ("64:ff9b:1::1", false),
            ("fc00::1", false),
            ("fd00:ec2::254", false),
            ("fe80::1", false),
            ("fec0::1", false),
            ("ff02::1", false),
            ("2001:db8::1", false),
            ("2001:0:1::1", false),
            ("2002:7f00:1::", false),
            ("3fff::1", false),
            ("2001:4860:4860::8888", true),
            ("2606:4700::1111", true),
        ] {
            assert_eq!(is_public(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn numbers_in_addresses_are_seen_however_they_are_written() {
        for (url, expected) in [
            ("http://example.org/a", Ok(())),
            ("https://93.184.216.34/a", Ok(())),
            ("http://127.0.0.1/a", Err(Refusal::Private)),
            ("http://2130706433/a", Err(Refusal::Private)),
            ("http://0x7f.1/a", Err(Refusal::Private)),
            ("http://0177.0.0.1/", Err(Refusal::Private)),
            ("http://[::1]:8080/", Err(Refusal::Private)),
            ("http://[::ffff:7f00:1]/", Err(Refusal::Private)),
            ("http://user@169.254.169.254/latest", Err(Refusal::Private)),
            ("file:///etc/passwd", Err(Refusal::Scheme)),
            ("ftp://example.org/a", Err(Refusal::Scheme)),
            ("javascript:x", Err(Refusal::Scheme)),
            ("data:,x", Err(Refusal::Scheme)),
        ] {
            assert_eq!(look(&Url::parse(url).unwrap(), false), expected, "{url}");
        }
        assert_eq!(look(&Url::parse("http://127.0.0.1/").unwrap(), true), Ok(()));
        assert_eq!(look(&Url::parse("file:///etc/passwd").unwrap(), true), Err(Refusal::Scheme));
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_refused() {
        let resolved = PublicOnly.resolve("localhost".parse().unwrap()).await;
        let error = resolved.err().expect("refused");
        assert_eq!(error.downcast_ref::<Refusal>(), Some(&Refusal::Private));
    }
}
