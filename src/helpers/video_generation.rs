//! Waiting for a video.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::core::time::{self, Sleep, sleep};
use futures_core::Stream;
use http::Method;

use crate::core::call::{Call, CallWithResponse, Draft, Response};
use crate::core::head::Head;
use crate::errors::{ApiError, Error, InvalidRequestError, TimeoutError, TimeoutPhase};
use crate::models::{VideoGenerationResponse, VideoGenerationResponseStatus};

impl VideoGenerationResponseStatus {
    /// True where the job is over, with a video or without. A status that this version of the crate does not know counts
    /// as one of a job that goes on.
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled | Self::Expired)
    }
}

impl Call<VideoGenerationResponse> {
    /// Asks for the state of the job again and again until it is over. It is the last option of the call.
    ///
    /// It belongs to `video_generation_get_generation`; on a call that starts a job it is [`Error::InvalidRequest`], so that
    /// the program knows the id of a job that it pays for before it waits. Every request is a call of its own with all
    /// options of this one.
    ///
    /// ```no_run
    /// # async fn film(client: openrouter_kit::OpenRouter) -> Result<(), openrouter_kit::Error> {
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
    pub fn until_done(self) -> VideoWait {
        VideoWait {
            draft: self.into_draft(),
            poll_interval: VideoWait::POLL_INTERVAL,
            time_limit: Some(VideoWait::TIME_LIMIT),
            limit: None,
            last: None,
            step: Step::Start,
        }
    }
}

/// A wait for the end of a video job; see `until_done` of [`Call`].
///
/// `.await` waits for the video and answers with the last state, whose status is
/// [`Completed`](VideoGenerationResponseStatus::Completed). A job that ends without a video (failed, cancelled, expired) is
/// [`Error::Api`] with the state as its [`body`](ApiError::body).
///
/// To show progress, read the states as they come with [`next`](Self::next) or as a [`futures_core::Stream`]: it gives every
/// state, with the final one as the last, whatever it is.
///
/// ```no_run
/// # async fn film(client: openrouter_kit::OpenRouter) -> Result<(), openrouter_kit::Error> {
/// let mut states = client.video_generation().get_generation("the id of the job").until_done();
/// while let Some(state) = states.next().await {
///     println!("{}", state?.status);
/// }
/// # Ok(())
/// # }
/// ```
///
/// An error of a request ends the wait, after the retries that the call allows; the job goes on, and can be waited for
/// again.
#[must_use = "nothing is sent before it is awaited or read"]
pub struct VideoWait {
    draft: Box<Draft>,
    poll_interval: Duration,
    time_limit: Option<Duration>,
    /// Begins with the first request.
    limit: Option<Pin<Box<Sleep>>>,
    last: Option<Response<VideoGenerationResponse>>,
    step: Step,
}

enum Step {
    Start,
    Asking(CallWithResponse<VideoGenerationResponse>),
    Pausing(Pin<Box<Sleep>>),
    Over,
}

impl VideoWait {
    const POLL_INTERVAL: Duration = Duration::from_secs(5);
    const TIME_LIMIT: Duration = Duration::from_secs(3600);

    /// Sets the pause between an answer and the next request. More than zero; default: 5 s.
    #[inline]
    pub fn poll_interval(mut self, poll_interval: Duration) -> Self {
        self.poll_interval = poll_interval;
        self
    }

    /// Sets the limit for the whole wait, after which it ends with [`Error::Timeout`]; `None` for no limit. Default: one
    /// hour. The time limits of the call hold for each of its requests.
    #[inline]
    pub fn time_limit(mut self, time_limit: impl Into<Option<Duration>>) -> Self {
        self.time_limit = time_limit.into();
        self
    }

