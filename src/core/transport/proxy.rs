//! Which proxy a request goes through: the rules of the environment variables and of the option.

use std::borrow::Cow;
use std::env;
use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;
#[cfg(feature = "proxy-system")]
use std::sync::Arc;

use http::{HeaderValue, Uri};
#[cfg(feature = "proxy-system")]
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use percent_encoding::percent_decode_str;

use crate::core::base64;

/// Hosts that the proxies of the environment are never used for: a proxy could not reach this
/// machine's own servers.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// What to do with requests of one scheme.
#[derive(Clone, Debug, Default)]
enum Route {
    #[default]
    Direct,
    Proxy(Proxy),
    /// An environment variable names a proxy that cannot be used. It is an error once a request
    /// needs it: bypassing a proxy silently is worse than failing, and a program that never needs
    /// it must not fail.
    Unusable(String),
}

/// The proxy of each scheme, and the hosts that are reached without one.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxies {
    http: Route,
    https: Route,
    bypass: Vec<Bypass>,
    /// The operating system's settings, if the environment names no proxy.
    #[cfg(feature = "proxy-system")]
    system: Option<Arc<Matcher>>,
}

impl Proxies {
    /// Returns proxies that apply to nothing.
    pub(super) fn none() -> Self {
        Self::default()
    }

    /// Returns proxies that send everything through `proxy`.
    pub(super) fn all(proxy: Proxy) -> Self {
        Self { http: Route::Proxy(proxy.clone()), https: Route::Proxy(proxy), ..Self::default() }
    }

    /// Returns the proxies of this process's environment, or else of the operating system if
    /// `system` is set.
    #[cfg_attr(not(feature = "proxy-system"), expect(unused_variables, reason = "the builder refuses it"))]
    pub(super) fn from_environment(system: bool) -> Self {
        let proxies = Self::from_variables(env::var_os);
        #[cfg(feature = "proxy-system")]
        let proxies = match (&proxies.http, &proxies.https) {
            (Route::Direct, Route::Direct) if system => {
                Self { system: Some(Arc::new(Matcher::from_system())), ..proxies }
            }
            _ => proxies,
        };
        proxies
    }

    /// Returns the proxies of the variables that `read` returns. An empty variable counts as unset.
    fn from_variables(read: impl Fn(&'static str) -> Option<OsString>) -> Self {
        let first = |names: &[&'static str]| {
            names.iter().find_map(|name| {
                let value = read(name)?;
                (!value.to_string_lossy().trim().is_empty()).then_some((*name, value))
            })
        };
        let route = |names: &[&'static str]| match first(names) {
            None => Route::Direct,
            Some((name, url)) => match url.to_str().ok_or("it is not valid UTF-8").and_then(Proxy::parse) {
                Ok(proxy) => Route::Proxy(proxy),
                Err(reason) => Route::Unusable(format!("invalid environment variable {name}: {reason}")),
            },
        };
        // A web server passes the header `Proxy` of a request to a CGI program as `HTTP_PROXY`, so
        // anyone could choose the proxy. Variables are not case-sensitive everywhere, so neither
        // form is read.
        let is_cgi = read("REQUEST_METHOD").is_some();
        let http: &[&str] =
            if is_cgi { &["ALL_PROXY", "all_proxy"] } else { &["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] };
        let mut bypass = Bypass::parse_list(LOOPBACK);
        if let Some((_, list)) = first(&["NO_PROXY", "no_proxy"]) {
            bypass.extend(Bypass::parse_list(&list.to_string_lossy()));
        }
        Self {
            http: route(http),
            https: route(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]),
            bypass,
            #[cfg(feature = "proxy-system")]
            system: None,
        }
    }

    /// Returns the proxy for a request to `uri`; `None` if the request goes to the server itself.
    pub(super) fn of(&self, uri: &Uri) -> Result<Option<Cow<'_, Proxy>>, &str> {
        let is_https = uri.scheme() == Some(&http::uri::Scheme::HTTPS);
        let route = if is_https { &self.https } else { &self.http };
        #[cfg(feature = "proxy-system")]
        if let Some(proxy) = self.system.as_ref().and_then(|system| system.intercept(uri)) {
            return Proxy::of_system(&proxy).map(|proxy| Some(Cow::Owned(proxy)));
        }
        if matches!(route, Route::Direct) {
            return Ok(None);
        }
        let host = bare_host(uri.host().unwrap_or_default());
        let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        if self.bypass.iter().any(|bypass| bypass.covers(host, port)) {
            return Ok(None);
        }
        match route {
            Route::Direct => Ok(None),
            Route::Proxy(proxy) => Ok(Some(Cow::Borrowed(proxy))),
            Route::Unusable(reason) => Err(reason),
        }
    }
}

/// The protocol of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProxyKind {
    Http,
    /// HTTP over TLS.
    #[cfg(feature = "_tls")]
    Https,
    #[cfg(feature = "socks")]
    Socks {
        /// The proxy resolves the server name (`socks5h`). Otherwise it is resolved locally.
        resolves_names: bool,
    },
}

