//! Waiting for jobs that the server processes: videos, batches, directory syncs.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use http::Method;

use crate::core::call::{Call, CallWithResponse, Draft, Response};
use crate::core::head::Head;
use crate::core::time::{self, Sleep, sleep};
use crate::core::wire::Root;
use crate::errors::{ApiError, Error, InvalidRequestError, TimeoutError, TimeoutPhase};
#[cfg(feature = "batch")]
use crate::models::batch::{BatchObject, BatchStatus};
#[cfg(feature = "scim")]
use crate::models::scim::{ScimSyncJobResponse, ScimSyncJobStatus};
#[cfg(feature = "video-generation")]
use crate::models::{VideoGenerationResponse, VideoGenerationResponseStatus};

/// The state of a job that the server processes. Like [`Root`], this trait is sealed.
pub trait Job: Root {
    /// The pause between two requests, unless the program sets another.
    #[doc(hidden)]
    const POLL_INTERVAL: Duration = Duration::from_secs(5);

    /// How long to wait, unless the program sets another limit.
    #[doc(hidden)]
    const TIME_LIMIT: Duration = Duration::from_secs(3600);

    /// The method that returns the state.
    #[doc(hidden)]
    const METHOD: &'static str;

    /// Returns `true` if the job is over, whether it succeeded or not. An unknown status counts as
    /// one of a job in progress.
    fn is_final(&self) -> bool;

    /// Returns `true` if the job is over and succeeded.
    fn is_successful(&self) -> bool;

    /// Returns the status as the server names it, and its explanation of a failure.
    #[doc(hidden)]
    fn outcome(&self) -> (&str, Option<&str>);
}

#[cfg(feature = "video-generation")]
impl VideoGenerationResponseStatus {
    /// Returns `true` if the job is over, with or without a video. An unknown status counts as one
    /// of a job in progress.
    #[inline]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled | Self::Expired)
    }
}

#[cfg(feature = "video-generation")]
impl Job for VideoGenerationResponse {
    const METHOD: &'static str = "video_generation().get_generation";

    #[inline]
    fn is_final(&self) -> bool {
        self.status.is_final()
    }

    #[inline]
    fn is_successful(&self) -> bool {
        self.status == VideoGenerationResponseStatus::Completed
    }

    #[inline]
    fn outcome(&self) -> (&str, Option<&str>) {
        (self.status.as_str(), self.error.as_deref())
    }
}

#[cfg(feature = "batch")]
impl BatchStatus {
    /// Returns `true` if the batch is over: completed, failed, expired or canceled. An unknown
    /// status counts as one of a batch in progress.
    #[inline]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Expired | Self::Cancelled)
    }
}

/// A batch is successful if it completed, even if some or all of its requests failed: its results
/// say which.
#[cfg(feature = "batch")]
impl Job for BatchObject {
    const POLL_INTERVAL: Duration = Duration::from_secs(60);

    /// Longer than any provider works on a batch, which is up to four days.
    const TIME_LIMIT: Duration = Duration::from_secs(5 * 24 * 3600);

    const METHOD: &'static str = "batch().get_batches";

    #[inline]
    fn is_final(&self) -> bool {
        self.status.is_final()
    }

    #[inline]
    fn is_successful(&self) -> bool {
        self.status == BatchStatus::Completed
    }

    #[inline]
    fn outcome(&self) -> (&str, Option<&str>) {
        (self.status.as_str(), self.error.as_ref().map(|error| error.message.as_str()))
    }
}

#[cfg(feature = "scim")]
impl ScimSyncJobStatus {
    /// Returns `true` if the sync is over, whether it succeeded or not. An unknown status counts as
    /// one of a sync in progress.
    #[inline]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

#[cfg(feature = "scim")]
impl Job for ScimSyncJobResponse {
    const METHOD: &'static str = "scim().get_sync_job";

    #[inline]
    fn is_final(&self) -> bool {
        self.data.status.is_final()
    }

    #[inline]
    fn is_successful(&self) -> bool {
        self.data.status == ScimSyncJobStatus::Succeeded
    }