    /// The next state of the job; `None` after the final one.
    #[inline]
    pub async fn next(&mut self) -> Option<Result<VideoGenerationResponse, Error>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    #[inline]
    fn check(&self) -> Result<(), InvalidRequestError> {
        if self.draft.parts.operation().method() != Method::GET {
            let message = "cannot wait for a job that is still to be started; await this call, and wait with \
                           `get_generation` and the id that it answers with";
            return Err(InvalidRequestError::new("until_done", message));
        }
        if self.poll_interval.is_zero() {
            let message = "is zero, which would ask without a pause; give some seconds";
            return Err(InvalidRequestError::new("poll_interval", message));
        }
        Ok(())
    }

    /// Begins the next request.
    #[inline]
    fn ask(&mut self) -> Step {
        Step::Asking(Call::from_draft(self.draft.copy()).with_response())
    }

    /// The next answer, without regard to the limit.
    #[inline]
    fn poll_state(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<VideoGenerationResponse, Error>>> {
        loop {
            match &mut self.step {
                Step::Over => return Poll::Ready(None),
                Step::Start => {
                    if let Err(mistake) = self.check() {
                        return Poll::Ready(Some(Err(mistake.into())));
                    }
                    self.limit = self.time_limit.map(|limit| Box::pin(sleep(limit)));
                    self.step = self.ask();
                }
                Step::Pausing(pause) => {
                    std::task::ready!(pause.as_mut().poll(cx));
                    self.step = self.ask();
                }
                Step::Asking(answer) => {
                    let answer = match std::task::ready!(Pin::new(answer).poll(cx)) {
                        Ok(answer) => answer,
                        Err(error) => return Poll::Ready(Some(Err(error))),
                    };
                    let state = answer.value.clone();
                    self.step = match state.status.is_final() {
                        true => Step::Over,
                        false => Step::Pausing(Box::pin(sleep(self.poll_interval))),
                    };
                    self.last = Some(answer);
                    return Poll::Ready(Some(Ok(state)));
                }
            }
        }
    }

    /// Ready with the limit once it has run out.
    #[inline]
    fn poll_limit(&mut self, cx: &mut Context<'_>) -> Poll<Duration> {
        match (&mut self.limit, self.time_limit) {
            (Some(timer), Some(limit)) => timer.as_mut().poll(cx).map(|()| limit),
            _ => Poll::Pending,
        }
    }

    /// The final state, if it is the one that was waited for.
    #[inline]
    async fn finish(mut self) -> Result<VideoGenerationResponse, Error> {
        while let Some(state) = self.next().await {
            state?;
        }
        let id = self.draft.parts.operation().id();
        match self.last {
            Some(last) if last.value.status == VideoGenerationResponseStatus::Completed => Ok(last.value),
            Some(last) if last.value.status.is_final() => {
                let head = Head { operation_id: id, status: last.status, headers: last.headers };
                Err(ApiError::read(head, last.body, time::now()).into())
            }
            _ => Err(Error::invalid("until_done", "ended with an error before; make a new one").of_operation(id)),
        }
    }
}

impl Stream for VideoWait {
    type Item = Result<VideoGenerationResponse, Error>;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let wait = &mut *self;
        let id = wait.draft.parts.operation().id();
        // An answer that is there counts, but no other request begins after the limit.
        let mut state = if matches!(wait.step, Step::Pausing(_)) && wait.poll_limit(cx).is_ready() {
            Poll::Pending
        } else {
            wait.poll_state(cx)
        };
        if state.is_pending()
            && let Poll::Ready(limit) = wait.poll_limit(cx)
        {
            state = Poll::Ready(Some(Err(TimeoutError::new(id, TimeoutPhase::Total, limit).into())));
        }
        if let Poll::Ready(Some(Err(_))) = &state {
            wait.step = Step::Over;
        }
        state.map(|state| state.map(|state| state.map_err(|error| error.of_operation(id))))
    }
}

impl IntoFuture for VideoWait {
    type Output = Result<VideoGenerationResponse, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    #[inline]
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.finish())
    }
}

impl fmt::Debug for VideoWait {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VideoWait")
            .field("request", &self.draft.parts)
            .field("poll_interval", &self.poll_interval)
            .field("time_limit", &self.time_limit)
            .finish_non_exhaustive()
    }
}