/// A proxy. The credentials are kept apart from the address and are never printed.
#[derive(Clone)]
pub(super) struct Proxy {
    kind: ProxyKind,
    uri: Uri,
    /// Username and password.
    #[cfg(feature = "socks")]
    credentials: Option<(String, String)>,
    authorization: Option<HeaderValue>,
}

impl Proxy {
    /// Parses `scheme://name:password@host:port`. The scheme may be omitted for `http`.
    ///
    /// The error never repeats the URL, since it may contain a password.
    pub(super) fn parse(url: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = url.trim().split_once("://").unwrap_or(("http", url.trim()));
        let scheme = scheme.to_ascii_lowercase();
        let kind = match scheme.as_str() {
            "http" => ProxyKind::Http,
            #[cfg(feature = "_tls")]
            "https" => ProxyKind::Https,
            #[cfg(not(feature = "_tls"))]
            "https" => return Err("an https:// proxy needs the feature `tls`"),
            #[cfg(feature = "socks")]
            "socks5" => ProxyKind::Socks { resolves_names: false },
            #[cfg(feature = "socks")]
            "socks5h" => ProxyKind::Socks { resolves_names: true },
            #[cfg(not(feature = "socks"))]
            "socks5" | "socks5h" => return Err("a socks5:// proxy needs the feature `socks`"),
            _ => return Err("the scheme of a proxy must be http, https, socks5 or socks5h"),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let (credentials, address) = match authority.rsplit_once('@') {
            Some((credentials, address)) => (Some(credentials), address),
            None => (None, authority),
        };
        let invalid = "it is not a URL like http://name:password@host:port (a special character in the name or the \
                       password must be percent-encoded)";
        let uri = Uri::builder()
            .scheme(scheme.as_str())
            .authority(address)
            .path_and_query("/")
            .build()
            .map_err(|_| invalid)?;
        // What follows the host must be a port: `http` takes any text there.
        let host = uri.host().unwrap_or_default();
        if host.is_empty() || (host != address && uri.port_u16().is_none_or(|port| port == 0)) {
            return Err(invalid);
        }
        let authorization = credentials.map(basic_authorization).transpose().map_err(|()| invalid)?;
        Ok(Self {
            kind,
            uri,
            #[cfg(feature = "socks")]
            credentials: credentials.map(|credentials| {
                let (name, password) = credentials.split_once(':').unwrap_or((credentials, ""));
                let decoded = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
                (decoded(name), decoded(password))
            }),
            authorization,
        })
    }

    /// Parses a proxy from the operating system's settings.
    #[cfg(feature = "proxy-system")]
    fn of_system(proxy: &Intercept) -> Result<Self, &'static str> {
        let mut read = Self::parse(&proxy.uri().to_string())?;
        read.authorization = proxy.basic_auth().cloned();
        #[cfg(feature = "socks")]
        {
            read.credentials = proxy.raw_auth().map(|(name, password)| (name.to_owned(), password.to_owned()));
        }
        Ok(read)
    }