    #[inline]
    fn outcome(&self) -> (&str, Option<&str>) {
        (self.data.status.as_str(), self.data.error_message.as_deref())
    }
}

impl<J: Job> Call<J> {
    /// Polls the state of the job until it is over. Must be the last option of the call.
    ///
    /// It is a method of the call that returns the state of a job:
    /// `video_generation().get_generation`, `batch().get_batches` or `scim().get_sync_job`. On a
    /// call that starts a job it is [`Error::InvalidRequest`], so that the program knows the id of
    /// a job that it pays for before it waits. Every request is a separate call with all options of
    /// this one.
    ///
    /// ```no_run
    /// # #[cfg(feature = "video-generation")]
    /// # async fn video(client: openrouter_kit::OpenRouter) -> Result<(), openrouter_kit::Error> {
    /// use openrouter_kit::models::VideoGenerationRequest;
    ///
    /// let request = VideoGenerationRequest::new("google/veo-3.1").prompt("A lighthouse in a storm");
    /// let job = client.video_generation().generate(request).await?;
    /// let video = client.video_generation().get_generation(&job.id).until_done().await?;
    /// let file = client.video_generation().get_video_content(&video.id).await?;
    /// file.save_to("lighthouse.mp4").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn until_done(self) -> JobWait<J> {
        JobWait {
            draft: self.into_draft(),
            poll_interval: J::POLL_INTERVAL,
            time_limit: Some(J::TIME_LIMIT),
            limit: None,
            last: None,
            step: Step::Start,
        }
    }
}

/// Waits for the end of a job; see [`Call::until_done`].
///
/// `.await` waits for the end and returns the last state. A job that does not succeed (failed,
/// canceled, expired) is [`Error::Api`] with the state as its [`body`](ApiError::body). A batch
/// that completed is a success, even if some of its requests failed: its results say which.
///
/// To show progress, read the states as they arrive with [`next`](Self::next) or as a
/// [`futures_core::Stream`]: it yields every state, ending with the final one, whatever that is.
///
/// ```no_run
/// # #[cfg(feature = "video-generation")]
/// # async fn video(client: openrouter_kit::OpenRouter) -> Result<(), openrouter_kit::Error> {
/// let mut states = client.video_generation().get_generation("the id of the job").until_done();
/// while let Some(state) = states.next().await {
///     println!("{}", state?.status);
/// }
/// # Ok(())
/// # }
/// ```
///
/// An error of a request ends the wait, after the retries that the call allows; the job continues,
/// and can be waited for again.
#[must_use = "nothing is sent before it is awaited or read"]
pub struct JobWait<J> {
    draft: Box<Draft>,
    poll_interval: Duration,
    time_limit: Option<Duration>,
    /// Begins with the first request.
    limit: Option<Pin<Box<Sleep>>>,
    last: Option<Response<J>>,
    step: Step<J>,
}

enum Step<J> {
    Start,
    Asking(CallWithResponse<J>),
    Pausing(Pin<Box<Sleep>>),
    Over,
}

// Nothing in it is pinned in place.
impl<J> Unpin for JobWait<J> {}

impl<J: Job> JobWait<J> {
    /// Sets the pause between a response and the next request, which must be more than zero.
    /// Default: 5 s; one minute for a batch.
    #[inline]
    pub fn poll_interval(mut self, poll_interval: Duration) -> Self {
        self.poll_interval = poll_interval;
        self
    }

    /// Sets the limit for the whole wait, after which it ends with [`Error::Timeout`]; `None` means
    /// no limit. Default: one hour; five days for a batch. The time limits of the call apply to
    /// each of its requests.
    #[inline]
    pub fn time_limit(mut self, time_limit: impl Into<Option<Duration>>) -> Self {
        self.time_limit = time_limit.into();
        self
    }

    /// Returns the next state of the job; `None` after the final one.
    #[inline]
    pub async fn next(&mut self) -> Option<Result<J, Error>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    #[inline]
    fn check(&self) -> Result<(), InvalidRequestError> {
        if self.draft.parts.operation().method() != Method::GET {
            let message = format!(
                "cannot wait for a job that is still to be started; await this call, and wait with `{}` and the id \
                 that it returns",
                J::METHOD
            );
            return Err(InvalidRequestError::new("until_done", message));
        }
        if self.poll_interval.is_zero() {
            let message = "is zero, which would send requests without a pause; pass a few seconds";
            return Err(InvalidRequestError::new("poll_interval", message));
        }
        Ok(())
    }

