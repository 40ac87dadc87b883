//! HTTP/2, by the library that the client uses too; what goes wrong is done to its connection.

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::{HeaderName, HeaderValue, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::answer::Framing;
use super::connection::{Connection, Gone};
use super::queue::Prepared;
use super::{Answer, Fault, Place, RecordedRequest, Shared};

/// What the task of a stream asks of the task of its connection.
enum Order {
    /// Tell when all that was sent so far is written.
    Flush(oneshot::Sender<()>),
    Close,
    Reset,
    GoAway,
}

/// What happens next on a connection.
enum Next {
    Request(Box<(Request<h2::RecvStream>, SendResponse<Bytes>)>),
    Order(Order),
    End,
}

/// Answers the requests of a connection until either side closes it.
pub(super) async fn serve<S>(connection: Connection<S>, shared: &Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let reset_at_close = connection.reset_at_close();
    let Ok(mut connection) = h2::server::handshake(connection).await else { return };
    let (orders, mut ordered) = mpsc::unbounded_channel();
    let mut streams = JoinSet::new();
    loop {
        // The connection first: it writes what waits, so that an order comes after what was sent before it.
        let next = poll_fn(|cx| match connection.poll_accept(cx) {
            Poll::Ready(Some(Ok(exchange))) => Poll::Ready(Next::Request(Box::new(exchange))),
            Poll::Ready(_) => Poll::Ready(Next::End),
            Poll::Pending => ordered.poll_recv(cx).map(|order| order.map_or(Next::End, Next::Order)),
        });
        match next.await {
            Next::Request(received) => {
                while streams.try_join_next().is_some() {}
                let (request, response) = *received;
                streams.spawn(exchange(request, response, orders.clone(), Arc::clone(shared)));
            }
            Next::Order(Order::Flush(done)) => drop(done.send(())),
            Next::Order(Order::GoAway) => connection.abrupt_shutdown(Reason::NO_ERROR),
            Next::Order(Order::Reset) => return reset_at_close.set(),
            Next::Order(Order::Close) | Next::End => return,
        }
    }
}

/// One request and its answer. An error means that the client gave up on it.
async fn exchange(
    request: Request<h2::RecvStream>,
    response: SendResponse<Bytes>,
    orders: mpsc::UnboundedSender<Order>,
    shared: Arc<Shared>,
) -> Result<(), Gone> {
    let (head, mut incoming) = request.into_parts();
    let mut body = Vec::new();
    while let Some(data) = incoming.data().await {
        let data = data.map_err(|_| Gone)?;
        incoming.flow_control().release_capacity(data.len()).map_err(|_| Gone)?;
        body.extend_from_slice(&data);
    }
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let prepared = shared.take(RecordedRequest::new(head.method, target, head.headers, body.into()));
    Responding { response, stream: None, orders }.answer(&prepared).await
}

/// The answering side of a stream.
struct Responding {
    response: SendResponse<Bytes>,
    /// Present once the head was sent.
    stream: Option<SendStream<Bytes>>,
    orders: mpsc::UnboundedSender<Order>,
}

impl Responding {
    async fn answer(mut self, prepared: &Prepared) -> Result<(), Gone> {
        let answer = &prepared.answer;
        self.pause(answer.delay).await?;
        for status in &answer.interim {
            let mut interim = Response::new(());
            *interim.status_mut() = http::StatusCode::from_u16(*status).map_err(|_| Gone)?;
            self.response.send_informational(interim).map_err(|_| Gone)?;
        }
        if let Some((fault, Place::BeforeHead | Place::InHead)) = answer.fault {
            return self.fail(fault).await;
        }
        let stream = self.response.send_response(head(answer)?, false).map_err(|_| Gone)?;
        let parts = answer.parts_until_fault();
        self.stream = Some(stream);
        for part in parts {
            self.pause(part.pause).await?;
            for _ in 0..part.times {
                self.send(part.bytes.clone()).await?;
            }
        }
        match answer.fault {
            Some((fault, _)) => return self.fail(fault).await,
            None => self.end()?,
        }
        if answer.closing || answer.framing == Framing::CloseDelimited {
            self.flush().await?;
            return self.order(Order::Close).await;
        }
        Ok(())
    }

    /// Sends bytes as the client's window allows.
    async fn send(&mut self, mut bytes: Bytes) -> Result<(), Gone> {
        let stream = self.stream.as_mut().ok_or(Gone)?;
        while !bytes.is_empty() {
            stream.reserve_capacity(bytes.len());
            let capacity = poll_fn(|cx| stream.poll_capacity(cx)).await.ok_or(Gone)?.map_err(|_| Gone)?;
            stream.send_data(bytes.split_to(capacity.min(bytes.len())), false).map_err(|_| Gone)?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Gone> {
        let stream = self.stream.as_mut().ok_or(Gone)?;
        stream.send_data(Bytes::new(), true).map_err(|_| Gone)
    }

    async fn fail(mut self, fault: Fault) -> Result<(), Gone> {
        // What was sent must be on its way before.
        self.flush().await?;
        match fault {
            Fault::Stall => Err(self.gone().await),
            Fault::ResetStream => self.reset(Reason::INTERNAL_ERROR),
            Fault::RefuseStream => self.reset(Reason::REFUSED_STREAM),
            Fault::Close => self.order(Order::Close).await,
            Fault::Reset => self.order(Order::Reset).await,
            Fault::GoAway => self.order(Order::GoAway).await,
        }
    }

    fn reset(mut self, reason: Reason) -> Result<(), Gone> {
        match &mut self.stream {
            Some(stream) => stream.send_reset(reason),
            None => self.response.send_reset(reason),
        }
        Ok(())
    }

    /// Waits until all that was sent is written to the connection.
    async fn flush(&self) -> Result<(), Gone> {
        let (done, written) = oneshot::channel();
        self.orders.send(Order::Flush(done)).map_err(|_| Gone)?;
        written.await.map_err(|_| Gone)
    }

    /// Has something done to the connection, which ends this task too. Until then the stream must stay open.
    async fn order(self, order: Order) -> Result<(), Gone> {
        self.orders.send(order).map_err(|_| Gone)?;
        pending().await
    }

    /// Waits, and notices when the client gives up on the stream meanwhile.
    async fn pause(&mut self, duration: Duration) -> Result<(), Gone> {
        if duration.is_zero() {
            return Ok(());
        }
        match timeout(duration, self.gone()).await {
            Ok(gone) => Err(gone),
            Err(_) => Ok(()),
        }
    }

    /// Waits until the client gives up on the stream.
    async fn gone(&mut self) -> Gone {
        let reset = poll_fn(|cx| match &mut self.stream {
            Some(stream) => stream.poll_reset(cx),
            None => self.response.poll_reset(cx),
        });
        let _ = reset.await;
        Gone
    }
}

fn head(answer: &Answer) -> Result<Response<()>, Gone> {
    let mut head = Response::new(());
    *head.status_mut() = http::StatusCode::from_u16(answer.status).map_err(|_| Gone)?;
    for (name, value) in &answer.headers {
        // These belong to HTTP/1.1 (RFC 9113, 8.2.2).
        if !["connection", "transfer-encoding"].contains(&name.to_ascii_lowercase().as_str()) {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Gone)?;
            head.headers_mut().append(name, HeaderValue::from_bytes(value).map_err(|_| Gone)?);
        }
    }
    Ok(head)
}