    /// Returns its protocol.
    pub(super) const fn kind(&self) -> ProxyKind {
        self.kind
    }

    /// Returns the address, without credentials.
    pub(super) const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Returns the username and the password.
    #[cfg(feature = "socks")]
    pub(super) fn credentials(&self) -> Option<(&str, &str)> {
        self.credentials.as_ref().map(|(name, password)| (name.as_str(), password.as_str()))
    }

    /// Returns the value of the header `Proxy-Authorization`, if the protocol has headers.
    pub(super) fn authorization(&self) -> Option<&HeaderValue> {
        let reads_headers = match self.kind {
            #[cfg(feature = "socks")]
            ProxyKind::Socks { .. } => false,
            _ => true,
        };
        self.authorization.as_ref().filter(|_| reads_headers)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Proxy").field(&self.uri).finish()
    }
}

impl fmt::Display for Proxy {
    /// Prints the host and port.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.uri.authority().map_or("", |authority| authority.as_str()))
    }
}

/// Returns `name:password` of a URL as a header value of the Basic scheme (RFC 7617).
fn basic_authorization(credentials: &str) -> Result<HeaderValue, ()> {
    let (name, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let mut plain: Vec<u8> = percent_decode_str(name).collect();
    plain.push(b':');
    plain.extend(percent_decode_str(password));
    let mut value = HeaderValue::try_from(format!("Basic {}", base64::encode(&plain))).map_err(|_| ())?;
    value.set_sensitive(true);
    Ok(value)
}

/// One entry of `NO_PROXY`: what it names, and the port if it names one.
#[derive(Clone, Debug, PartialEq)]
struct Bypass {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq)]
enum Hosts {
    /// `*`
    All,
    /// An address, or the network of all addresses with the same first bits.
    Network { address: IpAddr, bits: u32 },
    /// A name and all names under it, in lowercase, without a leading dot.
    Domain(String),
}

impl Bypass {
    /// Parses a list separated by commas or whitespace. An empty entry is skipped.
    fn parse_list(list: &str) -> Vec<Self> {
        list.split(|c: char| c == ',' || c.is_whitespace()).filter_map(Self::parse).collect()
    }

    fn parse(entry: &str) -> Option<Self> {
        if entry == "*" {
            return Some(Self { hosts: Hosts::All, port: None });
        }
        if let Some(network) = parse_network(entry) {
            return Some(Self { hosts: network, port: None });
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (entry, None),
        };
        let hosts = match parse_network(bare_host(host)) {
            Some(network) => network,
            None if host == "*" => Hosts::All,
            None => {
                let name = host.strip_prefix('*').unwrap_or(host);
                let name = name.strip_prefix('.').unwrap_or(name);
                let name = name.strip_suffix('.').unwrap_or(name);
                if name.is_empty() {
                    return None;
                }
                Hosts::Domain(name.to_ascii_lowercase())
            }
        };
        Some(Self { hosts, port })
    }

    fn covers(&self, host: &str, port: u16) -> bool {
        if self.port.is_some_and(|own| own != port) {
            return false;
        }
        match &self.hosts {
            Hosts::All => true,
            Hosts::Network { address, bits } => {
                host.parse().is_ok_and(|host: IpAddr| in_network(host.to_canonical(), *address, *bits))
            }
            Hosts::Domain(domain) => {
                let host = host.strip_suffix('.').unwrap_or(host);
                match host.len().checked_sub(domain.len()).and_then(|at| host.split_at_checked(at)) {
                    Some((before, end)) => {
                        end.eq_ignore_ascii_case(domain) && (before.is_empty() || before.ends_with('.'))
                    }
                    None => false,
                }
            }
        }
    }
}

/// Parses an address, `[address]`, or `address/bits`.
fn parse_network(text: &str) -> Option<Hosts> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let address: IpAddr = bare_host(address).parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Ok(most), str::parse).ok()?;
    (bits <= most).then_some(Hosts::Network { address, bits })
}