    /// Begins the next request.
    #[inline]
    fn ask(&mut self) -> Step<J> {
        Step::Asking(Call::from_draft(self.draft.copy()).with_response())
    }

    /// Ready once `last` is the next state, without regard to the limit.
    #[inline]
    fn poll_state(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<(), Error>>> {
        loop {
            match &mut self.step {
                Step::Over => return Poll::Ready(None),
                Step::Start => {
                    if let Err(error) = self.check() {
                        return Poll::Ready(Some(Err(error.into())));
                    }
                    self.limit = self.time_limit.map(|limit| Box::pin(sleep(limit)));
                    self.step = self.ask();
                }
                Step::Pausing(pause) => {
                    ready!(pause.as_mut().poll(cx));
                    self.step = self.ask();
                }
                Step::Asking(response) => {
                    let response = match ready!(Pin::new(response).poll(cx)) {
                        Ok(response) => response,
                        Err(error) => return Poll::Ready(Some(Err(error))),
                    };
                    self.step = match response.value.is_final() {
                        true => Step::Over,
                        false => Step::Pausing(Box::pin(sleep(self.poll_interval))),
                    };
                    self.last = Some(response);
                    return Poll::Ready(Some(Ok(())));
                }
            }
        }
    }

    /// Returns the limit once it has expired.
    #[inline]
    fn poll_limit(&mut self, cx: &mut Context<'_>) -> Poll<Duration> {
        match (&mut self.limit, self.time_limit) {
            (Some(timer), Some(limit)) => timer.as_mut().poll(cx).map(|()| limit),
            _ => Poll::Pending,
        }
    }

    /// Ready once `last` is the next state, or with the error that ends the wait.
    #[inline]
    fn poll_progress(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<(), Error>>> {
        let id = self.draft.parts.operation().id();
        // A response that is there counts, but no other request begins after the limit.
        let mut state = if matches!(self.step, Step::Pausing(_)) && self.poll_limit(cx).is_ready() {
            Poll::Pending
        } else {
            self.poll_state(cx)
        };
        if state.is_pending()
            && let Poll::Ready(limit) = self.poll_limit(cx)
        {
            state = Poll::Ready(Some(Err(TimeoutError::new(id, TimeoutPhase::Total, limit).into())));
        }
        if let Poll::Ready(Some(Err(_))) = &state {
            self.step = Step::Over;
        }
        state.map(|state| state.map(|state| state.map_err(|error| error.of_operation(id))))
    }

    /// Returns the final state of the job.
    #[inline]
    async fn finish(mut self) -> Result<J, Error> {
        while let Some(state) = std::future::poll_fn(|cx| self.poll_progress(cx)).await {
            state?;
        }
        let id = self.draft.parts.operation().id();
        match self.last {
            Some(last) if last.value.is_successful() => Ok(last.value),
            Some(last) if last.value.is_final() => {
                let head = Head { operation_id: id, status: last.status, headers: last.headers };
                let (status, message) = last.value.outcome();
                Err(ApiError::of_job(head, last.body, time::now(), status, message).into())
            }
            _ => {
                Err(Error::invalid("until_done", "has already ended with an error; create a new one").of_operation(id))
            }
        }
    }
}

impl<J: Job> Stream for JobWait<J> {
    type Item = Result<J, Error>;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let state = ready!(self.poll_progress(cx));
        Poll::Ready(state.and_then(|state| match state {
            Ok(()) => self.last.as_ref().map(|last| Ok(last.value.clone())),
            Err(error) => Some(Err(error)),
        }))
    }
}

impl<J: Job> IntoFuture for JobWait<J> {
    type Output = Result<J, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    #[inline]
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.finish())
    }
}

impl<J> fmt::Debug for JobWait<J> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobWait")
            .field("request", &self.draft.parts)
            .field("poll_interval", &self.poll_interval)
            .field("time_limit", &self.time_limit)
            .finish_non_exhaustive()
    }
}
