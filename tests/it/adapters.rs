//! HTTP clients of other libraries as transports.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::a_limit::tokio;
use crate::support::{post, stream};
use http::{Request, Response};
use openrouter_kit::core::body::Body;
use openrouter_kit::core::transport::{
    HyperTransport, ServiceTransport, Transport, TransportError, TransportErrorKind,
};
use openrouter_kit::errors::Error;
use openrouter_kit::mock::{Answer, ClosedPort, MockServer};
use openrouter_kit::{OpenRouterCore, RetryConfig};
use serde_json::json;
use tower_service::Service;

fn core(url: impl AsRef<str>, transport: impl Transport) -> OpenRouterCore {
    let millisecond = Duration::from_millis(1);
    OpenRouterCore::builder()
        .api_key("sk-or-v1-secret")
        .server_url(url)
        .transport(transport)
        .retry_config(RetryConfig::backoff().initial_interval(millisecond).max_interval(millisecond))
        .build()
        .unwrap()
}

/// Checks what every transport must do: bodies in both directions, streams, retries by status, and
/// an error that says that nothing was sent.
async fn does_everything(transport: impl Transport + Clone) {
    let server = MockServer::start().await;
    let core = core(server.url(), transport.clone());

    server.answer(Answer::json(503, json!({"error": {"code": 503, "message": "busy"}})));
    server.answer(Answer::json(200, json!({"id": "one"})));
    let answer = post(&core).await.unwrap();
    assert_eq!(answer.get("id").as_deref(), Some("\"one\""));
    let request = &server.requests()[1];
    assert!(!request.body.is_empty());
    assert_eq!(request.headers["authorization"], "Bearer sk-or-v1-secret");

    server.answer(Answer::stream((0..3).map(|n| json!({"n": n}))));
    let mut events = stream(&core).await.unwrap();
    for n in 0..3 {
        assert_eq!(events.next().await.unwrap().unwrap().get("n"), Some(n.to_string()));
    }
    assert!(events.next().await.is_none());

    let closed = ClosedPort::new().unwrap();
    let error = post(&self::core(closed.url(), transport)).await.unwrap_err();
    assert_eq!(error.attempts(), 3);
    let Error::Connection(error) = error else { panic!("{error:?}") };
    assert!(error.is_unsent(), "{error:?}");
}

/// A service like one in a program, backed by the default transport.
#[derive(Clone)]
struct Layered {
    transport: HyperTransport,
    is_ready: bool,
}

impl Service<Request<Body>> for Layered {
    type Response = Response<Body>;
    type Error = TransportError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, TransportError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        if std::mem::replace(&mut self.is_ready, true) {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        assert!(self.is_ready, "a service is called when it is ready");
        let transport = self.transport.clone();
        Box::pin(async move { transport.send(request).await })
    }
}

#[tokio::test]
async fn a_tower_service_is_a_transport() {
    #[derive(Clone, Debug)]
    struct Shared(std::sync::Arc<ServiceTransport<Layered>>);
    impl Transport for Shared {
        fn send(&self, request: Request<Body>) -> openrouter_kit::core::transport::TransportFuture<'_> {
            self.0.send(request)
        }
    }
    let transport = HyperTransport::builder().no_proxy().build().unwrap();
    let service = ServiceTransport::new(Layered { transport, is_ready: false });
    does_everything(Shared(std::sync::Arc::new(service))).await;
}

#[tokio::test]
async fn an_error_of_a_tower_service_may_mean_that_the_request_was_sent() {
    #[derive(Clone)]
    struct Failing;
    impl Service<Request<Body>> for Failing {
        type Response = Response<Body>;
        type Error = &'static str;
        type Future = std::future::Ready<Result<Response<Body>, &'static str>>;

        fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _request: Request<Body>) -> Self::Future {
            std::future::ready(Err("the layer gave up"))
        }
    }
    let error = post(&core("http://openrouter.invalid", ServiceTransport::new(Failing))).await.unwrap_err();
    assert_eq!(error.attempts(), 1);
    let Error::Connection(error) = error else { panic!("{error:?}") };
    assert_eq!(error.kind(), TransportErrorKind::Exchange);
}

#[cfg(feature = "reqwest")]
#[tokio::test]
async fn a_client_of_reqwest_is_a_transport() {
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    does_everything(openrouter_kit::core::transport::ReqwestTransport::new(client)).await;
}

#[cfg(feature = "reqwest")]
#[tokio::test(start_paused = true)]
async fn an_error_of_reqwest_says_how_far_the_request_came() {
    /// Never finds an address.
    struct Silent;
    impl reqwest::dns::Resolve for Silent {
        fn resolve(&self, _name: reqwest::dns::Name) -> reqwest::dns::Resolving {
            Box::pin(std::future::pending())
        }
    }
    let client = reqwest::Client::builder().no_proxy().dns_resolver(Silent).connect_timeout(Duration::from_secs(3));
    let transport = openrouter_kit::core::transport::ReqwestTransport::new(client.build().unwrap());
    for (url, kind) in [
        ("ftp://openrouter.invalid/file", TransportErrorKind::Request),
        ("http://openrouter.invalid/api/v1?key=sk-or-v1-secret", TransportErrorKind::ConnectTimeout),
    ] {
        let request = Request::post(url).body(Body::empty()).unwrap();
        let error = transport.send(request).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        assert!(!format!("{error:?}").contains("openrouter.invalid"), "{error:?}");
    }
}
