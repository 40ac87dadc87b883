//! Which answer a request gets.

use std::collections::VecDeque;
use std::sync::Arc;

use super::http1::{self, Step};
use super::{Answer, BASE_PATH, RecordedRequest, demo};

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

/// The answers that wait for requests.
#[derive(Default)]
pub(super) struct Queue {
    for_any: VecDeque<Waiting>,
    for_route: VecDeque<(String, String, Waiting)>,
    /// An answer was queued at some time, so that this is a test and no demonstration.
    used: bool,
}

struct Waiting {
    prepared: Arc<Prepared>,
    /// How often it may still be given; `None` for always.
    times: Option<usize>,
}

impl Waiting {
    fn new(answer: Answer) -> Self {
        let times = answer.times;
        Self { prepared: Prepared::new(answer), times }
    }

    /// Gives the answer once; the second part tells whether that was the last time.
    fn give(&mut self) -> (Arc<Prepared>, bool) {
        if let Some(times) = &mut self.times {
            *times = times.saturating_sub(1);
        }
        (Arc::clone(&self.prepared), self.times == Some(0))
    }
}

impl Queue {
    pub(super) fn push(&mut self, answer: Answer) {
        self.used = true;
        if answer.times != Some(0) {
            self.for_any.push_back(Waiting::new(answer));
        }
    }

    pub(super) fn push_route(&mut self, method: &str, path: &str, answer: Answer) {
        self.used = true;
        if answer.times != Some(0) {
            self.for_route.push_back((method.to_owned(), path.to_owned(), Waiting::new(answer)));
        }
    }

    pub(super) fn answer_to(&mut self, request: &RecordedRequest) -> Arc<Prepared> {
        if !self.used {
            return Prepared::new(demo::answer(request));
        }
        let short = request.path.strip_prefix(BASE_PATH).unwrap_or(&request.path);
        let route = self.for_route.iter_mut().enumerate().find(|(_, (method, path, _))| {
            method.eq_ignore_ascii_case(request.method.as_str()) && (path == short || *path == request.path)
        });
        if let Some((index, (_, _, waiting))) = route {
            let (prepared, last) = waiting.give();
            if last {
                self.for_route.remove(index);
            }
            return prepared;
        }
        let Some(waiting) = self.for_any.front_mut() else {
            let message = format!("The mock server has no answer left for {} {}", request.method, request.path);
            return Prepared::new(Answer::error(404, &message));
        };
        let (prepared, last) = waiting.give();
        if last {
            self.for_any.pop_front();
        }
        prepared
    }
}