fn in_network(host: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (host, network) {
        (IpAddr::V4(host), IpAddr::V4(network)) => {
            (host.to_bits() ^ network.to_bits()).checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(host), IpAddr::V6(network)) => {
            (host.to_bits() ^ network.to_bits()).checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// Returns the host without the brackets that an IPv6 address has in a URL.
pub(super) fn bare_host(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&'static str, &str)]) -> Proxies {
        Proxies::from_variables(|name| variables.iter().find(|(own, _)| *own == name).map(|(_, value)| value.into()))
    }

    /// Returns the proxy for `url` as `host:port`, or its error; empty for none.
    fn route(proxies: &Proxies, url: &'static str) -> String {
        match proxies.of(&Uri::from_static(url)) {
            Ok(Some(proxy)) => proxy.to_string(),
            Ok(None) => String::new(),
            Err(reason) => reason.to_owned(),
        }
    }

    #[test]
    fn each_scheme_has_its_variable_and_all_proxy_stands_in() {
        let both =
            proxies(&[("HTTP_PROXY", "http://plain:1"), ("HTTPS_PROXY", "http://secure:2"), ("ALL_PROXY", "all:3")]);
        assert_eq!(route(&both, "http://a/"), "plain:1");
        assert_eq!(route(&both, "https://a/"), "secure:2");
        let one = proxies(&[("https_proxy", "secure:2"), ("all_proxy", "http://all:3/")]);
        assert_eq!(route(&one, "http://a/"), "all:3");
        assert_eq!(route(&one, "https://a/"), "secure:2");
        assert_eq!(route(&proxies(&[]), "https://a/"), "");
    }

    #[test]
    fn upper_case_comes_first_and_an_empty_variable_counts_as_none() {
        assert_eq!(route(&proxies(&[("HTTPS_PROXY", "upper:1"), ("https_proxy", "lower:2")]), "https://a/"), "upper:1");
        assert_eq!(route(&proxies(&[("HTTPS_PROXY", " "), ("https_proxy", "lower:2")]), "https://a/"), "lower:2");
    }

    #[test]
    fn in_a_cgi_program_http_proxy_is_not_read() {
        let cgi = proxies(&[
            ("REQUEST_METHOD", "GET"),
            ("HTTP_PROXY", "evil:1"),
            ("http_proxy", "evil:1"),
            ("HTTPS_PROXY", "good:2"),
        ]);
        assert_eq!(route(&cgi, "http://a/"), "");
        assert_eq!(route(&cgi, "https://a/"), "good:2");
    }

    #[test]
    fn a_proxy_that_cannot_be_used_fails_only_the_requests_that_need_it() {
        let proxies =
            proxies(&[("ALL_PROXY", "socks4://name:secret@a:1"), ("HTTP_PROXY", "b:2"), ("NO_PROXY", "near")]);
        assert_eq!(route(&proxies, "http://a/"), "b:2");
        assert_eq!(route(&proxies, "https://near/"), "");
        assert_eq!(
            route(&proxies, "https://a/"),
            "invalid environment variable ALL_PROXY: the scheme of a proxy must be http, https, socks5 or socks5h"
        );
    }

    #[test]
    fn no_proxy_names_whom_to_reach_directly() {
        for (list, direct, proxied) in [
            ("*", &["http://a/", "https://[::1]/"][..], &[][..]),
            (
                "example.com",
                &["http://example.com/", "http://EXAMPLE.com./", "http://a.b.example.com/"],
                &["http://notexample.com/", "http://com/"],
            ),
            (".example.com", &["http://example.com/", "http://a.example.com/"], &["http://notexample.com/"]),
            ("*.Example.com.", &["http://example.com/", "http://a.example.com/"], &["http://notexample.com/"]),
            ("a, b\tc", &["http://a/", "http://b/", "http://c/"], &["http://d/"]),
            ("a:8080", &["http://a:8080/"], &["http://a/", "http://b:8080/"]),
            ("a:443", &["https://a/"], &["http://a/"]),
            ("10.0.0.1", &["http://10.0.0.1/"], &["http://10.0.0.2/", "http://1.10.0.0.1/"]),
            ("10.0.0.1:81", &["http://10.0.0.1:81/"], &["http://10.0.0.1/"]),
            ("10.0.0.0/8", &["http://10.255.1.2/", "http://[::ffff:10.1.1.1]/"], &["http://11.0.0.1/", "http://ten/"]),
            ("0.0.0.0/0", &["http://1.2.3.4/"], &["http://[::2]/"]),
            ("::2", &["http://[::2]/", "http://[::2]:81/"], &["http://[::3]/"]),
            ("[::2]:81", &["http://[::2]:81/"], &["http://[::2]/"]),
            ("fd00::/8", &["http://[fd12::1]/"], &["http://[fe80::1]/"]),
            (",a:no,10.0.0.0/33,.,*.", &[], &["http://a/", "http://10.0.0.0/", "http://b/"]),
        ] {
            let proxies = proxies(&[("ALL_PROXY", "proxy:1"), ("NO_PROXY", list)]);
            for url in direct {
                assert_eq!(route(&proxies, url), "", "{list}: {url}");
            }
            for url in proxied {
                assert_eq!(route(&proxies, url), "proxy:1", "{list}: {url}");
            }
        }
    }

    #[test]
    fn this_machine_is_reached_without_the_proxy_of_the_environment() {
        for list in ["", "example.com"] {
            let proxies = proxies(&[("ALL_PROXY", "proxy:1"), ("HTTP_PROXY", "socks4://unusable"), ("NO_PROXY", list)]);
            for url in ["http://localhost:1/", "https://LOCALHOST/", "http://127.1.2.3/", "https://[::1]/"] {
                assert_eq!(route(&proxies, url), "", "{url}");
            }
            assert_eq!(route(&proxies, "https://localhost.example/"), "proxy:1");
        }
        let all = Proxies::all(Proxy::parse("proxy:1").unwrap());
        assert_eq!(route(&all, "http://127.0.0.1/"), "proxy:1", "an option applies to everything");
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_that_is_not_utf_8_fails_the_requests_that_need_it() {
        use std::os::unix::ffi::OsStrExt;
        let value =
            |name| (name == "HTTPS_PROXY").then(|| std::ffi::OsStr::from_bytes(b"http://a:\xFF@proxy:1").into());
        let proxies = Proxies::from_variables(value);
        assert!(
            route(&proxies, "https://a/").contains("invalid environment variable HTTPS_PROXY: it is not valid UTF-8")
        );
        assert_eq!(route(&proxies, "http://a/"), "");
    }

    #[test]
    fn credentials_are_percent_decoded_and_never_printed() {
        let proxy = Proxy::parse("http://us%40er:p%3Ass%20w%C3%A9@proxy:3128/").unwrap();
        let expected = format!("Basic {}", base64::encode("us@er:p:ss wé".as_bytes()));
        assert_eq!(proxy.authorization().unwrap().as_bytes(), expected.as_bytes());
        assert!(proxy.authorization().unwrap().is_sensitive());
        assert_eq!(format!("{proxy} {proxy:?}"), "proxy:3128 Proxy(http://proxy:3128/)");
        let without_password = Proxy::parse("name@proxy").unwrap();
        assert_eq!(without_password.authorization().unwrap(), "Basic bmFtZTo=");
        assert_eq!(Proxy::parse("http://[::1]:3128").unwrap().authorization(), None);
    }

    #[test]
    fn what_is_no_proxy_url_is_refused_without_repeating_it() {
        for url in [
            "",
            "http://",
            "http://:80",
            "http://name:secret@pro/xy:80",
            "http://a:secret@",
            "http://secret@proxy:0",
            "http://proxy:",
            "http://proxy:secret",
            "ftp://secret@proxy",
            "http://pro xy",
            "http://proxy/secret",
            "se cret",
        ] {
            let reason = Proxy::parse(url).expect_err(url);
            assert!(!reason.contains("secret"), "{url}: {reason}");
        }
    }
}
