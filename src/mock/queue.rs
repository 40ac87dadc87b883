//! Which answer a request gets.

use std::collections::VecDeque;
use std::sync::Arc;

use super::http1::{self, Step};
use super::{Answer, RecordedRequest, Reply, demo};

/// An answer, made ready to be sent many times.
pub(super) struct Prepared {
    #[cfg_attr(not(feature = "http2"), expect(dead_code, reason = "only HTTP/2 is answered from it"))]
    pub(super) answer: Answer,
    /// Its bytes in HTTP/1.1.
    pub(super) steps: Vec<Step>,
}

impl Prepared {
    fn new(answer: Answer) -> Arc<Self> {
        let steps = http1::steps(&answer);
        Arc::new(Self { answer, steps })
    }
}

/// Makes the answer to a request.
pub(super) type Respond = Arc<dyn Fn(&RecordedRequest) -> Answer + Send + Sync>;

/// What a request gets.
#[derive(Clone)]
pub(super) enum Content {
    Answer(Arc<Prepared>),
    Reply(Reply),
    /// What a function makes of the request.
    Respond(Respond),
}

impl Content {
    /// The answer to `request`. It may run code of the user, hence not while the queue is locked.
    pub(super) fn answer_to(self, request: &RecordedRequest) -> Arc<Prepared> {
        match self {
            Self::Answer(prepared) => prepared,
            Self::Reply(reply) => Prepared::new(reply.answer_to(request)),
            Self::Respond(respond) => Prepared::new(respond(request)),
        }
    }
}

/// The answers that wait for requests.
#[derive(Default)]
pub(super) struct Queue {
    for_any: VecDeque<Waiting>,
    for_route: VecDeque<(String, String, Waiting)>,
    /// Makes the answers to requests for which nothing is queued; until it is set, the demonstration does.
    otherwise: Option<Respond>,
}

struct Waiting {
    content: Content,
    /// How often it may still be given; `None` for always.
    times: Option<usize>,
}

impl Waiting {
    fn new(answer: Answer) -> Self {
        let times = answer.times;
        Self { content: Content::Answer(Prepared::new(answer)), times }
    }

    /// Gives the answer once; the second part says whether that was the last time.
    fn give(&mut self) -> (Content, bool) {
        if let Some(times) = &mut self.times {
            *times = times.saturating_sub(1);
        }
        (self.content.clone(), self.times == Some(0))
    }
}

impl Queue {
    pub(super) fn push(&mut self, answer: Answer) {
        self.otherwise.get_or_insert_with(|| Arc::new(nothing_left));
        if answer.times != Some(0) {
            self.for_any.push_back(Waiting::new(answer));
        }
    }

    pub(super) fn push_reply(&mut self, reply: Reply) {
        self.otherwise.get_or_insert_with(|| Arc::new(nothing_left));
        self.for_any.push_back(Waiting { content: Content::Reply(reply), times: Some(1) });
    }

    pub(super) fn push_route(&mut self, method: &str, path: &str, answer: Answer) {
        self.otherwise.get_or_insert_with(|| Arc::new(nothing_left));
        if answer.times != Some(0) {
            self.for_route.push_back((method.to_owned(), path.to_owned(), Waiting::new(answer)));
        }
    }

    pub(super) fn respond_with(&mut self, respond: Respond) {
        self.otherwise = Some(respond);
    }

    pub(super) fn next(&mut self, request: &RecordedRequest) -> Content {
        let short = request.operation_path();
        let route = self.for_route.iter_mut().enumerate().find(|(_, (method, path, _))| {
            method.eq_ignore_ascii_case(request.method.as_str()) && (path == short || *path == request.path)
        });
        if let Some((index, (_, _, waiting))) = route {
            let (content, last) = waiting.give();
            if last {
                self.for_route.remove(index);
            }
            return content;
        }
        let Some(waiting) = self.for_any.front_mut() else {
            return Content::Respond(self.otherwise.clone().unwrap_or_else(|| Arc::new(demo::answer)));
        };
        let (content, last) = waiting.give();
        if last {
            self.for_any.pop_front();
        }
        content
    }
}

/// The answer of a server whose queue is used up.
fn nothing_left(request: &RecordedRequest) -> Answer {
    let message = format!("The mock server has no answer left for {} {}", request.method, request.path);
    Answer::error(404, &message)
}
